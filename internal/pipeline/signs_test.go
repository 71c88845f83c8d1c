package pipeline

import (
	"strings"
	"testing"
	"time"

	"github.com/mtawatch/mtawatch/internal/mta"
	"github.com/mtawatch/mtawatch/internal/tail"
	"github.com/mtawatch/mtawatch/internal/view"
)

// TestUnknownIsNeverZero looks at a belt that has been told nothing: no sign
// may look like a measurement.
func TestUnknownIsNeverZero(t *testing.T) {
	b := newBelt(t, nil, nil)
	in := b.Status(noon).Instances[0]
	if in.Queue.Unknown == "" || in.Queue.Messages != nil {
		t.Errorf("queue: %+v", in.Queue)
	}
	if in.Connections.Unknown == "" || in.Processes.Unknown == "" {
		t.Errorf("connections %+v, processes %+v", in.Connections, in.Processes)
	}
	for _, name := range []string{"mta_queue_messages", "mta_processes", "mta_inbound_connections", "mta_accept_queue_length"} {
		if _, found := metric(b, noon, name); found {
			t.Errorf("%s has a sample before anything was read", name)
		}
	}
}

func TestReadingsGrowStale(t *testing.T) {
	b := newBelt(t, nil, nil)
	b.SetQueue(mta.Queue{Time: noon, Instance: "postfix", Queues: []mta.QueueCount{{Name: "deferred", Messages: 7, Bytes: mta.UnknownBytes, Oldest: noon.Add(-time.Hour)}}}, b.stale())
	b.SetConnections(mta.Connections{Time: noon, Ports: []mta.PortTable{{Port: 25, Listening: true, AcceptLimit: 100, Closed: -1}}})
	b.SetProcesses(noon, map[string][]mta.RoleProcess{"postfix": {{Process: mta.Process{PID: 1, Start: noon}, Role: mta.RoleDispatcher}}}, "")
	wantMetric(t, b, noon, 7, "mta_queue_messages")
	wantMetric(t, b, noon, 3600, "mta_queue_oldest_age_seconds")
	wantMetric(t, b, noon, 1, "mta_processes", `role="dispatcher"`)
	wantMetric(t, b, noon, 100, "mta_accept_queue_limit")
	if _, found := metric(b, noon, "mta_queue_bytes"); found {
		t.Error("unknown bytes have a sample")
	}
	if _, found := metric(b, noon, "mta_inbound_closed_total"); found {
		t.Error("an unknown count of closed connections has a sample")
	}
	later := noon.Add(10 * time.Minute)
	for _, name := range []string{"mta_queue_messages", "mta_processes", "mta_inbound_connections"} {
		if _, found := metric(b, later, name); found {
			t.Errorf("%s still has a sample ten minutes after the reading", name)
		}
	}
	in := b.Status(later).Instances[0]
	if in.Queue.Unknown == "" || in.Connections.Unknown == "" || in.Processes.Unknown == "" {
		t.Errorf("old readings are shown as present: %+v", in)
	}
}

func TestDaemonGone(t *testing.T) {
	b := newBelt(t, nil, nil)
	master := mta.RoleProcess{Process: mta.Process{PID: 10, Start: noon}, Role: mta.RoleDispatcher}
	qmgr := mta.RoleProcess{Process: mta.Process{PID: 11, Start: noon}, Role: mta.RoleJobController}
	b.SetProcesses(noon, map[string][]mta.RoleProcess{"postfix": {master, qmgr}}, "")
	if got := b.Status(noon).Instances[0].Processes.Missing; len(got) != 0 {
		t.Fatalf("missing: %v", got)
	}
	b.Exited(11, noon.Add(time.Second))
	if got := b.Status(noon.Add(time.Second)).Instances[0].Processes.Missing; len(got) != 1 || got[0] != "job-controller" {
		t.Fatalf("missing after the end of qmgr: %v", got)
	}
	again := qmgr
	again.PID, again.Start = 20, noon.Add(2*time.Second)
	b.SetProcesses(noon.Add(2*time.Second), map[string][]mta.RoleProcess{"postfix": {master, again}}, "")
	wantMetric(t, b, noon.Add(2*time.Second), 1, "mta_process_restarts_total", `role="job-controller"`)
	wantMetric(t, b, noon.Add(2*time.Second), 0, "mta_process_restarts_total", `role="dispatcher"`)
	left := mta.RoleProcess{Process: mta.Process{PID: 9, Start: noon}, Role: mta.RoleSMTPServer, Orphan: true}
	b.SetProcesses(noon.Add(2*time.Second), map[string][]mta.RoleProcess{"postfix": {master, again, left}}, "")
	if p := b.Status(noon.Add(2 * time.Second)).Instances[0].Processes; p.Orphans != 1 {
		t.Errorf("%d orphans, want 1", p.Orphans)
	}
	b.SetProcesses(noon.Add(3*time.Second), nil, "read processes: permission denied")
	if p := b.Status(noon.Add(3 * time.Second)).Instances[0].Processes; p.Unknown == "" || len(p.Missing) != 0 {
		t.Errorf("processes that cannot be read: %+v", p)
	}
}

// TestEndIsKnown has the processes read between the end of a qmgr and the
// kernel's word of it, without and with a successor.
func TestEndIsKnown(t *testing.T) {
	master := mta.RoleProcess{Process: mta.Process{PID: 10, Start: noon}, Role: mta.RoleDispatcher}
	qmgr := mta.RoleProcess{Process: mta.Process{PID: 11, Start: noon}, Role: mta.RoleJobController}
	next := mta.RoleProcess{Process: mta.Process{PID: 20, Start: noon.Add(2 * time.Second)}, Role: mta.RoleJobController}
	for _, read := range [][]mta.RoleProcess{{master, qmgr}, {master}, {master, next}} {
		b := newBelt(t, nil, nil)
		b.SetProcesses(noon, map[string][]mta.RoleProcess{"postfix": {master, qmgr}}, "")
		b.SetProcesses(noon.Add(3*time.Second), map[string][]mta.RoleProcess{"postfix": read}, "")
		b.Exited(11, noon.Add(3*time.Second))
		b.mu.Lock()
		if e := (facts{b}).Exit("postfix", mta.RoleJobController); e.PID != 11 || e.Time.Before(noon.Add(2*time.Second)) {
			t.Errorf("the end of qmgr with %d processes read since: %+v", len(read), e)
		}
		if e := (facts{b}).Exit("postfix", mta.RoleDispatcher); e.PID != 0 {
			t.Errorf("the end of a master that runs: %+v", e)
		}
		b.mu.Unlock()
	}
}

func TestSourceHealth(t *testing.T) {
	b := newBelt(t, nil, nil)
	feed := func(at time.Time, text string) {
		if err := b.Batch(ctx, tail.Batch{Source: logPath, Text: text, Ref: at, AtEnd: true}); err != nil {
			t.Fatal(err)
		}
	}
	kind := func(at time.Time) mta.BlindKind {
		if spot := b.sources[logPath].health(at); spot != nil {
			return spot.Kind
		}
		return ""
	}
	now := noon
	for i := range 60 {
		feed(now, mail(i, now))
		now = now.Add(10 * time.Second)
	}
	if k := kind(now); k != "" {
		t.Fatalf("a healthy source is %q", k)
	}
	if k := kind(now.Add(time.Hour)); k != mta.BlindSilent {
		t.Errorf("after an hour of silence the source is %q", k)
	}
	feed(now, strings.Repeat("2026-11-23T12:10:00+00:00 mx1 postfix/smtp[1]: no line that Postfix writes\n", 60))
	if k := kind(now); k != mta.BlindNotUnderstood {
		t.Errorf("with 60 lines not understood the source is %q", k)
	}
	st := b.Status(now).Sources[0]
	if st.Unknown != 60 || len(st.LastUnknown) != keptLines {
		t.Errorf("unknown lines: %d counted, %d kept", st.Unknown, len(st.LastUnknown))
	}
	if in := b.Status(now).Instances[0]; in.Failures.Unknown == "" {
		t.Error("failures are shown as known though the log is not understood")
	}
	b.Blind(logPath, &mta.BlindSpot{Source: logPath, Kind: mta.BlindMissing, Since: now, Text: "gone"})
	if k := kind(now); k != mta.BlindMissing {
		t.Errorf("a missing source is %q", k)
	}
	wantMetric(t, b, now, 0, "mtawatch_source_up")
}

func TestGapHabit(t *testing.T) {
	var g gapHabit
	within := Silence{Least: 10 * time.Minute, Most: 24 * time.Hour}
	want := func(what string, limit time.Duration) {
		t.Helper()
		if got := g.limit(within); got != limit {
			t.Errorf("%s: limit = %s, want %s", what, got, limit)
		}
	}
	g.add(noon, time.Minute)
	want("short gaps", within.Least)
	g.add(noon.Add(time.Hour), 2*time.Hour)
	want("a gap of 2 h", 6*time.Hour)
	g.add(noon.Add(26*time.Hour), time.Minute)
	want("a day later", within.Least)
	g.add(noon.Add(27*time.Hour), 20*time.Hour)
	want("a gap of 20 h", within.Most)
}

// TestLastMinute: what is told of the last minute is of what is known of it,
// and of a log of which nothing older is known the window begins there.
func TestLastMinute(t *testing.T) {
	b := newBelt(t, nil, nil)
	if m := b.Status(noon).Instances[0].Failures.Minute; m != nil {
		t.Errorf("before any line was read: %+v", m)
	}
	const text = `2026-11-23T12:00:01+00:00 mx1 postfix/smtp[99]: 4cXk2q1Z3nz9v: to=<b@example.net>, relay=mx1.example.net[192.0.2.7]:25, delay=1, delays=0.1/0/0.4/0.5, dsn=2.0.0, status=sent (250 ok)
2026-11-23T12:00:21+00:00 mx1 postfix/smtp[99]: 4cXk2q1Z3nz9w: to=<b@example.net>, relay=mx1.example.net[192.0.2.7]:25, delay=1, delays=0.1/0/0.4/0.5, dsn=4.0.0, status=deferred (450 later)
`
	if err := b.Batch(t.Context(), tail.Batch{Source: logPath, Text: text, Ref: noon, AtEnd: true}); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		at   time.Duration // after noon
		want view.LastMinute
	}{
		{31 * time.Second, view.LastMinute{Sent: 1, Failed: 1, Span: 30 * time.Second}},
		{70 * time.Second, view.LastMinute{Failed: 1, Span: time.Minute}},
		{5 * time.Minute, view.LastMinute{Span: time.Minute}},
	} {
		f := b.Status(noon.Add(tt.at)).Instances[0].Failures
		if f.Minute == nil || *f.Minute != tt.want {
			t.Errorf("after %v: %+v, want %+v", tt.at, f.Minute, tt.want)
		}
		if first := noon.Add(time.Second); !f.Since.Equal(first) {
			t.Errorf("after %v the figures are since %v, want %v", tt.at, f.Since, first)
		}
	}
}
