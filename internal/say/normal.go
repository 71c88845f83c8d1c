package say

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/mtawatch/mtawatch/internal/mta"
	"github.com/mtawatch/mtawatch/internal/view"
)

// Range gives a normal range of anything: "0.2-1.5", or one number where both
// ends read the same. Its ends are rounded outwards, as those of Counts.
func Range(r view.Range) string {
	steps := 1.0
	switch {
	case r.High < 1:
		steps = 100
	case r.High < 10:
		steps = 10
	}
	return ends(r, steps)
}

// Counts gives a normal range of what is counted: "180-651". Its ends are whole
// numbers, rounded outwards: what is normal never reads as if it were not. The
// page does the same (web/src/lib/format.js).
func Counts(r view.Range) string { return ends(r, 1) }

// ends gives the ends of a range in parts of one, so many steps each.
func ends(r view.Range, steps float64) string {
	const off = 1e-9 // what sums of fractions may be off
	low := strconv.FormatFloat(max(0, math.Floor(r.Low*steps+off))/steps, 'f', -1, 64)
	high := strconv.FormatFloat(max(0, math.Ceil(r.High*steps-off))/steps, 'f', -1, 64)
	if low == high {
		return low
	}
	return low + "-" + high
}

// Level gives a number as a person reads it: small ones to a tenth.
func Level(v float64) string {
	if math.Abs(v) < 9.95 && math.Abs(v-math.Round(v)) >= 0.05 {
		return strconv.FormatFloat(v, 'f', 1, 64)
	}
	return strconv.FormatFloat(math.Round(v)+0, 'f', 0, 64)
}

// Hour says which hour a range is of: "Monday 14:00".
func Hour(now time.Time, r *view.Range) string {
	t := r.Time
	if t.IsZero() {
		t = now
	}
	return t.Local().Format("Monday 15") + ":00"
}

// Usual gives a range of counts for a table; "" where none is known.
func Usual(r *view.Range) string {
	if r == nil {
		return ""
	}
	return Counts(*r)
}

// NormalFailures says what is normal a minute; "" where nothing is known.
func NormalFailures(n *view.NormalFailures) string {
	if n == nil {
		return ""
	}
	var parts []string
	if n.Received != nil {
		parts = append(parts, Counts(*n.Received)+" received")
	}
	for st := mta.StatusSent; st <= mta.StatusExpired; st++ {
		if r, ok := n.Attempts[st.String()]; ok && (r.High >= 0.05 || st == mta.StatusSent) {
			parts = append(parts, Counts(r)+" "+st.String())
		}
	}
	return strings.Join(parts, ", ")
}

// enoughHabit is how much past the rules that compare with habit wait for.
const enoughHabit = 6 * time.Hour

// Learned says how well what is normal is known.
func Learned(d time.Duration) string {
	switch h := int64(d / time.Hour); {
	case d < time.Hour:
		return "what is normal is not known yet; until it is, only direct evidence makes findings"
	case d < enoughHabit:
		return fmt.Sprintf("what is normal is learned from %d h; findings that compare with it begin at 6 h", h)
	case h <= 72:
		return fmt.Sprintf("what is normal is learned from %d h", h)
	default:
		return fmt.Sprintf("what is normal is learned from %d days", h/24)
	}
}

func pow10(x float64) float64 { return math.Pow(10, x) }
