package detect

import (
	"math"
	"time"
)

// silence measures how long a count has been without an event, in the events
// that a cautious expectation would have had by now.
type silence struct {
	n      float64 // cautiously expected since the last event
	all    float64 // expected since the last event
	rate   float64 // cautious events a second, now
	mean   float64 // events a second, now
	damp   float64 // what is real of what is expected, at most 1; kept from before the silence
	known  bool
	absent float64 // seconds without a reading
	tail   tail
}

// leastSilence is how many events must have failed to come.
const leastSilence = 14

// lostTrack is how long the signal may be unread until the silence is begun anew.
const lostTrack = 600

// priorSilence stands in for past silences where so many events an hour are
// expected: the longest gap of a Poisson stream, with room.
func priorSilence(perHour float64) tail {
	return tail{loc: math.Log(max(2, perHour)) + 1, scale: 1.3}
}

func (q *silence) stop() { q.n, q.all, q.absent = 0, 0, 0 }

// prepare sets the rates, once a minute.
func (q *silence) prepare(g *Signal) {
	e := g.expect(0)
	q.known = e.OK
	if !e.OK {
		return
	}
	q.mean = max(0, e.Middle) / 3600
	q.rate = min(q.mean, max(0, e.Low)/3600) * math.Exp(-0.5*math.Sqrt(e.Variance()))
	if q.damp == 0 {
		q.damp = 1
	}
	if q.all > 3 {
		return // within a gap the past rate is not seen anew
	}
	q.damp = 1
	for i := 2; i < maxWindows; i++ {
		p, w := &g.set.plan[Count][i], &g.win[i]
		if !p.used || !w.ready || w.known*2 < p.n {
			continue
		}
		if m := w.mean * float64(w.known) / float64(p.n); m >= 10 {
			q.damp = min(q.damp, (w.sum+1)/m)
		}
	}
}

// step follows the silence over a step that was read.
func (q *silence) step(g *Signal) {
	q.absent = 0
	if g.x > 0 {
		q.n, q.all = 0, 0
	} else if q.known {
		q.n += q.rate * q.damp * g.set.elapsed
		q.all += q.mean * g.set.elapsed
	}
	if q.known && g.set.plan[Count][0].learn {
		g.cur.max(2*maxWindows, q.n)
	}
}

// missed passes over a step that was not read.
func (q *silence) missed(g *Signal) {
	if q.absent += g.set.elapsed; q.absent > lostTrack {
		q.stop()
	}
}

// fit learns from the silences of the past.
func (q *silence) fit(g *Signal, t *tally) {
	c := layouts[Count].silence
	e := g.trail[trailPast]
	q.tail = fitTail(silenceOf(t.quantile(c, 0.5)), silenceOf(t.quantile(c, 0.9)), t.total[c],
		priorSilence(e.Middle), 1, silenceOf(t.record(c)))
}

// chanceOfSilence gives the rarity of the silence were the events
// gamma-Poisson, with the dispersion of the windows about as long as it.
func (g *Signal) chanceOfSilence() float64 {
	q := &g.quiet
	phi := g.win[0].disp
	if q.mean > 0 {
		switch lasts := q.all / q.mean; {
		case lasts > 900:
			phi = g.win[2].disp
		case lasts > 150:
			phi = g.win[1].disp
		}
	}
	phi = max(leastPhi, phi)
	perHour := min(360, 1+3600*q.rate)
	return math.Log1p(phi*q.n)/phi/math.Ln10 - math.Log10(perHour)
}

// Silent is how strange it is that a Count has had no event since Last.
func (g *Signal) Silent() Rarity {
	if g == nil || g.kind != Count || !g.judging || !g.active || g.quiet.n < leastSilence || g.quiet.absent > 0 {
		return Rarity{}
	}
	q := &g.quiet
	l := min(q.tail.rarity(q.n), g.chanceOfSilence(), rarest)
	if l <= told {
		return Rarity{}
	}
	r := Rarity{L: l, Z: -math.Sqrt(2 * q.n)}
	if g.eventAt.IsZero() {
		r.Window = longest
	} else {
		r.Window = g.set.now.Sub(g.eventAt).Round(time.Second)
	}
	return r
}
