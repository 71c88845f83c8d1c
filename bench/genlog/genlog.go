// Package genlog makes a long mail log from a short one. In go the lines
// that a Postfix wrote (with long queue ids and traditional time stamps); out
// comes the same traffic over and over, each copy later than the one before
// and with queue ids of its own, as though the load had simply gone on.
package genlog

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"
)

// alphabet holds the digits of Postfix's long queue ids: base 52, the
// letters without vowels. A long id is six digits of seconds, four of
// microseconds, a "z" and the inode in base 51.
const alphabet = "0123456789BCDFGHJKLMNPQRSTVWXYZbcdfghjklmnpqrstvwxyz"

const (
	stampLayout = "Jan _2 15:04:05"
	timeDigits  = 6
)

// Log is a recorded log, taken apart.
type Log struct {
	lines []line
	first time.Time
	span  time.Duration
	ids   []string // the distinct queue ids
}

// line is one line: pieces of text with an id before each but the first.
type line struct {
	at     time.Time
	pieces []string
	ids    []int
}

// Parse takes a log apart. Lines that do not begin with a time stamp are
// left out; year is that of the stamps.
func Parse(text string, year int) (*Log, error) {
	l := &Log{}
	known := map[string]int{}
	for s := range strings.Lines(text) {
		if len(s) < len(stampLayout) {
			continue
		}
		at, err := time.Parse("2006 "+stampLayout, fmt.Sprint(year, " ", s[:len(stampLayout)]))
		if err != nil {
			continue
		}
		ln := line{at: at}
		ln.cut(s[len(stampLayout):], func(id string) int {
			i, ok := known[id]
			if !ok {
				i = len(l.ids)
				known[id] = i
				l.ids = append(l.ids, id)
			}
			return i
		})
		l.lines = append(l.lines, ln)
	}
	if len(l.lines) == 0 || len(l.ids) == 0 {
		return nil, errors.New("parse log: no line with a time stamp and a long queue id")
	}
	l.first = l.lines[0].at
	l.span = l.lines[len(l.lines)-1].at.Sub(l.first) + time.Second
	return l, nil
}

// cut splits the text at its queue ids.
func (ln *line) cut(s string, number func(string) int) {
	start := 0
	for i := 0; i < len(s); {
		if !isWord(s[i]) {
			i++
			continue
		}
		end := i
		for end < len(s) && isWord(s[end]) {
			end++
		}
		if id := s[i:end]; isLongID(id) {
			ln.pieces = append(ln.pieces, s[start:i])
			ln.ids = append(ln.ids, number(id))
			start = end
		}
		i = end
	}
	ln.pieces = append(ln.pieces, s[start:])
}

func isWord(c byte) bool {
	return '0' <= c && c <= '9' || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z'
}

func isLongID(s string) bool {
	if len(s) < 12 || len(s) > 20 || s[10] != 'z' {
		return false
	}
	for i := range len(s) {
		if strings.IndexByte(alphabet, s[i]) < 0 {
			return false
		}
	}
	return s[0] >= '0' && s[0] <= '9' // until the year 2050 or so
}

// Write writes copies until at least size bytes are out, ending with a
// whole line. The first copy begins at start.
func (l *Log) Write(w io.Writer, size int64, start time.Time) (written int64, err error) {
	var b bytes.Buffer
	for copies := 0; written < size; copies++ {
		shift := start.Sub(l.first) + time.Duration(copies)*l.span
		ids := l.shifted(shift)
		for _, ln := range l.lines {
			ln.render(&b, ln.at.Add(shift), ids)
			if b.Len() < 1<<20 && written+int64(b.Len()) < size {
				continue
			}
			n, err := w.Write(b.Bytes())
			written += int64(n)
			if err != nil {
				return written, fmt.Errorf("write log: %w", err)
			}
			b.Reset()
			if written >= size {
				break
			}
		}
	}
	return written, nil
}

// Each calls f with line after line, copy after copy, stamped with what now
// gives, until f gives an error. Every copy has ids of its own.
func (l *Log) Each(now func() time.Time, f func(line []byte) error) error {
	var b bytes.Buffer
	start := now()
	for copies := 0; ; copies++ {
		ids := l.shifted(start.Sub(l.first) + time.Duration(copies)*l.span)
		for _, ln := range l.lines {
			b.Reset()
			ln.render(&b, now(), ids)
			if err := f(b.Bytes()); err != nil {
				return err
			}
		}
	}
}

func (ln *line) render(b *bytes.Buffer, at time.Time, ids []string) {
	b.Write(at.AppendFormat(b.AvailableBuffer(), stampLayout))
	b.WriteString(ln.pieces[0])
	for i, id := range ln.ids {
		b.WriteString(ids[id])
		b.WriteString(ln.pieces[i+1])
	}
}

// shifted gives the ids with their seconds moved on.
func (l *Log) shifted(d time.Duration) []string {
	out := make([]string, len(l.ids))
	for i, id := range l.ids {
		var seconds int64
		for _, c := range []byte(id[:timeDigits]) {
			seconds = seconds*int64(len(alphabet)) + int64(strings.IndexByte(alphabet, c))
		}
		seconds += int64(d / time.Second)
		digits := make([]byte, timeDigits)
		for k := timeDigits - 1; k >= 0; k-- {
			digits[k] = alphabet[seconds%int64(len(alphabet))]
			seconds /= int64(len(alphabet))
		}
		out[i] = string(digits) + id[timeDigits:]
	}
	return out
}
