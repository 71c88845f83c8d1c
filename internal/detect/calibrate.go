package detect

import (
	"math"

	"github.com/mtawatch/mtawatch/internal/baseline"
)

// memory is how far back what is learned of spread and rarity reaches.
const memory = 28 * 24

// tally counts the bytes of the hours' records.
type tally struct {
	count [15][256]uint16
	total [15]int
	today [15]byte    // the largest of the day that is read
	top   [15][3]byte // the largest days
	days  [15]int
}

// calibrate makes, once an hour, all that the hours of the past tell: the
// expectations around this hour, the spreads, the tails.
func (g *Signal) calibrate() {
	s := g.set
	g.makeTrail()
	g.learned = g.past.Learned()
	g.judging = g.learned >= needed
	t := &s.tally
	t.read(g)
	l := layouts[g.kind]
	for i := range l.windows {
		w := &g.win[i]
		for d := range 2 {
			c := 2*i + d
			w.tail[d] = fitTail(peakOf(t.quantile(c, 0.5)), peakOf(t.quantile(c, 0.9)), t.total[c], priorTail, leastScale, peakOf(t.record(c)))
		}
		if g.kind == Gauge {
			g.fitGauge(i, t)
			continue
		}
		c := l.spread + i
		prior := priorPhi
		if g.kind == Ratio {
			prior = priorRho
		}
		w.disp = shrink(spreadOf(t.quantile(c, 0.8)), prior, t.total[c])
		if g.kind == Ratio {
			w.disp = min(1, w.disp)
		}
	}
	if l.silence >= 0 {
		g.quiet.fit(g, t)
	}
	g.prepare()
	g.resum()
}

// makeTrail makes the expectations from a few hours ago to the next hour.
// Past ones stay as they were made: they may not know what came after.
func (g *Signal) makeTrail() {
	s := g.set
	from := s.hour - trailPast
	fresh := 0
	if moved := int64(from) - int64(g.trailAt); moved >= 0 && moved < trailPast && g.trail[trailPast].OK {
		copy(g.trail[:], g.trail[moved:])
		fresh = min(trailPast, trailLen-1-int(moved))
	}
	g.trailAt = from
	for i := fresh; i < trailLen; i++ {
		g.trail[i] = g.past.Expect(s.like(from + baseline.Hour(i)))
	}
	for i := range g.jump {
		g.jump[i] = g.trail[i].Jump(g.trail[i+1])
	}
}

// shrink joins a learned value with what is assumed.
func shrink(v, prior float64, n int) float64 {
	return (float64(n)*v + priorWeight*prior) / (float64(n) + priorWeight)
}

// fitGauge learns the spread to either side from past departures.
func (g *Signal) fitGauge(i int, t *tally) {
	c := layouts[Gauge].spread + 4*i
	low, mid, high := residualOf(t.quantile(c, 0.1)), residualOf(t.quantile(c, 0.5)), residualOf(t.quantile(c, 0.9))
	w, n := &g.win[i], t.total[c]
	w.dev[up] = max(leastDev, shrink((high-mid)/1.28, priorDev, n))
	w.dev[down] = max(leastDev, shrink((mid-low)/1.28, priorDev, n))
}

// read counts the records of the last four weeks that may be learned from.
// The departures of one window of a gauge are counted together.
func (t *tally) read(g *Signal) {
	*t = tally{}
	l := layouts[g.kind]
	ranked := l.spread
	var day baseline.Day
	began := false
	n := g.past.Len()
	for i := range n {
		r := g.past.At(i)
		if r.Marked || r.Hour < g.set.hour-memory || r.Hour >= g.set.hour {
			continue
		}
		if d := r.Hour.Day(); !began || d != day {
			t.endDay(ranked)
			day, began = d, true
		}
		for c, b := range r.Extra {
			if b == 0 {
				continue
			}
			at := c
			if g.kind == Gauge && c >= ranked {
				at = ranked + (c-ranked)/4*4
			}
			t.count[at][b]++
			t.total[at]++
			if c < ranked {
				t.today[c] = max(t.today[c], b)
			}
		}
	}
	t.endDay(ranked)
}

// endDay ranks the largest values of a day among those of the others.
func (t *tally) endDay(ranked int) {
	for c := range ranked {
		b := t.today[c]
		if b == 0 {
			continue
		}
		t.today[c] = 0
		t.days[c]++
		for i := range t.top[c] {
			if b > t.top[c][i] {
				b, t.top[c][i] = t.top[c][i], b
			}
		}
	}
}

// quantile gives the byte below which that share of the bytes of a column lies.
func (t *tally) quantile(c int, q float64) byte {
	want := int(math.Ceil(q * float64(t.total[c])))
	if want == 0 {
		return 0
	}
	for b, n := range t.count[c] {
		if want -= int(n); want <= 0 {
			return byte(b)
		}
	}
	return 255
}

// record gives the third largest daily maximum of four weeks; with few days
// the second or the largest, which are then as seldom.
func (t *tally) record(c int) byte {
	switch n := t.days[c]; {
	case n >= 14:
		return t.top[c][2]
	case n >= 5:
		return t.top[c][1]
	default:
		return t.top[c][0]
	}
}
