package postfix

import (
	"strings"

	"github.com/mtawatch/mtawatch/internal/adapter"
	"github.com/mtawatch/mtawatch/internal/mta"
)

// parseTLS reads the summary of a TLS session, as tls_log_summary of Postfix
// writes it; ok tells whether s is one:
//
//	Anonymous TLS connection established from name[ip]: TLSv1.3 with cipher X (256/256 bits) ...
//	Verified TLS connection reused to name[ip]:25: ...
func parseTLS(e *mta.Event, s string) (ok bool, err error) {
	i := strings.IndexByte(s, ' ')
	if i < 0 {
		return false, nil
	}
	switch s[:i] {
	case "Anonymous", "Untrusted", "Trusted", "Verified":
	default:
		return false, nil
	}
	trust, rest := s[:i], s[i:]
	if rest, ok = strings.CutPrefix(rest, " TLS connection "); !ok {
		return false, nil
	}
	if rest, ok = strings.CutPrefix(rest, "established "); !ok {
		if rest, ok = strings.CutPrefix(rest, "reused "); !ok {
			return true, adapter.Malformed("TLS connection", s)
		}
		e.TLS.Reused = true
	}
	if peer, ok := strings.CutPrefix(rest, "from "); ok {
		e.TLS.Direction = "from"
		rest, ok = tlsPeer(peer, &e.Client)
		if !ok {
			return true, adapter.Malformed("client", peer)
		}
	} else if peer, ok := strings.CutPrefix(rest, "to "); ok {
		e.TLS.Direction = "to"
		rest, ok = tlsPeer(peer, &e.Relay)
		if !ok {
			return true, adapter.Malformed("host", peer)
		}
	} else {
		return true, adapter.Malformed("TLS connection", s)
	}
	e.Kind, e.TLS.Trust = mta.KindTLS, trust
	return true, parseCipher(&e.TLS, rest)
}

// tlsPeer reads the peer and, after it, the server name that an inbound
// client asked for, which is left out.
func tlsPeer(s string, p *mta.Peer) (rest string, ok bool) {
	if rest, ok = cutPeer(s, p); !ok {
		return s, false
	}
	if strings.HasPrefix(rest, " to ") {
		i := strings.Index(rest, ": ")
		if i < 0 {
			return rest, false
		}
		rest = rest[i:]
	}
	return strings.CutPrefix(rest, ": ")
}

// parseCipher reads "TLSv1.3 with cipher X (256/256 bits)"; key exchange and
// signatures follow.
func parseCipher(t *mta.TLS, s string) error {
	version, rest, ok := strings.Cut(s, " with cipher ")
	if !ok {
		return adapter.Malformed("TLS version", s)
	}
	cipher, rest, ok := strings.Cut(rest, " (")
	if !ok {
		return adapter.Malformed("TLS cipher", rest)
	}
	bits, end, ok := cutNumber(rest)
	if !ok || bits > 1<<15-1 || !strings.HasPrefix(end, "/") || !strings.Contains(end, " bits)") {
		return adapter.Malformed("TLS key size", rest)
	}
	t.Version, t.Cipher, t.Bits = version, cipher, int16(bits)
	if all, _, ok := cutNumber(end[1:]); ok && all <= 1<<15-1 {
		t.AlgorithmBits = int16(all)
	}
	return nil
}

// parseTLSProxy reads the lines of tlsproxy, which stands between postscreen
// or a delivery agent and the peer: those already tell of the connection.
func parseTLSProxy(e *mta.Event, s string) error {
	if strings.HasPrefix(s, "CONNECT ") || strings.HasPrefix(s, "DISCONNECT ") {
		return nil
	}
	return parsePlain(e, s)
}
