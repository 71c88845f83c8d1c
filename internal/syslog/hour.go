package syslog

import "time"

// lastSecond is the last second of an hour, counted from 0.
const lastSecond = 59*60 + 59

// even reports whether the clock neither jumps nor names a moment twice
// between the first and the last second of an hour.
func even(first, last time.Time) bool { return last.Sub(first) == lastSecond*time.Second }

// bsdHour is the hour of the last stamp without a year: dates cost much, and
// within an hour they differ by minutes and seconds only.
type bsdHour struct {
	month, day, hour int       // month 0: none is known
	start            time.Time //
	lo, hi           int64     // the reference times, in Unix seconds, for which start holds
}

// inHour dates a stamp of the hour that is known.
func (r *Reader) inHour(t *time.Time, f fields, ref time.Time) bool {
	h := &r.bsdHour
	if f.month != h.month || f.day != h.day || f.hour != h.hour || f.sec > 59 {
		return false
	}
	if r.year == 0 {
		if u := ref.Unix(); u < h.lo || u >= h.hi {
			return false
		}
		r.bsd.lo, r.bsd.hi = h.lo, h.hi
	}
	*t = h.start.Add(time.Duration(f.min*60+f.sec)*time.Second + time.Duration(f.nsec))
	if r.year != 0 {
		r.last = *t
	}
	return true
}

// setHour remembers the hour of a stamp that was dated with a year. next is
// the same stamp a year later, in Unix seconds.
func (r *Reader) setHour(f fields, year int, next int64) {
	f.min, f.sec, f.nsec = 0, 0, 0
	first := f.in(year, r.loc)
	f.min, f.sec = 59, 59
	last := f.in(year, r.loc)
	if !even(first, last) {
		r.bsdHour.month = 0
		return
	}
	// The hour of the year after may not be even: some hours less are safe.
	const margin = 4 * 60 * 60
	r.bsdHour = bsdHour{f.month, f.day, f.hour, first, last.Unix() - day, min(next-margin, first.Unix()+365*day) - day}
}

// isoHour is the hour of the last stamp with a year, and this hour in the
// zone that came with it last.
type isoHour struct {
	head, tail uint64 // the text up to the minutes, as two overlapping words
	utc        time.Time
	zone       *zone // nil: none is known
	start      time.Time
}

// sameHour reads a stamp of the hour that is known into r.iso.
func (r *Reader) sameHour(s string) bool {
	h := &r.isoHour
	if h.tail != word(s[len("2026-1"):]) || h.head != word(s) || s[16] != ':' {
		return false
	}
	m, a := number(s[14:16], 2)
	sec, b := number(s[17:19], 2)
	if a != "" || b != "" || m > 59 || sec > 59 {
		return false
	}
	r.iso.set(s, h.utc.Add(time.Duration(m*60+sec)*time.Second))
	return true
}

// setISOHour remembers the hour of the stamp s.
func (r *Reader) setISOHour(s string, f fields) {
	f.min, f.sec = 0, 0
	r.isoHour = isoHour{head: word(s), tail: word(s[len("2026-1"):]), utc: f.in(f.year, time.UTC)}
}

// second gives the second in r.iso in a zone.
func (r *Reader) second(z *zone) time.Time {
	h := &r.isoHour
	if z != h.zone {
		first, last := r.zoned(z, h.utc), r.zoned(z, h.utc.Add(lastSecond*time.Second))
		if !even(first, last) || first.Location() != last.Location() || r.iso.time.Sub(h.utc) > lastSecond*time.Second {
			return r.zoned(z, r.iso.time)
		}
		h.zone, h.start = z, first
	}
	return h.start.Add(r.iso.time.Sub(h.utc))
}
