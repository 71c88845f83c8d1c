package meter

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/mtawatch/mtawatch/internal/classify"
	"github.com/mtawatch/mtawatch/internal/mta"
	"github.com/mtawatch/mtawatch/internal/track"
)

// Each channel counts what it took in, what was put into it and what became
// of that; the counts and their beginning hold over a restart.
func TestChannels(t *testing.T) {
	at := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	tr, m := track.New(track.Config{}, classify.New()), New()
	add := func(e mta.Event) {
		e.Time, e.Instance = at, "imta"
		at = at.Add(time.Second)
		m.Add(tr.Apply(&e))
	}
	in := func(id, to, from, into string, kind mta.Kind) {
		add(mta.Event{Kind: kind, QueueID: id, To: to, Program: from, Queue: into, PerRecipient: true, Size: 1000, From: "a@example.org"})
	}
	out := func(id, to, channel string, s mta.Status) {
		add(mta.Event{Kind: mta.KindDelivery, QueueID: id, To: to, Program: channel, Status: s, Reply: "451 4.7.1 later"})
	}
	in("one", "b@example.net", "tcp_intranet", "tcp_local", mta.KindReceived)
	in("one", "c@example.net", "tcp_intranet", "tcp_local", mta.KindReceived)
	in("two", "d@example.com", "tcp_local", "process", mta.KindReceived)
	in("three", "d@example.com", "process", "ims-ms", mta.KindQueued)
	add(mta.Event{Kind: mta.KindRemoved, QueueID: "two", To: "d@example.com", Program: "process", PerRecipient: true})
	out("one", "b@example.net", "tcp_local", mta.StatusSent)
	out("one", "c@example.net", "tcp_local", mta.StatusDeferred)
	out("one", "c@example.net", "tcp_local", mta.StatusSent)
	out("three", "d@example.com", "ims-ms", mta.StatusBounced)
	add(mta.Event{Kind: mta.KindReject, Program: "tcp_local", Stage: mta.StageRcpt, Code: 550, To: "x@example.com"})

	v := func(messages, recipients, bytes int64) Volume { return Volume{messages, recipients, bytes} }
	want := []Channel{
		{Name: "ims-ms", Received: v(1, 1, 1000), Delivered: v(1, 0, 1000), Failed: 1},
		{Name: "process", Received: v(1, 1, 1000), Submitted: v(1, 1, 1000), Delivered: v(1, 1, 0), FirstTime: 1},
		{Name: "tcp_intranet", Submitted: v(1, 2, 2000-1000)},
		{Name: "tcp_local", Received: v(1, 2, 1000), Submitted: v(1, 1, 1000), Delivered: v(1, 2, 1000), FirstTime: 1, Attempted: 1, Rejected: 1},
	}
	again := New()
	if err := m.Save(func(name string, value []byte) {
		if err := again.Load(name, value); err != nil {
			t.Fatal(err)
		}
	}); err != nil {
		t.Fatal(err)
	}
	for name, m := range map[string]*Meter{"before": m, "after a restart": again} {
		got, since, queues := m.Channels("imta")
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
		if !since.Equal(at.Add(-10*time.Second)) || !queues {
			t.Errorf("%s: counted since %s, queues %v", name, since, queues)
		}
		series := 0
		for _, s := range m.Samples(nil) {
			if s.Series.Name == "mta_channel_recipients_total" {
				series++
			}
		}
		if name == "before" {
			list := m.Senders("imta", at.Add(-time.Minute), 10)
			if len(list) != 1 || list[0].Name != "a@example.org" || list[0].Messages != 2 || list[0].Recipients != 3 {
				t.Errorf("the senders are %+v", list)
			}
		}
		if series != 11 {
			t.Errorf("%s: %d series of channels", name, series)
		}
	}
}

// A server without such queues counts by program, and has no series of them;
// names without end come together.
func TestProgramsAreBounded(t *testing.T) {
	tr, m := track.New(track.Config{}, classify.New()), New()
	for i := range 500 {
		e := mta.Event{Time: time.Unix(1700000000, 0), Instance: "postfix", Kind: mta.KindDelivery, Program: fmt.Sprint("p", i), Status: mta.StatusSent}
		m.Add(tr.Apply(&e))
	}
	got, _, queues := m.Channels("postfix")
	if len(got) != maxChannels || queues {
		t.Errorf("%d rows, queues %v", len(got), queues)
	}
	var sum int64
	for _, c := range got {
		sum += c.Delivered.Recipients
	}
	if sum != 500 {
		t.Errorf("the rows come to %d deliveries of 500", sum)
	}
	for _, s := range m.Samples(nil) {
		if strings.HasPrefix(s.Series.Name, "mta_channel") {
			t.Errorf("there is a series %s", s.Series.Key())
		}
	}
}
