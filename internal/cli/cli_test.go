package cli_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/mtawatch/mtawatch/internal/api"
	"github.com/mtawatch/mtawatch/internal/cli"
	"github.com/mtawatch/mtawatch/internal/config"
	"github.com/mtawatch/mtawatch/internal/mta"
	"github.com/mtawatch/mtawatch/internal/view"
)

// run runs one command against a source, as if a daemon answered.
func run(t *testing.T, s *source, args ...string) (status int, stdout, stderr string) {
	t.Helper()
	t.Setenv("TZ", "UTC")
	t.Setenv(config.EnvPath, emptyConfig(t))
	deps := cli.Deps{Client: func(string) view.Source { return s }}
	var out, errs bytes.Buffer
	status = cli.Run(t.Context(), deps, append([]string{"mtawatch"}, args...), strings.NewReader(""), &out, &errs)
	return status, out.String(), errs.String()
}

func emptyConfig(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "mtawatch.yaml")
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// textTest is one command with the text that it prints of the answers.
type textTest struct {
	name   string
	args   string
	change func(*source)
	status int
	want   string
}

func TestText(t *testing.T) {
	time.Local = time.UTC
	for _, tt := range slices.Concat(statusTests, questionTests, findingTests) {
		t.Run(tt.name, func(t *testing.T) {
			s := &source{status: wholeStatus()}
			if tt.change != nil {
				tt.change(s)
			}
			status, got, stderr := run(t, s, strings.Fields(tt.args)...)
			if d := cmp.Diff(tt.want, got); d != "" {
				t.Errorf("(-want +got):\n%s", d)
			}
			if status != tt.status || stderr != "" {
				t.Errorf("status %d, want %d; stderr %q", status, tt.status, stderr)
			}
		})
	}
}

var statusTests = []textTest{
	{name: "status", args: "status", want: `OK: postfix-out: 12 queued, 340 sent and 12 failed attempts, 5 connections, 6 processes

postfix-out  postfix 3.7.11
  queue        12 messages, 35 kB: deferred 11, active 1; oldest 2h 5m, in deferred
  failures     last 1h: 351 received, 340 sent, 11 deferred, 1 bounced; 25 client requests rejected
               why: greylisted 8, connect-timeout 3, unknown-user 1
  connections  port 25 smtp: 5 connections (established 4, close-wait 1) from 3 addresses; 2 of 100 wait to be accepted
  processes    dispatcher 1, job-controller 1, smtp-server 4

sources
  /var/log/mail.log: 12345 lines, 2 not understood, last line 3s ago

mtawatch v0.1.0, pid 4711, up 3h, 41 MB of memory
`},
	{name: "status with unknown signs", args: "status", status: 3, change: func(s *source) {
		in := &s.status.Instances[0]
		in.Queue = view.QueueStatus{Unknown: "showq does not answer"}
		in.Failures = view.FailureStatus{Window: time.Hour, Attempts: map[string]int64{"sent": 0}, Unknown: "no log"}
		in.Connections = view.ConnectionStatus{Unknown: "sock_diag: not permitted"}
		in.Processes = view.ProcessStatus{Unknown: "no /proc"}
		s.status.Daemon, s.status.Sources = nil, nil
		s.status.Blind = []mta.BlindSpot{{Source: "queue", Kind: mta.BlindFailing, Since: noon.Add(-time.Minute), Text: "no \x1b[2Janswer", Advice: "run it as root"}}
	}, want: `UNKNOWN: queue of postfix-out: showq does not answer (and 4 more)

postfix-out  postfix 3.7.11
  queue        UNKNOWN: showq does not answer
  failures     UNKNOWN: no log
  connections  UNKNOWN: sock_diag: not permitted
  processes    UNKNOWN: no /proc

no daemon runs: this is the machine at this moment; 'mtawatch run' keeps watching

1 blind spot
  queue is failing, since 11:59:00: no ?[2Janswer
    to do: run it as root
`},
	{name: "status without a mail server", args: "status", status: 3, change: func(s *source) { s.status = view.Status{Time: noon} },
		want: `UNKNOWN: no mail server found on this machine

  to do: see 'mtawatch doctor', or name the mail server under 'instances' in the configuration

no daemon runs: this is the machine at this moment; 'mtawatch run' keeps watching
`},
	{name: "a daemon is gone", args: "status", status: 2, change: func(s *source) {
		s.status.Instances = s.status.Instances[:1]
		s.status.Instances[0] = view.InstanceStatus{Instance: mta.Instance{MTA: "postfix", Name: "postfix-out"},
			Queue:     view.QueueStatus{Messages: number(0)},
			Processes: view.ProcessStatus{Roles: map[string]int{"dispatcher": 1}, Missing: []string{"job-controller"}, Orphans: 3}}
		s.status.Sources = nil
	}, want: `CRITICAL: the job-controller of postfix-out is not running

postfix-out  postfix, not running
  queue        0 messages
  connections  no port to watch
  processes    dispatcher 1, job-controller 0
               3 left over from an earlier start

mtawatch v0.1.0, pid 4711, up 3h, 41 MB of memory
`},
}

var questionTests = []textTest{
	{name: "queue", args: "queue", want: `12 messages, 35 kB: deferred 11, active 1

postfix-out: oldest message 2h 5m, in deferred; table read 30s ago
              T  5  5+  OLDEST  LAST REASON
TOTAL        13  3  10   2h 5m
example.net  11  1  10   2h 5m  timed ?[31mout
(other)       2  2   0
`},
	{name: "queue counters", args: "queue counters", want: `12 messages, 35 kB: deferred 11, active 1

INSTANCE     QUEUE     MESSAGES  SIZE  OLDEST
postfix-out  deferred        11     -   2h 5m
`},
	{name: "queue with an older table", args: "queue", change: func(s *source) {
		s.change = func(q *view.Queue) {
			q.Detail[0].Total = &view.QueueRow{Recipients: 13, Messages: 9, Ages: []int64{3, 10}}
		}
	},
		want: `12 messages, 35 kB: deferred 11, active 1

postfix-out: oldest message 2h 5m, in deferred; table of 11:59:30, when there were 9
              T  5  5+  OLDEST  LAST REASON
TOTAL        13  3  10
example.net  11  1  10   2h 5m  timed ?[31mout
(other)       2  2   0
`},
	{name: "fresh, and the server is down", args: "queue --fresh", status: 3, change: func(s *source) {
		s.change = func(q *view.Queue) { q.Detail[0].ListFailed = "connect to showq: connection refused" }
	},
		want: `12 messages, 35 kB: deferred 11, active 1

postfix-out: oldest message 2h 5m, in deferred
  no present table: connect to showq: connection refused
`},
	{name: "one queue", args: "queue --queue deferred", change: func(s *source) {
		s.change = func(q *view.Queue) {
			q.Detail[0].Queues = append(q.Detail[0].Queues, mta.QueueCount{Name: "hold", Messages: 1, Oldest: noon.Add(-30 * time.Hour)})
		}
	}, want: `12 messages, 35 kB: deferred 11, active 1

postfix-out: oldest message 2h 5m, in deferred; table read 30s ago
              T  5  5+  OLDEST  LAST REASON
TOTAL        13  3  10   2h 5m
example.net  11  1  10   2h 5m  timed ?[31mout
(other)       2  2   0
destinations with mail in deferred; their figures count every queue
`},
	{name: "an empty queue", args: "queue", change: func(s *source) {
		s.change = func(q *view.Queue) {
			*q = view.Queue{Time: noon, Messages: number(0), Detail: []view.QueueDetail{{Instance: "postfix-out", ListedAt: noon, Queues: []mta.QueueCount{{Name: "hold"}}}}}
		}
	}, want: "0 messages\n\npostfix-out: the queue is empty\n"},
	{name: "port that is not watched", args: "connections --port 2525", status: 3, want: `UNKNOWN: port 2525 is not watched: add it to 'ports' in the configuration; without --port every watched port is shown
`},
	{name: "messages unknown", args: "queue list", status: 3, want: "UNKNOWN: the queue does not answer\n"},
	{name: "failures", args: "failures", want: `last 20m (nothing older is known; 1h were asked for): sent 340, deferred 11
why: connect-timeout 11

DESTINATION  CAUSE            AT FAULT     DEFERRED  BOUNCED  SENT  FIRST SEEN  LAST      LAST REPLY
example.net  connect-timeout  the network        11        0     3  11:50:00    12:00:00  connect to mx.example.net[192.0.2.7]:25: timed out
and 2 failures in other rows: see --top
`},
	{name: "rejects", args: "failures --inbound", want: `last 20m (nothing older is known; 1h were asked for)

INSTANCE     STAGE  CAUSE         CLASS  COUNT  LAST      LAST REPLY
postfix-out  rcpt   relay-denied  5xx        4  12:00:00  554 5.7.1 no
`},
	{name: "failures of whole steps", args: "failures --window 17m30s --cause connect-timeout", want: `since 11:40:00 (counted in steps of 5 minutes), only connect-timeout: 13 failures

DESTINATION  CAUSE            AT FAULT     DEFERRED  BOUNCED  SENT  FIRST SEEN  LAST      LAST REPLY
example.net  connect-timeout  the network        11        0     3  11:50:00    12:00:00  connect to mx.example.net[192.0.2.7]:25: timed out
and 2 failures in other rows: see --top
`},
	{name: "no failure there", args: "failures --window 20m --destination Example.COM", change: func(s *source) { s.noRows = true },
		want: "last 20m, only to example.com: 0 failures\nno failure to example.com in the window\n"},
	{name: "failures of an unread log", args: "failures", status: 3, change: func(s *source) { s.unread = "postfix-out: permission denied" },
		want: "UNKNOWN: postfix-out: permission denied\n"},
	{name: "connections", args: "connections", want: `port 25 smtp: 5 connections (established 4, close-wait 1) from 3 addresses; 2 of 100 wait to be accepted
since the system started: accept queue overflows 7, handshakes dropped 8, SYN cookies sent unknown

PORT  REMOTE       STATE        COUNT
25    2001:db8::7  established      4
`},
	{name: "processes", args: "processes", want: `INSTANCE     ROLE        COUNT  OLDEST  RESTARTS
postfix-out  dispatcher      1      1h         2

PID  INSTANCE     ROLE         STATE  STARTED   AGE   CPU  MEMORY  COMMAND
 42  postfix-out  dispatcher   S      11:00:00   1h  1.2s  4.9 MB  /usr/lib/postfix/sbin/master -w
 17  postfix-out  smtp-server  S      10:00:00   2h  0.0s     0 B  smtpd -n smtp

1 left over from an earlier start: 17
`},
	{name: "doctor", args: "doctor", status: 3, want: `OK  queue: counted
NO  log: /var/log/mail.log: permission denied
      to do: usermod -aG adm mtawatch
NO  postfix-out: not running
1 thing is not as it should be; 1 thing cannot be seen
`},
	{name: "trace", args: "trace --server x 4cXk2q1Z3nz9v", want: `4cXk2q1Z3nz9v  postfix-out
  2026-11-23 12:00:00  smtp          bounced to b@example.net, unknown-user: 550 no such ?user
1 message, 1 step; read 2.0 kB in 1 file
`},
}

// TestFlags shows that flags reach the question.
func TestFlags(t *testing.T) {
	tests := []struct {
		args string
		want any
	}{
		{"queue --instance a --queue active,hold --top 3 --fresh", view.QueueQuery{Instance: "a", Queues: []string{"active", "hold"}, Top: 3, Fresh: true}},
		{"queue list --instance a --queue hold --destination d --sender s --id i --limit 5", view.MessageQuery{Instance: "a", Queue: "hold", Destination: "d", Sender: "s", ID: "i", Limit: 5}},
		{"failures --window 2h --cause other --destination d --instance a --top 4 --inbound", view.FailureQuery{Window: 2 * time.Hour, Cause: "other", Destination: "d", Instance: "a", Top: 4, Inbound: true}},
		{"connections --port 587 --state syn-recv --top 9", view.ConnectionQuery{Port: 587, State: "syn-recv", Top: 9}},
		{"findings --limit 5", view.FindingQuery{Limit: 5}},
		{"findings --since 2026-11-23T12:00:00Z queue-growing", view.FindingQuery{Limit: 100, Code: mta.FindingQueueGrowing, Since: noon}},
		{"findings f-12", view.FindingQuery{Limit: 100, ID: "f-12"}},
		{"processes --instance a", view.ProcessQuery{Instance: "a"}},
		{"trace --server x --limit 7 --since 2026-11-23T12:00:00Z <m@example.org>", view.TraceQuery{Text: "m@example.org", Limit: 7, Since: noon}},
	}
	for _, tt := range tests {
		t.Run(tt.args, func(t *testing.T) {
			s := &source{}
			run(t, s, strings.Fields(tt.args)...)
			if d := cmp.Diff(tt.want, s.asked); d != "" {
				t.Errorf("(-want +got):\n%s", d)
			}
		})
	}
}

// TestNoSuchQueue shows that the name of a queue that is not there is refused
// with the names that are.
func TestNoSuchQueue(t *testing.T) {
	status, got, errs := run(t, &source{}, "queue", "--queue", "nosuch")
	if status != 2 || got != "" || !strings.Contains(errs, `no queue "nosuch"`) || !strings.Contains(errs, "the queues here are deferred") {
		t.Errorf("status %d, stdout %q, stderr %q", status, got, errs)
	}
}

// TestStaleTable shows that a table from a time when the queue was empty is
// asked for again.
func TestStaleTable(t *testing.T) {
	s := &source{stale: true}
	status, got, _ := run(t, s, "queue")
	if status != 0 || !strings.Contains(got, "example.net") {
		t.Errorf("status %d, got\n%s", status, got)
	}
	if want := (view.QueueQuery{Top: 20, Fresh: true}); !cmp.Equal(s.asked, want) {
		t.Errorf("last asked %+v, want %+v", s.asked, want)
	}
}

// TestJSON shows that every reading command gives one JSON value a line and
// nothing else.
func TestJSON(t *testing.T) {
	for _, args := range []string{"status", "queue", "queue summarize", "queue counters", "queue list", "queue messages", "failures", "failures --inbound",
		"connections", "processes", "doctor", "findings", "findings --all", "trace --server x y", "version"} {
		t.Run(args, func(t *testing.T) {
			_, got, _ := run(t, &source{status: wholeStatus()}, append(strings.Fields(args), "--json")...)
			if strings.Count(got, "\n") != 1 || !json.Valid([]byte(got)) {
				t.Errorf("got %q", got)
			}
			if strings.ContainsAny(got, "\x1b\u202e") {
				t.Errorf("control characters in %q", got)
			}
		})
	}
}

// TestWhoIsAsked shows when a daemon is asked and when the command looks for
// itself.
func TestWhoIsAsked(t *testing.T) {
	refused := view.Advise(fmt.Errorf("%w at x", api.ErrNoDaemon), "start it")
	tests := []struct {
		name, args string
		daemon     error
		status     int
		want       string // in the output
		asked      string // addresses asked, "look" for a look
	}{
		{"daemon runs", "status", nil, 0, "OK", "unix:/srv/x/mtawatch.sock"},
		{"no daemon", "status", refused, 0, "OK", "unix:/srv/x/mtawatch.sock 127.0.0.1:9725 look"},
		{"another server", "status", api.ErrNotMtawatch, 0, "looking for myself", "unix:/srv/x/mtawatch.sock 127.0.0.1:9725 look"},
		{"daemon fails", "status", errors.New("out of order"), 3, "UNKNOWN: out of order", "unix:/srv/x/mtawatch.sock"},
		{"socket and messages of another user", "queue list", fmt.Errorf("not shown: %w", fs.ErrPermission), 3, "the queue does not answer", "unix:/srv/x/mtawatch.sock 127.0.0.1:9725 look"},
		{"named daemon", "status --server unix:/s", nil, 0, "OK", "unix:/s"},
		{"named daemon is absent", "status --server unix:/s", refused, 3, "start it", "unix:/s"},
		{"trace looks first", "trace x", nil, 0, "4cXk2q1Z3nz9v", "look"},
		{"trace of a named daemon", "trace x --server h:1", nil, 0, "4cXk2q1Z3nz9v", "h:1"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Setenv(config.EnvPath, emptyConfig(t))
			var asked []string
			ended := 0
			deps := cli.Deps{
				Client: func(addr string) view.Source {
					asked = append(asked, addr)
					return &source{status: wholeStatus(), err: tt.daemon}
				},
				Look: func(context.Context, config.Config) (view.Source, func() error, error) {
					asked = append(asked, "look")
					return &source{status: wholeStatus()}, func() error { ended++; return nil }, nil
				},
			}
			var out bytes.Buffer
			got := cli.Run(t.Context(), deps, append([]string{"mtawatch", "--data-dir", "/srv/x"}, strings.Fields(tt.args)...), strings.NewReader(""), &out, &out)
			if got != tt.status || !strings.Contains(out.String(), tt.want) || strings.Join(asked, " ") != tt.asked {
				t.Errorf("status %d, asked %q, output\n%s\nwant %d, %q, %q", got, asked, out.String(), tt.status, tt.asked, tt.want)
			}
			if strings.Contains(tt.asked, "look") != (ended == 1) {
				t.Errorf("looks ended: %d", ended)
			}
		})
	}
}

// TestTraceAsksDaemon shows that a trace which may not read the logs asks the
// daemon of this machine.
func TestTraceAsksDaemon(t *testing.T) {
	t.Setenv(config.EnvPath, emptyConfig(t))
	for name, tt := range map[string]struct {
		unread []string
		status int
		want   string
	}{
		"no permission": {[]string{"read log: open /var/log/mail.log: permission denied"}, 0, "4cXk2q1Z3nz9v"},
		"gone":          {[]string{"read log: open /var/log/mail.log: no such file or directory"}, 3, "not found"},
		"read":          {nil, 1, "not found"},
	} {
		t.Run(name, func(t *testing.T) {
			deps := cli.Deps{
				Client: func(string) view.Source { return &source{} },
				Look: func(context.Context, config.Config) (view.Source, func() error, error) {
					return &source{traced: &view.TraceSummary{Unread: tt.unread}}, func() error { return nil }, nil
				},
			}
			var out bytes.Buffer
			status := cli.Run(t.Context(), deps, []string{"mtawatch", "trace", "4cXk2q1Z3nz9v"}, strings.NewReader(""), &out, &out)
			if status != tt.status || !strings.Contains(out.String(), tt.want) {
				t.Errorf("status %d, want %d; output\n%s", status, tt.status, out.String())
			}
		})
	}
}

// TestRun shows that the daemon gets the configuration and its end is the
// command's.
func TestRun(t *testing.T) {
	t.Setenv(config.EnvPath, emptyConfig(t))
	for _, want := range []error{nil, errors.New("open store: locked")} {
		deps := cli.Deps{Daemon: func(_ context.Context, cfg config.Config, log *slog.Logger) error {
			log.Info("hello", "dir", cfg.DataDir, "listen", cfg.Listen)
			return want
		}}
		var out, errs bytes.Buffer
		status := cli.Run(t.Context(), deps, []string{"mtawatch", "run", "--data-dir", "/srv/x", "--listen", "127.0.0.1:9999"}, strings.NewReader(""), &out, &errs)
		if !strings.Contains(errs.String(), "dir=/srv/x listen=127.0.0.1:9999") || out.Len() > 0 {
			t.Errorf("stderr %q, stdout %q", errs.String(), out.String())
		}
		if (want == nil) != (status == 0) || want != nil && !strings.Contains(errs.String(), "mtawatch: "+want.Error()) {
			t.Errorf("%v: status %d, stderr %q", want, status, errs.String())
		}
	}
}

// TestRunCompat shows that the flag goes over the file, and that a set of
// names that there is not is refused before anything starts.
func TestRunCompat(t *testing.T) {
	file := filepath.Join(t.TempDir(), "mtawatch.yaml")
	if err := os.WriteFile(file, []byte("compat: postfix_exporter\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name   string
		args   []string
		want   string
		stderr string // beginning; "" when the daemon starts
	}{
		{"neither", nil, "", ""},
		{"flag", []string{"--compat=postfix_exporter"}, "postfix_exporter", ""},
		{"file", []string{"--config", file}, "postfix_exporter", ""},
		{"flag over file", []string{"--config", file, "--compat="}, "", ""},
		{"unknown", []string{"--compat=exim_exporter"}, "", "mtawatch: read --compat: must be postfix_exporter or left out, not \"exim_exporter\"\n  to do: docs/compat.md"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Setenv(config.EnvPath, emptyConfig(t))
			got := "not started"
			deps := cli.Deps{Daemon: func(_ context.Context, cfg config.Config, _ *slog.Logger) error {
				got = cfg.Compat
				return nil
			}}
			var out, errs bytes.Buffer
			status := cli.Run(t.Context(), deps, append([]string{"mtawatch", "run"}, tt.args...), strings.NewReader(""), &out, &errs)
			if tt.stderr == "" && (status != 0 || got != tt.want) {
				t.Errorf("status %d, compat %q, want %q; stderr %q", status, got, tt.want, errs.String())
			}
			if tt.stderr != "" && (status == 0 || got != "not started" || !strings.HasPrefix(errs.String(), tt.stderr)) {
				t.Errorf("status %d, daemon %q, stderr %q", status, got, errs.String())
			}
		})
	}
}
