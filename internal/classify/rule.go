package classify

import (
	"strings"

	"github.com/mtawatch/mtawatch/internal/mta"
)

// A Rule gives a cause to the texts in which its words occur.
type Rule struct {
	Cause mta.Cause

	// Words is a conjunction: "phrase & phrase ! phrase" asks for the first two
	// and against the third. A phrase begins at the edge of a word and may end
	// inside one ("throttl"), unless "_" at its end asks for the edge; case and
	// punctuation do not matter. A phrase that begins with "/" is looked for in
	// host names and URLs too.
	// "=550" asks for that SMTP code, "=5.1.1" for that enhanced code, "=x.1.1"
	// for it in either class, "=4" or "=5" for the class alone.
	Words string

	Example string // a text that this rule decides
	Source  string // whose texts these are: "Postfix", "providers", ...
}

// entry is a Rule as it stands in the tables.
type entry struct {
	cause   mta.Cause
	words   string
	example string
}

// The tables in the order of precedence; the first rule that fits decides.
// Texts of one origin come before words that anyone may use, words before
// codes, enhanced codes before SMTP codes.
var tables = [...]struct {
	source  string
	entries []entry
}{
	{"providers", providerRules},
	{"Chinese and Russian providers", easternRules},
	{"filters", filterRules},
	{"Microsoft", microsoftRules},
	{"Google", googleRules},
	{"greylisting", greylistRules},
	{"Postfix", postfixRules},
	{"Postfix smtpd", smtpdRules},
	{"Exim", eximRules},
	{"Sendmail", sendmailRules},
	{"OpenSMTPD", opensmtpdRules},
	{"Oracle Messaging Server", imtaRules},
	{"blocklists", blocklistRules},
	{"policy words", policyRules},
	{"mailbox words", mailboxRules},
	{"system words", systemRules},
	{"weak words", weakRules},
	{"enhanced status codes", enhancedRules},
	{"SMTP codes", codeRules},
	{"Postfix, suspended", suspendedRules},
}

// Short names for the tables.
const (
	dnsFailure        = mta.CauseDNSFailure
	noSuchDomain      = mta.CauseNoSuchDomain
	connectTimeout    = mta.CauseConnectTimeout
	connectRefused    = mta.CauseConnectRefused
	unreachable       = mta.CauseUnreachable
	connectionLost    = mta.CauseConnectionLost
	replyTimeout      = mta.CauseReplyTimeout
	tlsFailure        = mta.CauseTLSFailure
	remoteUnavailable = mta.CauseRemoteUnavailable
	rateLimited       = mta.CauseRateLimited
	greylisted        = mta.CauseGreylisted
	blocked           = mta.CauseBlocked
	authentication    = mta.CauseAuthentication
	content           = mta.CauseContent
	relayDenied       = mta.CauseRelayDenied
	unknownUser       = mta.CauseUnknownUser
	mailboxFull       = mta.CauseMailboxFull
	mailboxDisabled   = mta.CauseMailboxDisabled
	mailboxBusy       = mta.CauseMailboxBusy
	tooBig            = mta.CauseTooBig
	localResource     = mta.CauseLocalResource
	suspended         = mta.CauseSuspended
	loop              = mta.CauseLoop
	expired           = mta.CauseExpired
	protocolError     = mta.CauseProtocolError
	other             = mta.CauseOther
)

// Rules lists all rules in the order of precedence. The list is the caller's.
func Rules() []Rule {
	var list []Rule
	for _, t := range tables {
		for _, e := range t.entries {
			list = append(list, Rule{Cause: e.cause, Words: e.words, Example: e.example, Source: t.source})
		}
	}
	return list
}

// A term is one phrase of a rule.
type term struct {
	text  string // normal form of a phrase; of a code: as written after "="
	code  bool
	names bool // looked for in host names and URLs too
}

// terms splits the words of a rule into what must and what must not occur.
func terms(words string) (all, none []term) {
	for i, group := range strings.Split(words, "!") {
		for j, text := range strings.Split(group, "&") {
			t := newTerm(text)
			switch {
			case t.text == "":
			case i > 0 && j == 0:
				none = append(none, t)
			default:
				all = append(all, t)
			}
		}
	}
	return all, none
}

func newTerm(text string) term {
	text = strings.TrimSpace(text)
	if code, ok := strings.CutPrefix(text, "="); ok {
		return term{text: code, code: true}
	}
	name, names := strings.CutPrefix(text, "/")
	if text = normal(name); text != "" && text[0] != ' ' {
		text = " " + text
	}
	return term{text: text, names: names}
}

// normal is a phrase as the automaton sees the text: letters in lower case,
// digits, and single spaces for all that parts words.
func normal(phrase string) string {
	b := make([]byte, 0, len(phrase))
	for i := range len(phrase) {
		switch c := byteClasses[phrase[i]]; {
		case c == classSkip:
		case c == classSpace:
			if len(b) == 0 || b[len(b)-1] != ' ' {
				b = append(b, ' ')
			}
		default:
			b = append(b, classBytes[c])
		}
	}
	return string(b)
}
