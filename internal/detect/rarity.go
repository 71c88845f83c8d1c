package detect

import (
	"math"
	"time"
)

// tail tells how rare a value is, by the largest of each past hour.
type tail struct {
	loc, scale float64 // of the Gumbel distribution of hourly maxima
	record     float64 // what was seen on a few days of four weeks: below it nothing is rarer than Noted
}

// A day's worth of this stands in for the hours that are not known.
const (
	priorLoc    = 2.4
	priorScale  = 0.7
	priorHours  = 24
	leastScale  = 0.3
	recordSlack = 1.1
)

var priorTail = tail{loc: priorLoc, scale: priorScale}

// The 0.5 and 0.9 quantiles of the standard Gumbel distribution, -ln(-ln q).
const (
	gumbel50 = 0.36651292058166433
	gumbel90 = 2.2503673273124454
)

// fitTail makes the tail from the 0.5 and 0.9 quantiles of n hourly maxima,
// joined with the prior, and the record.
func fitTail(q50, q90 float64, n int, prior tail, least, record float64) tail {
	w := float64(n) / (float64(n) + priorHours)
	q50 = w*q50 + (1-w)*(prior.loc+prior.scale*gumbel50)
	q90 = w*q90 + (1-w)*(prior.loc+prior.scale*gumbel90)
	scale := max(least, (q90-q50)/(gumbel90-gumbel50))
	return tail{loc: q50 - scale*gumbel50, scale: scale, record: record * recordSlack}
}

// rarest bounds L: nobody can know more.
const rarest = 12

// rarity gives log10 of the return period of z in hours, 0 when it is less than one.
func (t tail) rarity(z float64) float64 {
	var l float64
	if a := (z - t.loc) / t.scale; a > 30 {
		l = a / math.Ln10
	} else {
		l = -math.Log10(-math.Expm1(-math.Exp(-a)))
	}
	if z < t.record {
		l = min(l, Noted)
	}
	return min(l, rarest)
}

// normalRarity is the rarity of z were it exactly normal, with so many
// independent windows an hour: no record of the past makes a value rarer.
func normalRarity(z, per float64) float64 {
	if z > 9 {
		return rarest
	}
	return -math.Log10(min(1, per*math.Erfc(z/math.Sqrt2)/2))
}

// told is the rarity below which nothing is told.
const told = 0.5

// Up is how strangely high the signal is, over the window in which it is
// strangest. Zero: not strange, or not known.
func (g *Signal) Up() Rarity { return g.strangest(up) }

// Down is how strangely low it is.
func (g *Signal) Down() Rarity { return g.strangest(down) }

func (g *Signal) strangest(dir int) Rarity {
	var r Rarity
	if g == nil || !g.judging || !g.active {
		return r
	}
	sign := 1 - 2*float64(dir)
	for i := range g.win {
		w := &g.win[i]
		z := sign * w.z
		if t := &w.tail[dir]; !w.ok || z <= 1 || z < t.loc+0.96*t.scale {
			continue // too usual to be told
		}
		if l := g.rarity(i, dir, z); l > told && l > r.L {
			r = Rarity{L: l, Z: w.z, Window: g.span(i)}
		}
	}
	return r
}

func (g *Signal) rarity(i, dir int, z float64) float64 {
	return min(g.win[i].tail[dir].rarity(z), normalRarity(z, g.set.plan[g.kind][i].per))
}

// span gives the length of a window as it is measured.
func (g *Signal) span(i int) time.Duration {
	p := &g.set.plan[g.kind][i]
	return time.Duration(math.Round(float64(p.n)*g.set.step)) * time.Second
}
