package meter

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/mtawatch/mtawatch/internal/mta"
	"github.com/mtawatch/mtawatch/internal/track"
)

var noon = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

// attempt is the fact of one delivery attempt.
func attempt(at time.Time, dest string, st mta.Status, c mta.Cause) track.Fact {
	e := &mta.Event{Time: at, Instance: "postfix", Kind: mta.KindDelivery, Status: st, Cause: c, QueueID: "4cXk2q1Z3nz9v",
		Reply: "host mx." + dest + "[192.0.2.7] said: 450 4.2.0 later", DSN: "4.2.0", Code: 450, Relay: mta.Peer{Name: "mx." + dest},
		HasDelay: true, Delay: 3 * time.Second, NumDelays: 4, Delays: [4]time.Duration{time.Second, 0, 2 * time.Second, 5 * time.Millisecond}}
	return track.Fact{Event: e, Delivery: &mta.Delivery{Event: e, Destination: dest}}
}

func received(at time.Time, size int64) track.Fact {
	return track.Fact{Event: &mta.Event{Time: at, Instance: "postfix", Kind: mta.KindQueued, Size: size}, Received: true}
}

func reject(at time.Time) track.Fact {
	return track.Fact{Event: &mta.Event{Time: at, Instance: "postfix", Kind: mta.KindReject, Stage: mta.StageRcpt, Code: 554, Cause: mta.CauseRelayDenied, Reply: "554 5.7.1 Relay access denied"}}
}

// values gives the samples that are not 0 as text.
func values(m *Meter) map[string]float64 {
	got := make(map[string]float64)
	for _, s := range m.Samples(nil) {
		if s.Value != 0 {
			got[s.Series.Key()] = s.Value
		}
	}
	return got
}

func fill(m *Meter) {
	m.Add(received(noon, 1000))
	m.Add(received(noon, 500))
	m.Add(attempt(noon, "example.net", mta.StatusSent, mta.CauseNone))
	m.Add(attempt(noon, "example.net", mta.StatusDeferred, mta.CauseGreylisted))
	m.Add(attempt(noon.Add(time.Minute), "example.net", mta.StatusDeferred, mta.CauseGreylisted))
	m.Add(attempt(noon, "example.org", mta.StatusBounced, mta.CauseUnknownUser))
	m.Add(reject(noon))
}

func TestSamples(t *testing.T) {
	m := New()
	fill(m)
	want := map[string]float64{
		`mta_received_messages_total{instance="postfix"}`:                                                2,
		`mta_received_bytes_total{instance="postfix"}`:                                                   1500,
		`mta_delivery_attempts_total{instance="postfix",status="sent",cause=""}`:                         1,
		`mta_delivery_attempts_total{instance="postfix",status="deferred",cause="greylisted"}`:           2,
		`mta_delivery_attempts_total{instance="postfix",status="bounced",cause="unknown-user"}`:          1,
		`mta_rejects_total{instance="postfix",stage="rcpt",class="5xx",cause="relay-denied"}`:            1,
		`mta_destination_attempts_total{instance="postfix",destination="example.net",status="sent"}`:     1,
		`mta_destination_attempts_total{instance="postfix",destination="example.net",status="deferred"}`: 2,
		`mta_destination_attempts_total{instance="postfix",destination="example.org",status="bounced"}`:  1,
		`mta_delivery_delay_seconds_count{instance="postfix",stage="total"}`:                             1,
		`mta_delivery_delay_seconds_sum{instance="postfix",stage="total"}`:                               3,
		`mta_delivery_delay_seconds_bucket{instance="postfix",stage="total",le="5"}`:                     1,
		`mta_delivery_delay_seconds_bucket{instance="postfix",stage="total",le="+Inf"}`:                  1,
		`mta_delivery_delay_seconds_sum{instance="postfix",stage="connection_setup"}`:                    2,
		`mta_delivery_delay_seconds_bucket{instance="postfix",stage="transmission",le="0.01"}`:           1,
		`mta_delivery_delay_seconds_bucket{instance="postfix",stage="connection_setup",le="1"}`:          0,
	}
	got := values(m)
	for k, v := range want {
		if got[k] != v {
			t.Errorf("%s = %v, want %v", k, got[k], v)
		}
	}
}

func TestZeroFromTheStart(t *testing.T) {
	m := New()
	m.Instance("postfix")
	got := make(map[string]float64)
	for _, s := range m.Samples(nil) {
		got[s.Series.Key()] = s.Value
	}
	for _, k := range []string{`mta_received_messages_total{instance="postfix"}`, `mta_delivery_attempts_total{instance="postfix",status="sent",cause=""}`,
		`mta_delivery_attempts_total{instance="postfix",status="expired",cause="other"}`} {
		if v, ok := got[k]; !ok || v != 0 {
			t.Errorf("%s = %v, present %v; want 0 from the first tick", k, v, ok)
		}
	}
}

// TestSamplesSamePointers holds what a store relies on.
func TestSamplesSamePointers(t *testing.T) {
	m := New()
	fill(m)
	a, b := m.Samples(nil), m.Samples(nil)
	for i := range a {
		if a[i].Series != b[i].Series {
			t.Fatalf("series %s has another pointer at the second call", a[i].Series.Key())
		}
	}
}

// TestSaveLoad saves, loads into a new Meter and compares counters, window
// and what follows.
func TestSaveLoad(t *testing.T) {
	m := New()
	fill(m)
	var kept [][]byte
	m.Flush(func(_ string, v []byte) { kept = append(kept, v) }, func(string) {})
	n := New()
	if err := m.Save(func(name string, v []byte) {
		if err := n.Load(name, v); err != nil {
			t.Fatal(err)
		}
	}); err != nil {
		t.Fatal(err)
	}
	if bad := n.Restore(kept); bad != 0 {
		t.Fatalf("%d values could not be read", bad)
	}
	for range 2 {
		if diff := cmp.Diff(values(m), values(n)); diff != "" {
			t.Errorf("samples (-saved +loaded):\n%s", diff)
		}
		if diff := cmp.Diff(m.Failures("postfix", noon, noon.Add(time.Hour)), n.Failures("postfix", noon, noon.Add(time.Hour))); diff != "" {
			t.Errorf("failures (-saved +loaded):\n%s", diff)
		}
		if diff := cmp.Diff(m.Totals("postfix", noon, noon.Add(time.Hour)), n.Totals("postfix", noon, noon.Add(time.Hour))); diff != "" {
			t.Errorf("totals (-saved +loaded):\n%s", diff)
		}
		if diff := cmp.Diff(m.Rejects("postfix", noon, noon.Add(time.Hour)), n.Rejects("postfix", noon, noon.Add(time.Hour))); diff != "" {
			t.Errorf("rejects (-saved +loaded):\n%s", diff)
		}
		fill(m)
		fill(n)
	}
}

func TestFlushOnlyChanges(t *testing.T) {
	m := New()
	fill(m)
	count := func() (n int) {
		m.Flush(func(string, []byte) { n++ }, func(string) {})
		return n
	}
	if first, second := count(), count(); first == 0 || second != 0 {
		t.Errorf("flushes gave %d and %d values, want some and none", first, second)
	}
	m.MarkAll()
	if n := count(); n != 6 { // one slot, three rows, one reject
		t.Errorf("after MarkAll a flush gave %d values, want 6", n)
	}
}

func TestWindow(t *testing.T) {
	m := New()
	for i := range 400 { // more slots than a day has
		m.Add(attempt(noon.Add(time.Duration(i)*slotLength), "example.net", mta.StatusDeferred, mta.CauseGreylisted))
	}
	end := noon.Add(399 * slotLength)
	tests := []struct {
		name   string
		window time.Duration
		want   int64
	}{
		{"one hour is its twelve slots and the present one", time.Hour, 13},
		{"a day less a slot is all that is kept", 24*time.Hour - slotLength, 288},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := m.Totals("postfix", end.Add(-tt.window), end)
			rows := m.Failures("postfix", end.Add(-tt.window), end)
			if got.Attempts["deferred"] != tt.want || rows[0].Deferred != tt.want {
				t.Errorf("totals %d, row %d; want %d", got.Attempts["deferred"], rows[0].Deferred, tt.want)
			}
		})
	}
	if n := m.instances["postfix"].Attempts[mta.StatusDeferred][mta.CauseGreylisted]; n != 400 {
		t.Errorf("counter = %d, want 400: the window is no limit for it", n)
	}
}

func TestLateEventKeepsItsSlot(t *testing.T) {
	m := New()
	m.Add(attempt(noon.Add(time.Hour), "example.net", mta.StatusDeferred, mta.CauseGreylisted))
	m.Add(attempt(noon, "example.net", mta.StatusDeferred, mta.CauseGreylisted))
	if got := m.Totals("postfix", noon, noon.Add(time.Minute)).Attempts["deferred"]; got != 1 {
		t.Errorf("the first hour has %d, want 1", got)
	}
	if got := m.Failures("postfix", noon, noon.Add(time.Minute)); len(got) != 1 || got[0].Deferred != 1 {
		t.Errorf("rows of the first hour: %+v", got)
	}
}

// TestDestinationsBounded sends to many domains: the series stay bounded, no
// attempt is lost or counted twice, and no counter goes back.
func TestDestinationsBounded(t *testing.T) {
	m := New()
	before := make(map[string]float64)
	total := 0
	for round := range 6 {
		for i := range 3000 {
			n := 1
			if i%100 == round { // other heavy hitters in each round
				n = 20
			}
			for range n {
				m.Add(attempt(noon, fmt.Sprintf("d%d-%d.example.net", i, round%2), mta.StatusSent, mta.CauseNone))
				total++
			}
		}
		m.Rebalance()
		var shown, sum float64
		names := make(map[string]bool)
		for _, s := range m.Samples(nil) {
			if s.Series.Name != "mta_destination_attempts_total" {
				continue
			}
			shown++
			sum += s.Value
			names[s.Series.Labels[1].Value] = true
			if k := s.Series.Key(); s.Value < before[k] {
				t.Fatalf("round %d: %s went back from %v to %v", round, k, before[k], s.Value)
			} else {
				before[k] = s.Value
			}
		}
		if len(names) > TopDestinations+1 {
			t.Fatalf("round %d: %d destinations have series, want at most %d", round, len(names), TopDestinations+1)
		}
		if d := m.instances["postfix"].dests; len(d.all) > maxDestinations {
			t.Fatalf("%d destinations are kept, want at most %d", len(d.all), maxDestinations)
		}
	}
	var sum int64
	d := m.instances["postfix"].dests
	for _, x := range d.all {
		sum += x.counts[mta.StatusSent]
	}
	if sum += d.other[mta.StatusSent]; sum != int64(total) {
		t.Errorf("destinations and other add up to %d, want %d", sum, total)
	}
}

func TestFailureTableBounded(t *testing.T) {
	m := New()
	for i := range maxRows + 500 {
		m.Add(attempt(noon.Add(time.Duration(i)*time.Second), fmt.Sprintf("d%d.example.net", i), mta.StatusDeferred, mta.CauseGreylisted))
	}
	if n := len(m.failures.rows); n > maxRows {
		t.Errorf("%d rows, want at most %d", n, maxRows)
	}
	rows := m.Failures("postfix", noon, noon.Add(3*time.Hour))
	newest := fmt.Sprintf("d%d.example.net", maxRows+499)
	found := false
	for _, r := range rows {
		found = found || r.Destination == newest
	}
	if !found {
		t.Errorf("the newest row is not there")
	}
}

func TestLoadBad(t *testing.T) {
	m := New()
	if err := m.Load("postfix", []byte("{")); err == nil {
		t.Error("bad counters were taken")
	}
	if bad := m.Restore([][]byte{[]byte("{"), []byte(`{}`), []byte(`{"instance":"x"}`)}); bad != 3 {
		t.Errorf("bad = %d, want 3", bad)
	}
}
