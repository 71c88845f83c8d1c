package tail

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
)

// ReadAll reads old logs once, from start to end and oldest first: siblings of
// one log by their rotation, different logs one after the other by their
// newest modification. Compressed ones are decompressed. Batch.Source is the path;
// Batch.Place is empty, and the last batch of a file, with AtEnd, may be. A file that cannot be read does not keep the
// others from being read: its error stands in the result. An error of the sink
// or the end of ctx ends the reading at once.
func ReadAll(ctx context.Context, cfg Config, paths []string, sink Sink) error {
	cfg = cfg.withDefaults()
	sorted, err := InTimeOrder(paths)
	errs := []error{err}
	for _, path := range sorted {
		err := readOne(ctx, cfg, path, sink)
		if se := (*sinkError)(nil); errors.As(err, &se) {
			return se.err
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

// sinkError is an error of the sink, which ends all reading.
type sinkError struct{ err error }

// Error gives the sink's error.
func (e *sinkError) Error() string { return e.err.Error() }

// readOne reads one old log.
func readOne(ctx context.Context, cfg Config, path string, sink Sink) error {
	r, err := OpenLog(path)
	if err != nil {
		return err
	}
	defer r.Close()
	l := lines{max: cfg.MaxLine}
	b := Batch{Source: path}
	var st fs.FileInfo
	if st, err = os.Stat(path); err == nil {
		b.Ref = st.ModTime()
	}
	plain, _ := r.(*os.File)
	for err = nil; err == nil; {
		if err := ctx.Err(); err != nil {
			return err
		}
		buf, at := l.buffer(cfg.BatchBytes)
		var n int
		n, err = fill(r, buf[at:])
		b.Text, b.Cut = "", 0
		if n > 0 {
			b.Text, b.Cut = l.take(buf[:at+n])
		}
		if plain != nil && st != nil {
			b.Behind = max(0, st.Size()-l.pos())
		}
		if b.Text == "" {
			continue
		}
		if err := sink.Batch(ctx, b); err != nil {
			return &sinkError{err}
		}
	}
	b.Text, b.Cut = l.rest()
	b.AtEnd, b.Behind = true, 0
	if serr := sink.Batch(ctx, b); serr != nil {
		return &sinkError{serr}
	}
	if !errors.Is(err, io.EOF) {
		return fmt.Errorf("read log %s: %w", path, err)
	}
	return nil
}
