package seriescsv

import (
	"bytes"
	"errors"
	"math"
	"strconv"
	"strings"
	"unsafe"

	"github.com/mtawatch/mtawatch/internal/mta"
)

// line reads one row in full, without its line end.
func (r *Reader) line(b []byte, yield func(mta.Reading) error) error {
	if len(b) >= maxLine {
		r.bad(tooLong)
		return nil
	}
	if !r.begun {
		b = bytes.TrimPrefix(b, []byte("\xef\xbb\xbf"))
	}
	b = bytes.TrimSuffix(b, []byte("\r"))
	if len(bytes.TrimSpace(b)) == 0 {
		return nil
	}
	first := !r.begun
	r.begun = true
	f, ok := fields(b)
	if !ok {
		r.bad("not three columns: timestamp,series,value")
		return nil
	}
	stamp, why := f[0].plain(), ""
	ns, err := parseStamp(stamp)
	if err != nil {
		why = err.Error()
	}
	v, verr := strconv.ParseFloat(f[2].plain(), 64)
	if errors.Is(verr, strconv.ErrRange) {
		verr = nil // infinite: absent
	}
	if verr != nil && why == "" {
		why = "the value " + quote(f[2].plain()) + " is no number"
	}
	if first && err != nil && verr != nil {
		return nil //nolint:nilerr // the header
	}
	if why != "" {
		r.bad(why)
		return nil
	}
	if !f[0].quoted {
		r.stamp, r.stampNS = append(append(r.stamp[:0], f[0].raw...), ','), ns
	}
	n := r.names[text(f[1].raw)]
	if n == nil {
		if n, err = r.newName(f[1]); err != nil {
			r.bad(err.Error())
			return nil
		}
	}
	if r.prev != nil {
		r.prev.next = n
	}
	r.prev, r.expect = n, n.next
	if math.IsNaN(v) || math.IsInf(v, 0) {
		r.counts.Absent++
		return nil
	}
	return r.put(ns, n.col, v, yield)
}

func (r *Reader) bad(why string) {
	r.counts.Bad++
	if len(r.counts.FirstBad) < keptBad {
		r.counts.FirstBad = append(r.counts.FirstBad, BadRow{Line: r.counts.Lines, Why: why})
	}
}

// quote shows a part of a row.
func quote(s string) string { return strconv.Quote(s[:min(len(s), 40)]) }

// field is one column of a row.
type field struct {
	raw    []byte // as it stands there, with quotes
	quoted bool
}

// plain gives the text without quotes and space around it.
func (f field) plain() string {
	if !f.quoted {
		return string(bytes.TrimSpace(f.raw))
	}
	return strings.ReplaceAll(string(f.raw[1:len(f.raw)-1]), `""`, `"`)
}

// fields splits a row into its three columns, as RFC 4180 has it.
func fields(b []byte) (f [3]field, ok bool) {
	for i := range f {
		var n int
		if f[i].quoted = len(b) > 0 && b[0] == '"'; f[i].quoted {
			n = quotedLen(b)
		} else if n = bytes.IndexByte(b, ','); n < 0 {
			n = len(b)
		}
		if n < 0 {
			return f, false
		}
		f[i].raw = b[:n]
		b = b[n:]
		if i == len(f)-1 {
			return f, len(b) == 0
		}
		if len(b) == 0 || b[0] != ',' {
			return f, false
		}
		b = b[1:]
	}
	return f, false
}

// quotedLen gives the length of a quoted field, -1 when the quote never ends.
func quotedLen(b []byte) int {
	for i := 1; i < len(b); i++ {
		if b[i] != '"' {
			continue
		}
		if i+1 == len(b) || b[i+1] != '"' {
			return i + 1
		}
		i++
	}
	return -1
}

// The stamps that are taken: up to the year 2242. What is larger is not in
// seconds.
const maxStamp = 1 << 33

var (
	errStamp   = errors.New("the timestamp is no number of seconds since 1970")
	errSeconds = errors.New("the timestamp is not in seconds since 1970: milliseconds?")
)

// parseStamp reads seconds since 1970 as nanoseconds.
func parseStamp(s string) (int64, error) {
	whole, frac, _ := strings.Cut(s, ".")
	sec, err := strconv.ParseInt(whole, 10, 64)
	if err != nil || len(frac) > 0 && strings.Trim(frac, "0123456789") != "" {
		v, ferr := strconv.ParseFloat(s, 64)
		if ferr != nil || math.IsNaN(v) || v < 0 {
			return 0, errStamp
		}
		if v > maxStamp {
			return 0, errSeconds
		}
		return int64(math.Round(v*1e6)) * 1000, nil
	}
	if sec < 0 {
		return 0, errStamp
	}
	if sec > maxStamp {
		return 0, errSeconds
	}
	ns := int64(0)
	for i := range 9 {
		ns *= 10
		if i < len(frac) {
			ns += int64(frac[i] - '0')
		}
	}
	return sec*1e9 + ns, nil
}

// quickStamp reads a stamp of whole seconds with the comma after it; n is 0
// when it is none.
func quickStamp(b []byte) (ns int64, n int) {
	sec := int64(0)
	for i := range min(len(b), 11) {
		switch c := b[i]; {
		case c >= '0' && c <= '9':
			sec = sec*10 + int64(c-'0')
		case c == ',' && i > 0 && sec <= maxStamp:
			return sec * 1e9, i + 1
		default:
			return 0, 0
		}
	}
	return 0, 0
}

// quickValue reads a value as it is usually written, with the line end; n is
// 0 when it is something else. Up to 15 digits are exact in a float64, and so
// is their quotient by a power of ten up to 22.
func quickValue(b []byte) (v float64, n int) {
	i, neg := 0, false
	if len(b) > 0 && b[0] == '-' {
		i, neg = 1, true
	}
	m, digits, frac := uint64(0), 0, -1
	for ; i < len(b); i++ {
		c := b[i]
		switch {
		case c-'0' <= 9:
			m = m*10 + uint64(c-'0')
			digits++
			continue
		case c == '.' && frac < 0 && digits > 0:
			frac = digits
			continue
		case c == '\r' && i+1 < len(b) && b[i+1] == '\n':
			i++
		case c != '\n':
			return 0, 0
		}
		if digits == 0 || digits > 15 || frac == digits {
			return 0, 0
		}
		v = float64(m)
		if frac >= 0 {
			v /= tenth(digits - frac)
		}
		if neg {
			v = -v
		}
		return v, i + 1
	}
	return 0, 0
}

// tenth gives 10^n for n up to 15.
func tenth(n int) float64 {
	powers := [...]float64{1, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15}
	return powers[n&15]
}

// text gives bytes as a string for a look-up, without a copy.
func text(b []byte) string { return unsafe.String(unsafe.SliceData(b), len(b)) }
