package pipeline

import (
	"testing"
	"time"

	"github.com/mtawatch/mtawatch/internal/adapter/all"
	"github.com/mtawatch/mtawatch/internal/mta"
	"github.com/mtawatch/mtawatch/internal/tail"
	"github.com/mtawatch/mtawatch/internal/view"
)

// TestJudged watches a healthy machine for ten hours, then its qmgr ends:
// status and metrics tell what is normal and what is wrong.
func TestJudged(t *testing.T) {
	b := New(Config{Adapters: all.Adapters(), Judge: true})
	const path = "/var/log/mail.log"
	in := mta.Instance{MTA: "postfix", Name: "postfix", Running: true, Logs: []mta.LogSource{{Kind: mta.LogFile, Path: path}}, Listen: []mta.Listen{{Service: "smtp", Port: 25}}}
	b.SetInstances([]mta.Instance{in})
	master := mta.RoleProcess{Instance: "postfix", Process: mta.Process{PID: 10, Name: "master", Start: noon}, Role: mta.RoleDispatcher}
	qmgr := mta.RoleProcess{Instance: "postfix", Process: mta.Process{PID: 11, Name: "qmgr", Start: noon}, Role: mta.RoleJobController}
	now := noon
	tick := func(procs ...mta.RoleProcess) {
		t.Helper()
		now = now.Add(10 * time.Second)
		b.SetQueue(mta.Queue{Time: now, Instance: "postfix", Queues: []mta.QueueCount{{Name: "deferred", Messages: 40 + now.Unix()/60%7, Bytes: mta.UnknownBytes}}}, time.Minute)
		b.SetProcesses(now, map[string][]mta.RoleProcess{"postfix": procs}, "")
		var states [mta.NumTCPStates]int32
		states[mta.TCPEstablished] = int32(3 + now.Unix()/60%3)
		b.SetConnections(mta.Connections{Time: now, Ports: []mta.PortTable{{Port: 25, Listening: true, States: states, Closed: -1}}})
		line := now.Format(time.RFC3339) + " mail postfix/smtpd[102]: connect from mx.example.net[192.0.2.7]\n"
		if err := b.Batch(t.Context(), tail.Batch{Source: path, Text: line, Ref: now, AtEnd: true}); err != nil {
			t.Fatal(err)
		}
		if err := b.Tick(t.Context(), now); err != nil {
			t.Fatal(err)
		}
	}
	if st := b.Status(now); !st.Judged || st.Learned != 0 || st.Findings == nil {
		t.Errorf("at the start: judged %v, learned %s, findings %v", st.Judged, st.Learned, st.Findings)
	}
	for range 10 * 360 {
		tick(master, qmgr)
	}
	st := b.Status(now)
	if len(st.Findings) != 0 || st.Learned < 8*time.Hour {
		t.Errorf("healthy: %d findings, learned from %s", len(st.Findings), st.Learned)
	}
	q, p := st.Instances[0].Queue.Normal, st.Instances[0].Connections.Ports[0].Normal
	if q == nil || q.Low > 43 || q.High < 43 || q.Low < 1 || q.High > 400 {
		t.Errorf("normal queue %+v", q)
	}
	if p == nil || p.Low > 4 || p.High < 4 || p.High > 40 {
		t.Errorf("normal connections %+v", p)
	}
	wantNormal(t, b, now, "mta_queue_messages", 1, 400)
	tick(master)
	tick(master)
	tick(master)
	st = b.Status(now)
	if st.Verdict != view.VerdictCritical || len(st.Findings) != 1 || st.Findings[0].Code != mta.FindingJobControllerDown {
		t.Fatalf("verdict %s, findings %+v", st.Verdict, st.Findings)
	}
	if gone := st.Gone(); len(gone) != 0 {
		t.Errorf("the finding tells of it, and %v is named beside it", gone)
	}
	wantMetric(t, b, now, 1, "mta_finding_open", `code="job-controller-down"`, `severity="critical"`)
	for range 30 {
		tick(master, qmgr)
	}
	if st := b.Status(now); len(st.Findings) != 0 {
		t.Errorf("after its return: %+v", st.Findings)
	}
	if _, found := metric(b, now, "mta_finding_open"); found {
		t.Error("a finding that is over still has a sample")
	}
	if open, past := b.Findings(); len(open) != 0 || len(past) != 1 || past[0].End.IsZero() {
		t.Errorf("open %+v, past %+v", open, past)
	}
}

// wantNormal looks for the normal range of a metric between two numbers.
func wantNormal(t *testing.T, b *Belt, now time.Time, name string, least, most float64) {
	t.Helper()
	low, ok := metric(b, now, "mta_normal_low", `metric="`+name+`"`, `instance="postfix"`)
	high, ok2 := metric(b, now, "mta_normal_high", `metric="`+name+`"`, `instance="postfix"`)
	if !ok || !ok2 || low > high || low < least || high > most {
		t.Errorf("normal %s: %v %v, %v %v", name, low, ok, high, ok2)
	}
}

// TestNotJudged: a belt that does not judge says so, and claims nothing.
func TestNotJudged(t *testing.T) {
	b := newBelt(t, nil, nil)
	st := b.Status(noon)
	if st.Judged || st.Learned != 0 || len(st.Findings) != 0 || st.Verdict != view.VerdictUnknown {
		t.Errorf("judged %v, learned %s, %d findings, %s", st.Judged, st.Learned, len(st.Findings), st.Verdict)
	}
}
