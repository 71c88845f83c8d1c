package diagnose

import (
	"time"

	"github.com/mtawatch/mtawatch/internal/mta"
)

// queueNotDraining finds mail on its way that does not move while attempts
// go on: the oldest of the active queue only grows older, or far less is sent
// than comes in.
func queueNotDraining(c *Case, in *Instance) []Candidate {
	var list []Candidate
	for _, name := range [...]string{"active", "incoming"} {
		if q := queueNamed(in, name); q != nil {
			if k, ok := oldestStays(c, in, q); ok {
				list = append(list, k)
			}
		}
	}
	list = append(list, channelsStuck(c, in)...)
	if k, ok := sentFell(c, in); ok {
		list = append(list, k)
	}
	return list
}

func notDraining(in *Instance, subject string) Candidate {
	k := Candidate{Need: time.Minute, Clear: 5 * time.Minute, Family: "queue", Rank: RankContradiction}
	k.Code, k.Instance, k.Subject = mta.FindingQueueNotDraining, in.Name, subject
	k.Severity, k.Confidence = mta.SeverityWarning, 0.8
	k.DependsOn = append(queueCauses(), mta.FindingBlindSpot)
	return k
}

// oldestStays is the reading of the oldest message: strangely old, and no
// younger than ten minutes ago plus the time since.
func oldestStays(c *Case, in *Instance, q *Queue) (Candidate, bool) {
	age, ok := q.Oldest.Value()
	r := q.Oldest.Up()
	before, known := q.Oldest.Ago(10 * time.Minute)
	n, _ := q.Messages.Value()
	if !ok || !known || !r.Strange() || learnedLittle(q.Oldest) || age < 900 || age < before+540 || n < 1 {
		return Candidate{}, false
	}
	if total(in.Attempts, 5*time.Minute) < 1 && total(in.Arrivals, 5*time.Minute) >= 1 {
		return Candidate{}, false // nothing is tried at all: another finding
	}
	k := notDraining(in, q.Name)
	k.Score = score(r)
	k.Since = sinceOr(c.Now.Add(-time.Duration(age)*time.Second), c.Now)
	k.Title = "the " + q.Name + " queue" + whose(in.Name) + " does not drain: its oldest message has been on its way for " + span(time.Duration(age)*time.Second)
	k.Cause = "messages in the " + q.Name + " queue stay where they are while others are tried."
	k.Evidence = []mta.Evidence{
		reading(q.Oldest, seriesOf("mta_queue_oldest_age_seconds", "instance", in.Name, "queue", q.Name), "the oldest message is "+amount(age)+" s old"),
		reading(q.Messages, seriesOf("mta_queue_messages", "instance", in.Name, "queue", q.Name), amountOf(n, "message")+" in it"),
	}
	if high := q.Messages.Range().High; n < 10 || n <= high {
		k.Severity = mta.SeverityInfo // one message may be stuck; the rest goes on
	}
	k.Explain = func(m *mta.Finding) { explainDraining(c, in, m) }
	return k, true
}

// sentFell is the reading of the flow: as much mail as ever comes in, far
// less goes out, and what waits grows.
func sentFell(c *Case, in *Instance) (Candidate, bool) {
	r := in.Sent.Down()
	if s := in.Sent.Silent(); s.L > r.L {
		r = s
	}
	const d = 5 * time.Minute
	_, sent, ok := in.Sent.Sum(d)
	usual, known := in.Sent.Expected(d)
	_, came, read := in.Arrivals.Sum(d)
	want, learned := in.Arrivals.Expected(d)
	if !ok || !known || !read || !learned || !r.Strange() || learnedLittle(in.Sent) {
		return Candidate{}, false
	}
	if usual < 14 || sent > 0.4*usual || came < 0.7*want || total(in.Attempts, d) < 1 || !logsCurrent(c) {
		return Candidate{}, false
	}
	now, ok := in.Waiting.Value()
	before, known := in.Waiting.Ago(d)
	top := in.Waiting.Range().High
	if !ok || !known || now < before || now < top || now < 10 {
		return Candidate{}, false
	}
	k := notDraining(in, "")
	k.Score, k.Reason = score(r), mostGrown(in, d)
	k.Since = sinceOr(in.Sent.Since(r), c.Now)
	k.Title = "mail" + onHost(in.Name) + " does not leave: " + amount(sent) + " sent in " + span(d) + ", " + aboutUsual(usual) + ", and " + amountOf(now, "message") + " wait"
	k.Cause = "as much mail as usual comes in, but far less is delivered."
	if k.Reason != mta.CauseNone {
		k.Cause = "as much mail as usual comes in, but far less is delivered: " + inWords(k.Reason) + "."
	}
	k.Evidence = []mta.Evidence{
		countReading(in.Sent, seriesOf("mta_delivery_attempts_total", "instance", in.Name, "status", "sent"), amountOf(sent, "delivery")+" in "+span(d), d),
		reading(in.Waiting, seriesOf("mta_queue_messages", "instance", in.Name), amountOf(now, "message")+" waiting"),
	}
	k.RuledOut = []string{"mail comes in as usual: " + amountOf(came, "message") + " in " + span(d)}
	k.Explain = func(m *mta.Finding) { explainDraining(c, in, m) }
	return k, true
}

func explainDraining(c *Case, in *Instance, m *mta.Finding) {
	if n, ok := in.JobController.Count.Value(); ok && n >= 1 {
		m.RuledOut = append(m.RuledOut, "the job controller runs")
	}
	if n := total(in.Attempts, 5*time.Minute); n >= 1 {
		m.RuledOut = append(m.RuledOut, "deliveries are tried: "+amountOf(n, "attempt")+" in 5 min")
	}
	if n, ok := in.Deliveries.Value(); ok {
		m.Evidence = append(m.Evidence, reading(in.Deliveries, seriesOf("mta_processes", "instance", in.Name, "role", mta.RoleDelivery.String()),
			amountOf(n, "delivery process")+" at work"))
	}
	if v, ok := in.Delay.Value(); ok && in.Delay.Up().Noted() {
		m.Evidence = append(m.Evidence, reading(in.Delay, "", "what is delivered took "+amount(v)+" s"))
	}
	m.Advice = append(m.Advice, "see which messages and destinations stay: `mtawatch queue`, `mtawatch failures`",
		"see what the delivery processes wait for: a slow content filter, a slow mailbox store, a remote that answers slowly (`ss -tnp dport = :25`), a busy disk (`iostat -x 5`)")
	switch software(c, in.Name) {
	case "imta":
		m.Advice = append(m.Advice, "see which channels have work and which programs do it: `imsimta qm jobs`, `imsimta qm summarize`; the limits are job_limit of the pool and maxjobs of the channel, the lower one counts")
	case "postfix":
		m.Advice = append(m.Advice, "one slow destination can fill the active queue: `qshape active`; give it a transport of its own, so that others pass")
	}
	m.Avoid = append(m.Avoid, noFlush, "do not restart the mail server before you have looked: each delivery under way begins again")
}
