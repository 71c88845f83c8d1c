package meter

import (
	"fmt"
	"testing"
	"time"

	"github.com/mtawatch/mtawatch/internal/mta"
	"github.com/mtawatch/mtawatch/internal/track"
)

func receivedFrom(t time.Time, client, from string) track.Fact {
	return track.Fact{Event: &mta.Event{Time: t, Instance: "postfix", From: from, Recipients: 2}, Received: true, Client: client}
}

func TestSendersHabit(t *testing.T) {
	m := New()
	start := time.Date(2026, 3, 2, 0, 0, 0, 0, time.UTC)
	at := start
	for range 48 { // two days, ten messages an hour
		for i := range 10 {
			m.Add(receivedFrom(at.Add(time.Duration(i)*5*time.Minute), "192.0.2.1", "a@example.com"))
		}
		at = at.Add(time.Hour)
	}
	for i := range 100 {
		m.Add(receivedFrom(at.Add(time.Duration(i)*time.Second), "192.0.2.9", "b@example.com"))
	}
	now := at.Add(100 * time.Second)
	m.Add(track.Fact{Event: &mta.Event{Time: now, Instance: "postfix", Kind: mta.KindDelivery, Status: mta.StatusDeferred, From: "b@example.com"},
		Delivery: &mta.Delivery{Destination: "example.net", Event: &mta.Event{Time: now, Instance: "postfix", Status: mta.StatusDeferred}}})
	list := m.Senders("postfix", now.Add(-30*time.Minute), 100)
	if len(list) == 0 || list[0].Messages != 100 || list[0].Recipients != 200 || list[0].Usual > 1 {
		t.Fatalf("busiest sender: %+v", list)
	}
	for _, s := range list {
		if s.Name == "192.0.2.1" && (s.Usual < 3 || s.Usual > 7) {
			t.Errorf("habit in half an hour %v, want about 5", s.Usual)
		}
		if s.Name == "b@example.com" && s.Failed != 1 {
			t.Errorf("failed %d, want 1", s.Failed)
		}
	}
	// The habits come back after a restart, the last hour does not.
	var kept [][]byte
	m.Flush(func(_ string, v []byte) { kept = append(kept, v) }, func(string) {})
	again := New()
	if bad := again.Restore(kept); bad != 0 {
		t.Fatalf("%d records could not be read", bad)
	}
	again.Add(receivedFrom(now.Add(time.Minute), "192.0.2.1", "a@example.com"))
	list = again.Senders("postfix", now.Add(-30*time.Minute), 100)
	if len(list) != 2 || list[0].Usual < 3 {
		t.Errorf("after a restart: %+v", list)
	}
}

func TestSendersBounded(t *testing.T) {
	m := New()
	at := time.Date(2026, 3, 2, 0, 0, 0, 0, time.UTC)
	for i := range 3 * maxSenders {
		m.Add(receivedFrom(at, fmt.Sprintf("2001:db8::%x", i), fmt.Sprintf("u%d@example.com", i)))
		m.Add(receivedFrom(at, "192.0.2.1", ""))
	}
	if n := len(m.instances["postfix"].senders.byKey); n > maxSenders {
		t.Errorf("%d senders are kept, want at most %d", n, maxSenders)
	}
	if list := m.Senders("postfix", at.Add(-time.Hour), 100); list[0].Name != "192.0.2.1" {
		t.Errorf("the busiest sender was forgotten: %+v", list[0])
	}
}
