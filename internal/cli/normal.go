package cli

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/mtawatch/mtawatch/internal/mta"
	"github.com/mtawatch/mtawatch/internal/view"
)

// rangeText gives a normal range: "180-650", or one number where both ends
// read the same.
func rangeText(r view.Range) string {
	low, high := levelText(r.Low), levelText(r.High)
	if low == high {
		return low
	}
	return low + "-" + high
}

// levelText gives a number as a person reads it: small ones to a tenth.
func levelText(v float64) string {
	if math.Abs(v) < 9.95 && math.Abs(v-math.Round(v)) >= 0.05 {
		return strconv.FormatFloat(v, 'f', 1, 64)
	}
	return strconv.FormatFloat(math.Round(v)+0, 'f', 0, 64)
}

// hourText says which hour a range is of: "Monday 14:00".
func hourText(now time.Time, r *view.Range) string {
	t := r.Time
	if t.IsZero() {
		t = now
	}
	return t.Local().Format("Monday 15") + ":00"
}

// usualCell gives a range for a table; "" where none is known.
func usualCell(r *view.Range) string {
	if r == nil {
		return ""
	}
	return rangeText(*r)
}

func normalFailuresText(n *view.NormalFailures) string {
	if n == nil {
		return ""
	}
	var parts []string
	if n.Received != nil {
		parts = append(parts, rangeText(*n.Received)+" received")
	}
	for st := mta.StatusSent; st <= mta.StatusExpired; st++ {
		if r, ok := n.Attempts[st.String()]; ok && (r.High >= 0.05 || st == mta.StatusSent) {
			parts = append(parts, rangeText(r)+" "+st.String())
		}
	}
	return strings.Join(parts, ", ")
}

// enoughHabit is how much past the rules that compare with habit wait for.
const enoughHabit = 6 * time.Hour

// learnedText says how well what is normal is known.
func learnedText(d time.Duration) string {
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

// perfData gives the figures as Nagios plug-ins do: 'label'=value;warn;crit;min.
// U is a figure that is not known.
func perfData(s *view.Status) string {
	var parts []string
	for i := range s.Instances {
		in := &s.Instances[i]
		name := func(what string) string { return what }
		if len(s.Instances) > 1 {
			name = func(what string) string { return in.Name + " " + what }
		}
		parts = append(parts, perfItem(name("queue"), in.Queue.Messages))
		counted := in.Failures.Unknown == "" && in.Failures.Attempts != nil
		for st := mta.StatusSent; st <= mta.StatusBounced; st++ {
			n := in.Failures.Attempts[st.String()]
			parts = append(parts, perfItem(name(st.String()), known(n, counted)))
		}
		open := 0
		for _, p := range in.Connections.Ports {
			open += liveSockets(p)
		}
		parts = append(parts, perfItem(name("connections"), known(int64(open), in.Connections.Unknown == "")))
	}
	count := map[mta.Severity]int64{}
	for i := range s.Findings {
		count[s.Findings[i].Severity]++
	}
	for _, sev := range [...]mta.Severity{mta.SeverityCritical, mta.SeverityWarning} {
		parts = append(parts, perfItem("findings_"+sev.String(), known(count[sev], s.Judged)))
	}
	return strings.Join(parts, " ")
}

func known(n int64, ok bool) *int64 {
	if !ok {
		return nil
	}
	return &n
}

func perfItem(label string, n *int64) string {
	label = strings.NewReplacer("'", "", "=", "", "|", "").Replace(clean(label))
	if strings.Contains(label, " ") {
		label = "'" + label + "'"
	}
	if n == nil {
		return label + "=U"
	}
	return label + "=" + countText(*n) + ";;;0"
}

func pow10(x float64) float64 { return math.Pow(10, x) }
