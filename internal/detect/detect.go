// Package detect tells how strange now is. Signals go in, one value each a
// step; for each comes out what is normal now, how rare the present value is
// against that, and since when it is so. What is normal comes from baseline.
//
// Time is the data's: Begin gives it. Nothing here knows what a signal
// means; diagnose does.
package detect

import (
	"time"

	"github.com/mtawatch/mtawatch/internal/mta"
)

// Kind says how the values of a signal are to be read.
type Kind uint8

// The kinds.
const (
	Gauge Kind = iota // a level at this moment
	Count             // events since the step before
	Ratio             // k of n events since the step before
)

// The rarities that matter: log10 of the return period in hours.
const (
	Noted   = 2.3 // evidence, at most info
	Strange = 3.0 // may warn, joined with harm
)

// Config sets up a Set. Zero values: the calendar of UTC, steps of 10 s.
type Config struct {
	Location *time.Location // whose hours and weekdays people live by
	Step     time.Duration  // the usual distance of two steps
}

// Set judges all signals of one host. One goroutine uses it.
type Set struct {
	cfg     Config
	signals map[string]*Signal
}

// New makes a Set that has seen nothing.
func New(cfg Config) *Set { return &Set{cfg: cfg, signals: make(map[string]*Signal)} }

// Signal gives the signal of that name, made when it is asked for first.
func (s *Set) Signal(name string, kind Kind) *Signal {
	g := s.signals[name]
	if g == nil {
		g = &Signal{name: name, kind: kind}
		s.signals[name] = g
	}
	return g
}

// Begin starts a step. A step that is not after the last is dropped: its
// values go nowhere. Between Begin and End each signal that was read gets its
// value; one that gets none is unknown in this step, not zero.
func (s *Set) Begin(t time.Time) {}

// End judges the step.
func (s *Set) End() {}

// Incident says whether an incident (warning or worse) is open. While it is,
// nothing is learned as normal, for at most 24 h: then the new level is the level.
func (s *Set) Incident(open bool) {}

// All calls yield for each signal that has had a value in the last three hours.
func (s *Set) All(yield func(*Signal) bool) {}

// Learned is how much past the set has learned from: the time of its hours
// that hold data.
func (s *Set) Learned() time.Duration { return 0 }

// Flush hands out what is to be kept and has changed since the last Flush.
func (s *Set) Flush(put func(key string, value []byte), del func(key string)) {}

// Load takes back what Flush gave. It merges: hours that the signal has
// itself stay, so that an import can be joined to what was watched since. A
// record that cannot be read is an error and changes nothing.
func (s *Set) Load(key string, value []byte) error { return nil }

// Signal is one stream of values with what is known of its past. All
// methods may be called on nil: a signal that does not exist is unknown.
type Signal struct {
	name string
	kind Kind
}

// Name gives the name by which the signal was asked for.
func (g *Signal) Name() string { return "" }

// SetGauge gives a Gauge its value in this step.
func (g *Signal) SetGauge(v float64) {}

// SetCount gives a Count its events since the step before.
func (g *Signal) SetCount(n float64) {}

// SetRatio gives a Ratio its k of n events since the step before.
func (g *Signal) SetRatio(k, n float64) {}

// Value is what people are shown as now: a Gauge's last value, a Count's
// events in the last minute, a Ratio's share in the last 5 minutes. ok is
// false when it is unknown (no value in this step, too few samples, no events).
func (g *Signal) Value() (v float64, ok bool) { return 0, false }

// Sum gives the events of the last d, at most 3 h: of a Count in n, of a
// Ratio k of n; of a Gauge the mean in n. ok is false when less than half of
// that time is known.
func (g *Signal) Sum(d time.Duration) (k, n float64, ok bool) { return 0, 0, false }

// Ago gives a Gauge's value d ago, at most 3 h.
func (g *Signal) Ago(d time.Duration) (v float64, ok bool) { return 0, false }

// Least gives a Gauge's smallest value of the last d, at most 3 h.
func (g *Signal) Least(d time.Duration) (v float64, ok bool) { return 0, false }

// Last is the time of the last event of a Count; of a Gauge the last time that it
// was not zero; zero when there was none in three hours.
func (g *Signal) Last() time.Time { return time.Time{} }

// Expected is what is normal now, in the same unit as Sum(d)'s: a Count's
// events in d, a Ratio's share, a Gauge's level. ok is false while nothing is known.
func (g *Signal) Expected(d time.Duration) (v float64, ok bool) { return 0, false }

// Range is the normal range that people are shown, in the unit of Value: the
// 1 to 99 % range of one-minute values at this hour (a Ratio's of five minutes).
// LearnedFrom is zero while nothing is known.
func (g *Signal) Range() mta.Baseline { return mta.Baseline{} }

// Up is how strangely high the signal is, over the window in which it is
// strangest. Zero: not strange, or not known.
func (g *Signal) Up() Rarity { return Rarity{} }

// Down is how strangely low it is.
func (g *Signal) Down() Rarity { return Rarity{} }

// Silent is how strange it is that a Count has had no event since Last.
func (g *Signal) Silent() Rarity { return Rarity{} }

// Score is how strange the present step is, 0 to 1, in either direction and
// over the short windows only: for marking single points of a series.
func (g *Signal) Score() float64 { return 0 }

// Since is when the present departure in the direction of r began: the
// change, not the time of noticing.
func (g *Signal) Since(r Rarity) time.Time { return time.Time{} }

// Rarity is how rare a reading is on this host at this hour.
type Rarity struct {
	L      float64       // log10 of the return period in hours: 3 is once in 1,000 h
	Z      float64       // standard deviations from what is expected
	Window time.Duration // over which it was measured
}

// Strange reports whether the reading is rare enough to warn of.
func (r Rarity) Strange() bool { return r.L >= Strange }

// Noted reports whether the reading is rare enough to be evidence.
func (r Rarity) Noted() bool { return r.L >= Noted }
