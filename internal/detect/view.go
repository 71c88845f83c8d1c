package detect

import (
	"math"
	"time"

	"github.com/mtawatch/mtawatch/internal/mta"
)

// now reports whether the signal had a value in the present step.
func (g *Signal) now() bool { return g != nil && g.active && g.fedStep == g.set.steps }

// Value is what people are shown as now: a Gauge's last value, a Count's
// events in the last minute, a Ratio's share in the last 5 minutes. ok is
// false when it is unknown (no value in this step, too few samples, no events).
func (g *Signal) Value() (v float64, ok bool) {
	if !g.now() {
		return 0, false
	}
	w, p := &g.win[0], &g.set.plan[g.kind][0]
	switch {
	case g.kind == Gauge:
		return g.x, true
	case w.known*2 < p.n:
		return 0, false
	case g.kind == Count:
		return w.sum * 60 / p.span * float64(p.n) / float64(w.known), true
	case w.sumN < 0.5:
		return 0, false
	}
	return w.sum / w.sumN, true
}

// Sum gives the events of the last d, at most 3 h: of a Count in n, of a
// Ratio k of n; of a Gauge the mean in n. ok is false when less than half of
// that time is known.
func (g *Signal) Sum(d time.Duration) (k, n float64, ok bool) {
	if g == nil || !g.active || d <= 0 {
		return 0, 0, false
	}
	s := g.set
	steps := s.stepsIn(d)
	var known int
	var sum, of float64
	if w := g.windowOf(steps); w != nil {
		known, sum, of = w.known, w.sum, w.sumN
	} else {
		known, sum, of = g.over(0, steps)
	}
	if !g.half(known, steps) {
		return 0, 0, false
	}
	switch g.kind {
	case Count:
		return 0, sum, true
	case Ratio:
		return sum, of, true
	}
	return 0, sum / float64(known), true
}

// windowOf gives the window of just so many steps, nil when there is none.
func (g *Signal) windowOf(steps int) *window {
	for i := range g.win {
		if p := &g.set.plan[g.kind][i]; p.used && p.n == steps {
			return &g.win[i]
		}
	}
	return nil
}

// half reports whether half of so many steps is known; a gauge that comes
// less often than the steps is measured by its own pace.
func (g *Signal) half(known, steps int) bool {
	if g.kind == Gauge {
		return known > 0 && float64(known)*2*max(1, g.every) >= float64(steps)-0.5
	}
	return known > 0 && known*2 >= steps
}

// Ago gives a Gauge's value d ago, at most 3 h.
func (g *Signal) Ago(d time.Duration) (v float64, ok bool) {
	if g == nil || !g.active || g.kind != Gauge || d < 0 || d > longest {
		return 0, false
	}
	s := g.set
	n := int(math.Round(d.Seconds() / s.step))
	// The value that stood then is the last before it, not older than its pace.
	for i := n; i < s.size && float64(i-n) <= 2*g.every+1; i++ {
		if v := g.ring[s.back(i)]; v == v {
			return float64(v), true
		}
	}
	return 0, false
}

// Least gives a Gauge's smallest value of the last d, at most 3 h.
func (g *Signal) Least(d time.Duration) (v float64, ok bool) {
	if g == nil || !g.active || g.kind != Gauge || d <= 0 {
		return 0, false
	}
	s := g.set
	steps := s.stepsIn(d)
	known := 0
	least := math.Inf(1)
	for i := range steps {
		if v := float64(g.ring[s.back(i)]); v == v {
			known++
			least = min(least, v)
		}
	}
	if !g.half(known, steps) {
		return 0, false
	}
	return least, true
}

// Last is the time of the last event of a Count; of a Gauge the last time that it
// was not zero; zero when there was none in three hours.
func (g *Signal) Last() time.Time {
	if g == nil || g.eventAt.IsZero() || g.set.now.Sub(g.eventAt) > longest {
		return time.Time{}
	}
	return g.eventAt
}

// Expected is what is normal now, in the same unit as Sum(d)'s: a Count's
// events in d, a Ratio's share, a Gauge's level. ok is false while nothing is known.
func (g *Signal) Expected(d time.Duration) (v float64, ok bool) {
	if g == nil || !g.active || d < 0 {
		return 0, false
	}
	v, ok = g.middleOver(min(d, longest).Seconds())
	if !ok {
		return 0, false
	}
	if g.kind == Count {
		return max(0, v) * d.Hours(), true
	}
	return v, true
}

// RangeOver is the normal range of a Count's events in d, at most 3 h: that of
// the longest window that is no longer than d. ok is false while nothing is known.
func (g *Signal) RangeOver(d time.Duration) (low, high float64, ok bool) {
	if g == nil || g.kind != Count {
		return 0, 0, false
	}
	want, ok := g.Expected(d)
	if !ok {
		return 0, 0, false
	}
	disp := g.win[0].disp
	for i := range g.win {
		if w := &g.win[i]; spans[Count][i] > 0 && spans[Count][i] <= d.Seconds() && w.disp > 0 {
			disp = w.disp
		}
	}
	phi := disp + g.expectOver(min(d, longest).Seconds()).Variance()
	return math.Floor(countAt(-edge, want, phi)), math.Ceil(countAt(edge, want, phi)), true
}

// Known is how much tells about this hour: the number of like hours of past
// days, by their likeness. Below 1 the expectation is a guess from other hours or days.
func (g *Signal) Known() float64 {
	if g == nil || !g.active {
		return 0
	}
	return g.expect(0).Neff
}

// LearnedFrom is the time that was seen of the hours that the signal learns from.
func (g *Signal) LearnedFrom() time.Duration {
	if g == nil {
		return 0
	}
	return g.learned
}

// Judging reports whether there is history enough for statistical rules: 6 h.
func (g *Signal) Judging() bool { return g != nil && g.judging }

// edge is the 99 % quantile of the normal distribution.
const edge = 2.326

// Range is the normal range that people are shown, in the unit of Value: the
// 1 to 99 % range of one-minute values at this hour (a Ratio's of five minutes).
// LearnedFrom is zero while nothing is known.
func (g *Signal) Range() mta.Baseline {
	if g == nil {
		return mta.Baseline{}
	}
	b := mta.Baseline{Series: g.name, Time: g.set.now}
	if !g.active {
		return b
	}
	e := g.expect(0)
	if !e.OK {
		return b
	}
	w := &g.win[0]
	r := rangeOf(g.kind, e, w.disp, w.dev, w.sumN)
	b.Low, b.Middle, b.High, b.LearnedFrom = r.Low, r.Middle, r.High, g.learned
	return b
}
