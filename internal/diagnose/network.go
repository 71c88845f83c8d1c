package diagnose

import (
	"slices"
	"strings"
	"time"

	"github.com/mtawatch/mtawatch/internal/mta"
)

// pathCauses are how deliveries fail when the network is broken.
var pathCauses = [...]mta.Cause{mta.CauseUnreachable, mta.CauseConnectTimeout, mta.CauseConnectRefused, mta.CauseReplyTimeout, mta.CauseConnectionLost}

func isPath(c mta.Cause) bool {
	for _, p := range pathCauses {
		if c == p {
			return true
		}
	}
	return false
}

// pathClear is for how long the way out must be well before the finding
// closes: mail servers leave a dead site alone for five minutes, and what
// fails until then is still the same trouble.
const pathClear = 330 * time.Second

// networkReading is what speaks against the network.
type networkReading struct {
	places   int // destinations that fail for it
	failed   float64
	attempts float64
	window   time.Duration
	cause    mta.Cause // the most frequent
	most     bool      // most of the instance's mail is concerned
	probe    bool      // our own question to the resolver finds no route
}

// networkBroken finds that the way out is broken: several destinations that
// have nothing to do with each other cannot be reached, while names resolve.
func networkBroken(c *Case, in *Instance, list []failing) (Candidate, bool) {
	r, ok := readNetwork(c, in, list)
	if !ok {
		return Candidate{}, false
	}
	k := Candidate{Need: 20 * time.Second, Clear: pathClear, Family: "path", Rank: RankDirect}
	if r.most && r.failed >= r.attempts && r.attempts >= 20 {
		k.Need = 10 * time.Second // nothing at all gets out
	}
	k.Code, k.Instance, k.Reason = mta.FindingNetworkBroken, in.Name, r.cause
	k.Severity, k.Confidence = mta.SeverityWarning, 0.85
	k.Title = amountOf(float64(r.places), "destination") + " cannot be reached"
	k.Cause = "several destinations that have nothing to do with each other cannot be reached (" + inWords(r.cause) + "): a part of the network between is broken."
	if r.most || r.probe {
		k.Severity, k.Confidence = mta.SeverityCritical, 0.95
		k.Title = "the network is broken: no way out for mail"
		k.Cause = "most destinations cannot be reached (" + inWords(r.cause) + "): the fault is this host's network, its firewall or its provider, not theirs."
	}
	if r.window > 0 {
		k.Title += "; " + ofAll(r.failed, r.attempts, r.window)
	}
	k.Since = networkSince(c, in, list, r)
	if r.probe {
		k.Evidence = append(k.Evidence, probeEvidence(c, "dns", "our own question to the resolver finds no way either"))
	}
	for _, cause := range pathCauses {
		if g := in.Causes[cause]; r.window > 0 && total(g, r.window) >= 1 {
			k.Evidence = append(k.Evidence, countReading(g, seriesOf("mta_delivery_attempts_total", "instance", in.Name, "cause", cause.String()),
				amountOf(total(g, r.window), "attempt")+" failed with "+cause.String()+" in "+span(r.window), r.window))
		}
	}
	k.Explain = func(m *mta.Finding) { explainNetwork(c, in, list, m) }
	return k, true
}

func readNetwork(c *Case, in *Instance, list []failing) (networkReading, bool) {
	r := networkReading{probe: probeFails(c) && noRoute(c, in)}
	if _, _, n := commonRelay(list); n >= 2 && n*2 > len(list) {
		return r, false // one mail exchanger, not the network
	}
	for i := range list {
		if isPath(list[i].cause) {
			r.places++
			if list[i].dest.Name == otherDestinations {
				r.places++
			}
			r.window = max(r.window, list[i].window)
		}
	}
	if together := brokenTogether(in); len(together) >= 3 && r.places < 3 {
		if n, all, cause := pathFailures(in, 5*time.Minute); n >= 8 && n <= all && cause != mta.CauseNone {
			r.places, r.window = len(together), max(r.window, 5*time.Minute)
		}
	}
	enough := r.places >= 3
	for _, d := range [...]time.Duration{30 * time.Second, time.Minute, 5 * time.Minute, 30 * time.Minute} {
		n, all, cause := pathFailures(in, d)
		if enough && d == r.window || d == 5*time.Minute && r.cause == mta.CauseNone {
			r.cause = cause
		}
		if n < 5 {
			continue // too few to carry it; spares the looking up
		}
		places := failedAt(c, in, d, isPath)
		if mostFail(c, in, n, all, places, cause, d) {
			r.window, r.failed, r.attempts, r.cause, r.places, r.most = d, n, all, cause, max(r.places, places), true
			return r, true
		}
	}
	if !enough {
		if r.probe && r.cause == mta.CauseNone {
			r.cause = mta.CauseUnreachable
		}
		return r, r.probe
	}
	r.failed, r.attempts, r.cause = pathFailures(in, r.window)
	if learnedLittle(in.Attempts) && r.failed < r.attempts/2 {
		return r, r.probe // which destinations never answer is not known here yet
	}
	return r, true
}

// brokenTogether gives the destinations to which nothing gets through in the
// last minutes, where it mostly does. Each has too few attempts to be told
// by itself; together they are no chance.
func brokenTogether(in *Instance) []*Destination {
	var list []*Destination
	attempts, failed := 0.0, 0.0
	if came, usual := arrivalsAround(in, 4*time.Minute); usual >= 5 && came < 0.3*usual {
		return nil // what is tried is old
	}
	for _, d := range in.Destinations {
		if d.Name == otherDestinations {
			continue
		}
		for _, w := range [...]time.Duration{2 * time.Minute, 4 * time.Minute} {
			k, n, ok := d.Ratio.Sum(w)
			usual, known := d.Ratio.Expected(w)
			if !ok || n < 2 {
				continue
			}
			attempts, failed = attempts+n, failed+k
			if known && usual <= 0.15 && k >= 0.99*n && total(d.Deferred, w) >= 0.99*n && !learnedLittle(d.Ratio) {
				list = append(list, d)
			}
			break
		}
	}
	if failed < 8 || failed < 0.5*attempts {
		return nil
	}
	return list
}

// probeFails reports whether our own question to the resolver fails.
func probeFails(c *Case) bool {
	v, ok := c.Probes["dns"].Value()
	return ok && v <= 0
}

// noRoute reports whether it is the network by which the resolver's answers
// fail: the question says so, or far more connections fail than names.
func noRoute(c *Case, in *Instance) bool {
	if p, ok := c.Facts.Probe("dns"); ok && !p.OK && contains(strings.ToLower(p.Text), "unreachable", "no route to host", "network is down") {
		return true
	}
	n, all, _ := pathFailures(in, 5*time.Minute)
	dns := total(in.Causes[mta.CauseDNSFailure], 5*time.Minute)
	return n >= 5 && n >= 2*dns && n >= 0.5*all && failedAt(c, in, 5*time.Minute, isPath) >= 2
}

// pathFailures adds up the failures of the path, and names the most frequent.
func pathFailures(in *Instance, d time.Duration) (n, all float64, cause mta.Cause) {
	best := 0.0
	for _, p := range pathCauses {
		x := total(in.Causes[p], d)
		if n += x; x > best {
			best, cause = x, p
		}
	}
	return n, total(in.Attempts, d), cause
}

// mostFail is the verdict over all destinations together: nearly nothing
// gets through, at several destinations, and that is not the habit.
func mostFail(c *Case, in *Instance, n, all float64, places int, cause mta.Cause, d time.Duration) bool {
	least, share := 5.0, 0.8
	if learnedLittle(in.Attempts) {
		least, share = 10, 0.95
	}
	if d < time.Minute {
		least, share = 2*least, 0.95
	}
	if n < least || n > all || places < 2 || cause != mta.CauseUnreachable && !littleSent(in, d) {
		return false
	}
	want := 0.0
	for _, p := range pathCauses {
		x, _ := in.Causes[p].Expected(d)
		want += x
	}
	if usual, ok := in.Attempts.Expected(d); ok && usual > 0 && want/usual > 0.4 {
		return false
	}
	if d > 5*time.Minute { // a quiet host: only where nothing at all gets out, and far more fails than ever
		return n >= 10 && n >= 0.9*all && n >= 3*want+5 && places >= 3 && total(in.Sent, d) < 1 && minutesAny(in, d) >= 3
	}
	switch {
	case n >= share*all && littleSent(in, d) && (places >= 3 || places >= 2 && busyDestinations(in, d) <= 2):
		return true
	case cause == mta.CauseUnreachable && n >= 0.5*all && places >= 3: // the kernel's own word
		return in.Sent.Last().IsZero() || c.Now.Sub(in.Sent.Last()) >= 30*time.Second
	}
	return false
}

// minutesAny counts the minutes of the last d in which deliveries failed, up to three.
func minutesAny(in *Instance, d time.Duration) int {
	n := 0
	for _, p := range pathCauses {
		n = max(n, minutesWith(in.Causes[p], d, 3))
	}
	return n
}

// littleSent reports whether far less is delivered than should be by now. A
// wave of old mail that is tried again fails beside what goes out as ever.
func littleSent(in *Instance, d time.Duration) bool {
	if learnedLittle(in.Sent) {
		sent := total(in.Sent, d)
		return sent < 1 || sent <= 0.05*total(in.Attempts, d)
	}
	for _, w := range [...]time.Duration{d, 2 * time.Minute, 5 * time.Minute, 15 * time.Minute, 30 * time.Minute} {
		want, known := in.Sent.Expected(w)
		_, sent, ok := in.Sent.Sum(w)
		if !known || !ok {
			return false
		}
		if w < d || want < 4 {
			continue // too quiet an hour for so short a time
		}
		if came, usual, ok := arrivalsIn(in, w); ok && usual >= 4 {
			want *= min(1, came/usual) // what did not come in cannot go out
		}
		if want < 4 {
			return false
		}
		part := 0.4
		if w < 5*time.Minute {
			part = 0.2
		}
		return sent <= part*want
	}
	return false
}

// busyDestinations counts the destinations to which attempts were made.
func busyDestinations(in *Instance, d time.Duration) int {
	n := 0
	for _, dest := range in.Destinations {
		if total(dest.Attempts, d) >= 1 {
			n++
		}
	}
	return n
}

// networkSince is when the second of the destinations broke off, for the
// first may have its own trouble; or else when the failures began.
func networkSince(c *Case, in *Instance, list []failing, r networkReading) time.Time {
	var begins []time.Time
	for i := range list {
		if isPath(list[i].cause) {
			begins = append(begins, list[i].since(c))
		}
	}
	if len(begins) >= 2 {
		slices.SortFunc(begins, time.Time.Compare)
		return begins[1]
	}
	if g := in.Causes[r.cause]; g != nil {
		return began(c, g, g.Up(), max(r.window, 5*time.Minute))
	}
	return c.Now.Add(-r.window)
}

func explainNetwork(c *Case, in *Instance, list []failing, m *mta.Finding) {
	var where []string
	var said []Failure
	for i := range list {
		if isPath(list[i].cause) {
			where = append(where, list[i].name()+" ("+ofAll(list[i].failed, list[i].attempts, list[i].window)+")")
			said = append(said, list[i].said...)
		}
	}
	if len(where) > 0 {
		m.Evidence = append(m.Evidence, fact("fail beyond their habit: "+names(where, 6)))
	}
	m.Evidence = append(m.Evidence, replyEvidence(said, 4)...)
	if p, ok := c.Facts.Probe("dns"); ok && p.OK {
		m.RuledOut = append(m.RuledOut, "our own resolver answers ("+cut(p.Target, 80)+")")
	} else if v, known := c.Probes["dns"].Value(); known && v > 0 {
		m.RuledOut = append(m.RuledOut, "our own resolver answers")
	}
	m.RuledOut = append(m.RuledOut, healthyOthers(in, "")...)
	m.Advice = append(m.Advice, "see whether this host has a way out: `ip route`, `ip -br address`, `ping` the gateway, then an address outside",
		"try port 25 to a large provider: `nc -vz -w 10 gmail-smtp-in.l.google.com 25`; if other ports work and 25 does not, a firewall or your provider blocks it: `nft list ruleset`, then ask the provider",
		"see how far it goes: `mtr -T -P 25 HOST`; if only IPv6 fails, see `ip -6 route`")
	m.Avoid = append(m.Avoid, noFlush, "do not restart the mail server: it keeps the mail and tries again by itself")
}
