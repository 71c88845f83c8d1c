package compat

import (
	"time"

	"github.com/mtawatch/mtawatch/internal/mta"
)

// queueNames are the queues that showq lists, as the exporters call them.
var queueNames = [...]string{"active", "deferred", "hold", "incoming", "maildrop"}

// Listing gathers the messages of one listing of one instance's queue.
type Listing struct {
	now    time.Time
	queues [len(queueNames) + 1]struct{ age, size histogram } // the last: queues of other names
}

// NewListing makes an empty Listing; ages are told as of now.
func NewListing(now time.Time) *Listing { return &Listing{now: now} }

// Add counts one message. An age or a size that is unknown is left out.
func (l *Listing) Add(m mta.QueuedMessage) {
	q := &l.queues[queueIndex(m.Queue)]
	if m.Size >= 0 {
		q.size.observe(sizeBounds[:], float64(m.Size))
	}
	if !m.Arrived.IsZero() {
		q.age.observe(ageBounds[:], max(0, l.now.Sub(m.Arrived).Seconds()))
	}
}

func queueIndex(name string) int {
	for i, n := range queueNames {
		if n == name {
			return i
		}
	}
	return len(queueNames)
}

// SetListing takes the listing of an instance's queue, which stands for now
// until a moment, in place of the one before; nil says that it could not be
// read.
func (x *Exporter) SetListing(instance string, l *Listing, until time.Time) {
	x.listings[instance] = reading{l, until}
}

// reading is the last listing of one instance; nil for one that failed.
type reading struct {
	*Listing
	until time.Time
}

func (r reading) good(now time.Time) bool { return r.Listing != nil && now.Before(r.until) }

// whole adds up the listings of the instances; nil unless each has one, for
// a part of the queue is not the queue.
func (x *Exporter) whole(instances []mta.Instance, now time.Time) *Listing {
	if len(instances) == 0 {
		return nil
	}
	sum := new(Listing)
	for i := range instances {
		l := x.listings[instances[i].Name]
		if !l.good(now) {
			return nil
		}
		for j := range sum.queues {
			sum.queues[j].age.merge(&l.queues[j].age)
			sum.queues[j].size.merge(&l.queues[j].size)
		}
	}
	return sum
}
