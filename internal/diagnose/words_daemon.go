package diagnose

import (
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/mtawatch/mtawatch/internal/detect"
	"github.com/mtawatch/mtawatch/internal/mta"
)

// The words that the rules of connections, daemons and the monitor share.

// amount writes a number as people read it: 4,120; 3.5; 0.
func amount(v float64) string {
	if v < 10 && v != math.Trunc(v) {
		return strconv.FormatFloat(v, 'f', 1, 64)
	}
	s := strconv.FormatFloat(math.Round(v), 'f', 0, 64)
	for i := len(s) - 3; i > 0 && s[i-1] != '-'; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

// amountOf writes a number with its noun: "1 connection", "12 connections".
func amountOf(v float64, one string) string {
	if v == 1 {
		return "1 " + one
	}
	plural := one + "s"
	if strings.HasSuffix(one, "s") {
		plural = one + "es"
	}
	return amount(v) + " " + plural
}

// span writes how long something takes or took: 40 s, 12 min, 3 h, 2 days.
func span(d time.Duration) string {
	switch d = max(0, d); {
	case d < 90*time.Second:
		return strconv.Itoa(int(d.Round(time.Second)/time.Second)) + " s"
	case d < 90*time.Minute:
		return strconv.Itoa(int(d.Round(time.Minute)/time.Minute)) + " min"
	case d < 48*time.Hour:
		return strconv.Itoa(int(d.Round(time.Hour)/time.Hour)) + " h"
	}
	return strconv.Itoa(int(d.Round(24*time.Hour)/(24*time.Hour))) + " days"
}

// percent writes a share: 0.875 is "88 %".
func percent(share float64) string {
	return strconv.Itoa(int(math.Round(100*share))) + " %"
}

// usually writes the normal range of a signal, as the end of a sentence
// about its value.
func usually(g *detect.Signal) string {
	b := g.Range()
	switch {
	case b.LearnedFrom <= 0:
		return "what is normal is not known yet"
	case amount(b.Low) == amount(b.High):
		return "normal at this hour is " + amount(b.High)
	}
	return "normal at this hour is " + amount(b.Low) + "-" + amount(b.High)
}

// learnedNote says how much the ranges can be trusted when they are young.
func learnedNote(g *detect.Signal) string {
	if d := g.Range().LearnedFrom; d > 0 && d < 72*time.Hour {
		return " (learned from " + span(d) + ")"
	}
	return ""
}

// reading makes the evidence of one number with its normal range. What is
// said of it ("connections a minute to port 25: 4,120") stands before the
// range; series is its key in the vocabulary, "" where it has none.
func reading(g *detect.Signal, series, text string) mta.Evidence {
	e := mta.Evidence{Text: text + "; " + usually(g) + learnedNote(g), Series: series}
	if v, ok := g.Value(); ok {
		e.Value = &v
	}
	if b := g.Range(); b.LearnedFrom > 0 {
		e.Low, e.High = &b.Low, &b.High
	}
	return e
}

// fact makes evidence without a series.
func fact(text string) mta.Evidence { return mta.Evidence{Text: text} }

// seriesOf writes the key of a series.
func seriesOf(name string, pairs ...string) string {
	s := mta.Series{Name: name}
	for i := 0; i+1 < len(pairs); i += 2 {
		s.Labels = append(s.Labels, mta.Label{Name: pairs[i], Value: pairs[i+1]})
	}
	return s.Key()
}

// whose writes " of INSTANCE" where the instance has a name.
func whose(instance string) string {
	if instance == "" {
		return ""
	}
	return " of " + instance
}

// sinceOr gives a moment, or another where the first is not known or lies
// after it.
func sinceOr(t, otherwise time.Time) time.Time {
	if t.IsZero() || t.After(otherwise) {
		return otherwise
	}
	return t
}

// score is a rarity as a finding carries it.
func score(r detect.Rarity) float64 { return math.Round(100*r.L) / 100 }

// valueOrZero gives a signal's value, 0 where it is not known: for sums and
// bounds only, never to be shown.
func valueOrZero(g *detect.Signal) float64 {
	if v, ok := g.Value(); ok {
		return v
	}
	return 0
}

// middle gives what is normal for a Gauge now; ok is false while it is not known.
func middle(g *detect.Signal) (v float64, ok bool) { return g.Expected(time.Minute) }

// highest gives the largest value that a Gauge had at a few moments of the
// past, from `from` to three hours ago; ok is false when none is known.
func highest(g *detect.Signal, from time.Duration) (v float64, ok bool) {
	for d := from; d <= 3*time.Hour; d += max(from, d/4) {
		if x, known := g.Ago(d); known && (!ok || x > v) {
			v, ok = x, true
		}
	}
	return v, ok
}

// typical gives the middle of a Gauge's values at moments of the last three
// hours: what stands in for the normal level where none is learned, for as
// long as the present trouble is the shorter part. ok is false when less than
// ten minutes are known.
func typical(g *detect.Signal) (v float64, ok bool) {
	var seen []float64
	for d := 5 * time.Minute; d <= 3*time.Hour; d += 5 * time.Minute {
		if x, known := g.Ago(d); known {
			seen = append(seen, x)
		}
	}
	if len(seen) < 2 {
		return 0, false
	}
	slices.Sort(seen)
	return seen[len(seen)/2], true
}

// cut shortens a text of others for a sentence.
func cut(s string, n int) string {
	s = strings.Join(strings.Fields(s), " ")
	if len(s) <= n {
		return s
	}
	for n > 0 && s[n]&0xc0 == 0x80 {
		n--
	}
	return s[:n] + "…"
}

// lines takes the texts of the last n warnings that a test picks.
func lines(ws []Warning, n int, pick func(*Warning) bool) []string {
	var list []string
	for i := len(ws) - 1; i >= 0 && len(list) < n; i-- {
		if w := &ws[i]; pick(w) {
			list = append(list, w.Time.Format("15:04:05")+" "+w.Program+": "+cut(w.Text, 300))
		}
	}
	for i, j := 0, len(list)-1; i < j; i, j = i+1, j-1 {
		list[i], list[j] = list[j], list[i]
	}
	return list
}

// contains reports whether a text holds one of the words.
func contains(s string, words ...string) bool {
	for _, w := range words {
		if strings.Contains(s, w) {
			return true
		}
	}
	return false
}

// amountPlain writes a number that is a name: a process id.
func amountPlain(n int) string { return strconv.Itoa(n) }
