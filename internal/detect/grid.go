package detect

import (
	"math"
	"slices"
	"time"
)

// longest is how far back single steps are kept.
const longest = 3 * time.Hour

const (
	maxWindows = 4
	maxSteps   = 2160 // of three hours: finer steps see less far back
)

// spans are the windows of each kind in seconds; 0 is none.
var spans = [3][maxWindows]float64{
	Gauge: {60, 600, 3600},
	Count: {60, 300, 1800, 10800},
	Ratio: {300, 1800, 10800},
}

// longWindow is the span in seconds from which a window is judged once a minute.
const longWindow = 1800

// grid lays the windows over the real distance of the steps. All signals
// share it: each has one place in its ring for each step, also for those
// that were missed.
type grid struct {
	step  float64 // seconds
	size  int     // of the rings
	pos   int     // of the present step
	times []int64 // of the steps, in milliseconds; 0: not known
	plan  [3][maxWindows]windowPlan
	last  [8]float64 // the last distances of two steps
	seen  int
}

// windowPlan is what all signals of a kind share of a window.
type windowPlan struct {
	used  bool
	long  bool
	learn bool    // this step may be learned from
	n     int     // steps
	leave int     // place of the step that leaves the window now
	span  float64 // seconds that it covers now
	per   float64 // independent windows in an hour
}

// lay lays the grid anew for a distance of steps.
func (g *grid) lay(step float64) {
	g.step = step
	g.size = min(maxSteps, max(1, int(math.Round(longest.Seconds()/step)))) + 1
	g.pos = 0
	g.times = slices.Grow(g.times[:0], g.size)[:g.size]
	clear(g.times)
	for k := range g.plan {
		before := 0
		for i := range g.plan[k] {
			n := max(1, int(math.Round(spans[k][i]/step)))
			g.plan[k][i] = windowPlan{}
			if spans[k][i] == 0 || n == before || n >= g.size {
				continue
			}
			before = n
			span := float64(n) * step
			g.plan[k][i] = windowPlan{used: true, long: spans[k][i] >= longWindow, n: n, span: span, per: max(1, 3600/span)}
		}
	}
}

// measure learns the distance of the steps; true when the grid was laid anew.
func (g *grid) measure(dt float64) bool {
	g.last[g.seen%len(g.last)] = dt
	g.seen++
	n := min(g.seen, len(g.last))
	if n < 3 || math.Abs(dt-g.step) < 0.3*g.step {
		return false
	}
	var sorted [len(g.last)]float64
	copy(sorted[:], g.last[:n])
	slices.Sort(sorted[:n])
	middle := sorted[n/2]
	like := 0
	for _, d := range sorted[:n] {
		if math.Abs(d-middle) <= 0.2*middle {
			like++
		}
	}
	if like*4 < n*3 || math.Abs(middle-g.step) < 0.3*g.step {
		return false
	}
	g.lay(middle)
	return true
}

// advance moves to the next place.
func (g *grid) advance(t time.Time) {
	g.pos = (g.pos + 1) % g.size
	ms := t.UnixMilli()
	g.times[g.pos] = ms
	for k := range g.plan {
		for i := range g.plan[k] {
			w := &g.plan[k][i]
			if !w.used {
				continue
			}
			w.leave = g.back(w.n)
			w.span = float64(w.n) * g.step
			if from := g.times[w.leave]; from != 0 {
				w.span = float64(ms-from) / 1000
			}
		}
	}
}

// back gives the place n steps ago.
func (g *grid) back(n int) int {
	p := g.pos - n
	if p < 0 {
		p += g.size
	}
	return p
}

// stepsIn gives the steps of a duration, at least one, at most what is kept.
func (g *grid) stepsIn(d time.Duration) int {
	return min(g.size-1, max(1, int(math.Round(d.Seconds()/g.step))))
}

// timeOf gives the time of a place n steps ago.
func (g *grid) timeOf(n int, now time.Time) time.Time {
	if ms := g.times[g.back(n)]; ms != 0 {
		return time.UnixMilli(ms).In(now.Location())
	}
	return now.Add(-time.Duration(float64(n) * g.step * float64(time.Second)))
}

// skip passes over steps that were missed: unknown to all signals.
func (s *Set) skip(n int) {
	if n >= s.size-1 {
		for _, g := range s.active {
			g.blank()
		}
		clear(s.times)
		return
	}
	base, each := s.times[s.pos], s.step*1000
	for i := 1; i <= n; i++ {
		s.advance(time.UnixMilli(base + int64(float64(i)*each)))
		for _, g := range s.active {
			g.push(unknown, unknown)
		}
	}
}
