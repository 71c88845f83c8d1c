package syslog

import (
	"time"
)

// stampCache remembers the last stamp that was read, as three overlapping
// words of its text.
type stampCache struct {
	first, middle, last uint64
	time                time.Time
	lo, hi              int64 // the reference times, in Unix seconds, for which time holds
}

// holds reports whether s, of 15 to 24 bytes, is the stamp.
func (c *stampCache) holds(s string) bool {
	return c.last == word(s[len(s)-8:]) && c.first == word(s) && c.middle == word(s[len(s)/2-4:])
}

func (c *stampCache) set(s string, t time.Time) {
	c.first, c.middle, c.last, c.time = word(s), word(s[len(s)/2-4:]), word(s[len(s)-8:]), t
}

// word gives the first eight bytes of s as a number.
func word(s string) uint64 {
	_ = s[7]
	return uint64(s[0]) | uint64(s[1])<<8 | uint64(s[2])<<16 | uint64(s[3])<<24 |
		uint64(s[4])<<32 | uint64(s[5])<<40 | uint64(s[6])<<48 | uint64(s[7])<<56
}

const (
	day       = 24 * 60 * 60 // seconds
	firstYear = 1970         // a stamp of an earlier one is none
)

// bsdStamp reads "Nov 23 12:00:00 ", with an optional year before the time of
// day and an optional fraction after it, and gives the rest.
func (r *Reader) bsdStamp(t *time.Time, s string, ref time.Time) (string, bool) {
	const size = len("Nov 23 12:00:00")
	if len(s) > size && s[size] == ' ' && r.bsd.holds(s[:size]) {
		if u := ref.Unix(); r.year != 0 || u >= r.bsd.lo && u < r.bsd.hi {
			*t = r.bsd.time
			return s[size+1:], true
		}
	}
	f, rest, ok := scanBSD(s)
	if !ok {
		return s, false
	}
	switch {
	case f.year != 0:
		*t = f.in(f.year, r.loc)
		return rest, f.valid(f.year)
	case r.inHour(t, f, ref):
	case r.year != 0:
		ok = r.nextYear(t, f)
	default:
		ok = r.latestYear(t, f, ref)
	}
	if ok && f.nsec == 0 && len(s)-len(rest) == size+1 {
		r.bsd.set(s[:size], *t)
	}
	return rest, ok
}

// latestYear dates a stamp with the latest year that does not put it more
// than a day after ref. 29 February goes back to the last leap year.
func (r *Reader) latestYear(t *time.Time, f fields, ref time.Time) bool {
	limit := ref.Unix() + day
	y := ref.In(r.loc).Year() + 1
	next := int64(1<<63 - 1)
	for i := 0; i < 10; i, y = i+1, y-1 {
		if !f.valid(y) {
			continue
		}
		*t = f.in(y, r.loc)
		u := t.Unix()
		if u > limit {
			next = u
			continue
		}
		r.bsd.lo, r.bsd.hi = u-day, min(next, u+365*day)-day
		r.setHour(f, y, next)
		return true
	}
	return false
}

// nextYear dates a stamp with the year that brings it nearest to the one
// before it; the first gets the year of the configuration.
func (r *Reader) nextYear(t *time.Time, f fields) bool {
	if r.last.IsZero() {
		if !f.valid(r.year) {
			return false
		}
		*t = f.in(r.year, r.loc)
		r.last = *t
		r.setHour(f, r.year, 0)
		return true
	}
	best, year, found := time.Duration(0), 0, false
	for y := r.last.Year() - 1; y <= r.last.Year()+1; y++ {
		if !f.valid(y) {
			continue
		}
		c := f.in(y, r.loc)
		if d := c.Sub(r.last).Abs(); !found || d < best {
			best, year, found, *t = d, y, true, c
		}
	}
	if found {
		r.last = *t
		r.setHour(f, year, 0)
	}
	return found
}

// fields are the parts of a stamp.
type fields struct {
	year, month, day, hour, min, sec, nsec int
}

// in gives the moment of the fields in a year. A time of day that the zone
// skips is read as time.Date does.
func (f fields) in(year int, loc *time.Location) time.Time {
	return time.Date(year, time.Month(f.month), f.day, f.hour, f.min, f.sec, f.nsec, loc)
}

// valid reports whether the fields name a moment of the year. Second 60 is a
// leap second.
func (f fields) valid(year int) bool {
	if f.month < 1 || f.month > 12 || f.day < 1 || f.hour > 23 || f.min > 59 || f.sec > 60 {
		return false
	}
	days := 31
	switch f.month {
	case 4, 6, 9, 11:
		days = 30
	case 2:
		days = 28
		if year%4 == 0 && (year%100 != 0 || year%400 == 0) {
			days = 29
		}
	}
	return f.day <= days
}

// scanBSD takes a stamp of RFC 3164 apart. The rest begins after the blank.
func scanBSD(s string) (f fields, rest string, ok bool) {
	if len(s) < len("Nov 3 12:00:00 ") || s[3] != ' ' {
		return f, s, false
	}
	if f.month = month(s[:3]); f.month == 0 {
		return f, s, false
	}
	s = s[4:]
	if s[0] == ' ' {
		s = s[1:]
	}
	if f.day, s = number(s, 2); s == "" || s[0] != ' ' {
		return f, s, false
	}
	s = s[1:]
	if y, after := number(s, 4); y >= firstYear && len(after) > 1 && after[0] == ' ' {
		f.year, s = y, after[1:]
	}
	if s, ok = f.clock(s); !ok {
		return f, s, false
	}
	// Cisco and some relays end the stamp with a colon.
	if len(s) > 0 && s[0] == ':' {
		s = s[1:]
	}
	if len(s) == 0 || s[0] != ' ' || f.day < 1 || f.day > 31 {
		return f, s, false
	}
	return f, s[1:], true
}

// clock reads "12:00:00" and an optional fraction.
func (f *fields) clock(s string) (string, bool) {
	if len(s) < 8 || s[2] != ':' || s[5] != ':' {
		return s, false
	}
	var a, b, c string
	f.hour, a = number(s[:2], 2)
	f.min, b = number(s[3:5], 2)
	f.sec, c = number(s[6:8], 2)
	if a != "" || b != "" || c != "" || f.hour > 23 || f.min > 59 || f.sec > 60 {
		return s, false
	}
	return f.fraction(s[8:])
}

// fraction reads ".123456" or ",123"; digits beyond nanoseconds are dropped.
func (f *fields) fraction(s string) (string, bool) {
	f.nsec = 0
	if len(s) < 2 || s[0] != '.' && s[0] != ',' || s[1] < '0' || s[1] > '9' {
		return s, true
	}
	i, scale := 1, 100_000_000
	for ; i < len(s) && s[i] >= '0' && s[i] <= '9'; i++ {
		f.nsec += int(s[i]-'0') * scale
		scale /= 10
	}
	return s[i:], true
}

// number reads up to size digits; without a digit the rest is all of s.
func number(s string, size int) (n int, rest string) {
	i := 0
	for ; i < len(s) && i < size && s[i] >= '0' && s[i] <= '9'; i++ {
		n = n*10 + int(s[i]-'0')
	}
	return n, s[i:]
}

func month(s string) int {
	switch s {
	case "Jan":
		return 1
	case "Feb":
		return 2
	case "Mar":
		return 3
	case "Apr":
		return 4
	case "May":
		return 5
	case "Jun":
		return 6
	case "Jul":
		return 7
	case "Aug":
		return 8
	case "Sep":
		return 9
	case "Oct":
		return 10
	case "Nov":
		return 11
	case "Dec":
		return 12
	}
	return 0
}
