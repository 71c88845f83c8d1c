package api_test

import (
	"context"
	"math"
	"net/netip"
	"time"

	"github.com/mtawatch/mtawatch/internal/mta"
	"github.com/mtawatch/mtawatch/internal/view"
)

// source is a view.Source that gives what it was filled with and keeps the
// last question.
type source struct {
	err   error
	asked any
	// traceErr ends a trace after its first step.
	traceErr error
	// hold, when set, makes Trace wait for its end after the first step.
	hold chan struct{}
}

var noon = time.Date(2026, 11, 23, 12, 0, 0, 123456000, time.UTC)

func number(n int64) *int64 { return &n }

func theStatus() view.Status {
	return view.Status{
		Time: noon, Verdict: view.VerdictCritical, Findings: []mta.Finding{theFinding()}, Judged: true, Learned: 26 * time.Hour,
		Daemon: &view.Daemon{Version: "v0.1.0", PID: 4711, Started: noon, Memory: 1 << 20, CPU: 1.5, Dropped: 2},
		Instances: []view.InstanceStatus{{
			Instance: mta.Instance{MTA: "postfix", Name: "postfix-out", Version: "3.7.11", Running: true,
				Logs:   []mta.LogSource{{Kind: mta.LogFile, Path: "/var/log/mail.log"}},
				Listen: []mta.Listen{{Service: "smtp", Port: 25}}},
			Queue: view.QueueStatus{Time: noon, Messages: number(0), Bytes: nil, Normal: &view.Range{Low: 1, High: 9, Time: noon, LearnedFrom: time.Hour},
				Queues:  []mta.QueueCount{{Name: "deferred", Messages: 0, Bytes: mta.UnknownBytes}},
				FromLog: &view.LogQueue{Messages: 3, Oldest: noon, Since: noon}},
			Failures:    view.FailureStatus{Window: time.Hour, Received: number(9), Attempts: map[string]int64{"sent": 7}, Causes: map[string]int64{"greylisted": 1}},
			Connections: view.ConnectionStatus{Time: noon, Ports: []view.PortRow{{Port: 25, Listening: true, States: map[string]int{"established": 3}, Closed: number(0)}}},
			Processes:   view.ProcessStatus{Unknown: "read /proc: permission denied"},
		}},
		Sources: []view.SourceState{{Source: "/var/log/mail.log", Up: true, Lines: 10, LastUnknown: []string{"odd \x1b[31m line"}}},
		Blind:   []mta.BlindSpot{{Source: "queue", Kind: mta.BlindFailing, Since: noon, Text: "no answer", Advice: "run it as root"}},
	}
}

func theFinding() mta.Finding {
	value, low, high := 4120.0, 180.0, 650.0
	return mta.Finding{ID: "f1", Code: mta.FindingQueueGrowing, Title: "4,120 messages wait", Severity: mta.SeverityCritical, Instance: "postfix", Subject: "deferred",
		Since: noon, Noticed: noon, Cause: "example.net times out.", Reason: mta.CauseConnectTimeout, Score: 3.5,
		Evidence: []mta.Evidence{{Text: "messages waiting", Series: "mta_queue_messages", Value: &value, Low: &low, High: &high, Lines: []string{"Nov 23 to=<b@example.net>"}}},
		RuledOut: []string{"own DNS answers"}, Advice: []string{"wait"}, Avoid: []string{"do not flush"}, Confidence: 0.9,
		Folded: []mta.Finding{{ID: "f2", Code: mta.FindingQueueOldMail, Severity: mta.SeverityWarning, Since: noon, Advice: []string{}, Evidence: []mta.Evidence{{Text: "t", Lines: []string{"line"}}}}}}
}

func theFindings() view.Findings {
	return view.Findings{Time: noon, Open: []mta.Finding{theFinding()}, Past: []mta.Finding{}, More: true, Learned: 26 * time.Hour}
}

func (s *source) Findings(_ context.Context, q view.FindingQuery) (view.Findings, error) {
	s.asked = q
	return theFindings(), s.err
}

func theCharts() view.Charts {
	now, end := view.Number(3.25), noon
	return view.Charts{From: noon.Add(-time.Minute), To: noon, Step: 30, Charts: []view.Chart{{ID: "queues", Title: "messages in the queue", Unit: "messages",
		Direction: view.Up, Times: []int64{1, 2}, Values: view.Line{0, math.NaN()}, Low: view.Line{1.5, 2}, High: view.Line{1e9, 1e-7}, Now: &now,
		Normal: &view.Range{Low: 1, High: 9, Time: noon, LearnedFrom: time.Hour}}},
		Lifelines: []view.Lifeline{{Role: "dispatcher", PID: 4, Start: noon}, {Role: "dispatcher", Start: noon, End: &end}}}
}

func (s *source) Chart(_ context.Context, q view.ChartQuery) (view.Charts, error) {
	s.asked = q
	return theCharts(), s.err
}

func theQueue() view.Queue {
	return view.Queue{Time: noon, Messages: number(12), Queues: map[string]int64{"deferred": 12}, Detail: []view.QueueDetail{{
		Instance: "postfix", Ages: []string{"5m", "10m"}, ListedAt: noon,
		Queues: []mta.QueueCount{{Name: "deferred", Messages: 12, Bytes: -1, Oldest: noon}},
		Rows:   []view.QueueRow{{Destination: "example.net", Messages: 12, Ages: []int64{11, 1}, Oldest: noon, Reason: "greylisted"}},
		Other:  &view.QueueRow{Destination: "other", Ages: []int64{0, 0}},
	}}}
}

func theMessages() view.Messages {
	return view.Messages{Time: noon, More: true, Messages: []view.MessageItem{{Instance: "postfix", QueuedMessage: mta.QueuedMessage{
		QueueID: "4cXk2q1Z3nz9v", Queue: "deferred", Arrived: noon, Size: -1, Sender: "a@example.org",
		Recipients: []mta.QueuedRecipient{{Address: "b@example.net", Reason: "later"}}}}}}
}

func theFailures() view.Failures {
	return view.Failures{Time: noon, Window: time.Hour, Since: noon.Add(-time.Hour), Attempts: map[string]int64{"deferred": 2},
		Causes: map[string]int64{"connect-timeout": 2}, Other: 1,
		Rows: []view.FailureRow{{Instance: "postfix", Destination: "example.net", Cause: mta.CauseConnectTimeout, Scope: mta.ScopePath,
			Deferred: 2, First: noon, Last: noon, Reply: "timed out", DSN: "4.4.1", QueueID: "4cXk2q1Z3nz9v"}},
		Rejects: []view.RejectRow{{Instance: "postfix", Stage: mta.StageRcpt, Cause: mta.CauseRelayDenied, Class: "5xx", Count: 4, Last: noon}}}
}

func theConnections() view.Connections {
	return view.Connections{Time: noon, Source: "sock_diag", Counters: &mta.ListenerCounters{ListenOverflows: 1, SyncookiesSent: -1},
		Connections: []mta.Connection{{LocalPort: 25, Remote: netip.MustParseAddr("2001:db8::7"), State: mta.TCPSynRecv, Count: 3}},
		Ports:       []view.PortRow{{Port: 25, Service: "smtp", States: map[string]int{}, Closed: nil}}}
}

func theProcesses() view.Processes {
	return view.Processes{Time: noon, Roles: []view.RoleRow{{Instance: "postfix", Role: mta.RoleJobController, Count: 1, Oldest: noon, Restarts: number(0)}},
		Processes: []mta.RoleProcess{{Instance: "postfix", Role: mta.RoleDispatcher, Process: mta.Process{PID: 1, Name: "master", Start: noon, State: "S"}}}}
}

func theDoctor() view.Doctor {
	return view.Doctor{Time: noon, Checks: []view.DoctorCheck{{Name: "log", Text: "no permission", Advice: "usermod -aG adm mtawatch"}}}
}

func theStep() view.TraceStep {
	return view.TraceStep{Source: "/var/log/mail.log", Text: "Nov 23 ...", Event: mta.Event{Time: noon, Instance: "postfix", Program: "smtp", PID: 4711,
		Kind: mta.KindDelivery, QueueID: "4cXk2q1Z3nz9v", To: "b@example.net", Relay: mta.Peer{Name: "mx.example.net", IP: "192.0.2.7", Port: 25},
		Status: mta.StatusDeferred, Cause: mta.CauseConnectTimeout, DSN: "4.4.1", Reply: "timed out", HasDelay: true,
		Delay: 31200 * time.Millisecond, Delays: [4]time.Duration{100 * time.Millisecond, 10 * time.Millisecond, 31100 * time.Millisecond, 0}, NumDelays: 4}}
}

func theSummary() view.TraceSummary {
	return view.TraceSummary{Messages: 1, Steps: 1, Lines: 100, Bytes: 9000, Files: []string{"/var/log/mail.log"}, Unread: []string{"/var/log/mail.log.2.gz: cut"}}
}

func theProgress() view.Progress { return view.Progress{Done: 5, Total: 10, What: "mail.log"} }

func (s *source) Status(context.Context) (view.Status, error) { return theStatus(), s.err }
func (s *source) Doctor(context.Context) (view.Doctor, error) { return theDoctor(), s.err }
func (s *source) Queue(_ context.Context, q view.QueueQuery) (view.Queue, error) {
	s.asked = q
	return theQueue(), s.err
}
func (s *source) Messages(_ context.Context, q view.MessageQuery) (view.Messages, error) {
	s.asked = q
	return theMessages(), s.err
}
func (s *source) Failures(_ context.Context, q view.FailureQuery) (view.Failures, error) {
	s.asked = q
	return theFailures(), s.err
}
func (s *source) Connections(_ context.Context, q view.ConnectionQuery) (view.Connections, error) {
	s.asked = q
	return theConnections(), s.err
}
func (s *source) Processes(_ context.Context, q view.ProcessQuery) (view.Processes, error) {
	s.asked = q
	return theProcesses(), s.err
}
func (s *source) Metrics(context.Context) ([]mta.Sample, error) { return nil, s.err }
func (s *source) Trace(ctx context.Context, q view.TraceQuery, yield func(view.TraceStep) bool, progress func(view.Progress)) (view.TraceSummary, error) {
	s.asked = q
	if s.err != nil {
		return view.TraceSummary{}, s.err
	}
	progress(theProgress())
	if !yield(theStep()) {
		return view.TraceSummary{Steps: 1, Limited: true}, nil
	}
	if s.hold != nil {
		select {
		case <-s.hold:
		case <-ctx.Done():
			return view.TraceSummary{}, ctx.Err()
		}
	}
	return theSummary(), s.traceErr
}

func theOwn() view.Own {
	first := int64(3)
	return view.Own{Time: noon, Instances: []view.OwnInstance{{Instance: "imta", At: noon, ExactSince: noon,
		OwnView: mta.OwnView{CountersBy: "`imsimta qm counters show`", Waiting: []mta.OwnWaiting{{Channel: "tcp_local", Destination: "example.net", Active: 1, Delayed: 2}},
			Processes: []mta.OwnProcess{{PID: 123, Name: "dispatcher", Role: mta.RoleDispatcher}}},
		Channels: []view.OwnChannel{{Channel: "tcp_local", Differs: []string{"stored"}, Negative: []string{"stored"},
			Own:   &mta.OwnChannel{Channel: "tcp_local", Stored: &mta.OwnCount{Messages: -4, Recipients: -4, Blocks: -362}, FirstTime: &first},
			Exact: &view.ChannelRow{Channel: "tcp_local", Stored: number(7)}}}}}}
}

func (s *source) Own(_ context.Context, q view.OwnQuery) (view.Own, error) {
	s.asked = q
	return theOwn(), s.err
}
