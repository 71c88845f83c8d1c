package diagnose

import (
	"strings"
	"time"

	"github.com/mtawatch/mtawatch/internal/mta"
)

// destinationClear is for how long a destination must do well again.
const destinationClear = 5 * time.Minute

// destinationFails tells of one destination that fails beyond its habit; by
// the cause of its failures it times out, refuses, throttles or blocks us, or
// knows our recipients no more.
func destinationFails(c *Case, in *Instance, f *failing) (Candidate, bool) {
	k := Candidate{Need: f.need(), Clear: destinationClear, Family: "destination|" + f.dest.Name, Rank: RankRatio}
	k.Instance, k.Subject, k.Reason = in.Name, f.dest.Name, f.cause
	k.Since, k.Score, k.Confidence = f.since(c), score(f.rarity), f.confidence()
	k.Severity = f.severity(in)
	k.DependsOn = []mta.FindingCode{mta.FindingOwnDNSDead, mta.FindingNetworkBroken, mta.FindingSenderBurst}
	var verb string
	switch troubleOf(f.cause) {
	case troubleTiming:
		k.Code, verb = mta.FindingDestinationTimingOut, " times out: "
		if f.cause == mta.CauseDNSFailure {
			verb = " waits for its DNS: "
		}
	case troubleRefusing:
		k.Code, verb = mta.FindingDestinationRefusing, " is refused: "
	case troubleThrottled:
		k.Code, verb = mta.FindingProviderThrottling, " is throttled: "
	case troubleBlocked:
		k.Code, verb, k.Family = mta.FindingBlocklisted, " is blocked: ", "blocklisted"
	case troubleRecipient:
		if f.putOff() {
			k.Code, verb = mta.FindingDestinationRefusing, " is put off: "
			break
		}
		k.Code, verb, k.Family = mta.FindingBounceSurge, " bounces: ", "bounce"
		k.DependsOn = append(k.DependsOn, mta.FindingBlocklisted, mta.FindingMailLoop)
	case troubleOwn:
		return ownServiceFails(in, f, k), true
	default:
		return k, false
	}
	k.Title = "mail to " + f.name() + verb + ofAll(f.failed, f.attempts, f.window) + " (" + usualShare(f.usual, f.known) + ")"
	k.Cause = f.sentence()
	k.Evidence = append(f.numbers(in), replyEvidence(f.said, 3)...)
	k.Explain = func(m *mta.Finding) { explainDestination(c, in, f, m) }
	return k, true
}

// confidence is how sure the reading is.
func (f *failing) confidence() float64 {
	v := 0.85
	if f.blatant || !f.known {
		v = 0.7
	}
	if len(f.said) > 0 {
		v += 0.1
	}
	if f.share() > 0.9 {
		v += 0.04
	}
	return v
}

// severity: mail is delayed or lost, so it warns; it is critical where the
// destination is most of the instance's mail. A destination that nobody has
// seen take mail is likely to be a dead domain, and no news, unless
// much of the mail is for it.
func (f *failing) severity(in *Instance) mta.Severity {
	all, _ := in.Attempts.Expected(time.Hour)
	own, known := f.dest.Attempts.Expected(time.Hour)
	if known && all >= 10 && own >= 0.5*all && f.share() >= 0.5 {
		return mta.SeverityCritical
	}
	if k, n, ok := f.dest.Ratio.Sum(3 * time.Hour); ok && n-k >= 3 {
		return mta.SeverityWarning
	}
	much := 0.1
	if !f.known {
		much = 0.3
	}
	if (!f.known || f.usual > 0.4) && f.attempts < much*total(in.Attempts, f.window) {
		return mta.SeverityInfo
	}
	return mta.SeverityWarning
}

func (f *failing) sentence() string {
	who := f.dest.Name
	if f.dest.Name == otherDestinations {
		who = "many small destinations together"
	}
	switch f.cause {
	case mta.CauseDNSFailure:
		return "the name servers of " + who + " give no usable answer; other names resolve."
	case mta.CauseOther, mta.CauseSuspended, mta.CauseNone:
		return "deliveries to " + who + " fail for a reason that is not understood; read the replies."
	}
	if f.putOff() && troubleOf(f.cause) == troubleRecipient {
		return inWords(f.cause) + ", at " + who + "; the mail stays in the queue and is tried again."
	}
	return inWords(f.cause) + ", at " + who + "."
}

// putOff reports whether most of what failed stays in the queue: it did not bounce.
func (f *failing) putOff() bool {
	return total(f.dest.Deferred, f.window) > total(f.dest.Bounced, f.window)
}

// beyond reports whether a figure lies outside what is normal for it, or that is
// not known: a figure within its normal range is no evidence.
func beyond(e *mta.Evidence) bool {
	return e.Value == nil || e.Low == nil || e.High == nil || *e.Value < *e.Low || *e.Value > *e.High
}

// numbers are what the verdict stands on.
func (f *failing) numbers(in *Instance) []mta.Evidence {
	series := seriesOf("mta_destination_attempts_total", "instance", in.Name, "destination", f.dest.Name)
	text := "share of attempts to " + f.name() + " that failed in " + span(f.window) + ": " + percent(f.share())
	e := shareReading(f.dest.Ratio, series, text, f.share())
	if !beyond(&e) { // a minute may be as bad, so many minutes are not
		e.Text, e.Low, e.High = text+"; "+usualShare(f.usual, f.known), nil, nil
	}
	list := []mta.Evidence{e}
	if in.Causes[f.cause] != nil && f.cause != mta.CauseNone {
		n := total(in.Causes[f.cause], f.window)
		e := countReading(in.Causes[f.cause], seriesOf("mta_delivery_attempts_total", "instance", in.Name, "cause", f.cause.String()),
			amountOf(n, "attempt")+" of the instance failed with "+f.cause.String()+" in "+span(f.window), f.window)
		if beyond(&e) {
			list = append(list, e)
		}
	}
	if n, ok := f.dest.Waiting.Value(); ok && n > 0 {
		e := reading(f.dest.Waiting, seriesOf("mta_queue_destination_messages", "instance", in.Name, "destination", f.dest.Name),
			amountOf(n, "recipient")+" waiting for it")
		if beyond(&e) {
			list = append(list, e)
		}
	}
	return list
}

// explainDestination looks up what tells the destination's fault from ours.
func explainDestination(c *Case, in *Instance, f *failing, m *mta.Finding) {
	m.RuledOut = append(m.RuledOut, healthyOthers(in, f.dest.Name)...)
	if p, ok := c.Facts.Probe("dns"); ok && p.OK {
		m.RuledOut = append(m.RuledOut, "our own resolver answers ("+cut(p.Target, 80)+")")
	} else if v, known := c.Probes["dns"].Value(); known && v > 0 && !ok {
		m.RuledOut = append(m.RuledOut, "our own resolver answers")
	}
	if f.dest.Name != otherDestinations && (m.Code == mta.FindingDestinationTimingOut || f.cause == mta.CauseConnectRefused) {
		if p, ok := c.Facts.Reach(f.dest.Name); ok && p.OK {
			m.RuledOut = append(m.RuledOut, "its mail exchanger answers now: "+cut(p.Text, 120)+"; the trouble may be over, or of single hosts or sessions")
		} else if ok {
			m.Evidence = append(m.Evidence, mta.Evidence{Text: "asked now, its mail exchanger does not answer", Lines: []string{verbatim(p.Text)}})
		}
	}
	if n, want, ok := arrivalsNow(in, f.window); ok && n <= 2*want+10 {
		m.RuledOut = append(m.RuledOut, "we do not send more than usual: "+cameIn(n, want, f.window))
	}
	advise(software(c, in.Name), f, m)
}

// arrivalsNow gives what came in and what usually does, over five minutes at least.
func arrivalsNow(in *Instance, d time.Duration) (n, want float64, ok bool) {
	return arrivalsIn(in, max(d, 5*time.Minute))
}

func arrivalsIn(in *Instance, d time.Duration) (n, want float64, ok bool) {
	_, n, ok = in.Arrivals.Sum(d)
	want, known := in.Arrivals.Expected(d)
	return n, want, ok && known
}

// healthyOthers names a few destinations that take mail as usual.
func healthyOthers(in *Instance, but string) []string {
	var well []string
	for _, d := range in.Destinations {
		k, n, ok := d.Ratio.Sum(5 * time.Minute)
		if d.Name != but && d.Name != otherDestinations && ok && n >= 3 && k <= 0.2*n {
			well = append(well, d.Name)
		}
	}
	if len(well) == 0 {
		return nil
	}
	return []string{"the path to others is well: mail to " + names(well, 3) + " is delivered"}
}

// sharedRelay finds several destinations that fail at one and the same mail
// exchanger: then that host is the subject, not the network and not each
// domain. What is left is given back.
func sharedRelay(c *Case, in *Instance, list []failing) (k Candidate, rest []failing, ok bool) {
	relay, at, n := commonRelay(list)
	if n < 2 {
		return k, list, false
	}
	f := list[at]
	f.failed, f.attempts, f.said = 0, 0, nil
	var domains []string
	usual := 0.0
	since := c.Now
	for i := range list {
		o := &list[i]
		if relayAt(o) != relay {
			rest = append(rest, *o)
			continue
		}
		domains = append(domains, o.name())
		f.failed, f.attempts, usual = f.failed+o.failed, f.attempts+o.attempts, usual+o.usual*o.attempts
		f.said = append(f.said, o.said...)
		since = earliest(since, o.since(c))
	}
	f.usual = usual / max(1, f.attempts)
	k, ok = destinationFails(c, in, &f)
	if !ok {
		return k, list, false
	}
	k.Subject, k.Family, k.Since = relay, "destination|"+relay, since
	k.Title = "Mail through " + relay + " fails: " + ofAll(f.failed, f.attempts, f.window) + " to " + amountOf(float64(n), "domain") + " (" + usualShare(f.usual, f.known) + ")"
	k.Cause = inWords(f.cause) + ", at " + relay + ", which takes the mail of " + names(domains, 4) + "."
	if f.attempts >= 0.5*total(in.Attempts, f.window) {
		k.Severity = mta.SeverityCritical
	}
	return k, rest, true
}

// commonRelay gives the mail exchanger at which most of the failing
// destinations fail, one of these, and how many.
func commonRelay(list []failing) (relay string, at, n int) {
	count := make(map[string]int)
	for i := range list {
		r := relayAt(&list[i])
		if r == "" {
			continue
		}
		if count[r]++; count[r] > n {
			relay, at, n = r, i, count[r]
		}
	}
	return relay, at, n
}

// relayAt gives the mail exchanger of a destination's failures, "" where
// there is none or several.
func relayAt(f *failing) string {
	switch troubleOf(f.cause) {
	case troubleTiming, troubleRefusing, troubleThrottled:
	default:
		return ""
	}
	relay := ""
	for i := range f.said {
		s := &f.said[i]
		if s.Cause != f.cause {
			continue
		}
		switch r := relayName(s); {
		case r == "" || relay != "" && relay != r:
			return ""
		default:
			relay = r
		}
	}
	return relay
}

// relayName gives the host at which an attempt failed: the relay as logged,
// or the host that a "connect to HOST[ADDRESS]:25: ..." names.
func relayName(f *Failure) string {
	if f.Relay != "" && f.Relay != "none" {
		return typed(f.Relay, "")
	}
	_, rest, ok := strings.Cut(f.Reply, "connect to ")
	if !ok {
		return ""
	}
	for i := 0; i < len(rest) && i < 254; i++ {
		if rest[i] == '[' || rest[i] == ':' || rest[i] == ' ' {
			return typed(rest[:i], "")
		}
	}
	return ""
}
