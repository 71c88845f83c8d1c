package imta

import "time"

// stamps reads the time stamps of the transaction log: local time without a
// zone. It remembers the last second of each form, and the hour, so that what
// repeats costs next to nothing. A time of day that the zone skips or has
// twice is read as time.Date does.
type stamps struct {
	loc   *time.Location
	short second // 06-Oct-2026 00:24:03
	iso   second // 2026-10-06T00:24:03

	year, month, day, hour int // of start; month 0: none is known
	start                  time.Time
}

// second is a stamp that was read before. The text is copied, so that the
// memory of old lines is neither kept nor trusted.
type second struct {
	text [20]byte
	n    int
	time time.Time
}

func (c *second) holds(s string) bool {
	return c.n > 0 && len(s) >= c.n && s[:c.n] == string(c.text[:c.n])
}

func (c *second) set(s string, t time.Time) { c.n, c.time = copy(c.text[:], s), t }

// cutShort reads "06-Oct-2026 00:24:03.66 ". The day may have one digit, the
// month any case, and the fraction may be missing. The rest begins after the
// one blank; it is "" when the line ends with the stamp.
func (c *stamps) cutShort(t *time.Time, s string) (rest string, ok bool) {
	const size = len("06-Oct-2026 00:24:03")
	if c.short.holds(s) {
		*t = c.short.time
		return c.fraction(t, s[size:])
	}
	d, after := number(s, 2)
	if d == 0 || len(s)-len(after) == 0 || len(after) < len("-Oct-2026 00:24:03") || after[0] != '-' || after[4] != '-' || after[9] != ' ' {
		return s, false
	}
	m := month(after[1:4])
	y, bad := number(after[5:9], 4)
	if m == 0 || bad != "" || !c.clock(t, y, m, d, after[10:18]) {
		return s, false
	}
	if n := len(s) - len(after); n == 2 {
		c.short.set(s[:size], *t)
	}
	return c.fraction(t, after[18:])
}

// cutISO reads "2026-10-06T00:24:03.66"; a blank may stand for the T. A zone
// is not documented, but is honoured where it stands.
func (c *stamps) cutISO(t *time.Time, s string) (rest string, ok bool) {
	const size = len("2026-10-06T00:24:03")
	if len(s) < size {
		return s, false
	}
	if c.iso.holds(s) {
		*t = c.iso.time
	} else {
		y, a := number(s[:4], 4)
		m, b := number(s[5:7], 2)
		d, e := number(s[8:10], 2)
		if a+b+e != "" || s[4] != '-' || s[7] != '-' || s[10] != 'T' && s[10] != ' ' || m < 1 || m > 12 ||
			!c.clock(t, y, m, d, s[11:size]) {
			return s, false
		}
		c.iso.set(s[:size], *t)
	}
	nsec, rest := fraction(s[size:])
	*t = t.Add(nsec)
	if rest != "" {
		if offset, after, ok := cutZone(rest); ok {
			wall := *t
			_, local := wall.Zone()
			*t = time.Unix(wall.Unix()+int64(local-offset), int64(wall.Nanosecond())).In(c.loc)
			rest = after
		}
	}
	return rest, true
}

// clock sets t to a day and "00:24:03".
func (c *stamps) clock(t *time.Time, y, m, d int, s string) bool {
	if s[2] != ':' || s[5] != ':' {
		return false
	}
	h, a := number(s[:2], 2)
	minute, b := number(s[3:5], 2)
	sec, e := number(s[6:8], 2)
	if a != "" || b != "" || e != "" || h > 23 || minute > 59 || sec > 60 || y < 1970 || d < 1 || d > daysIn(y, m) {
		return false
	}
	*t = c.at(y, m, d, h, minute, sec)
	return true
}

// at gives a moment of the log's zone; within an hour that has no turn of
// the clock by addition.
func (c *stamps) at(y, m, d, h, minute, sec int) time.Time {
	past := time.Duration(minute*60+sec) * time.Second
	if m == c.month && d == c.day && h == c.hour && y == c.year && sec < 60 {
		return c.start.Add(past)
	}
	first := time.Date(y, time.Month(m), d, h, 0, 0, 0, c.loc)
	last := time.Date(y, time.Month(m), d, h, 59, 59, 0, c.loc)
	if last.Sub(first) != (59*60+59)*time.Second {
		c.month = 0
		return time.Date(y, time.Month(m), d, h, minute, sec, 0, c.loc)
	}
	c.year, c.month, c.day, c.hour, c.start = y, m, d, h, first
	return first.Add(past)
}

// fraction adds ".66" and passes over the blank after it.
func (c *stamps) fraction(t *time.Time, s string) (rest string, ok bool) {
	nsec, rest := fraction(s)
	*t = t.Add(nsec)
	switch {
	case rest == "":
		return "", true
	case rest[0] == ' ':
		return rest[1:], true
	}
	return rest, false
}

// fraction reads ".66"; without a digit the rest is all of s.
func fraction(s string) (time.Duration, string) {
	if len(s) < 2 || s[0] != '.' || !digit(s[1]) {
		return 0, s
	}
	d, scale, i := time.Duration(0), 100*time.Millisecond, 1
	for ; i < len(s) && digit(s[i]); i++ {
		d += time.Duration(s[i]-'0') * scale
		scale /= 10
	}
	return d, s[i:]
}

// cutZone reads "Z", "+0100" or "+01:00": seconds east of UTC.
func cutZone(s string) (offset int, rest string, ok bool) {
	if s[0] == 'Z' {
		return 0, s[1:], true
	}
	if len(s) < 5 || s[0] != '+' && s[0] != '-' {
		return 0, s, false
	}
	h, a := number(s[1:3], 2)
	after := s[3:]
	if after[0] == ':' {
		after = after[1:]
	}
	m, rest := number(after, 2)
	if a != "" || len(after)-len(rest) != 2 || h > 14 || m > 59 {
		return 0, s, false
	}
	offset = h*3600 + m*60
	if s[0] == '-' {
		offset = -offset
	}
	return offset, rest, true
}

// number reads up to size digits; without a digit the rest is all of s.
func number(s string, size int) (n int, rest string) {
	i := 0
	for ; i < len(s) && i < size && digit(s[i]); i++ {
		n = n*10 + int(s[i]-'0')
	}
	return n, s[i:]
}

// monthNames are in lower case, three bytes each.
const monthNames = "janfebmaraprmayjunjulaugsepoctnovdec"

// month gives the number of "Oct", in any case; 0 for another word.
func month(s string) int {
	a, b, c := s[0]|0x20, s[1]|0x20, s[2]|0x20
	for i := 0; i < len(monthNames); i += 3 {
		if monthNames[i] == a && monthNames[i+1] == b && monthNames[i+2] == c {
			return i/3 + 1
		}
	}
	return 0
}

func daysIn(y, m int) int {
	switch m {
	case 4, 6, 9, 11:
		return 30
	case 2:
		if y%4 == 0 && (y%100 != 0 || y%400 == 0) {
			return 29
		}
		return 28
	}
	return 31
}
