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
	"github.com/mtawatch/mtawatch/internal/say"
	"github.com/mtawatch/mtawatch/internal/view"
)

func (t *tool) failuresCommand() *cobra.Command {
	q := view.FailureQuery{}
	c := t.reading(&cobra.Command{
		Use:   "failures",
		Short: "Delivery failures by cause and destination",
		Args:  cobra.NoArgs,
		RunE:  func(c *cobra.Command, _ []string) error { return t.failures(c.Context(), q) },
	})
	f := c.Flags()
	f.DurationVar(&q.Window, "window", time.Hour, "how far to look back, at most 24h")
	f.StringVar(&q.Cause, "cause", "", "only this cause")
	f.StringVar(&q.Destination, "destination", "", "only this domain")
	f.StringVar(&q.Instance, "instance", "", "only this instance")
	f.IntVar(&q.Top, "top", 20, "how many rows to show")
	f.BoolVar(&q.Inbound, "inbound", false, "clients that were refused, instead of deliveries that failed")
	return c
}

func (t *tool) failures(ctx context.Context, q view.FailureQuery) error {
	if q.Window <= 0 || q.Window > 24*time.Hour {
		return view.Advise(fmt.Errorf("--window %s is out of range", q.Window), "give a duration such as 15m or 24h, at most 24h")
	}
	if q.Top < 1 || q.Top > 1000 {
		return view.Advise(fmt.Errorf("--top %d is out of range", q.Top), "give a number from 1 to 1000")
	}
	q.Destination = strings.ToLower(q.Destination)
	var c mta.Cause
	if err := c.UnmarshalText([]byte(q.Cause)); err != nil {
		return view.Advise(fmt.Errorf("--cause %s is no cause", clean(q.Cause)), "docs/commands.md lists the causes")
	}
	f, err := ask(ctx, t, func(s view.Source) (view.Failures, error) { return s.Failures(ctx, q) })
	if err != nil {
		return err
	}
	if t.json {
		return errors.Join(t.out.json(f), unknown(f.Unknown))
	}
	t.unknownLine(f.Unknown)
	t.failureHead(f, q)
	if q.Inbound {
		t.rejectTable(f)
	} else {
		t.failureTable(f, q)
	}
	return unknown(f.Unknown)
}

// failureHead tells the window and the attempts in it. The totals are of
// everything, so a filtered table has the sums of its rows instead; and
// beside an unknown, figures that are all zero measure nothing.
func (t *tool) failureHead(f view.Failures, q view.FailureQuery) {
	if f.Unknown != "" && say.Zero(f.Attempts) {
		return
	}
	head := coverText(f.Time, f.Since, f.Window)
	if short, cut := strings.CutSuffix(head, "known)"); cut {
		head = fmt.Sprintf("%sknown; %s were asked for)", short, spanText(f.Window))
	}
	if q.Inbound || q.Cause != "" || q.Destination != "" {
		t.out.line(t.out.in(bold, head+filterText(f, q)))
		return
	}
	text := topText(f.Attempts, 6)
	if text == "" {
		text = "no delivery attempt"
	}
	t.out.line(t.out.in(bold, head+": "+text))
	if text := topText(f.Causes, 8); text != "" {
		t.out.line("why: " + text)
	}
}

// filterText sums what a filter left.
func filterText(f view.Failures, q view.FailureQuery) string {
	var list []string
	if q.Cause != "" {
		list = append(list, "only "+q.Cause)
	}
	if q.Destination != "" {
		list = append(list, "only to "+clean(q.Destination))
	}
	text := ", " + strings.Join(list, ", ")
	if len(list) == 0 || q.Inbound {
		return ""
	}
	n := f.Other
	for _, r := range f.Rows {
		n += r.Deferred + r.Bounced
	}
	return text + ": " + plural(n, "failure")
}

func (t *tool) failureTable(f view.Failures, q view.FailureQuery) {
	if len(f.Rows) == 0 {
		if f.Unknown == "" && q.Destination != "" {
			t.out.line("no failure to " + clean(q.Destination) + " in the window")
		}
		return
	}
	t.out.line("")
	head := []string{"DESTINATION", "CAUSE", "AT FAULT", ">DEFERRED", ">BOUNCED", ">SENT"}
	usual := slices.ContainsFunc(f.Rows, func(r view.FailureRow) bool { return r.Normal != nil })
	if usual {
		head = append(head, ">USUAL/MIN")
	}
	tab := newTable(append(head, "FIRST SEEN", "LAST", "LAST REPLY")...)
	tab.optional = []string{"FIRST SEEN", "AT FAULT", "LAST"}
	for _, r := range f.Rows {
		cells := []string{cut(clean(r.Destination), 40), r.Cause.String(), scopeText(r.Scope), countText(r.Deferred), countText(r.Bounced), countText(r.Sent)}
		if usual {
			cells = append(cells, usualCell(r.Normal))
		}
		tab.add(append(cells, clockText(f.Time, r.First), clockText(f.Time, r.Last), clean(r.Reply))...)
	}
	t.out.print(tab)
	if usual {
		t.out.line(t.out.in(dim, "USUAL/MIN: failures to the destination in a minute that are normal at this hour, whatever their cause"))
	}
	if f.Other > 0 {
		t.out.line(t.out.in(dim, fmt.Sprintf("and %s in other rows: see --top", plural(f.Other, "failure"))))
	}
}

func (t *tool) rejectTable(f view.Failures) {
	if len(f.Rejects) == 0 {
		if f.Unknown == "" {
			t.out.line("no client was refused")
		}
		return
	}
	t.out.line("")
	tab := newTable("INSTANCE", "STAGE", "CAUSE", "CLASS", ">COUNT", "LAST", "LAST REPLY")
	tab.optional = []string{"LAST", "CLASS", "INSTANCE"}
	for _, r := range f.Rejects {
		tab.add(clean(r.Instance), r.Stage.String(), r.Cause.String(), clean(r.Class), countText(r.Count), clockText(f.Time, r.Last), clean(r.Reply))
	}
	t.out.print(tab)
}
