package postfix

import (
	"strings"

	"github.com/mtawatch/mtawatch/internal/adapter"
	"github.com/mtawatch/mtawatch/internal/mta"
)

// cutSeverity cuts the severity that msg_warn and its kin write first.
func cutSeverity(s string) (mta.Severity, string, bool) {
	if len(s) < len("error: ") {
		return 0, s, false
	}
	switch s[0] {
	case 'w':
		rest, ok := strings.CutPrefix(s, "warning: ")
		return mta.SeverityWarning, rest, ok
	case 'e':
		rest, ok := strings.CutPrefix(s, "error: ")
		return mta.SeverityError, rest, ok
	case 'f':
		rest, ok := strings.CutPrefix(s, "fatal: ")
		return mta.SeverityFatal, rest, ok
	case 'p':
		rest, ok := strings.CutPrefix(s, "panic: ")
		return mta.SeverityPanic, rest, ok
	}
	return 0, s, false
}

// parseWarning reads a line after its severity. It is a warning event except
// where it tells of a daemon's fate, of a failed authentication or of a message refused.
func parseWarning(e *mta.Event, prog program, sev mta.Severity, s string) error {
	if s == "" {
		return adapter.Malformed("text", s)
	}
	e.Severity = sev
	if prog == progMaster {
		return parseMasterWarning(e, s)
	}
	e.Kind, e.Text = mta.KindWarning, s
	if i := strings.Index(s, ": SASL "); i > 0 && parseSASLFailure(e, s, i) {
		return nil
	}
	if id, rest, ok := cutQueueID(s); ok {
		e.QueueID = id
		if why, ok := strings.CutPrefix(rest, "message rejected: "); ok { // cleanup_message.c: the hop count is exceeded
			e.Kind, e.Text, e.Stage, e.Reply = mta.KindReject, "", mta.StageEOM, why
		}
		return nil
	}
	switch {
	case strings.HasPrefix(s, "hostname "):
		// "hostname NAME does not resolve to address IP: text": the name is not verified.
		if i := strings.Index(s, " to address "); i > 0 {
			e.Client.IP, _, _ = strings.Cut(s[i+len(" to address "):], ": ")
		}
	case strings.HasPrefix(s, "non-SMTP command from "):
		e.Reason = "non-smtp-command"
		setWarningClient(e, s)
	case strings.HasPrefix(s, "Illegal address syntax from "), strings.HasPrefix(s, "Refusing "),
		strings.Contains(s, " exceeded: "):
		setWarningClient(e, s)
	}
	return nil
}

// setWarningClient fills the client that a warning names after " from ".
func setWarningClient(e *mta.Event, s string) {
	i := strings.Index(s, " from ")
	if i < 0 {
		return
	}
	var p mta.Peer
	if _, ok := cutPeer(s[i+len(" from "):], &p); ok {
		e.Client = p
	}
}

// parseSASLFailure reads "name[ip]: SASL LOGIN authentication failed: text,
// sasl_username=U"; i is the place of ": SASL ".
func parseSASLFailure(e *mta.Event, s string, i int) bool {
	var p mta.Peer
	if rest, ok := cutPeer(s, &p); !ok || len(s)-len(rest) != i {
		return false
	}
	method, rest, ok := strings.Cut(s[i+len(": SASL "):], " authentication ")
	if !ok {
		return false
	}
	e.Kind, e.Status = mta.KindAuth, mta.StatusFailed
	e.Client, e.SASLMethod = p, method
	e.Stage, e.Text = mta.StageAuth, ""
	text, ok := strings.CutPrefix(rest, "failed: ")
	if !ok {
		e.Reply = rest // "aborted"
		return true
	}
	if j := strings.LastIndex(text, ", sasl_username="); j >= 0 {
		text, e.SASLUser = text[:j], text[j+len(", sasl_username="):]
	}
	e.Reply = text
	return true
}
