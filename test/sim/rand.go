package sim

import (
	"math"
	"math/rand/v2"
)

// dice draws what chance decides. The same seed gives the same draws.
type dice struct{ *rand.Rand }

func newDice(seed uint64) dice { return dice{rand.New(rand.NewPCG(seed, 0x6d746177617463))} }

// poisson draws how many events of that mean happen.
func (d dice) poisson(mean float64) int {
	switch {
	case mean <= 0:
		return 0
	case mean < 20:
		n := 0
		for p, limit := d.Float64(), math.Exp(-mean); p > limit; p *= d.Float64() {
			n++
		}
		return n
	}
	return max(0, int(math.Round(mean+math.Sqrt(mean)*d.NormFloat64())))
}

// binomial draws how many of n happen, each with chance p.
func (d dice) binomial(n int, p float64) int {
	switch {
	case n <= 0 || p <= 0:
		return 0
	case p >= 1:
		return n
	case p > 0.5:
		return n - d.binomial(n, 1-p)
	case n <= 16:
		k := 0
		for range n {
			if d.Float64() < p {
				k++
			}
		}
		return k
	case float64(n)*p < 12:
		// From one success to the next by geometric steps.
		k, base := 0, math.Log1p(-p)
		for left := float64(n); ; k++ {
			left -= 1 + math.Floor(math.Log(1-d.Float64())/base)
			if left < 0 {
				return k
			}
		}
	}
	mean := float64(n) * p
	k := int(math.Round(mean + math.Sqrt(mean*(1-p))*d.NormFloat64()))
	return min(n, max(0, k))
}

// lognormal draws a positive number with mean 1.
func (d dice) lognormal(sigma float64) float64 {
	return math.Exp(sigma*d.NormFloat64() - sigma*sigma/2)
}

// between draws evenly from a to b.
func (d dice) between(a, b float64) float64 { return a + (b-a)*d.Float64() }

// split shares n out by the weights, whose sum is total, and hands each its part.
func (d dice) split(n int, total float64, weights []float64, give func(i, k int)) {
	if n <= 16 {
		for range n {
			x := d.Float64() * total
			i := 0
			for i < len(weights)-1 && x >= weights[i] {
				x -= weights[i]
				i++
			}
			give(i, 1)
		}
		return
	}
	for i, w := range weights {
		k := n
		if i < len(weights)-1 {
			k = d.binomial(n, min(1, w/total))
		}
		if k > 0 {
			give(i, k)
		}
		n -= k
		total -= w
		if n == 0 || total <= 0 {
			return
		}
	}
}
