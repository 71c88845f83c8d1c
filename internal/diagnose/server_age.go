package diagnose

import (
	"time"

	"github.com/mtawatch/mtawatch/internal/mta"
)

// serverAgeRule finds SMTP server processes that live far beyond their time:
// they hang, or drain a connection that never ends.
func serverAgeRule() Rule {
	return Rule{
		Codes: []mta.FindingCode{mta.FindingServerProcessOverage},
		Judge: func(c *Case) []Candidate {
			var list []Candidate
			for _, in := range c.Instances {
				if k, ok := serverAge(c, in); ok {
					list = append(list, k)
				}
			}
			return list
		},
	}
}

func serverAge(c *Case, in *Instance) (Candidate, bool) {
	seconds, ok := in.ServerAge.Value()
	if !ok {
		return Candidate{}, false
	}
	age := time.Duration(seconds * float64(time.Second))
	lifetime, limited := c.Facts.Limit(in.Name, "server_lifetime")
	life := time.Duration(lifetime * float64(time.Second))
	// A server past its lifetime is only due to end, and lets its clients finish first.
	beyond := limited && life > 0 && age > life+max(life/4, min(max(life, time.Minute), time.Hour))
	b := in.ServerAge.Range()
	up := in.ServerAge.Up()
	unusual := b.LearnedFrom >= 24*time.Hour && up.Strange() && age > 2*time.Hour && seconds > max(1.5*b.High, b.High+3600)
	if !beyond && !unusual {
		return Candidate{}, false
	}
	old := oldServers(c, in, age)
	if old.known && old.count == 0 {
		return Candidate{}, false // the old ones are long-lived by design
	}
	k := Candidate{Need: time.Minute, Clear: 5 * time.Minute, Family: "server-age|" + in.Name, Rank: RankGrowth}
	k.Code, k.Instance, k.Subject = mta.FindingServerProcessOverage, in.Name, mta.RoleSMTPServer.String()
	k.Severity, k.Confidence = mta.SeverityInfo, 0.75
	k.Since, k.Score = sinceOr(in.ServerAge.Since(up), c.Now), score(up)
	if beyond {
		k.Since, k.Score, k.Confidence = c.Now.Add(life-age), 0, 0.9
	}
	if old.count >= 3 || old.stuck != "" || beyond && age > 2*life {
		k.Severity = mta.SeverityWarning
	}
	k.DependsOn = []mta.FindingCode{mta.FindingCloseWaitLeak, mta.FindingDispatcherDown}
	k.Title = "an SMTP server process" + whose(in.Name) + " runs for " + span(age)
	if old.count > 1 {
		k.Title = amount(float64(old.count)) + " SMTP server processes" + whose(in.Name) + " are far too old, the oldest " + span(age)
	}
	k.Cause = "a server process does not end: a client holds its session open, or the process hangs."
	k.Evidence = []mta.Evidence{ageEvidence(in, age, life, limited)}
	k.Explain = func(m *mta.Finding) { explainAge(c, in, old, m) }
	return k, true
}

func ageEvidence(in *Instance, age, life time.Duration, limited bool) mta.Evidence {
	text := "the oldest SMTP server process is " + span(age) + " old"
	if limited {
		text += "; it should be replaced after " + span(life)
	}
	if b := in.ServerAge.Range(); b.LearnedFrom > 0 {
		text += "; normal at this hour is " + span(time.Duration(b.Low)*time.Second) + " to " + span(time.Duration(b.High)*time.Second)
	}
	e := reading(in.ServerAge, seriesOf("mta_smtp_server_oldest_age_seconds", "instance", in.Name), text)
	e.Text = text + learnedNote(in.ServerAge)
	return e
}

// aged is what the process table says of old servers.
type aged struct {
	known bool
	count int
	names string
	stuck string
}

// oldServers counts the servers at least half as old as the oldest.
// Postfix's postscreen is one process for all clients and lives for days.
func oldServers(c *Case, in *Instance, age time.Duration) aged {
	var a aged
	var list []mta.RoleProcess
	for _, p := range c.Facts.Processes(in.Name) {
		if p.Role != mta.RoleSMTPServer {
			continue
		}
		a.known = true
		if p.Name != "postscreen" && c.Now.Sub(p.Start) >= age/2 {
			list = append(list, p)
		}
	}
	a.count = len(list)
	a.names = named(list)
	_, a.stuck = stuckProcesses(list, mta.RoleSMTPServer)
	return a
}

func explainAge(c *Case, in *Instance, old aged, m *mta.Finding) {
	if old.names != "" {
		m.Evidence = append(m.Evidence, fact("the old ones: "+old.names))
	}
	if old.stuck != "" {
		m.Evidence = append(m.Evidence, fact(old.stuck))
	}
	for _, p := range in.Ports {
		if n, ok := p.States["close-wait"].Value(); ok && n == 0 {
			m.RuledOut = append(m.RuledOut, "port "+p.Port+" has no connection that the client has left")
		}
	}
	m.Advice = append(m.Advice, "see what it does and with whom: `ss -tnp | grep pid=PID`, `cat /proc/PID/wchan`")
	switch software(c, in.Name) {
	case "imta":
		m.Advice = append(m.Advice, "if it only drains old sessions, wait; else `imsimta restart dispatcher`; see MAX_LIFE_TIME and MAX_LIFE_CONNS in dispatcher.cnf")
	case "postfix", "":
		m.Advice = append(m.Advice, "if it hangs, end it by its pid (`kill PID`): the dispatcher starts another; `postconf max_use max_idle` bound its life by clients and idleness, so one endless session keeps it alive")
	default:
		m.Advice = append(m.Advice, "if it hangs, end it by its pid (`kill PID`)")
	}
	m.Avoid = append(m.Avoid, "do not end a process that is receiving mail: look at its connection first")
}
