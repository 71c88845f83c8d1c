package postfix

import (
	"strings"

	"github.com/mtawatch/mtawatch/internal/adapter"
	"github.com/mtawatch/mtawatch/internal/mta"
)

// parsePostscreen reads the lines of postscreen, which looks at clients
// before smtpd does (postscreen_*.c of Postfix). A failed test refuses
// nothing by itself: it is a warning with the test in Reason.
func parsePostscreen(e *mta.Event, s string) error {
	switch {
	case strings.HasPrefix(s, "CONNECT from "):
		return parsePostscreenConnect(e, s[len("CONNECT from "):])
	case strings.HasPrefix(s, "DISCONNECT "):
		return postscreenClient(e, mta.KindDisconnect, "", s[len("DISCONNECT "):])
	case strings.HasPrefix(s, "HANGUP after "):
		return parseHangup(e, s)
	case strings.HasPrefix(s, "PASS "):
		return postscreenList(e, "passed", s)
	case strings.HasPrefix(s, "COMMAND TIME LIMIT from "):
		return postscreenTest(e, "timeout", s)
	case strings.HasPrefix(s, "COMMAND COUNT LIMIT from "), strings.HasPrefix(s, "COMMAND LENGTH LIMIT from "):
		return postscreenTest(e, "command-limit", s)
	case strings.HasPrefix(s, "COMMAND PIPELINING from "):
		return postscreenTest(e, "pipelining", s)
	case strings.HasPrefix(s, "NON-SMTP COMMAND from "):
		return postscreenTest(e, "non-smtp-command", s)
	case strings.HasPrefix(s, "BARE NEWLINE from "):
		return postscreenTest(e, "bare-newline", s)
	case strings.HasPrefix(s, "DATA without valid RCPT from "), strings.HasPrefix(s, "BDAT without valid RCPT from "):
		e.Stage = mta.StageData
		return postscreenTest(e, "no-recipient", s)
	case strings.HasPrefix(s, "PREGREET "):
		e.Stage = mta.StageConnect
		return postscreenTest(e, "pregreet", s)
	case strings.HasPrefix(s, "DNSBL rank "):
		e.Stage = mta.StageConnect
		return parseRank(e, s)
	case strings.HasPrefix(s, "WHITELISTED "), strings.HasPrefix(s, "ALLOWLISTED "):
		return postscreenList(e, "allowlisted", s)
	case strings.HasPrefix(s, "BLACKLISTED "), strings.HasPrefix(s, "DENYLISTED "):
		return postscreenList(e, "denylisted", s)
	case strings.HasPrefix(s, "WHITELIST VETO "), strings.HasPrefix(s, "ALLOWLIST VETO "):
		return postscreenList(e, "veto", s)
	case strings.HasPrefix(s, "entering STRESS mode "), strings.HasPrefix(s, "leaving STRESS mode "):
		e.Reason = "stress"
		return note(e, s)
	}
	return parsePlainOther(e, s)
}

// parsePostscreenConnect reads "[ip]:port to [ip]:port". The second address
// is our own.
func parsePostscreenConnect(e *mta.Event, s string) error {
	rest, ok := cutPeer(s, &e.Client)
	if !ok {
		return adapter.Malformed("client", s)
	}
	own, ok := strings.CutPrefix(rest, " to ")
	var p mta.Peer
	if !ok {
		return adapter.Malformed("local address", rest)
	}
	if rest, ok = cutPeer(own, &p); !ok || rest != "" {
		return adapter.Malformed("local address", own)
	}
	e.Kind = mta.KindConnect
	return nil
}

// postscreenClient reads a line that ends with the client.
func postscreenClient(e *mta.Event, kind mta.Kind, reason, s string) error {
	if rest, ok := cutPeer(s, &e.Client); !ok || rest != "" {
		return adapter.Malformed("client", s)
	}
	e.Kind, e.Reason = kind, reason
	return nil
}

// parseHangup reads "HANGUP after 0.5 from [ip]:port in tests before SMTP handshake".
func parseHangup(e *mta.Event, s string) error {
	i := strings.Index(s, " from ")
	if i < 0 {
		return adapter.Malformed("client", s)
	}
	rest, ok := cutPeer(s[i+len(" from "):], &e.Client)
	if !ok || !strings.HasPrefix(rest, " in ") {
		return adapter.Malformed("client", s)
	}
	e.Stage = mta.StageOther
	if rest == " in tests before SMTP handshake" {
		e.Stage = mta.StageConnect
	}
	e.Kind, e.Reason = mta.KindDisconnect, "lost"
	return nil
}

// postscreenTest reads a test that the client failed: "WHAT from [ip]:port after STAGE: text".
func postscreenTest(e *mta.Event, reason, s string) error {
	i := strings.Index(s, " from [")
	if i < 0 {
		return adapter.Malformed("client", s)
	}
	rest, ok := cutPeer(s[i+len(" from "):], &e.Client)
	if !ok {
		return adapter.Malformed("client", s)
	}
	if where, ok := strings.CutPrefix(rest, " after "); ok {
		if j := strings.IndexByte(where, ':'); j >= 0 {
			where = where[:j]
		}
		e.Stage = stageOf(where)
	}
	e.Reason = reason
	e.Kind, e.Severity, e.Text = mta.KindWarning, mta.SeverityWarning, s
	return nil
}

// parseRank reads "DNSBL rank 6 for [ip]:port".
func parseRank(e *mta.Event, s string) error {
	i := strings.Index(s, " for ")
	if i < 0 {
		return adapter.Malformed("client", s)
	}
	if err := postscreenClient(e, mta.KindWarning, "dnsbl", s[i+len(" for "):]); err != nil {
		return err
	}
	e.Severity, e.Text = mta.SeverityWarning, s
	return nil
}

// postscreenList reads a decision for or against a client: the client stands last.
func postscreenList(e *mta.Event, reason, s string) error {
	i := strings.IndexByte(s, '[')
	if i < 0 {
		return adapter.Malformed("client", s)
	}
	if err := postscreenClient(e, mta.KindWarning, reason, s[i:]); err != nil {
		return err
	}
	e.Severity, e.Text = mta.SeverityInfo, s
	return nil
}

// parseDNSBlog reads "addr IP listed by domain D as IP".
func parseDNSBlog(e *mta.Event, s string) error {
	rest, ok := strings.CutPrefix(s, "addr ")
	if !ok {
		return parsePlainOther(e, s)
	}
	addr, rest, ok := strings.Cut(rest, " ")
	if !ok {
		return adapter.Malformed("client", s)
	}
	if !strings.HasPrefix(rest, "listed by domain ") || !strings.Contains(rest, " as ") {
		return adapter.Malformed("domain", rest)
	}
	e.Client.IP = addr
	e.Reason = "dnsbl"
	return note(e, s)
}
