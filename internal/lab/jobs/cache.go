package jobs

import (
	"container/heap"
	"math/rand/v2"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/mtawatch/mtawatch/internal/lab/queue"
)

// hostLimit is how many messages to one destination are in work at once, so
// that a host which is slow leaves room for the others.
const hostLimit = 20

// message is one that the controller knows.
type message struct {
	name     string // below the queue directory
	id       string
	dest     *destination
	attempts int
	blocks   int
	rcpts    int
	due      time.Time
	deaths   int // programs that ended with it in their hands
	place    int // in the heap of those that wait
	state    state
}

type state uint8

const (
	ready   state = iota // to be handed out
	waiting              // until due
	working              // in a program's hands
	gone                 // not on the disk any more
)

// destination is what messages of a channel have in common: the host they go to.
type destination struct {
	name    string
	ready   []*message // oldest first; may hold some that are gone
	waiting int
	working int
	listed  bool // in the channel's turn
}

// channelCache is what the controller knows of a channel.
type channelCache struct {
	name     string
	backoff  []time.Duration
	messages map[string]*message // by id
	dests    map[string]*destination
	turn     []*destination // those with something ready and room, in turn
	heap     delayed
	ready    int // messages to be handed out
	counters Counters
}

func newChannelCache(name string, backoff []time.Duration) *channelCache {
	return &channelCache{name: name, backoff: backoff, messages: map[string]*message{}, dests: map[string]*destination{}}
}

// add takes a message unless it is known. due says when it may be tried.
func (c *channelCache) add(t Told, due, now time.Time) bool {
	_, id, _, held, ok := queue.ParseName(path.Base(t.Name))
	if !ok || held || c.messages[id] != nil {
		return false
	}
	d := c.dests[t.Host]
	if d == nil {
		d = &destination{name: t.Host}
		c.dests[t.Host] = d
	}
	m := &message{name: t.Name, id: id, dest: d, attempts: t.Attempts, blocks: t.Blocks, rcpts: t.Recipients}
	c.messages[id] = m
	c.wait(m, due, now)
	return true
}

func (c *channelCache) knows(t Told) bool {
	_, id, _, _, _ := queue.ParseName(path.Base(t.Name))
	return c.messages[id] != nil
}

// wait lets a message be tried at a time.
func (c *channelCache) wait(m *message, due, now time.Time) {
	m.due = due
	if !due.After(now) {
		c.makeReady(m)
		return
	}
	m.state = waiting
	m.dest.waiting++
	heap.Push(&c.heap, m)
}

func (c *channelCache) makeReady(m *message) {
	m.state = ready
	c.ready++
	m.dest.ready = append(m.dest.ready, m)
	c.list(m.dest)
}

// list gives a destination its turn if it has something to do and room.
func (c *channelCache) list(d *destination) {
	if !d.listed && len(d.ready) > 0 && (d.working < hostLimit || d.name == "") {
		d.listed = true
		c.turn = append(c.turn, d)
	}
}

// wake moves what is due to the ready; all moves the rest too.
func (c *channelCache) wake(now time.Time, all bool) {
	for len(c.heap) > 0 && (all || !c.heap[0].due.After(now)) {
		m, _ := heap.Pop(&c.heap).(*message) // it holds nothing else
		m.dest.waiting--
		c.makeReady(m)
	}
}

// next hands out a message: destinations in turn, each its oldest first.
func (c *channelCache) next() *message {
	for len(c.turn) > 0 {
		d := c.turn[0]
		c.turn = c.turn[1:]
		d.listed = false
		for len(d.ready) > 0 {
			m := d.ready[0]
			d.ready = d.ready[1:]
			if m.state == gone {
				continue
			}
			m.state = working
			c.ready--
			d.working++
			c.list(d)
			return m
		}
		c.forgetIdle(d)
	}
	return nil
}

// drop forgets a message.
func (c *channelCache) drop(m *message) {
	switch m.state {
	case ready:
		c.ready--
	case waiting:
		heap.Remove(&c.heap, m.place)
		m.dest.waiting--
	case working:
		m.dest.working--
	}
	m.state = gone
	if c.messages[m.id] == m {
		delete(c.messages, m.id)
	}
	c.list(m.dest)
	c.forgetIdle(m.dest)
}

// again takes a message back from a program, under the name that it has now.
func (c *channelCache) again(m *message, name string, due, now time.Time) {
	m.dest.working--
	if attempts, id, _, held, ok := queue.ParseName(path.Base(name)); ok && id == m.id && !held {
		m.name, m.attempts = name, attempts
	}
	c.wait(m, due, now)
	c.list(m.dest)
}

func (c *channelCache) forgetIdle(d *destination) {
	if len(d.ready) == 0 && d.waiting == 0 && d.working == 0 && !d.listed {
		delete(c.dests, d.name)
	}
}

// delay is how long a message waits after so many attempts: the channel's
// backoff, a tenth more or less so that what failed together does not come
// back together.
func (c *channelCache) delay(attempts int) time.Duration {
	d := backoffOf(c.backoff, attempts)
	return d - d/10 + rand.N(d/5+1)
}

// backoffOf is that delay without the tenth.
func backoffOf(list []time.Duration, attempts int) time.Duration {
	if attempts <= 0 || len(list) == 0 {
		return 0
	}
	return list[min(attempts, len(list))-1]
}

// nextDue is when the first of those that wait is due; zero: none waits.
func (c *channelCache) nextDue() time.Time {
	if len(c.heap) == 0 {
		return time.Time{}
	}
	return c.heap[0].due
}

// active is how many messages of a destination are in work or could be.
func (d *destination) active() int {
	n := d.working
	for _, m := range d.ready {
		if m.state == ready {
			n++
		}
	}
	return n
}

// destinations gives those of a channel in order of their names.
func (c *channelCache) destinations() []*destination {
	list := make([]*destination, 0, len(c.dests))
	for _, d := range c.dests {
		list = append(list, d)
	}
	slices.SortFunc(list, func(a, b *destination) int { return strings.Compare(a.name, b.name) })
	return list
}

// delayed is a heap of messages by the time when they are due.
type delayed []*message

func (h delayed) Len() int           { return len(h) }
func (h delayed) Less(i, j int) bool { return h[i].due.Before(h[j].due) }
func (h delayed) Swap(i, j int) {
	h[i], h[j] = h[j], h[i]
	h[i].place, h[j].place = i, j
}

// Push and Pop are container/heap's.
func (h *delayed) Push(x any) {
	m, _ := x.(*message) // only wait pushes
	m.place = len(*h)
	*h = append(*h, m)
}

// Pop takes the last.
func (h *delayed) Pop() any {
	old := *h
	m := old[len(old)-1]
	old[len(old)-1] = nil
	*h = old[:len(old)-1]
	return m
}
