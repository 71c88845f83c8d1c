package tail

import (
	"context"
	"errors"
	"fmt"
	"io"
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
	b := Batch{Source: path}
	size := int64(-1) // of what is read; unknown where it is compressed
	if st, err := os.Stat(path); err == nil {
		b.Ref = st.ModTime()
		if _, plain := r.(*os.File); plain {
			size = st.Size()
		}
	}
	return readLines(ctx, cfg, r, b, size, sink)
}

// readLines reads lines to the end. Each batch is made from b.
func readLines(ctx context.Context, cfg Config, r io.Reader, b Batch, size int64, sink Sink) error {
	l := lines{max: cfg.MaxLine}
	var err error
	for err == nil {
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
		if size >= 0 {
			b.Behind = max(0, size-l.pos())
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
		return fmt.Errorf("read log %s: %w", b.Source, err)
	}
	return nil
}
