package diagnose

import (
	"time"

	"github.com/mtawatch/mtawatch/internal/mta"
)

// usualLifetime is how long mail is kept where the configuration is not known.
const usualLifetime = 5 * 24 * time.Hour

// queueOldMail finds mail that is about to be returned to its senders as
// undeliverable, where that is more than the habit. It is no alarm: the
// trouble began days ago.
func queueOldMail(c *Case, in *Instance) []Candidate {
	life := usualLifetime
	limit, configured := c.Facts.Limit(in.Name, "queue_lifetime")
	if configured && limit >= 3600 {
		life = time.Duration(min(limit, 1e7)) * time.Second
	}
	for _, q := range in.Queues {
		age, ok := q.Oldest.Value()
		r := q.Oldest.Up()
		usual := q.Oldest.Range()
		if k, past := neverReturned(c, in, q, life, configured); past {
			return []Candidate{k}
		}
		if OnHold(q.Name) || !ok || age < 0.8*life.Seconds() || !r.Noted() || usual.LearnedFrom < enoughPast || age < 1.2*usual.Middle {
			continue
		}
		k := Candidate{Need: 5 * time.Minute, Clear: 30 * time.Minute, Family: "old-mail", Rank: RankGrowth}
		k.Code, k.Instance, k.Subject = mta.FindingQueueOldMail, in.Name, q.Name
		k.Severity, k.Confidence, k.Score = mta.SeverityInfo, 0.7, score(r)
		k.Since = sinceOr(q.Oldest.Since(r), c.Now)
		left := life - time.Duration(age)*time.Second
		k.Title = "mail in the queue " + q.Name + whose(in.Name) + " is about to expire: the oldest has waited " + span(time.Duration(age)*time.Second)
		k.Cause = "mail that could not be delivered for days reaches the end of its time in the queue (" + span(life) + ") and will be returned to its senders."
		k.Evidence = []mta.Evidence{reading(q.Oldest, seriesOf("mta_queue_oldest_age_seconds", "instance", in.Name, "queue", q.Name),
			"the oldest message is "+amount(age)+" s old; it expires in "+span(left))}
		if !configured {
			k.RuledOut = append(k.RuledOut, "the configured time in the queue is not known; five days are assumed")
		}
		k.Explain = func(m *mta.Finding) { explainOld(c, in, life, m) }
		return []Candidate{k}
	}
	return nil
}

func explainOld(c *Case, in *Instance, life time.Duration, m *mta.Finding) {
	old := c.Now.Add(-life * 8 / 10)
	for _, q := range c.Facts.Queued(in.Name) {
		if len(m.Evidence) >= 6 || q.Oldest.IsZero() || q.Oldest.After(old) {
			continue
		}
		e := fact("to " + q.Destination + ": " + amountOf(float64(q.Recipients-q.Young), "recipient") + " not young, the oldest since " + q.Oldest.Format("2006-01-02 15:04"))
		if q.Reason != "" {
			e.Lines = []string{verbatim(q.Reason)}
		}
		m.Evidence = append(m.Evidence, e)
	}
	m.Advice = append(m.Advice, "see which destinations it is for, and why it waits: `mtawatch queue`, `mtawatch failures`",
		"if it is good mail to a site that will be back, tell its senders, or keep it longer")
	switch software(c, in.Name) {
	case "postfix":
		m.Advice = append(m.Advice, "longer: `postconf -e maximal_queue_lifetime=10d && postfix reload`; mail to a domain that will never be back: `postqueue -p`, then `postsuper -d ID`")
	case "imta":
		m.Advice = append(m.Advice, "longer: raise the last number of `notices` (days) of the channel in imta.cnf, then `imsimta cnbuild` where it is compiled and `imsimta restart`; mail to a domain that will never be back: `imsimta qm directory -to=DOMAIN CHANNEL`, then `imsimta qm return`")
	case "exim":
		m.Advice = append(m.Advice, "longer: raise the last F rule's time in the retry section; mail that will never be delivered: `exim -Mrm ID`")
	}
	m.Avoid = append(m.Avoid, noFlush)
}
