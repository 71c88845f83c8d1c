package detect

import (
	"math"

	"github.com/mtawatch/mtawatch/internal/baseline"
)

// expect gives what is normal some hours before the middle of this step:
// linear between the middles of two hours.
func (g *Signal) expect(hoursAgo float64) baseline.Expectation {
	a, b, share := g.place(hoursAgo)
	if a == b {
		return g.trail[a]
	}
	return g.trail[a].Mix(g.trail[b], share, g.jump[a])
}

// place gives the two hours of the trail between whose middles that moment
// lies, and how much of the way is gone.
func (g *Signal) place(hoursAgo float64) (a, b int, share float64) {
	s := g.set
	at := float64(s.hour-g.trailAt) + s.into - hoursAgo - 0.5
	i := math.Floor(at)
	n := int(max(-1, min(float64(trailLen), i)))
	return clampTrail(n), clampTrail(n + 1), at - i
}

// middle is the Middle of expect.
func (g *Signal) middle(hoursAgo float64) (v float64, ok bool) {
	a, b, share := g.place(hoursAgo)
	e, next := &g.trail[a], &g.trail[b]
	switch {
	case !e.OK:
		return next.Middle, next.OK
	case !next.OK:
		return e.Middle, true
	}
	return e.Middle + (next.Middle-e.Middle)*share, true
}

// middleOver is the Middle of expectOver.
func (g *Signal) middleOver(span float64) (v float64, ok bool) {
	hours := span / 3600
	if hours <= 0.5 {
		return g.middle(hours / 2)
	}
	n := int(math.Ceil(hours * 2))
	sum, known := 0.0, 0.0
	for k := range n {
		if v, ok := g.middle(hours * (float64(k) + 0.5) / float64(n)); ok {
			sum, known = sum+v, known+1
		}
	}
	return sum / max(1, known), known > 0
}

func clampTrail(i int) int { return max(0, min(trailLen-1, i)) }

// expectOver gives what is normal on average over the last seconds.
func (g *Signal) expectOver(span float64) baseline.Expectation {
	hours := span / 3600
	if hours <= 0.5 {
		return g.expect(hours / 2)
	}
	n := int(math.Ceil(hours * 2))
	var sum baseline.Expectation
	known := 0.0
	for k := range n {
		e := g.expect(hours * (float64(k) + 0.5) / float64(n))
		if e.OK {
			sum.Middle, sum.Low, sum.Neff = sum.Middle+e.Middle, sum.Low+e.Low, sum.Neff+e.Neff
			sum.Tau2, sum.Shape = sum.Tau2+e.Tau2, sum.Shape+e.Shape
			known++
		}
	}
	if known == 0 {
		return baseline.Expectation{}
	}
	return baseline.Expectation{Middle: sum.Middle / known, Low: sum.Low / known, Neff: sum.Neff / known, Tau2: sum.Tau2 / known,
		Shape: sum.Shape / known, OK: true}
}

// prepare makes what is expected of each window, once a minute.
func (g *Signal) prepare() {
	s := g.set
	for i := range g.win {
		p, w := &s.plan[g.kind][i], &g.win[i]
		if !p.used {
			continue
		}
		e := g.expectOver(p.span)
		w.ready, w.v = e.OK, e.Variance()
		w.x = math.NaN() // the verdict must be made anew
		if !e.OK {
			continue
		}
		switch g.kind {
		case Count:
			phi := max(leastPhi, w.disp+w.v)
			w.mean = max(0, e.Middle) * p.span / 3600
			w.spread[up] = phi
			w.ref = countScale(w.mean, phi)
		case Ratio:
			w.mean = min(1, max(0, e.Middle))
			w.ref = shareScale(w.mean)
		default:
			w.mean = gaugeScale(e.Middle)
			w.ref = w.mean
			for d := range w.spread {
				w.spread[d] = math.Sqrt(w.dev[d]*w.dev[d] + w.v)
			}
		}
	}
	if g.kind == Count {
		g.quiet.prepare(g)
	}
}

// judge makes the verdict on one window.
func (g *Signal) judge(i int, p *windowPlan) {
	w := &g.win[i]
	w.ok = w.ready && g.enough(w, p)
	if !w.ok {
		return
	}
	if w.sum == w.x && w.sumN == w.nn && g.kind != Gauge && w.known == p.n {
		return
	}
	switch g.kind {
	case Count:
		phi := w.spread[up]
		ref := w.ref
		if w.known < p.n {
			ref = countScale(w.mean*float64(w.known)/float64(p.n), phi)
		}
		w.z = 2 / math.Sqrt(phi) * (countScale(w.sum, phi) - ref)
	case Ratio:
		if w.sumN < 0.5 {
			w.ok = false
			return
		}
		n := w.sumN
		w.z = 2 * math.Sqrt(n+0.5) * (ratioScale(w.sum, n) - w.ref) / ratioSpread(n, w.mean, w.disp, w.v)
	default:
		m := w.sum / float64(w.known)
		if m == w.x {
			break
		}
		w.x = m
		r := gaugeScale(m) - w.ref
		w.z = r / w.spread[up]
		if r < 0 {
			w.z = r / w.spread[down]
		}
	}
	if g.kind != Gauge {
		w.x, w.nn = w.sum, w.sumN
		if w.known < p.n {
			w.x = math.NaN()
		}
	}
	if p.learn {
		g.cur.max(2*i, w.z)
		g.cur.max(2*i+1, -w.z)
	}
}
