package diagnose

import (
	"strings"
	"time"

	"github.com/mtawatch/mtawatch/internal/mta"
)

func daemonRules() []Rule {
	return []Rule{dispatcherRule(), jobControllerRule(), duplicateRule(), flappingRule()}
}

// twice is the Need of what must hold over two samples: it is over at the
// second, ten seconds after the first.
const twice = 8 * time.Second

// ended is what is known of the end of a daemon's process.
type ended struct {
	down     bool          // there is none now
	replaced bool          // it died, and another has taken its place already
	at       time.Time     // when it was seen last, or ended
	need     time.Duration // for how long that must hold
	exit     Exit          // zero when nobody saw it end
}

// freshExit is for how long an end is news after another process took over.
const freshExit = 20 * time.Second

// lookEnded tells whether the process of a role is gone. The kernel's word
// counts at once; a process table that lacks it must lack it twice.
func lookEnded(c *Case, in *Instance, d *Daemon, role mta.Role) ended {
	exit := c.Facts.Exit(in.Name, role)
	if p := accused(exit.Text); p != "" && roleOfProgram(p) != role {
		exit.Text = "" // it tells of another program's end
	}
	n, known := d.Count.Value()
	own, _ := living(c.Facts.Processes(in.Name), role)
	fresh := !exit.Time.IsZero() && !exit.Time.After(c.Now) && c.Now.Sub(exit.Time) <= freshExit
	if fresh && exit.Time.After(d.Started) || !exit.Time.IsZero() && known && n == 0 && exit.Time.After(d.Started) {
		if len(own) == 0 {
			e := ended{down: true, at: exit.Time, exit: exit}
			if reloading(c, in.Name) && !violent(exit.Text) {
				e.need = twice // a reload puts another in its place
			}
			return e
		}
	}
	if fresh && violent(exit.Text) {
		return ended{replaced: true, at: exit.Time, exit: exit}
	}
	if !known || n > 0 || len(own) > 0 || !everRan(d, exit) && !half(in, d) {
		return ended{}
	}
	return ended{down: true, at: sinceOr(d.Count.Last(), c.Now), need: twice}
}

// everRan reports whether the daemon has run within sight. A mail server
// that never ran is no news.
func everRan(d *Daemon, exit Exit) bool {
	if !d.Count.Last().IsZero() || !d.Started.IsZero() || !exit.Time.IsZero() {
		return true
	}
	usual, known := middle(d.Count)
	return known && usual >= 0.5
}

// half reports whether the other daemon of the mail server runs, and it is no
// habit here that it does so alone: this one ended before anybody looked.
func half(in *Instance, d *Daemon) bool {
	other := &in.Dispatcher
	if d == other {
		other = &in.JobController
	}
	n, known := other.Count.Value()
	_, habit := middle(d.Count)
	return known && n > 0 && !habit
}

// violent reports whether a process did not end of its own accord.
func violent(text string) bool {
	return contains(text, "killed by signal", "exit status", "panic", "dumped core", "segfault", "fatal")
}

// reloading reports whether the mail server was asked to read its
// configuration anew a moment ago.
func reloading(c *Case, instance string) bool {
	for _, w := range c.Facts.Warnings(instance, c.Now.Add(-freshExit)) {
		if contains(w.Text, "reload -- version", "refreshing the") {
			return true
		}
	}
	return false
}

// roleOfProgram gives the role of a program by the name under which it logs.
func roleOfProgram(program string) mta.Role {
	switch program[strings.LastIndexByte(program, '/')+1:] {
	case "master", "postfix-script", "dispatcher":
		return mta.RoleDispatcher
	case "qmgr", "oqmgr", "nqmgr", "job_controller", "scheduler", "queue":
		return mta.RoleJobController
	case "smtpd", "postscreen", "tcp_smtp_server":
		return mta.RoleSMTPServer
	}
	return mta.RoleOther
}

// accused gives the program that a dispatcher's complaint is about: "qmgr"
// of "process /usr/lib/postfix/sbin/qmgr pid 4711 killed by signal 9" and of
// ".../qmgr: bad command startup -- throttling"; "" of other texts.
func accused(text string) string {
	path := ""
	if rest, ok := strings.CutPrefix(text, "process "); ok {
		path, _, ok = strings.Cut(rest, " pid ")
		if !ok {
			return ""
		}
	} else if head, _, ok := strings.Cut(text, ": bad command startup"); ok {
		path = head
	}
	return cut(path[strings.LastIndexByte(path, '/')+1:], 40)
}

// fatalOf reports whether a warning tells why a daemon of the role ended or
// does not start.
func fatalOf(w *Warning, role mta.Role) bool {
	if p := accused(w.Text); p != "" {
		return roleOfProgram(p) == role
	}
	return roleOfProgram(w.Program) == role && (w.Severity >= mta.SeverityFatal || strings.HasPrefix(w.Text, "fatal:") || strings.HasPrefix(w.Text, "panic:")) &&
		!alreadyRunning(w.Text)
}

// endCause says why a daemon is down, in the mail server's own words where it gave any.
func endCause(c *Case, in *Instance, role mta.Role, e ended) (cause string, texts []string, confidence float64) {
	name := daemonName(c, in.Name, role)
	ws := c.Facts.Warnings(in.Name, e.at.Add(-time.Minute))
	texts = lines(ws, 4, func(w *Warning) bool { return fatalOf(w, role) })
	for i := len(ws) - 1; i >= 0; i-- {
		if w := &ws[i]; fatalOf(w, role) && accused(w.Text) == "" {
			return name + " cannot run: \"" + cut(strings.TrimPrefix(w.Text, "fatal: "), 200) + "\".", texts, 0.97
		}
	}
	if e.exit.Text != "" {
		return "the " + name + " process " + pid(e.exit.PID) + "ended: " + cut(e.exit.Text, 200) + ".", texts, 0.97
	}
	for i := len(ws) - 1; i >= 0; i-- {
		switch w := &ws[i]; {
		case fatalOf(w, role):
			return "the " + name + " process ended: \"" + cut(w.Text, 200) + "\".", texts, 0.97
		case contains(w.Text, "terminating on signal", "stopping the") || contains(w.Text, "shutting down", "shutdown complete") && roleOfProgram(w.Program) == role:
			return "it was stopped on purpose: \"" + cut(w.Text, 200) + "\".", []string{w.Text}, 0.97
		}
	}
	if e.exit.PID != 0 {
		return "the " + name + " process " + pid(e.exit.PID) + "ended without a word in the log: stopped or killed from outside (kill -9, out of memory), or crashed.", nil, 0.95
	}
	return "no " + name + " process is running; nothing in the log says why.", nil, 0.9
}

func pid(n int) string {
	if n == 0 {
		return ""
	}
	return amountPlain(n) + " "
}
