package imta

import (
	"strings"

	"github.com/mtawatch/mtawatch/internal/mta"
)

// setTransport reads "TCP|local ip|local port|remote ip|remote port" into the
// remote peer.
func setTransport(p *mta.Peer, s string) bool {
	rest, ok := strings.CutPrefix(s, "TCP|")
	if !ok {
		return false
	}
	for range 2 {
		i := strings.IndexByte(rest, '|')
		if i < 0 {
			return false
		}
		rest = rest[i+1:]
	}
	i := strings.IndexByte(rest, '|')
	if i < 0 || !isAddress(rest[:i]) {
		return false
	}
	port, after := number(rest[i+1:], 5)
	if after != "" && after[0] != ')' && after[0] != ' ' || port > 65535 {
		return false
	}
	p.IP, p.Port = rest[:i], uint16(port)
	return true
}

// setSource reads "HELO (name [address])" into the inbound peer.
func setSource(p *mta.Peer, s string) {
	open := strings.IndexByte(s, '(')
	if open < 0 || !strings.HasSuffix(s, "])") {
		p.HELO = s
		return
	}
	p.HELO = strings.TrimRight(s[:open], " ")
	inner := s[open+1 : len(s)-1]
	at := strings.LastIndexByte(inner, '[')
	if at < 0 {
		return
	}
	p.IP = sourceAddress(s[open:])
	if name := strings.TrimRight(inner[:at], " "); name != "unknown" {
		p.Name = name
	}
}

// setDiagnostic reads the diagnostic of a record into e: the outbound peer,
// the reply in its own words, and its codes. Its form is
//
//	[host] dns;host (TCP|ip|port|ip|port) (banner) smtp;250 2.1.5 text
//
// of which any part may be missing, or plain text.
func setDiagnostic(e *mta.Event, s string) {
	if s == "" {
		return
	}
	text := s
	if strings.IndexByte(s, ';') >= 0 || strings.IndexByte(s, '|') >= 0 {
		text = cutWrapper(e, s)
	}
	setReply(e, text)
	if e.Relay.IP == "" {
		setConnect(&e.Relay, text)
	}
}

// cutWrapper reads what stands around the reply into e.Relay, and cuts a reason
// (LOG_REASON) before it.
func cutWrapper(e *mta.Event, s string) string {
	text := s
	if i := strings.Index(s, "dns;"); i == 0 || i > 0 && s[i-1] == ' ' {
		n := addressEnd(s[i:])
		rest := strings.TrimLeft(s[i+n:], " ")
		if i == 0 || strings.IndexByte(s[:i-1], ' ') < 0 || strings.HasPrefix(rest, "(TCP|") {
			e.Relay.Name, text = s[i+len("dns;"):i+n], rest
		}
	} else if i = strings.Index(s, "(TCP|"); i > 0 && s[i-1] == ' ' && strings.IndexByte(s[:i-1], ' ') < 0 {
		e.Relay.Name, text = s[:i-1], s[i:] // the host alone
	}
	if strings.HasPrefix(text, "(TCP|") {
		if i := strings.IndexByte(text, ')'); i > 0 && setTransport(&e.Relay, text[1:i]) {
			text = strings.TrimLeft(text[i+1:], " ")
		}
	}
	if reply, ok := strings.CutPrefix(text, "smtp;"); ok {
		return strings.TrimLeft(reply, " ")
	}
	if text == s || text == "" || text[0] != '(' {
		return text
	}
	return afterGreeting(text)
}

// afterGreeting cuts the greeting of the other side, in brackets, and "smtp;"
// behind it.
func afterGreeting(s string) string {
	const mark = ") smtp;"
	if i := strings.Index(s, mark); i >= 0 {
		return strings.TrimLeft(s[i+len(mark):], " ")
	}
	if i := bracketEnd(s); i > 0 && i < len(s) {
		return strings.TrimLeft(s[i:], " ")
	}
	return s
}

// bracketEnd gives the place after the bracket that s begins with; 0 when it
// does not end.
func bracketEnd(s string) int {
	depth := 0
	for i := 0; i < len(s); i++ {
		switch s[i] {
		case '(':
			depth++
		case ')':
			if depth--; depth == 0 {
				return i + 1
			}
		}
	}
	return 0
}

// setConnect reads the address of "TCP active open: Failed connect() 192.0.2.1:25".
func setConnect(p *mta.Peer, s string) {
	const mark = "Failed connect() "
	i := strings.Index(s, mark)
	if i < 0 {
		return
	}
	s = s[i+len(mark):]
	s = s[:addressEnd(s)]
	i = strings.LastIndexByte(s, ':')
	if i < 0 {
		return
	}
	ip := strings.TrimSuffix(strings.TrimPrefix(s[:i], "["), "]")
	port, rest := number(s[i+1:], 5)
	if isAddress(ip) && rest == "" && port <= 65535 {
		p.IP, p.Port = ip, uint16(port)
	}
}

// setReply fills Reply, and the codes at its begin.
func setReply(e *mta.Event, s string) {
	e.Reply = s
	if replyAt(s) == 0 {
		e.Code = int16(s[0]-'0')*100 + int16(s[1]-'0')*10 + int16(s[2]-'0')
		if s = s[3:]; s != "" {
			s = s[1:]
		}
	}
	if isEnhanced(s) {
		e.DSN = s[:enhancedEnd(s)]
	}
}

// replyAt gives the place of the first SMTP reply code in s: three digits as
// a word of their own, with text after them; -1 when there is none.
func replyAt(s string) int {
	for i := 0; i+4 <= len(s); i++ {
		if c := s[i]; (c == '2' || c == '4' || c == '5') && digit(s[i+1]) && s[i+1] < '6' && digit(s[i+2]) &&
			(s[i+3] == ' ' || s[i+3] == '-') {
			return i
		}
		j := strings.IndexByte(s[i:], ' ')
		if j < 0 {
			return -1
		}
		i += j
	}
	return -1
}

// isEnhanced reports whether s begins with an enhanced status code of RFC
// 3463. One at the very end may be cut and does not count.
func isEnhanced(s string) bool { return enhancedEnd(s) > 0 }

func enhancedEnd(s string) int {
	if len(s) < 6 || s[0] != '2' && s[0] != '4' && s[0] != '5' || s[1] != '.' {
		return 0
	}
	i := 2
	for ; i < len(s) && digit(s[i]); i++ {
	}
	if i == 2 || i > 5 || i >= len(s) || s[i] != '.' {
		return 0
	}
	j := i + 1
	for ; j < len(s) && digit(s[j]); j++ {
	}
	if j == i+1 || j > i+4 || j >= len(s) || s[j] != ' ' && s[j] != ':' {
		return 0
	}
	return j
}
