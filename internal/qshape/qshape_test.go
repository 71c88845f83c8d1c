package qshape

import (
	"encoding/json"
	"fmt"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/mtawatch/mtawatch/internal/mta"
)

var start = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

func message(queue string, age time.Duration, size int64, addresses ...string) mta.QueuedMessage {
	m := mta.QueuedMessage{QueueID: "x", Queue: queue, Arrived: start.Add(-age), Size: size}
	for _, a := range addresses {
		m.Recipients = append(m.Recipients, mta.QueuedRecipient{Address: a})
	}
	return m
}

// The bucket must be the one that qshape of Postfix takes: with m the age in
// units of five minutes, the first one below 1, else the one after
// floor(log2 m).
func TestBucketAsQshape(t *testing.T) {
	for minutes := range 3000 {
		want := 0
		if m := float64(minutes) / 5; m >= 1 {
			want = min(1+int(math.Floor(math.Log2(m))), NumBuckets-1)
		}
		if got := bucket(time.Duration(minutes) * time.Minute); got != want {
			t.Errorf("bucket(%d min) = %d, want %d", minutes, got, want)
		}
	}
	if got := bucket(-time.Hour); got != 0 {
		t.Errorf("bucket of the future = %d, want 0", got)
	}
}

// The table of a queue of 26 recipients that qshape 3.7 showed as
//
//	              T  5 10 20 40 80 160 320 640 1280 1280+
//	      TOTAL  26 26  0 ...
//	example.net  20 20  0 ...
//	example.org   6  6  0 ...
//
// and the same an hour and a half later.
func TestTable(t *testing.T) {
	s := New(0)
	for range 20 {
		s.Add(message("deferred", 10*time.Second, 100, "b@example.net"))
	}
	for range 3 {
		s.Add(message("hold", 20*time.Second, 50, "2B@Example.ORG", "B@example.org."))
	}
	tab := s.Table(start)
	type line struct {
		Name                 string
		Recipients, Messages int64
		Bytes                int64
		Ages                 [NumBuckets]int64
	}
	lines := func(tab Table) (list []line) {
		for _, r := range append([]Row{tab.Total}, tab.Rows...) {
			list = append(list, line{r.Destination, r.Recipients, r.Messages, r.Bytes, r.Ages})
		}
		return list
	}
	want := []line{
		{"total", 26, 23, 2150, [NumBuckets]int64{26}},
		{"example.net", 20, 20, 2000, [NumBuckets]int64{20}},
		{"example.org", 6, 3, 150, [NumBuckets]int64{6}},
	}
	if diff := cmp.Diff(lines(tab), want); diff != "" {
		t.Errorf("table (-got +want):\n%s", diff)
	}
	for i := range want {
		want[i].Ages[0], want[i].Ages[5] = 0, want[i].Ages[0]
	}
	if diff := cmp.Diff(lines(s.Table(start.Add(90*time.Minute))), want); diff != "" {
		t.Errorf("later (-got +want):\n%s", diff)
	}
	wantQueues := []QueueRow{{"deferred", 20, 20, 2000, start.Add(-10 * time.Second)}, {"hold", 3, 6, 150, start.Add(-20 * time.Second)}}
	if diff := cmp.Diff(tab.Queues, wantQueues); diff != "" {
		t.Errorf("queues (-got +want):\n%s", diff)
	}
	if got := tab.Rows[1].Queues["hold"]; got != 6 || len(tab.Rows[1].Queues) != 1 {
		t.Errorf("queues of example.org: %v", tab.Rows[1].Queues)
	}
	if tab.Other != nil || !tab.Rows[1].Oldest.Equal(start.Add(-20*time.Second)) {
		t.Errorf("other %v, oldest %v", tab.Other, tab.Rows[1].Oldest)
	}
}

func TestUnknown(t *testing.T) {
	s := New(5)
	s.Add(message("deferred", 0, 10, "a@example.net"))
	m := message("deferred", 0, -1, "b@example.net")
	m.Arrived = time.Time{}
	s.Add(m)
	r := s.Table(start).Rows[0]
	if r.Bytes != mta.UnknownBytes || r.AgeUnknown != 1 || r.Ages[0] != 1 || r.Recipients != 2 {
		t.Errorf("row %+v", r)
	}
	b, err := json.Marshal(New(0).Table(start))
	if err != nil || !strings.Contains(string(b), `"rows":[],"queues":[]`) || strings.Contains(string(b), "0001-01-01") {
		t.Errorf("empty table %s, %v", b, err)
	}
}

func TestDestination(t *testing.T) {
	tests := []struct{ name, address, want string }{
		{"plain", "a@Example.NET", "example.net"},
		{"dots", "a@.example.net.", "example.net"},
		{"at in the local part", `"a@b"@example.net`, "example.net"},
		{"no domain", "root", "local"},
		{"empty", "", "local"},
		{"only at", "@", "local"},
		{"literal", "a@[192.0.2.1]", "[192.0.2.1]"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := Destination(tt.address); got != tt.want {
				t.Errorf("Destination(%q) = %q, want %q", tt.address, got, tt.want)
			}
		})
	}
}

// With far more destinations than are kept, the totals stay exact, the large
// ones keep their rows, and no row tells too much.
func TestBounded(t *testing.T) {
	const limit, many = 5, 2000
	s := New(limit)
	total := int64(0)
	for i := range many {
		s.Add(message("deferred", time.Hour, 1, fmt.Sprintf("x@d%d.example", i)))
		s.Add(message("deferred", time.Minute, 1, "x@big.example", "y@big.example"))
		total += 3
	}
	if len(s.dests) > keepFactor*limit {
		t.Errorf("%d destinations kept, want at most %d", len(s.dests), keepFactor*limit)
	}
	tab := s.Table(start)
	if tab.Total.Recipients != total || tab.Total.Messages != 2*many || tab.Total.Ages[0] != 2*many || tab.Total.Ages[4] != many {
		t.Errorf("total %+v", tab.Total)
	}
	if tab.Rows[0].Destination != "big.example" || tab.Rows[0].Recipients != 2*many || len(tab.Rows) != limit {
		t.Errorf("rows %+v", tab.Rows)
	}
	sum := tab.Other.Recipients
	for _, r := range tab.Rows {
		sum += r.Recipients
	}
	if sum != total || tab.Folded == 0 {
		t.Errorf("rows and other hold %d of %d; folded %d", sum, total, tab.Folded)
	}
	again := s.Table(start)
	if diff := cmp.Diff(again, tab); diff != "" {
		t.Errorf("asked twice (-second +first):\n%s", diff)
	}
}

func TestReasons(t *testing.T) {
	s := New(0)
	add := func(reason string, n int) {
		for range n {
			m := message("deferred", 0, 1, "a@example.net")
			m.Recipients[0].Reason = reason
			s.Add(m)
		}
	}
	add("refused", 3)
	add("timeout", 7)
	add("", 2)
	r := s.Table(start).Rows[0]
	if diff := cmp.Diff(r.Reasons, []Reason{{Text: "timeout", Recipients: 7}, {Text: "refused", Recipients: 3}}); diff != "" || r.LastReason != "timeout" {
		t.Errorf("last %q, reasons (-got +want):\n%s", r.LastReason, diff)
	}
	for i := range 50 {
		add(fmt.Sprintf("reason %d %s", i, strings.Repeat("x", 1000)), 1)
	}
	r = s.Table(start).Rows[0]
	if len(r.Reasons) > maxReasons || r.Reasons[0].AtMost && r.Reasons[0].Text == "timeout" || len(r.LastReason) > maxReason {
		t.Errorf("reasons %+v", r.Reasons)
	}
}

func TestManyQueues(t *testing.T) {
	s := New(0)
	for i := range 3 * maxQueues {
		s.Add(message(fmt.Sprintf("channel%d", i), 0, 1, "a@example.net"))
	}
	tab := s.Table(start)
	n := int64(0)
	for _, q := range tab.Queues {
		n += q.Messages
	}
	if len(tab.Queues) != maxQueues || n != 3*maxQueues || tab.Queues[maxQueues-1].Queue != "other" {
		t.Errorf("%d queues with %d messages, last %q", len(tab.Queues), n, tab.Queues[len(tab.Queues)-1].Queue)
	}
}

func BenchmarkAdd(b *testing.B) {
	s := New(0)
	list := make([]mta.QueuedMessage, 1000)
	for i := range list {
		list[i] = message("deferred", time.Duration(i)*time.Minute, 1, fmt.Sprintf("a@d%d.example", i%150))
		list[i].Recipients[0].Reason = "connect to mx.example.net[192.0.2.25]:25: Connection timed out"
	}
	for b.Loop() {
		for i := range list {
			s.Add(list[i])
		}
	}
}
