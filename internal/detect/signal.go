package detect

import (
	"math"
	"time"

	"github.com/mtawatch/mtawatch/internal/baseline"
)

// Signal is one stream of values with what is known of its past. All
// methods may be called on nil: a signal that does not exist is unknown.
type Signal struct {
	name string
	kind Kind
	set  *Set
	past *baseline.Series

	// the present step
	active  bool
	fed     bool
	x, n    float64
	fedAt   time.Time // when it last had a value
	fedStep int64
	every   float64   // steps from one value to the next
	eventAt time.Time // of the last event, or level that was not zero

	// the last three hours
	ring, ringN []float32 // by place in the grid
	win         [maxWindows]window

	// what is normal
	cur     current
	trail   [trailLen]baseline.Expectation // of the hours from trailAt on
	jump    [trailLen - 1]float64          // between each of these and the next
	trailAt baseline.Hour
	judging bool // there is history enough for statistical rules
	learned time.Duration
	quiet   silence
	score   *scorer
	kept    keeping
}

// window is the state of one window of a signal.
type window struct {
	sum, sumN float64
	known     int // steps
	ok        bool
	z         float64
	x, nn     float64 // that z was made of

	// what is expected of it, made once a minute
	ready  bool
	mean   float64 // events; share; level on the scale of z
	ref    float64 // the same as z takes it
	spread [2]float64
	v      float64 // variance of the expectation itself

	// learned
	disp float64    // phi, rho
	dev  [2]float64 // s of a gauge, up and down
	tail [2]tail
}

const (
	up   = 0
	down = 1
)

// The hours whose expectations are kept: four past ones for the long
// windows, this and the next.
const (
	trailPast = 4
	trailLen  = trailPast + 2
)

// needed is the history below which statistical rules are silent.
const needed = 6 * time.Hour

var unknown = float32(math.NaN())

func newSignal(s *Set, name string, kind Kind) *Signal {
	kind = min(kind, Ratio)
	g := &Signal{name: name, kind: kind, set: s, every: 1}
	g.past = baseline.NewSeries(pastKind[kind], layouts[kind].size)
	g.cur.reset()
	g.reset()
	return g
}

// pastKind tells how the past of each kind is summed up.
var pastKind = [...]baseline.Kind{Gauge: baseline.Level, Count: baseline.Events, Ratio: baseline.Share}

// reset sets what is learned to what is assumed without a past.
func (g *Signal) reset() {
	for i := range g.win {
		w := &g.win[i]
		w.disp, w.dev = priorPhi, [2]float64{priorDev, priorDev}
		if g.kind == Ratio {
			w.disp = priorRho
		}
		w.tail = [2]tail{priorTail, priorTail}
	}
	g.quiet.tail = priorSilence(1)
}

// Name gives the name by which the signal was asked for.
func (g *Signal) Name() string {
	if g == nil {
		return ""
	}
	return g.name
}

// Kind tells how the values of the signal are read.
func (g *Signal) Kind() Kind {
	if g == nil {
		return Gauge
	}
	return g.kind
}

// SetGauge gives a Gauge its value in this step.
func (g *Signal) SetGauge(v float64) {
	if g == nil || g.kind != Gauge || !fits(v) {
		return
	}
	g.feed(v, 0)
	if v != 0 {
		g.eventAt = g.set.now
	}
}

// SetCount gives a Count its events since the step before.
func (g *Signal) SetCount(n float64) {
	if g == nil || g.kind != Count || !fits(n) || n < 0 {
		return
	}
	g.feed(n, 0)
}

// SetRatio gives a Ratio its k of n events since the step before.
func (g *Signal) SetRatio(k, n float64) {
	if g == nil || g.kind != Ratio || !fits(n) || !(k >= 0 && k <= n) {
		return
	}
	g.feed(k, n)
}

// fits reports whether a value can be kept: a number, and no absurd one.
func fits(v float64) bool { return math.Abs(v) <= 1e30 }

func (g *Signal) feed(x, n float64) {
	s := g.set
	if !s.open {
		return
	}
	if !g.active {
		g.wake()
	}
	if !g.fed {
		if gap := float64(s.steps - g.fedStep); g.fedStep > 0 && gap < 100 {
			g.every += (gap - g.every) / 8
		}
	}
	g.fed, g.x, g.n, g.fedAt, g.fedStep = true, x, n, s.now, s.steps
}

// wake begins a signal, or begins it again after a time without values.
func (g *Signal) wake() {
	s := g.set
	if other := s.signals[g.name]; other != g {
		if other != nil && other.active {
			return // the name was given anew
		}
		s.signals[g.name] = g
	}
	g.active = true
	if !g.fedAt.IsZero() { // else what was loaded stands
		g.every = 1
		g.quiet.stop()
	}
	g.fedStep = 0
	g.ring = make([]float32, s.size)
	if g.kind == Ratio {
		g.ringN = make([]float32, s.size)
	}
	g.blank()
	if g.cur.used && g.cur.hour != s.hour {
		g.closeHour()
	}
	s.active = append(s.active, g)
	g.calibrate()
}

// sleep lets go of the last hours of a signal that has no values any more.
func (g *Signal) sleep() {
	g.active, g.ring, g.ringN = false, nil, nil
	for i := range g.win {
		g.win[i].ok, g.win[i].ready = false, false
	}
}

// blank makes all steps unknown.
func (g *Signal) blank() {
	if len(g.ring) != g.set.size {
		g.ring = make([]float32, g.set.size)
		if g.kind == Ratio {
			g.ringN = make([]float32, g.set.size)
		}
	}
	for i := range g.ring {
		g.ring[i] = unknown
	}
	clear(g.ringN)
	for i := range g.win {
		w := &g.win[i]
		w.sum, w.sumN, w.known, w.ok, w.ready = 0, 0, 0, false, false
	}
}

// push puts a step into the ring and moves the windows over it.
func (g *Signal) push(x, n float32) {
	s := g.set
	ring, pos := g.ring, s.pos
	ring[pos] = x
	if g.ringN != nil {
		g.ringN[pos] = n
	}
	for i := range g.win {
		p := &s.plan[g.kind][i]
		if !p.used {
			continue
		}
		w := &g.win[i]
		if old := ring[p.leave]; old == old {
			w.sum -= float64(old)
			w.known--
			if g.ringN != nil {
				w.sumN -= float64(g.ringN[p.leave])
			}
		}
		if x == x {
			w.sum += float64(x)
			w.known++
			w.sumN += float64(n)
		}
	}
}

// resum makes the sums anew, so that rounding does not add up. It is called
// before the present step is pushed.
func (g *Signal) resum() {
	s := g.set
	for i := range g.win {
		p, w := &s.plan[g.kind][i], &g.win[i]
		if !p.used {
			continue
		}
		w.sum, w.sumN, w.known = 0, 0, 0
		for k := 1; k <= p.n; k++ {
			at := s.back(k)
			if v := g.ring[at]; v == v {
				w.sum += float64(v)
				w.known++
				if g.ringN != nil {
					w.sumN += float64(g.ringN[at])
				}
			}
		}
	}
}

// end judges the step of one signal.
func (g *Signal) end() {
	s := g.set
	if !g.fed {
		g.push(unknown, 0)
		g.missed()
		return
	}
	switch g.kind {
	case Count:
		g.push(float32(g.x), 0)
		if g.x > 0 {
			g.eventAt = s.now
		}
		g.learnCount()
		g.quiet.step(g)
	case Ratio:
		g.push(float32(g.x), float32(g.n))
		if g.n > 0 {
			g.eventAt = s.now
		}
		g.learnRatio()
	default:
		g.push(float32(g.x), 0)
		g.learnGauge()
	}
	if s.tick {
		g.prepare()
	}
	for i := range g.win {
		p := &s.plan[g.kind][i]
		if p.used && (!p.long || s.tick) {
			g.judge(i, p)
		}
	}
	if s.tick {
		g.sample()
	}
	if g.score != nil {
		g.score.step(g, g.x)
	}
	g.fed = false
}

// missed lets a verdict stand while its signal's next value is not due, and
// no longer.
func (g *Signal) missed() {
	if g.kind == Gauge && float64(g.set.steps-g.fedStep) <= 2*g.every+1 {
		return
	}
	for i := range g.win {
		g.win[i].ok = false
	}
	g.quiet.missed(g)
}

// enough reports whether at least half of a window is known. A gauge that
// comes less often than the steps is measured by its own pace.
func (g *Signal) enough(w *window, p *windowPlan) bool {
	if g.kind == Gauge {
		return w.known > 0 && float64(w.known)*2*max(1, g.every) >= float64(p.n)-0.5
	}
	return w.known*2 >= p.n
}
