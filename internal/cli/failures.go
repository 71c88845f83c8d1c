package cli

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/mtawatch/mtawatch/internal/mta"
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
	if f.Unknown != "" {
		t.out.line(t.out.in(red, "UNKNOWN") + ": " + clean(f.Unknown))
	}
	if f.Attempts != nil {
		t.failureHead(f)
	}
	if q.Inbound {
		t.rejectTable(f)
	} else {
		t.failureTable(f)
	}
	return unknown(f.Unknown)
}

func (t *tool) failureHead(f view.Failures) {
	covered := f.Time.Sub(f.Since)
	head := "last " + windowText(f.Window)
	if !f.Since.IsZero() && covered < f.Window-time.Minute {
		head = fmt.Sprintf("last %s (nothing older is known; %s were asked for)", windowText(covered), windowText(f.Window))
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

func (t *tool) failureTable(f view.Failures) {
	if len(f.Rows) == 0 {
		return
	}
	t.out.line("")
	tab := newTable("DESTINATION", "CAUSE", "AT FAULT", ">DEFERRED", ">BOUNCED", ">SENT", "FIRST", "LAST", "LAST REPLY")
	for _, r := range f.Rows {
		tab.add(cut(clean(r.Destination), 40), r.Cause.String(), scopeText(r.Scope), countText(r.Deferred), countText(r.Bounced),
			countText(r.Sent), clockText(f.Time, r.First), clockText(f.Time, r.Last), clean(r.Reply))
	}
	t.out.print(tab)
	if f.Other > 0 {
		t.out.line(t.out.in(dim, fmt.Sprintf("and %s in other rows: see --top", plural(f.Other, "failure"))))
	}
}

func (t *tool) rejectTable(f view.Failures) {
	if len(f.Rejects) == 0 {
		t.out.line("no client was refused")
		return
	}
	t.out.line("")
	tab := newTable("INSTANCE", "STAGE", "CAUSE", "CLASS", ">COUNT", "LAST", "LAST REPLY")
	for _, r := range f.Rejects {
		tab.add(clean(r.Instance), r.Stage.String(), r.Cause.String(), clean(r.Class), countText(r.Count), clockText(f.Time, r.Last), clean(r.Reply))
	}
	t.out.print(tab)
}
