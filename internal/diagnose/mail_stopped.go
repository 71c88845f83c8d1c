package diagnose

import (
	"time"

	"github.com/mtawatch/mtawatch/internal/detect"
	"github.com/mtawatch/mtawatch/internal/mta"
)

// mailStopped finds that no mail comes in any more, or next to none, at an
// hour when much should. It says so only while the log is alive: what is not
// read is not missing.
func mailStopped(c *Case, in *Instance) []Candidate {
	r, d, n, want, ok := arrivalsGone(in)
	if !ok || !logsCurrent(c) || logAsleep(c, silence(c, in, d)) {
		return nil
	}
	k := Candidate{Need: 25 * time.Second, Clear: time.Minute, Family: "arrivals", Rank: RankGrowth}
	k.Code, k.Instance, k.Severity, k.Confidence = mta.FindingMailStopped, in.Name, mta.SeverityWarning, 0.8
	k.Score = score(r)
	k.Since = sinceOr(in.Arrivals.Since(r), c.Now)
	if n == 0 && !in.Arrivals.Last().IsZero() {
		k.Since = in.Arrivals.Last()
	}
	k.Title = "no mail has come in" + onHost(in.Name) + " for " + span(c.Now.Sub(k.Since)) + " (" + aboutUsual(want) + " in " + span(d) + ")"
	if n > 0 {
		k.Title = "hardly any mail comes in" + onHost(in.Name) + ": " + amountOf(n, "message") + " in " + span(d) + " (" + aboutUsual(want) + ")"
	}
	k.Cause = "mail that should be coming in is not: clients do not reach this host, or are turned away."
	k.Evidence = []mta.Evidence{countReading(in.Arrivals, seriesOf("mta_received_messages_total", "instance", in.Name), amountOf(n, "message")+" accepted in "+span(d), d)}
	whyStopped(in, d, &k)
	k.DependsOn = []mta.FindingCode{mta.FindingDispatcherDown, mta.FindingDaemonFlapping, mta.FindingFloodOneSource, mta.FindingFloodManySources,
		mta.FindingSYNBacklog, mta.FindingCloseWaitLeak, mta.FindingAcceptQueueOverflow, mta.FindingProcessLimitReached, mta.FindingServerProcessOverage,
		mta.FindingJobControllerDown, mta.FindingDiskFilling, mta.FindingOwnResourceFailing, mta.FindingNetworkBroken, mta.FindingOwnDNSDead}
	k.Explain = func(m *mta.Finding) { explainStopped(c, in, m) }
	return []Candidate{k}
}

// arrivalsGone is the verdict: silence beyond all past ones, or a trickle of
// less than a twentieth where at least fourteen were due.
func arrivalsGone(in *Instance) (r detect.Rarity, d time.Duration, n, want float64, ok bool) {
	if r = in.Arrivals.Silent(); r.Strange() {
		d = max(time.Minute, r.Window.Round(10*time.Second))
		want, _ = in.Arrivals.Expected(d)
		return r, d, 0, want, plentiful(in, d, 0, want)
	}
	r = in.Arrivals.Down()
	if !r.Strange() || learnedLittle(in.Arrivals) {
		return r, 0, 0, 0, false
	}
	for _, d := range [...]time.Duration{5 * time.Minute, 30 * time.Minute} {
		_, n, known := in.Arrivals.Sum(d)
		want, usual := in.Arrivals.Expected(d)
		late, due, _ := arrivalsNow(in, 0)
		short := time.Minute
		if want >= 10*d.Minutes() {
			short = 20 * time.Second // on a busy host that tells enough
		}
		minute, inMinute, _ := arrivalsIn(in, short)
		if known && usual && want >= 14 && n <= 0.05*want && late <= 0.2*due && (inMinute < 3 || minute <= 0.3*inMinute) && plentiful(in, d, n, want) {
			return r, d, n, want, true
		}
	}
	return r, 0, 0, 0, false
}

// plentiful reports whether as much mail would be due on a day like this one. On a
// holiday little comes in at all hours, and now and then none for a while.
// What the day is like the best of the last three hours tells.
func plentiful(in *Instance, d time.Duration, n, want float64) bool {
	level, known := 0.0, false
	came, due := 0.0, 0.0
	for h := time.Hour; h <= 3*time.Hour; h += time.Hour {
		_, sum, ok := in.Arrivals.Sum(h)
		usual, learned := in.Arrivals.Expected(h)
		if !ok || !learned {
			break
		}
		if d < h && usual-due >= 14 {
			level, known = max(level, (sum-came)/(usual-due)), true
		}
		came, due = sum, usual
	}
	return !known || level >= 0.6 || level*want >= 14 && n <= 0.05*level*want
}

// silence is for how long nothing has come in, or d when something did.
func silence(c *Case, in *Instance, d time.Duration) time.Duration {
	last := in.Arrivals.Last()
	if last.IsZero() {
		return min(d, 3*time.Hour)
	}
	if quiet := c.Now.Sub(last); quiet >= 10*time.Second {
		return min(quiet, 3*time.Hour)
	}
	return d
}

// logAsleep reports whether the log may be at fault: it says nothing at all,
// and no socket speaks for it. Then the log is the finding, not the mail.
func logAsleep(c *Case, d time.Duration) bool {
	if len(c.Logs) == 0 {
		return false
	}
	for _, l := range c.Logs {
		if _, n, ok := l.Lines.Sum(d); !ok || n > 0 {
			return false
		}
	}
	known := false
	for _, p := range c.Ports {
		if _, _, ok := p.Opened.Sum(d); ok {
			known = true
		}
	}
	return !known || movedIn(c, d) >= 1
}

// whyStopped tells clients that are turned away from those that do not come.
func whyStopped(in *Instance, d time.Duration, k *Candidate) {
	d = min(max(d, time.Minute), 30*time.Minute)
	if rejects := total(in.Rejects, d); in.Rejects.Up().Noted() && rejects >= 5 {
		k.Severity, k.Confidence = mta.SeverityCritical, 0.9
		k.Reason = rejectReason(in, d)
		k.Cause = "clients come and are turned away: " + inWords(k.Reason) + "."
		k.Evidence = append(k.Evidence, countReading(in.Rejects, seriesOf("mta_rejects_total", "instance", in.Name), amountOf(rejects, "refusal")+" in "+span(d), d))
		return
	}
	opened, want, known, silent := 0.0, 0.0, false, true
	for _, p := range in.Ports {
		_, n, ok := p.Opened.Sum(d)
		x, learned := p.Opened.Expected(d)
		if ok && learned {
			known = true
			opened, want = opened+n, want+x
			silent = silent && (p.Opened.Silent().Noted() || p.Opened.Down().Noted())
			k.Evidence = append(k.Evidence, countReading(p.Opened, seriesOf("mta_inbound_closed_total", "instance", in.Name, "port", p.Port),
				amountOf(n, "connection")+" to port "+p.Port+" in "+span(d), d))
		}
	}
	switch {
	case known && want >= 5 && opened < 0.2*want && silent:
		k.Confidence = 0.9
		k.Cause = "clients no longer reach this host: the way in (network, firewall, a load balancer, the MX records) is broken, or what sends the mail has stopped."
	case known && want >= 5 && opened >= 0.5*want:
		k.Severity = mta.SeverityCritical
		k.Cause = "clients come as usual, but no message of theirs is accepted: look at the session after the connection (filter, TLS, login, a slow server)."
	}
}

func rejectReason(in *Instance, d time.Duration) mta.Cause {
	best, most := mta.CauseOther, 0.0
	for c := range mta.NumCauses {
		if n := grown(in.RejectCauses[c], d); n > most {
			best, most = c, n
		}
	}
	return best
}

func explainStopped(c *Case, in *Instance, m *mta.Finding) {
	if p, ok := c.Facts.Probe("smtp"); ok && p.OK {
		m.RuledOut = append(m.RuledOut, "the own port answers: "+cut(p.Text, 80))
	} else if ok {
		m.Evidence = append(m.Evidence, mta.Evidence{Text: "asked now, the own port does not answer as it should", Lines: []string{verbatim(p.Text)}})
	} else if v, known := c.Probes["smtp"].Value(); known && v > 0 {
		m.RuledOut = append(m.RuledOut, "the own port answers")
	}
	if n, ok := in.Dispatcher.Count.Value(); ok && n >= 1 {
		m.RuledOut = append(m.RuledOut, "the dispatcher runs")
	}
	if len(c.Logs) > 0 {
		m.RuledOut = append(m.RuledOut, "the log is read up to now: arrivals would be seen")
	}
	m.Advice = append(m.Advice, "try it from outside: `nc -v YOUR_MX 25` from another network, and look at what DNS says: `dig +short MX YOURDOMAIN`",
		"see who is connected and how far sessions come: `mtawatch connections`, and the last lines of the mail log",
		"look for a firewall, load balancer, filter service or upstream gateway before this host that was changed at that time")
	m.Avoid = append(m.Avoid, "do not restart the mail server before you have looked: the state of the sessions is the evidence")
}
