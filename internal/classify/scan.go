package classify

import "strings"

// What a byte can be to the scanner, as bits.
const (
	isSep   = 1 << iota // parts words
	isAngle             // '<', parts words and may begin an address
	isAt
	isDot
	isDigit
	isSlash
)

var byteKinds = makeByteKinds()

func makeByteKinds() (t [256]uint8) {
	for _, c := range []byte(" \t\r\n\v\f;,()\"[]{}|") {
		t[c] = isSep
	}
	t['<'] = isAngle
	t['@'] = isAt
	t['.'] = isDot
	t['/'] = isSlash
	for c := '0'; c <= '9'; c++ {
		t[c] = isDigit
	}
	return t
}

// maxAngle bounds how far a '>' is looked for: the longest path of RFC 5321
// has 256 bytes.
const maxAngle = 320

// A scanner reads one text: it takes the codes out and gives the words to the
// automaton. Names, addresses and numbers leave no trace, so that
// "user <a@b> unknown" reads as "user unknown".
type scanner struct {
	c     *Classifier // nil: only the codes
	text  string
	found *set

	state uint32
	codes codes
	dsn   string // the enhanced code as it stands in the text
}

func (s *scanner) scan() {
	if s.c != nil {
		s.state = s.c.auto.start
	}
	text := s.text
	for i := 0; i < len(text); {
		kind := byteKinds[text[i]]
		if kind&isSep != 0 {
			i++
			continue
		}
		if kind&isAngle != 0 {
			i = s.angle(i)
			continue
		}
		from, flags := i, uint8(0)
		for i < len(text) {
			kind := byteKinds[text[i]]
			if kind&(isSep|isAngle) != 0 {
				break
			}
			flags |= kind
			i++
		}
		if flags == 0 {
			s.feed(from, i)
			continue
		}
		i = s.odd(from, i, flags)
	}
}

// angle passes over "<...>" at i, and over the '<' alone when no name stands
// between.
func (s *scanner) angle(i int) int {
	rest := s.text[i+1 : min(len(s.text), i+1+maxAngle)]
	end := strings.IndexByte(rest, '>')
	if end < 0 || strings.IndexByte(rest[:end], ' ') >= 0 && (end == 0 || rest[0] != '"') {
		return i + 1
	}
	return i + 1 + end + 1
}

// odd treats a word with a digit, a dot, a slash or an '@' in it, and
// gives the place to go on from.
func (s *scanner) odd(from, to int, flags uint8) int {
	text := s.text
	if flags&isDigit != 0 {
		if b := text[from]; digit(b) || b == '#' || b == '\'' {
			if next := s.code(from, to); next > from {
				return next
			}
		}
		if number(text[from:to]) {
			return to
		}
	}
	url := flags&isSlash != 0 && strings.Contains(text[from:to], "//")
	switch {
	case url:
		s.name(from, to, flags&isAt != 0)
	case flags&isAt != 0:
		// "bob@example.com:blocked": the address ends at the colon.
		if i := strings.LastIndexAny(text[from:to], "@:"); text[from+i] == ':' {
			return from + i + 1
		}
	case to < len(text) && text[to] == '[' && bracketsAddress(text[to+1:]):
	case flags&isDot != 0:
		host, is := hostname(text[from:to])
		switch {
		case !is:
			s.feed(from, to)
		case host == len(text[from:to]) || text[from+host] != '=':
			if !s.spoken(from, to) {
				s.name(from, to, false)
			}
		}
	default:
		s.feed(from, to)
	}
	return to
}

// code takes the codes that stand at from and gives the end of what it took,
// or from when no code stands there.
func (s *scanner) code(from, to int) int {
	text := s.text
	at := from
	if text[at] == '#' || text[at] == '\'' {
		at++
	}
	code, n := parseCode(text[at:to])
	if n == 0 {
		d, m := parseDSN(text[at:])
		if m == 0 {
			return from
		}
		if at > from || leads(text, from) {
			s.setDSN(at, m, d)
		}
		return at + m
	}
	next := at + n
	dsnAt := next
	if dsnAt < len(text) && (text[dsnAt] == ' ' || text[dsnAt] == '-') {
		dsnAt++
	}
	if dsnAt < len(text) && text[dsnAt] == '#' {
		dsnAt++
	}
	d, m := parseDSN(text[dsnAt:])
	if m > 0 && text[dsnAt] == text[at] {
		if s.codes.smtp == 0 {
			s.codes.smtp = code
		}
		s.setDSN(dsnAt, m, d)
		return dsnAt + m
	}
	first := leads(text, from)
	if s.codes.smtp == 0 && first {
		s.codes.smtp = code
	}
	switch {
	case next < to && text[next] == '-':
		return next + 1
	case next == to || first:
		return next
	}
	return from
}

// setDSN notes the enhanced code d of n bytes at at, if it is the first.
func (s *scanner) setDSN(at, n int, d [3]int) {
	if s.dsn == "" {
		s.dsn, s.codes.dsn = s.text[at:at+n], d
	}
}

// leads reports whether a code may stand at i: after a colon or another mark
// that begins a reply.
func leads(text string, i int) bool {
	i--
	for i >= 0 && text[i] == ' ' {
		i--
	}
	return i < 0 || strings.IndexByte(":;('\"<[", text[i]) >= 0
}

// spoken reports whether the name at from belongs to the server that was
// talked to, or to a domain of the message, rather than to what the reply names.
func (s *scanner) spoken(from, to int) bool {
	text := s.text
	for to < len(text) && text[to] == ' ' {
		to++
	}
	if to < len(text) && text[to] == '[' && bracketsAddress(text[to+1:]) {
		return true
	}
	before := strings.TrimRight(text[:from], " '\"(")
	switch before[strings.LastIndexByte(before, ' ')+1:] {
	case "host", "with", "to", "for", "from", "domain", "server", "name":
		return true
	}
	return false
}

// feed gives a word and the space after it to the automaton.
func (s *scanner) feed(from, to int) {
	if s.c == nil {
		return
	}
	next, state := s.c.auto.next, s.state
	word := s.text[from:to]
	for i := 0; i < len(word); i++ {
		state = next[state+uint32(byteClasses[word[i]])]
		if state&hitBit != 0 {
			state &^= hitBit
			s.hit(state)
		}
		if state == 0 {
			// No phrase goes on here: to the next edge.
			for i+1 < len(word) && byteClasses[word[i+1]] != classSpace {
				i++
			}
		}
	}
	state = next[state+classSpace]
	if state&hitBit != 0 {
		state &^= hitBit
		s.hit(state)
	}
	s.state = state
}

func (s *scanner) hit(state uint32) {
	a := s.c.auto
	h := a.hits[state/numClasses]
	for _, id := range a.found[h.from:h.to] {
		s.found.add(id)
	}
}

// name looks in a host name or URL for the phrases that are known names. With
// address an '@' stands in it; what follows '?' is then not read.
func (s *scanner) name(from, to int, address bool) {
	if s.c == nil {
		return
	}
	a := s.c.auto
	state := a.start
	for i := from; i <= to; i++ {
		class := uint8(classSpace)
		if i < to {
			if address && (s.text[i] == '?' || s.text[i] == '@') {
				break
			}
			class = byteClasses[s.text[i]]
		}
		state = a.next[int(state)+int(class)]
		if state&hitBit == 0 {
			continue
		}
		state &^= hitBit
		h := a.hits[state/numClasses]
		for _, id := range a.found[h.from:h.to] {
			if s.c.names.has(id) {
				s.found.add(id)
			}
		}
	}
}
