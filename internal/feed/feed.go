// Package feed tells those who listen what happens, while it happens. Events
// go in from the daemon and come out at each listener in the same order.
//
// Promised: Publish never waits. The listeners are bounded, and so is what
// waits for each: one that does not keep up is cut, for a page with a gap in
// it would show what is not so; it comes back and asks anew.
package feed

import (
	"errors"
	"sync"

	"github.com/mtawatch/mtawatch/internal/view"
)

// ErrFull says that as many listen as may.
var ErrFull = errors.New("too many listeners")

// Config sets up a Feed. Zero values: 64 listeners, 64 events wait for each.
type Config struct {
	Listeners int
	Waiting   int
}

// Feed has listeners. It may be used by several goroutines.
type Feed struct {
	cfg    Config
	mu     sync.Mutex
	joined map[*Listener]bool
	closed bool
	cut    int64 // that did not keep up
}

// Listener is one who listens.
type Listener struct {
	feed   *Feed
	events chan view.Event
}

// New makes a Feed without listeners.
func New(cfg Config) *Feed {
	if cfg.Listeners <= 0 {
		cfg.Listeners = 64
	}
	if cfg.Waiting <= 0 {
		cfg.Waiting = 64
	}
	return &Feed{cfg: cfg, joined: make(map[*Listener]bool)}
}

// Publish tells all who listen.
func (f *Feed) Publish(e view.Event) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for l := range f.joined {
		select {
		case l.events <- e:
		default:
			f.cut++
			f.end(l)
		}
	}
}

// Listeners is how many listen.
func (f *Feed) Listeners() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return len(f.joined)
}

// Cut is how many were cut because they did not keep up.
func (f *Feed) Cut() int64 {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.cut
}

// Join begins to listen; Leave ends it. ErrFull: as many as may do already,
// or the feed is closed.
func (f *Feed) Join() (*Listener, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.closed || len(f.joined) >= f.cfg.Listeners {
		return nil, ErrFull
	}
	l := &Listener{feed: f, events: make(chan view.Event, f.cfg.Waiting)}
	f.joined[l] = true
	return l, nil
}

// Close cuts all who listen; nobody can join any more.
func (f *Feed) Close() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.closed = true
	for l := range f.joined {
		f.end(l)
	}
}

func (f *Feed) end(l *Listener) {
	if f.joined[l] {
		delete(f.joined, l)
		close(l.events)
	}
}

// Events gives what happens; it is closed when the listener is cut.
func (l *Listener) Events() <-chan view.Event { return l.events }

// Leave ends the listening; it may be called more than once.
func (l *Listener) Leave() {
	l.feed.mu.Lock()
	defer l.feed.mu.Unlock()
	l.feed.end(l)
}
