package alert

import (
	"cmp"
	"fmt"
	"hash/fnv"
	"slices"
	"time"

	"github.com/mtawatch/mtawatch/internal/diagnose"
	"github.com/mtawatch/mtawatch/internal/mta"
)

// incident is one open finding.
type incident struct {
	finding   mta.Finding // as told; replaced whole, never changed in place
	lead      *entry
	folded    []consequent
	explained time.Duration
	lower     time.Duration // since the severity is less than told; never
	fell      bool          // the severity has been lowered before
	reason    time.Duration // since the Reason is another than told; never
	news      ChangeKind    // of this step
	state     string        // the lead's State when it was explained last
	stale     bool          // the finding is to be put together anew
}

// consequent is one consequence of an incident. Its entry is nil once it ended.
type consequent struct {
	finding mta.Finding
	entry   *entry
}

// leave ends what has been away for its Clear.
func (b *Book) leave() {
	var kept []*incident
	for _, in := range b.incidents {
		b.leaveFolded(in)
		if !b.left(in.lead) {
			kept = append(kept, in)
			continue
		}
		if heir := b.heir(in); heir != nil {
			b.replace(in, heir)
			kept = append(kept, in)
			continue
		}
		b.resolve(in)
	}
	b.incidents = kept
}

func (b *Book) leaveFolded(in *incident) {
	for i := range in.folded {
		c := &in.folded[i]
		if c.entry == nil || !b.left(c.entry) {
			continue
		}
		c.finding.End = c.entry.goneAt
		b.drop(c.entry)
		c.entry, in.stale = nil, true
	}
}

// heir gives the strongest reading of an incident's family that has held.
func (b *Book) heir(in *incident) *entry {
	var best *entry
	for _, e := range b.tracked {
		if e.in == nil && siblings(e, in.lead) && b.held(e) && (best == nil || stronger(&e.cand, &best.cand)) {
			best = e
		}
	}
	return best
}

// resolve ends an incident. Consequences that are still there must hold for
// their Need once more and outlast the aftermath, and then open by themselves;
// those that stay need neither.
func (b *Book) resolve(in *incident) {
	f := in.finding
	f.End = in.lead.goneAt
	if f.End.Before(f.Since) {
		f.End = f.Since
	}
	f.Folded = b.list(in, f.End)
	b.changes = append(b.changes, Change{Resolved, b.now, f})
	b.archive(f)
	b.dirty[recordOpen+f.ID] = false
	b.open = nil
	b.drop(in.lead)
	for _, c := range in.folded {
		if c.entry != nil {
			b.release(c.entry)
		}
	}
}

// echo says that an entry is what is left of an incident that ended: it is a
// consequence of it, or of its family, and began before its end. Mail that
// was put off is tried again for an hour, and long windows still hold the failures.
// What is critical is told: the incident may have been the wrong reading of it.
func (b *Book) echo(e *entry) bool {
	if e.cand.Severity >= mta.SeverityCritical || e.cand.Stays {
		return false
	}
	lasts := aftermath
	if e.cand.Rank <= diagnose.RankGrowth {
		lasts = backlog
	}
	for i := len(b.ended) - 1; i >= 0; i-- {
		f := &b.ended[i]
		if b.now.Sub(f.End) > lasts {
			return false // those before ended earlier
		}
		if (f.Instance == e.cand.Instance || f.Instance == "" || e.cand.Instance == "") && causes(f, e) && !b.since(e).After(f.End) {
			return true
		}
	}
	return false
}

// causes says that an entry is a consequence of a finding that ended, or of one folded into it.
func causes(f *mta.Finding, e *entry) bool {
	return slices.Contains(e.cand.DependsOn, f.Code) ||
		slices.ContainsFunc(f.Folded, func(c mta.Finding) bool {
			return slices.Contains(e.cand.DependsOn, c.Code) || c.Code == e.cand.Code && c.Subject == e.cand.Subject
		})
}

// release lets an entry of an incident wait once more, but for what stays.
func (b *Book) release(e *entry) {
	e.in = nil
	if !e.cand.Stays {
		e.first, e.firstAt = b.clock, b.now
	}
	if !e.present {
		b.drop(e)
	}
}

// archive puts a finding among the past ones, which are in the order of their ends.
func (b *Book) archive(f mta.Finding) {
	i, _ := slices.BinarySearchFunc(b.ended, f, func(x, y mta.Finding) int {
		return cmp.Or(x.End.Compare(y.End), cmp.Compare(x.ID, y.ID))
	})
	b.ended = slices.Insert(b.ended, i, f)
	b.dirty[recordPast+f.ID] = true
	for len(b.ended) > b.past {
		b.dirty[recordPast+b.ended[0].ID] = false
		b.ended = slices.Delete(b.ended, 0, 1)
	}
}

// enter opens, folds or leaves waiting what has held for its Need. Causes
// come before their consequences; in a circle the strongest comes first.
func (b *Book) enter() {
	var ready []*entry
	for _, e := range b.tracked {
		if e.in == nil && !e.dropped && b.held(e) && !b.echo(e) {
			ready = append(ready, e)
		}
	}
	slices.SortStableFunc(ready, func(x, y *entry) int {
		return cmp.Or(cmp.Compare(y.cand.Rank, x.cand.Rank), cmp.Compare(y.cand.Severity, x.cand.Severity),
			cmp.Compare(x.first, y.first))
	})
	ready = oneOfFamily(ready)
	for len(ready) > 0 {
		var later []*entry
		for i, e := range ready {
			if !b.admit(e, later, ready[i+1:]) {
				later = append(later, e)
			}
		}
		if len(later) == len(ready) { // a circle of causes
			b.begin(later[0])
			later = later[1:]
		}
		ready = later
	}
}

// oneOfFamily keeps the first of each family.
func oneOfFamily(list []*entry) []*entry {
	var kept []*entry
	for _, e := range list {
		if !slices.ContainsFunc(kept, func(o *entry) bool { return siblings(o, e) }) {
			kept = append(kept, e)
		}
	}
	return kept
}

// admit decides on one entry that has held. It gives false to be asked again
// when a cause among those that are not decided yet is.
func (b *Book) admit(e *entry, undecided ...[]*entry) bool {
	for _, in := range b.incidents {
		if !siblings(e, in.lead) {
			continue
		}
		if e.cand.Rank > in.lead.cand.Rank {
			b.replace(in, e)
			b.absorb(in, e)
		}
		return true
	}
	for _, o := range b.tracked {
		if o.in != nil && siblings(o, e) && o.cand.Rank >= e.cand.Rank {
			return true // the stronger reading is folded, and this one with it
		}
	}
	if in := b.causeOf(e); in != nil {
		b.fold(in, e)
		b.absorb(in, e)
		return true
	}
	for _, list := range undecided {
		if slices.ContainsFunc(list, func(o *entry) bool { return consequence(o, e) && !b.shadowed(o) }) {
			return false
		}
	}
	if !b.mustWait(e) {
		b.begin(e)
	}
	return true
}

// shadowed says that a stronger reading of the same family is told instead.
func (b *Book) shadowed(e *entry) bool {
	return slices.ContainsFunc(b.incidents, func(in *incident) bool { return in.lead != e && siblings(in.lead, e) })
}

// mustWait says that a cause of an entry is about to open: its Need clock runs.
func (b *Book) mustWait(e *entry) bool {
	waited := b.clock - e.first - e.cand.Need
	for _, o := range b.tracked {
		if o.in != nil || o.dropped || !consequence(o, e) || b.shadowed(o) {
			continue
		}
		most := o.cand.Need
		if e.cand.Severity == mta.SeverityCritical {
			most = min(most, hurry)
		}
		if waited < most {
			return true
		}
	}
	return false
}

// causeOf gives the open incident that an entry is a consequence of: of its
// leading reading, of another reading of its family, or of one of its consequences.
func (b *Book) causeOf(e *entry) *incident {
	var hidden *incident
	for _, in := range b.incidents {
		if !consequence(in.lead, e) && !slices.ContainsFunc(in.folded, func(c consequent) bool { return c.entry != nil && consequence(c.entry, e) }) {
			continue
		}
		if b.under(in) == nil {
			return in
		}
		hidden = cmp.Or(hidden, in)
	}
	if hidden != nil {
		return hidden
	}
	for _, o := range b.tracked {
		if o.in != nil || !o.present || !consequence(o, e) {
			continue
		}
		for _, in := range b.incidents {
			if siblings(o, in.lead) {
				return in
			}
		}
	}
	return nil
}

// begin opens an incident, or takes over that of a consequence told before.
func (b *Book) begin(e *entry) {
	for _, in := range b.incidents {
		if consequence(e, in.lead) && b.recent(e, in) {
			b.lead(in, e)
			b.absorb(in, e)
			return
		}
	}
	f := b.explain(e)
	f.Noticed = b.now
	f.ID = b.newID(e)
	in := &incident{finding: f, lead: e, state: e.cand.State, explained: b.clock, lower: never, reason: never, news: Opened, stale: true}
	b.incidents = append(b.incidents, in)
	b.own(in, e)
}

// own marks an entry as part of an incident.
func (b *Book) own(in *incident, e *entry) {
	e.in = in
	if e.saved != "" {
		b.dirty[e.saved] = false
		e.saved = ""
	}
}

// recent says that a consequence was told so shortly before its cause, or
// began so little before it or later, that they are one incident. What began
// after the consequence was told is another, and may hide it (under).
func (b *Book) recent(cause *entry, in *incident) bool {
	since := b.since(cause)
	return !since.After(in.finding.Noticed) &&
		(!b.now.After(in.finding.Noticed.Add(foldWithin)) || !since.After(in.finding.Since.Add(foldWithin)))
}

// lead makes an entry the lead of an incident, and the lead that was its consequence.
func (b *Book) lead(in *incident, e *entry) {
	b.put(in, in.lead, in.finding)
	b.turn(in, e)
}

// replace puts another reading of its family in an incident's place.
func (b *Book) replace(in *incident, e *entry) {
	since, was := in.finding.Since, in.lead
	was.in = nil
	if !was.present {
		b.drop(was)
	}
	b.turn(in, e)
	in.finding.Since = earlier(since, in.finding.Since)
}

// turn gives an incident another lead; ID and the time of noticing stay.
func (b *Book) turn(in *incident, e *entry) {
	f := b.explain(e)
	f.ID, f.Noticed = in.finding.ID, in.finding.Noticed
	f.Severity = max(f.Severity, in.finding.Severity) // it falls only after Clear
	f.Since = earlier(f.Since, f.Noticed)
	in.finding, in.lead, in.state, in.explained, in.stale = f, e, e.cand.State, b.clock, true
	in.reason = never
	if in.news == "" {
		in.news = Changed
	}
	b.own(in, e)
}

// fold lists an entry among the consequences of an incident.
func (b *Book) fold(in *incident, e *entry) {
	f := b.explain(e)
	f.Noticed = b.now
	b.put(in, e, f)
}

// put lists a consequence; one that ended before goes on.
func (b *Book) put(in *incident, e *entry, f mta.Finding) {
	f.ID, f.Folded, f.FoldedInto, f.End = "", nil, "", time.Time{}
	b.own(in, e)
	in.stale = true
	for i := range in.folded {
		c := &in.folded[i]
		if keyOf(&c.finding) == keyOf(&f) {
			f.Since, f.Noticed = earlier(c.finding.Since, f.Since), earlier(c.finding.Noticed, f.Noticed)
			c.finding, c.entry = f, e
			return
		}
	}
	if len(in.folded) >= maxFolded { // one that ended makes room
		if i := slices.IndexFunc(in.folded, func(c consequent) bool { return c.entry == nil }); i >= 0 {
			in.folded = slices.Delete(in.folded, i, i+1)
		}
	}
	in.folded = append(in.folded, consequent{f, e})
}

// absorb ends the incidents that are consequences of an entry just joined to
// an incident: they are part of it.
func (b *Book) absorb(in *incident, e *entry) {
	var kept []*incident
	for _, o := range b.incidents {
		if o == in || !consequence(e, o.lead) || !b.recent(e, o) {
			kept = append(kept, o)
			continue
		}
		f := o.finding
		f.End, f.FoldedInto = b.now, in.finding.ID
		if o.news != Opened { // one that opened in this very step was never told
			b.changes = append(b.changes, Change{Resolved, b.now, f})
		}
		b.dirty[recordOpen+f.ID] = false
		b.put(in, o.lead, o.finding)
		for _, c := range o.folded {
			if c.entry != nil {
				b.put(in, c.entry, c.finding)
			}
		}
		b.open = nil
	}
	b.incidents = kept
}

// newID names an incident for good: the moment it opened, and a mark of what
// it was then. The same data replayed gives the same names.
func (b *Book) newID(e *entry) string {
	h := fnv.New32a()
	_, _ = fmt.Fprintf(h, "%s\x00%s\x00%s", e.cand.Instance, e.cand.Code, e.cand.Subject)
	stem := fmt.Sprintf("%s-%08x", b.now.UTC().Format("20060102T150405Z"), h.Sum32())
	id := stem
	for n := 2; b.taken(id); n++ {
		id = fmt.Sprintf("%s-%d", stem, n)
	}
	return id
}

func (b *Book) taken(id string) bool {
	return slices.ContainsFunc(b.incidents, func(in *incident) bool { return in.finding.ID == id }) ||
		slices.ContainsFunc(b.ended, func(f mta.Finding) bool { return f.ID == id })
}
