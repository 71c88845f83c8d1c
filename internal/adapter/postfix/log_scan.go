package postfix

import (
	"strings"
	"time"

	"github.com/mtawatch/mtawatch/internal/mta"
)

// Queue ids are short, upper-case hexadecimal, or long: ten digits of base 52
// (no vowels) for the time, a z, and an inode of base 51.
const (
	shortest  = 5
	longest   = 24
	longSplit = 10

	hexDigit  = 1
	longDigit = 2
)

// idDigits tells for each byte in which kinds of queue id it may stand.
var idDigits = func() (t [256]uint8) {
	for _, c := range "0123456789ABCDEF" {
		t[c] |= hexDigit
	}
	for _, c := range "0123456789BCDFGHJKLMNPQRSTVWXYZbcdfghjklmnpqrstvwxyz" {
		t[c] |= longDigit
	}
	return t
}()

// cutQueueID cuts "ID: " from the begin of a message. NOQUEUE gives "".
func cutQueueID(s string) (id, rest string, ok bool) {
	kinds, i := uint8(hexDigit|longDigit), 0
	for i < len(s) && s[i] != ':' {
		if kinds &= idDigits[s[i]]; kinds == 0 {
			return "", strings.TrimPrefix(s, "NOQUEUE: "), strings.HasPrefix(s, "NOQUEUE: ")
		}
		i++
	}
	if i < shortest || i > longest || i+1 >= len(s) || s[i+1] != ' ' {
		return "", s, false
	}
	if kinds&hexDigit == 0 && (i <= longSplit+1 || s[longSplit] != 'z') {
		return "", s, false
	}
	return s[:i], s[i+2:], true
}

// isQueueID reports whether all of s is a queue id.
func isQueueID(s string) bool {
	if len(s) < shortest || len(s) > longest {
		return false
	}
	kinds := uint8(hexDigit | longDigit)
	for i := 0; i < len(s); i++ {
		kinds &= idDigits[s[i]]
	}
	return kinds&hexDigit != 0 || kinds != 0 && len(s) > longSplit+1 && s[longSplit] == 'z'
}

// cutAddress cuts an address that stands in angle brackets; s begins after
// the first one. Addresses may hold any character, so the closing bracket is
// the first that is followed by what may follow an address, and outside of a
// quoted local part. The rest begins after the bracket.
func cutAddress(s string) (addr, rest string, ok bool) {
	i := 0
	if len(s) > 0 && s[0] == '"' {
		if i = quotedEnd(s); i < 0 {
			return "", s, false
		}
	}
	for {
		j := strings.IndexByte(s[i:], '>')
		if j < 0 {
			return "", s, false
		}
		i += j
		if i+1 == len(s) || s[i+1] == ',' || s[i+1] == ' ' || s[i+1] == ':' {
			return s[:i], s[i+1:], true
		}
		i++
	}
}

// quotedEnd gives the place after the quoted string that s begins with; -1
// when it does not end.
func quotedEnd(s string) int {
	for i := 1; i < len(s); i++ {
		switch s[i] {
		case '\\':
			i++
		case '"':
			return i + 1
		}
	}
	return -1
}

// cutPeer reads "name[ip]" or "name[ip]:port". A name or address "unknown"
// stays empty.
func cutPeer(s string, p *mta.Peer) (rest string, ok bool) {
	i := 0
	for ; i < len(s) && s[i] != '['; i++ {
		if s[i] == ' ' {
			return s, false
		}
	}
	path, j := false, i+1
	for ; j < len(s) && s[j] != ']'; j++ {
		switch s[j] {
		case ' ':
			return s, false
		case '/':
			path = true
		}
	}
	if j >= len(s) {
		return s, false
	}
	name, addr := s[:i], s[i+1:j]
	rest = s[j+1:]
	if name != "unknown" {
		p.Name = name
	}
	if path {
		p.Path = addr
	} else if addr != "unknown" {
		p.IP = strings.TrimPrefix(addr, "IPv6:")
	}
	if len(rest) > 1 && rest[0] == ':' && rest[1] >= '0' && rest[1] <= '9' {
		p.Port, rest = cutPort(rest[1:])
	}
	return rest, true
}

// cutPort reads a decimal port; one beyond 65535 gives 0.
func cutPort(s string) (uint16, string) {
	n, i := 0, 0
	for ; i < len(s) && i < 6 && s[i] >= '0' && s[i] <= '9'; i++ {
		n = n*10 + int(s[i]-'0')
	}
	if n > 65535 {
		n = 0
	}
	return uint16(n), s[i:]
}

// cutNumber reads a decimal number of at most 18 digits.
func cutNumber(s string) (n int64, rest string, ok bool) {
	i := 0
	for ; i < len(s) && s[i] >= '0' && s[i] <= '9'; i++ {
		if i == 18 {
			return 0, s, false
		}
		n = n*10 + int64(s[i]-'0')
	}
	return n, s[i:], i > 0
}

// cutSeconds reads decimal seconds, such as 31 or 0.05.
func cutSeconds(s string) (d time.Duration, rest string, ok bool) {
	if len(s) > 1 && s[0] == '0' && s[1] != '.' && s[1]-'0' > 9 {
		return 0, s[1:], true
	}
	n, i := int64(0), 0
	for ; i < len(s) && s[i]-'0' <= 9; i++ {
		if i == 9 {
			return 0, s, false
		}
		n = n*10 + int64(s[i]-'0')
	}
	if i == 0 {
		return 0, s, false
	}
	d = time.Duration(n) * time.Second
	if i < len(s) && s[i] == '.' {
		scale := 100 * time.Millisecond
		for i++; i < len(s) && s[i]-'0' <= 9; i++ {
			d += time.Duration(s[i]-'0') * scale
			scale /= 10
		}
		if s[i-1] == '.' {
			return 0, s, false
		}
	}
	return d, s[i:], true
}

// replyCode gives the SMTP reply code that a text begins with; 0 when there
// is none.
func replyCode(s string) int16 {
	if len(s) < 3 || s[0] < '2' || s[0] > '5' || s[1]-'0' > 9 || s[2]-'0' > 9 {
		return 0
	}
	if len(s) > 3 && s[3] != ' ' && s[3] != '-' {
		return 0
	}
	return int16(s[0]-'0')*100 + int16(s[1]-'0')*10 + int16(s[2]-'0')
}

// replyDSN gives the enhanced status code of RFC 3463 that a text begins
// with; "" when there is none. A code at the very end of the text may be cut
// and does not count.
func replyDSN(s string) string {
	if len(s) < 6 || s[0] != '2' && s[0] != '4' && s[0] != '5' || s[1] != '.' {
		return ""
	}
	i := 2
	for ; i < len(s) && s[i]-'0' <= 9; i++ {
	}
	if i == 2 || i > 5 || i >= len(s) || s[i] != '.' {
		return ""
	}
	j := i + 1
	for ; j < len(s) && s[j]-'0' <= 9; j++ {
	}
	if j == i+1 || j > i+4 || j >= len(s) || s[j] != ' ' {
		return ""
	}
	return s[:j]
}

// setReply fills Reply, and the codes at its begin.
func setReply(e *mta.Event, text string) {
	e.Reply = text
	setCodes(e, text)
}

func setCodes(e *mta.Event, text string) {
	if e.Code = replyCode(text); e.Code != 0 && len(text) > 4 {
		text = text[4:]
	}
	if e.DSN == "" {
		e.DSN = replyDSN(text)
	}
}

// setSender fills From.
func setSender(e *mta.Event, addr string) {
	e.From = addr
	e.NullSender = addr == ""
}

// stageOf gives the stage of an SMTP session by the word that Postfix uses
// for it: a command, or CONNECT, "DATA content" and END-OF-MESSAGE.
func stageOf(word string) mta.Stage {
	switch word {
	case "CONNECT", "connect":
		return mta.StageConnect
	case "HELO", "EHLO", "LHLO":
		return mta.StageHELO
	case "AUTH":
		return mta.StageAuth
	case "MAIL":
		return mta.StageMail
	case "RCPT":
		return mta.StageRcpt
	case "DATA", "DATA content", "BDAT", "BDAT content":
		return mta.StageData
	case "END-OF-MESSAGE":
		return mta.StageEOM
	}
	return mta.StageOther
}
