package detect

import (
	"math"

	"github.com/mtawatch/mtawatch/internal/baseline"
)

// layout says where the bytes of an hour's record are: first the largest z of each
// window up and down, then the largest silence, then what the spread is learned from.
type layout struct {
	windows int
	silence int // -1: none
	spread  int // where the spread begins
	size    int
}

// layouts by kind. A gauge keeps eleven departures an hour: of its first two
// windows each quarter of an hour, of the third one.
var layouts = [...]layout{
	Gauge: {windows: 3, silence: -1, spread: 6, size: 6 + 9},
	Count: {windows: 4, silence: 8, spread: 9, size: 9 + 4},
	Ratio: {windows: 3, silence: -1, spread: 6, size: 6 + 3},
}

// current is what is gathered of the present hour.
type current struct {
	used   bool
	hour   baseline.Hour
	parts  []float32 // a count's events in each five minutes; a gauge's sum in each minute
	timeOf []float32 // the seconds, the values behind each part
	k, n   float64   // of a ratio
	seen   float64   // seconds that are known
	bad    float64   // of those inside an incident
	peak   [2*maxWindows + 1]float32
	resid  [2*4 + 1]byte
	num    [maxWindows]float64 // sums from which dispersion is told
	den    [maxWindows]float64
	times  [maxWindows]float64
}

func (c *current) reset() {
	parts, timeOf := c.parts, c.timeOf
	clear(parts)
	clear(timeOf)
	*c = current{parts: parts, timeOf: timeOf}
}

// begin makes room for the hour of the step.
func (c *current) begin(h baseline.Hour, parts int) {
	if c.used {
		return
	}
	c.used, c.hour = true, h
	if len(c.parts) != parts {
		c.parts, c.timeOf = make([]float32, parts), make([]float32, parts)
	}
}

// peaks below this are as good as none: 0 says that there was none known.
const leastPeak = 0.01

func (c *current) max(i int, z float64) {
	if v := float32(z); v > c.peak[i] {
		c.peak[i] = v
	} else if c.peak[i] == 0 {
		c.peak[i] = leastPeak
	}
}

func (g *Signal) learnTime() {
	s, c := g.set, &g.cur
	t := s.elapsed
	if g.kind == Gauge {
		t *= max(1, g.every)
	}
	c.seen += t
	if s.suspended() {
		c.bad += t
	}
}

const countParts, gaugeParts = 12, 60

func (g *Signal) learnCount() {
	c := &g.cur
	c.begin(g.set.hour, countParts)
	g.learnTime()
	i := min(countParts-1, max(0, int(g.set.into*countParts)))
	c.parts[i] += float32(g.x)
	c.timeOf[i] += float32(g.set.elapsed)
}

func (g *Signal) learnRatio() {
	c := &g.cur
	c.begin(g.set.hour, 0)
	g.learnTime()
	c.k += g.x
	c.n += g.n
}

func (g *Signal) learnGauge() {
	c := &g.cur
	c.begin(g.set.hour, gaugeParts)
	g.learnTime()
	i := min(gaugeParts-1, max(0, int(g.set.into*gaugeParts)))
	c.parts[i] += float32(g.x)
	c.timeOf[i]++
}

// sample takes what the spread is learned from, of windows that do not overlap.
func (g *Signal) sample() {
	s := g.set
	due := [maxWindows]bool{s.tick, s.tick5, s.tick30, s.tick60}
	switch g.kind {
	case Gauge:
		if s.tick15 {
			g.sampleGauge(min(3, max(0, int(s.into*4))))
		}
		return
	case Ratio:
		due = [maxWindows]bool{s.tick5, s.tick30, s.tick60}
	}
	for i := range g.win {
		p, w := &s.plan[g.kind][i], &g.win[i]
		if !p.used || !p.learn || !due[i] || !w.ok || w.known < p.n {
			continue
		}
		c := &g.cur
		if g.kind == Count {
			d := w.sum - w.mean
			c.num[i] += d*d - w.mean - w.v*w.mean*w.mean
			c.den[i] += w.mean * w.mean
			c.times[i] += w.mean
			continue
		}
		if w.sumN >= 5 {
			u := 2 * math.Sqrt(w.sumN+0.5) * (ratioScale(w.sum, w.sumN) - w.ref)
			c.num[i] += u*u - 1
			c.den[i] += w.sumN - 1
			c.times[i]++
		}
	}
}

func (g *Signal) sampleGauge(quarter int) {
	for i := range layouts[Gauge].windows {
		p, w := &g.set.plan[Gauge][i], &g.win[i]
		if !p.used || !p.learn || !w.ok {
			continue
		}
		b := residualByte(gaugeScale(w.sum/float64(w.known)) - w.ref)
		if i < 2 {
			g.cur.resid[4*i+quarter] = b
		} else {
			g.cur.resid[8] = b
		}
	}
}

// leastMinutes is how much of an hour must be known for it to count.
const leastMinutes = 20

// closeHour puts the hour that has ended to the past.
func (g *Signal) closeHour() {
	if !g.cur.used {
		return
	}
	if r, ok := g.cur.record(g); ok {
		g.past.Put(r)
		g.kept.day(r.Hour.Day())
		g.set.saw(r.Hour, r.Cover)
		g.past.Forget(r.Hour.Day()-baseline.Days, func(d baseline.Day) { g.set.gone = append(g.set.gone, dayKey(d, g.name)) })
	}
	g.cur.reset()
}

// record sums up the hour.
func (c *current) record(g *Signal) (baseline.Record, bool) {
	cover := uint8(min(60, math.Round(c.seen/60)))
	if cover < leastMinutes {
		return baseline.Record{}, false
	}
	r := baseline.Record{Hour: c.hour, Cover: cover, Marked: c.bad*3 > c.seen}
	switch g.kind {
	case Ratio:
		r.A, r.B = float32(c.k), float32(c.n)
	case Count:
		list := make([]float32, 0, countParts)
		for i, t := range c.timeOf {
			if t >= 150 {
				list = append(list, c.parts[i]*300/t)
			}
		}
		if len(list) == 0 {
			return baseline.Record{}, false
		}
		r.A = float32(baseline.Burstless(list) * countParts / float64(len(list)))
	default:
		list := make([]float32, 0, gaugeParts)
		for i, n := range c.timeOf {
			if n > 0 {
				list = append(list, c.parts[i]/n)
			}
		}
		r.A = float32(baseline.Median(list))
	}
	r.Extra = c.extra(g.kind)
	return r, true
}

func (c *current) extra(k Kind) []byte {
	l := layouts[k]
	b := make([]byte, l.size)
	for i := range 2 * l.windows {
		b[i] = peakByte(float64(c.peak[i]))
	}
	if l.silence >= 0 {
		b[l.silence] = silenceByte(float64(c.peak[2*maxWindows]))
	}
	if k == Gauge {
		copy(b[l.spread:], c.resid[:])
		return b
	}
	for i := range l.windows {
		// Below ten events an hour dispersion cannot be told from chance.
		if (k == Count && c.times[i] >= 10 || k == Ratio && c.times[i] > 0) && c.den[i] > 0 {
			b[l.spread+i] = spreadByte(max(0, c.num[i]/c.den[i]))
		}
	}
	return b
}

// unlearn takes back what the present hour, and one that ended a short time ago, learned from
// the beginning of an incident that is only now known.
func (g *Signal) unlearn() {
	if g.Silent().Noted() {
		g.cur.peak[2*maxWindows] = 0
	}
	for d := range 2 {
		r := g.strangest(d)
		if !r.Noted() {
			continue
		}
		for i := range g.win {
			g.cur.peak[2*i+d] = 0
		}
		g.cur.num, g.cur.den, g.cur.times = [maxWindows]float64{}, [maxWindows]float64{}, [maxWindows]float64{}
		if g.set.into < 0.5 {
			g.unlearnHour(g.set.hour-1, d)
		}
	}
}

// relearn takes the level of a long incident for the level, where it is still
// strange: the hours since are used, those before it no longer.
func (g *Signal) relearn(since baseline.Hour) {
	if !g.strangest(up).Noted() && !g.strangest(down).Noted() {
		return
	}
	for i := range g.past.Len() {
		r := g.past.At(i)
		if old := r.Hour < since; r.Marked != old {
			g.past.Mark(r.Hour, old)
			g.kept.day(r.Hour.Day())
		}
	}
	g.cur.bad = 0
	g.loaded()
}

func (g *Signal) unlearnHour(h baseline.Hour, d int) {
	i, ok := g.past.Find(h)
	if !ok {
		return
	}
	extra := g.past.At(i).Extra
	for k := range layouts[g.kind].windows {
		z := peakOf(extra[2*k+d])
		if g.rarity(k, d, z) >= Noted {
			extra[2*k+d] = 0
			g.kept.day(h.Day())
		}
	}
}
