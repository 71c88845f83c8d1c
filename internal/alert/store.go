package alert

import (
	"cmp"
	"encoding/json"
	"fmt"
	"hash/fnv"
	"maps"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/mtawatch/mtawatch/internal/diagnose"
	"github.com/mtawatch/mtawatch/internal/mta"
)

// The records that Flush hands out, by the beginning of their keys. All are JSON.
const (
	recordOpen    = "open/"    // and the ID: an open finding
	recordPast    = "past/"    // and the ID: a resolved finding
	recordPending = "pending/" // and a hash: a candidate whose Need clock runs
	recordClock   = "clock"    // the time of the last step
)

// keepNeed is the shortest Need whose clock outlives a restart.
const keepNeed = 2 * time.Minute

// maxClock bounds the Book's own clock, so that no arithmetic overflows.
const maxClock = math.MaxInt64 / 4

type savedOpen struct {
	Finding mta.Finding  `json:"finding"`
	Lead    savedTerms   `json:"lead"`
	Folded  []savedTerms `json:"folded,omitempty"` // in the order of Finding.Folded
}

// savedTerms is what a candidate says besides its finding. Times are nanoseconds.
type savedTerms struct {
	Family   string            `json:"family,omitempty"`
	Rank     diagnose.Rank     `json:"rank,omitempty"`
	Need     time.Duration     `json:"need,omitempty"`
	Clear    time.Duration     `json:"clear,omitempty"`
	Explains []mta.FindingCode `json:"explains,omitzero"` // none is not the same as nil
}

type savedPending struct {
	Instance string          `json:"instance,omitempty"`
	Code     mta.FindingCode `json:"code"`
	Subject  string          `json:"subject,omitempty"`
	First    time.Duration   `json:"first"`
	FirstAt  time.Time       `json:"first_at"`
	Need     time.Duration   `json:"need"`
}

type savedClock struct {
	Time  time.Time     `json:"time"`
	Clock time.Duration `json:"clock"`
}

func termsOf(e *entry) savedTerms {
	return savedTerms{e.cand.Family, e.cand.Rank, e.cand.Need, e.cand.Clear, e.cand.Explains}
}

func (b *Book) savePending(e *entry) {
	h := fnv.New64a()
	_, _ = fmt.Fprintf(h, "%s\x00%s\x00%s", e.cand.Instance, e.cand.Code, e.cand.Subject)
	e.saved = fmt.Sprintf("%s%016x", recordPending, h.Sum64())
	b.dirty[e.saved] = true
}

// Flush hands out what is to be kept and has changed since the last Flush.
// While a finding is open or about to be, that includes the time of the last step.
func (b *Book) Flush(put func(key string, value []byte), del func(key string)) {
	if len(b.tracked) > 0 && !b.now.Equal(b.flushed) {
		b.dirty[recordClock] = true
	}
	b.flushed = b.now
	for _, k := range slices.Sorted(maps.Keys(b.dirty)) {
		if !b.dirty[k] {
			del(k)
			continue
		}
		v := b.record(k)
		if v == nil {
			continue // it was put and deleted since
		}
		// The one failure is a time of a year that JSON has no room for:
		// such a record would not be read either.
		if text, err := json.Marshal(v); err == nil {
			put(k, text)
		}
	}
	clear(b.dirty)
}

// record gives what belongs under a key.
func (b *Book) record(key string) any {
	if key == recordClock {
		return savedClock{b.now, b.clock}
	}
	if id, ok := strings.CutPrefix(key, recordPast); ok {
		if i := slices.IndexFunc(b.ended, func(f mta.Finding) bool { return f.ID == id }); i >= 0 {
			return b.ended[i]
		}
		return nil
	}
	if id, ok := strings.CutPrefix(key, recordOpen); ok {
		for _, in := range b.incidents {
			if in.finding.ID != id {
				continue
			}
			s := savedOpen{Finding: in.finding, Lead: termsOf(in.lead)}
			for i := range in.finding.Folded {
				var t savedTerms
				if e := in.folded[i].entry; e != nil {
					t = termsOf(e)
				}
				s.Folded = append(s.Folded, t)
			}
			return s
		}
		return nil
	}
	for _, e := range b.tracked {
		if e.saved == key {
			return savedPending{e.cand.Instance, e.cand.Code, e.cand.Subject, e.first, e.firstAt, e.cand.Need}
		}
	}
	return nil
}

// IsPast reports whether a record is that of a resolved finding. Those may be
// loaded later than at the start, too.
func IsPast(key string) bool { return strings.HasPrefix(key, recordPast) }

// Load takes back what Flush gave, before the first Step. A record that
// cannot be read changes nothing. A resolved finding that is loaded after the
// first Step is handed out by the next Flush.
func (b *Book) Load(key string, value []byte) error {
	var err error
	switch kind, id, _ := strings.Cut(key, "/"); {
	case key == recordClock:
		var s savedClock
		if err = json.Unmarshal(value, &s); err == nil && b.now.IsZero() {
			b.now, b.clock, b.flushed = s.Time, min(max(s.Clock, 0), maxClock), s.Time
		}
	case kind+"/" == recordOpen:
		var s savedOpen
		if err = json.Unmarshal(value, &s); err == nil {
			err = b.loadOpen(id, s)
		}
	case kind+"/" == recordPast:
		var f mta.Finding
		if err = json.Unmarshal(value, &f); err == nil {
			err = b.loadPast(id, f)
		}
	case kind+"/" == recordPending:
		var s savedPending
		if err = json.Unmarshal(value, &s); err == nil {
			err = b.loadPending(key, s)
		}
	default:
		err = fmt.Errorf("no such kind of record")
	}
	if err != nil {
		return fmt.Errorf("load finding %q: %w", key, err)
	}
	b.loaded, b.open = true, nil
	return nil
}

func (b *Book) loadOpen(id string, s savedOpen) error {
	f := s.Finding
	if f.ID == "" || f.ID != id || f.Code == "" {
		return fmt.Errorf("is not the record of that finding")
	}
	if b.taken(id) || len(b.tracked) >= 2*maxTracked || !b.free(&f) {
		return fmt.Errorf("is there already, or there are too many")
	}
	f.Severity = severity(f.Severity)
	in := &incident{finding: f, lower: never, reason: never, stale: true}
	in.lead = b.restore(&f, s.Lead)
	in.lead.in = in
	for i := range f.Folded {
		c := consequent{finding: f.Folded[i]}
		if c.finding.Code == "" || i >= maxFolded {
			break
		}
		if c.finding.End.IsZero() && b.free(&c.finding) {
			var t savedTerms
			if i < len(s.Folded) {
				t = s.Folded[i]
			}
			c.entry = b.restore(&c.finding, t)
			c.entry.in = in
		}
		in.folded = append(in.folded, c)
	}
	in.finding.Folded = b.list(in, time.Time{})
	b.incidents = append(b.incidents, in)
	return nil
}

// free says that no incident has what a finding is about; a candidate that
// only waits gives way.
func (b *Book) free(f *mta.Finding) bool {
	e := b.byKey[keyOf(f)]
	if e != nil && e.in == nil {
		b.drop(e)
		b.compact()
		return true
	}
	return e == nil
}

// restore makes the entry of a finding that was open.
func (b *Book) restore(f *mta.Finding, t savedTerms) *entry {
	e := &entry{gone: never, firstAt: f.Since, restored: true}
	e.cand = diagnose.Candidate{Finding: *f, Family: t.Family, Rank: t.Rank, Need: bounded(t.Need), Clear: bounded(t.Clear), Explains: t.Explains}
	e.cand.Severity = severity(f.Severity)
	e.cand.ID, e.cand.Folded = "", nil
	b.byKey[keyOf(f)] = e
	b.tracked = append(b.tracked, e)
	return e
}

func bounded(d time.Duration) time.Duration { return min(max(d, 0), maxClock) }

func (b *Book) loadPast(id string, f mta.Finding) error {
	if f.ID == "" || f.ID != id {
		return fmt.Errorf("is not the record of that finding")
	}
	if b.taken(id) {
		return fmt.Errorf("is there already")
	}
	b.archive(f)
	if b.dirty[recordPast+id] && !b.stepped {
		delete(b.dirty, recordPast+id) // it is kept already
	}
	return nil
}

func (b *Book) loadPending(key string, s savedPending) error {
	if s.Code == "" {
		return fmt.Errorf("names no finding")
	}
	f := mta.Finding{Instance: s.Instance, Code: s.Code, Subject: s.Subject}
	if b.byKey[keyOf(&f)] != nil || len(b.tracked) >= maxTracked {
		return nil // an open one goes before
	}
	e := b.restore(&f, savedTerms{Need: s.Need})
	e.first, e.firstAt, e.saved = bounded(s.First), s.FirstAt, key
	return nil
}

// settleLoaded makes what was loaded whole, in whatever order it came.
func (b *Book) settleLoaded() {
	b.loaded = false
	for _, e := range b.tracked {
		e.first = min(e.first, b.clock)
	}
	for _, in := range b.incidents {
		in.explained = b.clock - refresh
	}
	slices.SortStableFunc(b.incidents, func(x, y *incident) int {
		return cmp.Or(x.finding.Noticed.Compare(y.finding.Noticed), strings.Compare(x.finding.ID, y.finding.ID))
	})
}
