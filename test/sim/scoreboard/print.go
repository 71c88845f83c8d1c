package scoreboard

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/mtawatch/mtawatch/internal/mta"
	"github.com/mtawatch/mtawatch/test/sim"
)

// tally adds up outcomes.
type tally struct {
	hosts                       int
	incidents, missed, faint    int
	wrongCode, wrongCause, side int
	delays, errors              []time.Duration
	falses                      int
	healthy, cpu                time.Duration
	days                        float64
	names                       map[string]int
}

func (t *tally) add(o *outcome) {
	if o.Kind.Expect().Harmless {
		return
	}
	if t.names == nil {
		t.names = make(map[string]int)
	}
	if !o.found && !o.seen() {
		t.faint++
		return
	}
	t.incidents++
	for _, c := range o.wrong {
		t.names[string(c)]++
	}
	switch {
	case !o.found && len(o.wrong) > 0:
		t.wrongCode++
		return
	case !o.found:
		t.missed++
		return
	case !o.reasonRight():
		t.wrongCause++
		t.names["because "+cmp.Or(o.finding.Reason.String(), "?")]++
	}
	t.side += len(o.wrong)
	t.delays = append(t.delays, o.delay)
	t.errors = append(t.errors, o.sinceError.Abs())
}

func (t *tally) host(h *host) {
	t.hosts++
	t.falses += len(h.false)
	t.healthy += h.healthy
	t.cpu += h.cpu
	t.days += h.days
	for i := range h.outcomes {
		t.add(&h.outcomes[i])
	}
}

// quantile gives a quantile of durations in seconds, as text.
func quantile(list []time.Duration, q float64) string {
	if len(list) == 0 {
		return "-"
	}
	slices.Sort(list)
	return fmt.Sprintf("%.0f", list[min(len(list)-1, int(q*float64(len(list))))].Seconds())
}

func rateName(rate float64) string {
	if rate < 0.05 {
		return fmt.Sprintf("%.3g/h", rate*3600)
	}
	return fmt.Sprintf("%.3g/s", rate)
}

// Print writes the tables. With details, also each incident that went wrong
// and each false finding.
func (b Board) Print(w io.Writer, details bool) {
	b.byHost(w)
	b.byKind(w)
	b.falseOnes(w)
	if details {
		b.details(w)
	}
}

func (b Board) byHost(w io.Writer) {
	fmt.Fprintf(w, "\n| rate | history | incidents | missed | wrong code | wrong cause | too faint | side findings | delay p50 | p90 s | since off p50 s | false | a host-week | CPU s a host-day | series |\n")
	fmt.Fprintf(w, "|---|---|---|---|---|---|---|---|---|---|---|---|---|---|---|\n")
	type cell struct {
		rate    float64
		history int
	}
	var cells []cell
	for _, h := range b.hosts {
		if c := (cell{h.rate, h.history}); !slices.Contains(cells, c) {
			cells = append(cells, c)
		}
	}
	var all tally
	row := func(rate, history string, t *tally, series int) {
		fmt.Fprintf(w, "| %s | %s | %d | %d | %d | %d | %d | %d | %s | %s | %s | %d | %.2f | %.2f | %d |\n", rate, history, t.incidents, t.missed, t.wrongCode,
			t.wrongCause, t.faint, t.side, quantile(t.delays, 0.5), quantile(t.delays, 0.9), quantile(t.errors, 0.5), t.falses,
			float64(t.falses)/max(0.001, t.healthy.Hours()/168), t.cpu.Seconds()/max(0.001, t.days), series)
	}
	for _, c := range cells {
		var t tally
		series := 0
		for i := range b.hosts {
			if h := &b.hosts[i]; h.rate == c.rate && h.history == c.history {
				t.host(h)
				all.host(h)
				series = max(series, h.series)
			}
		}
		row(rateName(c.rate), fmt.Sprintf("%d d", c.history), &t, series)
	}
	row("all", "", &all, 0)
}

func (b Board) byKind(w io.Writer) {
	fmt.Fprintf(w, "\n| incident | n | missed | wrong code | wrong cause | too faint | side findings | delay p50 | p90 s | since off p50 s | said instead or besides |\n")
	fmt.Fprintf(w, "|---|---|---|---|---|---|---|---|---|---|---|\n")
	for _, k := range sim.Kinds() {
		var t tally
		for i := range b.hosts {
			for j := range b.hosts[i].outcomes {
				if o := &b.hosts[i].outcomes[j]; o.Kind == k {
					t.add(o)
				}
			}
		}
		if t.incidents+t.faint == 0 {
			continue
		}
		fmt.Fprintf(w, "| %s | %d | %d | %d | %d | %d | %d | %s | %s | %s | %s |\n", k, t.incidents, t.missed, t.wrongCode, t.wrongCause, t.faint, t.side,
			quantile(t.delays, 0.5), quantile(t.delays, 0.9), quantile(t.errors, 0.5), counted(t.names))
	}
}

// counted writes names with their counts, the most frequent first.
func counted(names map[string]int) string {
	var list []string
	for n := range names {
		list = append(list, n)
	}
	slices.SortFunc(list, func(a, b string) int { return cmp.Or(cmp.Compare(names[b], names[a]), cmp.Compare(a, b)) })
	for i, n := range list {
		list[i] = fmt.Sprintf("%s %d", n, names[n])
	}
	return strings.Join(list, ", ")
}

func (b Board) falseOnes(w io.Writer) {
	type place struct {
		code mta.FindingCode
		near sim.Kind
	}
	counts := make(map[place]int)
	for _, h := range b.hosts {
		for _, f := range h.false {
			counts[place{f.code, f.near}]++
		}
	}
	if len(counts) == 0 {
		return
	}
	var list []place
	for p := range counts {
		list = append(list, p)
	}
	slices.SortFunc(list, func(a, b place) int {
		return cmp.Or(cmp.Compare(counts[b], counts[a]), cmp.Compare(a.code, b.code), cmp.Compare(a.near, b.near))
	})
	fmt.Fprintf(w, "\n| false finding | while | times |\n|---|---|---|\n")
	for _, p := range list {
		fmt.Fprintf(w, "| %s | %s | %d |\n", p.code, cmp.Or(string(p.near), "nothing"), counts[p])
	}
}

func (b Board) details(w io.Writer) {
	for _, h := range b.hosts {
		fmt.Fprintf(w, "\nseed %d, %s, %d days of history\n", h.seed, rateName(h.rate), h.history)
		for i := range h.outcomes {
			o := &h.outcomes[i]
			what := "ok"
			switch {
			case o.Kind.Expect().Harmless:
				continue
			case !o.found && !o.seen():
				what = "too faint"
			case !o.found:
				what = fmt.Sprintf("MISSED; wrong %v, consequences %v", o.wrong, o.beside)
			case !o.reasonRight():
				what = fmt.Sprintf("CAUSE %q", o.finding.Reason)
			case len(o.wrong) > 0:
				what = fmt.Sprintf("besides %v", o.wrong)
			}
			fmt.Fprintf(w, "  %s %-22s %6d touched %8s %s: %s\n", o.Begin.Format("Jan 02 15:04"), o.Kind, o.touched, o.delay, what, o.finding.Title)
		}
		for _, f := range h.false {
			fmt.Fprintf(w, "  %s FALSE %s (%s): %s\n", f.at.Format("Jan 02 15:04"), f.code, cmp.Or(string(f.near), "nothing"), f.text)
		}
	}
}
