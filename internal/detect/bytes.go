package detect

import "math"

// An hour's record keeps each number in one byte; 0 says that it is not
// known. The scales are fine where it matters.

// peakByte keeps a z of 0 to 150: steps of 0.06 near 0, of 2 % above 8.
func peakByte(z float64) byte {
	if z <= 0 {
		return 0
	}
	return byte(1 + min(254, math.Round(60*math.Asinh(z/4))))
}

func peakOf(b byte) float64 { return 4 * math.Sinh(float64(max(1, b)-1)/60) }

// silenceByte keeps a number of events that did not come, 0 to 300,000, in steps of 5 %.
func silenceByte(n float64) byte {
	if n <= 0 {
		return 0
	}
	return byte(1 + min(254, math.Round(20*math.Log1p(n))))
}

func silenceOf(b byte) float64 { return math.Expm1(float64(max(1, b)-1) / 20) }

// spreadByte keeps a dispersion of 0, or 0.0001 to 20, in steps of 5 %.
func spreadByte(v float64) byte {
	if !(v >= 1e-4) {
		return 1
	}
	return byte(2 + min(253, math.Round(math.Log(v/1e-4)/0.05)))
}

func spreadOf(b byte) float64 {
	if b < 2 {
		return 0
	}
	return 1e-4 * math.Exp(float64(b-2)*0.05)
}

// residualByte keeps a departure of -40 to 40, in steps of 0.02 near 0.
func residualByte(r float64) byte {
	return byte(128 + max(-127, min(127, math.Round(25*math.Asinh(r*2)))))
}

func residualOf(b byte) float64 { return math.Sinh((float64(b)-128)/25) / 2 }
