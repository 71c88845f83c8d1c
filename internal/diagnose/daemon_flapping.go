package diagnose

import (
	"maps"
	"slices"
	"time"

	"github.com/mtawatch/mtawatch/internal/detect"
	"github.com/mtawatch/mtawatch/internal/mta"
)

// flappingRule finds daemons that end and come back again and again.
func flappingRule() Rule {
	return Rule{
		Codes: []mta.FindingCode{mta.FindingDaemonFlapping},
		Judge: func(c *Case) []Candidate {
			var list []Candidate
			for _, in := range c.Instances {
				crashes := crashesOf(c, in)
				for _, d := range [...]struct {
					*Daemon
					role mta.Role
				}{{&in.Dispatcher, mta.RoleDispatcher}, {&in.JobController, mta.RoleJobController}} {
					n, d2, ok := restarted(c, in, d.Restarts)
					if !ok {
						continue
					}
					list = append(list, flapping(c, in, d.role.String(), amountOf(n, "restart")+" in "+span(d2), d.Restarts, crashes[daemonName(c, in.Name, d.role)]))
					delete(crashes, daemonName(c, in.Name, d.role))
				}
				for _, program := range slices.Sorted(maps.Keys(crashes)) {
					if x := crashes[program]; x.throttled >= 2 || x.ends >= 3 {
						list = append(list, flapping(c, in, program, x.words(), nil, x))
					}
				}
			}
			return list
		},
	}
}

// restarted reports whether a daemon came back three times in 3 minutes or
// four in 10. Restarts that someone asked for do not count.
func restarted(c *Case, in *Instance, g *detect.Signal) (n float64, d time.Duration, ok bool) {
	for _, l := range [...]struct {
		n float64
		d time.Duration
	}{{3, 3 * time.Minute}, {4, 10 * time.Minute}} {
		_, n, known := g.Sum(l.d)
		if !known || n < l.n {
			continue
		}
		if n -= asked(c, in.Name, l.d); n >= l.n {
			return n, l.d, true
		}
	}
	return 0, 0, false
}

// asked counts the reloads and starts that someone asked for.
func asked(c *Case, instance string, d time.Duration) (n float64) {
	for _, w := range c.Facts.Warnings(instance, c.Now.Add(-d)) {
		if c.Now.Sub(w.Time) <= d && contains(w.Text, "reload -- version", "terminating on signal 15") {
			n++
		}
	}
	return n
}

// crash is what the mail server said of one program in ten minutes.
type crash struct {
	ends      int // it ended with a signal or a status
	throttled int // it failed at its start and was held back
	first     time.Time
	texts     []Warning
}

func (x *crash) words() string {
	if x.throttled > 0 {
		return "it fails as it starts and is held back (" + amountOf(float64(x.throttled), "time") + " in 10 min)"
	}
	return amountOf(float64(x.ends), "violent end") + " in 10 min"
}

const crashTime = 10 * time.Minute

// crashesOf counts the complaints of the dispatcher about its programs.
func crashesOf(c *Case, in *Instance) map[string]*crash {
	var found map[string]*crash
	for _, w := range c.Facts.Warnings(in.Name, c.Now.Add(-crashTime)) {
		program := accused(w.Text)
		if program == "" || c.Now.Sub(w.Time) > crashTime {
			continue
		}
		if found == nil {
			found = make(map[string]*crash)
		}
		x := found[program]
		if x == nil {
			x = &crash{first: w.Time}
			found[program] = x
		}
		switch {
		case contains(w.Text, "throttling"):
			x.throttled++
		case contains(w.Text, "killed by signal", "exit status"):
			x.ends++
		}
		x.texts = append(x.texts, w)
	}
	return found
}

// dear are the programs without which mail is not accepted or not delivered.
var dear = [...]string{"dispatcher", "job-controller", "smtpd", "postscreen", "cleanup", "qmgr", "trivial-rewrite", "smtp", "lmtp", "local", "virtual", "pickup", "master"}

func flapping(c *Case, in *Instance, what, often string, g *detect.Signal, x *crash) Candidate {
	k := Candidate{Clear: 5 * time.Minute, Family: "flapping|" + in.Name + "|" + what, Rank: RankDirect}
	k.Code, k.Instance, k.Subject = mta.FindingDaemonFlapping, in.Name, what
	k.Severity, k.Confidence, k.Since = mta.SeverityWarning, 0.9, c.Now
	if slices.Contains(dear[:], what) && (x != nil && x.throttled >= 2 || hindered(in)) {
		k.Severity = mta.SeverityCritical
	}
	// What comes and goes is told as that, not as down each time.
	k.DependsOn = []mta.FindingCode{mta.FindingOwnResourceFailing, mta.FindingDiskFilling}
	if what != mta.RoleDispatcher.String() {
		k.DependsOn = append(k.DependsOn, mta.FindingDispatcherDown)
		if what != mta.RoleJobController.String() {
			k.DependsOn = append(k.DependsOn, mta.FindingJobControllerDown)
		}
	}
	k.Title = "the " + what + whose(in.Name) + " keeps ending and coming back: " + often
	k.Cause = "it ends again and again; the mail server starts it anew each time."
	if g != nil {
		e := reading(g, seriesOf("mta_process_restarts_total", "instance", in.Name, "role", what), often)
		k.Evidence = append(k.Evidence, e)
		k.Since = sinceOr(g.Last(), c.Now)
		if r := g.Up(); r.Noted() {
			k.Since = sinceOr(g.Since(r), k.Since)
		}
	}
	if x != nil {
		k.Since = sinceOr(x.first, k.Since)
		k.Cause = flapCause(c, in, what, x)
		k.Confidence = 0.97
		k.Evidence = append(k.Evidence, mta.Evidence{Text: "what the mail server says", Lines: lines(x.texts, 4, func(*Warning) bool { return true })})
	}
	k.Advice = append([]string{"find the first fatal or panic line before each end: that is the fault"}, startAdvice(c, in.Name)[:1]...)
	if software(c, in.Name) == "postfix" {
		k.Advice = append(k.Advice, "undo the last change of master.cf or main.cf and `postfix reload`; `postfix check` names wrong owners and missing files")
	}
	k.Avoid = []string{"do not let a watchdog restart it faster: that hides the fault and starves the queue"}
	return k
}

// flapCause gives the last words of the program itself, or what the
// dispatcher says of it.
func flapCause(c *Case, in *Instance, what string, x *crash) string {
	ws := c.Facts.Warnings(in.Name, c.Now.Add(-crashTime))
	for i := len(ws) - 1; i >= 0; i-- {
		if w := &ws[i]; w.Severity >= mta.SeverityFatal && (w.Program == what || roleOfProgram(w.Program).String() == what) {
			return what + " says: \"" + cut(w.Text, 200) + "\"."
		}
	}
	return "the mail server says: \"" + cut(x.texts[len(x.texts)-1].Text, 200) + "\"."
}
