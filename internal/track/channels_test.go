package track

import (
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/mtawatch/mtawatch/internal/classify"
	"github.com/mtawatch/mtawatch/internal/mta"
)

var t0 = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

// line makes an event of a server that logs a line for each recipient.
func line(after time.Duration, kind mta.Kind, id, to string, change ...func(*mta.Event)) *mta.Event {
	e := &mta.Event{Time: t0.Add(after), Instance: "imta", Kind: kind, QueueID: id, To: to, Program: "tcp_local"}
	if kind == mta.KindReceived || kind == mta.KindQueued {
		e.PerRecipient, e.Queue, e.From, e.Size = true, "tcp_local", "a@example.org", 3000
		e.Program = "tcp_intranet"
	}
	for _, f := range change {
		f(e)
	}
	return e
}

func status(s mta.Status, reply string) func(*mta.Event) {
	return func(e *mta.Event) { e.Status, e.Reply = s, reply }
}

func sent(e *mta.Event)     { e.Status, e.Reply = mta.StatusSent, "250 2.0.0 ok" }
func deferred(e *mta.Event) { e.Status, e.Reply = mta.StatusDeferred, "451 4.7.1 later" }
func bounced(e *mta.Event)  { e.Status, e.Reply = mta.StatusBounced, "550 5.1.1 unknown" }

// told is what one fact comes to, in short.
type told struct {
	Received, Recipient, First, Removed bool
	Stay, Delay                         time.Duration
}

func apply(tr *Tracker, events ...*mta.Event) (list []told) {
	for _, e := range events {
		f := tr.Apply(e)
		x := told{Received: f.Received, Recipient: f.Recipient, First: f.First, Removed: f.Removed, Stay: f.Stay}
		if e.HasDelay {
			x.Delay = e.Delay
		}
		list = append(list, x)
	}
	return list
}

// TestCauseOfSilence: a failure of which the line gives no reason is no success.
func TestCauseOfSilence(t *testing.T) {
	c := classify.New()
	for _, tt := range []struct {
		name string
		e    *mta.Event
		want mta.Cause
	}{
		{"put off", line(0, mta.KindDelivery, "a", "b@example.net", status(mta.StatusDeferred, "")), mta.CauseOther},
		{"failed", line(0, mta.KindDelivery, "a", "b@example.net", status(mta.StatusBounced, "")), mta.CauseOther},
		{"too old", line(0, mta.KindDelivery, "a", "b@example.net", status(mta.StatusExpired, "")), mta.CauseExpired},
		{"delivered", line(0, mta.KindDelivery, "a", "b@example.net", status(mta.StatusSent, "")), mta.CauseNone},
		{"refused", line(0, mta.KindReject, "", "b@example.net"), mta.CauseOther},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := Cause(c, tt.e); got != tt.want {
				t.Errorf("by itself %v, want %v", got, tt.want)
			}
			New(Config{}, c).Apply(tt.e)
			if tt.e.Cause != tt.want {
				t.Errorf("counted as %v, want %v", tt.e.Cause, tt.want)
			}
		})
	}
}

func TestPerRecipient(t *testing.T) {
	const s = time.Second
	accepted, more := told{Received: true, Recipient: true, First: true}, told{Recipient: true}
	tests := []struct {
		name   string
		events []*mta.Event
		want   []told
		open   int
	}{
		{"each recipient has a line, the last delivery ends the message", []*mta.Event{
			line(0, mta.KindReceived, "id", "b@example.net"), line(0, mta.KindReceived, "id", "c@example.com"),
			line(2*s, mta.KindDelivery, "id", "b@example.net", sent), line(3*s, mta.KindDelivery, "id", "c@example.com", deferred),
			line(9*s, mta.KindDelivery, "id", "c@example.com", bounced)},
			[]told{accepted, more, {Delay: 2 * s}, {Delay: 3 * s}, {Removed: true, Stay: 9 * s, Delay: 9 * s}}, 0},
		{"without an id there is nothing to join", []*mta.Event{
			line(0, mta.KindReceived, "", "b@example.net"), line(2*s, mta.KindDelivery, "", "b@example.net", sent)},
			[]told{accepted, {}}, 0},
		{"the delivery is logged before the arrival", []*mta.Event{
			line(0, mta.KindReceived, "other", "x@example.net"),
			line(1*s, mta.KindDelivery, "id", "b@example.net", sent), line(1*s, mta.KindReceived, "id", "b@example.net"),
			line(1*s, mta.KindReceived, "id", "c@example.net"), line(2*s, mta.KindDelivery, "id", "c@example.net", sent)},
			[]told{accepted, {}, {Received: true, Recipient: true, First: true, Removed: true}, accepted, {Removed: true, Stay: s, Delay: s}}, 1},
		{"the id comes again later: another message", []*mta.Event{
			line(0, mta.KindReceived, "id", "b@example.net"), line(1*s, mta.KindDelivery, "id", "b@example.net", deferred),
			line(3600*s, mta.KindReceived, "id", "c@example.net")},
			[]told{accepted, {Delay: s}, accepted}, 1},
		{"mail that moves on is not counted again", []*mta.Event{
			line(0, mta.KindReceived, "one", "b@example.net"), line(0, mta.KindQueued, "two", "b@example.net"),
			line(0, mta.KindRemoved, "one", "b@example.net", func(e *mta.Event) { e.PerRecipient = true })},
			[]told{accepted, {Recipient: true, First: true}, {Removed: true}}, 1},
		{"one id in both channels: it moves on", []*mta.Event{
			line(0, mta.KindReceived, "m@host", "b@example.net", func(e *mta.Event) { e.Program, e.Queue = "tcp_local", "process" }),
			line(0, mta.KindQueued, "m@host", "b@example.net", func(e *mta.Event) { e.Program, e.Queue = "process", "ims-ms" }),
			line(2*s, mta.KindDelivery, "m@host", "b@example.net", sent)},
			[]told{accepted, more, {Removed: true, Stay: 2 * s, Delay: 2 * s}}, 0},
		{"it was there before the log began", []*mta.Event{
			line(0, mta.KindReceived, "other", "x@example.net"),
			line(1*s, mta.KindDelivery, "id", "b@example.net", deferred), line(600*s, mta.KindDelivery, "id", "b@example.net", sent)},
			[]told{accepted, {}, {Removed: true, Stay: 599 * s}}, 1},
		{"a held message is released", []*mta.Event{
			line(0, mta.KindReceived, "id", "b@example.net"), line(1*s, mta.KindHeld, "id", ""),
			line(2*s, mta.KindDelivery, "id", "b@example.net", sent)},
			[]told{accepted, {}, {Removed: true, Stay: 2 * s, Delay: 2 * s}}, 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			tr := New(Config{}, classify.New())
			if diff := cmp.Diff(tt.want, apply(tr, tt.events...)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			if tr.Open() != tt.open {
				t.Errorf("%d messages are open, want %d", tr.Open(), tt.open)
			}
			if d := tr.Counts("imta"); int(d.Messages) != tt.open {
				t.Errorf("the depth is %d, want %d", d.Messages, tt.open)
			}
		})
	}
}

// The channels' depth, and for whom each message waits, hold over a restart.
func TestChannelsAndWaits(t *testing.T) {
	tr := New(Config{}, classify.New())
	apply(tr, line(0, mta.KindReceived, "id1", "b@example.net"), line(0, mta.KindReceived, "id1", "c@Example.NET"), line(0, mta.KindReceived, "id1", "d@example.com"),
		line(time.Second, mta.KindReceived, "id2", "e@example.net", func(e *mta.Event) { e.Queue = "ims-ms" }),
		line(2*time.Second, mta.KindDelivery, "id1", "b@example.net", deferred), line(2*time.Second, mta.KindDelivery, "id1", "d@example.com", sent))
	again := New(Config{}, classify.New())
	var stored [][]byte
	tr.Flush(func(_ string, v []byte) { stored = append(stored, slices.Clone(v)) }, func(string) {})
	if bad := again.Restore(stored); bad != 0 {
		t.Fatalf("%d records could not be read", bad)
	}
	for name, tr := range map[string]*Tracker{"before": tr, "after a restart": again} {
		want := []ChannelDepth{
			{Name: "tcp_local", Waiting: Waiting{1, time.Unix(0, t0.UnixNano())}},
			{Name: "ims-ms", Waiting: Waiting{1, time.Unix(0, t0.Add(time.Second).UnixNano())}, Untried: Waiting{1, time.Unix(0, t0.Add(time.Second).UnixNano())}},
		}
		if diff := cmp.Diff(want, tr.Queue("imta").Channels); diff != "" {
			t.Errorf("%s: channels (-want +got):\n%s", name, diff)
		}
		got, ok := tr.Waits("imta", "id1")
		if diff := cmp.Diff([]mta.QueuedRecipient{{Address: "@example.net", Reason: "451 4.7.1 later"}, {Address: "@example.net", Reason: "451 4.7.1 later"}}, got); diff != "" || !ok {
			t.Errorf("%s: who waits (-want +got):\n%s", name, diff)
		}
		if from, size, ok := tr.Sender("imta", "id1"); from != "a@example.org" || size != 3000 || !ok {
			t.Errorf("%s: the sender is %q, %d bytes, %v", name, from, size, ok)
		}
		if _, ok := tr.Waits("imta", "nobody"); ok {
			t.Errorf("%s: an id that no line named is known", name)
		}
	}
	counts := map[string][2]int64{}
	again.ChannelCounts("imta", func(name string, n, untried int64) { counts[name] = [2]int64{n, untried} })
	if diff := cmp.Diff(map[string][2]int64{"tcp_local": {1, 0}, "ims-ms": {1, 1}}, counts); diff != "" {
		t.Errorf("counts (-want +got):\n%s", diff)
	}
}

// A log that names mail without any id does not tell what the queue holds.
func TestJoins(t *testing.T) {
	tr := New(Config{}, classify.New())
	if !tr.Joins("imta") {
		t.Error("before the first line the log is said to join nothing")
	}
	apply(tr, line(0, mta.KindReceived, "", "b@example.net"), line(1, mta.KindDelivery, "", "b@example.net", sent))
	if tr.Joins("imta") {
		t.Error("mail without an id is said to be joined")
	}
	if apply(tr, line(2, mta.KindReceived, "id", "b@example.net")); !tr.Joins("imta") {
		t.Error("mail with an id is said not to be joined")
	}
}

// What is kept of one message is bounded, whatever the log says.
func TestWaitsAreBounded(t *testing.T) {
	tr := New(Config{}, classify.New())
	for i := range 1000 {
		apply(tr, line(0, mta.KindReceived, "id", "b@d"+string(rune('a'+i%26))+string(rune('a'+i/26))+".example"))
	}
	long := make([]byte, 5000)
	apply(tr, line(time.Second, mta.KindDelivery, "id", "b@daa.example", status(mta.StatusDeferred, string(long))))
	m := tr.shops["imta"].open.find("id")
	if len(m.waits.To) > maxWaits+1 || m.waits.Left != 1000 || len(m.waits.To[0].Reason) > maxReason {
		t.Errorf("%d destinations are kept, %d recipients, a reason of %d bytes", len(m.waits.To), m.waits.Left, len(m.waits.To[0].Reason))
	}
	for i := range 200 {
		apply(tr, line(0, mta.KindReceived, "q"+string(rune('a'+i%26))+string(rune('a'+i/26)), "x@example.net",
			func(e *mta.Event) { e.Queue = "ch" + string(rune('a'+i%26)) + string(rune('a'+i/26)) }))
	}
	if n := len(tr.shops["imta"].channels); n > maxChannels {
		t.Errorf("%d channels are kept", n)
	}
}
