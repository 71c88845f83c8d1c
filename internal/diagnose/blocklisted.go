package diagnose

import (
	"time"

	"github.com/mtawatch/mtawatch/internal/mta"
)

// blocklistedWide finds that our address or domain has lost its good name:
// several destinations refuse us by reputation, by who we say we are, or
// refuse all content. A burst of our own that earned it takes this in.
func blocklistedWide(c *Case, in *Instance, list []failing) (Candidate, bool) {
	var us []*failing
	var by [mta.NumCauses]float64
	failed, attempts := 0.0, 0.0
	since := c.Now
	k := Candidate{Clear: destinationClear, Family: "blocklisted", Rank: RankContradiction}
	for i := range list {
		f := &list[i]
		switch f.cause {
		case mta.CauseBlocked, mta.CauseAuthentication, mta.CauseContent:
		default:
			continue
		}
		us = append(us, f)
		by[f.cause] += f.excess()
		failed, attempts = failed+f.failed, attempts+f.attempts
		since = earliest(since, f.since(c))
		k.Need, k.Score = max(k.Need, f.need()), max(k.Score, score(f.rarity))
	}
	if len(us) < 2 {
		return k, false
	}
	k.Code, k.Instance, k.Since, k.Severity, k.Confidence = mta.FindingBlocklisted, in.Name, since, mta.SeverityWarning, 0.85
	if len(us) >= 3 {
		k.Confidence = 0.93
	}
	k.Reason = mta.CauseBlocked
	for cause, n := range by {
		if n > by[k.Reason] {
			k.Reason = mta.Cause(cause)
		}
	}
	if all := total(in.Attempts, 5*time.Minute); all >= 10 && total(in.Sent, 5*time.Minute) < 0.2*all && failed >= 0.8*attempts {
		k.Severity = mta.SeverityCritical
	}
	var where []string
	for _, f := range us {
		where = append(where, f.name())
		k.Evidence = append(k.Evidence, f.numbers(in)[0])
	}
	k.Title = amountOf(float64(len(us)), "destination") + " refuse our mail: " + amount(failed) + " of " + amount(attempts) + " attempts failed, at " + names(where, 3)
	switch k.Reason {
	case mta.CauseAuthentication:
		k.Cause = "destinations that have nothing to do with each other do not accept who we say we are: our SPF, DKIM, DMARC, PTR or HELO is wrong."
	case mta.CauseContent:
		k.Cause = "destinations that have nothing to do with each other refuse the content of our mail as spam or malware."
	default:
		k.Cause = "our address or domain is on a blocklist or has a bad reputation: destinations that have nothing to do with each other refuse us."
	}
	k.DependsOn = []mta.FindingCode{mta.FindingSenderBurst}
	k.Explain = func(m *mta.Finding) { explainBlocklisted(in, us, m) }
	return k, true
}

func explainBlocklisted(in *Instance, us []*failing, m *mta.Finding) {
	for _, f := range us[:min(len(us), 4)] {
		m.Evidence = append(m.Evidence, replyEvidence(f.said, 1)...)
	}
	m.RuledOut = append(m.RuledOut, healthyOthers(in, "")...)
	if n, want, ok := arrivalsNow(in, 30*time.Minute); ok && n <= 1.5*want+10 {
		m.RuledOut = append(m.RuledOut, "no burst of our own earned it: "+cameIn(n, want, 30*time.Minute))
	}
	if m.Reason == mta.CauseAuthentication {
		adviseRefusal(m.Reason, "DOMAIN", m)
	} else {
		adviseBlocked(m)
	}
	m.Avoid = append(m.Avoid, noFlush)
}
