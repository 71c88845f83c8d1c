package meter

import (
	"time"

	"github.com/mtawatch/mtawatch/internal/mta"
)

// Slots of five minutes for a day: the window that people ask about.
const (
	slotLength = 5 * time.Minute
	numSlots   = 288
)

// MaxWindow is the longest window that Failures can cover.
const MaxWindow = slotLength * numSlots

// slotOf numbers the slots since 1970.
func slotOf(t time.Time) int64 { return t.Unix() / int64(slotLength/time.Second) }

// slot is what happened in five minutes.
type slot struct {
	id       int64
	received int64
	rejects  int64
	status   [mta.NumStatuses]int64
	cause    [mta.NumCauses]int64
	dirty    bool
}

// ring is the last day of one instance, slot by slot.
type ring struct {
	slots   [numSlots]slot
	discard slot // what is older than a day
}

// at gives the slot to count in; events older than a day go nowhere.
func (r *ring) at(t time.Time) *slot {
	id := slotOf(t)
	s := &r.slots[uint64(id)%numSlots]
	if s.id != id {
		if s.id > id {
			return &r.discard
		}
		*s = slot{id: id}
	}
	s.dirty = true
	return s
}

// sum adds up the slots from one moment to another, both included.
func (r *ring) sum(from, to time.Time) slot {
	var total slot
	first, last := slotOf(from), slotOf(to)
	for i := range r.slots {
		s := &r.slots[i]
		if s.id < first || s.id > last || s.id == 0 {
			continue
		}
		total.received += s.received
		total.rejects += s.rejects
		for j, n := range s.status {
			total.status[j] += n
		}
		for j, n := range s.cause {
			total.cause[j] += n
		}
	}
	return total
}

// savedSlot is the durable form of a slot.
type savedSlot struct {
	ID       int64            `json:"id"`
	Received int64            `json:"received,omitempty"`
	Rejects  int64            `json:"rejects,omitempty"`
	Status   map[string]int64 `json:"status,omitempty"`
	Cause    map[string]int64 `json:"cause,omitempty"`
}

func (s *slot) save() savedSlot {
	out := savedSlot{ID: s.id, Received: s.received, Rejects: s.rejects, Status: map[string]int64{}, Cause: map[string]int64{}}
	for i, n := range s.status {
		if n != 0 {
			out.Status[mta.Status(i).String()] = n
		}
	}
	for i, n := range s.cause {
		if n != 0 {
			out.Cause[mta.Cause(i).String()] = n
		}
	}
	return out
}

func (r *ring) load(s savedSlot) {
	to := &r.slots[uint64(s.ID)%numSlots]
	*to = slot{id: s.ID, received: s.Received, rejects: s.Rejects}
	for i := range to.status {
		to.status[i] = s.Status[mta.Status(i).String()]
	}
	for i := range to.cause {
		to.cause[i] = s.Cause[mta.Cause(i).String()]
	}
}
