package imta

import "strings"

// cutCounted cuts a field of LOG_FORMAT 3: its length, a colon, and that much
// text. A blank or the end of the line follows it. The length counts
// "characters": bytes, or where those do not come out, characters of UTF-8.
func cutCounted(s string) (v, rest string, ok bool) {
	if s == "" || !digit(s[0]) {
		return "", s, false
	}
	n, after := number(s, 5)
	if after == "" || after[0] != ':' {
		return "", s, false
	}
	after = after[1:]
	if n > len(after) || n < len(after) && after[n] != ' ' {
		if n = runes(after, n); n < 0 || n < len(after) && after[n] != ' ' {
			return "", s, false
		}
	}
	return after[:n], strings.TrimLeft(after[n:], " "), true
}

// runes gives the length of the first n characters of s; -1 when it has fewer.
func runes(s string, n int) int {
	for i := range s {
		if n == 0 {
			return i
		}
		n--
	}
	if n > 0 {
		return -1
	}
	return len(s)
}

// counted reports whether s begins with the three addresses of a record of
// LOG_FORMAT 3.
func counted(s string) bool {
	for range 3 {
		var ok bool
		if _, s, ok = cutCounted(s); !ok {
			return false
		}
	}
	return true
}

// readCounted reads sender, recipient and all that follows in format 3, of
// which counted has said that it is one. The count tells where a field ends,
// but not which it is: their order and shapes do. A field that is empty, or
// stands without a count (the numbers of LOG_NOTARY and the like), is passed over.
func (r *record) readCounted(s string) {
	r.so, s, _ = cutCounted(s)
	r.od, s, _ = cutCounted(s)
	r.de, s, _ = cutCounted(s)
	r.noFrom = r.so == "" || r.so == "<>"
	if r.noFrom {
		r.so = ""
	}
	for s != "" {
		v, rest, ok := cutCounted(s)
		if !ok {
			n := addressEnd(s)
			if _, number, is := cutNumber(s[:n]); is && number == "" {
				if r.tr != "" {
					r.qt = s[:n]
				}
			} else if r.di == "" {
				r.di = s // cut, or no field of ours: text to the end
				return
			}
			s = strings.TrimLeft(s[n:], " ")
			continue
		}
		r.setCounted(v)
		s = rest
	}
}

// setCounted finds out which field a text is.
func (r *record) setCounted(v string) {
	if v == "" {
		return
	}
	_, _, isFile := queueFile(v)
	switch {
	case r.tr != "":
		if r.ap == "" {
			r.ap = v
		}
	case strings.HasPrefix(v, "TCP|"):
		r.tr = v
	case r.file == "" && isFile && strings.IndexByte(v, '/') >= 0:
		r.file = v
	case r.mi == "" && v[0] == '<' && idEnd(v) == len(v):
		r.mi = v
	case r.us == "" && v[0] == '*':
		r.us = v
	case r.ss == "" && r.di == "" && isSource(v):
		r.ss = v
	case r.mi == "" && r.di == "" && r.file != "" && r.envID == "" && strings.IndexByte(v, ' ') < 0:
		r.envID = v
	case r.ac[0] == 'E':
		if r.us == "" && r.ss == "" && strings.IndexByte(v, ' ') < 0 {
			r.us = v
		}
	case v[0] == '\'':
	default:
		r.re, r.di = r.di, v // the last text is the diagnostic, the one before it the reason
	}
}

// isSource reports whether all of v is "HELO (name [address])".
func isSource(v string) bool {
	i := strings.IndexByte(v, '(')
	return i >= 0 && strings.HasSuffix(v, "])") && sourceAddress(v[i:]) != "" && strings.Count(v[:i], " ") <= 1
}

// readConnection reads what follows the code of a connection record in
// formats 1 to 3: the transport, the application information and a text.
func (r *record) readConnection(s string) {
	v, rest := cutField(s)
	if strings.IndexByte(v, '|') < 0 {
		r.di = s
		return
	}
	r.tr = v
	r.ap, s = cutField(rest)
	if r.ac[0] == 'U' {
		r.readAuth(s)
		return
	}
	r.di = uncounted(s)
}

// readAuth reads the end of a U record: what was found, the user and the
// reply.
func (r *record) readAuth(s string) {
	if v, rest, ok := cutCounted(s); ok {
		r.mi = v
		r.us, rest = cutField(rest)
		r.di = uncounted(rest)
		return
	}
	at := replyAt(s)
	if at < 0 {
		r.di = s
		return
	}
	r.di = s[at:]
	s = strings.TrimRight(s[:at], " ")
	if i := strings.LastIndexByte(s, ' '); i >= 0 {
		r.mi, r.us = strings.TrimRight(s[:i], " "), s[i+1:]
		return
	}
	r.us = s
}

// cutField cuts a counted field, or a word.
func cutField(s string) (v, rest string) {
	if v, rest, ok := cutCounted(s); ok {
		return v, rest
	}
	n := addressEnd(s)
	return s[:n], strings.TrimLeft(s[n:], " ")
}

// uncounted gives the first field that is not empty where s has counts, else s.
func uncounted(s string) string {
	for {
		v, rest, ok := cutCounted(s)
		if !ok || v != "" {
			if ok {
				return v
			}
			return s
		}
		s = rest
	}
}
