package cli

import (
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/mtawatch/mtawatch/internal/tail"
	"github.com/mtawatch/mtawatch/internal/view"
)

// seriesInput is a file, compressed or not, or standard input, that can be
// read more than once.
type seriesInput struct {
	io.Reader
	name  string
	file  *os.File // nil: a reader that is no file
	end   io.Closer
	total int64 // bytes of a regular file
}

// openSeries opens a file, or standard input for "-".
func (t *tool) openSeries(name string) (*seriesInput, error) {
	in := &seriesInput{name: name}
	if name != "-" {
		return in, in.reopen()
	}
	in.name = "standard input"
	f, ok := t.in.(*os.File)
	if ok && regular(f) {
		in.file = f
		return in, in.reopen()
	}
	r := t.in
	if ok {
		z, err := tail.Unpack(f)
		if err != nil {
			return nil, err
		}
		r = z
	}
	in.Reader = &replay{src: r, keep: true}
	return in, nil
}

func regular(f *os.File) bool {
	st, err := f.Stat()
	return err == nil && st.Mode().IsRegular()
}

// reopen begins at the start of a file.
func (in *seriesInput) reopen() error {
	f := in.file
	var err error
	if f == nil {
		if f, err = os.Open(in.name); err != nil {
			return advise(fmt.Errorf("open series: %w", err))
		}
	} else if _, err := f.Seek(0, io.SeekStart); err != nil {
		return fmt.Errorf("read standard input again: %w", err)
	}
	st, err := f.Stat()
	switch {
	case err != nil:
	case st.IsDir():
		err = view.Advise(fmt.Errorf("open series: %s is a directory", in.name), "name the file in it")
	default:
		in.total = st.Size()
		in.Reader, err = tail.Unpack(f)
	}
	if err != nil {
		f.Close()
		return err
	}
	if in.file == nil {
		in.end = f
	}
	in.file = f
	return nil
}

// rewind begins again at the start.
func (in *seriesInput) rewind() error {
	if p, ok := in.Reader.(*replay); ok {
		return p.rewind()
	}
	if in.end == nil {
		return in.reopen()
	}
	if err := in.close(); err != nil {
		return err
	}
	in.file, in.end = nil, nil
	return in.reopen()
}

// pipe says that it is no file: only its beginning can be read again.
func (in *seriesInput) pipe() bool {
	_, ok := in.Reader.(*replay)
	return ok
}

// last says that it will not be rewound any more.
func (in *seriesInput) last() {
	if p, ok := in.Reader.(*replay); ok {
		p.keep = false
	}
}

// done tells how many bytes of the total have been read.
func (in *seriesInput) done() int64 {
	if in.total == 0 || in.file == nil {
		return 0
	}
	n, err := in.file.Seek(0, io.SeekCurrent)
	if err != nil {
		return 0
	}
	return n
}

func (in *seriesInput) close() error {
	c, ok := in.Reader.(io.Closer)
	if !ok || in.end == nil {
		return nil
	}
	return c.Close()
}

// replayed is how much of a pipe is kept to be read again.
const replayed = 64 << 20

// errPassed says that too much of a pipe has been read to begin again.
var errPassed = errors.New("too much has been read to begin again")

// replay is a pipe whose first bytes can be read again.
type replay struct {
	src  io.Reader
	kept []byte
	pos  int
	keep bool
	lost bool
}

// Read reads what was kept, then the pipe.
func (p *replay) Read(b []byte) (int, error) {
	if p.pos < len(p.kept) {
		n := copy(b, p.kept[p.pos:])
		p.pos += n
		return n, nil
	}
	n, err := p.src.Read(b)
	switch {
	case n == 0 || p.lost:
	case p.keep && len(p.kept)+n <= replayed:
		p.kept = append(p.kept, b[:n]...)
		p.pos = len(p.kept)
	default:
		p.kept, p.pos, p.lost = nil, 0, true
	}
	return n, err
}

func (p *replay) rewind() error {
	if p.lost {
		return errPassed
	}
	p.pos = 0
	return nil
}
