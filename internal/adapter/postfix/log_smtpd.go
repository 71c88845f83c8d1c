package postfix

import (
	"strings"

	"github.com/mtawatch/mtawatch/internal/adapter"
	"github.com/mtawatch/mtawatch/internal/mta"
)

// parsePlain reads a line without queue id and severity of the programs that
// have no forms of their own.
func parsePlain(e *mta.Event, s string) error {
	if s == "" {
		return adapter.Malformed("text", s)
	}
	switch s[0] {
	case 'c':
		if rest, ok := strings.CutPrefix(s, "connect from "); ok {
			return parseConnect(e, rest)
		}
		if rest, ok := strings.CutPrefix(s, "connect to "); ok {
			return parseConnectTo(e, s, rest)
		}
	case 'd':
		if rest, ok := strings.CutPrefix(s, "disconnect from "); ok {
			return parseDisconnect(e, rest)
		}
	case 'l':
		if rest, ok := strings.CutPrefix(s, "lost connection after "); ok {
			return parseBroken(e, "lost", rest)
		}
	case 't':
		if rest, ok := strings.CutPrefix(s, "timeout after "); ok {
			return parseBroken(e, "timeout", rest)
		}
		if rest, ok := strings.CutPrefix(s, "too many errors after "); ok {
			return parseBroken(e, "dropped", rest)
		}
	case 's':
		if strings.HasPrefix(s, "statistics: ") {
			e.Kind, e.Text = mta.KindStatistics, s
			return nil
		}
	case 'i':
		if rest, ok := strings.CutPrefix(s, "improper command pipelining after "); ok {
			return parsePipelining(e, s, rest)
		}
	}
	return parsePlainOther(e, s)
}

func parseConnect(e *mta.Event, s string) error {
	if rest, ok := cutPeer(s, &e.Client); !ok || rest != "" {
		return adapter.Malformed("client", s)
	}
	e.Kind = mta.KindConnect
	return nil
}

// parseConnectTo reads an attempt of a delivery agent to reach one of
// several servers: "connect to name[ip]:port: Connection refused".
func parseConnectTo(e *mta.Event, all, s string) error {
	rest, ok := cutPeer(s, &e.Relay)
	if !ok || !strings.HasPrefix(rest, ": ") {
		return adapter.Malformed("host", s)
	}
	return note(e, all)
}

// parseDisconnect reads the end of a session. Since Postfix 3.0 it has the
// commands with their counts, accepted/all where some were refused:
//
//	disconnect from name[ip] ehlo=1 mail=1 rcpt=0/1 quit=1 commands=3/4
func parseDisconnect(e *mta.Event, s string) error {
	rest, ok := cutPeer(s, &e.Client)
	if !ok {
		return adapter.Malformed("client", s)
	}
	if rest != "" {
		if rest[0] != ' ' || !strings.Contains(rest, " commands=") || rest[len(rest)-1] == '=' {
			return adapter.Malformed("commands", rest)
		}
		if strings.Contains(rest, " quit=1") {
			e.Reason = "quit"
		}
		e.Text = rest[1:]
	}
	e.Kind = mta.KindDisconnect
	return nil
}

// parseBroken reads how a session ended early; a disconnect line follows:
//
//	lost connection after DATA (1234 bytes) from name[ip]
func parseBroken(e *mta.Event, reason, s string) error {
	where, peer, ok := strings.Cut(s, " from ")
	if !ok {
		return adapter.Malformed("client", s)
	}
	if rest, ok := cutPeer(peer, &e.Client); !ok || rest != "" {
		return adapter.Malformed("client", peer)
	}
	if i := strings.Index(where, " ("); i > 0 {
		where = where[:i]
	}
	e.Kind, e.Reason, e.Stage, e.Command = mta.KindDisconnect, reason, stageOf(where), where
	return nil
}

// parsePipelining reads a client that did not wait for our reply.
func parsePipelining(e *mta.Event, all, s string) error {
	where, peer, ok := strings.Cut(s, " from ")
	if !ok {
		return adapter.Malformed("client", s)
	}
	if _, ok := cutPeer(peer, &e.Client); !ok {
		return adapter.Malformed("client", peer)
	}
	e.Stage, e.Reason = stageOf(where), "pipelining"
	return note(e, all)
}

// parsePlainOther reads the rarer lines without queue id.
func parsePlainOther(e *mta.Event, s string) error {
	if ok, err := parseTLS(e, s); ok {
		return err
	}
	if i := strings.Index(s, ": "); i > 0 && i < 20 {
		// "reject: RCPT from ..." of versions that leave NOQUEUE out.
		if act, ok := policyAction(s[:i]); ok && act.kind == mta.KindReject {
			return parsePolicy(e, act, s[:i], s[i+2:])
		}
	}
	switch {
	case strings.HasPrefix(s, "SSL_accept error from "):
		e.Reason = "tls"
		cutPeer(s[len("SSL_accept error from "):], &e.Client)
		return note(e, s)
	case strings.HasPrefix(s, "SSL_connect error to "):
		e.Reason = "tls"
		cutPeer(s[len("SSL_connect error to "):], &e.Relay)
		return note(e, s)
	case strings.HasPrefix(s, "certificate verification failed for "),
		strings.HasPrefix(s, "certificate peer name verification failed for "),
		strings.HasPrefix(s, "server certificate verification failed for "):
		e.Reason = "tls"
		cutPeer(s[strings.Index(s, " for ")+len(" for "):], &e.Relay)
		return note(e, s)
	case strings.HasPrefix(s, "cache ") && strings.Contains(s, " cleanup: retained="):
		e.Kind, e.Text = mta.KindStatistics, s
		return nil
	case strings.HasPrefix(s, "using backwards-compatible default setting "),
		strings.HasPrefix(s, "TLS SNI "),
		strings.HasPrefix(s, "bad ETRN "),
		strings.HasPrefix(s, "delivery temporarily suspended"),
		strings.HasPrefix(s, "server features"):
		return note(e, s)
	case isRoutine(s):
		return nil
	}
	return adapter.ErrUnknownLine
}

// isRoutine reports lines that say nothing of interest.
func isRoutine(s string) bool {
	switch {
	case strings.HasPrefix(s, "table ") && strings.Contains(s, " has changed - "),
		strings.HasPrefix(s, "table ") && strings.HasSuffix(s, " has changed -- restarting"),
		strings.HasPrefix(s, "initializing the "),
		strings.HasPrefix(s, "setting up TLS connection "),
		strings.HasPrefix(s, "Host offered STARTTLS: "),
		strings.HasPrefix(s, "discarding EHLO keywords: "),
		strings.HasPrefix(s, "Relaying allowed for certified client: "),
		strings.HasPrefix(s, "SSL_accept:"), strings.HasPrefix(s, "SSL_connect:"),
		strings.HasPrefix(s, "looking for session "), strings.HasPrefix(s, "save session "),
		strings.HasPrefix(s, "remove session "), strings.HasPrefix(s, "reloaded session "),
		strings.HasPrefix(s, "open ") && strings.Contains(s, " TLS cache "),
		strings.HasPrefix(s, "close ") && strings.Contains(s, " TLS cache "):
		return true
	}
	// Lines of TLS log levels 1 and 2 that begin with the peer.
	var p mta.Peer
	rest, ok := cutPeer(s, &p)
	if !ok || !strings.HasPrefix(rest, ": ") {
		return false
	}
	rest = rest[2:]
	for _, words := range [...]string{"subject_CN=", "Matched ", "re-using session with ", "Untrusted: ", "Trusted: ",
		"Verified: ", "TLS cipher list ", "certificate ", "CommonName ", "issuer_CN=", "depth=", "subjectAltName: ",
		"discarding EHLO keywords: ", "replacing command "} {
		if strings.HasPrefix(rest, words) {
			return true
		}
	}
	return false
}
