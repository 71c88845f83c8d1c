package alert

import (
	"slices"
	"time"

	"github.com/mtawatch/mtawatch/internal/mta"
)

// keep brings the open findings up to date and tells of their changes.
func (b *Book) keep() {
	for _, in := range b.incidents {
		b.weigh(in)
		if in.lead.present && in.lead.cand.Reason != in.finding.Reason {
			if in.reason == never {
				in.reason = b.clock
			}
			if b.clock-in.reason >= settle {
				b.renew(in, true)
				b.tell(in)
			}
		} else {
			in.reason = never
		}
		if due := b.clock-in.explained >= refresh; in.lead.present && (due || in.lead.cand.State != in.state) {
			if due {
				b.refold(in)
			}
			b.renew(in, false)
		}
		b.lookAway(in)
		if in.stale {
			in.finding.Folded = b.list(in, time.Time{})
			in.stale = false
			b.dirty[recordOpen+in.finding.ID] = true
			b.open = nil
		}
		if in.news != "" && (in.news != Changed || b.under(in) == nil) {
			b.changes = append(b.changes, Change{in.news, b.now, b.whole(in)})
			in.news = ""
		}
	}
}

func (b *Book) tell(in *incident) {
	if in.news == "" {
		in.news = Changed
	}
	in.stale = true
}

// weigh lets the severity rise at once and fall, once, when it has been less
// for the lead's Clear, or longer. While the lead is away nothing falls.
func (b *Book) weigh(in *incident) {
	s := mta.SeverityNone
	if in.lead.present {
		s = in.lead.cand.Severity
	}
	for _, c := range in.folded {
		if c.entry != nil && c.entry.present {
			s = max(s, c.entry.cand.Severity)
		}
	}
	told := in.finding.Severity
	switch {
	case s > told:
		in.finding.Severity, in.lower = s, never
		b.explainAgain(in)
		b.tell(in)
	case s == told || !in.lead.present:
		in.lower = never
	case in.lower == never:
		in.lower = b.clock
	}
	if in.lower != never && b.clock-in.lower >= max(in.lead.cand.Clear, steady) && !in.fell {
		in.finding.Severity, in.lower, in.fell = s, never, true
		b.explainAgain(in)
		b.tell(in)
	}
}

func (b *Book) explainAgain(in *incident) {
	if in.lead.present && in.news != Opened {
		b.renew(in, true)
	}
}

// renew puts the finding's words and numbers together anew. A new Reason
// comes with the words that belong to it, and those only with the Reason.
func (b *Book) renew(in *incident, reason bool) {
	in.explained = b.clock
	old := in.finding
	if in.lead.cand.Reason != old.Reason && !reason {
		return
	}
	f := b.explain(in.lead)
	in.state = in.lead.cand.State
	f.ID, f.Severity, f.Since, f.Noticed, f.Folded = old.ID, old.Severity, old.Since, old.Noticed, old.Folded
	in.finding, in.reason, in.stale = f, never, true
}

// refold brings the words of an incident's consequences up to date.
func (b *Book) refold(in *incident) {
	for i := range in.folded {
		c := &in.folded[i]
		if c.entry == nil || !c.entry.present {
			continue
		}
		f := b.explain(c.entry)
		f.Since, f.Noticed = earlier(c.finding.Since, f.Since), c.finding.Noticed
		c.finding, in.stale = f, true
	}
}

// lookAway asks what was seen instead of what is away and not ended yet. What
// was seen last is told until that is back.
func (b *Book) lookAway(in *incident) {
	look := func(e *entry, f *mta.Finding) {
		if b.over == nil || e.present {
			return
		}
		instead := *f
		if instead.Over = b.now; e.over != nil {
			instead.Over = e.over.Over
		}
		seen := instead.Over
		if b.over(&instead) {
			instead.Over = seen
			b.retold = b.retold || e.over == nil
			e.over, b.open = &instead, nil
		}
	}
	look(in.lead, &in.finding)
	for i := range in.folded {
		if c := &in.folded[i]; c.entry != nil {
			look(c.entry, &c.finding)
		}
	}
}

// told is an incident's finding as people are told it now.
func (in *incident) told() mta.Finding {
	f := in.finding
	f.Folded = slices.Clone(f.Folded)
	for i := range min(len(f.Folded), len(in.folded)) {
		if e := in.folded[i].entry; e != nil && e.over != nil {
			f.Folded[i] = e.instead(f.Folded[i])
		}
	}
	return in.lead.instead(f)
}

// instead puts the words of what was seen instead in the place of a finding's own.
func (e *entry) instead(f mta.Finding) mta.Finding {
	if o := e.over; o != nil {
		f.Title, f.Cause, f.Evidence, f.RuledOut, f.Advice, f.Avoid, f.Over = o.Title, o.Cause, o.Evidence, o.RuledOut, o.Advice, o.Avoid, o.Over
	}
	return f
}

// list gives the consequences of an incident; with an end, those that had
// not ended before do then.
func (b *Book) list(in *incident, end time.Time) []mta.Finding {
	var list []mta.Finding
	for i, c := range in.folded {
		if i == maxFolded {
			break
		}
		f := c.finding
		if f.End.IsZero() && !end.IsZero() {
			f.End = end
		}
		list = append(list, f)
	}
	return list
}
