package jobs

import (
	"context"
	"errors"
	"fmt"
	"net"
	"path"
	"slices"
	"time"

	"github.com/mtawatch/mtawatch/internal/lab/queue"
	"github.com/mtawatch/mtawatch/internal/lab/site"
)

const (
	housekeeping = time.Second
	busyAgain    = 2 * time.Second  // a message that someone else had
	fullAgain    = 20               // with more on the disk than may be known, the next look for what is due: after that many times the last one took
	fullBatch    = 10_000           // messages that such a look takes at most
	maxDeaths    = 3                // then a message waits as after an attempt
	tidyAge      = time.Hour        // unfinished files of killed writers
	endPatience  = 10 * time.Second // for the programs, at the end; less than who stops us waits
)

// controller holds what is known. One goroutine, run, touches it: the others
// send it what is to be done.
type controller struct {
	site     *site.Site
	queue    *queue.Queue
	log      *logFile
	events   chan func(now time.Time)
	channels map[string]*channelCache
	order    []string // of channels
	workers  []*worker
	count    int // messages known, over all channels
	stopped  map[string]bool
	spawnAt  map[string]time.Time // no new program of a channel before
	failures map[string]int       // programs of a channel in a row that did nothing

	overflow  bool // more on the disk than MAX_MESSAGES lets us know
	syncing   bool
	syncedAt  time.Time     // it began
	syncTook  time.Duration // the last one
	waiters   []func()      // of the synchronisation that runs
	next      []func()      // of the one after it: they asked while one ran
	urgent    bool          // what is found on the disk is tried at once
	returning bool
	ending    bool
}

func newController(s *site.Site, log *logFile) *controller {
	c := &controller{site: s, queue: queue.Open(s), log: log, events: make(chan func(time.Time), 1024),
		channels: map[string]*channelCache{}, stopped: map[string]bool{}, spawnAt: map[string]time.Time{}, failures: map[string]int{}}
	for _, ch := range s.Channels {
		c.channel(ch.Name)
	}
	return c
}

// channel gives the cache of a channel, a new one for a directory that no
// configuration knows.
func (c *controller) channel(name string) *channelCache {
	if ch := c.channels[name]; ch != nil {
		return ch
	}
	conf, _ := c.site.Channel(name)
	ch := newChannelCache(name, conf.Backoff)
	c.channels[name] = ch
	c.order = append(c.order, name)
	slices.Sort(c.order)
	return ch
}

// run works until ctx ends, then waits for the programs to finish what they have.
func (c *controller) run(ctx context.Context, l net.Listener) error {
	go c.serve(l)
	defer l.Close()
	c.readStopped()
	c.sync(time.Now())
	timer := time.NewTimer(housekeeping)
	defer timer.Stop()
	kept := time.Now()
	for {
		select {
		case <-ctx.Done():
			return c.end()
		case f := <-c.events:
			now := time.Now()
			f(now)
			for range len(c.events) {
				(<-c.events)(now)
			}
		case <-timer.C:
		}
		now := time.Now()
		if now.Sub(kept) >= housekeeping {
			c.keepHouse(now)
			kept = now
		}
		if c.overflow && (c.count < (c.site.Jobs.MaxMessages+1)/2 || now.Sub(c.syncedAt) >= max(housekeeping, fullAgain*c.syncTook)) {
			c.sync(now)
		}
		timer.Reset(c.dispatch(now))
	}
}

// end lets the programs finish, as far as they are quick.
func (c *controller) end() error {
	c.ending = true
	for _, w := range c.workers {
		w.retire()
	}
	patience := time.After(endPatience)
	for len(c.workers) > 0 {
		select {
		case f := <-c.events:
			f(time.Now())
		case <-patience:
			return errors.New("end job controller: a channel program is still at work")
		}
	}
	return nil
}

func (c *controller) keepHouse(now time.Time) {
	c.readStopped()
	for _, w := range c.workers {
		if w.due(now) || c.stopped[w.channel] {
			w.retire()
		}
	}
	if now.Sub(c.syncedAt) >= c.site.Jobs.SynchTime {
		c.sync(now)
	}
	c.returnJob(now)
}

func (c *controller) readStopped() {
	list, err := Stopped(c.site)
	if err != nil {
		c.log.error("%v", err)
		return
	}
	clear(c.stopped)
	for _, name := range list {
		c.stopped[name] = true
	}
}

// told takes what an enqueuer said. A channel that is in no file and has no
// such message is a stranger's word.
func (c *controller) told(t Told, now time.Time) {
	name := channelOf(t.Name)
	if c.channels[name] == nil {
		if _, err := c.queue.Stat(t.Name); err != nil {
			return
		}
	}
	ch := c.channel(name)
	if ch.knows(t) {
		return
	}
	c.add(ch, t, now, now)
	ch.counters.Received.add(1, t.Recipients, t.Blocks)
	if source := c.channels[t.Source]; source != nil {
		source.counters.Submitted.add(1, t.Recipients, t.Blocks)
	}
}

// room says whether one more message may be known. If need be one that waits
// for a later time makes place: it is on the disk, and found there in time.
func (c *controller) room() bool {
	if c.count < c.site.Jobs.MaxMessages {
		return true
	}
	c.overflow = true
	var most *channelCache
	for _, ch := range c.channels {
		if len(ch.heap) > 0 && (most == nil || len(ch.heap) > len(most.heap)) {
			most = ch
		}
	}
	if most == nil {
		return false
	}
	m := most.heap[len(most.heap)-1] // none of those due first
	most.counters.Stored.add(-1, -m.rcpts, -m.blocks)
	c.drop(most, m)
	return true
}

// add takes a message that is not known, if there is room.
func (c *controller) add(ch *channelCache, t Told, due, now time.Time) {
	if c.room() && ch.add(t, due, now) {
		c.count++
		ch.counters.Stored.add(1, t.Recipients, t.Blocks)
	}
}

// dispatch hands out what is due and says when to look again.
func (c *controller) dispatch(now time.Time) time.Duration {
	again := now.Add(housekeeping)
	earlier := func(t time.Time) {
		if !t.IsZero() && t.Before(again) {
			again = t
		}
	}
	for _, name := range c.order {
		ch := c.channels[name]
		conf, _ := c.site.Channel(name)
		if conf.Program == "" || c.stopped[name] || c.ending {
			continue
		}
		ch.wake(now, false)
		for ch.ready > 0 {
			w := c.free(name)
			if w == nil {
				w = c.spawn(&conf, now)
			}
			if w == nil {
				earlier(c.spawnAt[name])
				break
			}
			m := ch.next()
			if m == nil {
				break
			}
			w.hand(m)
		}
		earlier(ch.nextDue())
	}
	return max(again.Sub(now), time.Millisecond)
}

// result takes what a program says of a message.
func (c *controller) result(w *worker, r Result, now time.Time) {
	m := w.hands[r.Name]
	if m == nil {
		c.log.error("%s process %d tells of a message that it does not have", w.channel, w.pid)
		return
	}
	delete(w.hands, r.Name)
	w.note(r, now)
	c.failures[w.channel] = 0
	ch := c.channels[w.channel]
	ch.counters.result(r, m.attempts == 0)
	switch r.State {
	case Done, Held:
		c.drop(ch, m)
	case Later:
		attempts, _, _, _, _ := queue.ParseName(path.Base(r.Now))
		m.deaths = 0
		ch.again(m, r.Now, now.Add(ch.delay(attempts)), now)
	case Busy:
		c.handBack(ch, m, now.Add(busyAgain), now)
	}
}

func (c *controller) drop(ch *channelCache, m *message) {
	ch.drop(m)
	c.count--
}

// handBack takes a message back of which nothing is known but that it was in
// work: it may have got a new name meanwhile, or be gone.
func (c *controller) handBack(ch *channelCache, m *message, due, now time.Time) {
	name, ok := c.locate(m.name)
	if !ok {
		c.drop(ch, m)
		return
	}
	ch.again(m, name, due, now)
}

// locate finds a message that was known under a name: an attempt may have
// given it another.
func (c *controller) locate(name string) (string, bool) {
	if _, err := c.queue.Stat(name); err == nil {
		return name, true
	}
	for _, n := range queue.NextNames(path.Base(name)) {
		n = path.Join(path.Dir(name), n)
		if _, err := c.queue.Stat(n); err == nil {
			return n, true
		}
	}
	return "", false
}

// died takes back what a program had when it ended.
func (c *controller) died(w *worker, err error, now time.Time) {
	c.workers = slices.DeleteFunc(c.workers, func(x *worker) bool { return x == w })
	_ = w.stdin.Close()
	ch := c.channels[w.channel]
	for _, m := range w.hands {
		m.deaths++
		due := now
		if m.deaths > maxDeaths {
			due = now.Add(max(ch.delay(1), busyAgain))
		}
		c.handBack(ch, m, due, now)
	}
	if err == nil && w.retiring {
		return
	}
	c.log.error("%s process %d ended with %d messages in its hands: %v", w.channel, w.pid, len(w.hands), ended(err))
	if w.done == 0 && now.Sub(w.started) < 5*time.Second {
		c.failures[w.channel] = min(c.failures[w.channel]+1, 8)
		if n := c.failures[w.channel]; n > 3 {
			c.spawnAt[w.channel] = now.Add(time.Duration(1<<(n-3)) * time.Second)
		}
	}
}

func ended(err error) error {
	if err == nil {
		return errors.New("without being asked to")
	}
	return err
}

// found is what a look at the disk gave.
type found struct {
	fresh   []candidate
	missing []string // channel/id of what was known and is not where it was
	more    bool     // than may be known
	err     error
}

type candidate struct {
	told    Told
	changed time.Time
}

// syncNow looks at the disk and lets everything be tried at once. done is
// called when a look that began after now is over.
func (c *controller) syncNow(now time.Time, done func()) {
	for _, ch := range c.channels {
		ch.wake(now, true)
	}
	c.urgent = true
	if c.syncing {
		c.next = append(c.next, done)
		return
	}
	c.waiters = append(c.waiters, done)
	c.sync(now)
}

// sync looks at the disk, in a goroutine of its own, and adopts what it finds.
func (c *controller) sync(now time.Time) {
	if c.syncing {
		return
	}
	c.syncing, c.syncedAt, c.overflow = true, now, false
	known := map[string]string{}
	for _, ch := range c.channels {
		for id, m := range ch.messages {
			known[ch.name+"/"+id] = m.name
		}
	}
	room := max(c.site.Jobs.MaxMessages-c.count, 0)
	go func() {
		f := c.look(known, room)
		c.events <- func(now time.Time) { c.adopt(f, now) }
	}()
}

// look reads the queue directories. It runs beside the loop and touches none
// of its state.
func (c *controller) look(known map[string]string, room int) *found {
	f := &found{}
	for id, name := range known {
		if _, err := c.queue.Stat(name); err != nil {
			f.missing = append(f.missing, id)
		}
	}
	channels, err := c.queue.Channels()
	f.err = err
	for _, name := range channels {
		if _, err := c.queue.Tidy(name, tidyAge); err != nil {
			f.err = errors.Join(f.err, err)
		}
		err := c.queue.Walk(name, func(e queue.Entry) error {
			if e.Held || known[name+"/"+e.ID] != "" {
				return nil
			}
			if len(f.fresh) >= room {
				f.more = true
				conf, _ := c.site.Channel(name)
				if len(f.fresh) >= room+fullBatch {
					return errRoom
				}
				if age := time.Since(e.Changed); age >= 0 && age < backoffOf(conf.Backoff, e.Attempts) {
					return nil
				}
			}
			if t, ok := c.read(e); ok {
				f.fresh = append(f.fresh, candidate{t, e.Changed})
			}
			return nil
		})
		if err != nil && !errors.Is(err, errRoom) {
			f.err = errors.Join(f.err, err)
		}
	}
	return f
}

var errRoom = errors.New("no room")

// read makes of a file what its enqueuer would have told. What is no whole
// queue file is put aside, as .HELD.
func (c *controller) read(e queue.Entry) (Told, bool) {
	m, err := c.queue.Read(e)
	if queue.Broken(err) {
		_, herr := c.queue.Hold(e)
		c.log.error("hold what is no whole message: %v", errors.Join(err, herr))
	}
	if err != nil {
		return Told{}, false
	}
	defer m.Close()
	return Told{Name: e.Name(), Host: HostOf(e.Channel, &m.Envelope), Recipients: len(m.Recipients), Blocks: m.Blocks(), Attempts: e.Attempts}, true
}

// adopt takes over what a look at the disk gave.
func (c *controller) adopt(f *found, now time.Time) {
	if f.err != nil {
		c.log.error("synchronise: %v", f.err)
	}
	for _, id := range f.missing {
		ch := c.channels[channelOf(id)]
		m := ch.messages[path.Base(id)]
		if m == nil || m.state == working {
			continue
		}
		if name, ok := c.locate(m.name); ok {
			m.name = name
		} else {
			c.drop(ch, m)
		}
	}
	for _, x := range f.fresh {
		ch := c.channel(channelOf(x.told.Name))
		due := now
		if !c.urgent {
			delay := ch.delay(x.told.Attempts)
			due = now.Add(min(delay, delay-now.Sub(x.changed))) // a file of the future: the clock was put back
		}
		if !ch.knows(x.told) {
			c.add(ch, x.told, due, now)
		}
	}
	c.overflow = c.overflow || f.more
	c.syncing, c.syncTook = false, now.Sub(c.syncedAt)
	for _, done := range c.waiters {
		done()
	}
	c.waiters, c.next = c.next, nil
	if c.urgent = len(c.waiters) > 0; c.urgent {
		c.sync(now)
	}
}

func (c *controller) String() string { return fmt.Sprintf("%d messages", c.count) }
