package meter

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"github.com/mtawatch/mtawatch/internal/mta"
)

// maxRows bounds the failure table. At the limit the rows that were touched
// longest ago go; the totals by status and cause stay exact.
const maxRows = 4000

// table counts attempts by instance, destination and cause, with the last
// reply of each. The rows with CauseNone count what was sent.
type table struct {
	rows    map[rowKey]*row
	deleted []rowKey // stored rows that are gone since the last Flush
}

type rowKey struct {
	instance, destination string
	cause                 mta.Cause
}

type row struct {
	rowKey
	cells       []cell // oldest first
	first, last time.Time
	reply       []byte // as the queue id, overwritten in place at each failure
	dsn         string
	relay       string
	queueID     []byte
	code        int16
	dirty       bool
	stored      bool
	gone        bool // no longer in the table
}

// cell counts one slot. Bounced holds expired messages too.
type cell struct {
	Slot     int64 `json:"t"`
	Sent     int32 `json:"s,omitempty"`
	Deferred int32 `json:"d,omitempty"`
	Bounced  int32 `json:"b,omitempty"`
}

func newTable() *table { return &table{rows: make(map[rowKey]*row)} }

// add counts an attempt. recent are the rows of its destination that were
// used last, by cause.
func (t *table) add(d *mta.Delivery, recent *recentRows) {
	r := recent[int(d.Cause)%len(recent)]
	if r == nil || r.gone || r.cause != d.Cause {
		r = t.row(d)
		recent[int(d.Cause)%len(recent)] = r
	}
	r.dirty = true
	if d.Time.After(r.last) {
		r.last = d.Time
	}
	c := r.at(slotOf(d.Time))
	switch d.Status {
	case mta.StatusSent:
		c.Sent++
		return
	case mta.StatusDeferred:
		c.Deferred++
	default:
		c.Bounced++
	}
	r.remember(d)
}

// recentRows are the rows of one destination that were used last.
type recentRows [4]*row

// row finds the row of an attempt, or makes it.
func (t *table) row(d *mta.Delivery) *row {
	k := rowKey{d.Instance, d.Destination, d.Cause}
	r := t.rows[k]
	if r == nil {
		if len(t.rows) >= maxRows {
			t.prune()
		}
		k.instance = strings.Clone(k.instance)
		r = &row{rowKey: k, first: d.Time}
		t.rows[k] = r
	}
	return r
}

// maxReply is how many bytes of a reply are kept.
const maxReply = 1000

// remember keeps the last reply.
func (r *row) remember(d *mta.Delivery) {
	r.reply = append(r.reply[:0], d.Reply[:min(len(d.Reply), maxReply)]...)
	if r.dsn != d.DSN {
		r.dsn = strings.Clone(d.DSN)
	}
	if name := cmp.Or(d.Relay.Name, d.Relay.IP, d.Relay.Path); r.relay != name {
		r.relay = strings.Clone(name)
	}
	r.queueID = append(r.queueID[:0], d.QueueID...)
	r.code = d.Code
}

// at gives the cell of a slot; late events find theirs by search.
func (r *row) at(id int64) *cell {
	n := len(r.cells)
	if n > 0 && r.cells[n-1].Slot == id {
		return &r.cells[n-1]
	}
	i, found := slices.BinarySearchFunc(r.cells, id, func(c cell, id int64) int { return cmp.Compare(c.Slot, id) })
	if !found {
		r.cells = slices.Insert(r.cells, i, cell{Slot: id})
		if old := r.cells[len(r.cells)-1].Slot - numSlots; r.cells[0].Slot <= old && i > 0 {
			r.cells = slices.Delete(r.cells, 0, 1)
			i--
		}
	}
	return &r.cells[i]
}

func (r *row) sum(first, last int64) cell {
	var s cell
	for _, c := range r.cells {
		if c.Slot >= first && c.Slot <= last {
			s.Sent += c.Sent
			s.Deferred += c.Deferred
			s.Bounced += c.Bounced
		}
	}
	return s
}

// prune forgets a tenth of the rows: first those that only count what was
// sent, then those that were touched longest ago.
func (t *table) prune() {
	list := make([]*row, 0, len(t.rows))
	for _, r := range t.rows {
		list = append(list, r)
	}
	failed := func(r *row) int {
		if r.cause != mta.CauseNone {
			return 1
		}
		return 0
	}
	slices.SortFunc(list, func(a, b *row) int {
		return cmp.Or(cmp.Compare(failed(a), failed(b)), a.last.Compare(b.last))
	})
	for _, r := range list[:max(1, len(list)/10)] {
		delete(t.rows, r.rowKey)
		r.gone = true
		if r.stored {
			t.deleted = append(t.deleted, r.rowKey)
		}
	}
}

// Failure is one row of the failure table over a window.
type Failure struct {
	Instance, Destination string
	Cause                 mta.Cause
	Sent                  int64 // to the destination, whatever the cause of the failures
	Deferred, Bounced     int64
	First, Last           time.Time
	Reply, DSN            string
	Code                  int
	Relay, QueueID        string
}

// Totals are the counts of one instance over a window.
type Totals struct {
	Received, Rejects int64
	Attempts          map[string]int64 // by status: all four
	Causes            map[string]int64 // of what was not sent
	Since             time.Time        // the beginning of the first slot counted
}

// Totals sums one instance from one moment to another. The resolution is
// five minutes: the slot in which the window begins counts whole.
func (m *Meter) Totals(name string, from, to time.Time) Totals {
	t := Totals{Attempts: map[string]int64{}, Causes: map[string]int64{}, Since: from.Truncate(slotLength)}
	in := m.instances[name]
	if in == nil {
		return t
	}
	s := in.ring.sum(from, to)
	t.Received, t.Rejects = s.received, s.rejects
	for st := mta.StatusSent; st <= mta.StatusExpired; st++ {
		t.Attempts[st.String()] = s.status[st]
	}
	for _, c := range mta.Causes() {
		if n := s.cause[c]; n != 0 {
			t.Causes[c.String()] = n
		}
	}
	return t
}

// Failures gives the rows with failures in a window, most failures first.
func (m *Meter) Failures(name string, from, to time.Time) []Failure {
	first, last := slotOf(from), slotOf(to)
	var list []Failure
	sent := make(map[string]int64)
	for k, r := range m.failures.rows {
		if k.instance != name {
			continue
		}
		s := r.sum(first, last)
		if s.Sent > 0 {
			sent[k.destination] += int64(s.Sent)
		}
		if s.Deferred+s.Bounced == 0 {
			continue
		}
		list = append(list, Failure{Instance: k.instance, Destination: k.destination, Cause: k.cause,
			Deferred: int64(s.Deferred), Bounced: int64(s.Bounced), First: r.first, Last: r.last,
			Reply: string(r.reply), DSN: r.dsn, Code: int(r.code), Relay: r.relay, QueueID: string(r.queueID)})
	}
	for i := range list {
		list[i].Sent = sent[list[i].Destination]
	}
	slices.SortFunc(list, func(a, b Failure) int {
		return cmp.Or(cmp.Compare(b.Deferred+b.Bounced, a.Deferred+a.Bounced), cmp.Compare(a.Destination, b.Destination), cmp.Compare(a.Cause, b.Cause))
	})
	return list
}
