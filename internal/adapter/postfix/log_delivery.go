package postfix

import (
	"strings"

	"github.com/mtawatch/mtawatch/internal/adapter"
	"github.com/mtawatch/mtawatch/internal/mta"
)

// parseDelivery reads a delivery attempt as log_adhoc.c of Postfix writes it:
//
//	to=<A>, orig_to=<B>, relay=R, conn_use=N, delay=D, delays=a/b/c/d, dsn=X, status=S (text)
//
// s begins after "to=<". The delays are those before the queue manager, in
// it, for the connection, and for the transmission.
func parseDelivery(e *mta.Event, s string) error {
	e.Kind = mta.KindDelivery
	all := s
	var ok bool
	if e.To, s, ok = cutAddress(s); !ok {
		return adapter.Malformed("recipient", all)
	}
	for len(s) > 4 && s[0] == ',' && s[1] == ' ' {
		field := s[2:]
		if status, ok := strings.CutPrefix(field, "status="); ok {
			if !e.HasDelay { // a status within an address of a line that was cut
				return adapter.Malformed("delay", s)
			}
			return parseStatus(e, status)
		}
		if s, ok = deliveryField(e, field); !ok {
			key, _, _ := strings.Cut(field, "=")
			return adapter.Malformed(key[:min(len(key), 20)], field)
		}
	}
	return adapter.Malformed("status", s)
}

// deliveryField reads one "key=value" and gives what follows it: a comma, in
// a whole line.
func deliveryField(e *mta.Event, s string) (rest string, ok bool) {
	switch s[0] {
	case 'd':
		if v, ok := strings.CutPrefix(s, "delay="); ok {
			e.Delay, rest, e.HasDelay = cutSeconds(v)
			return rest, e.HasDelay
		}
		if v, ok := strings.CutPrefix(s, "delays="); ok {
			return cutDelays(e, v)
		}
		if v, ok := strings.CutPrefix(s, "dsn="); ok {
			i := 0
			for i < len(v) && v[i] != ',' {
				i++
			}
			e.DSN = v[:i]
			return v[i:], true
		}
	case 'c':
		if v, ok := strings.CutPrefix(s, "conn_use="); ok {
			_, rest, ok = cutNumber(v)
			return rest, ok
		}
	case 'o':
		if v, ok := strings.CutPrefix(s, "orig_to=<"); ok {
			e.OrigTo, rest, ok = cutAddress(v)
			return rest, ok
		}
	}
	end := strings.IndexByte(s, ',')
	if end < 0 {
		return s, false
	}
	if v, ok := strings.CutPrefix(s[:end], "relay="); ok {
		setRelay(&e.Relay, v)
	}
	return s[end:], true
}

// cutDelays reads "0.1/0.01/31/0".
func cutDelays(e *mta.Event, s string) (rest string, ok bool) {
	for i := range e.Delays {
		if e.Delays[i], s, ok = cutSeconds(s); !ok {
			return s, false
		}
		e.NumDelays++
		if i == len(e.Delays)-1 || s == "" || s[0] != '/' {
			break
		}
		s = s[1:]
	}
	return s, int(e.NumDelays) == len(e.Delays)
}

// setRelay reads "none", "local", "host[ip]:port" or "host[private/lmtp]".
func setRelay(p *mta.Peer, value string) {
	if value == "none" || value == "" {
		return
	}
	if rest, ok := cutPeer(value, p); !ok || rest != "" {
		*p = mta.Peer{Path: value}
	}
}

// parseStatus reads "sent (text)". The reply is the text within the outer
// brackets.
func parseStatus(e *mta.Event, s string) error {
	if len(s) == 0 || s[len(s)-1] != ')' {
		return adapter.Malformed("status", s)
	}
	var text string
	var ok bool
	if text, ok = strings.CutPrefix(s, "deferred ("); ok {
		e.Status = mta.StatusDeferred
	} else if text, ok = strings.CutPrefix(s, "sent ("); ok {
		e.Status = mta.StatusSent
	} else if text, ok = strings.CutPrefix(s, "bounced ("); ok {
		e.Status = mta.StatusBounced
	} else if text, ok = strings.CutPrefix(s, "SOFTBOUNCE ("); ok {
		e.Status = mta.StatusDeferred
	} else if text, ok = strings.CutPrefix(s, "expired ("); ok {
		e.Status = mta.StatusExpired
	} else {
		return parseProbe(e, s)
	}
	text = text[:len(text)-1]
	e.Reply = text
	e.Code = deliveryCode(text)
	return nil
}

// parseProbe reads the outcome of an address verification probe, which was
// not to deliver anything: "undeliverable (text)".
func parseProbe(e *mta.Event, s string) error {
	switch word, _, _ := strings.Cut(s, " ("); word {
	case "deliverable", "undeliverable", "undeliverable-but-not-cached":
		e.Kind, e.Text = mta.KindStatistics, s
		return nil
	}
	return adapter.Malformed("status", s)
}

// deliveryCode gives the SMTP reply code of the remote server in a delivery
// text: at its begin, or after the words that tell who said it.
func deliveryCode(text string) int16 {
	if text == "" || text[0] <= '9' {
		return replyCode(text)
	}
	text = strings.TrimPrefix(text, "delivery temporarily suspended: ")
	if !strings.HasPrefix(text, "host ") {
		return 0
	}
	i := strings.IndexByte(text, ']')
	if i < 0 {
		return 0
	}
	text = text[i+1:]
	if len(text) > 1 && text[0] == ':' {
		_, text = cutPort(text[1:])
	}
	for _, words := range [...]string{" said: ", " refused to talk to me: "} {
		if reply, ok := strings.CutPrefix(text, words); ok {
			return replyCode(reply)
		}
	}
	return 0
}

// parseFailedNotice reads "status=deferred (bounce failed)": all recipients
// of the message wait because the bounce service did not work.
func parseFailedNotice(e *mta.Event, s string) error {
	text, ok := strings.CutSuffix(s, ")")
	if !ok {
		return adapter.Malformed("status", s)
	}
	e.Kind, e.Status, e.Reply = mta.KindDelivery, mta.StatusDeferred, text
	return nil
}

// parseSession reads what the delivery agents tell about a session with one
// of several servers, before the outcome is known.
func parseSession(e *mta.Event, s string) error {
	switch {
	case strings.HasPrefix(s, "host "):
		rest, ok := cutPeer(s[len("host "):], &e.Relay)
		if !ok {
			return adapter.Malformed("host", s)
		}
		for _, words := range [...]string{" said: ", " refused to talk to me: "} {
			if text, ok := strings.CutPrefix(rest, words); ok {
				setCodes(e, text)
			}
		}
		return note(e, s)
	case strings.HasPrefix(s, "lost connection with "):
		return peerNote(e, s, s[len("lost connection with "):])
	case strings.HasPrefix(s, "conversation with "):
		return peerNote(e, s, s[len("conversation with "):])
	case strings.HasPrefix(s, "local data error while talking to "):
		return peerNote(e, s, s[len("local data error while talking to "):])
	case strings.HasPrefix(s, "enabling PIX workarounds: "):
		if i := strings.Index(s, " for "); i > 0 {
			return peerNote(e, s, s[i+len(" for "):])
		}
		return adapter.Malformed("host", s)
	case s == "skipped, still being delivered",
		strings.HasPrefix(s, "breaking line > "),
		strings.HasPrefix(s, "Cannot start TLS"),
		strings.HasPrefix(s, "TLS "),
		strings.HasPrefix(s, "replacing "),
		strings.HasPrefix(s, "SASL "),
		strings.HasPrefix(s, "moved "):
		return note(e, s)
	}
	return adapter.ErrUnknownLine
}

// note makes an event of a line that Postfix logs for information.
func note(e *mta.Event, text string) error {
	e.Kind, e.Severity, e.Text = mta.KindWarning, mta.SeverityInfo, text
	return nil
}

// peerNote is note with the outbound peer that stands at the begin of s.
func peerNote(e *mta.Event, text, s string) error {
	if _, ok := cutPeer(s, &e.Relay); !ok {
		return adapter.Malformed("host", text)
	}
	return note(e, text)
}
