package tui

import (
	"context"
	"errors"
	"net/netip"
	"os"
	"strings"
	"testing"
	"time"

	tea "charm.land/bubbletea/v2"

	"github.com/mtawatch/mtawatch/internal/mta"
	"github.com/mtawatch/mtawatch/internal/view"
)

// TestMain puts the reader into one zone: the screen tells times in it, and
// graphs begin at even times.
func TestMain(m *testing.M) {
	time.Local = time.UTC
	os.Exit(m.Run())
}

var noon = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

func ptr[T any](v T) *T { return &v }

// source answers from what a test says. Methods that are not written here
// are not asked.
type source struct {
	view.Source
	status      view.Status
	queue       view.Queue
	failures    view.Failures
	connections view.Connections
	processes   view.Processes
	charts      func(q view.ChartQuery) view.Charts
	err         error // of every question
	asked       []string
}

func (s *source) note(what string) error {
	s.asked = append(s.asked, what)
	return s.err
}

func (s *source) Status(context.Context) (view.Status, error) { return s.status, s.note("status") }

func (s *source) Queue(context.Context, view.QueueQuery) (view.Queue, error) {
	return s.queue, s.note("queue")
}

func (s *source) Failures(context.Context, view.FailureQuery) (view.Failures, error) {
	return s.failures, s.note("failures")
}

func (s *source) Connections(context.Context, view.ConnectionQuery) (view.Connections, error) {
	return s.connections, s.note("connections")
}

func (s *source) Processes(context.Context, view.ProcessQuery) (view.Processes, error) {
	return s.processes, s.note("processes")
}

func (s *source) Findings(_ context.Context, q view.FindingQuery) (view.Findings, error) {
	f := q.Select(s.status.Findings, nil)
	f.Time, f.Learned = s.status.Time, s.status.Learned
	return f, s.note("findings")
}

func (s *source) Messages(_ context.Context, q view.MessageQuery) (view.Messages, error) {
	return view.Messages{Time: s.status.Time, Messages: []view.MessageItem{{Instance: q.Instance, QueuedMessage: mta.QueuedMessage{
		QueueID: "4cXk2q", Queue: "deferred", Arrived: s.status.Time.Add(-time.Hour), Sender: "a@example.org",
		Recipients: []mta.QueuedRecipient{{Address: "b@" + q.Destination, Reason: "timed out"}}}}}}, s.note("messages of " + q.Destination)
}

func (s *source) Chart(_ context.Context, q view.ChartQuery) (view.Charts, error) {
	if s.charts == nil {
		return view.Charts{}, errors.New("there is nothing at this address")
	}
	return s.charts(q), s.note("chart " + string(q.Sign) + " " + q.Span.String())
}

// calm is a healthy mail server.
func calm() *source {
	normal := func(low, high float64) *view.Range { return &view.Range{Low: low, High: high, Time: noon} }
	in := view.InstanceStatus{Instance: mta.Instance{MTA: "postfix", Name: "postfix-out", Running: true},
		Queue: view.QueueStatus{Time: noon, Messages: ptr(int64(12)), Bytes: ptr(int64(34_567)), Normal: normal(5, 40),
			Queues: []mta.QueueCount{{Name: "active", Messages: 1}, {Name: "deferred", Messages: 11, Oldest: noon.Add(-125 * time.Minute)}}},
		Failures: view.FailureStatus{Window: time.Hour, Since: noon.Add(-time.Hour), Received: ptr(int64(351)), Rejects: ptr(int64(25)), Minute: &view.LastMinute{Sent: 6, Failed: 1, Span: time.Minute},
			Attempts: map[string]int64{"sent": 340, "deferred": 11, "bounced": 1}, Causes: map[string]int64{"greylisted": 8, "unknown-user": 4},
			Normal: &view.NormalFailures{Attempts: map[string]view.Range{"sent": *normal(4, 9), "deferred": *normal(0, 1), "bounced": *normal(0, 0.5)}}},
		Connections: view.ConnectionStatus{Time: noon, Ports: []view.PortRow{{Port: 25, Service: "smtp", Listening: true, AcceptQueue: ptr(int64(0)), AcceptLimit: ptr(int64(100)),
			States: map[string]int{"established": 4, "time-wait": 3}, Sources: 3, Normal: normal(0, 9)}}},
		Processes: view.ProcessStatus{Time: noon, Roles: map[string]int{"dispatcher": 1, "job-controller": 1, "smtp-server": 4}},
	}
	s := &source{status: view.Status{Time: noon, Judged: true, Learned: 14 * 24 * time.Hour, Daemon: &view.Daemon{Version: "v0.1.0", PID: 4711}, Instances: []view.InstanceStatus{in}}}
	s.queue = view.Queue{Time: noon, Messages: ptr(int64(12)), Detail: []view.QueueDetail{{Instance: "postfix-out", ListedAt: noon.Add(-5 * time.Second),
		Ages: []string{"5", "10", "20", "20+"}, Total: &view.QueueRow{Recipients: 12, Messages: 12, Ages: []int64{1, 0, 2, 9}, Oldest: noon.Add(-125 * time.Minute)},
		Rows: []view.QueueRow{{Destination: "example.net", Recipients: 11, Messages: 11, Ages: []int64{1, 0, 1, 9}, Oldest: noon.Add(-125 * time.Minute), Normal: normal(0, 3),
			Reason: "connect to mx.example.net[192.0.2.7]:25: Connection timed out"}, {Destination: "example.com", Recipients: 1, Messages: 1, Ages: []int64{0, 0, 1, 0}}}}}}
	s.failures = view.Failures{Time: noon, Window: time.Hour, Since: noon.Add(-time.Hour), Attempts: map[string]int64{"sent": 340, "deferred": 11},
		Rows: []view.FailureRow{{Instance: "postfix-out", Destination: "example.net", Cause: mta.CauseConnectTimeout, Scope: mta.ScopePath, Deferred: 11, First: noon.Add(-time.Hour),
			Last: noon, Reply: "connect to mx.example.net[192.0.2.7]:25: Connection timed out", QueueID: "4cXk2q"},
			{Instance: "postfix-out", Destination: "example.com", Cause: mta.CauseUnknownUser, Scope: mta.ScopeRecipient, Bounced: 1, Last: noon, Reply: "550 5.1.1 no such user"}}}
	s.connections = view.Connections{Time: noon, Ports: in.Connections.Ports, Connections: []mta.Connection{{LocalPort: 25, Remote: netip.MustParseAddr("192.0.2.9"), State: mta.TCPEstablished, Count: 3},
		{LocalPort: 25, Remote: netip.MustParseAddr("2001:db8::7"), State: mta.TCPEstablished, Count: 1}}}
	s.processes = view.Processes{Time: noon, Roles: []view.RoleRow{{Instance: "postfix-out", Role: mta.RoleSMTPServer, Count: 4, Restarts: ptr(int64(2))}},
		Processes: []mta.RoleProcess{{Instance: "postfix-out", Role: mta.RoleDispatcher, Process: mta.Process{PID: 42, PPID: 1, Name: "master", Args: []string{"/usr/lib/postfix/sbin/master", "-w"},
			State: "S", Start: noon.Add(-time.Hour), CPU: 1.25, Memory: 4_900_000}}}}
	return s
}

// incident is the same with its job controller gone.
func incident() *source {
	s := calm()
	s.status.Findings = []mta.Finding{
		{ID: "f-12", Code: mta.FindingJobControllerDown, Severity: mta.SeverityCritical, Instance: "postfix-out", Subject: "job-controller",
			Title: "the job controller (qmgr) of postfix-out is down: mail is accepted and not delivered", Since: noon.Add(-4 * time.Minute), Noticed: noon.Add(-239 * time.Second),
			Cause: "qmgr 102 was killed by signal 9.", Confidence: 0.99, Evidence: []mta.Evidence{{Text: "messages waiting", Value: ptr(4120.), Low: ptr(5.), High: ptr(40.)},
				{Text: "what the mail server says", Lines: []string{"11:56:00 master: process 102 killed by signal 9"}}},
			Advice: []string{"start it: `postfix reload`", "see the log"}, Avoid: []string{"do not flush the queue"}, RuledOut: []string{"the dispatcher runs"},
			Folded: []mta.Finding{{Code: mta.FindingQueueNotDraining, Severity: mta.SeverityWarning, Instance: "postfix-out", Title: "mail stands still", Since: noon.Add(-3 * time.Minute)}}},
		{ID: "f-13", Code: mta.FindingDestinationTimingOut, Severity: mta.SeverityWarning, Instance: "postfix-out", Subject: "example.net",
			Title: "example.net does not answer", Since: noon.Add(-2 * time.Hour), Advice: []string{"wait: it is their fault"}},
	}
	in := &s.status.Instances[0]
	in.Queue.Messages = ptr(int64(4120))
	in.Queue.Queues[1].Messages = 4119
	in.Processes.Roles, in.Processes.Missing = map[string]int{"dispatcher": 1, "job-controller": 0, "smtp-server": 4}, []string{"job-controller"}
	return s
}

// start gives a view of such a size that has its first answer.
func start(t *testing.T, s *source, columns, lines int) *model {
	t.Helper()
	m := newModel(t.Context(), Config{UTF8: true, Interval: 2 * time.Second, Ask: func(_ context.Context, question func(view.Source) error) error { return question(s) }})
	send(t, m, tea.WindowSizeMsg{Width: columns, Height: lines})
	run(t, m, m.Init())
	return m
}

// run runs a command and what follows from it, but for the wait for the next
// question.
func run(t *testing.T, m *model, cmd tea.Cmd) {
	t.Helper()
	for cmd != nil && m.asking {
		cmd = send(t, m, cmd())
	}
}

func send(t *testing.T, m *model, msg tea.Msg) tea.Cmd {
	t.Helper()
	_, cmd := m.Update(msg)
	return cmd
}

// again asks once more, with the clock of the answers set on.
func again(t *testing.T, m *model, s *source, later time.Duration) {
	t.Helper()
	s.status.Time = s.status.Time.Add(later)
	run(t, m, m.askNow())
}

// press presses keys, by their names or, where it is none, letter by letter.
func press(t *testing.T, m *model, keys ...string) {
	t.Helper()
	names := map[string]rune{"enter": tea.KeyEnter, "esc": tea.KeyEscape, "up": tea.KeyUp, "down": tea.KeyDown, "end": tea.KeyEnd, "home": tea.KeyHome,
		"tab": tea.KeyTab, "backspace": tea.KeyBackspace, "pgdown": tea.KeyPgDown}
	for _, k := range keys {
		if code, ok := names[k]; ok {
			run(t, m, send(t, m, tea.KeyPressMsg{Code: code}))
			continue
		}
		for _, r := range k {
			run(t, m, send(t, m, tea.KeyPressMsg{Code: r, Text: string(r)}))
		}
	}
}

// shot is the screen without styles.
func shot(m *model) string {
	var b strings.Builder
	for _, r := range m.screen() {
		line := ""
		for _, s := range r.cut(m.width) {
			line += s.text
		}
		b.WriteString(strings.TrimRight(line, " ") + "\n")
	}
	return b.String()
}
