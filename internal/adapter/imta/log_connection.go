package imta

import (
	"strings"

	"github.com/mtawatch/mtawatch/internal/adapter"
	"github.com/mtawatch/mtawatch/internal/mta"
)

// setConnection reads a connection record. It leaves e.Kind at KindNone for
// one that says nothing of interest: that we opened or closed a connection.
func (r *record) setConnection(e *mta.Event) error {
	inbound := r.dc == "+"
	peer := &e.Relay
	if inbound {
		peer = &e.Client
	}
	if r.tr == "" && r.ac[0] != 'I' || r.tr != "" && !setTransport(peer, r.tr) {
		return adapter.Malformed("transport", r.tr)
	}
	if r.ss != "" && inbound {
		ip, port := peer.IP, peer.Port
		setSource(peer, r.ss)
		peer.IP, peer.Port = ip, port
	}
	if !inbound {
		return r.setOutbound(e)
	}
	e.Service = localPort(r.tr)
	switch r.ac[0] {
	case 'O':
		e.Kind = mta.KindConnect
	case 'C':
		e.Kind, e.Reason = mta.KindDisconnect, leaving(r.di)
		e.Reply = r.di
	case 'X':
		e.Kind, e.Stage = mta.KindReject, mta.StageConnect
		setDiagnostic(e, r.di)
		e.Relay = mta.Peer{}
	case 'Y':
		e.Kind, e.Severity, e.Text = mta.KindWarning, mta.SeverityInfo, r.di
	case 'U':
		r.setAuth(e)
	case 'I':
		e.Kind, e.Text = mta.KindStatistics, "ETRN"
	default:
		return adapter.ErrUnknownLine
	}
	return nil
}

// localPort gives the third part of "TCP|ip|port|ip|port".
func localPort(tr string) string {
	for range 2 {
		i := strings.IndexByte(tr, '|')
		if i < 0 {
			return ""
		}
		tr = tr[i+1:]
	}
	i := strings.IndexByte(tr, '|')
	if i < 0 || i > len("65535") || !isNumber(tr[:i]) {
		return ""
	}
	return tr[:i]
}

// setOutbound reads the record of a connection that we made, or tried to.
// It is no delivery: each message tells of its own.
func (r *record) setOutbound(e *mta.Event) error {
	if strings.HasPrefix(r.ap, "SMTP/") { // SMTP/wanted/actual
		e.Relay.Name = r.ap[strings.LastIndexByte(r.ap, '/')+1:]
	}
	switch r.ac[0] {
	case 'O', 'C', 'U', 'I':
	case 'X', 'Y':
		relay := e.Relay
		setDiagnostic(e, r.di)
		e.Kind, e.Severity, e.Text = mta.KindWarning, mta.SeverityInfo, e.Reply
		e.Relay = relay
	default:
		return adapter.ErrUnknownLine
	}
	return nil
}

// setAuth reads the record of an authentication. The reply tells how it
// ended: 235 is the only success.
func (r *record) setAuth(e *mta.Event) {
	e.Kind, e.Status = mta.KindAuth, mta.StatusFailed
	setDiagnostic(e, r.di)
	e.Relay = mta.Peer{}
	if e.Code == 0 && e.DSN == "" {
		// Without a reply the record tells nothing of the outcome.
		e.Kind, e.Status = mta.KindNone, mta.StatusNone
		return
	}
	if e.Code/100 == 2 {
		e.Status = mta.StatusAccepted
	}
	e.SASLUser = strings.TrimPrefix(r.us, "*")
	e.Reason = r.mi
	if i := strings.Index(r.di, " authentication "); i > 0 { // "235 2.7.0 LOGIN authentication successful."
		word := r.di[strings.LastIndexByte(r.di[:i], ' ')+1 : i]
		if word != "" && isMechanism(word) {
			e.SASLMethod = word
		}
	}
}

// isMechanism reports whether a word may name a SASL mechanism (RFC 4422).
func isMechanism(s string) bool {
	for i := 0; i < len(s); i++ {
		if c := s[i]; c-'A' > 25 && !digit(c) && c != '-' && c != '_' {
			return false
		}
	}
	return s[0]-'A' < 26 && len(s) <= 20
}

// leaving gives the reason of a disconnect by the words of the record's
// diagnostic; "" for a plain close, of which it has none.
func leaving(s string) string {
	if s == "" {
		return ""
	}
	for _, w := range [...]struct{ words, reason string }{
		{"imeout", "timeout"}, {"imed out", "timeout"}, {"idle", "timeout"},
		{"too many", "dropped"}, {"Too many", "dropped"}, {"limit", "dropped"}, {"shutting down", "dropped"},
		{"QUIT", "quit"}, {"quit", "quit"},
		{"lost", "lost"}, {"reset", "lost"}, {"Error reading", "lost"}, {"Error writing", "lost"}, {"closed by", "lost"}, {"bort", "lost"},
	} {
		if strings.Contains(s, w.words) {
			return w.reason
		}
	}
	return ""
}
