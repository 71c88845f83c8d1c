package app

import (
	"context"
	"sync"
	"time"
)

// freshEvery is how often a queue is listed because askers want it fresh. A
// listing of a large queue costs the mail server seconds of work.
const freshEvery = 10 * time.Second

// freshLists sees to it that each instance is listed for one asker at a time
// and not too often. The zero value is ready.
type freshLists struct {
	mu   sync.Mutex
	each map[string]*freshList
}

// freshList is one instance's. Who holds turn may list.
type freshList struct {
	turn chan struct{}
	last time.Time // when the last listing began that came to an end
}

// do runs list, unless one has begun within freshEvery. While another asker's
// runs it waits for that one, until ctx ends. list answers whether it came to
// an end.
func (f *freshLists) do(ctx context.Context, instance string, now func() time.Time, list func() bool) {
	f.mu.Lock()
	if f.each == nil {
		f.each = make(map[string]*freshList)
	}
	one := f.each[instance]
	if one == nil {
		one = &freshList{turn: make(chan struct{}, 1)}
		f.each[instance] = one
	}
	f.mu.Unlock()
	select {
	case one.turn <- struct{}{}:
	case <-ctx.Done():
		return
	}
	defer func() { <-one.turn }()
	begin := now()
	if since := begin.Sub(one.last); since >= 0 && since < freshEvery {
		return
	}
	if list() {
		one.last = begin
	}
}
