package track

import "time"

// Waiting is the messages of one queue and the arrival of the oldest; zero
// when there is none or it is not known.
type Waiting struct {
	Messages int64
	Oldest   time.Time
}

// QueueDepth is the queue of one instance as the log tells it. A message is in
// one of the three: on hold, deferred at its last attempt, or neither. A server
// with a queue for each channel has those, by name, beside the three.
type QueueDepth struct {
	Active, Deferred, Held Waiting
	Channels               []ChannelDepth
}

// ChannelDepth is one channel's queue.
type ChannelDepth struct {
	Name string
	Waiting
	Untried Waiting // of those the messages that no delivery was tried for
}

// Counts gives the depth of an instance's queue without the oldest message:
// it costs nothing.
func (t *Tracker) Counts(instance string) Depth {
	if s := t.shops[instance]; s != nil {
		return s.depth
	}
	return Depth{}
}

// Joins reports whether the log of an instance tells what its queue holds: it
// does not where it names mail without any id.
func (t *Tracker) Joins(instance string) bool {
	s := t.shops[instance]
	return s == nil || s.joined || !s.loose
}

// Queue gives the queue of an instance by queues, with the oldest message of
// each. It looks at every open message.
func (t *Tracker) Queue(instance string) QueueDepth {
	var q QueueDepth
	s := t.shops[instance]
	if s == nil {
		return q
	}
	var oldest [3]int64
	for i := range s.channels {
		q.Channels = append(q.Channels, ChannelDepth{Name: s.channels[i].name})
	}
	for m := t.queue.first; m != nil; m = m.next {
		if m.shop != s {
			continue
		}
		if m.channel != 0 && !m.held {
			q.Channels[m.channel-1].add(m)
		}
		w, i := &q.Active, 0
		switch {
		case m.held:
			w, i = &q.Held, 1
		case m.deferred:
			w, i = &q.Deferred, 2
		}
		w.Messages++
		if m.received != 0 && (oldest[i] == 0 || m.received < oldest[i]) {
			oldest[i] = m.received
			w.Oldest = time.Unix(0, m.received)
		}
	}
	return q
}

func (c *ChannelDepth) add(m *message) {
	c.Waiting.add(m)
	if m.attempts == 0 {
		c.Untried.add(m)
	}
}

func (w *Waiting) add(m *message) {
	w.Messages++
	if at := time.Unix(0, m.received); m.received != 0 && (w.Oldest.IsZero() || at.Before(w.Oldest)) {
		w.Oldest = at
	}
}

// Forget drops every open message: lines are missing, and what became of them
// is not known.
func (t *Tracker) Forget() {
	for _, l := range []*list{&t.waiting, &t.queue} {
		for l.first != nil {
			t.drop(l.first)
		}
	}
	for _, s := range t.shops {
		clear(s.sessions)
		clear(s.early)
	}
}
