package track

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/mtawatch/mtawatch/internal/classify"
	"github.com/mtawatch/mtawatch/internal/mta"
)

// shared is immutable, and dear to build.
var shared = classify.New()

var noon = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

func at(sec int) time.Time { return noon.Add(time.Duration(sec) * time.Second) }

func origin(sec int, id string) mta.Event {
	return mta.Event{Time: at(sec), Instance: "postfix", Kind: mta.KindOrigin, QueueID: id, Client: mta.Peer{IP: "192.0.2.1"}}
}

func messageLine(sec int, id string) mta.Event {
	return mta.Event{Time: at(sec), Instance: "postfix", Kind: mta.KindMessage, QueueID: id, MessageID: "m@example.org"}
}

func queued(sec int, id, from string) mta.Event {
	return mta.Event{Time: at(sec), Instance: "postfix", Kind: mta.KindQueued, QueueID: id, From: from, Size: 100, Recipients: 1}
}

func delivery(sec int, id string, st mta.Status, reply string) mta.Event {
	return mta.Event{Time: at(sec), Instance: "postfix", Kind: mta.KindDelivery, QueueID: id, To: "B@Example.NET", Status: st, Reply: reply,
		HasDelay: true, Delay: 30 * time.Second}
}

func removed(sec int, id string) mta.Event {
	return mta.Event{Time: at(sec), Instance: "postfix", Kind: mta.KindRemoved, QueueID: id}
}

// outcome is a Fact in one line.
func outcome(f Fact) string {
	switch {
	case f.Received:
		return fmt.Sprintf("received from=%s size=%d", f.Event.From, f.Event.Size)
	case f.Delivery != nil:
		d := f.Delivery
		age := time.Duration(-1)
		if !d.Received.IsZero() {
			age = d.Time.Sub(d.Received)
		}
		return fmt.Sprintf("%s from=%s dest=%s attempt=%d cause=%s age=%s", d.Status, d.From, d.Destination, d.Attempt, d.Cause, age)
	case f.Removed:
		return fmt.Sprintf("removed after %s", f.Stay)
	}
	return f.Event.Kind.String()
}

func TestApply(t *testing.T) {
	const refused = "connect to mx.example.net[192.0.2.7]:25: Connection refused"
	tests := []struct {
		name   string
		events []mta.Event
		want   []string
		depth  Depth
		oldest time.Time
	}{
		{"a message's life", []mta.Event{origin(0, "A"), messageLine(0, "A"), queued(1, "A", "a@example.org"), delivery(2, "A", mta.StatusSent, "250 ok"), removed(2, "A")},
			[]string{"origin", "message", "received from=a@example.org size=100", "sent from=a@example.org dest=example.net attempt=1 cause= age=2s", "removed after 2s"},
			Depth{}, time.Time{}},
		{"deferred, tried again, still there", []mta.Event{origin(0, "A"), messageLine(0, "A"), queued(1, "A", "a@example.org"), delivery(2, "A", mta.StatusDeferred, refused),
			queued(300, "A", "a@example.org"), delivery(301, "A", mta.StatusDeferred, refused)},
			[]string{"origin", "message", "received from=a@example.org size=100", "deferred from=a@example.org dest=example.net attempt=1 cause=connect-refused age=2s",
				"queued", "deferred from=a@example.org dest=example.net attempt=2 cause=connect-refused age=5m1s"},
			Depth{Messages: 1, Deferred: 1}, at(0)},
		{"the log began in the middle: a retry is no new message", []mta.Event{queued(0, "A", "a@example.org"), delivery(2, "A", mta.StatusSent, "250 ok")},
			[]string{"queued", "sent from=a@example.org dest=example.net attempt=1 cause= age=2s"}, Depth{Messages: 1}, at(0)},
		{"a deferral of an unknown message tells since when it waits", []mta.Event{delivery(40, "A", mta.StatusDeferred, refused)},
			[]string{"deferred from= dest=example.net attempt=1 cause=connect-refused age=30s"}, Depth{Messages: 1, Deferred: 1}, at(10)},
		{"a queue id used again without the end of the first", []mta.Event{origin(0, "A"), messageLine(0, "A"), queued(1, "A", "a@example.org"),
			origin(100, "A"), messageLine(100, "A"), queued(101, "A", "b@example.org")},
			[]string{"origin", "message", "received from=a@example.org size=100", "origin", "message", "received from=b@example.org size=100"}, Depth{Messages: 1}, at(100)},
		{"message line before its origin line", []mta.Event{messageLine(0, "A"), origin(0, "A"), queued(1, "A", "a@example.org")},
			[]string{"message", "origin", "received from=a@example.org size=100"}, Depth{Messages: 1}, at(0)},
		{"a client that gave up leaves nothing in the queue", []mta.Event{origin(0, "A")}, []string{"origin"}, Depth{}, time.Time{}},
		{"refused at the end of the message", []mta.Event{origin(0, "A"), messageLine(0, "A"),
			{Time: at(1), Instance: "postfix", Kind: mta.KindReject, QueueID: "A", Stage: mta.StageEOM, Code: 550, Reply: "550 5.7.1 spam message rejected"}},
			[]string{"origin", "message", "reject"}, Depth{}, time.Time{}},
		{"a client lost in the middle of its message", []mta.Event{origin(0, "A"), messageLine(0, "A"),
			{Time: at(1), Instance: "postfix", Kind: mta.KindDisconnect, Stage: mta.StageData, Reason: "lost"}},
			[]string{"origin", "message", "disconnect"}, Depth{}, time.Time{}},
		{"a client lost after its message", []mta.Event{origin(0, "A"), messageLine(0, "A"), queued(0, "A", "a@example.org"),
			{Time: at(1), Instance: "postfix", Kind: mta.KindDisconnect, Stage: mta.StageData, Reason: "lost"}},
			[]string{"origin", "message", "received from=a@example.org size=100", "disconnect"}, Depth{Messages: 1}, at(0)},
		{"one that waits since before is the oldest", []mta.Event{messageLine(0, "A"), delivery(5, "B", mta.StatusDeferred, refused)},
			[]string{"message", "deferred from= dest=example.net attempt=1 cause=connect-refused age=30s"}, Depth{Messages: 2, Deferred: 1}, at(-25)},
		{"held", []mta.Event{messageLine(0, "A"), {Time: at(1), Instance: "postfix", Kind: mta.KindHeld, Action: mta.ActionHeld, QueueID: "A"}},
			[]string{"message", "held"}, Depth{Messages: 1, Held: 1}, at(0)},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			tr := New(Config{}, shared)
			var got []string
			for i := range tt.events {
				got = append(got, outcome(tr.Apply(&tt.events[i])))
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("facts (-want +got):\n%s", diff)
			}
			depth, oldest := tr.Depth("postfix")
			if depth != tt.depth || !oldest.Equal(tt.oldest) {
				t.Errorf("depth = %+v since %s, want %+v since %s", depth, oldest, tt.depth, tt.oldest)
			}
		})
	}
}

func TestInstancesApart(t *testing.T) {
	tr := New(Config{}, shared)
	a, b := queued(0, "A", "a@example.org"), queued(0, "A", "b@example.org")
	b.Instance = "postfix-out"
	tr.Apply(&a)
	tr.Apply(&b)
	d := delivery(1, "A", mta.StatusSent, "ok")
	d.Instance = "postfix-out"
	if f := tr.Apply(&d); f.Delivery.From != "b@example.org" {
		t.Errorf("from = %q, want that of the same instance", f.Delivery.From)
	}
}

func TestLimit(t *testing.T) {
	tr := New(Config{MaxMessages: 10}, shared)
	for i := range 25 {
		e := messageLine(i, fmt.Sprint("Q", i))
		tr.Apply(&e)
	}
	if tr.Open() != 10 || tr.Dropped() != 15 {
		t.Errorf("open %d, dropped %d; want 10 and 15", tr.Open(), tr.Dropped())
	}
	depth, oldest := tr.Depth("postfix")
	if depth.Messages != 10 || !oldest.Equal(at(15)) {
		t.Errorf("depth %+v since %s; want the newest 10", depth, oldest)
	}
}

// TestFlushRestore cuts a run at every event: a Tracker restored from what
// was flushed up to there must go on as the first one did.
func TestFlushRestore(t *testing.T) {
	var events []mta.Event
	for i := range 40 {
		id := fmt.Sprint("Q", i%7) // ids come again
		events = append(events, origin(10*i, id), messageLine(10*i, id), queued(10*i+1, id, fmt.Sprintf("s%d@example.org", i)))
		if i%3 != 0 {
			events = append(events, delivery(10*i+2, id, mta.StatusDeferred, "450 4.2.0 greylisted"))
		} else {
			events = append(events, delivery(10*i+2, id, mta.StatusSent, "ok"), removed(10*i+3, id))
		}
	}
	for cut := range events {
		stored := make(map[string][]byte)
		flush := func(tr *Tracker) {
			tr.Flush(func(k string, v []byte) { stored[k] = v }, func(k string) { delete(stored, k) })
		}
		whole, first := New(Config{}, shared), New(Config{}, shared)
		for i := range cut {
			e1, e2 := events[i], events[i]
			whole.Apply(&e1)
			first.Apply(&e2)
			if i%5 == 0 {
				flush(first)
			}
		}
		flush(first)
		second := New(Config{}, shared)
		var values [][]byte
		for _, v := range stored {
			values = append(values, v)
		}
		if bad := second.Restore(values); bad != 0 {
			t.Fatalf("cut at %d: %d records could not be read", cut, bad)
		}
		for i := cut; i < len(events); i++ {
			e1, e2 := events[i], events[i]
			if want, got := outcome(whole.Apply(&e1)), outcome(second.Apply(&e2)); want != got {
				t.Fatalf("cut at %d, event %d: got %s, want %s", cut, i, got, want)
			}
		}
		wd, wo := whole.Depth("postfix")
		sd, so := second.Depth("postfix")
		if wd != sd || !wo.Equal(so) {
			t.Fatalf("cut at %d: depth %+v since %s, want %+v since %s", cut, sd, so, wd, wo)
		}
	}
}

func TestRestoreBadRecords(t *testing.T) {
	tr := New(Config{}, shared)
	if bad := tr.Restore([][]byte{[]byte("{"), nil, []byte(`{"q":""}`), []byte(`{"i":"postfix","q":"A"}`)}); bad != 3 || tr.Open() != 1 {
		t.Errorf("bad %d, open %d; want 3 and 1", bad, tr.Open())
	}
}

func TestMarkAll(t *testing.T) {
	tr := New(Config{}, shared)
	e := messageLine(0, "A")
	tr.Apply(&e)
	count := func() (n int) {
		tr.Flush(func(string, []byte) { n++ }, func(string) {})
		return n
	}
	if a, b := count(), count(); a != 1 || b != 0 {
		t.Fatalf("flushes gave %d and %d records, want 1 and 0", a, b)
	}
	tr.MarkAll()
	if n := count(); n != 1 {
		t.Errorf("after MarkAll a flush gave %d records, want 1", n)
	}
}

func TestDestination(t *testing.T) {
	tr := New(Config{}, shared)
	for to, want := range map[string]string{"a@Example.NET": "example.net", "root": "local", "a@": "local", "": "unknown", "a@other": "other.", "b@LOCAL": "local.", `"a@b"@example.org`: "example.org"} {
		if got := tr.Destination(to); got != want {
			t.Errorf("Destination(%q) = %q, want %q", to, got, want)
		}
	}
}

// TestAbandonedGoFirst begins many messages that never come: at the limit
// they go, and not the mail that waits; after an hour they go anyway.
func TestAbandonedGoFirst(t *testing.T) {
	tr := New(Config{MaxMessages: 50}, shared)
	for i := range 10 {
		e := messageLine(i, fmt.Sprint("Q", i))
		tr.Apply(&e)
	}
	for i := range 200 {
		e := origin(20+i, fmt.Sprint("X", i))
		tr.Apply(&e)
	}
	if d, _ := tr.Depth("postfix"); d.Messages != 10 || tr.Dropped() != 0 || tr.Open() != 50 {
		t.Errorf("depth %+v, dropped %d, open %d; want 10, 0, 50", d, tr.Dropped(), tr.Open())
	}
	e := origin(20+200+3601, "Y")
	tr.Apply(&e)
	if tr.Open() != 11 {
		t.Errorf("%d are open an hour later, want 11", tr.Open())
	}
}
