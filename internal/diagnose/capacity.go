package diagnose

import "github.com/mtawatch/mtawatch/internal/mta"

// sessions gives the sessions of the port that is fullest, of a server that
// holds many in each process, and how many it holds at once there at most.
func sessions(in *Instance) (used, most float64, ok bool) {
	for _, p := range in.Ports {
		open, known := connected(p)
		if known && p.Capacity > 0 && (!ok || open*most > used*p.Capacity) {
			used, most, ok = open, p.Capacity, true
		}
	}
	return used, most, ok
}

// fullPort gives the port that has reached its capacity; nil when none has.
func fullPort(in *Instance) *Port {
	for _, p := range in.Ports {
		if open, ok := connected(p); ok && p.Capacity > 0 && open >= 0.95*p.Capacity {
			return p
		}
	}
	return nil
}

// capacityUsedUp finds that a server holds all the sessions that it may.
func capacityUsedUp(c *Case, in *Instance) (Candidate, bool) {
	p := fullPort(in)
	if p == nil {
		return Candidate{}, false
	}
	open, _ := connected(p)
	k := usedUp(in)
	k.Severity, k.Confidence = mta.SeverityWarning, 0.9
	k.Since = sinceOr(p.Current.Since(p.Current.Up()), c.Now)
	k.Score = score(p.Current.Up())
	k.Title = "port " + p.Port + whose(in.Name) + " has no session left: " + amount(open) + " of at most " + amount(p.Capacity) + " (" + percent(min(1, open/p.Capacity)) + ")"
	k.Cause = "more clients hold a session than the server processes may have together (MAX_PROCS times MAX_CONNS); new ones connect and wait, or are refused."
	k.Evidence = []mta.Evidence{reading(p.Current, seriesOf("mta_inbound_connections", "instance", p.Instance, "port", p.Port), amountOf(open, "connection")+" to port "+p.Port)}
	if n, ok := in.SMTPServers.Value(); ok {
		text := amountOf(n, "SMTP server process")
		if limit, limited := processLimit(c, in); limited {
			text += " of at most " + amount(limit)
		}
		k.Evidence = append(k.Evidence, reading(in.SMTPServers, seriesOf("mta_processes", "instance", in.Name, "role", mta.RoleSMTPServer.String()), text))
	}
	if _, waits := waitingClients(in); waits {
		k.Severity, k.Confidence = mta.SeverityCritical, 0.95
	}
	usedUpHarm(c, in, &k)
	return k, true
}
