package cli_test

import (
	"context"
	"errors"
	"net/netip"
	"time"

	"github.com/mtawatch/mtawatch/internal/mta"
	"github.com/mtawatch/mtawatch/internal/view"
)

// source gives fixed answers, so that the tests see what is printed of them.
type source struct {
	status view.Status
	err    error
	asked  any
	stale  bool        // the last listing is of an empty queue
	usual  *view.Range // failures that are normal
	noRows bool        // nothing failed
	unread string
	change func(*view.Queue)
	traced *view.TraceSummary // a trace that finds nothing
	own    *view.Own
}

var noon = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

func number(n int64) *int64 { return &n }

func wholeStatus() view.Status {
	return view.Status{
		Time:   noon,
		Daemon: &view.Daemon{Version: "v0.1.0", PID: 4711, Started: noon.Add(-3 * time.Hour), Memory: 41_000_000},
		Instances: []view.InstanceStatus{{
			Instance: mta.Instance{MTA: "postfix", Name: "postfix-out", Version: "3.7.11", Running: true},
			Queue: view.QueueStatus{Time: noon, Messages: number(12), Bytes: number(34_567),
				Queues: []mta.QueueCount{{Name: "active", Messages: 1, Bytes: 567}, {Name: "deferred", Messages: 11, Bytes: 34_000, Oldest: noon.Add(-125 * time.Minute)}}},
			Failures: view.FailureStatus{Window: time.Hour, Received: number(351), Rejects: number(25),
				Attempts: map[string]int64{"sent": 340, "deferred": 11, "bounced": 1}, Causes: map[string]int64{"greylisted": 8, "connect-timeout": 3, "unknown-user": 1}},
			Connections: view.ConnectionStatus{Time: noon, Ports: []view.PortRow{{Port: 25, Service: "smtp", Listening: true, AcceptQueue: number(2), AcceptLimit: number(100),
				States: map[string]int{"established": 4, "close-wait": 1, "listen": 1}, Sources: 3}}},
			Processes: view.ProcessStatus{Time: noon, Roles: map[string]int{"dispatcher": 1, "job-controller": 1, "smtp-server": 4}},
		}},
		Sources: []view.SourceState{{Source: "/var/log/mail.log", Up: true, Lines: 12345, Unknown: 2, LastLine: noon.Add(-3 * time.Second)}},
	}
}

func goneFinding() mta.Finding {
	return mta.Finding{ID: "f-12", Code: mta.FindingJobControllerDown, Severity: mta.SeverityCritical, Instance: "postfix-out", Subject: "job-controller",
		Title: "the job controller of postfix-out is down: mail is accepted and not delivered", Since: noon.Add(-4 * time.Minute), Noticed: noon.Add(-239 * time.Second),
		Cause: "qmgr 102 was killed by signal 9\x1b[2J.", Confidence: 0.99,
		Evidence: []mta.Evidence{{Text: "0 job controllers"}, {Text: "what the mail server says", Lines: []string{"11:56:00 master: process 102 killed \x1b[31mby signal 9"}},
			{Text: "messages waiting", Value: level(4120), Low: level(180.2), High: level(650)}, {Text: "12 connections; normal at this hour is 3-20", Low: level(3), High: level(20)}},
		RuledOut: []string{"the dispatcher runs: mail is accepted"}, Advice: []string{"run `postfix reload`"}, Avoid: []string{"do not flush the queue"},
		Folded: []mta.Finding{{Code: mta.FindingQueueNotDraining, Title: "mail stands still", Since: noon.Add(-3 * time.Minute)}}}
}

func pastFinding() mta.Finding {
	return mta.Finding{ID: "f-7", Code: mta.FindingDestinationTimingOut, Severity: mta.SeverityWarning, Instance: "postfix-out", Subject: "example.net",
		Title: "example.net does not answer", Since: noon.Add(-3 * time.Hour), Noticed: noon.Add(-170 * time.Minute), End: noon.Add(-2 * time.Hour),
		Cause: "Its servers do not answer.", Reason: mta.CauseConnectTimeout, Score: 3.6, Confidence: 0.8, Advice: []string{}, Evidence: []mta.Evidence{}}
}

func level(v float64) *float64 { return &v }

func (s *source) Status(context.Context) (view.Status, error) { return s.status, s.err }

func (s *source) Queue(_ context.Context, q view.QueueQuery) (view.Queue, error) {
	s.asked = q
	if s.stale && !q.Fresh {
		return view.Queue{Time: noon, Messages: number(12), Detail: []view.QueueDetail{{Instance: "postfix-out", ListedAt: noon.Add(-time.Minute),
			Queues: []mta.QueueCount{{Name: "deferred", Messages: 12}}}}}, s.err
	}
	v := view.Queue{Time: noon, Messages: number(12), Bytes: number(34_567), Queues: map[string]int64{"active": 1, "deferred": 11}, Detail: []view.QueueDetail{{
		Instance: "postfix-out", ListedAt: noon.Add(-30 * time.Second), Ages: []string{"5", "5+"},
		Queues: []mta.QueueCount{{Name: "deferred", Messages: 11, Bytes: -1, Oldest: noon.Add(-125 * time.Minute)}},
		Rows:   []view.QueueRow{{Destination: "example.net", Recipients: 11, Messages: 10, Ages: []int64{1, 10}, Oldest: noon.Add(-125 * time.Minute), Reason: "timed \x1b[31mout"}},
		Other:  &view.QueueRow{Destination: "other", Recipients: 2, Messages: 2, Ages: []int64{2, 0}},
	}}}
	if s.change != nil {
		s.change(&v)
	}
	return v, s.err
}

func (s *source) Messages(_ context.Context, q view.MessageQuery) (view.Messages, error) {
	s.asked = q
	return view.Messages{Time: noon, Unknown: "the queue does not answer"}, s.err
}

func (s *source) Failures(_ context.Context, q view.FailureQuery) (view.Failures, error) {
	s.asked = q
	f := view.Failures{Time: noon, Window: q.Window, Since: noon.Add(-20 * time.Minute), Attempts: map[string]int64{"sent": 340, "deferred": 11},
		Causes: map[string]int64{"connect-timeout": 11}}
	if q.Inbound {
		f.Rejects = []view.RejectRow{{Instance: "postfix-out", Stage: mta.StageRcpt, Cause: mta.CauseRelayDenied, Class: "5xx", Count: 4, Last: noon, Reply: "554 5.7.1 no"}}
		return f, s.err
	}
	if s.noRows {
		return f, s.err
	}
	if s.unread != "" {
		return view.Failures{Time: noon, Window: q.Window, Since: noon.Add(-q.Window), Unknown: s.unread}, s.err
	}
	f.Other = 2
	f.Rows = []view.FailureRow{{Instance: "postfix-out", Destination: "example.net", Cause: mta.CauseConnectTimeout, Scope: mta.ScopePath,
		Deferred: 11, Sent: 3, First: noon.Add(-10 * time.Minute), Last: noon, Reply: "connect to mx.example.net[192.0.2.7]:25: timed out", Normal: s.usual}}
	return f, s.err
}

func (s *source) Connections(_ context.Context, q view.ConnectionQuery) (view.Connections, error) {
	s.asked = q
	return view.Connections{Time: noon, Source: "sock_diag", Counters: &mta.ListenerCounters{ListenOverflows: 7, ListenDrops: 8, SyncookiesSent: -1},
		Ports:       wholeStatus().Instances[0].Connections.Ports,
		Connections: []mta.Connection{{LocalPort: 25, Remote: netip.MustParseAddr("2001:db8::7"), State: mta.TCPEstablished, Count: 4}}}, s.err
}

func (s *source) Processes(_ context.Context, q view.ProcessQuery) (view.Processes, error) {
	s.asked = q
	return view.Processes{Time: noon, Roles: []view.RoleRow{{Instance: "postfix-out", Role: mta.RoleDispatcher, Count: 1, Oldest: noon.Add(-time.Hour), Restarts: number(2)}},
		Processes: []mta.RoleProcess{{Instance: "postfix-out", Role: mta.RoleDispatcher, Process: mta.Process{PID: 42, Name: "master",
			Args: []string{"/usr/lib/postfix/sbin/master", "-w"}, State: "S", Start: noon.Add(-time.Hour), CPU: 1.25, Memory: 4_900_000}},
			{Instance: "postfix-out", Role: mta.RoleSMTPServer, Orphan: true, Process: mta.Process{PID: 17, Name: "smtpd",
				Args: []string{"smtpd", "-n", "smtp"}, State: "S", Start: noon.Add(-2 * time.Hour)}}}}, s.err
}

func (s *source) Doctor(context.Context) (view.Doctor, error) {
	return view.Doctor{Time: noon, Checks: []view.DoctorCheck{{Name: "queue", OK: true, Text: "counted"},
		{Name: "log", Text: "/var/log/mail.log: permission denied", Advice: "usermod -aG adm mtawatch"},
		{Name: "postfix-out", Fault: true, Text: "not running"}}}, s.err
}

func (s *source) Chart(context.Context, view.ChartQuery) (view.Charts, error) {
	return view.Charts{}, s.err
}

func (s *source) Findings(_ context.Context, q view.FindingQuery) (view.Findings, error) {
	s.asked = q
	f := q.Select(s.status.Findings, []mta.Finding{pastFinding()})
	f.Time, f.Learned = noon, 26*time.Hour
	return f, s.err
}

func (s *source) Metrics(context.Context) ([]mta.Sample, error) { return nil, errors.ErrUnsupported }

func (s *source) Trace(_ context.Context, q view.TraceQuery, yield func(view.TraceStep) bool, progress func(view.Progress)) (view.TraceSummary, error) {
	s.asked = q
	if s.traced != nil {
		return *s.traced, s.err
	}
	progress(view.Progress{Done: 1, Total: 2, What: "mail.log"})
	yield(view.TraceStep{Source: "mail.log", Text: "...", Event: mta.Event{Time: noon, Instance: "postfix-out", Program: "smtp", Kind: mta.KindDelivery,
		QueueID: "4cXk2q1Z3nz9v", To: "b@example.net", Status: mta.StatusBounced, Cause: mta.CauseUnknownUser, Reply: "550 no such \u202euser"}})
	return view.TraceSummary{Messages: 1, Steps: 1, Bytes: 2000, Files: []string{"mail.log"}}, s.err
}
