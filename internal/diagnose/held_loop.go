package diagnose

import (
	"cmp"
	"slices"
	"time"

	"github.com/mtawatch/mtawatch/internal/mta"
)

// heldLoop finds the loop of a server that sets looping mail aside instead of
// refusing it: held mail (.HELD) becomes more and more, while far more than usual
// comes in, for each round of a message is an arrival.
func heldLoop(c *Case, in *Instance) (Candidate, bool) {
	q := queueNamed(in, "held")
	if q == nil {
		return Candidate{}, false
	}
	const d = 10 * time.Minute
	n, ok := q.Messages.Value()
	before := 0.0
	for _, ago := range [...]time.Duration{d, 5 * time.Minute, time.Minute} {
		if v, known := q.Messages.Ago(ago); known {
			before = v
			break
		}
	}
	_, came, read := in.Arrivals.Sum(5 * time.Minute)
	want, learned := in.Arrivals.Expected(5 * time.Minute)
	if !read {
		_, came, read = in.Arrivals.Sum(time.Minute)
		want, learned = in.Arrivals.Expected(time.Minute)
	}
	if !ok || n < before+5 || !read || !learned || came < 1.3*want+10 {
		return Candidate{}, false
	}
	k := Candidate{Need: 20 * time.Second, Clear: 5 * time.Minute, Family: "loop", Rank: RankContradiction}
	k.Code, k.Instance, k.Reason = mta.FindingMailLoop, in.Name, mta.CauseLoop
	k.Severity, k.Confidence = mta.SeverityWarning, 0.8
	k.Since = sinceOr(in.Arrivals.Since(in.Arrivals.Up()), c.Now)
	k.Title = "mail loops" + onHost(in.Name) + ": " + amount(n-before) + " more messages held (.HELD) in " + span(d) + ", and far more comes in than usual"
	k.Cause = "two mail servers, or an alias and a forward, send the same mail to each other until the server sets it aside."
	k.Evidence = []mta.Evidence{
		reading(q.Messages, seriesOf("mta_queue_messages", "instance", in.Name, "queue", q.Name), amountOf(n, "message")+" held, "+amount(n-before)+" of them new"),
		reading(in.Arrivals, seriesOf("mta_received_messages_total", "instance", in.Name), cameIn(came, want, 5*time.Minute)),
	}
	if list := grownDestinations(in); len(list) > 0 {
		k.Evidence = append(k.Evidence, fact("far more mail than usual goes to "+names(list, 3)))
	}
	k.Explain = func(m *mta.Finding) { explainLoop(c, in, m) }
	return k, true
}

// grownDestinations gives the destinations to which far more is sent than
// usual, most first: the two ends of a circle are among them.
func grownDestinations(in *Instance) []string {
	const d = 5 * time.Minute
	excess := func(x *Destination) float64 {
		want, _ := x.Attempts.Expected(d)
		return total(x.Attempts, d) - 2*want
	}
	var list []*Destination
	for _, x := range in.Destinations {
		if x.Name != otherDestinations && excess(x) >= 20 {
			list = append(list, x)
		}
	}
	slices.SortFunc(list, func(a, b *Destination) int { return cmp.Compare(excess(b), excess(a)) })
	var names []string
	for _, x := range list {
		names = append(names, x.Name)
	}
	return names
}
