package tail

import (
	"bytes"
	"strings"
	"unsafe"
)

// tailLen is how many bytes before a place are remembered to know it again.
const tailLen = 256

// lines cuts what is read from one file into runs of whole lines. It holds
// back the unfinished last line, and of that never more than max bytes.
type lines struct {
	max   int
	off   int64  // offset in the file after the last line given
	lead  int64  // NUL bytes dropped in front of the unfinished line
	carry []byte // first bytes of the unfinished line, after those
	over  int64  // bytes of the unfinished line after those in carry, dropped
	tail  []byte // the last bytes of the file before off, as they stand there
}

// pos is the offset up to which the file has been read.
func (l *lines) pos() int64 { return l.off + l.lead + int64(len(l.carry)) + l.over }

// buffer gives a fresh buffer for want more bytes, to be read in at index at.
func (l *lines) buffer(want int) (buf []byte, at int) {
	if l.over == 0 {
		at = len(l.carry)
	}
	buf = make([]byte, at+want)
	copy(buf, l.carry[:at])
	return buf, at
}

// take accepts what stands in a buffer from buffer() now and gives the whole
// lines in it. The text may be the buffer itself: it must not be written to
// afterwards. That makes the conversion without a copy safe: the only holder
// of the buffer gives it up here.
func (l *lines) take(buf []byte) (text string, cut int) {
	end := bytes.LastIndexByte(buf, '\n') + 1
	if end == 0 {
		l.keep(buf)
		return "", 0
	}
	raw := buf[:end]
	next := l.off + l.lead + int64(end)
	switch {
	case l.over > 0:
		text, cut = l.rebuild(raw)
		next += int64(len(l.carry)) + l.over
	case bytes.IndexByte(raw, 0) >= 0 || hasLong(raw, l.max):
		text, cut = l.rebuild(raw)
	default:
		text = unsafe.String(unsafe.SliceData(raw), len(raw))
	}
	l.remember(raw)
	l.off, l.lead, l.over, l.carry = next, 0, 0, l.carry[:0]
	l.keep(buf[end:])
	return text, cut
}

// keep holds back the unfinished line.
func (l *lines) keep(rest []byte) {
	if l.over > 0 {
		l.over += int64(len(rest))
		return
	}
	line := bytes.TrimLeft(rest, "\x00")
	l.lead += int64(len(rest) - len(line))
	if len(line) > l.max {
		l.over = int64(len(line) - l.max)
		line = line[:l.max]
	}
	l.carry = append(l.carry[:0], line...)
}

// rest gives the unfinished line as a line: the file will not go on.
func (l *lines) rest() (text string, cut int) {
	if len(l.carry) > 0 {
		text = string(l.carry) + "\n"
	}
	if l.over > 0 {
		cut = 1
	}
	next := l.pos()
	l.remember(l.carry)
	if l.over > 0 {
		l.tail = l.tail[:0]
	}
	l.off, l.lead, l.over, l.carry = next, 0, 0, l.carry[:0]
	return text, cut
}

// forget drops the unfinished line: it will be read again.
func (l *lines) forget() { l.lead, l.over, l.carry = 0, 0, l.carry[:0] }

// remember keeps the last bytes of raw, which follows what was remembered
// unless bytes between were dropped.
func (l *lines) remember(raw []byte) {
	if l.lead > 0 || l.over > 0 || len(raw) >= tailLen {
		l.tail = l.tail[:0]
	}
	raw = raw[max(0, len(raw)-tailLen):]
	if more := len(l.tail) + len(raw) - tailLen; more > 0 {
		l.tail = append(l.tail[:0], l.tail[more:]...)
	}
	l.tail = append(l.tail, raw...)
}

// rebuild gives the lines of raw without NUL bytes before them and cut to
// max. When bytes of the unfinished line were dropped, raw begins within it.
func (l *lines) rebuild(raw []byte) (text string, cut int) {
	var out strings.Builder
	out.Grow(len(raw) + len(l.carry))
	if l.over > 0 {
		out.Write(l.carry)
		out.WriteByte('\n')
		cut++
		raw = raw[bytes.IndexByte(raw, '\n')+1:]
	}
	for len(raw) > 0 {
		end := bytes.IndexByte(raw, '\n')
		line := bytes.TrimLeft(raw[:end], "\x00")
		if len(line) > l.max {
			line = line[:l.max]
			cut++
		}
		out.Write(line)
		out.WriteByte('\n')
		raw = raw[end+1:]
	}
	return out.String(), cut
}

// hasLong reports whether a line of raw, which ends with '\n', is longer than
// limit. It looks at one line end in each limit bytes, not at every one.
func hasLong(raw []byte, limit int) bool {
	for len(raw) > limit {
		end := bytes.LastIndexByte(raw[:limit+1], '\n')
		if end < 0 {
			return true
		}
		raw = raw[end+1:]
	}
	return false
}
