package detect

import (
	"math"
	"time"
)

// Since is when the present departure in the direction of r began: the
// change, not the time of noticing. Zero when that is not known.
func (g *Signal) Since(r Rarity) time.Time {
	if g == nil || !g.active || r.Z == 0 {
		return time.Time{}
	}
	if g.kind == Count && r == g.Silent() {
		return g.Last()
	}
	dir := 1.0
	if r.Z < 0 {
		dir = -1
	}
	s := g.set
	// Single steps tell the moment; only for long windows are they joined.
	block := 1
	if r.Window > 10*time.Minute {
		block = max(1, int(math.Round(60/s.step)))
	}
	reach := max(6*r.Window, 40*time.Minute)
	blocks := min(s.size-1, s.stepsIn(min(reach, longest))) / block
	level := g.level(dir, block, max(1, min(blocks, s.stepsIn(r.Window)/block)))
	if level <= 0 {
		return time.Time{}
	}
	best, sum, at := 0.0, 0.0, 0
	for i := range blocks {
		if z, ok := g.blockZ(i*block, block); ok {
			sum += clip(z*dir) - level/2
			if sum > best {
				best, at = sum, (i+1)*block
			}
		}
	}
	// A level is a moment's: the change lies just before the first step that shows it.
	return s.timeOf(min(at, s.size-1), s.now)
}

// level is the present level of the departure: the mean over that part of
// the window, up to now, which shows it best.
func (g *Signal) level(dir float64, block, blocks int) float64 {
	sum, n, best, level := 0.0, 0.0, 0.0, 0.0
	for i := range blocks {
		z, ok := g.blockZ(i*block, block)
		if !ok {
			continue
		}
		sum += clip(z * dir)
		n++
		if proof := sum / math.Sqrt(n); (n >= 3 || i == blocks-1) && proof > best {
			best, level = proof, sum/n
		}
	}
	return level
}

func clip(z float64) float64 { return max(-6, min(6, z)) }

// blockZ judges a few steps for themselves: those from back on, and older ones.
func (g *Signal) blockZ(back, steps int) (z float64, ok bool) {
	s := g.set
	n, sum, of := g.over(back, steps)
	known := float64(n)
	if known == 0 {
		return 0, false
	}
	e := g.expect((float64(back) + float64(steps)/2) * s.step / 3600)
	if !e.OK {
		return 0, false
	}
	w := &g.win[0]
	switch g.kind {
	case Count:
		return countZ(sum, max(0, e.Middle)*known*s.step/3600, w.disp+w.v), true
	case Ratio:
		if of == 0 {
			return 0, false
		}
		return ratioZ(sum, of, min(1, max(0, e.Middle)), w.disp, w.v), true
	}
	d := gaugeScale(sum/known) - gaugeScale(e.Middle)
	if d < 0 {
		return d / w.spread[down], w.spread[down] > 0
	}
	return d / w.spread[up], w.spread[up] > 0
}

// over adds up some steps of the ring, from back on and older: those that are
// known, their values, and of a Ratio what they are shares of.
func (g *Signal) over(back, steps int) (known int, sum, of float64) {
	for i := range steps {
		at := g.set.back(back + i)
		v := g.ring[at]
		if v != v { // NaN: unknown
			continue
		}
		known++
		sum += float64(v)
		if g.ringN != nil {
			of += float64(g.ringN[at])
		}
	}
	return known, sum, of
}
