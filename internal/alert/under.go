package alert

import "github.com/mtawatch/mtawatch/internal/mta"

// An incident that was told before its cause began was not brought about by
// it: it keeps its ID, its begin and its end. But while the cause is open, is
// as severe and would explain it, people look at one trouble: it is listed
// among the consequences, not apart, and how it changes is no news. When the
// cause ends first, it stands by itself again, and tells what changed meanwhile.

// under gives the incident under which another is listed; nil: it stands by itself.
func (b *Book) under(in *incident) *incident {
	f := &in.finding
	for _, o := range b.incidents {
		g := &o.finding
		if g.Since.After(f.Noticed) && !g.Noticed.After(f.Noticed.Add(foldWithin)) && g.Severity >= f.Severity && consequence(o.lead, in.lead) {
			return o
		}
	}
	return nil
}

// whole is an incident's finding as people are told it now, with those that are listed under it.
func (b *Book) whole(in *incident) mta.Finding {
	f := in.told()
	for _, o := range b.incidents {
		top := b.under(o)
		for top != nil && top != in { // each began after the one before: no circle
			top = b.under(top)
		}
		if top != in {
			continue
		}
		part := o.told()
		more := part.Folded
		part.Folded = nil
		for _, c := range append([]mta.Finding{part}, more...) {
			if len(f.Folded) < maxFolded {
				f.Folded = append(f.Folded, c)
			}
		}
	}
	return f
}
