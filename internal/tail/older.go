package tail

import (
	"bytes"
	"io"
	"os"
	"path/filepath"
	"slices"

	"github.com/mtawatch/mtawatch/internal/mta"
)

// Some servers rotate to names of their own and, in the end, into one file:
// every night mail.log_yesterday is appended to mail.log, then mail.log_current
// is renamed to mail.log_yesterday and begun anew (mta.LogSource.Older). A file
// that was read then lies inside the whole, which only grows, and is known
// there by the bytes before the place and by its first bytes, as anywhere.
// While it is being appended, or after someone was killed at that, its
// beginning stands in both: the whole then ends, for a reader, where that begins.

// listOlder lists the pieces of a log that have names of their own, oldest
// first: the whole with its own rotated siblings, then the others.
func listOlder(dir string, older []string, entries []os.DirEntry) []sibling {
	if len(older) == 0 {
		return nil
	}
	whole := older[len(older)-1]
	var list []sibling
	for _, s := range siblingsOf(dir, whole, entries) {
		s.whole, s.key = true, "whole "+s.key
		list = append(list, s)
	}
	for _, name := range slices.Backward(older[:len(older)-1]) {
		s := sibling{path: filepath.Join(dir, name), key: name, age: -1}
		var err error
		if s.info, err = os.Stat(s.path); err == nil && s.info.Mode().IsRegular() {
			list = append(list, s)
		}
	}
	return list
}

// openInside opens a file that holds, somewhere in it, the file of a mark, at
// the mark. It gives nil where it holds no such thing.
func (f *follower) openInside(path string, m mark) *logFile {
	lf, err := openFile(path, f.cfg.MaxLine)
	if err != nil {
		return nil
	}
	at := int64(-1)
	if lf.z == nil {
		at = findMark(lf.f, lf.size, m)
	}
	if at < 0 || lf.goTo(at) != nil {
		lf.close()
		return nil
	}
	lf.copied = true
	return lf
}

// openWhole opens a whole at a mark: one in that very file, else one in a file
// that was appended to it.
func (f *follower) openWhole(s sibling, m mark) *logFile {
	dev, ino := inode(s.info)
	if dev == m.Dev && ino == m.Ino && m.Head > 0 {
		if lf := f.openMark(s.path, m, true); lf != nil {
			lf.copied = true
			return lf
		}
	}
	if m.Head == 0 {
		return nil
	}
	return f.openInside(s.path, m)
}

const searchChunk = 1 << 20

// findMark looks for the content of a mark's file inside another and gives
// the offset there that the mark stands for, -1 where it is not found. What
// was appended last is looked at first: it is the likeliest.
func findMark(r io.ReaderAt, size int64, m mark) int64 {
	back, want, sumOf, on := int64(m.Tail), int64(m.Tail), m.TailSum, int64(0) // what ends at the place
	if want == 0 {
		want, sumOf, on = int64(m.Head), m.HeadSum, m.Off // what the file begins with
	}
	buf := make([]byte, searchChunk+2*headLen)
	for end := size; end >= 0; end -= searchChunk {
		// Line starts in [begin, end] are tried; the bytes compared reach beyond.
		begin := max(0, end-searchChunk+1)
		from := max(0, begin-headLen)
		n, err := r.ReadAt(buf[:min(int64(len(buf)), size-from)], from)
		if err != nil && err != io.EOF {
			return -1
		}
		data := buf[:n]
		for p := min(end, from+int64(n)); p >= begin; {
			i := p - from // a line starts here: at the very start, or after a '\n'
			if (p == 0 || data[i-1] == '\n') && i >= back && i-back+want <= int64(n) && sum(data[i-back:i-back+want]) == sumOf &&
				p+on <= size && startsAt(r, p+on-m.Off, m) {
				return p + on
			}
			if i <= 1 {
				p--
				continue
			}
			p = from + int64(bytes.LastIndexByte(data[:i-1], '\n')) + 1
		}
	}
	return -1
}

// startsAt reports whether the mark's file begins at an offset.
func startsAt(r io.ReaderAt, at int64, m mark) bool {
	if at < 0 {
		return false
	}
	got := make([]byte, m.Head)
	n, _ := r.ReadAt(got, at)
	return n == m.Head && sum(got) == m.HeadSum
}

// boundary gives up to where a whole holds what the piece after it does not:
// its size, unless the beginning of that piece stands at its end already.
func boundary(whole io.ReaderAt, size int64, piece io.ReaderAt, pieceSize int64) int64 {
	if size == 0 || pieceSize == 0 {
		return size
	}
	first := make([]byte, min(pieceSize, headLen))
	if n, err := piece.ReadAt(first, 0); n < len(first) && err != io.EOF {
		return size
	}
	if i := bytes.IndexByte(first, '\n'); i >= 0 {
		first = first[:i+1]
	}
	// All that could be of the piece lies in its last pieceSize bytes.
	buf := make([]byte, searchChunk+len(first))
	for from := max(0, size-pieceSize); from < size; from += searchChunk {
		n, err := whole.ReadAt(buf[:min(int64(len(buf)), size-from)], from)
		if err != nil && err != io.EOF {
			return size
		}
		for i := 0; i < n && i < searchChunk; i++ {
			j := bytes.IndexByte(buf[i:n], first[0])
			if j < 0 {
				break
			}
			i += j
			at := from + int64(i)
			head := min(len(first), n-i)
			if bytes.Equal(buf[i:i+head], first[:head]) && lineStart(whole, at) && sameBytes(whole, at, size, piece) {
				return at
			}
		}
	}
	return size
}

// lineStart reports whether a line starts at an offset.
func lineStart(r io.ReaderAt, at int64) bool {
	if at == 0 {
		return true
	}
	var b [1]byte
	n, _ := r.ReadAt(b[:], at-1)
	return n == 1 && b[0] == '\n'
}

// sameBytes reports whether a file has, from an offset to its end, the
// beginning of a piece.
func sameBytes(r io.ReaderAt, at, end int64, piece io.ReaderAt) bool {
	a, b := make([]byte, 64<<10), make([]byte, 64<<10)
	for off := int64(0); at+off < end; off += int64(len(a)) {
		n := min(int64(len(a)), end-at-off)
		x, _ := r.ReadAt(a[:n], at+off)
		y, _ := piece.ReadAt(b[:n], off)
		if int64(x) != n || int64(y) != n || !bytes.Equal(a[:n], b[:n]) {
			return false
		}
	}
	return true
}

// bound ends a whole where the piece after it begins. next is nil where there
// is none.
func (lf *logFile) bound(next *logFile) {
	lf.bounded, lf.limit = true, lf.size
	if next != nil && next.z == nil && lf.z == nil {
		lf.limit = boundary(lf.f, lf.size, next.f, next.size)
	}
}

// skip leaves out bytes after the place.
func (lf *logFile) skip(n int64) { lf.lines.off, lf.lines.tail = lf.lines.off+n, nil }

// leftBehind reports whether the log is between two nights: the current piece
// is that of yesterday now, and no new one has begun.
func (f *follower) leftBehind() bool {
	if len(f.src.Older) == 0 {
		return false
	}
	dir, _ := logPlace(f.src)
	st, err := os.Stat(filepath.Join(dir, f.src.Older[0]))
	return err == nil && (f.cur == nil || f.cur.is(st))
}

// RotatedOf is Rotated for a log source, whose pieces may have names of their
// own.
func RotatedOf(src mta.LogSource) ([]string, error) {
	all, err := listSiblings(src)
	if err != nil {
		return nil, err
	}
	var paths []string
	for _, s := range all {
		paths = append(paths, s.path)
	}
	return paths, nil
}
