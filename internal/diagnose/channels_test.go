package diagnose

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/mtawatch/mtawatch/internal/detect"
	"github.com/mtawatch/mtawatch/internal/mta"
)

// channelHost is a host with a queue for each channel, as series tell of it.
type channelHost struct {
	set  *detect.Set
	c    *Case
	now  time.Time
	told map[mta.FindingCode]Candidate
	held map[string]time.Time
	f    *imtaFacts

	channels                       map[string]*level
	heldFiles                      float64
	dispatchers, jobControllers    float64
	open, waiting, servers, attend float64 // attend: age of the oldest server
	arrivals, attempts             float64 // a step
}

// level is one channel's figures.
type level struct{ messages, untried, untriedAge, oldest float64 }

type imtaFacts struct {
	live
	states []mta.Condition
	queued []Queued
}

func (f *imtaFacts) MTA(string) (string, string)       { return "imta", "8.1" }
func (f *imtaFacts) Conditions(string) []mta.Condition { return slices.Clone(f.states) }
func (f *imtaFacts) Queued(string) []Queued            { return slices.Clone(f.queued) }

func newChannelHost() *channelHost {
	h := &channelHost{set: detect.New(detect.Config{}), now: begin, told: make(map[mta.FindingCode]Candidate), held: make(map[string]time.Time),
		f:        &imtaFacts{live: live{limits: map[string]float64{"process_limit": 5, "server_lifetime": 86400, "queue_lifetime": 7 * 86400}}},
		channels: map[string]*level{"tcp_local": {10, 0, 0, 900}, "ims-ms": {2, 2, 3, 3}, "hold": {40, 0, 0, 90 * 86400}},
		open:     20, servers: 2, attend: 3600, dispatchers: 1, jobControllers: 1, arrivals: 5, attempts: 6}
	g := func(name string) *detect.Signal { return h.set.Signal(name, detect.Gauge) }
	n := func(name string) *detect.Signal { return h.set.Signal(name, detect.Count) }
	p := &Port{Instance: "imta", Port: "25", Listening: true, Current: g("current"), AcceptQueue: g("accept-queue"), AcceptLimit: g("accept-limit"),
		Opened: n("opened"), States: map[string]*detect.Signal{"syn-recv": g("syn")}, Capacity: 100}
	in := &Instance{Name: "imta", Arrivals: n("arrivals"), Attempts: n("attempts"), Waiting: g("waiting"), Ports: []*Port{p},
		Dispatcher:    Daemon{Role: mta.RoleDispatcher, Count: g("dispatchers"), Restarts: n("dispatcher-restarts")},
		JobController: Daemon{Role: mta.RoleJobController, Count: g("job-controllers"), Restarts: n("job-controller-restarts")},
		SMTPServers:   g("servers"), ServerAge: g("server-age")}
	for _, name := range []string{"hold", "ims-ms", "tcp_local"} {
		in.Queues = append(in.Queues, &Queue{Name: name, Messages: g(name), Oldest: g(name + "-oldest"), Untried: g(name + "-untried"), UntriedOldest: g(name + "-untried-oldest")})
	}
	in.Queues[0].Untried, in.Queues[0].UntriedOldest = nil, nil
	in.Queues = slices.Insert(in.Queues, 1, &Queue{Name: "held", Messages: g("held"), Oldest: g("held-oldest")})
	h.c = &Case{Instances: []*Instance{in}, Ports: []*Port{p}, Facts: h.f,
		Logs: []*Log{{Name: "mail.log_current", Up: g("up"), Lines: n("lines"), Lag: g("lag")}}}
	return h
}

func (h *channelHost) step(rules []Rule) {
	in, p := h.c.Instances[0], h.c.Ports[0]
	h.set.Begin(h.now)
	waiting := 0.0
	for _, q := range in.Queues {
		l := h.channels[q.Name]
		if q.Name == "held" {
			l = &level{messages: h.heldFiles, oldest: 600 * min(1, h.heldFiles)}
		}
		q.Messages.SetGauge(l.messages)
		q.Oldest.SetGauge(l.oldest)
		if q.Untried != nil {
			q.Untried.SetGauge(l.untried)
			q.UntriedOldest.SetGauge(l.untriedAge)
		}
		if !OnHold(q.Name) {
			waiting += l.messages
		}
	}
	in.Waiting.SetGauge(waiting)
	in.Arrivals.SetCount(h.arrivals)
	in.Attempts.SetCount(h.attempts)
	p.Opened.SetCount(h.arrivals)
	h.c.Logs[0].Lines.SetCount(h.arrivals + h.attempts)
	for g, v := range map[*detect.Signal]float64{p.Current: h.open, p.States["syn-recv"]: 0, p.AcceptQueue: h.waiting, p.AcceptLimit: 100,
		in.Dispatcher.Count: h.dispatchers, in.JobController.Count: h.jobControllers, in.SMTPServers: h.servers, in.ServerAge: h.attend,
		h.c.Logs[0].Up: 1, h.c.Logs[0].Lag: 0} {
		g.SetGauge(v)
	}
	h.set.End()
	h.c.Now = h.now
	here := make(map[string]bool)
	for _, r := range rules {
		for _, k := range r.Judge(h.c) {
			key := k.Family + "|" + string(k.Code) + "|" + k.Subject
			here[key] = true
			if h.held[key].IsZero() {
				h.held[key] = h.now
			}
			if old, ok := h.told[k.Code]; h.now.Sub(h.held[key]) >= k.Need && (!ok || k.Severity >= old.Severity) {
				h.told[k.Code] = k
			}
		}
	}
	for key := range h.held {
		if !here[key] {
			delete(h.held, key)
		}
	}
	h.now = h.now.Add(step)
}

// grow lets a channel's untried mail grow by n a step, all of it staying.
func grow(name string, n float64) func(*channelHost) {
	return func(h *channelHost) {
		l := h.channels[name]
		l.messages, l.untried, l.untriedAge = l.messages+n, l.untried+n, l.untriedAge+step.Seconds()
		l.oldest = max(l.oldest, l.untriedAge)
	}
}

func TestChannels(t *testing.T) {
	complains := mta.Condition{Kind: mta.ConditionDaemonComplains, Subject: "job_controller.log-0A", Since: begin, Text: "job_controller.log-0A is not empty", Lines: []string{"cannot start /b/lib/ims_master"}}
	tests := []struct {
		name     string
		start    func(*channelHost)
		change   func(*channelHost) // each step
		minutes  int
		hours    int             // of ordinary mail before, where a habit is needed
		code     mta.FindingCode // "" is none at all
		subject  string
		severity mta.Severity
		words    []string // that the finding has somewhere
		without  string   // that it has nowhere
	}{
		{name: "all is well"},
		{name: "mail in the channel hold is no alarm", start: func(h *channelHost) { h.channels["hold"].messages = 4000 }},
		{name: "one held file outside it is", start: func(h *channelHost) { h.heldFiles = 1 }, code: mta.FindingMailHeld, subject: "held", severity: mta.SeverityWarning,
			words: []string{"1 message held (.HELD) outside the channel hold", "`imsimta qm held`", "`imsimta qm release`", "Received lines"}},
		{name: "held mail that grows with what comes in is a loop", change: func(h *channelHost) { h.heldFiles++; h.arrivals, h.attempts = 20, 20 }, minutes: 3, hours: 7,
			code: mta.FindingMailLoop, severity: mta.SeverityWarning, words: []string{"mail loops on imta", "more messages held (.HELD)", "`imsimta test -rewrite ADDRESS`"}},
		{name: "an empty channel that is stopped", start: func(h *channelHost) {
			*h.channels["tcp_local"] = level{}
			h.f.states = []mta.Condition{{Kind: mta.ConditionQueueStopped, Subject: "tcp_local", Text: "the channel tcp_local is stopped"}}
		}, code: mta.FindingQueueNotDraining, subject: "tcp_local", severity: mta.SeverityInfo, words: []string{"is stopped: 0 messages wait"}},
		{name: "a stopped channel", start: func(h *channelHost) {
			h.f.states = []mta.Condition{{Kind: mta.ConditionQueueStopped, Subject: "tcp_local", Text: "the channel tcp_local is stopped"}}
		}, change: grow("tcp_local", 1), minutes: 5, code: mta.FindingQueueNotDraining, subject: "tcp_local", severity: mta.SeverityWarning,
			words: []string{"`imsimta qm start tcp_local`", "untried", "no old untried mail in ims-ms", "do not restart the Job Controller"}, without: "flush"},
		{name: "a stopped channel with much mail", start: func(h *channelHost) {
			h.f.states = []mta.Condition{{Kind: mta.ConditionQueueStopped, Subject: "tcp_local", Text: "the channel tcp_local is stopped"}}
		}, change: grow("tcp_local", 2), minutes: 15, code: mta.FindingQueueNotDraining, subject: "tcp_local", severity: mta.SeverityCritical},
		{name: "a channel that nobody works on", change: grow("tcp_local", 1), minutes: 14, code: mta.FindingQueueNotDraining, subject: "tcp_local", severity: mta.SeverityWarning,
			words: []string{"the channel tcp_local of imta does not drain", "the Job Controller works: ", "`imsimta cache -sync`"}},
		{name: "old mail that is tried is another matter", change: func(h *channelHost) { h.channels["tcp_local"].oldest += 10; h.channels["tcp_local"].messages++ }, minutes: 20},
		{name: "a backlog of untried mail that drains", start: func(h *channelHost) { *h.channels["tcp_local"] = level{500, 500, 600, 600} },
			change: func(h *channelHost) {
				l := h.channels["tcp_local"]
				l.untried, l.messages, l.untriedAge = l.untried-5, l.messages-5, l.untriedAge+5
			}, minutes: 12},
		{name: "the Job Controller is down", start: func(h *channelHost) { h.jobControllers, h.attempts = 0, 0; h.f.states = []mta.Condition{complains} },
			change: grow("tcp_local", 5), minutes: 5, code: mta.FindingJobControllerDown, severity: mta.SeverityCritical, subject: "job-controller",
			words: []string{"the job controller of imta is down: no mail is delivered", "never tried", "`start-msg job_controller`", "cannot start /b/lib/ims_master", "the dispatcher runs"}, without: "flush"},
		{name: "the dispatcher is down", start: func(h *channelHost) { h.dispatchers = 0 }, minutes: 2, code: mta.FindingDispatcherDown, severity: mta.SeverityCritical, subject: "dispatcher",
			words: []string{"new SMTP connections are refused", "`start-msg dispatcher`", "`imsimta process`"}},
		{name: "its log is not empty", start: func(h *channelHost) { h.f.states = []mta.Condition{complains} }, code: mta.FindingOwnResourceFailing,
			subject: "job_controller.log", severity: mta.SeverityInfo, words: []string{"cannot start /b/lib/ims_master"}},
		{name: "the return job did not run", start: func(h *channelHost) {
			h.f.states = []mta.Condition{{Kind: mta.ConditionReturnJobMissed, Text: "mail.log_current begins 30 h ago", Since: begin}}
		}, minutes: 3, code: mta.FindingOwnResourceFailing, subject: "return job", severity: mta.SeverityWarning,
			words: []string{"mail.log_current begins 30 h ago", "[PERIODIC_JOB=return]", "the Job Controller, which starts it, runs"}},
		{name: "mail that was due to go back", start: func(h *channelHost) { h.channels["tcp_local"].oldest = 8.1 * 86400 }, minutes: 3, code: mta.FindingQueueOldMail,
			subject: "tcp_local", severity: mta.SeverityWarning, words: []string{"was due to be returned", "7 days are allowed", "`imsimta qm return`"}},
		{name: "all sessions are taken", start: func(h *channelHost) { h.open, h.servers = 99, 5 }, minutes: 1, code: mta.FindingProcessLimitReached, subject: "smtp-server",
			severity: mta.SeverityWarning, words: []string{"99 of at most 100 (99 %)", "5 SMTP server processes of at most 5", "MAX_PROCS or MAX_CONNS"}},
		{name: "and clients wait", start: func(h *channelHost) { h.open, h.servers, h.waiting = 100, 5, 12 }, minutes: 2, code: mta.FindingProcessLimitReached, subject: "smtp-server",
			severity: mta.SeverityCritical, words: []string{"12 connections not accepted yet"}},
		{name: "all processes run, with sessions left", start: func(h *channelHost) { h.open, h.servers = 60, 5 }, minutes: 5},
		{name: "a server of a day and a bit drains", start: func(h *channelHost) { h.attend = 27 * 3600 }, minutes: 3},
		{name: "a server that should have ended long ago", start: func(h *channelHost) {
			h.attend = 31 * 3600
			h.f.procs = []mta.RoleProcess{{Process: mta.Process{PID: 77, Name: "tcp_smtp_server", State: "S", Start: begin.Add(-31 * time.Hour)}, Role: mta.RoleSMTPServer, Instance: "imta"}}
		}, minutes: 3, code: mta.FindingServerProcessOverage, subject: "smtp-server", severity: mta.SeverityInfo,
			words: []string{"it should be replaced after 24 h", "MAX_LIFE_TIME", "tcp_smtp_server 77"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			h := newChannelHost()
			for range max(40, 360*tt.hours) {
				h.step(nil)
			}
			if tt.start != nil {
				tt.start(h)
			}
			rules := Rules()
			for range max(tt.minutes, 1) * 6 {
				if tt.change != nil {
					tt.change(h)
				}
				h.step(rules)
			}
			checkTold(t, h, tt.code, tt.subject, tt.severity, tt.words, tt.without)
		})
	}
}

func checkTold(t *testing.T, h *channelHost, code mta.FindingCode, subject string, severity mta.Severity, words []string, without string) {
	t.Helper()
	for told, k := range h.told {
		if told != code && !slices.Contains(k.DependsOn, code) && !(told == mta.FindingOwnResourceFailing && k.Severity == mta.SeverityInfo) {
			t.Errorf("%s is told too: %s", told, k.Title)
		}
	}
	if code == "" {
		return
	}
	k, ok := h.told[code]
	if !ok {
		t.Fatalf("%s is not told; told are %v", code, h.told)
	}
	if k.Explain != nil {
		k.Explain(&k.Finding)
	}
	if k.Subject != subject || k.Severity != severity {
		t.Errorf("subject %q, %s; want %q, %s", k.Subject, k.Severity, subject, severity)
	}
	text := k.Title + "\n" + k.Cause + "\n" + strings.Join(slices.Concat(k.Advice, k.Avoid, k.RuledOut), "\n")
	for _, e := range k.Evidence {
		text += "\n" + e.Text + "\n" + strings.Join(e.Lines, "\n")
	}
	for _, w := range words {
		if !strings.Contains(text, w) {
			t.Errorf("nothing says %q in:\n%s", w, text)
		}
	}
	for _, w := range []string{"postfix", "Postfix", "deferred queue", without} {
		if w != "" && strings.Contains(text, w) {
			t.Errorf("it says %q:\n%s", w, text)
		}
	}
}

// What fails at an address of this host is ours; a channel to the own store is this host's too.
func TestOwnService(t *testing.T) {
	for _, tt := range []struct {
		f    Failure
		want bool
	}{
		{Failure{Destination: "example.net", Relay: "127.0.0.1"}, true},
		{Failure{Destination: "example.net", Relay: "private/dovecot-lmtp"}, true},
		{Failure{Destination: "ims-ms-daemon"}, true},
		{Failure{Destination: "north.example", Relay: "127.20.0.11", Reply: "TCP active open: Failed connect() 127.20.0.11:2526"}, false},
		{Failure{Destination: "a-daemon.example", Relay: "192.0.2.1"}, false},
	} {
		if got := ownService(&tt.f); got != tt.want {
			t.Errorf("%+v: own is %v", tt.f, got)
		}
	}
}
