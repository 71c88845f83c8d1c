package pipeline

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/mtawatch/mtawatch/internal/mta"
	"github.com/mtawatch/mtawatch/internal/qshape"
	"github.com/mtawatch/mtawatch/internal/state"
	"github.com/mtawatch/mtawatch/internal/tail"
)

// TestStoreFullWhileCatchingUp goes on reading, in bounded memory, while the
// store takes nothing.
func TestStoreFullWhileCatchingUp(t *testing.T) {
	db, series := stores(t, t.TempDir())
	defer closeAll(t, db, series)
	b := newBelt(t, &refusing{DB: db, full: true}, series)
	for i := range 5000 { // a tick each
		if err := b.Batch(ctx, tail.Batch{Source: logPath, Text: mail(i, noon.Add(time.Duration(10*i)*time.Second)), Behind: 1}); err != nil {
			t.Fatalf("batch %d ended the source: %v", i, err)
		}
	}
	if n := len(b.pending); n > 2*maxPending {
		t.Errorf("%d ticks wait, want at most %d", n, 2*maxPending)
	}
	wantMetric(t, b, noon, 5000, "mta_received_messages_total")
}

// TestFutureStamp has one line from 2036 in the log: it counts, and moves
// neither the series nor the window.
func TestFutureStamp(t *testing.T) {
	db, series := stores(t, t.TempDir())
	defer closeAll(t, db, series)
	b := newBelt(t, db, series)
	ref := noon.Add(time.Minute)
	for i, at := range []time.Time{noon, noon.AddDate(10, 0, 0), noon.Add(30 * time.Second)} {
		if err := b.Batch(ctx, tail.Batch{Source: logPath, Text: mail(i, at), Ref: ref, Behind: int64(2 - i), AtEnd: i == 2}); err != nil {
			t.Fatal(err)
		}
	}
	if err := b.Tick(ctx, ref); err != nil {
		t.Fatal(err)
	}
	if last := series.Last(); !last.Equal(ref) {
		t.Errorf("the newest sample is of %s, want %s", last, ref)
	}
	wantMetric(t, b, ref, 3, "mta_received_messages_total")
	if got := b.meter.Totals("postfix", noon, ref).Received; got != 3 {
		t.Errorf("the window has %d messages, want 3", got)
	}
	if len(b.sources[logPath].malformed.lines) == 0 {
		t.Error("the line is not kept for people to see")
	}
}

// TestBehindIsUnknown shows no figures from a log that is far behind.
func TestBehindIsUnknown(t *testing.T) {
	b := newBelt(t, nil, nil)
	if err := b.Batch(ctx, tail.Batch{Source: logPath, Text: mail(0, noon.Add(-48*time.Hour)), Behind: 5 << 30}); err != nil {
		t.Fatal(err)
	}
	f := b.Status(noon).Instances[0].Failures
	if f.Unknown == "" || f.Attempts != nil || f.Received != nil {
		t.Errorf("failures while 5 GB behind: %+v", f)
	}
	if !hasBlind(b.Status(noon), logPath) {
		t.Error("being far behind is no blind spot")
	}
}

// TestListingCompletesCount takes bytes and oldest of a queue from its last
// listing while that stands.
func TestListingCompletesCount(t *testing.T) {
	b := newBelt(t, nil, nil)
	b.SetQueue(mta.Queue{Time: noon, Instance: "postfix", Queues: []mta.QueueCount{{Name: "deferred", Messages: 7, Bytes: mta.UnknownBytes},
		{Name: "active", Bytes: 0}, {Name: "tcp_local", Messages: 9, Untried: &mta.Untried{Messages: 8}}}}, time.Hour)
	untried := make(Arrivals)
	for _, m := range []mta.QueuedMessage{{Queue: "tcp_local", Arrived: noon.Add(-time.Minute)}, {Queue: "tcp_local", Arrived: noon.Add(-time.Hour)}, {Queue: "tcp_local"},
		{Queue: "tcp_local", Arrived: noon.Add(-2 * time.Hour), Attempts: 1}, {Queue: "deferred", Arrived: noon.Add(-time.Hour)}} {
		untried.Untried(&m)
	}
	list := Listed(noon, time.Minute, qshape.New(10).Table(noon),
		mta.Queue{Queues: []mta.QueueCount{{Name: "deferred", Messages: 6, Bytes: 6000, Oldest: noon.Add(-time.Hour)}}}, untried, nil)
	b.SetQueueTable("postfix", list)
	wantMetric(t, b, noon, 6000, "mta_queue_bytes", `queue="deferred"`)
	wantMetric(t, b, noon, 3600, "mta_queue_oldest_age_seconds", `queue="deferred"`)
	wantMetric(t, b, noon, 3600, "mta_queue_untried_oldest_age_seconds", `queue="tcp_local"`)
	if _, found := metric(b, noon, "mta_queue_untried_messages", `queue="deferred"`); found {
		t.Error("untried mail of a server that does not tell of it")
	}
	if _, found := metric(b, noon.Add(2*time.Minute), "mta_queue_bytes", `queue="deferred"`); found {
		t.Error("an old listing still tells the bytes")
	}
	b.SetQueueTable("postfix", QueueTable{Time: noon.Add(time.Second), Failed: "showq does not answer"})
	if s := b.shapes["postfix"]; s.Failed == "" || !s.Since.Equal(noon.Add(time.Second)) || !s.Time.Equal(noon) {
		t.Errorf("after a failed listing: %+v", s)
	}
}

// TestDowntimeIsNoHabit does not take our own absence for the log's silence.
func TestDowntimeIsNoHabit(t *testing.T) {
	dir := t.TempDir()
	db, series := stores(t, dir)
	b := newBelt(t, db, series)
	feed := func(at time.Time) {
		t.Helper()
		if err := errors.Join(b.Batch(ctx, tail.Batch{Source: logPath, Text: mail(1, at), Ref: at, AtEnd: true}), b.Tick(ctx, at)); err != nil {
			t.Fatal(err)
		}
	}
	feed(noon)
	feed(noon.Add(time.Minute))
	closeAll(t, db, series)
	db, series = stores(t, dir)
	defer closeAll(t, db, series)
	b = newBelt(t, db, series)
	feed(noon.Add(9 * time.Hour))
	if got := b.sources[logPath].gaps.usual(); got != time.Minute {
		t.Errorf("the longest silence is %s, want the minute that was one", got)
	}
}

// TestShutdownIsNoFailure commits with a context that has ended: no trouble
// of the store is told, and the next commit has it all.
func TestShutdownIsNoFailure(t *testing.T) {
	db, series := stores(t, t.TempDir())
	defer closeAll(t, db, series)
	b := newBelt(t, db, series)
	if err := b.Batch(ctx, tail.Batch{Source: logPath, Text: mail(1, noon), Ref: noon, AtEnd: true}); err != nil {
		t.Fatal(err)
	}
	ended, cancel := context.WithCancel(ctx)
	cancel()
	if err := b.Tick(ended, noon); err == nil {
		t.Fatal("a commit with an ended context succeeded")
	}
	if hasBlind(b.Status(noon), "store") {
		t.Error("a shutdown is told as trouble of the store")
	}
	if err := b.Tick(ctx, noon.Add(time.Second)); err != nil {
		t.Fatal(err)
	}
	n := 0
	if err := db.Each(ctx, bucketMessage, func(string, []byte) error { n++; return nil }); err != nil || n != 0 {
		t.Errorf("%d messages are stored, %v; the only one was removed", n, err)
	}
	if _, ok, err := db.Get(ctx, bucketCounter, "postfix"); !ok || err != nil {
		t.Errorf("the counters are not stored: %v", err)
	}
}

// TestGaugeSeriesForgotten lets series go that are no longer asked for.
func TestGaugeSeriesForgotten(t *testing.T) {
	g := newGaugeSeries()
	for i := range 3 * forgotten {
		g.next()
		s := sampler{g: &g}
		s.gauge("mta_queue_destination_messages", 1, "destination", fmt.Sprint("d", i))
	}
	if n := len(g.byKey); n > 2*forgotten+1 {
		t.Errorf("%d series are kept, want at most %d", n, 2*forgotten+1)
	}
}

func TestNamed(t *testing.T) {
	list := named([]mta.Instance{{Name: "postfix", Logs: instances[0].Logs}, {Name: "postfix", ConfigDir: "/etc/postfix-out", Logs: instances[0].Logs}})
	if list[0].Name != "postfix" || list[1].Name != "postfix:/etc/postfix-out" || len(list[1].Logs) != 0 || !strings.Contains(list[1].Notes[0], "told apart") {
		t.Errorf("named: %+v", list)
	}
}

var _ StateStore = (*state.DB)(nil)
