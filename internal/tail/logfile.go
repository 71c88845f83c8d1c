package tail

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"syscall"
	"time"
)

// errTruncated says that a file is no longer the one that was read so far: it
// was truncated, and perhaps written anew.
var errTruncated = errors.New("file was truncated")

// errNotRegular says that a path is no file that can be followed.
var errNotRegular = errors.New("not a regular file")

// logFile is one open file of a log, plain or compressed, and how far it has
// been read.
type logFile struct {
	path    string // where it was opened
	f       *os.File
	z       io.ReadCloser // decompresses f; nil for a plain file
	dev     uint64
	ino     uint64
	size    int64 // as last seen, on disk
	mod     time.Time
	head    []byte // the first bytes, as they were read; at most headLen
	headSum string // of head, "" when not yet made
	start   []byte // what was read of it while it is unsure
	lines   lines
	copied  bool // a copy or compressed: nobody writes into it
	bounded bool // what lies beyond limit is read elsewhere
	limit   int64
	quiet   int       // polls without new bytes since it was rotated away
	last    time.Time // when its last bytes were read
}

// openFile opens a log at its start. It never blocks on what is no file.
func openFile(path string, maxLine int) (*logFile, error) {
	st, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if !st.Mode().IsRegular() {
		return nil, notRegular(path, st)
	}
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	if st, err = f.Stat(); err == nil && !st.Mode().IsRegular() {
		err = notRegular(path, st)
	}
	if err != nil {
		f.Close()
		return nil, err
	}
	lf := &logFile{path: path, f: f, lines: lines{max: maxLine}, last: time.Now()}
	lf.dev, lf.ino = inode(st)
	lf.size, lf.mod = st.Size(), st.ModTime()
	magic := make([]byte, 6)
	if n, _ := f.ReadAt(magic, 0); isPacked(magic[:n]) {
		if lf.z, err = unpack(f); err != nil {
			f.Close()
			return nil, fmt.Errorf("open log %s: %w", path, err)
		}
		lf.copied = true
	}
	return lf, nil
}

// notRegular says what a path is instead of a file.
func notRegular(path string, st fs.FileInfo) error {
	what := "a device or socket"
	switch {
	case st.IsDir():
		what = "a directory"
	case st.Mode()&fs.ModeNamedPipe != 0:
		what = "a named pipe (FIFO)"
	}
	return fmt.Errorf("%s is %s, %w: name the log file that the mail server writes", path, what, errNotRegular)
}

// inode gives what identifies a file on this machine.
func inode(st fs.FileInfo) (dev, ino uint64) {
	if sys, ok := st.Sys().(*syscall.Stat_t); ok {
		return uint64(sys.Dev), sys.Ino
	}
	return 0, 0
}

// close closes the file.
func (lf *logFile) close() {
	if lf.z != nil {
		lf.z.Close()
		return
	}
	lf.f.Close()
}

// is reports whether st is this file.
func (lf *logFile) is(st fs.FileInfo) bool {
	dev, ino := inode(st)
	return lf.z == nil && dev == lf.dev && ino == lf.ino
}

// sameFile reports whether both are the same file on the disk.
func (lf *logFile) sameFile(o *logFile) bool { return lf.dev == o.dev && lf.ino == o.ino }

// fileID tells files and their contents apart for a short while.
type fileID struct {
	dev, ino uint64
	size     int64 // on disk
}

// id gives the file's identity.
func (lf *logFile) id() fileID { return fileID{lf.dev, lf.ino, lf.size} }

// behind gives the bytes that are on disk and not read.
func (lf *logFile) behind() int64 {
	if lf.z != nil {
		if lf.lines.pos() > 0 {
			return 0
		}
		return lf.size
	}
	size := lf.size
	if lf.bounded {
		size = min(size, lf.limit)
	}
	return max(0, size-lf.lines.pos())
}

// mark gives the place after the last whole line given.
func (lf *logFile) mark() mark {
	if lf.headSum == "" && len(lf.head) > 0 {
		lf.headSum = sum(lf.head)
	}
	m := mark{
		Path: lf.path, Dev: lf.dev, Ino: lf.ino,
		Head: len(lf.head), HeadSum: lf.headSum,
		Tail: len(lf.lines.tail), Off: lf.lines.off, Mod: lf.mod,
	}
	if m.Tail > 0 {
		m.TailSum = sum(lf.lines.tail)
	}
	return m
}

// next reads up to batch bytes and gives the whole lines that they end. No
// text and no error: bytes were read and no line has ended. io.EOF: nothing
// to read now. errTruncated: see there; nothing of the new content was given.
func (lf *logFile) next(batch int) (text string, cut int, err error) {
	if lf.z != nil {
		return lf.nextPacked(batch)
	}
	st, err := lf.f.Stat()
	if err != nil {
		return "", 0, fmt.Errorf("look at %s: %w", lf.path, err)
	}
	size := st.Size()
	if lf.bounded {
		size = min(size, lf.limit)
	}
	if lf.unsure() {
		if size != lf.lines.pos() || !st.ModTime().Equal(lf.mod) {
			lf.forget()
		}
		batch = max(batch, headLen) // after so much it is sure
	}
	pos := lf.lines.pos()
	if st.Size() < pos {
		return "", 0, errTruncated
	}
	left := max(0, size-pos)
	if left == 0 {
		if st.ModTime().Equal(lf.mod) {
			return "", 0, io.EOF
		}
		if err := lf.verify(lf.head, pos); err != nil {
			return "", 0, err
		}
		return "", 0, io.EOF
	}
	buf, at := lf.lines.buffer(int(min(int64(batch), left)))
	n, err := lf.f.ReadAt(buf[at:], pos)
	if err != nil && !errors.Is(err, io.EOF) {
		return "", 0, fmt.Errorf("read %s: %w", lf.path, err)
	}
	head := lf.longerHead(pos, buf[at:at+n])
	// Looked at after the read: what was read belongs to the file that was
	// known only if that is still there.
	if err := lf.verify(head, pos+int64(n)); err != nil {
		if lf.unsure() && errors.Is(err, errTruncated) {
			return "", 0, nil // nothing was given of it: it is read anew
		}
		return "", 0, err
	}
	if n == 0 {
		return "", 0, io.EOF
	}
	text, cut = lf.lines.take(buf[:at+n])
	if text == "" && lf.unsure() && len(head) < headLen {
		lf.start, head = head, lf.head
	}
	lf.grew(head)
	return text, cut, nil
}

// unsure reports whether less than a whole line was read of the file. Such a
// beginning does not tell it from another: it is read again from its start
// whenever the file has changed, until its first line is whole.
func (lf *logFile) unsure() bool { return lf.z == nil && len(lf.head) == 0 }

// forget has what was read while it is unsure read again.
func (lf *logFile) forget() {
	lf.lines.forget()
	lf.start = nil
}

// leave gives the unfinished line as a line: the file is read no more, or
// only for what comes late.
func (lf *logFile) leave() (text string, cut int) {
	if lf.unsure() {
		lf.head, lf.start = lf.start, nil
	}
	return lf.lines.rest()
}

// nextPacked is next for a compressed file.
func (lf *logFile) nextPacked(batch int) (text string, cut int, err error) {
	pos := lf.lines.pos()
	buf, at := lf.lines.buffer(batch)
	n, err := fill(lf.z, buf[at:])
	if n == 0 {
		if errors.Is(err, io.EOF) {
			return "", 0, io.EOF
		}
		return "", 0, fmt.Errorf("decompress %s: %w", lf.path, err)
	}
	// An error after some bytes comes again at the next read.
	lf.grew(lf.longerHead(pos, buf[at:at+n]))
	text, cut = lf.lines.take(buf[:at+n])
	return text, cut, nil
}

// longerHead gives the file's first bytes with what data, read at pos, adds to
// them. Wherever less than headLen bytes were read, all of them are known.
func (lf *logFile) longerHead(pos int64, data []byte) []byte {
	have := len(lf.head)
	end := min(pos+int64(len(data)), headLen)
	if int64(have) >= end {
		return lf.head
	}
	return append(lf.head[:have:have], data[int64(have)-pos:end-pos]...)
}

// grew notes that bytes were read.
func (lf *logFile) grew(head []byte) {
	if len(head) != len(lf.head) {
		lf.head, lf.headSum = head, ""
	}
	lf.quiet = 0
	lf.last = time.Now()
}

// verify compares the file with what is known of it: at least size bytes
// long, the same at its start and before the place.
func (lf *logFile) verify(head []byte, size int64) error {
	st, err := lf.f.Stat()
	if err != nil {
		return fmt.Errorf("look at %s: %w", lf.path, err)
	}
	if st.Size() < size || !lf.holds(head, 0) || !lf.holds(lf.lines.tail, lf.lines.off-int64(len(lf.lines.tail))) {
		return errTruncated
	}
	lf.size, lf.mod = st.Size(), st.ModTime()
	return nil
}

// holds reports whether the file has these bytes at off.
func (lf *logFile) holds(want []byte, off int64) bool {
	if len(want) == 0 {
		return true
	}
	var room [headLen]byte
	got := room[:len(want)]
	n, _ := lf.f.ReadAt(got, off)
	return n == len(want) && bytes.Equal(got, want)
}

// first gives the file's first bytes as they stand there now; at most headLen.
func (lf *logFile) first() []byte {
	b := make([]byte, headLen)
	n, _ := lf.f.ReadAt(b, 0)
	return b[:n]
}

// tells reports whether first bytes are enough to tell a log from another: a
// whole line, or a whole head.
func tells(first []byte) bool { return len(first) == headLen || bytes.IndexByte(first, '\n') >= 0 }

// beginsLike reports whether the file has, or had when it was read, these bytes
// at its start, as many of them as it holds, and enough of them to tell.
func (lf *logFile) beginsLike(first []byte) bool {
	have := lf.head
	if lf.unsure() {
		have = lf.first()
	}
	n := min(len(have), len(first))
	return tells(have[:n]) && bytes.Equal(have[:n], first[:n])
}

// startsLike reports whether the file's first bytes are those of a mark.
func (lf *logFile) startsLike(m mark) bool {
	if m.Head == 0 {
		return true
	}
	got := make([]byte, m.Head)
	var n int
	if lf.z != nil {
		n, _ = io.ReadFull(lf.z, got)
	} else {
		n, _ = lf.f.ReadAt(got, 0)
	}
	if n != m.Head || sum(got) != m.HeadSum {
		return false
	}
	lf.head, lf.headSum = got, m.HeadSum
	return true
}

// seek goes to a mark in a file that startsLike it, and reports whether the
// file has that spot. A compressed file is read up to there.
func (lf *logFile) seek(m mark) bool {
	tail := make([]byte, m.Tail)
	if lf.z != nil {
		if !lf.skipTo(m, tail) {
			return false
		}
	} else {
		st, err := lf.f.Stat()
		if err != nil || st.Size() < m.Off {
			return false
		}
		if n, _ := lf.f.ReadAt(tail, m.Off-int64(m.Tail)); n != m.Tail {
			return false
		}
	}
	if m.Tail > 0 && sum(tail) != m.TailSum {
		return false
	}
	lf.lines.off, lf.lines.tail = m.Off, tail
	return true
}

// skipTo reads a compressed file, of which the head has been read, up to a
// mark and gives the bytes before it in tail. A place within the head keeps
// the rest of the head for the reader.
func (lf *logFile) skipTo(m mark, tail []byte) bool {
	have := int64(len(lf.head))
	if m.Off < have {
		copy(tail, lf.head[m.Off-int64(m.Tail):m.Off])
		lf.unread(lf.head[m.Off:])
		return true
	}
	from := m.Off - int64(m.Tail)
	if from < have {
		n := copy(tail, lf.head[from:])
		_, err := io.ReadFull(lf.z, tail[n:])
		return err == nil
	}
	if n, err := io.CopyN(io.Discard, lf.z, from-have); err != nil || n != from-have {
		return false
	}
	_, err := io.ReadFull(lf.z, tail)
	return err == nil
}

// unread puts bytes back before what is still to be decompressed.
func (lf *logFile) unread(b []byte) {
	z := lf.z
	lf.z = &unpacked{Reader: io.MultiReader(bytes.NewReader(b), z), closers: []func() error{z.Close}}
}

// seekEnd goes to the end of the last whole line.
func (lf *logFile) seekEnd() error {
	st, err := lf.f.Stat()
	if err != nil {
		return err
	}
	end := st.Size()
	buf := make([]byte, min(end, int64(lf.lines.max)))
	if _, err := lf.f.ReadAt(buf, end-int64(len(buf))); err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	if i := bytes.LastIndexByte(buf, '\n'); i >= 0 || int64(len(buf)) == end {
		end -= int64(len(buf) - i - 1)
	}
	return lf.goTo(end)
}

// goTo goes to the end of a line.
func (lf *logFile) goTo(end int64) error {
	head := make([]byte, min(end, headLen))
	tail := make([]byte, min(end, tailLen))
	for _, r := range []struct {
		b   []byte
		off int64
	}{{head, 0}, {tail, end - int64(len(tail))}} {
		if _, err := lf.f.ReadAt(r.b, r.off); err != nil && !errors.Is(err, io.EOF) {
			return err
		}
	}
	lf.head, lf.lines.off, lf.lines.tail = head, end, tail
	return nil
}
