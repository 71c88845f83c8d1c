package syslog

import "time"

// zone is a zone text that was read before, as in "+01:00".
type zone struct {
	text   [6]byte
	n      int
	offset int // seconds east of UTC
	loc    *time.Location
}

// isoStamp reads "2026-11-23T12:00:00.123456+01:00 " and gives the rest.
// Fraction and zone are optional; a blank may stand for the T.
func (r *Reader) isoStamp(t *time.Time, s string) (string, bool) {
	const size = len("2026-11-23T12:00:00")
	if len(s) <= size {
		return s, false
	}
	if !r.iso.holds(s[:size]) {
		if !r.sameHour(s[:size]) {
			f, ok := scanISO(s[:size])
			if !ok {
				return s, false
			}
			r.iso.set(s[:size], f.in(f.year, time.UTC))
			r.setISOHour(s[:size], f)
		}
		r.isoZone = nil
	}
	var f fields
	rest, _ := f.fraction(s[size:])
	end := 0
	for end < len(rest) && rest[end] != ' ' {
		end++
	}
	if end == len(rest) {
		return s, false
	}
	if z := r.zone(rest[:end]); z == nil {
		return s, false
	} else if z != r.isoZone {
		r.isoZone, r.isoSecond = z, r.second(z)
	}
	*t = r.isoSecond.Add(time.Duration(f.nsec))
	return rest[end+1:], true
}

// zoned gives the moment at which a clock in a zone shows what utc shows in
// UTC. It is in the Reader's own zone when that has the offset of the stamp,
// so that equal stamps give equal values; else in the stamp's.
func (r *Reader) zoned(z *zone, utc time.Time) time.Time {
	if z == &r.noZone {
		y, mo, d := utc.Date()
		h, m, sec := utc.Clock()
		return time.Date(y, mo, d, h, m, sec, 0, r.loc)
	}
	t := time.Unix(utc.Unix()-int64(z.offset), 0)
	if z.loc == time.UTC {
		return t.UTC()
	}
	own := t.In(r.loc)
	if _, offset := own.Zone(); offset == z.offset {
		return own
	}
	return t.In(z.loc)
}

// zone reads "Z", "+01:00", "+0100", "+01" or nothing; nil for anything else.
func (r *Reader) zone(s string) *zone {
	if s == "" {
		return &r.noZone
	}
	for i := range r.zones {
		if z := &r.zones[i]; z.n > 0 && string(z.text[:z.n]) == s {
			return z
		}
	}
	offset, ok := zoneOffset(s)
	if !ok {
		return nil
	}
	z := &r.zones[r.turn]
	if z == r.isoZone {
		r.isoZone = nil
	}
	if z == r.isoHour.zone {
		r.isoHour.zone = nil
	}
	r.turn = (r.turn + 1) % len(r.zones)
	z.n = copy(z.text[:], s)
	z.offset, z.loc = offset, time.UTC
	if offset != 0 {
		z.loc = time.FixedZone("", offset)
	}
	return z
}

// zoneOffset gives the seconds east of UTC.
func zoneOffset(s string) (int, bool) {
	if s == "Z" || s == "z" {
		return 0, true
	}
	if len(s) < 3 || len(s) > 6 || s[0] != '+' && s[0] != '-' {
		return 0, false
	}
	hours, rest := number(s[1:], 2)
	if len(s)-len(rest) != 3 || hours > 23 {
		return 0, false
	}
	minutes := 0
	if rest != "" {
		if rest[0] == ':' {
			rest = rest[1:]
		}
		var end string
		if minutes, end = number(rest, 2); len(rest) != 2 || end != "" || minutes > 59 {
			return 0, false
		}
	}
	offset := (hours*60 + minutes) * 60
	if s[0] == '-' {
		offset = -offset
	}
	return offset, true
}

// scanISO takes "2026-11-23T12:00:00" apart.
func scanISO(s string) (f fields, ok bool) {
	if s[4] != '-' || s[7] != '-' || s[10] != 'T' && s[10] != ' ' && s[10] != 't' {
		return f, false
	}
	var a, b, c string
	f.year, a = number(s[:4], 4)
	f.month, b = number(s[5:7], 2)
	f.day, c = number(s[8:10], 2)
	if a != "" || b != "" || c != "" {
		return f, false
	}
	if _, ok = f.clock(s[11:]); !ok {
		return f, false
	}
	return f, f.year >= firstYear && f.valid(f.year)
}
