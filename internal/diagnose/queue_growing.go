package diagnose

import (
	"cmp"
	"slices"
	"time"

	"github.com/mtawatch/mtawatch/internal/detect"
	"github.com/mtawatch/mtawatch/internal/mta"
)

// growth is a queue that stands far above its habit.
type growth struct {
	name   string // of the queue; "" for all together
	signal *detect.Signal
	now    float64
	usual  mta.Baseline
	rarity detect.Rarity
}

// queueGrowing finds mail that waits beyond the habit, for no surge of mail
// that is being delivered. What is on the way now (active, incoming) counts
// sooner than what was put off.
func queueGrowing(c *Case, in *Instance) []Candidate {
	var list []Candidate
	for _, q := range in.Queues {
		switch q.Name {
		case "active", "incoming":
			list = appendGrowth(list, c, in, growth{name: q.Name, signal: q.Messages}, 10*time.Minute)
		case "deferred":
			list = appendGrowth(list, c, in, growth{name: q.Name, signal: q.Messages}, 20*time.Minute)
		}
	}
	if queueNamed(in, "deferred") == nil {
		list = appendGrowth(list, c, in, growth{signal: in.Waiting}, 20*time.Minute)
	}
	return list
}

func appendGrowth(list []Candidate, c *Case, in *Instance, g growth, need time.Duration) []Candidate {
	if !g.high() {
		return list
	}
	if _, up := surge(in); up && !in.FailureRatio.Up().Noted() {
		return list // much mail, delivered well: a mailing
	}
	k := Candidate{Need: need, Clear: 5 * time.Minute, Family: "queue", Rank: RankGrowth}
	k.Code, k.Instance, k.Subject = mta.FindingQueueGrowing, in.Name, g.name
	k.Severity, k.Confidence, k.Score = mta.SeverityWarning, 0.75, score(g.rarity)
	k.Since = sinceOr(g.signal.Since(g.rarity), c.Now)
	what := "the queue"
	if g.name != "" {
		what = "the " + g.name + " queue"
	}
	k.Title = what + whose(in.Name) + " grows: " + amountOf(g.now, "message") + " (normal at this hour is " + amount(g.usual.Low) + "-" + amount(g.usual.High) + ")"
	k.Cause = "more mail waits than is usual, and no single reason stands out."
	series := seriesOf("mta_queue_messages", "instance", in.Name)
	if g.name != "" {
		series = seriesOf("mta_queue_messages", "instance", in.Name, "queue", g.name)
	}
	k.Evidence = []mta.Evidence{reading(g.signal, series, amountOf(g.now, "message")+" in "+what)}
	if where, reason := grownAt(c, in); where != "" {
		k.Reason = reason
		k.Cause = "mail to " + where + " does not leave and piles up."
		if reason != mta.CauseNone {
			k.Cause = "mail to " + where + " does not leave and piles up: " + inWords(reason) + "."
		}
	} else if reason := mostGrown(in, 30*time.Minute); reason != mta.CauseNone {
		k.Reason = reason
		k.Cause = "more deliveries than usual are put off: " + inWords(reason) + "."
	}
	if old, ok := mostlyOld(c, in); ok && (g.name == "deferred" || g.name == "" && channelled(in) && !oldUntried(in)) {
		k.Severity = mta.SeverityInfo
		k.Evidence = append(k.Evidence, fact(old))
	}
	k.Evidence = append(k.Evidence, channelEvidence(in)...)
	k.DependsOn = queueCauses()
	k.Explain = func(m *mta.Finding) { explainGrowth(c, in, m) }
	return append(list, k)
}

// high is the verdict: rare, a third above the top of the normal range, and
// twice its middle with fifty to spare.
func (g *growth) high() bool {
	now, ok := g.signal.Value()
	g.usual = g.signal.Range()
	g.rarity = g.signal.Up()
	if !ok || g.usual.LearnedFrom < enoughPast || !g.rarity.Strange() {
		return false
	}
	g.now = now
	return now >= 1.3*g.usual.High && now >= 2*g.usual.Middle+50
}

// surge reports that far more mail comes in than usual, and how many times.
// That is no finding by itself, so it need not be rare.
func surge(in *Instance) (times float64, ok bool) {
	if learnedLittle(in.Arrivals) {
		return 0, false
	}
	for _, d := range [...]time.Duration{5 * time.Minute, 30 * time.Minute} {
		_, n, known := in.Arrivals.Sum(d)
		want, usual := in.Arrivals.Expected(d)
		if known && usual && n >= 30 && n > 2.2*want {
			return n / max(want, 1), true
		}
	}
	return 0, false
}

// grownAt names the destination that holds most of what waits beyond the
// habit, and why; "" when none stands out.
func grownAt(c *Case, in *Instance) (string, mta.Cause) {
	var best *Destination
	most, all := 0.0, 0.0
	for _, d := range in.Destinations {
		now, ok := d.Waiting.Value()
		want, _ := d.Waiting.Expected(time.Minute)
		if !ok || now <= want {
			continue
		}
		all += now - want
		if d.Name != otherDestinations && d.Name != "unknown" && now-want > most {
			best, most = d, now-want
		}
	}
	if best == nil || most < 20 || most < 0.4*all {
		return "", mta.CauseNone
	}
	for _, f := range c.Facts.Failures(in.Name, c.Now.Add(-30*time.Minute)) {
		if f.Destination == best.Name && f.Cause != mta.CauseNone {
			return best.Name, causeOf(&f)
		}
	}
	if k, n, ok := best.Ratio.Sum(30 * time.Minute); ok && n >= 5 && k >= 0.5*n {
		return best.Name, mostGrown(in, 30*time.Minute)
	}
	return best.Name, mta.CauseNone
}

// mostGrown gives the cause of failures that grew most, to twice the habit at
// least; none when none did.
func mostGrown(in *Instance, d time.Duration) mta.Cause {
	best, most := mta.CauseNone, 10.0
	for c := range mta.NumCauses {
		g := in.Causes[c]
		want, _ := g.Expected(d)
		if n := grown(g, d); n > most && n >= want && c != mta.CauseSuspended {
			best, most = c, n
		}
	}
	return best
}

// mostlyOld tells of a queue that holds old mail while what is new gets
// through: undeliverable, and harmless.
func mostlyOld(c *Case, in *Instance) (string, bool) {
	if q := queueNamed(in, "active"); q != nil && q.Messages.Up().Noted() {
		return "", false
	}
	var all, young int64
	for _, q := range c.Facts.Queued(in.Name) {
		all += q.Recipients
		young += q.Young
	}
	if all == 0 || young*5 >= all {
		return "", false
	}
	return "only " + amount(float64(young)) + " of " + amountOf(float64(all), "recipient") + " in the queue wait for less than an hour: it is old mail that cannot be delivered", true
}

func explainGrowth(c *Case, in *Instance, m *mta.Finding) {
	queued := c.Facts.Queued(in.Name)
	slices.SortStableFunc(queued, func(a, b Queued) int { return cmp.Compare(b.Young, a.Young) })
	for _, q := range queued[:min(len(queued), 3)] {
		e := fact(amountOf(float64(q.Recipients), "recipient") + " waiting for " + q.Destination + ", " + amount(float64(q.Young)) + " of them for less than an hour")
		if q.Reason != "" {
			e.Lines = []string{verbatim(q.Reason)}
		}
		m.Evidence = append(m.Evidence, e)
	}
	if n, want, ok := arrivalsNow(in, 30*time.Minute); ok && n <= 1.5*want+10 {
		m.RuledOut = append(m.RuledOut, "no surge of mail: "+cameIn(n, want, 30*time.Minute))
	}
	if n, ok := in.JobController.Count.Value(); ok && n >= 1 {
		m.RuledOut = append(m.RuledOut, "the job controller runs")
	}
	if v, ok := c.Probes["dns"].Value(); ok && v > 0 {
		m.RuledOut = append(m.RuledOut, "our own resolver answers")
	}
	m.Advice = append(m.Advice, "see what waits, for whom and for how long: `mtawatch queue`; why it waits: `mtawatch failures`")
	switch software(c, in.Name) {
	case "postfix":
		m.Advice = append(m.Advice, "the messages themselves: `postqueue -p | less`; one message: `postcat -vq ID`; if the active queue is full while destinations are well, look for a slow filter or disk, then at default_process_limit")
	case "exim":
		m.Advice = append(m.Advice, "the messages themselves: `exim -bp | exiqsumm`; one message: `exim -Mvl ID`")
	case "sendmail":
		m.Advice = append(m.Advice, "the messages themselves: `mailq -v`")
	case "opensmtpd":
		m.Advice = append(m.Advice, "the messages themselves: `smtpctl show queue`; routes that are off: `smtpctl show routes`")
	case "imta":
		m.Advice = append(m.Advice, "by destination: `imsimta qm messages CHANNEL` (cheap); by channel: `imsimta qm summarize`, `imsimta qm counters show`, `mtawatch queue counters`; what works on it: `imsimta qm jobs`",
			"the messages themselves: `imsimta qm directory CHANNEL`, then `imsimta qm read` with their numbers; by sender or subject: `imsimta qm top`")
	}
	m.Advice = append(m.Advice, "mail that nobody asked for in the queue means a compromised account: find its sender before you do anything else")
	m.Avoid = append(m.Avoid, noFlush)
}
