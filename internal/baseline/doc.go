// Package baseline learns what is normal for one series at this hour of this
// weekday, from the hours of the last five weeks.
//
// One Record a past local hour goes in; an Expectation for any later hour
// comes out, with how much is known (Neff). Hours are of the local calendar,
// so that a shift of daylight saving moves with the people. Hours marked as
// lying inside an incident are kept and not used. Nothing is made up: a
// series without a like hour has no expectation.
//
// A series takes 9 bytes an hour (13 for shares) besides what its user keeps
// with each hour: under 11 KB for five weeks.
package baseline

import "time"

// Days is how far back hours are kept.
const Days = 35

// Hours is how many hours are kept at most.
const Hours = Days * 24

// Hour is an hour of the local calendar: civil hours since 1970-01-01 00:00.
// Where clocks go back one Hour holds two hours of time; where they go
// forward one is skipped.
type Hour int32

// HourOf gives the local hour of t and how far into it t is.
func HourOf(t time.Time, loc *time.Location) (h Hour, into time.Duration) {
	t = t.In(loc)
	_, offset := t.Zone()
	s := t.Unix() + int64(offset)
	n := s / 3600
	if s%3600 < 0 {
		n--
	}
	return Hour(n), time.Duration(s-n*3600)*time.Second + time.Duration(t.Nanosecond())
}

// Day is a day of the local calendar: civil days since 1970-01-01.
type Day int32

// Day gives the day that the hour is in.
func (h Hour) Day() Day {
	if h < 0 {
		return Day((h - 23) / 24)
	}
	return Day(h / 24)
}

// Of gives the hour's place in its day, 0 to 23.
func (h Hour) Of() int { return int(h) - int(h.Day())*24 }

// Weekday gives the day of the week.
func (d Day) Weekday() time.Weekday {
	return time.Weekday(((int(d)+4)%7 + 7) % 7)
}
