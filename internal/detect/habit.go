package detect

import (
	"math"
	"time"

	"github.com/mtawatch/mtawatch/internal/baseline"
	"github.com/mtawatch/mtawatch/internal/mta"
)

// Habit is what a signal has learned, taken out of its Set: what was or is
// normal at any hour may be asked of it while the Set goes on. One goroutine
// uses it.
type Habit struct {
	name    string
	kind    Kind
	past    *baseline.Series
	loc     *time.Location
	learned time.Duration
	now     baseline.Hour // when it was taken out
	disp    float64
	dev     [2]float64
	events  float64 // of a Ratio in its shortest window
	hours   map[baseline.Hour]baseline.Expectation
	like    baseline.Likeness
}

// Habit gives what the signal has learned; nil when that is nothing.
func (g *Signal) Habit() *Habit {
	if g == nil || g.past.Len() == 0 {
		return nil
	}
	w := &g.win[0]
	return &Habit{name: g.name, kind: g.kind, past: g.past.Summary(), loc: g.set.cfg.Location, learned: g.past.Learned(),
		now: g.set.hour, disp: w.disp, dev: w.dev, events: w.sumN, hours: make(map[baseline.Hour]baseline.Expectation)}
}

// At gives the normal range at a moment, in the unit of Signal.Range, from
// the hours before it and the spread as it is known now. LearnedFrom is zero
// while nothing was known.
func (h *Habit) At(t time.Time) mta.Baseline {
	if h == nil {
		return mta.Baseline{Time: t}
	}
	hour, into := baseline.HourOf(t, h.loc)
	at := into.Hours() - 0.5
	if at < 0 {
		hour, at = hour-1, at+1
	}
	b := rangeOf(h.kind, h.expect(hour).Between(h.expect(hour+1), min(1, at)), h.disp, h.dev, h.events)
	b.Series, b.Time = h.name, t
	if b.LearnedFrom > 0 {
		b.LearnedFrom = h.learned
	}
	return b
}

// Recall takes over what an older Habit of the same signal has worked out: it
// is for who asks again and again. What was expected of an hour that had begun
// stays as it was, unless more of the past became known meanwhile.
func (h *Habit) Recall(old *Habit) {
	if h == nil || old == nil || h.name != old.name || old.now > h.now || h.past.At(0).Hour < old.past.At(0).Hour ||
		h.past.Len() > old.past.Len()+int(h.now-old.now)+1 {
		return
	}
	for hour, e := range old.hours {
		if hour <= old.now && hour >= h.now-baseline.Hours {
			h.hours[hour] = e
		}
	}
}

func (h *Habit) expect(hour baseline.Hour) baseline.Expectation {
	e, ok := h.hours[hour]
	if !ok {
		h.like.For(hour)
		e = h.past.Expect(&h.like)
		h.hours[hour] = e
	}
	return e
}

// rangeOf makes the range of one-minute values of an expectation (a Ratio's
// of five minutes with n events). LearnedFrom is zero when it is unknown, else not.
func rangeOf(kind Kind, e baseline.Expectation, disp float64, dev [2]float64, n float64) mta.Baseline {
	var b mta.Baseline
	if !e.OK {
		return b
	}
	b.LearnedFrom = 1
	v := e.Variance()
	switch kind {
	case Count:
		m := max(0, e.Middle) / 60
		phi := disp + v
		b.Low, b.Middle, b.High = math.Floor(countAt(-edge, m, phi)), m, math.Ceil(countAt(edge, m, phi))
	case Ratio:
		p := min(1, max(0, e.Middle))
		n = max(1, n)
		wide := edge * ratioSpread(n, p, disp, v) / (2 * math.Sqrt(n+0.5))
		a := shareScale(p)
		low, high := math.Sin(max(0, a-wide)), math.Sin(min(math.Pi/2, a+wide))
		b.Low, b.Middle, b.High = low*low, p, high*high
	default:
		y := gaugeScale(e.Middle)
		b.Middle = e.Middle
		b.Low = min(e.Middle, gaugeAt(y-edge*math.Sqrt(dev[down]*dev[down]+v)))
		b.High = max(e.Middle, gaugeAt(y+edge*math.Sqrt(dev[up]*dev[up]+v)))
		if e.Middle >= 0 {
			b.Low = max(0, b.Low)
		}
	}
	return b
}
