package diagnose

import (
	"time"

	"github.com/mtawatch/mtawatch/internal/mta"
)

// bounceSurge finds that far more mail than usual is returned to its senders.
func bounceSurge(c *Case, in *Instance) []Candidate {
	r := in.BounceRatio.Up()
	if !r.Strange() {
		return nil
	}
	for _, w := range [...]struct {
		d time.Duration
		n float64
	}{{5 * time.Minute, 10}, {30 * time.Minute, 15}} {
		n, all, ok := in.BounceRatio.Sum(w.d)
		usual, known := in.BounceRatio.Expected(w.d)
		late, tried, recent := in.BounceRatio.Sum(5 * time.Minute)
		if !ok || !known || n < w.n || !recent || late < 3 || late < (usual+0.05)*tried {
			continue
		}
		if share := n / all; share < usual+0.1 || share < 2*usual || n < 2*usualCount(in, w.d)+5 {
			continue
		}
		k := Candidate{Need: time.Minute, Clear: 10 * time.Minute, Family: "bounce", Rank: RankRatio}
		k.Code, k.Instance, k.Severity = mta.FindingBounceSurge, in.Name, mta.SeverityWarning
		k.Score, k.Confidence, k.Since = score(r), 0.8, sinceOr(in.BounceRatio.Since(r), c.Now)
		k.DependsOn = []mta.FindingCode{mta.FindingSenderBurst, mta.FindingBlocklisted, mta.FindingDestinationRefusing, mta.FindingProviderThrottling,
			mta.FindingMailLoop, mta.FindingOwnResourceFailing, mta.FindingDestinationTimingOut, mta.FindingOwnDNSDead, mta.FindingNetworkBroken}
		k.Reason = bounceReason(in, w.d)
		k.Title = amount(n) + " of " + amount(all) + " deliveries bounced in " + span(w.d) + " (" + usualShare(usual, known) + ")"
		k.Cause = "far more mail than usual is returned to its senders: " + inWords(k.Reason) + "."
		k.Evidence = []mta.Evidence{shareReading(in.BounceRatio, seriesOf("mta_delivery_attempts_total", "instance", in.Name, "status", "bounced"),
			"share of deliveries that bounced in "+span(w.d)+": "+percent(n/all), n/all)}
		if _, up := surge(in); up && k.Reason.Scope() == mta.ScopeRecipient {
			// A mailing with old addresses: nobody loses mail that had a reader.
			k.Severity = mta.SeverityInfo
			k.Cause = "a mailing goes to addresses of which many are gone: " + inWords(k.Reason) + "."
		}
		if k.Reason == mta.CauseExpired {
			// The trouble was days ago, and was told then.
			k.Severity = mta.SeverityInfo
			k.Cause = "mail that could not be delivered for days has reached the end of its time in the queue, and is returned."
		}
		k.Explain = func(m *mta.Finding) { explainBounces(c, in, m) }
		return []Candidate{k}
	}
	return nil
}

func usualCount(in *Instance, d time.Duration) float64 {
	v, _ := in.Bounced.Expected(d)
	return v
}

// bounceReason gives the cause that grew most, of those that return mail at once.
func bounceReason(in *Instance, d time.Duration) mta.Cause {
	best, most := mta.CauseOther, 0.0
	for c := range mta.NumCauses {
		switch troubleOf(c) {
		case troubleRecipient, troubleBlocked, troubleRefusing, troubleLoop:
			if n := grown(in.Causes[c], d); n > most {
				best, most = c, n
			}
		}
	}
	return best
}

func explainBounces(c *Case, in *Instance, m *mta.Finding) {
	var said []Failure
	for _, f := range c.Facts.Failures(in.Name, c.Now.Add(-30*time.Minute)) {
		if f.Cause == m.Reason {
			said = append(said, f)
		}
	}
	if len(said) > 0 {
		m.Evidence = append(m.Evidence, fact("most of them at "+said[0].Destination+" ("+amountOf(float64(said[0].Count), "attempt")+")"))
	}
	m.Evidence = append(m.Evidence, replyEvidence(said, 3)...)
	if n, want, ok := arrivalsNow(in, 30*time.Minute); ok && n <= 1.5*want+10 {
		m.RuledOut = append(m.RuledOut, "no burst of mail: "+cameIn(n, want, 30*time.Minute))
	}
	m.Advice = append(m.Advice, "see what is refused, where and why: `mtawatch failures`",
		"if the recipients are yours, see whether the directory or table of users is whole: one that was emptied or cannot be read refuses everybody",
		"if one sender's list is full of old addresses, have it cleaned before the next mailing")
	if software(c, in.Name) == "postfix" {
		m.Advice = append(m.Advice, "while you look, Postfix can keep such mail instead of returning it: `postconf -e soft_bounce=yes && postfix reload`; take it back afterwards")
	}
	m.Avoid = append(m.Avoid, "do not let it run on while you look, if the recipients are good: mail that bounced is gone from the queue")
}
