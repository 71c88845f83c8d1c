package detect

import "math"

// Score is how strange the present step is, 0 to 1, in either direction and
// over the short windows only: for marking single points of a series. 0.4 is
// seen about once in a thousand steps, 0.5 in ten thousand. A change scores when it comes; while it
// lasts the score falls. A signal is scored from the first call on, and scores
// 0 until a hundred values are known.
func (g *Signal) Score() float64 {
	if g == nil || !g.active {
		return 0
	}
	if g.score == nil {
		g.score = &scorer{}
		g.score.step(g, g.x)
	}
	if !g.now() {
		return 0
	}
	return g.score.value
}

// scorer ranks three departures of each value among all those before: from the
// last few values, from the usual level at this hour, and of the last few
// from those before them. What was not seen before is rarer the farther
// it lies beyond the record. No scale is assumed.
type scorer struct {
	value  float64
	recent [scoreSlow]float64 // a ring
	n      int
	level  float64 // slow mean
	ranks  [3]rank
	calm   int     // steps since something was last unusual
	peak   float64 // of the departure that goes on
}

const (
	scoreFast  = 8
	scoreSlow  = 56
	scoreFrom  = 100 // values that must be known
	scoreCalm  = 60  // steps that must be usual before a departure is over
	scoreUsual = 1.3 // rarer than one in twenty is unusual
	scoreRange = 8   // the rarity, in powers of ten, that scores 1
)

func (s *scorer) step(g *Signal, x float64) {
	s.value = 0
	if s.n == 0 {
		s.level = x
	}
	if s.n >= scoreSlow {
		rarity := s.rarity(g, x)
		s.value = s.quieten(rarity) / scoreRange
		if s.n < scoreFrom {
			s.value = 0
		}
	}
	s.level += (x - s.level) / float64(min(s.n+1, 288))
	s.recent[s.n%scoreSlow] = x
	s.n++
}

// rarity is -log10 of the share of past values that departed as far.
func (s *scorer) rarity(g *Signal, x float64) float64 {
	fast, slow := 0.0, 0.0
	for i := range scoreSlow {
		v := s.recent[(s.n-1-i+scoreSlow)%scoreSlow]
		if i < scoreFast-1 {
			fast += v
		} else {
			slow += v
		}
	}
	short := fast / (scoreFast - 1)
	usual := s.level
	if e := g.expect(0); e.OK && e.Neff >= 1 {
		usual = e.Middle
	}
	departures := [len(s.ranks)]float64{
		math.Abs(x - short),
		math.Abs(x - usual),
		math.Abs((fast+x)/scoreFast - slow/(scoreSlow-scoreFast+1)),
	}
	best := 0.0
	for i := range s.ranks {
		best = max(best, s.ranks[i].rarity(departures[i])-0.3)
		s.ranks[i].add(departures[i])
	}
	return best
}

// quieten lets the beginning of a departure pass and what follows only where
// it is clearly rarer, until the series has been usual for a time.
func (s *scorer) quieten(rarity float64) float64 {
	if rarity > scoreUsual {
		s.calm = 0
	} else if s.calm++; s.calm >= scoreCalm {
		s.peak = 0
	}
	if rarity <= s.peak+0.3 {
		return rarity * 0.3
	}
	if rarity > 2.3 {
		s.peak = rarity
	}
	return rarity
}

// rank counts values on a logarithmic scale, six to the octave, and forgets slowly.
type rank struct {
	unit float64
	most float64
	n    float64
	bins [128]float32
}

const rankMemory = 8000

func (r *rank) bin(v float64) int {
	if !(v > 0) || r.unit == 0 {
		return 0
	}
	return int(max(1, min(127, 64+math.Floor(6*math.Log2(v/r.unit)))))
}

func (r *rank) add(v float64) {
	if r.unit == 0 && v > 0 {
		r.unit = v
	}
	if r.n >= rankMemory {
		for i := range r.bins {
			r.bins[i] /= 2
		}
		r.n /= 2
		r.most *= 0.9
	}
	r.bins[r.bin(v)]++
	r.n++
	r.most = max(r.most, v)
}

// rarity is -log10 of the share of values that are as large; beyond the
// largest the share falls with the third power.
func (r *rank) rarity(v float64) float64 {
	if !(v > 0) || r.n == 0 {
		return 0
	}
	above := float32(0)
	for i := r.bin(v) + 1; i < len(r.bins); i++ {
		above += r.bins[i]
	}
	own := r.bins[r.bin(v)]
	share := (float64(above) + float64(own)/2 + 0.5) / (r.n + 1)
	if v > r.most && r.most > 0 {
		share = min(share, 0.5/(r.n+1)) * (r.most / v) * (r.most / v) * (r.most / v)
	} else if r.most == 0 {
		share = min(share, 0.05/(r.n+1))
	}
	return -math.Log10(max(share, 1e-12))
}
