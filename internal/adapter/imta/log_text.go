package imta

import (
	"strings"
	"time"

	"github.com/mtawatch/mtawatch/internal/adapter"
	"github.com/mtawatch/mtawatch/internal/mta"
)

// parseText reads a record of LOG_FORMAT 1, 2 or 3 that begins with its time.
func (p *parser) parseText(dst []mta.Event, s string) ([]mta.Event, error) {
	var t time.Time
	rest, ok := p.stamps.cutShort(&t, s)
	if !ok {
		return dst, adapter.Malformed("time", s)
	}
	p.rec = record{time: t}
	if err := p.rec.readText(rest); err != nil {
		return dst, err
	}
	return p.event(dst, "")
}

// readText reads what follows the time.
func (r *record) readText(s string) error {
	rest, err := r.readHead(s)
	if err != nil {
		return err
	}
	if r.connection() {
		r.readConnection(rest)
		return nil
	}
	n, after, ok := cutNumber(rest)
	if !ok || after == "" || after[0] != ' ' {
		return adapter.Malformed("size", rest)
	}
	r.blocks, r.hasSize = n, true
	after = after[1:]
	if counted(after) {
		r.readCounted(after)
		return nil
	}
	if _, rest, ok := cutNumber(after); ok && rest != "" && rest[0] == ':' { // no address begins so
		return adapter.Malformed("count", after)
	}
	r.readFields(after)
	return nil
}

// word is a part of a line, by its place.
type word struct{ from, to int }

func (w word) of(s string) string { return s[w.from:w.to] }

// readHead reads "[node] [process] source [destination] code " and gives what
// follows. The code is the first word in upper case that a size follows, or a
// "+" or "-" precedes; what stands before it tells the rest.
func (r *record) readHead(s string) (rest string, err error) {
	var words [5]word
	n, i := 0, 0
	for {
		for i < len(s) && s[i] == ' ' {
			i++
		}
		from := i
		for i < len(s) && s[i] != ' ' {
			i++
		}
		if from == i {
			return s, adapter.ErrUnknownLine
		}
		w := word{from, i}
		if n > 0 && isCode(s[from:i]) {
			for i < len(s) && s[i] == ' ' {
				i++
			}
			prev := words[n-1].of(s)
			if connection := prev == "+" || prev == "-"; connection || i < len(s) && digit(s[i]) {
				r.ac = w.of(s)
				return s[i:], r.setHead(s, words[:n], from)
			}
			i = w.to
		}
		if n == len(words) {
			return s, adapter.ErrUnknownLine
		}
		words[n] = w
		n++
	}
}

// isCode reports whether a word may be an entry code: an action and its
// modifiers, all in upper case.
func isCode(s string) bool {
	const longest = 10
	if len(s) > longest {
		return false
	}
	for i := 0; i < len(s); i++ {
		if s[i]-'A' > 25 {
			return false
		}
	}
	return true
}

// setHead names the words before the code, which stands at code.
func (r *record) setHead(s string, words []word, code int) error {
	if len(words) > 1 && isProcess(words[1].of(s)) {
		r.node, r.pi, words = words[0].of(s), words[1].of(s), words[2:]
	} else if len(words) > 1 && isProcess(words[0].of(s)) {
		r.pi, words = words[0].of(s), words[1:]
	}
	switch {
	case len(words) == 3 && r.pi == "":
		r.node, words = words[0].of(s), words[1:]
	case len(words) == 2 && r.pi == "" && nodeFirst(s, words, code):
		r.node, words = words[0].of(s), words[1:]
	}
	switch len(words) {
	case 1:
		r.sc = words[0].of(s)
	case 2:
		r.sc, r.dc = words[0].of(s), words[1].of(s)
	default:
		return adapter.Malformed("channel", s)
	}
	r.node, r.sc, r.dc = bare(r.node), bare(r.sc), bare(r.dc)
	return nil
}

// bare takes away the length before a name, where LOG_FORMAT 3 gives names
// one: that they are fields of variable length is not documented.
func bare(s string) string {
	if v, rest, ok := cutCounted(s); ok && rest == "" {
		return v
	}
	return s
}

// nodeFirst reports whether two words before the code are a node and a source
// channel, not two channels: the column of the destination is empty then, or
// where blanks were collapsed, the first has a dot, as no channel has.
func nodeFirst(s string, words []word, code int) bool {
	const column = len("tcp_local    ")
	if w := words[1].of(s); w == "+" || w == "-" {
		return false
	}
	gap := code - words[1].from
	return gap > column && gap > len(words[1].of(s))+1 || strings.IndexByte(words[0].of(s), '.') >= 0
}

// readFields reads sender, recipient and all that follows in formats 1 and 2.
func (r *record) readFields(s string) {
	switch {
	case s == "":
		return
	case s[0] == ' ':
		r.noFrom = true
		s = strings.TrimLeft(s, " ")
	case strings.HasPrefix(s, "<>") && (len(s) == 2 || s[2] == ' '):
		r.noFrom = true
		s = strings.TrimLeft(s[2:], " ")
	default:
		n := addressEnd(s)
		if isTyped(s[:n]) { // blanks were collapsed
			r.noFrom = true
			break
		}
		n = senderEnd(s, n)
		r.so = unbracketed(s[:n])
		s = strings.TrimLeft(s[n:], " ") // an extra blank is an empty original recipient
	}
	if n := addressEnd(s); isTyped(s[:n]) || s[:n] == "<>" {
		if s[:n] != "<>" {
			r.od = s[:n]
		}
		s = strings.TrimLeft(s[n:], " ")
	}
	if r.ac[0] == 'B' {
		r.readCommand(s)
		return
	}
	n := addressEnd(s)
	r.de = unbracketed(s[:n])
	if _, _, isFile := queueFile(r.de); isFile && strings.IndexByte(r.de, '/') >= 0 {
		r.de, n = "", 0
	}
	r.readOptional(strings.TrimLeft(s[n:], " "))
}

// readCommand reads what a B record has for the recipient: the bad command as
// it came, and our reply, by whose code the command ends.
func (r *record) readCommand(s string) {
	at := replyAt(s)
	if at < 0 {
		r.de = s
		return
	}
	r.de, r.di = strings.TrimRight(s[:at], " "), s[at:]
}

// addressEnd gives the length of the address that s begins with: it ends at a
// blank outside of quotes.
func addressEnd(s string) int {
	end := strings.IndexByte(s, ' ')
	if end < 0 {
		end = len(s)
	}
	if strings.IndexByte(s[:end], '"') < 0 {
		return end
	}
	quoted := false
	for i := 0; i < len(s); i++ {
		switch s[i] {
		case '\\':
			i++
		case '"':
			quoted = !quoted
		case ' ':
			if !quoted {
				return i
			}
		}
	}
	if quoted { // the quote does not end: a name with a quote in it
		return end
	}
	return len(s)
}

// senderEnd gives the length of the sender that s begins with, the first n
// bytes of which end at a blank. A local part with blanks may come without
// quotes; it is known by the original recipient behind the one "@" word.
func senderEnd(s string, n int) int {
	const mark, longest = " rfc822;", 320
	if strings.IndexByte(s[:n], '@') >= 0 {
		return n
	}
	end := strings.Index(s[:min(len(s), longest)], mark)
	if end <= n {
		return n
	}
	if last := strings.LastIndexByte(s[:end], ' '); strings.IndexByte(s[:end], '@') > last {
		return end
	}
	return n
}

// unbracketed takes away the angle brackets around an address.
func unbracketed(s string) string {
	if n := len(s); n > 1 && s[0] == '<' && s[n-1] == '>' {
		return s[1 : n-1]
	}
	return s
}

// isTyped reports whether a word has the form of an original recipient:
// "rfc822;" or another type before a semicolon.
func isTyped(s string) bool {
	if len(s) >= 7 && s[6] == ';' && (s[:6] == "rfc822" || strings.EqualFold(s[:6], "rfc822")) {
		return true
	}
	const longest = 16
	for i := 0; i < len(s) && i < longest; i++ {
		c := s[i]
		if c == ';' {
			return i > 1
		}
		if !digit(c) && c|0x20-'a' > 25 && c != '-' {
			return false
		}
	}
	return false
}
