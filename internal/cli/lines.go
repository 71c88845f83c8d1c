package cli

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"
	"unsafe"

	"github.com/mtawatch/mtawatch/internal/tail"
)

const (
	chunkSize = 1 << 20   // bytes of one buffer of eachRun
	passSize  = 128 << 10 // bytes of the buffer of eachPassing: it stays in a core's cache
	chunkLeft = 64 << 10  // a buffer with less room than this is not read into
	maxLine   = 64 << 10  // bytes of a line that are looked at, as when a log is followed
)

// openLog opens a file, decompressed, with advice in its errors.
func openLog(name string) (io.ReadCloser, error) {
	f, err := tail.OpenLog(name)
	return f, advise(err)
}

// modTime gives the moment when a file was last written.
func modTime(name string) (time.Time, error) {
	st, err := os.Stat(name)
	if err != nil {
		return time.Time{}, advise(fmt.Errorf("read file: %w", err))
	}
	return st.ModTime(), nil
}

// eachRun reads r to its end and calls do with runs of whole lines, each line
// ended by '\n', the last one too. A line longer than maxLine is cut to its
// first bytes. What do gets is never written to again, so that it may keep
// parts of it.
func eachRun(r io.Reader, do func(text string) error) error {
	return runs(r, do, func(rest []byte) []byte {
		return append(make([]byte, 0, chunkSize+len(rest)), rest...)
	})
}

// eachPassing is eachRun for a do that keeps nothing: what do gets holds only
// until it returns. There is one buffer, so nothing is left to collect.
func eachPassing(r io.Reader, do func(text string) error) error {
	buf := make([]byte, 0, passSize+maxLine)
	return runs(r, do, func(rest []byte) []byte { return append(buf, rest...) })
}

// runs reads r to its end into buffers that next gives: each begins with what
// do did not get of the last one, and has room for more than chunkLeft.
func runs(r io.Reader, do func(text string) error, next func(rest []byte) []byte) error {
	var buf []byte // len: what has been read
	start := 0     // of what was not yet given to do
	cutting := false
	for {
		if cap(buf)-len(buf) < chunkLeft {
			buf, start = next(buf[start:]), 0
		}
		n, err := r.Read(buf[len(buf):cap(buf)])
		from := len(buf)
		buf = buf[:len(buf)+n]
		if cutting { // drop the rest of a line that was too long
			end := bytes.IndexByte(buf[from:], '\n')
			if end < 0 {
				buf = buf[:from]
			} else {
				start, cutting = from+end+1, false
				from = start
			}
		}
		if end := bytes.LastIndexByte(buf[from:], '\n'); end >= 0 {
			// The bytes up to here stay as they are: reads only append.
			if derr := do(text(buf[start : from+end+1])); derr != nil {
				return derr
			}
			start = from + end + 1
		}
		if !cutting && len(buf)-start > maxLine || errors.Is(err, io.EOF) && len(buf) > start {
			if derr := do(string(buf[start:min(start+maxLine, len(buf))]) + "\n"); derr != nil {
				return derr
			}
			start, cutting = len(buf), !errors.Is(err, io.EOF)
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

// text gives bytes that nobody will write to as a string, without a copy.
func text(b []byte) string { return unsafe.String(unsafe.SliceData(b), len(b)) }

// nextLine cuts the first line off a run, without its line end, without NUL
// bytes in front (the hole that a truncated log leaves) and not longer than
// maxLine.
func nextLine(run string) (line, rest string) {
	i := strings.IndexByte(run, '\n')
	line, rest = run[:i], run[i+1:]
	if len(line) > 0 && line[len(line)-1] == '\r' {
		line = line[:len(line)-1]
	}
	if len(line) > 0 && line[0] == 0 {
		line = strings.TrimLeft(line, "\x00")
	}
	return line[:min(len(line), maxLine)], rest
}
