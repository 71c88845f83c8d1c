package notify

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"github.com/mtawatch/mtawatch/internal/mta"
)

// The times and bounds of every channel.
const (
	firstPause = 5 * time.Second // after the first failure; it doubles
	mostPause  = 5 * time.Minute
	mostAsked  = time.Hour // of what the other side may ask for
	failing    = 2         // failures in a row that make a blind spot
	maxItems   = 500       // findings that a channel follows at a time
)

// State is how one channel does.
type State struct {
	Name     string
	Failures int       // in a row; 0: the last attempt was good, or there was none
	Since    time.Time // of the first of them
	Error    string    // of the last of them
	Sent     uint64
	Waiting  int    // findings with something to tell
	Dropped  uint64 // never told: too many at once, or refused for good
}

// Outlet is one channel with what it has told and has still to tell.
type Outlet struct {
	cfg     Config
	channel Channel
	wake    chan struct{}

	mu    sync.Mutex
	items map[string]*item
	state State
	pause time.Duration
	next  time.Time       // no attempt before
	dirty map[string]bool // IDs of which the record is to be put; false: deleted
}

// item is one finding as one channel knows it.
type item struct {
	finding  mta.Finding // as it stands
	resolved bool
	told     *mta.Finding // as it was told; nil: it was not
	toldAt   time.Time
	at       time.Time // when to send; zero: there is nothing to send
	version  int       // counts what was taken
	sent     int       // the version that was told
}

func newOutlet(cfg Config, c Channel) *Outlet {
	if c.Terms.Timeout <= 0 {
		c.Terms.Timeout = DefaultTimeout
	}
	return &Outlet{cfg: cfg, channel: c, wake: make(chan struct{}, 1), items: make(map[string]*item),
		dirty: make(map[string]bool), state: State{Name: c.Name}}
}

// State tells how the channel does.
func (o *Outlet) State() State {
	o.mu.Lock()
	defer o.mu.Unlock()
	s := o.state
	for _, it := range o.items {
		if it.version != it.sent && !it.at.IsZero() {
			s.Waiting++
		}
	}
	return s
}

// take notes how a finding stands.
func (o *Outlet) take(resolved bool, f mta.Finding, now time.Time) {
	o.mu.Lock()
	defer o.mu.Unlock()
	it := o.items[f.ID]
	if resolved {
		o.end(it, f, now)
	} else {
		o.stand(it, f, now)
	}
	select {
	case o.wake <- struct{}{}:
	default: // it will look anyway
	}
}

// stand notes an open finding.
func (o *Outlet) stand(it *item, f mta.Finding, now time.Time) {
	if it == nil {
		if it = o.room(f); it == nil {
			return
		}
	}
	it.finding, it.resolved = f, false
	it.version++
	switch {
	case f.Held():
		o.hold(it, now)
	case it.told != nil:
		it.at = now
	case f.Severity < o.channel.Terms.Min:
		it.at = time.Time{}
	default:
		due := now
		if f.Severity < mta.SeverityCritical {
			due = now.Add(o.channel.Terms.Delay)
		}
		if it.at.IsZero() || due.Before(it.at) {
			it.at = due
		}
	}
}

// end notes a resolved finding. One that was not yet due is never told; one
// that should have been told and could not be is told now that it is over.
func (o *Outlet) end(it *item, f mta.Finding, now time.Time) {
	switch {
	case it == nil:
		return
	case it.told == nil && (it.at.IsZero() || it.at.After(now)):
		delete(o.items, f.ID)
		return
	}
	it.finding, it.resolved, it.at = f, true, now
	it.version++
}

// room makes an item, if need be in the place of the least one; nil when the
// new one is the least.
func (o *Outlet) room(f mta.Finding) *item {
	if len(o.items) >= maxItems {
		var least string
		for id, it := range o.items {
			if least == "" || cmp.Or(cmp.Compare(it.finding.Severity, o.items[least].finding.Severity),
				it.finding.Noticed.Compare(o.items[least].finding.Noticed), cmp.Compare(id, least)) < 0 {
				least = id
			}
		}
		o.state.Dropped++
		if o.items[least].finding.Severity >= f.Severity {
			return nil
		}
		o.forget(least)
	}
	it := &item{}
	o.items[f.ID] = it
	return it
}

func (o *Outlet) forget(id string) {
	if it := o.items[id]; it != nil && it.told != nil {
		o.dirty[id] = false
	}
	delete(o.items, id)
}

func (o *Outlet) sync(open, past []mta.Finding, now time.Time) {
	is := make(map[string]bool)
	for _, f := range open {
		is[f.ID] = true
		for i := range f.Folded {
			is[f.Folded[i].ID] = true // one that was told by itself is open still
		}
		o.mu.Lock()
		it := o.items[f.ID]
		news := it == nil || it.told != nil && differs(it.told, &f)
		o.mu.Unlock()
		if news {
			o.take(false, f, now)
		} else {
			o.mark(f, now)
		}
	}
	o.mu.Lock()
	var over []mta.Finding
	for id, it := range o.items {
		if is[id] {
			continue
		}
		f := it.finding
		f.End = now
		if i := slices.IndexFunc(past, func(p mta.Finding) bool { return p.ID == id }); i >= 0 {
			f = past[i]
		}
		over = append(over, f)
	}
	o.mu.Unlock()
	for _, f := range over {
		o.take(true, f, now)
	}
}

// Run sends what there is to tell until ctx ends, and then gives nil. What
// was not told by then, Sync finds at the next start.
func (o *Outlet) Run(ctx context.Context) error {
	for ctx.Err() == nil {
		m, version, wait := o.pick(time.Now())
		if version == 0 {
			o.rest(ctx, wait)
			continue
		}
		try, cancel := context.WithTimeout(ctx, o.channel.Terms.Timeout)
		retry, err := o.channel.Send(try, m)
		cancel()
		if ctx.Err() != nil && err != nil {
			break // it was us who gave up
		}
		o.settle(m, version, retry, err, time.Now())
	}
	return nil //nolint:nilerr // the end was asked for
}

// rest waits until there may be something to do; 0 is for as long as it takes.
func (o *Outlet) rest(ctx context.Context, wait time.Duration) {
	if wait <= 0 {
		wait = time.Hour
	}
	t := time.NewTimer(wait)
	defer t.Stop()
	select {
	case <-ctx.Done():
	case <-o.wake:
	case <-t.C:
	}
}

// pick gives the most urgent message that is due with the version that it
// tells; version 0: nothing is due, and wait is the time until something is.
func (o *Outlet) pick(now time.Time) (m Message, version int, wait time.Duration) {
	o.mu.Lock()
	defer o.mu.Unlock()
	var best *item
	var soonest time.Time
	for _, it := range o.items {
		switch {
		case it.at.IsZero():
		case it.at.After(now):
			if soonest.IsZero() || it.at.Before(soonest) {
				soonest = it.at
			}
		case best == nil || cmp.Or(cmp.Compare(best.finding.Severity, it.finding.Severity), it.at.Compare(best.at), cmp.Compare(it.finding.ID, best.finding.ID)) < 0:
			best = it
		}
	}
	if best != nil && now.Before(o.next) {
		return m, 0, o.next.Sub(now)
	}
	if best == nil {
		if soonest.IsZero() {
			return m, 0, 0
		}
		return m, 0, soonest.Sub(now)
	}
	m = Message{Event: o.event(best), Time: now, Host: o.cfg.Host, URL: o.cfg.URL, Finding: best.finding, Before: best.told}
	m.Text = Line(m)
	return m, best.version, 0
}

func (o *Outlet) event(it *item) string {
	switch {
	case it.resolved:
		return Resolved
	case it.told == nil:
		return Opened
	case it.version != it.sent:
		return Changed
	case o.channel.Terms.Refresh > 0:
		return Refresh
	}
	return Reminder
}

// settle notes the outcome of one attempt.
func (o *Outlet) settle(m Message, version int, retry bool, err error, now time.Time) {
	o.mu.Lock()
	defer o.mu.Unlock()
	log := o.cfg.Logger.With("channel", o.channel.Name, "event", m.Event, "code", m.Finding.Code, "id", m.Finding.ID)
	o.count(log, retry, err, now)
	if err != nil && retry {
		return
	}
	it := o.items[m.Finding.ID]
	if it == nil {
		return // it had to make room
	}
	if err == nil && m.Event != Resolved {
		told := m.Finding
		it.told, it.toldAt, it.sent = &told, now, version
		o.dirty[m.Finding.ID] = true
	}
	if it.version != version {
		return // there is news already
	}
	if err != nil {
		o.state.Dropped++
		it.sent = version
	}
	if m.Event == Resolved {
		o.forget(m.Finding.ID)
		return
	}
	it.at = o.again(it, now)
}

// again is when an open finding is to be sent once more though nothing changes.
func (o *Outlet) again(it *item, now time.Time) time.Time {
	switch t := o.channel.Terms; {
	case t.Refresh > 0:
		return now.Add(t.Refresh)
	case t.Repeat > 0 && it.told != nil && !it.finding.Held() && it.finding.Severity >= t.Min:
		return now.Add(t.Repeat)
	}
	return time.Time{}
}

// count keeps the state of the channel and its pause.
func (o *Outlet) count(log *slog.Logger, retry bool, err error, now time.Time) {
	if err == nil {
		if o.state.Failures > 0 {
			log.Info("channel works again", "failures", o.state.Failures)
		}
		o.state.Failures, o.state.Since, o.state.Error = 0, time.Time{}, ""
		o.state.Sent++
		o.pause, o.next = 0, time.Time{}
		log.Debug("told")
		return
	}
	if o.state.Failures == 0 {
		o.state.Since = now
	}
	o.state.Failures++
	o.state.Error = Clean(err.Error(), 300)
	if !retry {
		log.Error("send refused; it is not tried again until the finding changes", "error", o.state.Error)
		return
	}
	most := mostPause
	if r := o.channel.Terms.Refresh; r > 0 {
		most = min(most, r)
	}
	o.pause = min(max(2*o.pause, firstPause), most)
	wait := o.pause - time.Duration(rand.Int64N(int64(o.pause)/5+1)) // many hosts, one receiver
	if later := (*RetryAfter)(nil); errors.As(err, &later) {
		wait = max(wait, min(later.After, mostAsked))
	}
	o.next = now.Add(wait)
	log.Warn("send failed", "error", o.state.Error, "again_in", wait.Round(time.Second))
}

func (o *Outlet) flush(put func(key string, value []byte), del func(key string)) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for id, is := range o.dirty {
		key := recordTold + o.channel.Name + "/" + id
		it := o.items[id]
		if !is || it == nil || it.told == nil {
			del(key)
			continue
		}
		if text, err := json.Marshal(savedTold{*it.told, it.toldAt}); err == nil {
			put(key, text)
		}
	}
	clear(o.dirty)
}

func (o *Outlet) load(s savedTold, now time.Time) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.items[s.Finding.ID] != nil {
		return
	}
	it := o.room(s.Finding)
	if it == nil {
		return
	}
	f := s.Finding
	it.finding, it.told, it.toldAt, it.version, it.sent = f, &f, s.At, 1, 1
	it.at = o.again(it, s.At)
	if it.at.After(now.Add(31 * 24 * time.Hour)) {
		it.at = now // the clock was elsewhere when it was told
	}
}
