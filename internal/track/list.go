package track

import (
	"cmp"
	"encoding/json"
	"slices"
	"time"

	"github.com/mtawatch/mtawatch/internal/mta"
)

// add begins a message under the event's id and makes room when the limit is
// reached.
func (t *Tracker) add(e *mta.Event) *message {
	t.makeRoom(e.Time.UnixNano())
	m := t.alloc()
	m.shop = t.shopOf(e.Instance)
	m.shop.joined = true
	m.id.set(e.QueueID)
	t.link(m)
	t.found = m
	return m
}

func (t *Tracker) alloc() *message {
	m := t.free
	if m == nil {
		return new(message)
	}
	t.free = m.next
	m.next = nil
	return m
}

// neverCame is how long an origin line waits for its message.
const neverCame = time.Hour

// makeRoom forgets what never came to be a message, and at the limit the
// message that entered longest ago.
func (t *Tracker) makeRoom(now int64) {
	for m := t.waiting.first; m != nil && m.received != 0 && now-m.received > int64(neverCame); m = t.waiting.first {
		t.drop(m)
	}
	if t.count < t.max {
		return
	}
	if m := t.waiting.first; m != nil {
		t.drop(m)
		return
	}
	t.dropped++
	t.drop(t.queue.first)
}

func (t *Tracker) link(m *message) {
	m.shop.open.add(m)
	t.count++
	t.listOf(m).add(m)
}

func (t *Tracker) listOf(m *message) *list {
	if m.inQueue {
		return &t.queue
	}
	return &t.waiting
}

// list is messages in the order in which they came into it.
type list struct{ first, last *message }

func (l *list) add(m *message) {
	m.prev, m.next = l.last, nil
	if l.last == nil {
		l.first = m
	} else {
		l.last.next = m
	}
	l.last = m
}

func (l *list) remove(m *message) {
	if m.prev == nil {
		l.first = m.next
	} else {
		m.prev.next = m.next
	}
	if m.next == nil {
		l.last = m.prev
	} else {
		m.next.prev = m.prev
	}
}

// drop forgets a message and takes it out of the depth.
func (t *Tracker) drop(m *message) {
	if m.inQueue {
		d := &m.shop.depth
		d.Messages--
		if m.deferred {
			d.Deferred--
		}
		if m.held {
			d.Held--
		}
		if m.channel != 0 && !m.held {
			m.shop.channels[m.channel-1].add(m, -1)
		}
	}
	if m.stored {
		t.deleted = append(t.deleted, m.key())
	}
	if t.found == m {
		t.found = nil
	}
	m.shop.open.remove(m)
	t.count--
	t.listOf(m).remove(m)
	*m = message{next: t.free, listed: m.listed}
	t.free = m
}

// record is a message as the state store keeps it.
type record struct {
	Instance   string `json:"i"`
	ID         string `json:"q"`
	From       string `json:"f,omitempty"`
	Client     string `json:"c,omitempty"`
	SASL       string `json:"u,omitempty"`
	Received   int64  `json:"t,omitempty"`
	Size       int64  `json:"s,omitempty"`
	Recipients int32  `json:"n,omitempty"`
	Attempts   int32  `json:"a,omitempty"`
	Flags      uint8  `json:"b,omitempty"`
	Via        string `json:"v,omitempty"`
	Channel    string `json:"h,omitempty"`
	Waits      *waits `json:"w,omitempty"`
}

// Flush hands out what changed since the last Flush: put for messages that
// are new or changed, del for those that are gone. A message that came and
// went in between is never handed out.
func (t *Tracker) Flush(put func(key string, value []byte), del func(key string)) {
	for _, k := range t.deleted {
		del(k) // before any put: the id may be in use again
	}
	t.deleted = t.deleted[:0]
	for _, m := range t.dirty {
		m.listed = false
		if !m.dirty {
			continue
		}
		m.dirty, m.stored = false, true
		v, err := json.Marshal(record{m.shop.name, m.id.String(), m.from, m.client, m.sasl, m.received, m.size, m.recipients, m.attempts, m.flags(), m.via, m.channelName(), m.waits})
		if err == nil { // a struct of strings and numbers always encodes
			put(m.key(), v)
		}
	}
	t.dirty = t.dirty[:0]
}

// MarkAll makes the next Flush hand out every open message, for a store that
// has lost what it was given before.
func (t *Tracker) MarkAll() {
	t.deleted = t.deleted[:0]
	for _, l := range []*list{&t.waiting, &t.queue} {
		for m := l.first; m != nil; m = m.next {
			t.mark(m)
		}
	}
}

func (t *Tracker) mark(m *message) {
	if !m.dirty {
		m.dirty = true
		if m.listed {
			return
		}
		m.listed = true
		t.dirty = append(t.dirty, m)
	}
}

// Restore takes back the records that Flush handed out, before the first
// Apply, in any order. It counts those that could not be read.
func (t *Tracker) Restore(values [][]byte) (bad int) {
	records := make([]record, 0, len(values))
	for _, v := range values {
		var r record
		if json.Unmarshal(v, &r) != nil || r.ID == "" {
			bad++
			continue
		}
		records = append(records, r)
	}
	slices.SortFunc(records, func(a, b record) int { return cmp.Compare(a.Received, b.Received) })
	for _, r := range records {
		t.restore(r)
	}
	return bad
}

func (t *Tracker) restore(r record) {
	s := t.shopOf(r.Instance)
	if s.open.find(r.ID) != nil {
		return
	}
	t.makeRoom(r.Received)
	m := t.alloc()
	*m = message{shop: s, listed: m.listed, from: r.From, client: r.Client, sasl: r.SASL, received: r.Received, size: r.Size,
		recipients: r.Recipients, attempts: r.Attempts, stored: true, via: t.program(r.Via), waits: r.Waits}
	m.id.set(r.ID)
	m.null, m.origin, m.inQueue = r.Flags&1 != 0, r.Flags&2 != 0, r.Flags&4 != 0
	m.queued, m.deferred, m.held, m.putOff = r.Flags&8 != 0, r.Flags&16 != 0, r.Flags&32 != 0, r.Flags&64 != 0
	t.link(m)
	t.into(m, r.Channel)
	if m.waits != nil {
		s.perRecipient = true
		m.waits.restored(t)
	}
	if m.inQueue {
		d := &s.depth
		d.Messages++
		d.Deferred += int64(r.Flags >> 4 & 1)
		d.Held += int64(r.Flags >> 5 & 1)
	}
}

func (m *message) flags() uint8 {
	var f uint8
	for i, b := range [...]bool{m.null, m.origin, m.inQueue, m.queued, m.deferred, m.held, m.putOff} {
		if b {
			f |= 1 << i
		}
	}
	return f
}

// key is what the message is stored under: "INSTANCE/ID".
func (m *message) key() string { return m.shop.name + "/" + m.id.String() }
