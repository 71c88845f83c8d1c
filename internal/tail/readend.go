package tail

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"syscall"
)

// OpenPlain opens a log that must be a regular file, and never waits: to open
// a named pipe without a writer would block.
func OpenPlain(path string) (*os.File, fs.FileInfo, error) {
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, nil, fmt.Errorf("open log: %w", err)
	}
	st, err := f.Stat()
	if err == nil && !st.Mode().IsRegular() {
		err = fmt.Errorf("%s is %s; name the file that the log is written to", path, kindOf(st.Mode()))
	}
	if err != nil {
		f.Close()
		return nil, nil, fmt.Errorf("open log: %w", err)
	}
	return f, st, nil
}

// kindOf names what is no regular file.
func kindOf(m fs.FileMode) string {
	switch {
	case m.IsDir():
		return "a directory"
	case m&fs.ModeNamedPipe != 0:
		return "a named pipe"
	case m&fs.ModeSocket != 0:
		return "a socket"
	}
	return "no regular file"
}

// ReadEnd reads the last whole lines of a plain log once: those in its last
// most bytes, up to its end at this moment. The last batch has AtEnd and may
// be empty; Batch.Place is empty. An unfinished last line is left out, for it
// may be being written.
func ReadEnd(ctx context.Context, cfg Config, path string, most int64, sink Sink) error {
	cfg = cfg.withDefaults()
	f, st, err := OpenPlain(path)
	if err != nil {
		return err
	}
	defer f.Close()
	from := max(0, st.Size()-most)
	// One byte more shows whether the first line is whole.
	in := io.NewSectionReader(f, max(0, from-1), st.Size()-max(0, from-1))
	l := lines{max: cfg.MaxLine}
	first := from > 0
	for err = nil; err == nil; {
		if err := ctx.Err(); err != nil {
			return err
		}
		buf, at := l.buffer(cfg.BatchBytes)
		var n int
		n, err = fill(in, buf[at:])
		got := buf[:at+n]
		if first {
			got = afterLineEnd(got)
			first = len(got) == 0
		}
		b := Batch{Source: path, Ref: st.ModTime()}
		if len(got) > 0 {
			b.Text, b.Cut = l.take(got)
		}
		if b.AtEnd = err != nil; b.Text == "" && !b.AtEnd {
			continue
		}
		if serr := sink.Batch(ctx, b); serr != nil {
			return serr
		}
	}
	if !errors.Is(err, io.EOF) {
		return fmt.Errorf("read log %s: %w", path, err)
	}
	return nil
}

// afterLineEnd gives what follows the first line end, nothing where there is
// none.
func afterLineEnd(b []byte) []byte {
	for i, c := range b {
		if c == '\n' {
			return b[i+1:]
		}
	}
	return nil
}
