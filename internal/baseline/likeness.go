package baseline

import (
	"math"
	"time"
)

// span bounds how far apart two hours may be to be compared.
const span = Hours + 24

// Likeness says how much each past hour tells about one target hour. One
// table serves all series. The zero value is ready; For fills it.
type Likeness struct {
	target  Hour
	filled  bool
	narrow  [span]float32 // by hours of age: the same hour of day and the two beside it
	wide    [span]float32 // three hours to each side, for rare events
	scratch []weighted
}

// Likeness of an hour by its distance from the target's hour of day, and of a day.
const (
	besideHour      = 0.05
	sameWeekday     = 1.0
	otherWorkday    = 0.4
	otherWeekendDay = 0.25
	otherKind       = 0.02
	fadeDays        = 28.0
)

// For fills the table for a target hour; it costs nothing when it is filled already.
func (l *Likeness) For(target Hour) {
	if l.filled && l.target == target {
		return
	}
	l.target, l.filled = target, true
	wideKernel := [...]float64{1, 0.6, 0.3, 0.12}
	for age := 1; age < span; age++ {
		past := target - Hour(age)
		// The shift to the target's hour of day, -12 to 11: 23:00 on Sunday
		// is beside 0:00 on Monday, and told as the Monday's.
		shift := ((target.Of()-past.Of()+12)%24+24)%24 - 12
		w := dayLikeness((past+Hour(shift)).Day().Weekday(), target.Day().Weekday()) * math.Exp(-float64(age)/24/fadeDays)
		l.narrow[age], l.wide[age] = 0, 0
		switch d := max(shift, -shift); {
		case d == 0:
			l.narrow[age], l.wide[age] = float32(w), float32(w)
		case d < len(wideKernel):
			l.wide[age] = float32(w * wideKernel[d])
			if d == 1 {
				l.narrow[age] = float32(w * besideHour)
			}
		}
	}
}

// at gives both weights of a past hour, and whether it is of the target's hour of day.
func (l *Likeness) at(past Hour) (narrow, wide float64, same bool) {
	age := int(l.target) - int(past)
	if age < 1 || age >= span {
		return 0, 0, false
	}
	return float64(l.narrow[age]), float64(l.wide[age]), age%24 == 0
}

func dayLikeness(a, b time.Weekday) float64 {
	restA, restB := a == time.Saturday || a == time.Sunday, b == time.Saturday || b == time.Sunday
	switch {
	case a == b:
		return sameWeekday
	case restA != restB:
		return otherKind
	case restA:
		return otherWeekendDay
	default:
		return otherWorkday
	}
}
