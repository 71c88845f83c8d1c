package detect

import (
	"math"
	"math/rand/v2"
	"time"
)

// source makes the events of a host: a day's and a week's rhythm, a level of
// the day, bursts, and gamma-Poisson chance within minutes.
type source struct {
	rng     *rand.Rand
	perHour float64 // on average
	phi     float64 // relative variance within a minute
	dayDev  float64 // of the level of a day, log scale
	day     int
	level   float64
	minute  int64
	shock   float64
}

func newSource(seed uint64, perHour, phi float64) *source {
	return &source{rng: rand.New(rand.NewPCG(seed, 7)), perHour: perHour, phi: phi, dayDev: 0.1, day: -1}
}

// rate in events an hour, without chance.
func (s *source) rate(t time.Time) float64 {
	h := float64(t.Hour()) + float64(t.Minute())/60
	r := s.perHour * (0.3 + 1.4*math.Pow(math.Sin(math.Pi*math.Mod(h+21, 24)/24), 2))
	// The weekend comes and goes within four hours around midnight.
	rest := func(t time.Time) float64 {
		if d := t.Weekday(); d == time.Saturday || d == time.Sunday {
			return 1
		}
		return 0
	}
	share := (rest(t.Add(-2*time.Hour)) + rest(t.Add(-time.Hour)) + rest(t) + rest(t.Add(time.Hour)) + rest(t.Add(2*time.Hour))) / 5
	return r * (1 - 0.65*share)
}

func (s *source) count(t time.Time, seconds, factor float64) float64 {
	if t.YearDay() != s.day {
		s.day = t.YearDay()
		s.level = math.Exp(s.rng.NormFloat64() * s.dayDev)
	}
	if m := t.Unix() / 60; m != s.minute {
		s.minute = m
		s.shock = 1
		if s.phi > 0 {
			s.shock = gamma(s.rng, 1/s.phi) * s.phi
		}
	}
	return poisson(s.rng, s.rate(t)*s.level*s.shock*factor*seconds/3600)
}

func gamma(r *rand.Rand, k float64) float64 {
	if k < 1 {
		return gamma(r, k+1) * math.Pow(r.Float64(), 1/k)
	}
	d := k - 1.0/3
	c := 1 / math.Sqrt(9*d)
	for {
		x := r.NormFloat64()
		v := 1 + c*x
		if v <= 0 {
			continue
		}
		v = v * v * v
		if math.Log(r.Float64()) < 0.5*x*x+d-d*v+d*math.Log(v) {
			return d * v
		}
	}
}

func poisson(r *rand.Rand, m float64) float64 {
	if m > 200 {
		return max(0, math.Round(m+math.Sqrt(m)*r.NormFloat64()))
	}
	limit, p, n := math.Exp(-m), r.Float64(), 0.0
	for p > limit {
		p *= r.Float64()
		n++
	}
	return n
}

var monday = time.Date(2026, 6, 1, 0, 0, 0, 0, time.UTC)

// run feeds f from start for a time, in steps.
func run(s *Set, start time.Time, d, step time.Duration, f func(t time.Time)) time.Time {
	end := start.Add(d)
	t := start
	for ; t.Before(end); t = t.Add(step) {
		s.Begin(t)
		f(t)
		s.End()
	}
	return t
}
