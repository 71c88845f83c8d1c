package pipeline

import (
	"context"
	"fmt"
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

// conditionsEvery is how often they are read, conditionsStand how long they
// stand for now.
const (
	conditionsEvery = 20 * time.Second
	conditionsStand = 2 * time.Minute
	conditionsTime  = 10 * time.Second // that reading them may take
)

// maxConditions bounds what is kept of one instance.
const maxConditions = 100

// readConditions reads what one instance's own files tell of its state.
func (r *runner) readConditions(ctx context.Context, name string) {
	in, a := r.find(name)
	if a == nil || a.Conditions == nil {
		return
	}
	within, cancel := context.WithTimeout(ctx, conditionsTime)
	defer cancel()
	list, err := a.Conditions(within, r.Machine, in)
	if ctx.Err() == nil {
		r.Belt.SetConditions(name, time.Now(), list, err)
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
