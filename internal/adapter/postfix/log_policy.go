package postfix

import (
	"strings"

	"github.com/mtawatch/mtawatch/internal/adapter"
	"github.com/mtawatch/mtawatch/internal/mta"
)

// policy is what an access rule, header check or milter did.
type policy struct {
	kind     mta.Kind
	severity mta.Severity
	action   mta.Action
}

// policyAction gives the meaning of the first word of a policy line. Only
// reject and discard refuse the message; reject_warning and warn would have.
func policyAction(word string) (policy, bool) {
	if rest, ok := strings.CutPrefix(word, "milter-"); ok {
		// milter-reject, or milter-header-reject of milter_header_checks.
		word = rest[strings.LastIndexByte(rest, '-')+1:]
	} else if rest, ok := strings.CutPrefix(word, "proxy-"); ok {
		word = rest
	}
	switch word {
	case "reject", "discard", "abort":
		return policy{kind: mta.KindReject}, true
	case "hold", "quarantine":
		return policy{kind: mta.KindHeld, action: mta.ActionHeld}, true
	case "reject_warning", "warn", "warning":
		return policy{kind: mta.KindWarning, severity: mta.SeverityWarning}, true
	case "accept", "filter", "redirect", "bcc", "prepend", "replace", "strip", "ignore", "info", "delay", "pass", "permit",
		"trigger":
		return policy{kind: mta.KindWarning, severity: mta.SeverityInfo}, true
	}
	return policy{}, false
}

// parsePolicy reads what follows the action:
//
//	RCPT from name[ip]: 554 5.7.1 text; from=<A> to=<B> proto=ESMTP helo=<H> sasl_username=<U>
//	header Subject: text from name[ip]; from=<A> to=<B> proto=ESMTP helo=<H>: 5.7.1 text
//
// The action itself goes to Reason where it is not a plain reject or hold.
func parsePolicy(e *mta.Event, act policy, word, s string) error {
	e.Kind, e.Severity, e.Action = act.kind, act.severity, act.action
	if word != "reject" && word != "hold" {
		e.Reason = word
	}
	switch {
	case strings.HasPrefix(s, "header "), strings.HasPrefix(s, "body "), strings.HasPrefix(s, "mime header "),
		strings.HasPrefix(s, "nested header "), strings.HasPrefix(s, "mime-error "):
		return parseContent(e, s)
	}
	where, rest, ok := strings.Cut(s, " from ")
	if !ok {
		return parseProxyReply(e, s)
	}
	e.Stage = stageOf(where)
	peer := rest
	if rest, ok = cutPeer(rest, &e.Client); !ok {
		if rest, ok = cutLocal(peer); !ok {
			return adapter.Malformed("client", peer)
		}
	}
	text, ok := strings.CutPrefix(rest, ": ")
	if !ok {
		if rest != "" || e.Stage != mta.StageOther {
			return adapter.Malformed("text", rest)
		}
		return nil // "reject: ETRN example.com... from name[ip]"
	}
	return parsePolicyText(e, text)
}

// cutLocal cuts the origin of a message that did not come by SMTP.
func cutLocal(s string) (rest string, ok bool) {
	if rest, ok = strings.CutPrefix(s, "local"); ok {
		return rest, true
	}
	return strings.CutPrefix(s, "unknown")
}

// parseProxyReply reads the form of a before-queue filter, which has no
// client: "END-OF-MESSAGE: 550 5.7.1 text; from=<A> to=<B> ...".
func parseProxyReply(e *mta.Event, s string) error {
	where, text, ok := strings.Cut(s, ": ")
	if !ok || e.Reason == "" {
		return adapter.Malformed("client", s)
	}
	e.Stage = stageOf(where)
	return parsePolicyText(e, text)
}

// parsePolicyText reads a reply text and the attributes after it.
func parsePolicyText(e *mta.Event, s string) error {
	text, attrs := s, ""
	if i := attributeStart(s); i >= 0 {
		text, attrs = s[:i], s[i+2:]
	}
	text = strings.TrimSuffix(text, ";")
	rest, err := parseAttributes(e, attrs)
	if err != nil {
		return err
	}
	if rest != "" {
		return adapter.Malformed("attributes", rest)
	}
	if e.Kind == mta.KindWarning {
		setCodes(e, text)
		e.Text = text
		return nil
	}
	setReply(e, text)
	return nil
}

// attributeStart finds the "; " before the first attribute; -1 when there is none.
func attributeStart(s string) int {
	for i := 0; ; {
		j := strings.IndexByte(s[i:], ';')
		if j < 0 || i+j+2 > len(s) {
			return -1
		}
		i += j
		if isAttribute(s[i+1:]) {
			return i
		}
		i++
	}
}

// isAttribute reports whether s begins with a blank and an attribute.
func isAttribute(s string) bool {
	if len(s) < 6 || s[0] != ' ' {
		return false
	}
	return strings.HasPrefix(s, " from=<") || strings.HasPrefix(s, " to=<") || strings.HasPrefix(s, " proto=") ||
		strings.HasPrefix(s, " helo=<") || strings.HasPrefix(s, " sasl_username=<")
}

// parseAttributes reads "from=<A> to=<B> proto=P helo=<H>" and gives what
// follows. Postscreen puts commas between them.
func parseAttributes(e *mta.Event, s string) (rest string, err error) {
	for s != "" && s[0] != ':' {
		key, value, ok := strings.Cut(s, "=")
		if !ok {
			return s, adapter.Malformed("attributes", s)
		}
		if key == "proto" {
			end := 0
			for end < len(value) && value[end] != ' ' && value[end] != ',' && value[end] != ':' {
				end++
			}
			s = value[end:]
		} else {
			var v string
			if !strings.HasPrefix(value, "<") {
				return s, adapter.Malformed(key, value)
			}
			if v, s, ok = cutAddress(value[1:]); !ok {
				return s, adapter.Malformed(key, value)
			}
			setAttribute(e, key, v)
		}
		s = strings.TrimPrefix(strings.TrimPrefix(s, ","), " ")
	}
	return s, nil
}

func setAttribute(e *mta.Event, key, value string) {
	switch key {
	case "from":
		setSender(e, value)
	case "to":
		e.To = value
	case "helo":
		e.Client.HELO = value
	case "sasl_username":
		e.SASLUser = value
	}
}

// parseContent reads what a header or body check did. The content comes from
// the sender and may hold anything, so the line is read from its end.
func parseContent(e *mta.Event, s string) error {
	e.Stage = mta.StageData
	i := strings.LastIndex(s, "; from=<")
	if i < 0 {
		i = strings.LastIndex(s, ";")
	}
	if i < 0 {
		return adapter.Malformed("sender", s)
	}
	content, attrs := s[:i], strings.TrimPrefix(s[i+1:], " ")
	j := strings.LastIndex(content, " from ")
	if j < 0 {
		return adapter.Malformed("client", content)
	}
	peer := content[j+len(" from "):]
	if rest, ok := cutPeer(peer, &e.Client); !ok || rest != "" {
		if rest, ok := cutLocal(peer); !ok || rest != "" {
			return adapter.Malformed("client", peer)
		}
	}
	rest, err := parseAttributes(e, attrs)
	if err != nil {
		return err
	}
	e.Text = content[:j]
	if text := strings.TrimPrefix(rest, ": "); text != "" {
		setReply(e, text)
	}
	return nil
}
