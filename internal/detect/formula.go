package detect

import "math"

// What is assumed where little is known: the dispersion of counts, the
// correlation within ratios, the spread of a gauge; each with the weight of
// priorWeight learned values.
const (
	priorPhi    = 0.12
	priorRho    = 0.01
	priorDev    = 0.2
	priorWeight = 20
	leastPhi    = 1e-4
	leastDev    = 0.12
)

// countScale stabilises the variance of a count with variance m + phi*m*m.
func countScale(x, phi float64) float64 {
	return math.Asinh(math.Sqrt(phi * (max(0, x) + 3.0/8)))
}

// countZ is how many standard deviations x events are from m expected.
func countZ(x, m, phi float64) float64 {
	phi = max(phi, leastPhi)
	return 2 / math.Sqrt(phi) * (countScale(x, phi) - countScale(m, phi))
}

// countAt gives the count that is z standard deviations from m.
func countAt(z, m, phi float64) float64 {
	phi = max(phi, leastPhi)
	a := countScale(m, phi) + z*math.Sqrt(phi)/2
	if a <= 0 {
		return 0
	}
	h := math.Sinh(a)
	return max(0, h*h/phi-3.0/8)
}

// ratioScale stabilises the variance of k of n.
func ratioScale(k, n float64) float64 {
	return math.Asin(math.Sqrt(min(1, max(0, (k+3.0/8)/(n+3.0/4)))))
}

// shareScale is ratioScale of a share that is known.
func shareScale(p float64) float64 { return math.Asin(math.Sqrt(min(1, max(0, p)))) }

// ratioSpread is the standard deviation of 2 sqrt(n+1/2) ratioScale around a
// share p that is itself known with variance v on the log scale.
func ratioSpread(n, p, rho, v float64) float64 {
	odds := min(p, 1-p) / max(p, 1-p)
	return math.Sqrt(1 + max(0, n-1)*rho + n*v*odds)
}

// ratioZ is how many standard deviations k of n are from the share p.
func ratioZ(k, n, p, rho, v float64) float64 {
	return 2 * math.Sqrt(n+0.5) * (ratioScale(k, n) - shareScale(p)) / ratioSpread(n, p, rho, v)
}

// gaugeScale is like the logarithm for large levels and stays finite at 0;
// below 0 it is its own mirror image.
func gaugeScale(x float64) float64 {
	if x < 0 {
		return 2*gaugeScale(0) - gaugeScale(-x)
	}
	return 2 * math.Asinh(math.Sqrt(x+3.0/8))
}

// gaugeAt is the inverse of gaugeScale.
func gaugeAt(y float64) float64 {
	zero := 2 * math.Asinh(math.Sqrt(3.0/8))
	if y < zero {
		return -gaugeAt(2*zero - y)
	}
	h := math.Sinh(min(y, 700) / 2)
	return max(0, h*h-3.0/8)
}
