package diagnose

import (
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/mtawatch/mtawatch/internal/detect"
	"github.com/mtawatch/mtawatch/internal/mta"
)

// dispatcherRule finds that nobody takes new connections: the dispatcher's
// process is gone or stopped, its port does not answer, or it hangs.
func dispatcherRule() Rule {
	return downRule(mta.RoleDispatcher, mta.FindingDispatcherDown, dispatcherDown)
}

func dispatcherDown(c *Case, in *Instance) (Candidate, bool) {
	k := daemonTrouble(c, in, &in.Dispatcher, mta.RoleDispatcher, mta.FindingDispatcherDown)
	e := lookEnded(c, in, &in.Dispatcher, mta.RoleDispatcher)
	stuck, text := stuckProcesses(c.Facts.Processes(in.Name), mta.RoleDispatcher)
	switch {
	case e.down || e.replaced:
		daemonEnded(c, in, &in.Dispatcher, mta.RoleDispatcher, e, "new SMTP connections are refused", &k)
	case len(stuck) > 0 && stuck[0].State == "T":
		daemonStopped(c, in, mta.RoleDispatcher, stuck, text, "no new connection is served", &k)
	case aliveFor(c, in, &in.Dispatcher, mta.RoleDispatcher) < overLook:
		return Candidate{}, false // what is read of the port may be from before its start
	case portSilent(in, &k):
	case dispatcherHangs(c, in, &k), portDumb(c, in, &k):
		if len(stuck) > 0 {
			k.Evidence = append(k.Evidence, fact(text))
		}
	default:
		return Candidate{}, false
	}
	k.Explain = func(m *mta.Finding) { explainDispatcher(c, in, k.State, m) }
	return k, true
}

// daemonCount is the evidence of a daemon's process count.
func daemonCount(in *Instance, d *Daemon, role mta.Role) mta.Evidence {
	e := mta.Evidence{Text: "no " + strings.ReplaceAll(role.String(), "-", " ") + " process; 1 is the rule", Series: seriesOf("mta_processes", "instance", in.Name, "role", role.String())}
	one := 1.0
	if v, ok := d.Count.Value(); ok && v == 0 {
		e.Value, e.Low, e.High = &v, &one, &one
	}
	if !d.Started.IsZero() {
		e.Text += "; the last one ran since " + d.Started.Format("2006-01-02 15:04:05 MST")
	}
	return e
}

// probeTime is how long a probe must have failed throughout: three probes or more.
const probeTime = time.Minute

// failedProbe gives the probe of the instance's port that has failed
// throughout: "smtp:PORT" is that port's, "smtp" that of the only instance,
// else of the one that has the port which was asked, or port 25 where no one
// knows which it was.
func failedProbe(c *Case, in *Instance) (name string, ok bool) {
	for _, name := range slices.Sorted(maps.Keys(c.Probes)) {
		kind, port, one := strings.Cut(name, ":")
		if kind != "smtp" || !probeFailed(c.Probes[name]) {
			continue
		}
		if !one {
			port = "25"
			if p, ok := c.Facts.Probe(name); ok && strings.Contains(p.Target, ":") {
				port = p.Target[strings.LastIndexByte(p.Target, ':')+1:]
			}
		}
		if !one && len(c.Instances) == 1 || slices.ContainsFunc(in.Ports, func(p *Port) bool { return p.Port == port }) {
			return name, true
		}
	}
	return "", false
}

func probeFailed(g *detect.Signal) bool {
	v, ok := g.Value()
	_, mean, known := g.Sum(probeTime)
	return ok && v == 0 && known && mean == 0
}

// portSilent finds that nothing listens where the instance should.
func portSilent(in *Instance, k *Candidate) bool {
	var closed []string
	for _, p := range in.Ports {
		if p.Listening {
			return false
		}
		_, read := p.Current.Value()
		_, was := highest(p.AcceptLimit, time.Minute)
		if _, length := highest(p.AcceptQueue, time.Minute); read && (was || length) {
			closed = append(closed, p.Port)
		}
	}
	if len(closed) == 0 {
		return false
	}
	where := "port " + strings.Join(closed, ", ")
	k.Need, k.Confidence, k.State = 20*time.Second, 0.9, "silent"
	k.Evidence = append(k.Evidence, fact("no process listens on "+where+"; the socket table is read"))
	k.Title = "nothing listens on " + where + whose(in.Name) + ": new SMTP connections are refused"
	k.Cause = "the dispatcher is not there, or it does not listen any more (its configuration changed, or it could not bind the port)."
	return true
}

// portDumb finds that the probe of the own port has failed for a minute,
// and no lack of server processes explains it.
func portDumb(c *Case, in *Instance, k *Candidate) bool {
	probe, failed := failedProbe(c, in)
	if !failed || serversTaken(c, in) {
		return false
	}
	answer, _ := c.Facts.Probe(probe)
	refused := strings.Contains(answer.Text, "refused")
	k.Confidence, k.Since, k.State = 0.85, sinceOr(c.Probes[probe].Last(), c.Now), "dumb"
	k.DependsOn = []mta.FindingCode{mta.FindingFloodOneSource, mta.FindingFloodManySources, mta.FindingOwnDNSDead, mta.FindingOwnResourceFailing}
	k.Title = "the SMTP port" + whose(in.Name) + " does not answer"
	k.Cause = "a connection to the own port gets no greeting: the dispatcher hangs, or what a server does before it greets (a lookup, a filter) takes too long."
	if refused {
		k.Confidence, k.DependsOn = 0.97, nil
		k.Title = "the SMTP port" + whose(in.Name) + " refuses connections"
		k.Cause = "nothing listens on the own port: the dispatcher is not there, or does not listen any more."
	}
	k.Evidence = append(k.Evidence, fact("the probe of the own port has failed for a minute: "+cut(orWord(strings.TrimPrefix(answer.Target+": "+answer.Text, ": "), "no greeting came"), 200)))
	_, n, ok := in.Arrivals.Sum(time.Minute)
	if want, known := in.Arrivals.Expected(time.Minute); !refused && ok && known && want >= 5 && n >= 0.5*want {
		k.Severity, k.Confidence = mta.SeverityInfo, 0.5
		k.RuledOut = append(k.RuledOut, "mail still comes in as usual: it may be only the probe that is not served")
	}
	return true
}

// serversTaken reports whether all server processes that may run do.
func serversTaken(c *Case, in *Instance) bool {
	servers, known := in.SMTPServers.Value()
	if used, most, ok := sessions(in); ok {
		return used >= 0.9*most
	}
	limit, limited := processLimit(c, in)
	return limited && known && servers >= 0.9*limit || known && atTop(in, servers) || limitWarned(c, in) != nil
}

// dispatcherHangs finds the contradiction: connections wait, servers may
// still be started, and none takes them.
func dispatcherHangs(c *Case, in *Instance, k *Candidate) bool {
	waiting, waits := waitingClients(in)
	servers, known := in.SMTPServers.Value()
	probe, failed := failedProbe(c, in)
	if serversTaken(c, in) {
		return false // another finding
	}
	none := known && servers == 0 && waits
	switch {
	case none && waiting >= 3, none && failed:
		k.Need, k.Confidence = 15*time.Second, 0.85
	case failed && waits && c.Now.Sub(in.Arrivals.Last()) > 30*time.Second: // else it serves some
		k.Need, k.Confidence = 0, 0.8
	default:
		return false
	}
	k.Rank, k.State = RankContradiction, "hangs"
	k.DependsOn = []mta.FindingCode{mta.FindingFloodOneSource, mta.FindingFloodManySources, mta.FindingOwnDNSDead, mta.FindingOwnResourceFailing}
	k.Title = theDaemon(c, in.Name, mta.RoleDispatcher) + " hangs: " + amountOf(waiting, "connection") + " wait and nobody serves them"
	k.Cause = "the dispatcher lives but starts no server for the clients that wait: it is stopped, stuck in the kernel, or the machine is out of a resource."
	for _, p := range in.Ports {
		if v, ok := p.AcceptQueue.Value(); ok && v > 0 {
			k.Since = sinceOr(p.AcceptQueue.Since(p.AcceptQueue.Up()), k.Since)
			k.Evidence = append(k.Evidence, reading(p.AcceptQueue, seriesOf("mta_accept_queue_length", "instance", in.Name, "port", p.Port),
				amountOf(v, "connection")+" to port "+p.Port+" not accepted"))
		}
	}
	if known {
		k.Evidence = append(k.Evidence, reading(in.SMTPServers, seriesOf("mta_processes", "instance", in.Name, "role", mta.RoleSMTPServer.String()), amountOf(servers, "SMTP server process")))
	}
	if failed {
		answer, _ := c.Facts.Probe(probe)
		k.Evidence = append(k.Evidence, fact("the probe of the own port has failed for a minute: "+cut(orWord(answer.Text, "no greeting came"), 200)))
	}
	return true
}

func explainDispatcher(c *Case, in *Instance, state string, m *mta.Finding) {
	if _, orphans := living(c.Facts.Processes(in.Name), mta.RoleJobController); len(orphans) > 0 {
		m.Evidence = append(m.Evidence, fact("left over from the dispatcher that ended: "+named(orphans)))
	}
	if v, ok := in.DiskFree.Value(); ok && v > 1<<30 {
		m.RuledOut = append(m.RuledOut, "the queue's disk is not full: "+amount(v/(1<<30))+" GiB are free")
	}
	m.Evidence = append(m.Evidence, complaints(c, in, "dispatcher")...)
	if state == stoppedState {
		m.Avoid = append(m.Avoid, "do not start another: this one is there, and goes on when it is let")
		return
	}
	m.Advice = append(m.Advice, startAdvice(c, in.Name)...)
	if !strings.Contains(m.Cause, "on purpose") {
		m.Advice = append(m.Advice, "see whether the kernel killed it for memory: `dmesg -T | grep -i -e oom -e killed`")
	}
	m.Avoid = append(m.Avoid, "do not delete the pid file or queue files to get it started: senders keep their mail and try again for days",
		"do not start a second one before you know that the first is gone: `ps -ef`")
}
