package pipeline

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/mtawatch/mtawatch/internal/adapter"
	"github.com/mtawatch/mtawatch/internal/mta"
	"github.com/mtawatch/mtawatch/internal/qshape"
	"github.com/mtawatch/mtawatch/internal/sample"
)

// countQueue counts one instance's queues. Where only a listing is
// permitted, the listing's counts stand in and this leaves them alone.
func (r *runner) countQueue(ctx context.Context, name string) {
	in, a := r.find(name)
	if a == nil {
		return
	}
	q, err := sample.Count(ctx, r.Machine, a, in, time.Now())
	if ctx.Err() != nil || errors.Is(err, sample.ErrTooDear) {
		return
	}
	if err != nil {
		q = mta.Queue{Time: time.Now(), Instance: name, Unknown: err.Error()}
	}
	r.Belt.SetQueue(q, r.Belt.stale())
}

// listQueue lists one instance's queue as often as it stays cheap: a listing
// that took d is not repeated before d/ListShare.
func (r *runner) listQueue(ctx context.Context, name string) error {
	for {
		began := time.Now()
		in, a := r.find(name)
		if a != nil && a.List != nil {
			r.listOnce(ctx, in, a)
		}
		wait := max(r.ListEvery, time.Duration(float64(time.Since(began))/r.ListShare))
		t := time.NewTimer(min(wait, time.Hour))
		select {
		case <-ctx.Done():
			t.Stop()
			return nil
		case <-t.C:
		}
	}
}

func (r *runner) listOnce(ctx context.Context, in mta.Instance, a *adapter.Adapter) {
	now := time.Now()
	untried := make(Arrivals)
	see := []func(*mta.QueuedMessage){r.Belt.Filler(in.Name), untried.Untried}
	end := func(time.Time, error) {}
	if r.Listing != nil {
		var add func(mta.QueuedMessage)
		add, end = r.Listing(in.Name, now)
		see = append(see, func(m *mta.QueuedMessage) { add(*m) })
	}
	table, counts, err := sample.List(ctx, r.Machine, a, in, now, see...)
	if ctx.Err() != nil {
		return
	}
	valid := 2*max(r.ListEvery, time.Duration(float64(time.Since(now))/r.ListShare)) + time.Minute
	t := Listed(now, valid, table, counts, untried, err)
	end(t.Until, err)
	r.Belt.SetQueueTable(in.Name, t)
	_, cerr := sample.Count(ctx, r.Machine, a, in, now)
	if !errors.Is(cerr, sample.ErrTooDear) {
		return
	}
	if err != nil {
		counts = mta.Queue{Time: now, Instance: in.Name, Unknown: err.Error()}
	}
	r.Belt.SetQueue(counts, valid)
}

// Filler gives what fills in, from the log, for whom the messages of a
// listing wait where the listing does not say: the directory tells that a
// message still waits, the log for whom. What the log does not know stays
// unknown.
func (b *Belt) Filler(instance string) func(*mta.QueuedMessage) {
	return func(m *mta.QueuedMessage) {
		if len(m.Recipients) > 0 || m.QueueID == "" {
			return
		}
		b.mu.Lock()
		defer b.mu.Unlock()
		from, size, known := b.tracker.Sender(instance, m.QueueID)
		if known && m.Sender == "" {
			m.Sender = from
		}
		if known && m.Size < 0 {
			m.Size = size
		}
		if to, ok := b.tracker.Waits(instance, m.QueueID); ok {
			m.Recipients = to
			if m.Sender == "" && !known {
				m.Sender = "unknown"
			}
		}
	}
}

// RecipientsUnknown reports whether the last listing of an instance's queue
// left open for whom mail waits.
func (b *Belt) RecipientsUnknown(instance string) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	t := b.shapes[instance]
	return t != nil && slices.ContainsFunc(t.Table.Rows, func(r qshape.Row) bool { return r.Destination == "unknown" })
}

func (r *runner) find(name string) (mta.Instance, *adapter.Adapter) {
	for _, in := range r.Belt.Instances() {
		if in.Name != name {
			continue
		}
		for i := range r.Adapters {
			if r.Adapters[i].Name == in.MTA {
				return in, &r.Adapters[i]
			}
		}
	}
	return mta.Instance{}, nil
}

// ageLabels are the age columns of the queue table, in minutes as qshape
// writes them, oldest last.
var ageLabels = []string{"5", "10", "20", "40", "80", "160", "320", "640", "1280", "1280+"}
