package imta

import "strings"

// readOptional reads what follows the recipient in formats 1 and 2. Which
// fields a site logs is its own choice, and no name stands before any: each
// is known by its shape, in the order in which they stand. What has no shape
// of its own (sensitivity, priority, intermediate address, reason) stays in
// front of the diagnostic.
func (r *record) readOptional(s string) {
	s = r.cutFlags(s)
	s = r.cutFile(s)
	s = r.cutMessageID(s)
	s = r.cutUser(s)
	s = r.cutSource(s)
	s = cutFilter(s)
	s = r.cutTransport(s)
	if r.ac[0] == 'E' && r.us == "" && s != "" && strings.IndexByte(s, ' ') < 0 {
		r.us = s // nothing else stands alone in an E record
		return
	}
	r.di = s
}

// cutFlags passes over the flags of LOG_NOTARY, a number or words. A number of
// three digits with text after it is a reply.
func (r *record) cutFlags(s string) string {
	if end := strings.IndexByte(s, ' '); end > 0 && s[0] != '<' && s[0] != '*' {
		// Whatever stands before the queue file are flags; without a file, words of RFC 3461.
		rest := strings.TrimLeft(s[end:], " ")
		if !isFile(s[:end]) && isFile(rest[:addressEnd(rest)]) || isNotify(s[:end]) {
			return rest
		}
	} else if isNotify(s) {
		return ""
	}
	n, ok := 0, false
	for ; n < len(s) && digit(s[n]); n++ {
		ok = true
	}
	if !ok || n < len(s) && s[n] != ' ' {
		return s
	}
	rest := strings.TrimLeft(s[n:], " ")
	if n != 3 || s[0] != '2' && s[0] != '4' && s[0] != '5' || rest == "" || s[0] == '2' && r.ac[0] != 'D' {
		return rest
	}
	if c := rest[0]; c == '<' || c == '*' || replyAt(rest) == 0 && !isEnhanced(rest) {
		return rest
	}
	return s
}

// isFile reports whether a word is the path of a queue file.
func isFile(s string) bool {
	if strings.IndexByte(s, '/') < 0 {
		return false
	}
	_, _, ok := queueFile(s)
	return ok
}

// isNotify reports whether a word is a value of NOTIFY of RFC 3461.
func isNotify(s string) bool {
	s = strings.TrimPrefix(s, "NOTIFY=")
	for _, word := range [...]string{"NEVER", "SUCCESS", "FAILURE", "DELAY"} {
		if rest, ok := strings.CutPrefix(s, word); ok && (rest == "" || rest[0] == ',') {
			return true
		}
	}
	return false
}

// cutFile cuts the path of the queue file.
func (r *record) cutFile(s string) string {
	end := strings.IndexByte(s, ' ')
	if end < 0 {
		end = len(s)
	}
	if !isFile(s[:end]) {
		return s
	}
	r.file = s[:end]
	return strings.TrimLeft(s[end:], " ")
}

// cutMessageID cuts "<id>", or the two of a notification with a comma between,
// and an envelope id before it.
func (r *record) cutMessageID(s string) string {
	if s == "" {
		return s
	}
	if s[0] != '<' {
		end := strings.IndexByte(s, ' ')
		if r.file == "" || end < 0 || end+1 == len(s) || s[end+1] != '<' || s[0] == '*' {
			return s
		}
		n := idEnd(s[end+1:])
		if n == 0 {
			return s
		}
		r.envID = s[:end]
		s = s[end+1:]
	}
	n := idEnd(s)
	if n == 0 || s[1:n-1] == r.de || strings.HasSuffix(r.od, s[1:n-1]) && n > 2 { // a text about the recipient
		return s
	}
	r.mi = s[:n]
	return strings.TrimLeft(s[n:], " ")
}

// idEnd gives the length of "<id>" or "<id>,<id>"; 0 when s begins otherwise.
func idEnd(s string) int {
	n := 0
	for n < len(s) && s[n] == '<' {
		i := strings.IndexByte(s[n:], '>')
		if i < 0 {
			return 0
		}
		n += i + 1
		switch {
		case n == len(s) || s[n] == ' ':
			return n
		case s[n] == ',' && n+1 < len(s) && s[n+1] == '<':
			n++
		default:
			return 0
		}
	}
	return 0
}

// cutUser cuts "*user": the star says that it is an authenticated one.
func (r *record) cutUser(s string) string {
	if s == "" || s[0] != '*' {
		return s
	}
	n := addressEnd(s)
	r.us = s[:n]
	return strings.TrimLeft(s[n:], " ")
}

// cutSource cuts "HELO (name [address])", the source system, and a user
// without a star before it.
func (r *record) cutSource(s string) string {
	const longest = 600
	open := strings.IndexByte(s[:min(len(s), longest)], '(')
	if open < 0 {
		return s
	}
	closing := strings.IndexByte(s[open:min(len(s), open+longest)], ')')
	if closing < 0 || s[open+closing-1] != ']' || sourceAddress(s[open:open+closing+1]) == "" {
		return s
	}
	end := open + closing + 1
	before := strings.TrimRight(s[:open], " ")
	if open > 0 && len(before) == open {
		return s // no blank before the bracket
	}
	if i := strings.IndexByte(before, ' '); i >= 0 {
		if r.us != "" || strings.IndexByte(before[i+1:], ' ') >= 0 {
			return s // more words: a text in which such a bracket stands
		}
		r.us = before[:i]
		r.ss = s[i+1 : end]
	} else {
		r.ss = s[:end]
	}
	return strings.TrimLeft(s[end:], " ")
}

// sourceAddress gives the address of "(name [address])"; "" when it is none.
func sourceAddress(s string) string {
	i := strings.LastIndexByte(s, '[')
	if i < 0 || len(s) < i+4 {
		return ""
	}
	addr := s[i+1 : len(s)-2]
	addr = strings.TrimPrefix(addr, "IPv6:")
	if !isAddress(addr) {
		return ""
	}
	return addr
}

// isAddress reports whether s may be an IP address.
func isAddress(s string) bool {
	dots, colons := 0, 0
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case digit(c), c|0x20-'a' < 6:
		case c == '.':
			dots++
		case c == ':':
			colons++
		default:
			return false
		}
	}
	return dots == 3 || colons >= 2
}

// cutFilter passes over the Sieve actions of LOG_FILTER, which stand in quotes.
func cutFilter(s string) string {
	if s == "" || s[0] != '\'' && s[0] != '"' {
		return s
	}
	for i := 1; i < len(s); i++ {
		if s[i] == s[0] && (i+1 == len(s) || s[i+1] == ' ') {
			return strings.TrimLeft(s[i+1:], " ")
		}
	}
	return s
}

// cutTransport cuts "TCP|ip|port|ip|port", the application information and
// the queue time from the end of a record. In brackets it is a part of the
// diagnostic.
func (r *record) cutTransport(s string) string {
	if strings.IndexByte(s, '|') < 0 {
		return s
	}
	i := strings.LastIndex(s, "TCP|")
	if i < 0 || i > 0 && s[i-1] != ' ' {
		return s
	}
	tail := s[i:]
	if strings.Count(tail, "|") < 4 {
		return s
	}
	n := addressEnd(tail)
	r.tr = tail[:n]
	tail = strings.TrimLeft(tail[n:], " ")
	if j := strings.LastIndexByte(tail, ' '); j >= 0 {
		if _, rest, ok := cutNumber(tail[j+1:]); ok && rest == "" {
			r.qt, tail = tail[j+1:], strings.TrimRight(tail[:j], " ")
		}
	}
	r.ap = tail
	return strings.TrimRight(s[:i], " ")
}
