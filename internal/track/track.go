// Package track joins events by instance and queue id into messages and
// deliveries, names the cause of each failure, and rebuilds the queue's depth
// and oldest age from the log alone.
//
// Events go in, in the order of the log; Facts come out. Queue ids are
// reused by every MTA, so an id alone does not make a message: a new origin
// line under a known id begins a new message.
//
// Memory is bounded by Config.MaxMessages. At the limit what never came to be
// a message goes first; then the message that entered longest ago is forgotten
// and counted in Dropped: its later deliveries still count, but lose sender
// and size, and the depth rebuilt from the log becomes a lower bound.
//
// Some servers log a line for each recipient and none for a message's end
// (mta.Event.PerRecipient). Of their messages the recipients still open are
// kept by destination, with the last reason: maxWaits destinations each, the
// reason cut to maxReason bytes, so that MaxMessages bounds that too.
package track

import (
	"cmp"
	"hash/maphash"
	"strings"
	"time"

	"github.com/mtawatch/mtawatch/internal/classify"
	"github.com/mtawatch/mtawatch/internal/mta"
)

// Config bounds a Tracker. Zero values: 100,000 messages.
type Config struct {
	MaxMessages int
}

// Fact is what one event comes to when joined with those before it.
type Fact struct {
	Event    *mta.Event // with Cause and, for deliveries, From filled
	Received bool       // the event completes the acceptance of a new message: count it
	Delivery *mta.Delivery
	// Client and Account are who handed in the message that was received, or of which this is a
	// delivery: address and SASL user, "" when not known.
	Client, Account string
	Removed         bool          // the message left the queue
	Stay            time.Duration // Removed: how long it was there; 0 when unknown
	// Recipient: one more recipient was accepted for a message: the server logs a line for each.
	// First: it is the first of the message.
	Recipient, First bool
	// Via is the program that took in the message that was received.
	Via string
	// PutOff: a delivery of the message was put off before this one.
	PutOff bool
}

// Tracker joins events. One goroutine uses it.
type Tracker struct {
	max      int
	causes   *causeCache
	shops    map[string]*shop
	last     *shop    // of the event before: they come in runs
	found    *message // by the last find; nil when it is gone
	count    int      // open messages of all shops
	waiting  list     // messages that the queue does not have yet
	queue    list     // messages that the queue has
	free     *message
	dirty    []*message // changed since the last Flush, each once; some may be recycled
	deleted  []string   // keys of stored messages that are gone since the last Flush
	dropped  int64
	delivery mta.Delivery
	names    map[string]string // domains as logged -> in lower case, one copy of each
	programs []string          // one copy of the name of each program; bounded
	texts    interner          // of senders and clients
}

// shop is one instance: its open messages by queue id, and its queue.
type shop struct {
	name  string
	open  index
	depth Depth
	// sessions has the message that each receiving process began last, to
	// end it when its client is lost in the middle.
	sessions map[int32]*message

	loose        bool           // mail without a queue id was received
	joined       bool           // a message with one was
	perRecipient bool           // a line for each recipient, none for a message's end
	early        map[string]int // recipients that were done before the line of their arrival, by queue id
	channels     []channel      // its queues, where it has several of its own
}

// maxSessions bounds shop.sessions.
const maxSessions = 10_000

// message is one open message, in a list by time of entry.
type message struct {
	id         queueID
	shop       *shop
	prev, next *message
	from       string
	client     string
	sasl       string
	received   int64 // unix nanoseconds; 0 unknown
	size       int64
	recipients int32
	attempts   int32
	pid        int32 // of the process that received it; 0 after a restart
	null       bool
	origin     bool // the origin line was seen
	inQueue    bool // the queue has it: its Message-ID or queued line was seen
	queued     bool // the queued line was seen: it has been counted as received
	deferred   bool
	held       bool
	stored     bool // Flush has handed it out
	dirty      bool
	listed     bool // in Tracker.dirty, whatever has become of it

	putOff  bool   // a delivery of it was put off
	channel uint8  // its place in shop.channels, counted from 1; 0: none
	via     string // the program that took it in
	waits   *waits // of a server that logs each recipient
}

// Depth is the queue of one instance as the log tells it.
type Depth struct {
	Messages int64
	Deferred int64
	Held     int64
}

// New makes an empty Tracker. c names the causes.
func New(cfg Config, c *classify.Classifier) *Tracker {
	if cfg.MaxMessages <= 0 {
		cfg.MaxMessages = 100_000
	}
	return &Tracker{
		max:    cfg.MaxMessages,
		causes: newCauseCache(c),
		shops:  make(map[string]*shop),
		names:  make(map[string]string),
		texts:  interner{seed: maphash.MakeSeed()},
	}
}

// Apply joins e with what is known. It fills e.Cause and, where the line did
// not give them, a delivery's From, NullSender and Size. The Fact's Delivery is valid until the
// next call.
func (t *Tracker) Apply(e *mta.Event) Fact {
	f := Fact{Event: e}
	switch e.Kind {
	case mta.KindOrigin:
		t.begin(e)
	case mta.KindMessage:
		if e.QueueID != "" {
			t.enter(e, t.find(e))
		}
	case mta.KindQueued:
		if e.PerRecipient {
			t.recipient(e, &f)
			break
		}
		if f.Received = t.queued(e); f.Received {
			f.Via = t.find(e).via
		}
		f.Client, f.Account = t.submitter(e)
	case mta.KindReceived:
		f.Via = e.Program
		switch {
		case e.QueueID == "": // there is nothing to join
			f.Received, f.Recipient, f.First = true, e.PerRecipient, e.PerRecipient
			t.shopOf(e.Instance).loose = true
			f.Client, f.Account = e.Client.IP, e.SASLUser
		case e.PerRecipient:
			t.recipient(e, &f)
		default:
			t.begin(e)
			f.Received = t.queued(e)
			f.Client, f.Account = t.submitter(e)
		}
	case mta.KindDelivery:
		f.Delivery = t.deliver(e, &f)
		if e.Status != mta.StatusSent {
			f.Client, f.Account = t.submitter(e)
		}
		t.done(e, &f)
	case mta.KindRemoved:
		if m := t.find(e); e.PerRecipient && m != nil && m.waits != nil {
			t.finish(m, t.Destination(e.To), e.Time, &f)
			break
		}
		f.Removed, f.Stay = true, t.removed(e)
	case mta.KindReject:
		e.Cause = t.causes.cause(e)
		t.rejected(e)
	case mta.KindHeld:
		t.hold(e)
	case mta.KindDisconnect:
		t.disconnected(e)
	}
	return f
}

// Dropped counts the messages forgotten at the limit.
func (t *Tracker) Dropped() int64 { return t.dropped }

// Open counts the messages that are known and have not left.
func (t *Tracker) Open() int { return t.count }

// Depth gives the queue of an instance as the log tells it, and when the
// oldest message in it arrived (zero when there is none).
func (t *Tracker) Depth(instance string) (Depth, time.Time) {
	s := t.shops[instance]
	if s == nil {
		return Depth{}, time.Time{}
	}
	var oldest int64
	for m := t.queue.first; m != nil; m = m.next {
		if m.shop == s && m.received != 0 && (oldest == 0 || m.received < oldest) {
			oldest = m.received
		}
	}
	if oldest == 0 {
		return s.depth, time.Time{}
	}
	return s.depth, time.Unix(0, oldest)
}

// shopOf gives the shop of an instance.
func (t *Tracker) shopOf(instance string) *shop {
	if t.last != nil && t.last.name == instance {
		return t.last
	}
	s := t.shops[instance]
	if s == nil {
		s = &shop{name: strings.Clone(instance), open: newIndex(), sessions: make(map[int32]*message)}
		t.shops[s.name] = s
	}
	t.last = s
	return s
}

// find gives the message that the event is about; nil when it is not known.
// One event asks more than once, and events of one message come in runs.
func (t *Tracker) find(e *mta.Event) *message {
	s := t.shopOf(e.Instance)
	if m := t.found; m != nil && m.shop == s && m.id.is(e.QueueID) {
		return m
	}
	t.found = s.open.find(e.QueueID)
	return t.found
}

// submitter gives who handed in the message that the event is about.
func (t *Tracker) submitter(e *mta.Event) (client, account string) {
	if m := t.find(e); m != nil {
		return m.client, m.sasl
	}
	return "", ""
}

// begin starts a new message, or completes one whose first lines came before
// its origin line (two programs write the same log).
func (t *Tracker) begin(e *mta.Event) {
	if e.QueueID == "" {
		return
	}
	m := t.find(e)
	if m != nil && (m.origin || e.Time.UnixNano()-m.received > int64(10*time.Second)) {
		t.drop(m) // the id is used again: the old message's end was not seen
		m = nil
	}
	if m == nil {
		m = t.add(e)
	}
	m.origin, m.pid = true, e.PID
	if len(m.shop.sessions) >= maxSessions {
		clear(m.shop.sessions)
	}
	m.shop.sessions[e.PID] = m
	t.mark(m)
	if m.received == 0 || e.Time.UnixNano() < m.received {
		m.received = e.Time.UnixNano()
	}
	m.client = t.keep(e.Client.IP, m.client)
	m.sasl = t.keep(e.SASLUser, m.sasl)
	m.via = t.program(e.Program)
	if e.From != "" || e.NullSender {
		m.from, m.null = t.keep(e.From, m.from), e.NullSender
	}
}

// enter notes that the queue has the message m, which is nil when nothing is
// known of it.
func (t *Tracker) enter(e *mta.Event, m *message) *message {
	if m == nil {
		m = t.add(e)
		m.received = e.Time.UnixNano()
	}
	if !m.inQueue {
		t.waiting.remove(m)
		t.queue.add(m)
		m.inQueue = true
		t.mark(m)
		m.shop.depth.Messages++
		if m.channel != 0 {
			m.shop.channels[m.channel-1].add(m, 1)
		}
	}
	return m
}

// queued reports whether the message is new: a queued line comes again at
// each retry, and for a message of which nothing is known it is a retry.
func (t *Tracker) queued(e *mta.Event) bool {
	if e.QueueID == "" {
		return false
	}
	m := t.find(e)
	fresh := m != nil && !m.queued
	m = t.enter(e, m)
	t.undefer(m)
	if fresh || m.from == "" {
		m.from, m.null = t.keep(e.From, m.from), e.NullSender
	}
	m.size, m.recipients = e.Size, e.Recipients
	m.queued = true
	t.mark(m)
	return fresh
}

func (t *Tracker) deliver(e *mta.Event, f *Fact) *mta.Delivery {
	if e.Status != mta.StatusSent {
		e.Cause = t.causes.cause(e)
	}
	m := t.find(e)
	if m == nil && e.Status == mta.StatusDeferred && e.QueueID != "" {
		// It was in the queue before the log began; its delay says since when.
		m = t.enter(e, nil)
		m.queued = true
		m.received = e.Time.Add(-e.Delay).UnixNano()
		if m.shop.perRecipient {
			t.into(m, e.Program)
			m.waits = &waits{}
		}
	}
	d := &t.delivery
	*d = mta.Delivery{Event: e, Attempt: 1, Destination: t.Destination(e.To)}
	if m == nil {
		return d
	}
	if !e.HasDelay && m.origin && m.received != 0 {
		e.Delay, e.HasDelay = max(0, e.Time.Sub(time.Unix(0, m.received))), true
	}
	if e.From == "" && !e.NullSender {
		e.From, e.NullSender = m.from, m.null
	}
	m.tried()
	t.mark(m)
	d.Attempt = int(m.attempts)
	if m.received != 0 {
		d.Received = time.Unix(0, m.received)
	}
	if e.Size == 0 {
		e.Size = m.size
	}
	f.PutOff = m.putOff
	if e.Status == mta.StatusDeferred && !m.deferred {
		m.deferred, m.putOff = true, true
		if m.inQueue {
			m.shop.depth.Deferred++
		}
	}
	return d
}

func (t *Tracker) removed(e *mta.Event) time.Duration {
	m := t.find(e)
	if m == nil {
		return 0
	}
	var stay time.Duration
	if m.received != 0 {
		stay = max(0, e.Time.Sub(time.Unix(0, m.received)))
	}
	t.drop(m)
	return stay
}

// rejected ends a message that was refused whole. A refused recipient leaves
// the others.
func (t *Tracker) rejected(e *mta.Event) {
	if e.QueueID == "" || e.Stage != mta.StageEOM && e.Stage != mta.StageData {
		return
	}
	if m := t.find(e); m != nil && !m.queued {
		t.drop(m)
	}
}

// disconnected ends the message whose client was lost in the middle of it:
// nothing else in the log tells that it never came to be.
func (t *Tracker) disconnected(e *mta.Event) {
	s := t.shopOf(e.Instance)
	m := s.sessions[e.PID]
	if m == nil {
		return
	}
	delete(s.sessions, e.PID)
	if e.Stage == mta.StageData && m.shop == s && m.pid == e.PID && !m.queued {
		t.drop(m)
	}
}

func (t *Tracker) hold(e *mta.Event) {
	m := t.find(e)
	if m == nil {
		return
	}
	held := e.Action != mta.ActionReleased
	if m.held != held && m.inQueue {
		n := map[bool]int64{true: 1, false: -1}[held]
		m.shop.depth.Held += n
		if m.channel != 0 { // the channel does not work on it meanwhile
			m.shop.channels[m.channel-1].add(m, -n)
		}
	}
	m.held = held
	t.mark(m)
}

func (t *Tracker) undefer(m *message) {
	if m.deferred {
		m.deferred = false
		t.mark(m)
		if m.inQueue {
			m.shop.depth.Deferred--
		}
	}
}

// Cause names the cause of one event by its own line alone, as Apply does:
// for deliveries that were not sent, and for rejects. Where the line tells no
// reason it is mta.CauseOther: none is only what was sent.
func Cause(c *classify.Classifier, e *mta.Event) mta.Cause {
	switch {
	case e.Kind == mta.KindDelivery && (e.Status == mta.StatusDeferred || e.Status == mta.StatusBounced || e.Status == mta.StatusExpired):
	case e.Kind == mta.KindReject:
	default:
		return mta.CauseNone
	}
	if e.Status == mta.StatusExpired {
		return mta.CauseExpired
	}
	return cmp.Or(c.Cause(e.Reply, e.DSN, int(e.Code)), mta.CauseOther)
}
