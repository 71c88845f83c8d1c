// Package chart turns the raw points of series into the lines of a chart:
// points go in, a bounded number of values at even steps comes out, and the
// normal range at each of them. A step of which nothing is known is NaN,
// never zero.
package chart

import (
	"math"
	"slices"
	"time"

	"github.com/mtawatch/mtawatch/internal/mta"
	"github.com/mtawatch/mtawatch/internal/view"
)

// Point is one value; T is in Unix milliseconds.
type Point struct {
	T int64
	V float64
}

// Grid is the steps of a chart. Step i is of the time after the end of the
// one before, up to its own end; the last ends with the chart.
type Grid struct {
	from, to, step int64 // milliseconds
	n              int
}

// steps are the lengths from which that of a chart is taken.
var steps = [...]time.Duration{10 * time.Second, 15 * time.Second, 30 * time.Second, time.Minute, 2 * time.Minute, 5 * time.Minute,
	10 * time.Minute, 15 * time.Minute, 30 * time.Minute, time.Hour, 2 * time.Hour, 6 * time.Hour, 24 * time.Hour}

// NewGrid gives the steps that end at end: none shorter than least, and no
// more of them than view.MaxChartPoints. Their ends lie on even times, so
// that charts asked for one after the other show the same steps.
func NewGrid(end time.Time, span, least time.Duration) Grid {
	step := steps[len(steps)-1]
	for _, s := range steps {
		if s >= least && span/s <= view.MaxChartPoints-2 {
			step = s
			break
		}
	}
	g := Grid{to: end.UnixMilli(), step: step.Milliseconds()}
	last := -floor(-g.to, g.step)
	g.n = int(min(max(int64(span/step), 1)+1, view.MaxChartPoints))
	g.from = last - int64(g.n)*g.step
	return g
}

func floor(v, step int64) int64 {
	r := v % step
	if r < 0 {
		r += step
	}
	return v - r
}

// From is where the first step begins.
func (g Grid) From() time.Time { return time.UnixMilli(g.from) }

// To is where the last one ends.
func (g Grid) To() time.Time { return time.UnixMilli(g.to) }

// Step is the length of one.
func (g Grid) Step() time.Duration { return time.Duration(g.step) * time.Millisecond }

// Times gives the ends of the steps in Unix seconds.
func (g Grid) Times() []int64 {
	list := make([]int64, g.n)
	for i := range list {
		list[i] = g.end(i) / 1000
	}
	return list
}

func (g Grid) end(i int) int64 { return min(g.from+int64(i+1)*g.step, g.to) }

// at gives the step that a moment is in.
func (g Grid) at(t int64) (i int, ok bool) {
	if t <= g.from || t > g.to {
		return 0, false
	}
	return int((t - g.from - 1) / g.step), true
}

func unknown(n int) view.Line {
	l := make(view.Line, n)
	for i := range l {
		l[i] = math.NaN()
	}
	return l
}

// stands is for how long a value stands where the next is late: what was
// rebuilt from logs comes less often than what is measured.
const stands = 90_000

// Max gives the greatest value of each step. Points are in order of time.
func (g Grid) Max(points []Point) view.Line {
	l := unknown(g.n)
	for _, p := range points {
		if i, ok := g.at(p.T); ok && !(l[i] >= p.V) {
			l[i] = p.V
		}
	}
	if g.step >= stands {
		return l
	}
	k := 0
	for i := range l {
		for k < len(points) && points[k].T <= g.end(i) {
			k++
		}
		if k > 0 && l[i] != l[i] && g.end(i)-points[k-1].T <= stands {
			l[i] = points[k-1].V
		}
	}
	return l
}

// Add gives the sum of two gauges: moments of which only one tells count
// with that one. Both are in order of time.
func Add(a, b []Point) []Point {
	if len(a) == 0 {
		return b
	}
	sum := make([]Point, 0, max(len(a), len(b)))
	for len(a) > 0 && len(b) > 0 {
		switch {
		case a[0].T < b[0].T:
			sum, a = append(sum, a[0]), a[1:]
		case a[0].T > b[0].T:
			sum, b = append(sum, b[0]), b[1:]
		default:
			sum = append(sum, Point{a[0].T, a[0].V + b[0].V})
			a, b = a[1:], b[1:]
		}
	}
	return append(append(sum, a...), b...)
}

// Greatest is Add with the greater of the two in place of the sum.
func Greatest(a, b []Point) []Point {
	sum := slices.Concat(a, b)
	slices.SortStableFunc(sum, func(x, y Point) int { return int(x.T - y.T) })
	n := 0
	for _, p := range sum {
		if n > 0 && sum[n-1].T == p.T {
			sum[n-1].V = max(sum[n-1].V, p.V)
			continue
		}
		sum[n] = p
		n++
	}
	return sum[:n]
}

// Last gives the newest value, nil when it is older than two minutes.
func (g Grid) Last(points []Point) *view.Number {
	if len(points) == 0 || g.to-points[len(points)-1].T > 120_000 {
		return nil
	}
	v := view.Number(points[len(points)-1].V)
	return &v
}

// maxGap is the longest time between two points of a counter of which the
// growth is told: what grew in a longer one came nobody knows when.
const maxGap = 10 * 60_000

// Rate gives the growth of counters, added up, in events a minute. What
// begins while others of the set are known already began at 0, where born
// says that such series do.
func (g Grid) Rate(set [][]Point, born bool) view.Line {
	grown, known := make([]float64, g.n), make([]float64, g.n)
	first := int64(math.MaxInt64)
	for _, points := range set {
		if len(points) > 0 {
			first = min(first, points[0].T)
		}
	}
	for _, points := range set {
		g.grow(grown, known, points, born, first)
	}
	l := unknown(g.n)
	for i := range l {
		// Half a step is enough to tell of it; the present one has only begun.
		if length := g.end(i) - g.from - int64(i)*g.step; known[i] > 0 && known[i]*2 >= float64(length) {
			l[i] = grown[i] / known[i] * 60_000
		}
	}
	return l
}

// grow adds what one counter grew by, and the milliseconds in which it was
// watched: the most that any of the set was.
func (g Grid) grow(grown, known []float64, points []Point, born bool, first int64) {
	seen := make([]float64, g.n)
	for k := range points {
		p := points[k]
		if k == 0 {
			if i, ok := g.at(p.T); ok && born && p.T > first {
				grown[i] += p.V
			}
			continue
		}
		before := points[k-1]
		gap := p.T - before.T
		if gap <= 0 || gap > maxGap {
			continue
		}
		d := p.V - before.V
		if d < 0 {
			d = p.V // it began anew
		}
		g.spread(grown, seen, before.T, p.T, d)
	}
	for i := range known {
		known[i] = max(known[i], seen[i])
	}
}

// spread puts a growth evenly over the steps that its time touches.
func (g Grid) spread(grown, seen []float64, from, to int64, d float64) {
	for t := max(from, g.from); t < min(to, g.to); {
		i, ok := g.at(t + 1)
		if !ok {
			return
		}
		end := min(to, g.end(i))
		grown[i] += d * float64(end-t) / float64(to-from)
		seen[i] += float64(end - t)
		t = end
	}
}

// RateNow gives the growth in the last minute of the chart.
func (g Grid) RateNow(set [][]Point, born bool) *view.Number {
	const minute = 60_000
	last := int64(math.MinInt64)
	for _, points := range set {
		if len(points) > 0 {
			last = max(last, points[len(points)-1].T)
		}
	}
	if g.to-last > 2*minute {
		return nil
	}
	one := Grid{from: last - minute, to: last, step: minute, n: 1}
	l := one.Rate(set, born)
	if l[0] != l[0] {
		return nil
	}
	v := view.Number(l[0])
	return &v
}

// Habit tells what was normal at a moment; LearnedFrom is zero where that is
// not known.
type Habit func(t time.Time) mta.Baseline

// Band gives the normal range at the end of each step.
func (g Grid) Band(h Habit) (low, high view.Line) {
	low, high = unknown(g.n), unknown(g.n)
	if h == nil {
		return low, high
	}
	for i := range low {
		if b := h(time.UnixMilli(g.end(i))); b.LearnedFrom > 0 {
			low[i], high[i] = b.Low, b.High
		}
	}
	return low, high
}

// Together gives what is normal for the sum of figures that go their own
// ways: the middles add up, the distances from them as the sides of a right
// angle do. It is known as far as any of them is.
func Together(list []Habit) Habit {
	if len(list) < 2 {
		for _, h := range list {
			return h
		}
		return nil
	}
	return func(t time.Time) mta.Baseline {
		var sum mta.Baseline
		var up, down float64
		for _, h := range list {
			b := h(t)
			if b.LearnedFrom == 0 {
				continue
			}
			sum.LearnedFrom = max(sum.LearnedFrom, b.LearnedFrom)
			sum.Middle += b.Middle
			up += (b.High - b.Middle) * (b.High - b.Middle)
			down += (b.Middle - b.Low) * (b.Middle - b.Low)
		}
		sum.Time = t
		sum.Low, sum.High = max(0, sum.Middle-math.Sqrt(down)), sum.Middle+math.Sqrt(up)
		return sum
	}
}
