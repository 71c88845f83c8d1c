package meter

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"github.com/mtawatch/mtawatch/internal/mta"
)

type rejectKey struct {
	stage mta.Stage
	class int
	cause mta.Cause
}

// addReject counts in a row of its own for each stage, class and cause; those
// are bounded.
func (in *instance) addReject(e *mta.Event) {
	k := rejectKey{e.Stage, classOf(e.Code), e.Cause}
	r := in.rejects[k]
	if r == nil {
		r = &row{first: e.Time}
		in.rejects[k] = r
	}
	r.dirty = true
	r.at(slotOf(e.Time)).Bounced++
	if e.Time.After(r.last) {
		r.last = e.Time
	}
	r.reply = append(r.reply[:0], e.Reply[:min(len(e.Reply), maxReply)]...)
}

// Reject is one reason for which clients were refused, over a window.
type Reject struct {
	Stage mta.Stage
	Cause mta.Cause
	Class string // "4xx", "5xx" or ""
	Count int64
	Last  time.Time
	Reply string
}

// Rejects gives the reasons for which clients were refused in a window, most
// frequent first.
func (m *Meter) Rejects(name string, from, to time.Time) []Reject {
	in := m.instances[name]
	if in == nil {
		return nil
	}
	var list []Reject
	for k, r := range in.rejects {
		if s := r.sum(slotOf(from), slotOf(to)); s.Bounced > 0 {
			list = append(list, Reject{k.stage, k.cause, classNames[k.class], int64(s.Bounced), r.last, string(r.reply)})
		}
	}
	slices.SortFunc(list, func(a, b Reject) int {
		return cmp.Or(cmp.Compare(b.Count, a.Count), cmp.Compare(a.Stage, b.Stage), cmp.Compare(a.Cause, b.Cause), strings.Compare(a.Class, b.Class))
	})
	return list
}
