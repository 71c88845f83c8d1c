package cli_test

import (
	"strings"
	"testing"
	"time"

	"github.com/mtawatch/mtawatch/internal/mta"
	"github.com/mtawatch/mtawatch/internal/view"
)

// judgedStatus is a whole status of a daemon that judges.
func judgedStatus(s *source, findings ...mta.Finding) {
	s.status.Judged, s.status.Learned, s.status.Findings = true, 26*time.Hour, findings
	s.status.Sources = nil
}

func severe(f mta.Finding, v mta.Severity) mta.Finding {
	f.Severity = v
	return f
}

func openOf(f mta.Finding) mta.Finding {
	f.End = time.Time{}
	return f
}

var findingTests = []textTest{
	{name: "a critical finding", args: "status", status: 2, change: func(s *source) {
		judgedStatus(s, goneFinding(), openOf(pastFinding()))
		in := &s.status.Instances[0]
		in.Queue.Normal = &view.Range{Low: 2.9, High: 20.4, Time: noon}
		in.Failures.Normal = &view.NormalFailures{Received: &view.Range{Low: 4, High: 9}, Attempts: map[string]view.Range{"sent": {Low: 3, High: 8}, "deferred": {High: 1.5}, "bounced": {}}}
		in.Connections.Ports[0].Normal = &view.Range{Low: 2, High: 9}
		in.Processes = view.ProcessStatus{Time: noon, Roles: map[string]int{"dispatcher": 1, "smtp-server": 4}, Missing: []string{"job-controller"}}
	}, want: `CRITICAL: the job controller of postfix-out is down: mail is accepted and not delivered, since 11:56:00 (4m) (and 1 more)

CRITICAL  the job controller of postfix-out is down: mail is accepted and not delivered  job-controller-down
  since        11:56:00 (4m), noticed 11:56:01
  why          qmgr 102 was killed by signal 9?[2J.
  evidence     0 job controllers
               what the mail server says
               messages waiting: now 4120, normal for Monday 12:00 is 180-650
  to do        run ` + "`postfix reload`" + `
  do not       flush the queue
  follows      mail stands still
  more         mtawatch findings f-12; mtawatch explain job-controller-down

WARNING  example.net does not answer  destination-timing-out
  since        09:00:00 (3h), noticed 09:10:00
  why          Its servers do not answer.
  more         mtawatch findings f-7; mtawatch explain destination-timing-out

postfix-out  postfix 3.7.11, job-controller not running
  queue        12 messages, 35 kB: deferred 11, active 1; oldest 2h 5m, in deferred
               normal for Monday 12:00: 2-21 messages, those on hold apart
  failures     last 1h: 351 received, 340 sent, 11 deferred, 1 bounced; 25 client requests rejected
               why: greylisted 8, connect-timeout 3, unknown-user 1
               normal a minute: 4-9 received, 3-8 sent, 0-2 deferred
  connections  port 25 smtp: 5 connections (established 4, close-wait 1) from 3 addresses, normal is 2-9; 2 of 100 wait to be accepted
  processes    dispatcher 1, job-controller 0, smtp-server 4

what is normal is learned from 26 h
mtawatch v0.1.0, pid 4711, up 3h, 41 MB of memory
`},
	{name: "a blind spot is told once", args: "status", status: 3, change: func(s *source) {
		judgedStatus(s, mta.Finding{Code: mta.FindingBlindSpot, Severity: mta.SeverityWarning, Subject: "/var/log/mail.log", Title: "the log is missing", Since: noon})
		s.status.Instances, s.status.Learned = nil, 0
		s.status.Blind = []mta.BlindSpot{{Source: "/var/log/mail.log", Kind: mta.BlindMissing, Since: noon, Text: "it is not there", Advice: "look for it"}}
	}, want: `UNKNOWN: /var/log/mail.log: it is not there (and 1 more)

  to do: see 'mtawatch doctor', or name the mail server under 'instances' in the configuration

what is normal is not known yet; until it is, only direct evidence makes findings
mtawatch v0.1.0, pid 4711, up 3h, 41 MB of memory

1 blind spot
  /var/log/mail.log is missing, since 12:00:00: it is not there
    to do: look for it
`},
	{name: "brief, a warning and a note", args: "status --brief", status: 1, change: func(s *source) {
		judgedStatus(s, openOf(pastFinding()), severe(goneFinding(), mta.SeverityInfo))
	}, want: "WARNING: example.net does not answer, since 09:00:00 (3h) | queue=12;;;0 sent=340;;;0 deferred=11;;;0 bounced=1;;;0 connections=5;;;0 findings_critical=0;;;0 findings_warning=1;;;0\n"},
	{name: "brief, a note raises nothing", args: "status --brief", change: func(s *source) {
		judgedStatus(s, severe(goneFinding(), mta.SeverityInfo))
	}, want: "OK: postfix-out: 12 queued, 340 sent and 12 failed attempts, 5 connections, 6 processes | queue=12;;;0 sent=340;;;0 deferred=11;;;0 bounced=1;;;0 connections=5;;;0 findings_critical=0;;;0 findings_warning=0;;;0\n"},
	{name: "brief, unknown figures, hostile names", args: "status --brief", status: 3, change: func(s *source) {
		in := s.status.Instances[0]
		in.Name, in.Queue, in.Failures = "a|b='c\x1b", view.QueueStatus{Unknown: "no | answer"}, view.FailureStatus{Unknown: "no log"}
		s.status.Instances = append(s.status.Instances, in)
		s.status.Judged = false
	}, want: "UNKNOWN: queue of a/b='c?: no / answer (and 1 more) | 'postfix-out queue'=12;;;0 'postfix-out sent'=340;;;0 'postfix-out deferred'=11;;;0 'postfix-out bounced'=1;;;0 'postfix-out connections'=5;;;0 " +
		"'abc? queue'=U 'abc? sent'=U 'abc? deferred'=U 'abc? bounced'=U 'abc? connections'=5;;;0 findings_critical=U findings_warning=U\n"},
	{name: "a warning stands before what is unknown", args: "status --brief", status: 1, change: func(s *source) {
		judgedStatus(s, openOf(pastFinding()))
		s.status.Instances = nil
	}, want: "WARNING: example.net does not answer, since 09:00:00 (3h) | findings_critical=0;;;0 findings_warning=1;;;0\n"},
	{name: "a blind spot alone is unknown, not a warning", args: "status --brief", status: 3, change: func(s *source) {
		f := openOf(pastFinding())
		f.Code = mta.FindingBlindSpot
		judgedStatus(s, f)
		s.status.Instances = nil
	}, want: "UNKNOWN: no mail server found on this machine | findings_critical=0;;;0 findings_warning=1;;;0\n"},
	{name: "a daemon is gone and only a warning tells of something else", args: "status --brief", status: 2, change: func(s *source) {
		judgedStatus(s, openOf(pastFinding()))
		s.status.Instances = s.status.Instances[:1]
		s.status.Instances[0].Processes.Missing = []string{"dispatcher"}
	}, want: "CRITICAL: the dispatcher of postfix-out is not running (and 1 more) | queue=12;;;0 sent=340;;;0 deferred=11;;;0 bounced=1;;;0 connections=5;;;0 findings_critical=0;;;0 findings_warning=1;;;0\n"},

	{name: "findings", args: "findings", change: func(s *source) { judgedStatus(s, goneFinding()) }, want: `SEVERITY  SINCE     LASTED    CODE                 ID    TITLE
CRITICAL  11:56:00  open, 4m  job-controller-down  f-12  the job controller of postfix-out is down: mail is accepted and not delivered
'mtawatch findings ID' tells one in full, 'mtawatch explain CODE' what it means
`},
	{name: "no finding", args: "findings", want: "no finding is open\nwhat is normal is learned from 26 h\n"},
	{name: "findings, those of the past too", args: "findings --all", change: func(s *source) { judgedStatus(s, goneFinding()) }, want: `SEVERITY  SINCE     LASTED    CODE                    ID    TITLE
CRITICAL  11:56:00  open, 4m  job-controller-down     f-12  the job controller of postfix-out is down: mail is accepted and not delivered
WARNING   09:00:00  1h        destination-timing-out  f-7   example.net does not answer
'mtawatch findings ID' tells one in full, 'mtawatch explain CODE' what it means
`},
	{name: "findings of a code, folded ones too", args: "findings queue-not-draining", change: func(s *source) { judgedStatus(s, goneFinding()) }, want: `SEVERITY  SINCE     LASTED    CODE                 ID    TITLE
CRITICAL  11:56:00  open, 4m  job-controller-down  f-12  the job controller of postfix-out is down: mail is accepted and not delivered
'mtawatch findings ID' tells one in full, 'mtawatch explain CODE' what it means
`},
	{name: "one finding in full", args: "findings f-12", change: func(s *source) { judgedStatus(s, goneFinding()) }, want: `CRITICAL  the job controller of postfix-out is down: mail is accepted and not delivered  job-controller-down
  about        postfix-out, job-controller
  since        11:56:00 (4m), noticed 11:56:01
  why          qmgr 102 was killed by signal 9?[2J.
  confidence   99 %
  evidence     0 job controllers
               what the mail server says
                 11:56:00 master: process 102 killed ?[31mby signal 9
               messages waiting: now 4120, normal for Monday 12:00 is 180-650
               12 connections; normal at this hour is 3-20
  ruled out    the dispatcher runs: mail is accepted
  to do        run ` + "`postfix reload`" + `
  do not       flush the queue
  follows      queue-not-draining: mail stands still, since 11:57:00
  meaning      mtawatch explain job-controller-down
`},
	{name: "a past finding in full", args: "findings f-7", want: `WARNING  example.net does not answer  destination-timing-out
  about        postfix-out, example.net
  since        09:00:00 until 10:00:00 (1h), noticed 09:10:00
  why          Its servers do not answer.
  cause        connect-timeout, the network
  confidence   80 %
  rarity       comes by chance once in 166 days
  meaning      mtawatch explain destination-timing-out
`},
	{name: "queue with what is usual", args: "queue", change: func(s *source) {
		s.change = func(q *view.Queue) { q.Detail[0].Rows[0].Normal = &view.Range{Low: 1, High: 4} }
	}, want: `12 messages, 35 kB: deferred 11, active 1

postfix-out: oldest message 2h 5m, in deferred; table read 30s ago
              T  5  5+  USUAL  OLDEST  LAST REASON
TOTAL        13  3  10          2h 5m
example.net  11  1  10    1-4   2h 5m  timed ?[31mout
(other)       2  2   0
`},
	{name: "failures with what is usual", args: "failures", change: func(s *source) { s.usual = &view.Range{Low: 0, High: 0.3} }, want: `last 20m (nothing older is known; 1h were asked for): sent 340, deferred 11
why: connect-timeout 11

DESTINATION  CAUSE            AT FAULT     DEFERRED  BOUNCED  SENT  USUAL/MIN  FIRST SEEN  LAST      LAST REPLY
example.net  connect-timeout  the network        11        0     3        0-1  11:50:00    12:00:00  connect to mx.example.net[192.0.2.7]:25: timed out
USUAL/MIN: failures to the destination in a minute that are normal at this hour, whatever their cause
and 2 failures in other rows: see --top
`},
}

// TestExplain prints every page, and helps with a name that is none.
func TestExplain(t *testing.T) {
	_, list, _ := run(t, &source{}, "explain")
	for _, code := range mta.FindingCodes() {
		status, got, errs := run(t, &source{}, "explain", strings.ToUpper(string(code)))
		if status != 0 || errs != "" || !strings.HasPrefix(got, "# "+string(code)+"\n") || !strings.Contains(got, "## What to do\n") {
			t.Errorf("%s: status %d, stderr %q, got\n%s", code, status, errs, got)
		}
		if strings.Count(list, " "+string(code)+"  ") != 1 {
			t.Errorf("the list of codes does not have %s once:\n%s", code, list)
		}
	}
	status, got, errs := run(t, &source{}, "explain", "dns-is-dead\x1b")
	if status != 2 || got != "" || !strings.Contains(errs, `no finding "dns-is-dead?"`) || !strings.Contains(errs, "perhaps own-dns-dead; ") {
		t.Errorf("status %d, stdout %q, stderr %q", status, got, errs)
	}
}

// TestNoSuchFinding: an id that is none is an error, and a look without a
// daemon knows no findings.
func TestNoSuchFinding(t *testing.T) {
	status, got, errs := run(t, &source{}, "findings", "f-99")
	if status != 2 || got != "" || !strings.Contains(errs, `no finding "f-99"`) || !strings.Contains(errs, "findings --all") {
		t.Errorf("status %d, stdout %q, stderr %q", status, got, errs)
	}
}
