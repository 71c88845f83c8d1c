package qshape

import (
	"cmp"
	"slices"
	"time"

	"github.com/mtawatch/mtawatch/internal/mta"
)

// Table is a queue by destination and age at one moment.
type Table struct {
	Time   time.Time  `json:"time"`
	Limits []int64    `json:"limits_minutes"` // upper age limits of all buckets but the last
	Total  Row        `json:"total"`
	Rows   []Row      `json:"rows"`            // the largest first
	Other  *Row       `json:"other,omitempty"` // all destinations without a row of their own
	Queues []QueueRow `json:"queues"`
	Folded int        `json:"folded,omitempty"` // how often a destination was joined to other to save memory
}

// Row is one destination.
type Row struct {
	Destination string            `json:"destination"`
	Recipients  int64             `json:"recipients"`
	Ages        [NumBuckets]int64 `json:"ages"`                  // recipients by age
	AgeUnknown  int64             `json:"age_unknown,omitempty"` // recipients in no bucket
	Messages    int64             `json:"messages"`              // in other: at most so many
	Bytes       int64             `json:"bytes"`                 // of the messages; -1 when a size is unknown
	Oldest      time.Time         `json:"oldest,omitzero"`
	Queues      map[string]int64  `json:"queues,omitempty"` // recipients by queue
	LastReason  string            `json:"last_reason,omitempty"`
	Reasons     []Reason          `json:"reasons,omitempty"` // the most frequent first
}

// Reason is why recipients of a destination wait.
type Reason struct {
	Text       string `json:"text"`
	Recipients int64  `json:"recipients"`
	AtMost     bool   `json:"at_most,omitempty"` // rarer reasons were counted along
}

// QueueRow is one queue over all destinations.
type QueueRow struct {
	Queue      string    `json:"queue"`
	Messages   int64     `json:"messages"`
	Recipients int64     `json:"recipients"`
	Bytes      int64     `json:"bytes"` // -1 when a size is unknown
	Oldest     time.Time `json:"oldest,omitzero"`
}

// Table gives the table as it stands at the moment now. More may be added
// afterwards.
func (s *Shape) Table(now time.Time) Table {
	t := Table{Time: now, Folded: s.folded, Rows: []Row{}, Queues: []QueueRow{}}
	for _, l := range Limits() {
		t.Limits = append(t.Limits, int64(l/time.Minute))
	}
	rest := s.other
	rest.arrived = slices.Clone(rest.arrived)
	rest.queues = slices.Clone(rest.queues)
	t.Total = s.row(&s.total, now)
	ages := func(r Row) {
		t.Total.AgeUnknown += r.AgeUnknown
		for i, n := range r.Ages {
			t.Total.Ages[i] += n
		}
	}
	for i, d := range s.sorted() {
		if i >= s.limit {
			rest.add(d)
			continue
		}
		t.Rows = append(t.Rows, s.row(d, now))
		ages(t.Rows[i])
	}
	if rest.recipients > 0 {
		r := s.row(&rest, now)
		ages(r)
		t.Other = &r
	}
	for _, q := range s.queues {
		t.Queues = append(t.Queues, QueueRow{Queue: q.name, Messages: q.messages, Recipients: q.recipients,
			Bytes: sized(q.bytes, q.unsized), Oldest: q.oldest})
	}
	return t
}

func (s *Shape) row(d *dest, now time.Time) Row {
	r := Row{Destination: d.name, Recipients: d.recipients, AgeUnknown: d.undated, Messages: d.messages,
		Bytes: sized(d.bytes, d.unsized), Oldest: d.oldest, LastReason: d.last}
	for _, sec := range d.arrived {
		r.Ages[bucket(now.Sub(time.Unix(int64(sec), 0)))]++
	}
	for i, n := range d.queues {
		if n > 0 {
			if r.Queues == nil {
				r.Queues = map[string]int64{}
			}
			r.Queues[s.queues[i].name] += n
		}
	}
	r.Reasons = slices.Clone(d.reasons)
	slices.SortStableFunc(r.Reasons, func(a, b Reason) int { return cmp.Compare(b.Recipients, a.Recipients) })
	return r
}

// bucket gives the index of the bucket for an age. What is to come counts as
// new, as in qshape.
func bucket(age time.Duration) int {
	limit := firstLimit
	for i := range NumBuckets - 1 {
		if age < limit {
			return i
		}
		limit *= 2
	}
	return NumBuckets - 1
}

func sized(bytes, unsized int64) int64 {
	if unsized > 0 {
		return mta.UnknownBytes
	}
	return bytes
}
