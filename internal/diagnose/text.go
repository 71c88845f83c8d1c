package diagnose

import (
	"math"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/mtawatch/mtawatch/internal/detect"
	"github.com/mtawatch/mtawatch/internal/mta"
)

// The words that the rules of failures, queues and traffic share.

// ofAll writes "48 of 50 attempts failed in 5 min".
func ofAll(failed, attempts float64, window time.Duration) string {
	return amount(failed) + " of " + amount(attempts) + " attempts failed in " + span(window)
}

// usualShare writes what share is usual: "usual 1 %".
func usualShare(usual float64, known bool) string {
	if !known {
		return "what is usual is not known yet"
	}
	if usual > 0 && usual < 0.01 {
		return "usual under 1 %"
	}
	return "usual " + percent(usual)
}

// aboutUsual writes how many are usual: "about 28 are usual".
func aboutUsual(want float64) string {
	switch want = math.Round(want); want {
	case 0:
		return "hardly any are usual"
	case 1:
		return "about 1 is usual"
	}
	return "about " + amount(want) + " are usual"
}

// cameIn writes what came in and what usually does.
func cameIn(n, want float64, d time.Duration) string {
	return amountOf(n, "message") + " came in within " + span(d) + ", " + aboutUsual(want)
}

// shareReading makes the evidence of a share with its normal range in percent.
func shareReading(g *detect.Signal, series, text string, share float64) mta.Evidence {
	e := mta.Evidence{Text: text, Series: series, Value: &share}
	b := g.Range()
	if b.LearnedFrom <= 0 {
		e.Text += "; what is normal is not known yet"
		return e
	}
	e.Low, e.High = &b.Low, &b.High
	e.Text += "; normal at this hour is " + percent(b.Low) + " to " + percent(b.High) + learnedNote(g)
	return e
}

// countReading makes the evidence of a Count over a longer time than the
// minute in which its range is told.
func countReading(g *detect.Signal, series, text string, d time.Duration) mta.Evidence {
	want, ok := g.Expected(d)
	if !ok {
		return reading(g, series, text)
	}
	n := total(g, d)
	e := mta.Evidence{Text: text + "; " + aboutUsual(want) + " in " + span(d) + learnedNote(g), Series: series, Value: &n}
	if low, high, ok := g.RangeOver(d); ok {
		e.Low, e.High = &low, &high
	}
	return e
}

// maxLine bounds a line that is shown as evidence.
const maxLine = 600

// verbatim keeps a text of others as it was logged, but not without end.
func verbatim(s string) string {
	if len(s) <= maxLine {
		return s
	}
	n := maxLine
	for n > 0 && !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n] + "…"
}

// replies gives the last replies of the failures, one for each text, most
// frequent first, each with where it came from.
func replies(fs []Failure, n int) []string {
	var list []string
	seen := make(map[string]bool)
	for i := range fs {
		f := &fs[i]
		if f.Reply == "" || seen[f.Reply] || len(list) == n {
			continue
		}
		seen[f.Reply] = true
		line := verbatim(f.Reply)
		if f.QueueID != "" {
			line = f.QueueID + ": " + line
		}
		list = append(list, line)
	}
	return list
}

// replyEvidence is what the other side said, where that is known.
func replyEvidence(fs []Failure, n int) []mta.Evidence {
	if list := replies(fs, n); len(list) > 0 {
		return []mta.Evidence{{Text: "what was answered last", Lines: list}}
	}
	return nil
}

// causeWords says in words what a cause does to deliveries.
var causeWords = [mta.NumCauses]string{
	mta.CauseDNSFailure:        "its names cannot be resolved",
	mta.CauseNoSuchDomain:      "the domain does not exist",
	mta.CauseConnectTimeout:    "connections are not answered",
	mta.CauseConnectRefused:    "connections are refused",
	mta.CauseUnreachable:       "there is no route",
	mta.CauseConnectionLost:    "sessions break off",
	mta.CauseReplyTimeout:      "sessions stall without a reply",
	mta.CauseTLSFailure:        "TLS cannot be agreed",
	mta.CauseRemoteUnavailable: "the other side says that it is unavailable",
	mta.CauseRateLimited:       "the other side says that we send too much",
	mta.CauseGreylisted:        "the other side greylists us",
	mta.CauseBlocked:           "the other side blocks us by reputation",
	mta.CauseAuthentication:    "the other side does not accept who we say we are (SPF, DKIM, DMARC, PTR or HELO)",
	mta.CauseContent:           "the content is refused",
	mta.CauseRelayDenied:       "we may not relay there",
	mta.CauseUnknownUser:       "the recipients are unknown",
	mta.CauseMailboxFull:       "mailboxes are full",
	mta.CauseMailboxDisabled:   "mailboxes are disabled",
	mta.CauseMailboxBusy:       "mailboxes are busy",
	mta.CauseTooBig:            "messages are too big",
	mta.CauseLocalResource:     "our own disk, process, filter or store fails",
	mta.CauseSuspended:         "the mail server has suspended the destination",
	mta.CauseLoop:              "mail loops",
	mta.CauseExpired:           "mail has expired",
	mta.CauseProtocolError:     "the other side does not follow the protocol",
}

// inWords says what a cause does.
func inWords(c mta.Cause) string {
	if c < mta.NumCauses && causeWords[c] != "" {
		return causeWords[c]
	}
	return "deliveries fail"
}

// typed gives a name as it may stand in a command that people paste into a
// shell. Names come from the log; one that is no plain name is not put there.
func typed(name, otherwise string) string {
	if name == "" || len(name) > 253 || name[0] == '-' {
		return otherwise
	}
	for i := 0; i < len(name); i++ {
		switch b := name[i]; {
		case b >= 'a' && b <= 'z', b >= 'A' && b <= 'Z', b >= '0' && b <= '9', b == '.', b == '-', b == '_', b == ':':
		default:
			return otherwise
		}
	}
	return name
}

// names joins the first few names: "a, b, c and 4 more".
func names(list []string, n int) string {
	if len(list) <= n {
		return strings.Join(list, ", ")
	}
	return strings.Join(list[:n], ", ") + " and " + amount(float64(len(list)-n)) + " more"
}

// bytesText writes a size: 512 MB, 1.4 GB.
func bytesText(v float64) string {
	for _, u := range [...]struct {
		size float64
		name string
	}{{1e12, " TB"}, {1e9, " GB"}, {1e6, " MB"}, {1e3, " kB"}} {
		if v >= u.size {
			return amount(math.Round(10*v/u.size)/10) + u.name
		}
	}
	return amount(v) + " bytes"
}

// earliest gives the first of the moments that are known.
func earliest(list ...time.Time) time.Time {
	var first time.Time
	for _, t := range list {
		if !t.IsZero() && (first.IsZero() || t.Before(first)) {
			first = t
		}
	}
	return first
}

// total gives the events of a Count in d; 0 when they are not known. A series
// begins with its first event, so that of one that is younger than d all its
// events are in d.
func total(g *detect.Signal, d time.Duration) float64 {
	for ; d >= 10*time.Second; d /= 2 {
		if _, n, ok := g.Sum(d); ok {
			return n
		}
	}
	return 0
}

// grown gives by how much a Count exceeds what is usual in d. Where nothing
// is known of the past all of it has grown.
func grown(g *detect.Signal, d time.Duration) float64 {
	want, _ := g.Expected(d)
	return max(0, total(g, d)-want)
}

// began tells when the events of the last d began: the first of them, where
// statistics do not tell when it changed.
func began(c *Case, g *detect.Signal, r detect.Rarity, d time.Duration) time.Time {
	if t := g.Since(r); !t.IsZero() && r.Noted() {
		return sinceOr(t, c.Now)
	}
	all := total(g, d)
	for m := 10 * time.Second; m < d; m += 10 * time.Second {
		if total(g, m) >= all {
			return c.Now.Add(-m)
		}
	}
	return c.Now.Add(-d)
}

// onHost writes " on INSTANCE" where the instance has a name.
func onHost(instance string) string {
	if instance == "" {
		return ""
	}
	return " on " + instance
}

// neverSeen reports that a Count, on an instance that has a past, has none.
func neverSeen(in *Instance, g *detect.Signal) bool {
	return learnedLittle(g) && !learnedLittle(in.Attempts)
}

// learnedLittle reports whether there is too little history for a
// statistical verdict on the signal.
func learnedLittle(g *detect.Signal) bool { return g.LearnedFrom() < enoughPast }
