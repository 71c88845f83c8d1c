package diagnose

import (
	"time"

	"github.com/mtawatch/mtawatch/internal/mta"
)

// acceptQueueRule finds a port whose finished connections no process takes:
// the queue before the mail server is full, or nearly.
func acceptQueueRule() Rule {
	return Rule{
		Codes: []mta.FindingCode{mta.FindingAcceptQueueOverflow},
		Judge: func(c *Case) []Candidate {
			var list []Candidate
			known := false
			for _, p := range c.Ports {
				if _, ok := p.AcceptQueue.Value(); ok {
					known = true
				}
				if k, ok := acceptQueue(c, p); ok {
					list = append(list, k)
				}
			}
			if k, ok := overflowSomewhere(c, known); ok && len(list) == 0 {
				list = append(list, k)
			}
			return list
		},
	}
}

// overflowCauses are what fills an accept queue.
var overflowCauses = [...]mta.FindingCode{mta.FindingDispatcherDown, mta.FindingFloodOneSource, mta.FindingFloodManySources,
	mta.FindingProcessLimitReached, mta.FindingOwnDNSDead, mta.FindingOwnResourceFailing}

func acceptQueue(c *Case, p *Port) (Candidate, bool) {
	length, ok := p.AcceptQueue.Value()
	limit, limited := p.AcceptLimit.Value()
	if !ok || length < 3 {
		return Candidate{}, false
	}
	limited = limited && limit > 0
	full := limited && length >= limit
	_, lost, lostKnown := c.Overflows.Sum(time.Minute)
	over := lostKnown && lost > 0
	switch {
	case full:
	case limited && length >= 0.8*limit:
	case over && c.Overflows.Up().Strange() && p.AcceptQueue.Up().Noted() && (!limited || length >= 0.3*limit):
	default:
		return Candidate{}, false
	}
	k := Candidate{Need: 8 * time.Second, Clear: 2 * time.Minute, Family: "accept-queue|" + p.Instance + "|" + p.Port, Rank: RankDirect}
	k.Code, k.Instance, k.Subject = mta.FindingAcceptQueueOverflow, p.Instance, "port "+p.Port
	k.Severity, k.Confidence = mta.SeverityWarning, 0.85
	if full || over {
		k.Severity, k.Confidence = mta.SeverityCritical, 0.95
	}
	up := p.AcceptQueue.Up()
	k.Since, k.Score = sinceOr(p.AcceptQueue.Since(up), c.Now), score(up)
	k.DependsOn = overflowCauses[:]
	k.Title = "port " + p.Port + ": " + amountOf(length, "connection") + " wait and no process accepts them"
	if limited {
		k.Title = "port " + p.Port + ": " + amount(length) + " of at most " + amount(limit) + " connections wait and no process accepts them"
	}
	k.Cause = "clients connect faster than the mail server accepts them; to them it looks connected, but no greeting comes."
	k.Evidence = append(k.Evidence, reading(p.AcceptQueue, seriesOf("mta_accept_queue_length", "instance", p.Instance, "port", p.Port),
		amountOf(length, "connection")+" in the accept queue"))
	if over {
		k.Evidence = append(k.Evidence, reading(c.Overflows, "mta_accept_overflows_total", amountOf(lost, "connection")+" refused in the last minute on this host because an accept queue was full"))
	} else if lostKnown {
		k.RuledOut = append(k.RuledOut, "the kernel has refused no connection in the last minute")
	}
	k.Explain = func(m *mta.Finding) { explainAcceptQueue(c, p, m) }
	return k, true
}

func explainAcceptQueue(c *Case, p *Port, m *mta.Finding) {
	procs := c.Facts.Processes(p.Instance)
	for _, role := range []mta.Role{mta.RoleDispatcher, mta.RoleSMTPServer} {
		if list, text := stuckProcesses(procs, role); text != "" {
			m.Evidence = append(m.Evidence, fact(text))
			if list[0].State == "T" {
				m.Advice = append(m.Advice, "let them go on: `kill -CONT "+pids(list)+"`")
			}
		}
	}
	if in := c.instance(p.Instance); in != nil {
		n, ok := in.SMTPServers.Value()
		used, most, counted := sessions(in)
		if counted && used < 0.9*most {
			m.RuledOut = append(m.RuledOut, "the limit of sessions is not reached: "+amount(used)+" of at most "+amount(most))
		}
		if limit, known := processLimit(c, in); ok && known && n < 0.9*limit && !counted {
			m.RuledOut = append(m.RuledOut, "the process limit is not reached: "+amountOf(n, "SMTP server process")+" of at most "+amount(limit))
		}
	}
	m.Advice = append(m.Advice, "see who is waiting: `ss -Htn '( sport = :"+p.Port+" )' | awk '{print $4}' | sort | uniq -c | sort -rn | head`",
		"see what the server processes do (load, disk, content filter, DNS): one slow step in each session is enough")
	switch software(c, p.Instance) {
	case "postfix", "":
		m.Advice = append(m.Advice, "if the machine has room, allow more smtpd processes (the maxproc column of master.cf, or `postconf default_process_limit`), then `postfix reload`")
	case "imta":
		m.Advice = append(m.Advice, "if the machine has room, raise MAX_PROCS, MAX_CONNS or BACKLOG of the service in dispatcher.cnf, then `imsimta restart dispatcher`")
	case "exim":
		m.Advice = append(m.Advice, "if the machine has room, raise `smtp_accept_max` and `smtp_connect_backlog`, then restart Exim")
	}
	m.Avoid = append(m.Avoid, "a longer backlog alone only lets clients wait longer")
}

// busyPort gives the port that has more to do than usual, nil when none has.
func busyPort(c *Case) *Port {
	for _, p := range c.Ports {
		limit := valueOrZero(p.AcceptLimit)
		most, ok := highest(p.AcceptQueue, 5*time.Minute)
		if p.Opened.Up().Noted() || p.Current.Up().Noted() || p.TopSource.Up().Noted() || ok && limit > 0 && most >= 0.3*limit {
			return p
		}
	}
	return nil
}

// overflowSomewhere tells of connections that the kernel refused while no
// accept queue is seen to be full: bursts fill and empty it between two
// readings; where no queue can be read they may be another program's.
func overflowSomewhere(c *Case, read bool) (Candidate, bool) {
	_, n, ok := c.Overflows.Sum(time.Minute)
	up := c.Overflows.Up()
	if !ok || n < 10 || !up.Strange() && (c.Overflows.Judging() || n < 50) {
		return Candidate{}, false
	}
	k := Candidate{Need: 20 * time.Second, Clear: 2 * time.Minute, Family: "accept-queue", Rank: RankGrowth}
	k.Code, k.Severity, k.Confidence = mta.FindingAcceptQueueOverflow, mta.SeverityWarning, 0.5
	k.Since, k.Score = sinceOr(c.Overflows.Since(up), c.Now), score(up)
	k.DependsOn = overflowCauses[:]
	k.Title = amountOf(n, "connection") + " refused in a minute because an accept queue was full"
	k.Cause = "some server of this host does not accept its connections fast enough; which one is not known."
	if read {
		p := busyPort(c)
		if p == nil {
			return Candidate{}, false // no port of ours has more to do than usual: another program's
		}
		k.Instance, k.Subject = p.Instance, "port "+p.Port
		k.Title = "port " + p.Port + ": " + k.Title
		k.Cause, k.Confidence = "clients come in bursts faster than the server accepts them: the queue is full for moments, between two readings of it.", 0.7
	}
	k.Evidence = []mta.Evidence{reading(c.Overflows, "mta_accept_overflows_total", amountOf(n, "overflow")+" in the last minute")}
	k.Advice = []string{"see which port it is: `ss -Hltn` (Recv-Q is what waits, Send-Q the room)"}
	return k, true
}
