// Package detect tells how strange now is. Signals go in, one value each a
// step; for each comes out what is normal now, how rare the present value is
// against that, and since when it is so. What is normal comes from baseline.
//
// Time is the data's: Begin gives it. Nothing here knows what a signal
// means; diagnose does.
package detect

import (
	"time"
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
