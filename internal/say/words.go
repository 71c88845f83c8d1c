package say

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/mtawatch/mtawatch/internal/mta"
)

// Bytes gives a size as a person reads it, in powers of 1000.
func Bytes(n int64) string {
	if n < 0 {
		return "unknown size"
	}
	if n < 1000 {
		return strconv.FormatInt(n, 10) + " B"
	}
	f, unit := float64(n), 0
	for f >= 999.5 && unit < 5 {
		f /= 1000
		unit++
	}
	digits := 0
	if f < 9.95 {
		digits = 1
	}
	return strconv.FormatFloat(f, 'f', digits, 64) + " " + []string{"B", "kB", "MB", "GB", "TB", "PB"}[unit]
}

// Span gives a duration in its two largest units.
func Span(d time.Duration) string {
	if d < 0 {
		d = 0
	}
	s := int64(d / time.Second)
	switch {
	case s < 60:
		return fmt.Sprintf("%ds", s)
	case s < 3600:
		return twoUnits(s/60, "m", s%60, "s")
	case s < 86400:
		return twoUnits(s/3600, "h", s%3600/60, "m")
	}
	return twoUnits(s/86400, "d", s%86400/3600, "h")
}

func twoUnits(a int64, unit string, b int64, small string) string {
	if b == 0 {
		return fmt.Sprintf("%d%s", a, unit)
	}
	return fmt.Sprintf("%d%s %d%s", a, unit, b, small)
}

// Age is how long before now t was; "" when t is unknown.
func Age(now, t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return Span(now.Sub(t))
}

// Clock gives a moment in the reader's zone: the time alone when it was
// within a day of now.
func Clock(now, t time.Time) string {
	if t.IsZero() {
		return ""
	}
	if d := now.Sub(t); d > -time.Hour && d < 24*time.Hour {
		return t.Local().Format("15:04:05")
	}
	return t.Local().Format("2006-01-02 15:04")
}

// Count gives a number in digits.
func Count(n int64) string { return strconv.FormatInt(n, 10) }

// Plural gives "1 message", "2 messages".
func Plural(n int64, word string) string {
	if n == 1 {
		return "1 " + word
	}
	if base, ok := strings.CutSuffix(word, "y"); ok {
		return Count(n) + " " + base + "ies"
	}
	if strings.HasSuffix(word, "s") {
		return Count(n) + " " + word + "es"
	}
	return Count(n) + " " + word + "s"
}

// Top lists the largest counts of a map: "greylisted 8, other 1".
func Top[N int | int64](counts map[string]N, most int) string {
	names := make([]string, 0, len(counts))
	for name, n := range counts {
		if n != 0 {
			names = append(names, name)
		}
	}
	slices.SortFunc(names, func(a, b string) int {
		if d := int64(counts[b]) - int64(counts[a]); d != 0 {
			return int(max(min(d, 1), -1))
		}
		return strings.Compare(a, b)
	})
	var parts []string
	for i, name := range names {
		if i == most {
			parts = append(parts, fmt.Sprintf("and %d more", len(names)-most))
			break
		}
		parts = append(parts, fmt.Sprintf("%s %d", Clean(name), counts[name]))
	}
	return strings.Join(parts, ", ")
}

// Scope says in words whose fault a cause is.
func Scope(s mta.Scope) string {
	switch s {
	case mta.ScopeUs:
		return "this host"
	case mta.ScopePath:
		return "the network"
	case mta.ScopeThem:
		return "their site"
	case mta.ScopeRecipient:
		return "recipient"
	case mta.ScopeMessage:
		return "message"
	}
	return "-"
}

// FirstLine gives the text up to its first line end, clean.
func FirstLine(s string) string {
	s, _, _ = strings.Cut(s, "\n")
	return Clean(s)
}
