package diagnose

import (
	"testing"
	"time"

	"github.com/mtawatch/mtawatch/internal/mta"
)

func said(after time.Duration, program string, severity mta.Severity, text string) Warning {
	return Warning{Time: onset.Add(after), Program: program, Severity: severity, Text: text}
}

func both(state string) []mta.RoleProcess {
	return []mta.RoleProcess{process(100, mta.RoleDispatcher, "master", "S", time.Hour), process(101, mta.RoleJobController, "qmgr", state, time.Hour)}
}

func TestDispatcherDown(t *testing.T) {
	gone := func(w *world) {
		w.v.dispatchers, w.v.jobControllers, w.v.servers, w.v.deliveries, w.v.arrivals, w.v.attempts, w.v.opened, w.v.lines = 0, 0, 0, 0, 0, 0, 0, 0
	}
	play(t, []scene{
		{name: "gone", change: gone, want: []string{"dispatcher-down critical", "job-controller-down critical"},
			titles: []string{"no dispatcher process; 1 is the rule", "do not delete the pid file"}},
		{name: "young: gone", young: true, change: gone, want: []string{"dispatcher-down critical", "job-controller-down critical"}},
		{name: "killed for memory, in the mail server's words",
			facts:  &live{exit: map[mta.Role]Exit{mta.RoleDispatcher: {PID: 100, Time: onset.Add(time.Second), Text: "killed by signal 9"}}},
			change: func(w *world) { w.v.dispatchers = 0 }, want: []string{"dispatcher-down critical"}, titles: []string{"killed by signal 9", "postfix check && postfix start"}},
		{name: "stopped on purpose", facts: &live{warnings: []Warning{said(0, "master", mta.SeverityWarning, "terminating on signal 15")}},
			change: func(w *world) { w.v.dispatchers = 0 }, want: []string{"dispatcher-down critical"}, titles: []string{"on purpose"}},
		{name: "SIGSTOP", facts: &live{procs: []mta.RoleProcess{process(100, mta.RoleDispatcher, "master", "T", time.Hour)}}, change: func(*world) {},
			want: []string{"dispatcher-down critical"}, titles: []string{"master 100", "send SIGCONT", "kill -CONT 100"}},
		{name: "missing in one sample", change: func(w *world) {
			if w.v.dispatchers = 1; w.second == 60 {
				w.v.dispatchers = 0
			}
		}},
		{name: "the process table is not known", change: func(w *world) { w.v.dispatchers, w.v.jobControllers = unknown, unknown }},
		{name: "the port is refused", facts: &live{probe: mta.Probe{Name: "smtp", Target: "127.0.0.1:25", Text: "dial tcp 127.0.0.1:25: connect: connection refused"}},
			change: func(w *world) { w.v.probe = 0 }, want: []string{"dispatcher-down critical"}, titles: []string{"connection refused"}},
		{name: "the probe failed before it was started anew", facts: &live{probe: mta.Probe{Name: "smtp", Target: "127.0.0.1:25", Text: "dial tcp 127.0.0.1:25: connect: connection refused"},
			procs: []mta.RoleProcess{process(200, mta.RoleDispatcher, "master", "S", -290*time.Second)}}, change: func(w *world) { w.v.probe = 0 }},
		{name: "one probe fails", change: func(w *world) {
			if w.v.probe = 1; w.second == 30 {
				w.v.probe = 0
			}
		}},
		{name: "nothing listens", change: func(w *world) {
			w.port().Listening = false
			w.v.acceptQueue, w.v.acceptLimit = unknown, unknown
		}, want: []string{"dispatcher-down critical"}, titles: []string{"nothing listens on port 25"}},
		{name: "it hangs", change: func(w *world) {
			w.v.servers, w.v.probe, w.v.arrivals = 0, 0, 0
			w.v.acceptQueue = float64(min(40, w.second/5))
		}, want: []string{"dispatcher-down critical"}, titles: []string{"hangs", "nobody serves them"}},
		{name: "no greeting and no mail", change: func(w *world) { w.v.probe, w.v.arrivals = 0, 0 }, want: []string{"dispatcher-down critical"},
			titles: []string{"does not answer"}},
		{name: "only the probe gets no greeting", change: func(w *world) { w.v.probe = 0 }, want: []string{"dispatcher-down info"},
			titles: []string{"mail still comes in as usual"}},
		{name: "no greeting, because all servers are taken", facts: &live{limits: map[string]float64{"process_limit": 30}},
			change: func(w *world) { w.v.probe, w.v.servers, w.v.acceptQueue = 0, 30, 20 }, want: []string{"process-limit-reached critical"}},
	})
}

func TestJobControllerDown(t *testing.T) {
	stands := func(w *world) { w.v.attempts, w.v.incoming = 0, float64(w.second) }
	play(t, []scene{
		{name: "gone", change: func(w *world) { w.v.jobControllers = 0; stands(w) }, want: []string{"job-controller-down critical"}, titles: []string{"no mail is delivered"}},
		{name: "SIGSTOP, which nothing logs", facts: &live{procs: both("T")}, change: stands, want: []string{"job-controller-down critical"},
			titles: []string{"qmgr 101", "SIGCONT"}},
		{name: "it hangs, from series alone", change: stands, want: []string{"job-controller-down critical"},
			titles: []string{"no delivery was tried", "the dispatcher runs", "the log is read up to now", "in the queue incoming"}},
		{name: "the mail came in before it was started anew", facts: &live{procs: []mta.RoleProcess{process(201, mta.RoleJobController, "qmgr", "S", -280*time.Second)}}, change: stands},
		{name: "young: it hangs", young: true, change: stands, want: []string{"job-controller-down critical"}},
		{name: "it cannot start", facts: &live{warnings: []Warning{
			said(0, "qmgr", mta.SeverityFatal, "bad numerical configuration: qmgr_message_active_limit = x"),
			said(time.Second, "master", mta.SeverityWarning, "process /usr/lib/postfix/sbin/qmgr pid 101 exit status 1"),
			said(time.Second, "master", mta.SeverityWarning, "/usr/lib/postfix/sbin/qmgr: bad command startup -- throttling"),
		}}, change: func(w *world) { w.v.jobControllers = 0; stands(w) }, want: []string{"job-controller-down critical"},
			titles: []string{`cannot run: "bad numerical configuration`, "throttling"}},
		{name: "messages are held, none waits", change: func(w *world) { w.v.attempts, w.v.incoming = 0, 0 }},
		{name: "the log is behind", change: func(w *world) { stands(w); w.v.logLag = 300 }},
		{name: "only the queue tells: what the job controller does not take up is not logged", change: func(w *world) { stands(w); w.v.arrivals = 0 },
			want: []string{"job-controller-down critical"}, titles: []string{"hangs"}},
		{name: "one large message comes in slowly", change: func(w *world) { w.v.attempts, w.v.arrivals, w.v.incoming = 0, 0, 1 }, lasts: 12 * time.Minute},
		{name: "the log is silent", change: func(w *world) { stands(w); w.v.arrivals, w.v.lines = 0, 0 }, want: []string{"blind-spot warning"}},
		{name: "nothing arrives and nothing is tried", change: func(w *world) { w.v.arrivals, w.v.attempts = 0, 0 }},
		{name: "arrivals are not known", change: func(w *world) { w.v.arrivals, w.v.attempts, w.v.incoming = unknown, unknown, 40 }},
	})
}

// The kernel tells of an end between two steps: it counts at once, though
// the series still say that the process is there.
func TestEndCountsAtOnce(t *testing.T) {
	for _, tt := range []struct {
		name     string
		text     string
		procs    []mta.RoleProcess
		warnings []Warning
		gone     bool // in the series
		told     bool
		need     time.Duration
	}{
		{name: "gone", told: true, procs: both("S")[:1]},
		{name: "killed and replaced", text: "process /usr/lib/postfix/sbin/qmgr pid 101 killed by signal 9", told: true, procs: both("S")},
		{name: "replaced in order", procs: both("S")},
		{name: "started again, which the series do not tell yet", gone: true, procs: both("S")},
		{name: "another program was killed", text: "process /usr/lib/postfix/sbin/smtpd pid 7 killed by signal 11", procs: both("S")},
		{name: "a reload", told: true, need: twice, procs: both("S")[:1], warnings: []Warning{said(0, "master", mta.SeverityWarning, "reload -- version 3.7.11, configuration /etc/postfix")}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := settled(t, false)
			w.run(time.Minute, func(w *world) {
				if tt.gone {
					w.v.jobControllers = 0
				}
			})
			end := w.now.Add(3 * time.Second)
			for i := range tt.warnings {
				tt.warnings[i].Time = end
			}
			w.c.Now = end.Add(time.Second)
			w.c.Facts = &live{procs: tt.procs, warnings: tt.warnings, exit: map[mta.Role]Exit{mta.RoleJobController: {PID: 101, Time: end, Text: tt.text}}}
			list := jobControllerRule().Judge(w.c)
			if got := len(list) == 1; got != tt.told {
				t.Fatalf("told %t, want %t", got, tt.told)
			}
			if tt.told && (list[0].Need != tt.need || !list[0].Since.Equal(end) || list[0].Severity != mta.SeverityCritical) {
				t.Errorf("need %s since %s severity %s, want need %s since %s critical", list[0].Need, list[0].Since, list[0].Severity, tt.need, end)
			}
		})
	}
}

// A mail server that never ran is no news.
func TestNeverRan(t *testing.T) {
	w := newWorld()
	w.now = onset
	w.v.dispatchers, w.v.jobControllers, w.v.arrivals, w.v.attempts, w.v.servers = 0, 0, 0, 0, 0
	w.run(30*time.Minute, func(*world) {})
	for code := range w.told {
		t.Errorf("told %s of a mail server that never ran", code)
	}
}

// A daemon that ended before anybody looked is missed beside the other one,
// as the status says of it that it is gone.
func TestGoneBeforeTheFirstLook(t *testing.T) {
	for code, change := range map[mta.FindingCode]func(*world){
		mta.FindingJobControllerDown: func(w *world) { w.v.jobControllers = 0 },
		mta.FindingDispatcherDown:    func(w *world) { w.v.dispatchers = 0 },
	} {
		w := newWorld()
		w.now = onset
		w.v.arrivals, w.v.attempts = 0, 0
		w.run(30*time.Second, change)
		if _, ok := w.told[code]; !ok || len(w.told) != 1 {
			t.Errorf("told %v, want %s", w.told, code)
		}
	}
}

func TestDuplicate(t *testing.T) {
	older := process(90, mta.RoleJobController, "qmgr", "S", 2*time.Hour)
	older.Orphan = true
	play(t, []scene{
		{name: "two dispatchers", change: func(w *world) { w.v.dispatchers = 2 }, want: []string{"daemon-duplicate warning"}, titles: []string{"2 dispatchers", "1 is the rule"}},
		{name: "two job controllers, named", facts: &live{procs: append(both("S"), process(200, mta.RoleJobController, "qmgr", "S", 0))},
			change: func(w *world) { w.v.jobControllers = 2 }, want: []string{"daemon-duplicate warning"}, titles: []string{"qmgr 101, qmgr 200", "pid/master.pid"}},
		{name: "for one sample", change: func(w *world) {
			if w.v.dispatchers = 1; w.second == 60 {
				w.v.dispatchers = 2
			}
		}},
		{name: "left over from an earlier start", facts: &live{procs: append(both("S"), older)}, change: func(w *world) { w.v.jobControllers = 2 },
			want: []string{"daemon-duplicate info"}, titles: []string{"left over: qmgr 90"}},
		{name: "a second start was refused", facts: &live{warnings: []Warning{said(time.Minute, "master", mta.SeverityFatal, "open lock file /var/lib/postfix/master.lock: unable to set exclusive lock: Resource temporarily unavailable"),
			said(time.Minute, "postfix-script", mta.SeverityFatal, "the Postfix mail system is already running")}},
			change: func(*world) {}, want: []string{"daemon-duplicate info"}, titles: []string{"a second start of postfix was refused"}},
	})
}

func TestFlapping(t *testing.T) {
	killed := func(d time.Duration) Warning {
		return said(d, "master", mta.SeverityWarning, "process /usr/lib/postfix/sbin/smtpd pid 7 killed by signal 11")
	}
	held := func(d time.Duration) Warning {
		return said(d, "master", mta.SeverityWarning, "/usr/lib/postfix/sbin/smtpd: bad command startup -- throttling")
	}
	play(t, []scene{
		{name: "smtpd crashes", facts: &live{warnings: []Warning{killed(0), killed(time.Minute), killed(2 * time.Minute)}}, change: func(*world) {},
			want: []string{"daemon-flapping warning"}, titles: []string{"3 violent ends in 10 min", "killed by signal 11"}},
		{name: "one crash", facts: &live{warnings: []Warning{killed(0)}}, change: func(*world) {}},
		{name: "smtpd cannot start", facts: &live{warnings: []Warning{said(0, "smtpd", mta.SeverityFatal, "open database /etc/postfix/access.db: No such file or directory"), held(0), held(time.Minute)}},
			change: func(*world) {}, want: []string{"daemon-flapping critical"}, titles: []string{"smtpd says: \"open database /etc/postfix/access.db"}},
	})
}

// A role that is started anew again and again, from series alone.
func TestRestarts(t *testing.T) {
	for _, tt := range []struct {
		name   string
		at     []int // seconds
		reload int   // of these were asked for
		want   bool
	}{
		{name: "three in three minutes", at: []int{0, 60, 120}, want: true},
		{name: "four in ten", at: []int{0, 150, 300, 450}, want: true},
		{name: "two", at: []int{0, 60}},
		{name: "three in ten", at: []int{0, 200, 400}},
		{name: "three that were asked for", at: []int{0, 60, 120}, reload: 3},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := settled(t, true)
			facts := &live{}
			for _, s := range tt.at[:tt.reload] {
				facts.warnings = append(facts.warnings, said(time.Duration(s)*time.Second, "master", mta.SeverityWarning, "reload -- version 3.7.11, configuration /etc/postfix"))
			}
			w.c.Facts = facts
			w.exactStarts = make(map[int]float64)
			for _, s := range tt.at {
				w.exactStarts[s] = 1
			}
			w.run(9*time.Minute, func(*world) {})
			k, got := w.told[mta.FindingDaemonFlapping]
			if got != tt.want || len(w.told) > 1 {
				t.Fatalf("flapping told: %t, want %t; all: %d", got, tt.want, len(w.told))
			}
			if got {
				checkFinding(t, w, k)
				if k.Subject != "job-controller" || k.Severity != mta.SeverityWarning {
					t.Errorf("subject %q severity %s", k.Subject, k.Severity)
				}
			}
		})
	}
}
