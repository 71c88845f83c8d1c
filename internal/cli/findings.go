package cli

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/mtawatch/mtawatch/internal/mta"
	"github.com/mtawatch/mtawatch/internal/view"
)

// findingFlags are the flags of findings.
type findingFlags struct {
	all   bool
	limit int
	since string
}

func (t *tool) findingsCommand() *cobra.Command {
	f := findingFlags{}
	c := t.reading(&cobra.Command{
		Use:   "findings [ID|CODE]",
		Short: "What is wrong now, and what was; one in full",
		Long: "Lists the open findings, with --all those that were too. With the id of one it is printed in full, with a code those\n" +
			"of that code.",
		Args: cobra.MaximumNArgs(1),
		RunE: func(c *cobra.Command, args []string) error { return t.findings(c.Context(), f, args) },
	})
	c.AddCommand(t.ackCommand(), t.unackCommand())
	c.Flags().BoolVar(&f.all, "all", false, "those that are over too")
	c.Flags().IntVar(&f.limit, "limit", 100, "at most so many that are over")
	c.Flags().StringVar(&f.since, "since", "", "only those that were open then or after: 2h, 3d, or a time")
	return c
}

func (t *tool) findings(ctx context.Context, f findingFlags, args []string) error {
	q := view.FindingQuery{Limit: f.limit}
	if f.limit < 1 || f.limit > 1000 {
		return view.Advise(fmt.Errorf("--limit %d is out of range", f.limit), "give a number from 1 to 1000")
	}
	if f.since != "" {
		since, err := sinceTime(f.since, time.Now())
		if err != nil {
			return err
		}
		q.Since = since
	}
	named := ""
	if len(args) > 0 {
		if named = args[0]; mta.FindingCode(named).Sign() != "" {
			q.Code = mta.FindingCode(named)
		} else {
			q.ID = named
		}
	}
	v, err := ask(ctx, t, func(s view.Source) (view.Findings, error) { return s.Findings(ctx, q) })
	if err != nil {
		return err
	}
	if !f.all && named == "" && f.since == "" {
		v.Past, v.More = []mta.Finding{}, false
	}
	if q.ID != "" && len(v.Open)+len(v.Past) == 0 && v.Unknown == "" {
		return view.Advise(fmt.Errorf("no finding %q", clean(named)), "'mtawatch findings --all' lists them with their ids, 'mtawatch explain' the codes")
	}
	if t.json {
		return errors.Join(t.out.json(v), unknown(v.Unknown))
	}
	t.unknownLine(v.Unknown)
	if q.ID != "" {
		for i, list := 0, slices.Concat(v.Open, v.Past); i < len(list); i++ {
			t.findingWhole(v.Time, &list[i])
		}
		return unknown(v.Unknown)
	}
	t.findingTable(v, f)
	return unknown(v.Unknown)
}

func (t *tool) findingTable(v view.Findings, f findingFlags) {
	list := slices.Concat(v.Open, v.Past)
	if len(list) == 0 {
		if v.Unknown == "" {
			t.out.line("no finding" + map[bool]string{true: "", false: " is open"}[f.all || f.since != ""])
			t.out.line(t.out.in(dim, learnedText(v.Learned)))
		}
		return
	}
	tab := newTable("SEVERITY", "SINCE", "LASTED", "CODE", "ID", "TITLE")
	tab.optional = []string{"LASTED", "CODE"}
	for i := range list {
		f := &list[i]
		lasted := "open, " + ageText(v.Time, f.Since)
		if f.Held() {
			lasted = "known, " + ageText(v.Time, f.Since)
		}
		if !f.End.IsZero() {
			lasted = spanText(f.End.Sub(f.Since))
		}
		tab.add(severityText(f.Severity), clockText(v.Time, f.Since), lasted, clean(string(f.Code)), clean(f.ID), clean(f.Title))
		if f.End.IsZero() {
			tab.mark(severityStyle(f.Severity))
		}
	}
	t.out.print(tab)
	if v.More {
		t.out.line(t.out.in(dim, "and older ones: see --limit"))
	}
	t.out.line(t.out.in(dim, "'mtawatch findings ID' tells one in full, 'mtawatch explain CODE' what it means"))
}

func severityStyle(s mta.Severity) style {
	switch s {
	case mta.SeverityCritical:
		return red
	case mta.SeverityWarning:
		return yellow
	}
	return dim
}

// shownEvidence is how much evidence a status shows of each finding.
const shownEvidence = 3

// findingShort prints a finding as a status has it: what a person needs at
// three in the morning.
func (t *tool) findingShort(now time.Time, f *mta.Finding) {
	t.findingHead(f)
	t.item("since", []string{sinceText(now, f)})
	t.item("known", nonEmpty(heldText(now, f)))
	t.item("why", nonEmpty(clean(f.Cause)))
	var list []string
	for i := range f.Evidence {
		e := &f.Evidence[i]
		if len(list) < shownEvidence && e.Text != strings.TrimSuffix(f.Cause, ".") {
			list = append(list, evidenceText(now, e))
		}
	}
	t.item("evidence", list)
	t.item("to do", cleanAll(f.Advice))
	t.item("do not", withoutDoNot(f.Avoid))
	var folded []string
	for i := range f.Folded {
		folded = append(folded, clean(f.Folded[i].Title))
	}
	t.item("follows", folded)
	if f.ID != "" {
		t.item("more", []string{t.out.in(dim, "mtawatch findings "+clean(f.ID)+"; mtawatch explain "+clean(string(f.Code)))})
	}
}

// findingWhole prints all of a finding.
func (t *tool) findingWhole(now time.Time, f *mta.Finding) {
	t.findingHead(f)
	about := clean(f.Instance)
	if f.Subject != "" && f.Subject != f.Instance {
		about = strings.TrimPrefix(about+", "+clean(f.Subject), ", ")
	}
	t.item("about", nonEmpty(about))
	t.item("since", []string{sinceText(now, f)})
	t.item("known", nonEmpty(heldText(now, f)))
	t.item("why", nonEmpty(clean(f.Cause)))
	if f.Reason != mta.CauseNone {
		t.item("cause", []string{f.Reason.String() + ", " + scopeText(f.Reason.Scope())})
	}
	if f.Confidence > 0 {
		t.item("confidence", []string{fmt.Sprintf("%.0f %%", 100*f.Confidence)})
	}
	if f.Score > 0 {
		t.item("rarity", []string{rarityText(f.Score)})
	}
	var list []string
	for i := range f.Evidence {
		e := &f.Evidence[i]
		list = append(list, evidenceText(now, e))
		for _, l := range e.Lines {
			list = append(list, "  "+clean(l))
		}
	}
	t.item("evidence", list)
	t.item("ruled out", cleanAll(f.RuledOut))
	t.item("to do", cleanAll(f.Advice))
	t.item("do not", withoutDoNot(f.Avoid))
	for i := range f.Folded {
		t.item("follows", []string{consequenceText(now, &f.Folded[i])})
	}
	t.item("meaning", []string{"mtawatch explain " + clean(string(f.Code))})
}

func (t *tool) findingHead(f *mta.Finding) {
	t.out.hang(10, t.out.in(severityStyle(f.Severity), severityText(f.Severity))+"  "+t.out.in(bold, clean(f.Title))+"  "+t.out.in(dim, clean(string(f.Code))))
}

// item prints what stands under one word.
func (t *tool) item(name string, lines []string) {
	for i, l := range lines {
		if i > 0 {
			name = ""
		}
		indent := 15
		if strings.HasPrefix(l, "  ") {
			indent = 19
		}
		t.out.hang(indent, fmt.Sprintf("  %-13s%s", name, l))
	}
}

func nonEmpty(s string) []string {
	if s == "" {
		return nil
	}
	return []string{s}
}
