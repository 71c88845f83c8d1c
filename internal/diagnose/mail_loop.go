package diagnose

import (
	"time"

	"github.com/mtawatch/mtawatch/internal/detect"
	"github.com/mtawatch/mtawatch/internal/mta"
)

// mailLoop finds mail that goes in circles: the mail server counts too many
// hops, or finds that it is sent back to itself.
func mailLoop(c *Case, in *Instance) []Candidate {
	tried, refused := in.Causes[mta.CauseLoop], in.RejectCauses[mta.CauseLoop]
	n, d, r, ok := loops(in, tried)
	from := tried
	series, what := seriesOf("mta_delivery_attempts_total", "instance", in.Name, "cause", mta.CauseLoop.String()), "attempt"
	if !ok {
		if n, d, r, ok = loops(in, refused); !ok {
			return atMostOne(heldLoop)(c, in)
		}
		from, series, what = refused, seriesOf("mta_rejects_total", "instance", in.Name, "cause", mta.CauseLoop.String()), "refusal"
	}
	k := Candidate{Need: 20 * time.Second, Clear: 5 * time.Minute, Family: "loop", Rank: RankDirect}
	k.Code, k.Instance, k.Reason = mta.FindingMailLoop, in.Name, mta.CauseLoop
	k.Severity, k.Confidence, k.Score = mta.SeverityWarning, 0.95, score(r)
	k.Since = began(c, from, r, d)
	k.Title = "mail loops" + onHost(in.Name) + ": " + amountOf(n, what) + " ended with too many hops or came back to this host in " + span(d)
	k.Cause = "two mail servers, or an alias and a forward, send the same mail to each other until the hops are used up."
	k.Evidence = []mta.Evidence{countReading(from, series, amountOf(n, what)+" failed with "+mta.CauseLoop.String()+" in "+span(d), d)}
	if in.Arrivals.Up().Noted() {
		came := total(in.Arrivals, d)
		k.Evidence = append(k.Evidence, countReading(in.Arrivals, seriesOf("mta_received_messages_total", "instance", in.Name), amountOf(came, "message")+" came in within "+span(d), d))
	}
	k.Explain = func(m *mta.Finding) { explainLoop(c, in, m) }
	return []Candidate{k}
}

// loops is the verdict: rare where there is a past; without one, so many
// that no single message explains them.
func loops(in *Instance, g *detect.Signal) (n float64, d time.Duration, r detect.Rarity, ok bool) {
	r = g.Up()
	if total(g, 5*time.Minute) < 1 {
		return 0, 0, r, false
	}
	for _, w := range [...]struct {
		d time.Duration
		n float64
	}{{5 * time.Minute, 5}, {30 * time.Minute, 10}} {
		n := total(g, w.d)
		want, _ := g.Expected(w.d)
		if n < w.n || n < 2*want+3 || n < 0.002*total(in.Attempts, w.d) { // on a large host a few are always on the way
			continue
		}
		if r.Strange() || neverSeen(in, g) || n >= 10 && n >= 5*want+10 && minutesWith(g, w.d, 2) >= 2 {
			return n, w.d, r, true
		}
	}
	return 0, 0, r, false
}

func explainLoop(c *Case, in *Instance, m *mta.Finding) {
	var said []Failure
	for _, f := range c.Facts.Failures(in.Name, c.Now.Add(-30*time.Minute)) {
		if f.Cause == mta.CauseLoop {
			said = append(said, f)
		}
	}
	if len(said) > 0 {
		where := make([]string, 0, len(said))
		for _, f := range said {
			where = append(where, f.Destination+" ("+amount(float64(f.Count))+")")
		}
		m.Evidence = append(m.Evidence, fact("looping mail is for "+names(where, 5)))
		m.Cause = "mail for " + names([]string{said[0].Destination}, 1) + " goes in circles: two mail servers, or an alias and a forward, send it to each other until the hops are used up."
	}
	m.Evidence = append(m.Evidence, replyEvidence(said, 3)...)
	if texts := lines(c.Facts.Warnings(in.Name, c.Now.Add(-30*time.Minute)), 3, func(w *Warning) bool {
		return contains(w.Text, "loops back to myself", "too many hops", "ail forwarding loop")
	}); len(texts) > 0 {
		m.Evidence = append(m.Evidence, mta.Evidence{Text: "what the mail server says", Lines: texts})
	}
	dest := "DOMAIN"
	if len(said) > 0 {
		dest = typed(said[0].Destination, dest)
	}
	m.Advice = append(m.Advice, "read the Received: headers of one such message from below: they name the two hosts that play it to each other (`mtawatch trace ID`)",
		"see where the domain should go: `dig +short MX "+dest+"`; if that is this host, it must be one of its own domains, else its MX is wrong")
	switch software(c, in.Name) {
	case "postfix":
		m.Advice = append(m.Advice, "see whether Postfix takes it for its own: `postconf mydestination relay_domains virtual_mailbox_domains virtual_alias_domains transport_maps`, and aliases: `postmap -q ADDRESS hash:/etc/aliases`")
	case "exim":
		m.Advice = append(m.Advice, "see which way Exim takes: `exim -bt ADDRESS`")
	case "imta":
		m.Advice = append(m.Advice, "see which way it takes: `imsimta test -rewrite ADDRESS`; mail with too many Received lines is kept as .HELD: `imsimta qm held`")
	case "sendmail":
		m.Advice = append(m.Advice, "see which way sendmail takes: `sendmail -bv ADDRESS`; class w: `echo '$=w' | sendmail -bt`")
	}
	m.Advice = append(m.Advice, "while you look, keep the looping mail back (hold it), so that it is not returned to its senders")
	m.Avoid = append(m.Avoid, "do not raise the hop limit: the loop only lasts longer", noFlush)
}
