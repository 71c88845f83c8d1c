package sim

import (
	"math"
	"time"
)

// hourShape is the traffic of a working day by local hour, of mean 1.
var hourShape = [24]float64{0.30, 0.22, 0.20, 0.20, 0.24, 0.36, 0.62, 1.05, 1.65, 1.95, 2.00, 1.85,
	1.55, 1.65, 1.80, 1.75, 1.55, 1.25, 0.95, 0.80, 0.72, 0.60, 0.46, 0.36}

// dayShape is the traffic by weekday, Sunday first, of mean 1.
var dayShape = [7]float64{0.42, 1.24, 1.28, 1.22, 1.20, 1.10, 0.54}

// calendar gives the expected traffic of a moment as a factor of the mean.
type calendar struct {
	loc     *time.Location
	flat    bool
	holiday func(unix int64) bool
}

// factor gives the traffic that people and machines make at t, without chance.
func (c *calendar) factor(t time.Time) float64 {
	local := t.In(c.loc)
	if c.flat {
		hour := float64(local.Hour()) + float64(local.Minute())/60
		return 1 + 0.15*math.Sin((hour-9)/24*2*math.Pi)
	}
	day := dayShape[local.Weekday()]
	if c.holiday(t.Unix()) {
		day = dayShape[time.Sunday]
	}
	// Between the middles of two hours in a straight line.
	at := float64(local.Hour()) + float64(local.Minute())/60 - 0.5
	low := int(math.Floor(at))
	part := at - float64(low)
	f := hourShape[(low+24)%24]*(1-part) + hourShape[(low+25)%24]*part
	return f * day
}

// routine gives the factor of what machines do by the clock: the nightly
// jobs, the reports of Monday morning, the circular of Tuesday.
func (c *calendar) routine(t time.Time) float64 {
	if c.flat {
		return 1
	}
	local := t.In(c.loc)
	minute := local.Hour()*60 + local.Minute()
	switch {
	case minute == 5, minute == 6*60+25:
		return 4
	case local.Weekday() == time.Monday && minute >= 3*60 && minute < 3*60+6:
		return 12
	case local.Weekday() == time.Tuesday && minute >= 10*60 && minute < 10*60+10:
		return 1.8
	}
	return 1
}

// noise is what chance adds to the expected traffic: a slow drift, and
// bursts of a few minutes.
type noise struct {
	slow    float64 // log scale
	burst   float64 // factor
	until   int64   // of the burst
	minute  float64 // factor of this minute
	nextMin int64
}

// step moves on and gives the factor. dt is in seconds.
func (n *noise) step(d dice, now int64, dt float64, flat bool) float64 {
	const correlation = 2 * 3600 // seconds
	sigma := 0.12
	if flat {
		sigma = 0.04
	}
	keep := math.Exp(-dt / correlation)
	n.slow = n.slow*keep + sigma*math.Sqrt(1-keep*keep)*d.NormFloat64()
	if now >= n.nextMin {
		n.minute, n.nextMin = d.lognormal(0.15), now+60
		if flat {
			n.minute = d.lognormal(0.05)
		}
	}
	if now >= n.until {
		n.burst = 1
		// About one burst in a day.
		if !flat && d.Float64() < dt/86400 {
			n.burst, n.until = d.between(2, 4), now+int64(d.between(60, 300))
		}
	}
	return math.Exp(n.slow-sigma*sigma/2) * n.minute * n.burst
}
