package tail

import (
	"bufio"
	"bytes"
	"compress/bzip2"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"strings"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
)

// maxZstdWindow bounds the memory that a zstd file may ask for: what
// "zstd --long" writes by default.
const maxZstdWindow = 128 << 20

// OpenLog opens a log for reading from its start. Compressed logs (gzip, zstd,
// bzip2, xz) are known by their first bytes, whatever their name, and
// decompressed; xz needs the xz program.
func OpenLog(path string) (io.ReadCloser, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("open log: %w", err)
	}
	if st, err := f.Stat(); err == nil && st.IsDir() {
		f.Close()
		return nil, fmt.Errorf("open log: %s is a directory: name the files in it", path)
	}
	z, err := unpack(f)
	if err != nil {
		f.Close()
		return nil, fmt.Errorf("open log %s: %w", path, err)
	}
	return z, nil
}

// unpack gives a reader of what is in f, f itself where it is a plain regular
// file. Closing the reader closes f.
func unpack(f *os.File) (io.ReadCloser, error) {
	in := bufio.NewReaderSize(f, 128<<10)
	magic, err := in.Peek(6)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	switch {
	case bytes.HasPrefix(magic, []byte("\x1f\x8b")):
		z, err := gzip.NewReader(in)
		if err != nil {
			return nil, err
		}
		return &unpacked{Reader: z, closers: []func() error{z.Close, f.Close}}, nil
	case bytes.HasPrefix(magic, []byte("\x28\xb5\x2f\xfd")):
		// One decoder at a time: no goroutines of the library stay behind.
		z, err := zstd.NewReader(in, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxWindow(maxZstdWindow))
		if err != nil {
			return nil, err
		}
		return &unpacked{Reader: z, closers: []func() error{func() error { z.Close(); return nil }, f.Close}}, nil
	case bytes.HasPrefix(magic, []byte("BZh")):
		return &unpacked{Reader: bzip2.NewReader(in), closers: []func() error{f.Close}}, nil
	case bytes.HasPrefix(magic, []byte("\xfd7zXZ\x00")):
		if _, err := f.Seek(0, io.SeekStart); err != nil {
			return nil, err
		}
		return startXz(f)
	}
	if st, err := f.Stat(); err == nil && st.Mode().IsRegular() {
		_, err := f.Seek(0, io.SeekStart)
		return f, err
	}
	return &unpacked{Reader: in, closers: []func() error{f.Close}}, nil
}

// isPacked reports whether a file that begins so is compressed.
func isPacked(head []byte) bool {
	for _, magic := range []string{"\x1f\x8b", "\x28\xb5\x2f\xfd", "BZh", "\xfd7zXZ\x00"} {
		if bytes.HasPrefix(head, []byte(magic)) {
			return true
		}
	}
	return false
}

// unpacked is a reader with what to close, in order.
type unpacked struct {
	io.Reader
	closers []func() error
}

// Close closes the reader and what it reads from.
func (u *unpacked) Close() error {
	var errs []error
	for _, c := range u.closers {
		errs = append(errs, c())
	}
	return errors.Join(errs...)
}

// xzReader reads from an xz child.
type xzReader struct {
	cmd  *exec.Cmd
	f    *os.File
	out  io.ReadCloser
	errs strings.Builder
	err  error // how it ended; nil while it runs
}

// startXz starts xz on f. There is no xz reader in the standard library, and
// the program is there wherever a log was compressed with it.
func startXz(f *os.File) (io.ReadCloser, error) {
	x := &xzReader{cmd: exec.Command("xz", "-dc"), f: f}
	x.cmd.Stdin = f
	x.cmd.Stderr = &limited{w: &x.errs, left: 4 << 10}
	out, err := x.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	x.out = out
	if err := x.cmd.Start(); err != nil {
		if errors.Is(err, exec.ErrNotFound) || errors.Is(err, fs.ErrNotExist) {
			return nil, errors.New("the log is compressed with xz and there is no xz program: install it (Debian: apt install xz-utils)")
		}
		return nil, fmt.Errorf("start xz: %w", err)
	}
	return x, nil
}

// Read reads decompressed bytes. A damaged file gives an error at its end.
func (x *xzReader) Read(p []byte) (int, error) {
	if x.err != nil {
		return 0, x.err
	}
	n, err := x.out.Read(p)
	if err == nil || !errors.Is(err, io.EOF) {
		return n, err
	}
	x.err = io.EOF
	if werr := x.cmd.Wait(); werr != nil {
		x.err = fmt.Errorf("xz: %s: %w", strings.TrimSpace(x.errs.String()), werr)
	}
	return n, x.err
}

// Close ends the child and closes the file.
func (x *xzReader) Close() error {
	if x.err == nil {
		x.err = fs.ErrClosed
		x.cmd.Process.Kill()
		x.out.Close()
		_ = x.cmd.Wait() // its output is what counted
	}
	return x.f.Close()
}

// fill reads until buf is full or r gives an error, which it passes on as it
// is: a damaged file and the end of a file stay apart.
func fill(r io.Reader, buf []byte) (n int, err error) {
	for n < len(buf) && err == nil {
		var m int
		m, err = r.Read(buf[n:])
		n += m
	}
	return n, err
}

// limited writes the first bytes and swallows the rest.
type limited struct {
	w    io.Writer
	left int
}

// Write never fails for want of room.
func (l *limited) Write(p []byte) (int, error) {
	n := min(len(p), l.left)
	l.left -= n
	if _, err := l.w.Write(p[:n]); err != nil {
		return 0, err
	}
	return len(p), nil
}

// Unpack gives a reader of what is in f from its start, decompressed as OpenLog does it; f
// may be a pipe. Closing the reader closes f; where f has been read up to tells how far it is.
func Unpack(f *os.File) (io.ReadCloser, error) {
	z, err := unpack(f)
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", f.Name(), err)
	}
	return z, nil
}
