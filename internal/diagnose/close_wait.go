package diagnose

import (
	"time"

	"github.com/mtawatch/mtawatch/internal/detect"
	"github.com/mtawatch/mtawatch/internal/mta"
)

// closeWaitRule finds connections that the client has ended and our own
// server process never closes. In a healthy server that state lasts moments.
func closeWaitRule() Rule {
	return Rule{
		Codes: []mta.FindingCode{mta.FindingCloseWaitLeak},
		Judge: func(c *Case) []Candidate {
			var list []Candidate
			for _, p := range c.Ports {
				if k, ok := closeWait(c, p); ok {
					list = append(list, k)
				}
			}
			return list
		},
	}
}

func closeWait(c *Case, p *Port) (Candidate, bool) {
	g := p.States["close-wait"]
	stopped := serversStopped(c, p)
	n, ok := g.Value()
	if !ok || n < 10 || !stopped && !piling(g, n) {
		return Candidate{}, false
	}
	open, _ := connected(p)
	if n < 0.02*open {
		return Candidate{}, false // clients leave at all times; with many clients some have just left
	}
	usual, known := middle(g)
	past := g.Range().LearnedFrom >= enoughPast
	switch {
	case past && (!g.Up().Strange() || n < 2*usual+5 || n <= 1.3*g.Range().High):
		return Candidate{}, false
	case !past && (n < 20 || n < 0.3*open || known && n < 3*usual):
		return Candidate{}, false
	}
	before, grown := g.Ago(10 * time.Minute)
	growing := grown && n >= 1.5*before+5
	k := Candidate{Need: 20 * time.Second, Clear: 2 * time.Minute, Family: "close-wait|" + p.Instance + "|" + p.Port, Rank: RankGrowth}
	k.Code, k.Instance, k.Subject = mta.FindingCloseWaitLeak, p.Instance, "port "+p.Port
	k.Severity, k.Confidence = mta.SeverityInfo, 0.85
	in := c.instance(p.Instance)
	if growing || n >= 0.25*open {
		k.Severity = mta.SeverityWarning
	}
	k.Since = sinceOr(g.Since(g.Up()), c.Now)
	k.Score = score(g.Up())
	// Clients also leave when a server is overrun, or sits in a filter, a lookup, a full disk.
	// They let go when that is over: who still does not then is at fault.
	k.DependsOn = []mta.FindingCode{mta.FindingDispatcherDown, mta.FindingFloodOneSource, mta.FindingFloodManySources, mta.FindingOwnDNSDead, mta.FindingOwnResourceFailing}
	k.Stays = true
	if stopped { // it was seen why: a minute of waiting proves no more
		k.Rank, k.Need, k.State, k.DependsOn = RankDirect, twice, stoppedState, k.DependsOn[:1]
	}
	k.Title = amountOf(n, "connection") + " to port " + p.Port + " left by the client and never closed by us"
	k.Cause = "server processes do not notice that their client is gone: they hang (in a filter, a lookup, the disk), are stopped, or have a fault."
	text := amountOf(n, "connection") + " in CLOSE_WAIT"
	if grown {
		text += ", " + amount(before) + " ten minutes ago"
	}
	k.Evidence = append(k.Evidence, reading(g, seriesOf("mta_inbound_connections", "instance", p.Instance, "port", p.Port, "state", "close-wait"), text))
	if in != nil && hindered(in) {
		k.Severity = mta.SeverityCritical
		k.Evidence = append(k.Evidence, arrivalsFell(in))
	} else if in != nil && in.Arrivals != nil {
		k.RuledOut = append(k.RuledOut, "mail still comes in")
	}
	k.Explain = func(m *mta.Finding) { explainCloseWait(c, p, m) }
	return k, true
}

// serversStopped reports whether server processes are stopped by a signal.
func serversStopped(c *Case, p *Port) bool {
	list, _ := stuckProcesses(c.Facts.Processes(p.Instance), mta.RoleSMTPServer)
	return len(list) > 0 && list[0].State == "T"
}

// piling reports whether a level stays or grows: it is not let down within
// the last minute, and not below what it was minutes ago.
func piling(g *detect.Signal, now float64) bool {
	least, ok := g.Least(time.Minute)
	if !ok || least < 0.6*now && least < 10 {
		return false
	}
	if two, ok := g.Ago(2 * time.Minute); ok && now < two {
		return now >= 0.9*two
	}
	return true
}

func explainCloseWait(c *Case, p *Port, m *mta.Finding) {
	if list, text := stuckProcesses(c.Facts.Processes(p.Instance), mta.RoleSMTPServer); text != "" {
		m.Evidence = append(m.Evidence, fact(text))
		if list[0].State == "T" {
			m.Cause = "SMTP server processes were stopped by a signal (state T), so they close nothing; send them SIGCONT."
			m.Advice = append(m.Advice, "let them go on: `kill -CONT "+pids(list)+"`")
			m.Confidence = 0.95
		}
	}
	m.Advice = append(m.Advice, "see which process holds them: `ss -Htnp state close-wait '( sport = :"+p.Port+" )'`, then where it hangs: `cat /proc/PID/wchan`, `strace -p PID`",
		"if they hang in a milter, a policy service or a lookup table, mend that first")
	switch software(c, p.Instance) {
	case "postfix", "":
		m.Advice = append(m.Advice, "end one hanging process by its pid (`kill PID`): the dispatcher starts a fresh one; `postfix reload` replaces them as they become idle")
	case "imta":
		m.Advice = append(m.Advice, "`imsimta restart dispatcher` replaces the server processes; they leak by age, so set MAX_LIFE_TIME and MAX_LIFE_CONNS")
	default:
		m.Advice = append(m.Advice, "end one hanging process by its pid: the mail server starts a fresh one for the next client")
	}
	m.Avoid = append(m.Avoid, "kernel timeouts do not help: CLOSE_WAIT ends only when the process closes the socket")
}
