package diagnose

import (
	"time"

	"github.com/mtawatch/mtawatch/internal/mta"
)

// dnsReading is what speaks against the host's own resolver.
type dnsReading struct {
	probe    bool // our own question to it fails
	answered bool // our own question to it is answered
	failed   float64
	attempts float64
	window   time.Duration // in which deliveries fail for it; 0: they do not
	places   int           // destinations that fail for it
}

// ownDNSDead finds that the host's resolver gives no answers: our own
// question fails, or so many deliveries do that it cannot be one destination.
func ownDNSDead(c *Case, in *Instance, list []failing) (Candidate, bool) {
	r := readDNS(c, in, list)
	if !r.probe && r.window == 0 || noRoute(c, in) {
		return Candidate{}, false
	}
	k := Candidate{Need: 20 * time.Second, Clear: pathClear, Family: "path", Rank: RankDirect}
	k.Code, k.Instance, k.Reason = mta.FindingOwnDNSDead, in.Name, mta.CauseDNSFailure
	k.Severity, k.Confidence = mta.SeverityCritical, 0.97
	k.Title = "this host's DNS is dead: the resolver gives no usable answer"
	k.Cause = "the resolver of this host gives no usable answer: no mail can find its way out, and clients cannot be checked."
	k.Since = dnsSince(c, in, r)
	if r.probe {
		k.Need = 22 * time.Second // three questions in a row
		k.Evidence = append(k.Evidence, probeEvidence(c, "dns", "our own question to the resolver fails"))
	}
	if r.window > 0 {
		k.Title += "; " + amount(r.failed) + " of " + amount(r.attempts) + " delivery attempts failed for it in " + span(r.window)
		k.Evidence = append(k.Evidence, countReading(in.Causes[mta.CauseDNSFailure],
			seriesOf("mta_delivery_attempts_total", "instance", in.Name, "cause", mta.CauseDNSFailure.String()),
			amount(r.failed)+" of "+amount(r.attempts)+" attempts failed in DNS in "+span(r.window), r.window))
		if !r.probe && r.answered {
			k.Confidence = 0.8
			k.Cause = "deliveries fail in DNS at many destinations while our own question is answered: the mail server uses another resolver, or only some questions fail."
		}
	} else {
		k.Confidence = 0.9
	}
	k.Explain = func(m *mta.Finding) { explainDNS(c, in, m) }
	return k, true
}

func readDNS(c *Case, in *Instance, list []failing) dnsReading {
	var r dnsReading
	if v, ok := c.Probes["dns"].Value(); ok {
		r.probe, r.answered = v <= 0, v > 0
	} else if p, ok := c.Facts.Probe("dns"); ok {
		r.answered = p.OK // when it was asked it was; a failure must hold, which series tell
	}
	for i := range list {
		if list[i].cause == mta.CauseDNSFailure {
			r.places++
		}
	}
	dns := in.Causes[mta.CauseDNSFailure]
	if total(dns, 2*time.Minute) < 1 {
		return r // it is over
	}
	for _, d := range [...]time.Duration{time.Minute, 5 * time.Minute} {
		n := total(dns, d)
		_, all, known := in.Attempts.Sum(d)
		if !known || n < 5 || n > all || habitual(in, mta.CauseDNSFailure, n, all, d) {
			continue
		}
		few := 1
		if r.answered {
			few = 2
		}
		if n >= 0.5*all && littleSent(in, d) && failedAt(c, in, d, isDNS) > few || r.places >= 3 && n >= 10 {
			r.window, r.failed, r.attempts = d, n, all
			return r
		}
	}
	return r
}

// habitual reports whether so many failures of a cause are the habit here.
func habitual(in *Instance, cause mta.Cause, n, all float64, d time.Duration) bool {
	want, ok := in.Causes[cause].Expected(d)
	usual, known := in.Attempts.Expected(d)
	return ok && known && usual > 0 && want/usual > 0.5*n/max(1, all)
}

func isDNS(c mta.Cause) bool { return c == mta.CauseDNSFailure }

// failedAt counts the destinations at which attempts failed for a cause:
// by what was answered, or from series alone those with any failures.
func failedAt(c *Case, in *Instance, d time.Duration, of func(mta.Cause) bool) int {
	said := c.Facts.Failures(in.Name, c.Now.Add(-d))
	if len(said) > 0 {
		places := make(map[string]bool)
		for i := range said {
			if of(causeOf(&said[i])) {
				places[said[i].Destination] = true
			}
		}
		return len(places)
	}
	n := 0
	for _, dest := range in.Destinations {
		if total(dest.Failed, d) < 1 {
			continue
		}
		n++
		if dest.Name == otherDestinations {
			n++ // more than one for certain, but how many is not known
		}
	}
	return n
}

func dnsSince(c *Case, in *Instance, r dnsReading) time.Time {
	since := c.Now
	if r.probe {
		since = earliest(since, c.Probes["dns"].Last())
	}
	if g := in.Causes[mta.CauseDNSFailure]; r.window > 0 {
		if t := g.Since(g.Up()); !t.IsZero() {
			since = earliest(since, t)
		} else {
			since = earliest(since, c.Now.Add(-r.window))
		}
	}
	return since
}

// probeEvidence tells how a probe went.
func probeEvidence(c *Case, name, text string) mta.Evidence {
	e := mta.Evidence{Text: text, Series: seriesOf("mtawatch_probe_up", "probe", name)}
	if v, ok := c.Probes[name].Value(); ok {
		e.Value = &v
	}
	if p, ok := c.Facts.Probe(name); ok && !p.OK {
		e.Text += " (" + cut(p.Target, 80) + ")"
		e.Lines = []string{verbatim(p.Text)}
	}
	return e
}

func explainDNS(c *Case, in *Instance, m *mta.Finding) {
	var dns []Failure
	for _, f := range c.Facts.Failures(in.Name, c.Now.Add(-10*time.Minute)) {
		if f.Cause == mta.CauseDNSFailure {
			dns = append(dns, f)
		}
	}
	m.Evidence = append(m.Evidence, replyEvidence(dns, 3)...)
	if n := total(in.Causes[mta.CauseConnectTimeout], 5*time.Minute) + total(in.Causes[mta.CauseUnreachable], 5*time.Minute); in.Attempts != nil && n < 3 {
		m.RuledOut = append(m.RuledOut, "the network is not the reason: connections that are made do not time out")
	}
	m.Advice = append(m.Advice, "ask it: `cat /etc/resolv.conf`, then `dig MX example.com` and for each server there `dig @ADDRESS MX example.com`",
		"if it runs on this host, see whether it lives: `systemctl status unbound named systemd-resolved dnsmasq`; restart it",
		"if it is elsewhere, see whether it can be reached: `ping ADDRESS`, `nc -vzu ADDRESS 53`; until it is back, put another into /etc/resolv.conf")
	if software(c, in.Name) == "postfix" {
		m.Advice = append(m.Advice, "Postfix in a chroot reads its own copy: compare /etc/resolv.conf with /var/spool/postfix/etc/resolv.conf; after a change `postfix reload`")
	}
	m.Avoid = append(m.Avoid, noFlush, "do not restart the mail server: it is not at fault, and it keeps the mail")
}
