package app

import (
	"fmt"
	"sync"
	"time"

	"github.com/mtawatch/mtawatch/internal/compat"
	"github.com/mtawatch/mtawatch/internal/config"
	"github.com/mtawatch/mtawatch/internal/mta"
	"github.com/mtawatch/mtawatch/internal/pipeline"
	"github.com/mtawatch/mtawatch/internal/track"
)

// compatNames lets the belt, the queue listings and the scrapes share one
// exporter of other names. nil serves none. Its lock is taken below the
// belt's, so the belt is never called under it.
type compatNames struct {
	mu sync.Mutex
	x  *compat.Exporter
}

// newCompat makes what the configuration names.
func newCompat(name string) (*compatNames, error) {
	if err := config.CheckCompat(name); err != nil {
		return nil, fmt.Errorf("read compat: %w", err)
	}
	if name != compat.Name {
		return nil, nil
	}
	return &compatNames{x: compat.New()}, nil
}

// observe gives what the belt calls with every fact.
func (c *compatNames) observe() func(track.Fact) {
	if c == nil {
		return nil
	}
	return func(f track.Fact) {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.x.Add(f)
	}
}

// listing gives what is called when a queue is listed.
func (c *compatNames) listing() func(string, time.Time) (func(mta.QueuedMessage), func(time.Time, error)) {
	if c == nil {
		return nil
	}
	return func(instance string, now time.Time) (func(mta.QueuedMessage), func(time.Time, error)) {
		l := compat.NewListing(now)
		return l.Add, func(until time.Time, err error) {
			if err != nil {
				l = nil
			}
			c.mu.Lock()
			defer c.mu.Unlock()
			c.x.SetListing(instance, l, until)
		}
	}
}

// metrics gives the belt's samples, and after them those under other names.
func (c *compatNames) metrics(b *pipeline.Belt) []mta.Sample {
	now := time.Now()
	own := b.Metrics(now)
	if c == nil {
		return own
	}
	instances := b.Instances()
	c.mu.Lock()
	defer c.mu.Unlock()
	list := c.x.Samples(own)
	return c.x.Present(list, instances, own, now)
}
