package alert

import (
	"math"
	"slices"
	"time"

	"github.com/mtawatch/mtawatch/internal/diagnose"
	"github.com/mtawatch/mtawatch/internal/mta"
)

// entry is one candidate followed from step to step.
type entry struct {
	cand     diagnose.Candidate // as last seen
	present  bool               // in this step
	first    time.Duration      // the Need clock began
	firstAt  time.Time
	gone     time.Duration // it went away; never while it is there
	goneAt   time.Time
	in       *incident    // that it leads or is folded into; nil: it waits
	restored bool         // loaded, and not seen since
	saved    string       // the key of its record while it waits; "" for none
	over     *mta.Finding // what is told of it while it is away; nil: what was told before
	dropped  bool
}

func keyOf(f *mta.Finding) key { return key{f.Instance, f.Code, f.Subject} }

// gather takes up the candidates of a step.
func (b *Book) gather(candidates []diagnose.Candidate) {
	for _, e := range b.tracked {
		e.present = false
	}
	for i := range candidates {
		b.take(&candidates[i])
	}
	for _, e := range b.tracked {
		if e.present {
			continue
		}
		if e.gone == never || e.in != nil && b.unseen != nil && b.unseen(&e.cand.Finding) {
			e.gone, e.goneAt = b.clock, b.now
		}
		if e.in == nil && b.clock-e.gone > e.blip() {
			b.drop(e)
		}
	}
	b.compact()
}

// take brings an entry up to date, or makes one.
func (b *Book) take(c *diagnose.Candidate) {
	if c.Code == "" {
		return
	}
	e := b.byKey[keyOf(&c.Finding)]
	switch {
	case e == nil:
		n := len(b.tracked)
		if n >= maxTracked && (severity(c.Severity) < mta.SeverityCritical || n >= 2*maxTracked) {
			b.refused++
			return
		}
		e = &entry{first: b.clock, firstAt: b.now, gone: never}
		b.byKey[keyOf(&c.Finding)] = e
		b.tracked = append(b.tracked, e)
	case e.present && !stronger(c, &e.cand):
		return
	case e.in == nil && e.gone != never && b.clock-e.gone > e.blip():
		e.first, e.firstAt = b.clock, b.now
	}
	e.cand = *c
	e.cand.Severity = severity(c.Severity)
	e.cand.Need, e.cand.Clear = max(c.Need, 0), max(c.Clear, 0)
	e.present, e.restored, e.gone = true, false, never
	if e.over != nil {
		e.over, b.open, b.retold = nil, nil, true
	}
	if e.in == nil && e.saved == "" && c.Need >= keepNeed {
		b.savePending(e)
	}
}

// blip is the longest absence that does not restart the Need clock.
func (e *entry) blip() time.Duration {
	if e.restored {
		return grace
	}
	return blip
}

// severity brings a severity to one of those that findings have.
func severity(s mta.Severity) mta.Severity {
	return min(max(s, mta.SeverityInfo), mta.SeverityCritical)
}

// stronger says that of two readings x is told.
func stronger(x, y *diagnose.Candidate) bool {
	if x.Rank != y.Rank {
		return x.Rank > y.Rank
	}
	return severity(x.Severity) > severity(y.Severity)
}

// drop stops following an entry; compact takes it off the list.
func (b *Book) drop(e *entry) {
	if e.saved != "" {
		b.dirty[e.saved] = false
	}
	e.dropped = true
	if k := keyOf(&e.cand.Finding); b.byKey[k] == e {
		delete(b.byKey, k)
	}
}

func (b *Book) compact() {
	b.tracked = slices.DeleteFunc(b.tracked, func(e *entry) bool { return e.dropped })
}

// held says that an entry is there and has been for its Need.
func (b *Book) held(e *entry) bool { return e.present && b.clock-e.first >= e.cand.Need }

// left says that an entry has been away for its Clear.
func (b *Book) left(e *entry) bool {
	if e.present {
		return false
	}
	need := e.cand.Clear
	if e.restored {
		need = max(need, grace)
	}
	return b.clock-e.gone >= need
}

// siblings says that of the two only one is told.
func siblings(x, y *entry) bool {
	return x.cand.Family != "" && x.cand.Family == y.cand.Family && x.cand.Instance == y.cand.Instance
}

// consequence says that one finding is explained by another when both are
// open. A finding of no instance is one of the whole host, and goes with any.
func consequence(of, e *entry) bool {
	a, b := of.cand.Instance, e.cand.Instance
	only := of.cand.Explains
	return of != e && slices.Contains(e.cand.DependsOn, of.cand.Code) && (only == nil || slices.Contains(only, e.cand.Code)) &&
		(a == b || a == "" || b == "")
}

// explain gives what an entry says now, with all that Explain adds. What it
// gives shares nothing with the candidate that a later call could change.
func (b *Book) explain(e *entry) mta.Finding {
	f := e.cand.Finding
	f.Evidence = slices.Clone(f.Evidence)
	f.RuledOut = slices.Clone(f.RuledOut)
	f.Advice = slices.Clone(f.Advice)
	f.Avoid = slices.Clone(f.Avoid)
	f.DependsOn = slices.Clone(f.DependsOn)
	if e.cand.Explain != nil {
		e.cand.Explain(&f)
	}
	// Explain adds words and numbers; who it is about stays.
	f.Instance, f.Code, f.Subject = e.cand.Instance, e.cand.Code, e.cand.Subject
	f.ID, f.Folded, f.FoldedInto, f.End, f.Over = "", nil, "", time.Time{}, time.Time{}
	f.Since = b.since(e)
	f.Score, f.Confidence = finite(f.Score), finite(f.Confidence)
	for i := range f.Evidence {
		v := &f.Evidence[i]
		v.Value, v.Low, v.High = number(v.Value), number(v.Low), number(v.High)
	}
	return f
}

// since is when the change of an entry began: not later than it was first seen.
func (b *Book) since(e *entry) time.Time {
	t := e.firstAt
	if s := e.cand.Since; !s.IsZero() && s.Before(t) {
		t = s
	}
	return earlier(t, b.now)
}

func earlier(x, y time.Time) time.Time {
	if y.Before(x) {
		return y
	}
	return x
}

// finite makes what is no number absent: JSON has no word for it.
func finite(v float64) float64 {
	if math.IsNaN(v) || math.IsInf(v, 0) {
		return 0
	}
	return v
}

func number(v *float64) *float64 {
	if v == nil || math.IsNaN(*v) || math.IsInf(*v, 0) {
		return nil
	}
	return v
}
