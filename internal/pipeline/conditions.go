package pipeline

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/mtawatch/mtawatch/internal/mta"
)

// conditions is what an instance's own files told of its state last.
type conditions struct {
	at     time.Time
	list   []mta.Condition
	failed string    // why it is not known
	since  time.Time // failed: since when
}

// conditionsEvery is how often they are read, conditionsSoon how often while a
// channel is known to be stopped: who starts it waits for it to be seen.
// conditionsStand is how long they stand for now.
const (
	conditionsEvery = 20 * time.Second
	conditionsSoon  = 4 * time.Second
	conditionsStand = 2 * time.Minute
	conditionsTime  = 10 * time.Second // that reading them may take
)

// maxConditions bounds what is kept of one instance.
const maxConditions = 100

// watchConditions reads them again and again until ctx ends.
func (r *runner) watchConditions(ctx context.Context, name string) error {
	for {
		r.readConditions(ctx, name)
		t := time.NewTimer(r.Belt.conditionsIn(name))
		select {
		case <-ctx.Done():
			t.Stop()
			return nil
		case <-t.C:
		}
	}
}

// conditionsIn gives when they are to be read next.
func (b *Belt) conditionsIn(instance string) time.Duration {
	if len(b.stoppedQueues(instance)) > 0 {
		return conditionsSoon
	}
	return conditionsEvery
}

// stoppedQueues lists the queues that are known to be stopped.
func (b *Belt) stoppedQueues(instance string) []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	var list []string
	for _, c := range b.states[instance].list {
		if c.Kind == mta.ConditionQueueStopped {
			list = append(list, c.Subject)
		}
	}
	return list
}

// readConditions reads what one instance's own files tell of its state. That a
// queue was stopped or started is judged at once.
func (r *runner) readConditions(ctx context.Context, name string) {
	in, a := r.find(name)
	if a == nil || a.Conditions == nil {
		return
	}
	within, cancel := context.WithTimeout(ctx, conditionsTime)
	defer cancel()
	list, err := a.Conditions(within, r.Machine, in)
	if ctx.Err() != nil {
		return
	}
	was := r.Belt.stoppedQueues(name)
	r.Belt.SetConditions(name, time.Now(), list, err)
	if !slices.Equal(was, r.Belt.stoppedQueues(name)) {
		r.Belt.Glance(time.Now())
	}
}

// SetConditions takes what an instance's own files tell of its state. With
// an error the list is what could be read all the same.
func (b *Belt) SetConditions(instance string, at time.Time, list []mta.Condition, err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	s := conditions{at: at, list: list[:min(len(list), maxConditions)]}
	if err != nil {
		s.failed, s.since = fmt.Sprintf("read state: %v", err), at
		if old := b.states[instance]; old.failed != "" {
			s.since = old.since
		}
	}
	b.states[instance] = s
}
