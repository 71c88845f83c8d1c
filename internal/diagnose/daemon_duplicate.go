package diagnose

import (
	"time"

	"github.com/mtawatch/mtawatch/internal/mta"
)

// duplicateRule finds two daemons of a kind of which one is the rule.
func duplicateRule() Rule {
	return Rule{
		Codes: []mta.FindingCode{mta.FindingDaemonDuplicate},
		Judge: func(c *Case) []Candidate {
			var list []Candidate
			for _, in := range c.Instances {
				for _, d := range [...]*Daemon{&in.Dispatcher, &in.JobController} {
					if k, ok := duplicate(c, in, d); ok {
						list = append(list, k)
					}
				}
				if k, ok := refusedStart(c, in); ok {
					list = append(list, k)
				}
			}
			return list
		},
	}
}

func duplicate(c *Case, in *Instance, d *Daemon) (Candidate, bool) {
	n, ok := d.Count.Value()
	if !ok || n < 2 {
		return Candidate{}, false
	}
	role := mta.RoleDispatcher
	if d == &in.JobController {
		role = mta.RoleJobController
	}
	own, orphans := living(c.Facts.Processes(in.Name), role)
	k := Candidate{Need: twice, Clear: 30 * time.Second, Family: "duplicate|" + in.Name + "|" + role.String(), Rank: RankDirect}
	k.Code, k.Instance, k.Subject = mta.FindingDaemonDuplicate, in.Name, role.String()
	k.Severity, k.Since, k.Confidence = mta.SeverityWarning, c.Now, 0.9
	k.DependsOn = []mta.FindingCode{mta.FindingDispatcherDown}
	what := "dispatchers"
	if role == mta.RoleJobController {
		what = "job controllers"
	}
	one := 1.0
	k.Evidence = []mta.Evidence{{Text: amount(n) + " " + what + "; 1 is the rule", Value: &n, Low: &one, High: &one,
		Series: seriesOf("mta_processes", "instance", in.Name, "role", role.String())}}
	switch {
	case len(orphans) > 0 && len(own) <= 1:
		leftOver(&k, in, role, orphans)
		return k, true
	case len(own) == 1:
		return Candidate{}, false // the process table is newer than the count
	case len(own) > 1:
		k.Since = sinceOr(own[len(own)-1].Start, c.Now)
		k.Evidence = append(k.Evidence, fact("they are "+named(own)+"; the newest was started at "+k.Since.Format("15:04:05")))
	}
	k.Title = amount(n) + " " + what + whose(in.Name) + " run at once"
	k.Cause = "a second one was started while the first still ran: two start scripts, two services, or a stop that did not end the old one."
	k.Explain = func(m *mta.Finding) { explainDuplicate(c, in, m) }
	return k, true
}

// leftOver tells of daemons that outlived their dispatcher.
func leftOver(k *Candidate, in *Instance, role mta.Role, orphans []mta.RoleProcess) {
	k.Need, k.Severity, k.Confidence = time.Minute, mta.SeverityInfo, 0.9
	k.Title = amountOf(float64(len(orphans)), role.String()+" process") + whose(in.Name) + " left over from an earlier start"
	k.Cause = "its dispatcher was killed and it has not noticed yet; the present daemons are one of each kind."
	k.Since = sinceOr(orphans[0].Start, k.Since)
	k.Evidence = append(k.Evidence, fact("left over: "+named(orphans)))
	k.Advice = []string{"such processes end by themselves within minutes; if one stays, end it by its pid: `kill " + pids(orphans) + "`"}
}

func explainDuplicate(c *Case, in *Instance, m *mta.Finding) {
	switch software(c, in.Name) {
	case "postfix":
		m.Advice = append(m.Advice, "see which belongs to which: `ps -eo pid,ppid,lstart,args | grep -e master -e qmgr`; the pid file in the queue's pid/master.pid names the rightful master",
			"if they serve different configurations, give each its own queue_directory and data_directory; else end the younger: `kill PID`")
	case "imta":
		m.Advice = append(m.Advice, "see which belongs to which: `imsimta process`; a second one for a moment is a fork on its way; if it stays, end the younger by its pid")
	case "exim":
		m.Advice = append(m.Advice, "see which belongs to which: `exiwhat`; end the younger daemon by its pid, and one of the two start scripts")
	default:
		m.Advice = append(m.Advice, "see which belongs to which: `ps -eo pid,ppid,lstart,args`; end the younger by its pid, and see who started it")
	}
	m.RuledOut = append(m.RuledOut, "not a fork on its way: both were there in two samples")
	m.Avoid = append(m.Avoid, "do not let two job controllers work on one queue: mail may be delivered twice")
}

// alreadyRunning tells the refusal of a second start.
func alreadyRunning(text string) bool {
	return contains(text, "mail system is already running", "is already running", "another mail system is running", "unable to get exclusive lock")
}

// refusedStands is for how long a refused start is told.
const refusedStands = 10 * time.Minute

// refusedStart tells that someone tried to start the mail server twice and
// it refused: harmless, and a sign of two hands or two start scripts.
func refusedStart(c *Case, in *Instance) (Candidate, bool) {
	if n, ok := in.Dispatcher.Count.Value(); ok && n == 0 {
		return Candidate{}, false
	}
	ws := c.Facts.Warnings(in.Name, c.Now.Add(-refusedStands))
	for i := len(ws) - 1; i >= 0; i-- {
		w := &ws[i]
		if c.Now.Sub(w.Time) > refusedStands || w.Severity < mta.SeverityFatal || !alreadyRunning(w.Text) {
			continue
		}
		k := Candidate{Clear: time.Minute, Family: "duplicate|" + in.Name + "|start", Rank: RankGrowth}
		k.Code, k.Instance, k.Subject = mta.FindingDaemonDuplicate, in.Name, "start"
		k.Severity, k.Since, k.Confidence = mta.SeverityInfo, w.Time, 0.98
		k.Title = "a second start" + whose(in.Name) + " was refused: it runs already"
		k.Cause = "someone, or a second start script, tried to start the mail server while it ran; nothing has changed."
		k.Evidence = []mta.Evidence{{Text: "what the mail server says", Lines: lines(ws[i:i+1], 1, func(*Warning) bool { return true })}}
		k.RuledOut = []string{"the running mail server is unharmed"}
		k.Advice = []string{"find out who starts it twice: cron, a watchdog, a systemd unit beside an init script"}
		return k, true
	}
	return Candidate{}, false
}
