package diagnose

import (
	"cmp"
	"slices"
	"time"

	"github.com/mtawatch/mtawatch/internal/mta"
)

// burst is what one sender, or an unnamed one, sends beyond the habit.
type burst struct {
	sender   *Sender // nil: not known who
	window   time.Duration
	arrived  float64
	expected float64
	known    bool
	reason   mta.Cause // of the failures that came with it; none when it is delivered well
	bad      float64   // such failures beyond the habit
	places   int       // destinations that fail with it
}

// senderBurst finds one account or host that sends far beyond its habit: a
// stolen password, mostly. Delivered well it is a note; with refusals it warns.
func senderBurst(c *Case, in *Instance) []Candidate {
	b, ok := knownBurst(c, in)
	if !ok {
		if b, ok = unknownBurst(c, in); !ok {
			return nil
		}
	}
	k := Candidate{Need: 30 * time.Second, Clear: 10 * time.Minute, Family: "sender", Rank: RankContradiction}
	k.Code, k.Instance, k.Severity, k.Reason = mta.FindingSenderBurst, in.Name, mta.SeverityInfo, b.reason
	k.Since, k.Confidence = burstSince(c, in, &b), 0.75
	if r := in.Arrivals.Up(); r.Noted() {
		k.Score = score(r)
	}
	if b.reason != mta.CauseNone {
		k.Severity, k.Confidence = mta.SeverityWarning, 0.85
	}
	b.words(in, &k.Finding)
	k.Evidence = append(k.Evidence, b.failures(in)...)
	k.DependsOn = []mta.FindingCode{mta.FindingMailLoop}
	k.Explain = func(m *mta.Finding) { explainBurst(c, in, &b, m) }
	return []Candidate{k}
}

// The least that is called a burst, and how far beyond the habit.
const (
	burstTimes  = 10
	burstShare  = 0.002 // of all that came in: on a large host, fifty messages are nothing
	burstFailed = 0.2   // of its recipients: then it is no mailing of a clean list
)

// knownBurst finds the sender that stands out by name.
func knownBurst(c *Case, in *Instance) (burst, bool) {
	for _, w := range [...]struct {
		d time.Duration
		n float64
	}{{5 * time.Minute, 50}, {30 * time.Minute, 150}} {
		all := total(in.Arrivals, w.d)
		if in.Arrivals != nil && all < w.n/2 {
			continue // nobody can stand out; spares the asking
		}
		senders := c.Facts.Senders(in.Name, c.Now.Add(-w.d))
		best := standsOut(senders, max(w.n, burstShare*all))
		if best == nil {
			continue
		}
		b := burst{sender: best, window: w.d, arrived: float64(best.Messages), expected: max(0, best.Usual), known: best.Usual >= 0}
		refused, reason := refusedMail(in, w.d)
		if best.Usual < 0 && (best.Failed < 100 || float64(best.Failed) < 0.5*float64(max(best.Recipients, best.Messages))) {
			continue // without a habit to go beyond only what no list of subscribers does
		}
		hurt := best.Failed >= 10 && float64(best.Failed) >= burstFailed*float64(max(best.Recipients, best.Messages))
		switch {
		case hurt && refused >= 5:
			b.bad, b.reason = refused, reason
		case hurt:
			b.bad, b.reason = float64(best.Failed), cmp.Or(reason, mta.CauseOther)
		case !b.known:
			continue // no habit to go beyond, and no harm
		}
		return b, true
	}
	return burst{}, false
}

// standsOut gives the sender that is furthest beyond its habit. The same mail
// is counted for the account, the client and the envelope sender; the
// account says most.
func standsOut(senders []Sender, least float64) *Sender {
	var out []*Sender
	for i := range senders {
		s := &senders[i]
		n := float64(s.Messages)
		if n < least || s.Usual >= 0 && n < burstTimes*s.Usual || s.Usual < 0 && n < 2*least {
			continue
		}
		out = append(out, s)
	}
	if len(out) == 0 {
		return nil
	}
	rank := map[string]int{"account": 0, "client": 1}
	most := slices.MaxFunc(out, func(a, b *Sender) int { return cmp.Compare(a.Messages, b.Messages) }).Messages
	out = slices.DeleteFunc(out, func(s *Sender) bool { return 2*s.Messages < most })
	slices.SortStableFunc(out, func(a, b *Sender) int {
		ra, ok := rank[a.Kind]
		if !ok {
			ra = 2
		}
		rb, ok := rank[b.Kind]
		if !ok {
			rb = 2
		}
		return cmp.Or(cmp.Compare(ra, rb), cmp.Compare(b.Messages, a.Messages))
	})
	return out[0]
}

// badCauses are how the world answers mail that nobody asked for.
var badCauses = [...]mta.Cause{mta.CauseUnknownUser, mta.CauseBlocked, mta.CauseContent, mta.CauseRateLimited, mta.CauseAuthentication, mta.CauseMailboxDisabled, mta.CauseNoSuchDomain}

// refusedMail gives how many more attempts than usual were refused as
// unwanted or unknown, and the most frequent of these causes; none when it
// is within the habit.
func refusedMail(in *Instance, d time.Duration) (float64, mta.Cause) {
	sum, best, cause := 0.0, 0.0, mta.CauseNone
	noted := false
	for _, b := range badCauses {
		n := grown(in.Causes[b], d)
		want, known := in.Causes[b].Expected(d)
		if known && n < want+3 {
			continue
		}
		if sum += n; n > best {
			best, cause = n, b
		}
		noted = noted || in.Causes[b].Up().Noted()
	}
	if !noted && in.FailureRatio.Range().LearnedFrom >= enoughPast {
		return sum, mta.CauseNone
	}
	return sum, cause
}

// unknownBurst is the reading from series alone: far more mail comes in, and
// several destinations refuse far more of it than they use to.
func unknownBurst(c *Case, in *Instance) (burst, bool) {
	times, up := surge(in)
	if !up {
		return burst{}, false
	}
	b := burst{window: 5 * time.Minute}
	if n, want, ok := arrivalsNow(in, b.window); !ok || n < 0.8*times*want {
		b.window = 30 * time.Minute
	}
	b.arrived = total(in.Arrivals, b.window)
	b.expected, b.known = in.Arrivals.Expected(b.window)
	b.bad, b.reason = refusedMail(in, b.window)
	if b.reason == mta.CauseNone || b.bad < 10 {
		return b, false
	}
	for _, f := range failingDestinations(c, in) {
		switch troubleOf(f.cause) {
		case troubleBlocked, troubleRecipient, troubleThrottled, troubleRefusing:
			if f.cause != mta.CauseConnectRefused {
				b.places += 1 + otherCounts(f.dest)
			}
		}
	}
	if b.places >= 3 {
		return b, true
	}
	// Spread thin: no destination fails by itself, but many more than usual.
	noted := 0
	for _, d := range in.Destinations {
		if d.Ratio.Up().Noted() && total(d.Failed, b.window) >= 2 {
			noted += 1 + otherCounts(d)
		}
	}
	k, n, ok := in.FailureRatio.Sum(b.window)
	usual, known := in.FailureRatio.Expected(b.window)
	b.places = noted
	return b, ok && known && noted >= 3 && n > 0 && k/n >= max(2*usual, usual+0.1) && b.bad >= 0.1*n && in.FailureRatio.Up().Strange()
}

func otherCounts(d *Destination) int {
	if d.Name == otherDestinations {
		return 1
	}
	return 0
}

func burstSince(c *Case, in *Instance, b *burst) time.Time {
	if r := in.Arrivals.Up(); r.Z != 0 {
		if t := in.Arrivals.Since(r); !t.IsZero() {
			return sinceOr(t, c.Now)
		}
	}
	if b.reason != mta.CauseNone {
		g := in.Causes[b.reason]
		return began(c, g, g.Up(), b.window)
	}
	return c.Now.Add(-b.window)
}

// words writes the title, the cause and the first evidence.
func (b *burst) words(in *Instance, m *mta.Finding) {
	habit := "its habit is not known yet"
	if b.known {
		habit = "its habit is " + amount(b.expected)
	}
	series := seriesOf("mta_received_messages_total", "instance", in.Name)
	arrivals := countReading(in.Arrivals, series, amountOf(total(in.Arrivals, b.window), "message")+" accepted in all in "+span(b.window), b.window)
	if b.sender == nil {
		m.Title = "a burst of mail that is refused: " + amountOf(b.arrived, "message") + " came in within " + span(b.window) + " (" + aboutUsual(b.expected) + "), " +
			amount(b.bad) + " deliveries more than usual fail"
		m.Cause = "one account or host probably sends what nobody asked for (a stolen password, an open form): far more mail than usual comes in, and " +
			amountOf(float64(b.places), "destination") + " or more refuse it (" + inWords(b.reason) + ")."
		m.Evidence = []mta.Evidence{arrivals}
		return
	}
	kind := map[string]string{"account": "account ", "client": "client ", "sender": "sender "}[b.sender.Kind]
	who := kind + cut(b.sender.Name, 100)
	m.Subject = b.sender.Name
	much, culprit := "sends far more than it ever does", "its password is probably stolen, or a program on it runs wild."
	m.Title = who + " sends far beyond its habit: "
	if !b.known {
		much, m.Title = "sends very much", who+" sends very much: "
	}
	if b.sender.Kind == "client" {
		culprit = "a program on that host runs wild, somebody has broken into it, or an account used there is stolen."
	}
	m.Title += amountOf(b.arrived, "message") + " in " + span(b.window) + " (" + habit + ")"
	m.Cause = who + " " + much + ", and it is delivered: a mailing, or the beginning of an abuse."
	if b.reason != mta.CauseNone {
		m.Cause = who + " " + much + ", and much of it is refused (" + inWords(b.reason) + "): " + culprit
	}
	e := fact(who + ": " + amountOf(b.arrived, "message") + " to " + amountOf(float64(b.sender.Recipients), "recipient") + " in " + span(b.window) + ", " +
		amount(float64(b.sender.Failed)) + " attempts failed; " + habit)
	e.Value = &b.arrived
	if b.known {
		low := 0.0
		e.Low, e.High = &low, &b.expected
	}
	m.Evidence = []mta.Evidence{e, arrivals}
}

// failures are the refusals that came with it.
func (b *burst) failures(in *Instance) []mta.Evidence {
	var list []mta.Evidence
	if b.reason == mta.CauseNone {
		return nil
	}
	for _, cause := range badCauses {
		if g := in.Causes[cause]; grown(g, b.window) >= 3 {
			list = append(list, countReading(g, seriesOf("mta_delivery_attempts_total", "instance", in.Name, "cause", cause.String()),
				amountOf(total(g, b.window), "attempt")+" failed with "+cause.String()+" in "+span(b.window), b.window))
		}
	}
	return list
}

func explainBurst(c *Case, in *Instance, b *burst, m *mta.Finding) {
	var said []Failure
	for _, f := range c.Facts.Failures(in.Name, c.Now.Add(-b.window)) {
		if slices.Contains(badCauses[:], f.Cause) {
			said = append(said, f)
		}
	}
	m.Evidence = append(m.Evidence, replyEvidence(said, 3)...)
	if b.reason == mta.CauseNone {
		m.RuledOut = append(m.RuledOut, "no abuse that others complain of: its mail is delivered")
	}
	who := "ACCOUNT"
	if b.sender != nil {
		who = typed(b.sender.Name, who)
	}
	m.Advice = append(m.Advice, "look at a few of its messages before anything else: `mtawatch trace "+who+"`; is it mail that its owner would send?",
		"if not: change its password and end its sessions, or block the host; then tell its owner")
	switch software(c, in.Name) {
	case "postfix":
		m.Advice = append(m.Advice, "stop what is queued, without deleting it: put its mail on hold (`postqueue -p | awk '/^[0-9A-Za-z]/ && $7==\"SENDER\" {gsub(\"[*!]\",\"\",$1); print $1}' | postsuper -h -`), read it, then release or delete it",
			"bound what one account may send: `smtpd_client_message_rate_limit`, or a policy service that counts by sasl_username")
	case "exim":
		m.Advice = append(m.Advice, "stop what is queued, without deleting it: `exiqgrep -i -f SENDER | xargs exim -Mf`; bound accounts with `ratelimit`")
	case "imta":
		m.Advice = append(m.Advice, "stop what is queued, without deleting it: `imsimta qm directory -from=SENDER CHANNEL`, then `imsimta qm hold` with the numbers listed; read it, then `imsimta qm release` or `imsimta qm delete`",
			"see who submits it: E records of mail.log_current with the letter A name the account (LOG_USERNAME); bound it in the ORIG_SEND_ACCESS or FROM_ACCESS mapping")
	default:
		m.Advice = append(m.Advice, "put what is queued of it on hold, read it, then release or delete it; bound what one account may send")
	}
	m.Avoid = append(m.Avoid, noFlush, "do not wait for it to end: each hour of it costs days on blocklists")
}
