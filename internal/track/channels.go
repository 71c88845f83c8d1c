package track

import (
	"slices"
	"strings"
	"time"

	"github.com/mtawatch/mtawatch/internal/mta"
)

// channel is one queue of a server that has one for each channel.
type channel struct {
	name     string
	messages int64
	untried  int64
}

// add counts a message in, or with -1 out.
func (c *channel) add(m *message, n int64) {
	c.messages += n
	if m.attempts == 0 {
		c.untried += n
	}
}

// tried counts an attempt.
func (m *message) tried() {
	if m.attempts++; m.attempts == 1 && m.channel != 0 && m.inQueue && !m.held {
		m.shop.channels[m.channel-1].untried--
	}
}

// maxChannels bounds the channels of one instance: the last is that of all others.
const maxChannels = 64

// into puts a message that is in no channel into one; "" is none.
func (t *Tracker) into(m *message, name string) {
	if name == "" || m.channel != 0 {
		return
	}
	s := m.shop
	i := slices.IndexFunc(s.channels, func(c channel) bool { return c.name == name })
	switch {
	case i >= 0:
	case len(s.channels) < maxChannels-1:
		s.channels = append(s.channels, channel{name: strings.Clone(name[:min(len(name), maxChannelName)])})
		i = len(s.channels) - 1
	default:
		if len(s.channels) < maxChannels {
			s.channels = append(s.channels, channel{name: "other"})
		}
		i = maxChannels - 1
	}
	m.channel = uint8(i + 1)
	if m.inQueue && !m.held {
		s.channels[i].add(m, 1)
	}
}

// maxChannelName is how many bytes of a channel's name are kept; they have 32 at most.
const maxChannelName = 64

func (m *message) channelName() string {
	if m.channel == 0 {
		return ""
	}
	return m.shop.channels[m.channel-1].name
}

// ChannelCounts gives the channels of an instance without their oldest
// messages: it costs little.
func (t *Tracker) ChannelCounts(instance string, add func(name string, messages, untried int64)) {
	if s := t.shops[instance]; s != nil {
		for i := range s.channels {
			add(s.channels[i].name, s.channels[i].messages, s.channels[i].untried)
		}
	}
}

// waits is who of a message's recipients is not done, by destination.
type waits struct {
	Left int32  `json:"n"` // recipients; of a message that was there before the log a lower bound
	To   []wait `json:"d,omitempty"`
}

type wait struct {
	Destination string `json:"d"`
	Reason      string `json:"r,omitempty"` // of the last attempt, as logged
	Left        int32  `json:"n"`
}

// Bounds of what is kept of one message.
const (
	maxWaits  = 8   // destinations; more recipients than theirs wait for "other"
	maxReason = 200 // bytes
)

func (w *waits) of(destination string) *wait {
	for i := range w.To {
		if w.To[i].Destination == destination {
			return &w.To[i]
		}
	}
	return nil
}

// add counts a recipient in.
func (w *waits) add(destination string) *wait {
	w.Left++
	to := w.of(destination)
	if to == nil && len(w.To) >= maxWaits {
		destination = "other"
		to = w.of(destination)
	}
	if to == nil {
		w.To = append(w.To, wait{Destination: destination})
		to = &w.To[len(w.To)-1]
	}
	to.Left++
	return to
}

// restored takes the names from the tables of those that are kept once.
func (w *waits) restored(t *Tracker) {
	for i := range w.To {
		to := &w.To[i]
		if n, ok := t.names[to.Destination]; ok {
			to.Destination = n
		}
		if to.Reason != "" {
			to.Reason = t.texts.keep(to.Reason)
		}
	}
}

// maxEarly bounds the ids of which recipients are done before their arrival
// is logged: several programs write one log.
const maxEarly = 256

// sameArrival is how far apart the lines of one message's recipients may be
// once it was tried.
const sameArrival = time.Minute

// recipient takes the arrival of one recipient, of a message that was
// counted as received before where the line is a KindQueued.
func (t *Tracker) recipient(e *mta.Event, f *Fact) {
	m := t.find(e)
	if m != nil && (!m.origin || m.attempts > 0 && e.Time.UnixNano()-m.received > int64(sameArrival)) {
		t.drop(m) // the id is used again: the old message's end was not seen
		m = nil
	}
	s := t.shopOf(e.Instance)
	s.perRecipient = true
	f.Recipient = true
	if m == nil {
		f.Received, f.First = e.Kind == mta.KindReceived, true
		m = t.add(e)
		m.origin, m.queued, m.waits = true, true, &waits{}
		m.received = e.Time.UnixNano()
		m.from, m.null = t.keep(e.From, ""), e.NullSender
		m.client, m.sasl, m.size, m.via = t.keep(e.Client.IP, ""), t.keep(e.SASLUser, ""), e.Size, t.program(e.Program)
		t.into(m, e.Queue)
		t.enter(e, m)
	}
	if e.Kind == mta.KindQueued && !f.First && m.via != e.Program {
		t.moves(m, e.Queue) // the same id in the next channel: no other recipient
		f.Client, f.Account = m.client, m.sasl
		return
	}
	m.recipients++
	t.mark(m)
	if m.waits == nil { // of a log that told messages otherwise before
		m.waits = &waits{}
	}
	m.waits.add(t.Destination(e.To))
	f.Client, f.Account = m.client, m.sasl
	if n := s.early[e.QueueID]; n > 0 {
		if s.early[e.QueueID] = n - 1; n == 1 {
			delete(s.early, e.QueueID)
		}
		m.tried()
		t.finish(m, t.Destination(e.To), e.Time, f)
	}
}

// moves puts a message into another channel.
func (t *Tracker) moves(m *message, name string) {
	if m.channel != 0 && m.inQueue && !m.held {
		m.shop.channels[m.channel-1].add(m, -1)
	}
	m.channel = 0
	t.into(m, name)
	t.mark(m)
}

// done takes what an attempt means for the recipients of its message, where
// no line tells of the message's end. It is called after deliver.
func (t *Tracker) done(e *mta.Event, f *Fact) {
	s := t.shopOf(e.Instance)
	if !s.perRecipient || e.QueueID == "" {
		return
	}
	m := t.find(e)
	final := e.Status == mta.StatusSent || e.Status == mta.StatusBounced || e.Status == mta.StatusExpired
	switch {
	case m == nil && final:
		if len(s.early) >= maxEarly {
			clear(s.early)
		}
		if s.early == nil {
			s.early = make(map[string]int)
		}
		s.early[strings.Clone(e.QueueID)]++
	case m == nil || m.waits == nil:
	case final:
		t.finish(m, f.Delivery.Destination, e.Time, f)
	case e.Status == mta.StatusDeferred:
		to := m.waits.of(f.Delivery.Destination)
		if to == nil && (!m.origin || len(m.waits.To) == 0) { // it was in the queue before the log began
			to = m.waits.add(f.Delivery.Destination)
		}
		if to != nil {
			if reason := e.Reply[:min(len(e.Reply), maxReason)]; reason != to.Reason {
				to.Reason = t.keep(reason, to.Reason)
			}
		}
		t.mark(m)
	}
}

// finish counts one recipient of a message out, and ends the message with the
// last one.
func (t *Tracker) finish(m *message, destination string, at time.Time, f *Fact) {
	w := m.waits
	to := w.of(destination)
	if to == nil {
		to = w.of("other")
	}
	if to != nil {
		if to.Left--; to.Left <= 0 {
			*to = w.To[len(w.To)-1]
			w.To[len(w.To)-1] = wait{}
			w.To = w.To[:len(w.To)-1]
		}
	}
	t.mark(m)
	if w.Left--; w.Left > 0 {
		return
	}
	f.Removed = true
	if m.received != 0 {
		f.Stay = max(0, at.Sub(time.Unix(0, m.received)))
	}
	t.drop(m)
}

// Waits gives for whom a message waits, as the log tells it: a recipient for
// each, "@DOMAIN" with the reason of its last attempt. ok is false where the log
// does not know the message, or not for whom.
func (t *Tracker) Waits(instance, queueID string) (list []mta.QueuedRecipient, ok bool) {
	s := t.shops[instance]
	if s == nil || queueID == "" {
		return nil, false
	}
	m := s.open.find(queueID)
	if m == nil || m.waits == nil || len(m.waits.To) == 0 {
		return nil, false
	}
	for _, to := range m.waits.To {
		address := "@" + to.Destination
		if to.Destination == "local" {
			address = "local"
		}
		for range min(to.Left, maxRecipients) {
			list = append(list, mta.QueuedRecipient{Address: address, Reason: to.Reason})
		}
	}
	return list, true
}

// maxRecipients bounds what Waits gives for one destination.
const maxRecipients = 1000

// Sender gives who sent a message that the log knows.
func (t *Tracker) Sender(instance, queueID string) (from string, size int64, ok bool) {
	if s := t.shops[instance]; s != nil && queueID != "" {
		if m := s.open.find(queueID); m != nil && m.origin {
			return m.from, m.size, true
		}
	}
	return "", 0, false
}
