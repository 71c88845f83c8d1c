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
	for {
		s = strings.TrimPrefix(s, ", ")
		if rest, ok := strings.CutPrefix(s, "status="); ok {
			return parseStatus(e, rest)
		}
		eq := strings.IndexByte(s, '=')
		if eq < 0 {
			return adapter.Malformed("status", s)
		}
		key, value := s[:eq], s[eq+1:]
		if key == "orig_to" && strings.HasPrefix(value, "<") {
			if e.OrigTo, s, ok = cutAddress(value[1:]); !ok {
				return adapter.Malformed("original recipient", value)
			}
			continue
		}
		end := strings.IndexByte(value, ',')
		if end < 0 {
			return adapter.Malformed("status", s)
		}
		s = value[end:]
		if err := deliveryField(e, key, value[:end]); err != nil {
			return err
		}
	}
}

func deliveryField(e *mta.Event, key, value string) error {
	var rest string
	ok := true
	switch key {
	case "relay":
		setRelay(&e.Relay, value)
	case "delay":
		e.Delay, rest, ok = cutSeconds(value)
		if !ok || rest != "" {
			return adapter.Malformed("delay", value)
		}
		e.HasDelay = true
	case "delays":
		return parseDelays(e, value)
	case "dsn":
		e.DSN = value
	}
	return nil
}

// parseDelays reads "0.1/0.01/31/0".
func parseDelays(e *mta.Event, value string) error {
	s := value
	for i := range e.Delays {
		var ok bool
		if e.Delays[i], s, ok = cutSeconds(s); !ok {
			return adapter.Malformed("delays", value)
		}
		e.NumDelays++
		if s == "" {
			return nil
		}
		if s[0] != '/' {
			break
		}
		s = s[1:]
	}
	return adapter.Malformed("delays", value)
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
	i := strings.IndexByte(s, ' ')
	if i < 0 || i+2 >= len(s) || s[i+1] != '(' || s[len(s)-1] != ')' {
		return adapter.Malformed("status", s)
	}
	text := s[i+2 : len(s)-1]
	switch s[:i] {
	case "sent":
		e.Status = mta.StatusSent
	case "deferred", "SOFTBOUNCE":
		e.Status = mta.StatusDeferred
	case "bounced":
		e.Status = mta.StatusBounced
	case "expired", "force-expired":
		e.Status = mta.StatusExpired
	case "deliverable", "undeliverable", "undeliverable-but-not-cached":
		// An address verification probe: nothing was to be delivered.
		e.Kind = mta.KindStatistics
		e.Text = s
	default:
		return adapter.Malformed("status", s)
	}
	e.Reply = text
	e.Code = deliveryCode(text)
	return nil
}

// deliveryCode gives the SMTP reply code of the remote server in a delivery
// text: at its begin, or after the words that tell who said it.
func deliveryCode(text string) int16 {
	if c := replyCode(text); c != 0 {
		return c
	}
	text = strings.TrimPrefix(text, "delivery temporarily suspended: ")
	if !strings.HasPrefix(text, "host ") {
		return 0
	}
	for _, words := range [...]string{" said: ", " refused to talk to me: "} {
		if i := strings.Index(text, words); i > 0 {
			return replyCode(text[i+len(words):])
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
