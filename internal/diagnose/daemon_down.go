package diagnose

import (
	"time"

	"github.com/mtawatch/mtawatch/internal/mta"
)

// What the findings of both central daemons have in common.

// downRule is the rule of a daemon that is down, stopped or hangs.
func downRule(role mta.Role, code mta.FindingCode, find func(*Case, *Instance) (Candidate, bool)) Rule {
	r := eachInstance(atMostOne(find), code)
	r.Over = daemonBack(role)
	return r
}

// daemonTrouble begins a candidate of such a finding; causes are those that it
// is a consequence of when they are open.
func daemonTrouble(c *Case, in *Instance, d *Daemon, role mta.Role, code mta.FindingCode, causes ...mta.FindingCode) Candidate {
	k := Candidate{Clear: 15 * time.Second, Family: role.String() + "|" + in.Name, Rank: RankDirect}
	k.Code, k.Instance, k.Subject = code, in.Name, role.String()
	k.Severity, k.Since, k.DependsOn = mta.SeverityCritical, c.Now, causes
	if _, _, again := restarted(c, in, d.Restarts); again {
		k.DependsOn = append(k.DependsOn, mta.FindingDaemonFlapping)
	}
	return k
}

// daemonEnded completes it where the process has ended; effect is what follows.
func daemonEnded(c *Case, in *Instance, d *Daemon, role mta.Role, e ended, effect string, k *Candidate) {
	k.Need, k.Since, k.State = e.need, e.at, "down"
	k.Title = theDaemon(c, in.Name, role) + " is down: " + effect
	if e.replaced {
		k.State, k.Title = "replaced", theDaemon(c, in.Name, role)+" died and was replaced"
	}
	var texts []string
	k.Cause, texts, k.Confidence = endCause(c, in, role, e)
	k.Evidence = []mta.Evidence{daemonCount(in, d, role)}
	if len(texts) > 0 {
		k.Evidence = append(k.Evidence, mta.Evidence{Text: "what the mail server says", Lines: texts})
	}
}

// stoppedState is the State of what was stopped and is there: processes by a signal, a channel by its operator.
const stoppedState = "stopped"

// daemonStopped completes it where a signal has stopped the first of the stuck
// processes, of which text tells.
func daemonStopped(c *Case, in *Instance, role mta.Role, stuck []mta.RoleProcess, text, effect string, k *Candidate) {
	k.Need, k.Confidence, k.State = twice, 0.99, stoppedState
	k.Title = theDaemon(c, in.Name, role) + " is stopped: " + effect
	k.Cause = daemonName(c, in.Name, role) + " " + amountPlain(stuck[0].PID) + " was stopped by a signal (SIGSTOP); send SIGCONT."
	k.Evidence = []mta.Evidence{fact(text)}
	k.Advice = []string{"let it go on: `kill -CONT " + pids(stuck) + "`; then find out who stopped it (a debugger, a backup script, a cgroup freezer)"}
}
