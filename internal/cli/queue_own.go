package cli

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/mtawatch/mtawatch/internal/mta"
	"github.com/mtawatch/mtawatch/internal/view"
)

func (t *tool) askOwn(ctx context.Context, f *queueFlags, q mta.OwnQuestion) (view.Own, error) {
	if f.from != "" {
		return view.Own{}, view.Advise(errors.New("--own asks a mail server that runs, --from reads what one printed"), "give one of the two")
	}
	return ask(ctx, t, func(s view.Source) (view.Own, error) {
		return s.Own(ctx, view.OwnQuery{Instance: f.instance, OwnQuestion: q})
	})
}

// ownCounters prints the mail server's own counters beside the exact ones.
func (t *tool) ownCounters(ctx context.Context, f *queueFlags) error {
	return t.ownEach(ctx, f, mta.OwnQuestion{Counters: true}, func(o *view.Own, in *view.OwnInstance) {
		switch {
		case in.CountersMissing:
			t.out.line(t.out.in(bold, clean(in.Instance)) + ": no counters, which is not zero: the mail server runs without. They must be created after each of its starts, `imsimta counters -create`")
		case len(in.Channels) > 0:
			t.ownHead(o, in)
			t.out.print(ownTable(in.Channels))
			t.ownNotes(in.Channels)
		}
	})
}

// ownEach asks the mail servers' own tools and prints the answers, as JSON or
// each instance's by itself; what is unknown comes first.
func (t *tool) ownEach(ctx context.Context, f *queueFlags, q mta.OwnQuestion, show func(o *view.Own, in *view.OwnInstance)) error {
	o, err := t.askOwn(ctx, f, q)
	if err != nil {
		return err
	}
	if t.json {
		return errors.Join(t.out.json(o), unknown(o.Unknown))
	}
	t.unknownLine(o.Unknown)
	for i := range o.Instances {
		show(&o, &o.Instances[i])
	}
	return unknown(o.Unknown)
}

// ownHead says what the two columns count, and since when.
func (t *tool) ownHead(o *view.Own, in *view.OwnInstance) {
	t.out.line(t.out.in(bold, clean(in.Instance)+": its own counters") + ", by " + clean(in.CountersBy) + ", beside those of mtawatch")
	t.out.hang(4, "  OWN counts since the counters were created or set to zero, which the mail server does not tell; it loses what happens while they are locked or it stops: good for the trend")
	exact := "  EXACT counts from its log"
	if !in.ExactSince.IsZero() {
		exact += " since " + clockText(o.Time, in.ExactSince)
	}
	exact += ", every record once; stored is what lies in the queue now"
	if in.ExactUnknown != "" {
		exact = "  EXACT is unknown: " + clean(in.ExactUnknown)
	}
	t.out.hang(4, exact)
}

// ownTable has for each count the messages and recipients of both, and marks
// with their difference those that are not equal.
func ownTable(list []view.OwnChannel) *table {
	tab := newTable("CHANNEL", ">MESSAGES OWN", ">EXACT", ">OFF BY", ">RECIPIENTS OWN", ">EXACT", ">OFF BY", ">BLOCKS OWN", "")
	tab.optional = []string{"BLOCKS OWN"}
	for i := range list {
		c := &list[i]
		note := ""
		switch {
		case c.Own == nil:
			note = "the mail server has no counters of it"
		case c.Exact == nil:
			note = "not counted by mtawatch"
		}
		tab.add(clean(c.Channel), "", "", "", "", "", "", "", note)
		tab.mark(bold)
		for _, r := range c.Rows() {
			if r.Own == nil && r.Messages == nil && r.Recipients == nil {
				continue
			}
			cells := []string{"    " + strings.ToUpper(r.Name[:1]) + r.Name[1:], "-", numberText(r.Messages), "", "-", numberText(r.Recipients), "", "-", ""}
			if r.Own != nil {
				cells[1], cells[4], cells[7] = countText(r.Own.Messages), countText(r.Own.Recipients), countText(r.Own.Blocks)
			}
			if r.MessagesOff {
				cells[3] = fmt.Sprintf("%+d", r.Own.Messages-*r.Messages)
			}
			if r.PeopleOff {
				cells[6] = fmt.Sprintf("%+d", r.Own.Recipients-*r.Recipients)
			}
			if r.OwnFirst != nil {
				cells[8] = "(" + countText(*r.OwnFirst) + " first time; exact " + numberText(r.ExactFirst)
				if off := r.FirstOff(); off != 0 {
					cells[8] += fmt.Sprintf(", off by %+d", off)
				}
				cells[8] += ")"
			}
			if slices.Contains(c.Negative, r.Name) {
				cells[8] = strings.TrimSpace(cells[8] + " below zero")
			}
			tab.add(cells...)
		}
	}
	return tab
}

func numberText(n *int64) string {
	if n == nil {
		return "-"
	}
	return countText(*n)
}

// ownNotes says what the marks mean.
func (t *tool) ownNotes(list []view.OwnChannel) {
	var differ, stored, negative []string
	for i := range list {
		c := &list[i]
		if len(c.Differs) > 0 {
			differ = append(differ, c.Channel)
		}
		if slices.Contains(c.Differs, "stored") {
			stored = append(stored, c.Channel)
		}
		if len(c.Negative) > 0 {
			negative = append(negative, c.Channel)
		}
	}
	switch {
	case len(differ) == 0:
		t.out.line("both agree")
	case len(stored) == 0:
		t.out.hang(4, "they differ in "+clean(strings.Join(differ, ", "))+", not in what is stored: as they do when they count since different times")
	default:
		t.out.hang(4, "they differ in "+clean(strings.Join(differ, ", "))+"; in what is stored, which has no since, in "+clean(strings.Join(stored, ", "))+
			": the counters have lost events, were set to zero while mail was queued, or mail moved between the two readings")
	}
	if len(negative) > 0 {
		t.out.hang(4, "below zero in "+clean(strings.Join(negative, ", "))+": the counters were set to zero while mail was queued")
	}
}

// ownWaiting prints what waits for each destination by the server's own tools.
func (t *tool) ownWaiting(ctx context.Context, f *queueFlags) error {
	m := &f.message
	if m.Sender != "" || m.ID != "" || m.Destination != "" {
		return view.Advise(errors.New("--own counts messages by destination and shows no single one"), "leave out --sender, --id and --destination")
	}
	return t.ownEach(ctx, f, mta.OwnQuestion{Waiting: true, Channel: m.Queue}, func(_ *view.Own, in *view.OwnInstance) {
		if in.WaitingBy == "" {
			return
		}
		t.out.line(t.out.in(bold, clean(in.Instance)) + ": what waits, by " + clean(in.WaitingBy) + "; active is to be tried now, delayed waits for its time")
		tab := newTable("CHANNEL", "DESTINATION", ">ACTIVE", ">DELAYED")
		var active, delayed int64
		for _, w := range in.Waiting {
			to := cut(clean(w.Destination), 60)
			if to == "" {
				to = "-"
			}
			tab.add(clean(w.Channel), to, countText(w.Active), countText(w.Delayed))
			active, delayed = active+w.Active, delayed+w.Delayed
		}
		if len(tab.rows) > 0 {
			t.out.print(tab)
		}
		t.out.line(t.out.in(dim, fmt.Sprintf("%d active, %d delayed", active, delayed)))
	})
}

// toldBy says which processes are not known from /proc.
func (t *tool) toldBy(list []mta.RoleProcess) {
	by := make(map[string]string)
	for _, p := range list {
		if p.ToldBy != "" && by[p.Instance] == "" {
			by[p.Instance] = p.ToldBy
			t.out.line("processes and roles of " + clean(p.Instance) + " by " + clean(p.ToldBy) + ": /proc does not tell them")
		}
	}
}
