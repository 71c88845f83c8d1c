package diagnose

import (
	"time"

	"github.com/mtawatch/mtawatch/internal/detect"
	"github.com/mtawatch/mtawatch/internal/mta"
)

// ownServiceFails tells of a destination whose mail ends on this host, and
// whose mailbox store or filter does not take it.
func ownServiceFails(in *Instance, f *failing, k Candidate) Candidate {
	k.Code, k.Subject, k.Reason, k.Family = mta.FindingOwnResourceFailing, "", mta.CauseLocalResource, "own-resource"
	k.Title = "our own delivery fails: " + ofAll(f.failed, f.attempts, f.window) + " for " + f.name() + " (" + usualShare(f.usual, f.known) + ")"
	k.Cause = "a service of this host that takes the mail of " + f.name() + " (mailbox store, filter, database) refuses or does not answer."
	k.Evidence = append(f.numbers(in), replyEvidence(f.said, 3)...)
	k.DependsOn = []mta.FindingCode{mta.FindingDiskFilling}
	k.Explain = adviseOwn
	return k
}

// ownResource finds that something of this host fails its mail server: the
// disk, a filter, a policy service, a table, the mailbox store.
func ownResource(c *Case, in *Instance) []Candidate {
	var list []Candidate
	if k, ok := localFailures(c, in, in.Causes[mta.CauseLocalResource], in.Attempts, false); ok {
		list = append(list, k)
	}
	list = append(list, stateFindings(c, in)...)
	if k, ok := localFailures(c, in, in.RejectCauses[mta.CauseLocalResource], nil, true); ok {
		list = append(list, k)
	}
	return list
}

// localFailures judges the failures that are our own: of deliveries, or of
// clients that were turned away.
func localFailures(c *Case, in *Instance, g, all *detect.Signal, rejects bool) (Candidate, bool) {
	r, d, direct, ok := tooMuchOf(in, g, all)
	if !ok {
		return Candidate{}, false
	}
	n := total(g, d)
	k := Candidate{Need: 25 * time.Second, Clear: 3 * time.Minute, Family: "own-resource", Rank: RankGrowth}
	if direct {
		k.Need, k.Rank = time.Minute, RankDirect
	}
	k.Code, k.Instance, k.Reason = mta.FindingOwnResourceFailing, in.Name, mta.CauseLocalResource
	k.Severity, k.Score, k.Confidence = mta.SeverityWarning, score(r), 0.85
	k.Since = began(c, g, r, d)
	series := seriesOf("mta_delivery_attempts_total", "instance", in.Name, "cause", mta.CauseLocalResource.String())
	what, sum := "deliveries", total(in.Attempts, d)
	if rejects {
		series = seriesOf("mta_rejects_total", "instance", in.Name, "cause", mta.CauseLocalResource.String())
		what, sum = "messages of clients", total(in.Arrivals, d)+n
	}
	k.Title = "this host fails its own mail: " + amount(n) + " " + what + " failed for a reason of ours in " + span(d)
	k.Cause = "something of this host fails the mail server: a filter, a policy service, a table, the mailbox store or a process limit."
	k.Evidence = []mta.Evidence{countReading(g, series, amount(n)+" "+what+" failed with "+mta.CauseLocalResource.String()+" in "+span(d), d)}
	if n >= 0.5*sum && sum >= 10 {
		k.Severity = mta.SeverityCritical
		k.Evidence = append(k.Evidence, fact("that is "+percent(n/sum)+" of all"))
	}
	k.DependsOn = []mta.FindingCode{mta.FindingDiskFilling, mta.FindingProcessLimitReached, mta.FindingDispatcherDown}
	k.Explain = func(m *mta.Finding) { explainOwn(c, in, m) }
	return k, true
}

// tooMuchOf reports that a cause happens far more than it should: strangely
// often and twice its habit; or though it never did; or, without a past, as most of all.
func tooMuchOf(in *Instance, g, all *detect.Signal) (r detect.Rarity, d time.Duration, direct, ok bool) {
	r = g.Up()
	for _, w := range [...]struct {
		d time.Duration
		n float64
	}{{5 * time.Minute, 5}, {30 * time.Minute, 10}} {
		n := total(g, w.d)
		fresh := 3 * time.Minute
		if n >= 10*w.d.Minutes()/5 {
			fresh = time.Minute
		}
		if n < w.n || total(g, fresh) < 1 { // or it is over
			continue
		}
		want, _ := g.Expected(w.d)
		if r.Strange() && n >= 2*want+3 {
			return r, w.d, false, true
		}
		if neverSeen(in, g) && n >= max(w.n, 10) && minutesWith(g, w.d, 3) >= min(3, int(w.d/(2*time.Minute))) {
			return r, w.d, false, true
		}
		if sum := total(all, w.d); n >= 10 && learnedLittle(g) && n >= 0.5*sum && n >= 3*want && minutesWith(g, w.d, 3) >= 3 {
			return r, w.d, true, true
		}
	}
	return r, 0, false, false
}

// aboutOwn picks the complaints about services of this host.
func aboutOwn(w *Warning) bool {
	return contains(w.Text, "onnection refused", "o such file or directory", "emporary lookup failure", "emporary failure", "table lookup problem",
		"milter", "policy", "database", "queue file write error", "o space left", "nsufficient", "timeout", "timed out", "bad command startup", "too many open files", "annot allocate memory")
}

func explainOwn(c *Case, in *Instance, m *mta.Finding) {
	var own []Failure
	for _, f := range c.Facts.Failures(in.Name, c.Now.Add(-10*time.Minute)) {
		if causeOf(&f) == mta.CauseLocalResource {
			own = append(own, f)
		}
	}
	m.Evidence = append(m.Evidence, replyEvidence(own, 3)...)
	if texts := lines(c.Facts.Warnings(in.Name, c.Now.Add(-10*time.Minute)), 4, aboutOwn); len(texts) > 0 {
		m.Evidence = append(m.Evidence, mta.Evidence{Text: "what the mail server says", Lines: texts})
	}
	if share, ok := diskShare(in); ok && share > 0.1 {
		m.RuledOut = append(m.RuledOut, "the queue's disk has room: "+percent(share)+" is free")
	}
	if v, ok := c.Probes["dns"].Value(); ok && v > 0 {
		m.RuledOut = append(m.RuledOut, "our own resolver answers")
	}
	adviseOwn(m)
}

func adviseOwn(m *mta.Finding) {
	m.Advice = append(m.Advice, "the reply or warning names the service: see whether it runs and answers (`systemctl --failed`; Dovecot `doveadm service status`; a milter's or policy service's own log)",
		"see the machine's limits: `df -h`, `df -i`, `free -m`, `dmesg | tail` (a process killed for want of memory)")
	m.Avoid = append(m.Avoid, "do not take the failing filter or store out of the way without thought: mail waits safely until it is back", noFlush)
}
