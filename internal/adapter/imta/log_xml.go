package imta

import (
	"strings"
	"time"

	"github.com/mtawatch/mtawatch/internal/adapter"
	"github.com/mtawatch/mtawatch/internal/mta"
)

// parseXML reads an element of LOG_FORMAT 4: en for a message, co for a
// connection, he for a header line, which says nothing of interest here.
// Attributes come in any order. at is the time of an element without one.
func (p *parser) parseXML(dst []mta.Event, s string, at time.Time) ([]mta.Event, error) {
	if len(s) < 4 || s[3] != ' ' && s[3] != '\t' {
		return dst, elementError(s)
	}
	switch s[1:3] {
	case "en", "co":
	case "he":
		return dst, nil
	default:
		return dst, elementError(s)
	}
	p.rec = record{time: at}
	rest, err := p.readAttributes(s[4:])
	if err != nil {
		return dst, err
	}
	if rest = strings.TrimRight(rest, " \t\r"); rest != "/>" && rest != ">" && rest != "></en>" && rest != "></co>" {
		return dst, adapter.Malformed("element", rest)
	}
	if p.rec.time.IsZero() {
		return dst, adapter.Malformed("time", s)
	}
	if s[1] == 'c' && !p.rec.connection() {
		return dst, adapter.Malformed("direction", p.rec.dc)
	}
	return p.event(dst, "")
}

// elementError is what a line that begins with "<" and is no element of ours
// gives: nothing for what may stand around the elements.
func elementError(s string) error {
	for _, begin := range [...]string{"<?xml", "<!", "</", "<log", "<mail"} {
		if strings.HasPrefix(s, begin) {
			return nil
		}
	}
	return adapter.ErrUnknownLine
}

// readAttributes reads name="value" up to the end of the element.
func (p *parser) readAttributes(s string) (rest string, err error) {
	for {
		i := 0
		for i < len(s) && (s[i] == ' ' || s[i] == '\t') {
			i++
		}
		s = s[i:]
		if s == "" || s[0] == '/' || s[0] == '>' {
			return s, nil
		}
		eq := strings.IndexByte(s, '=')
		if eq <= 0 || eq+2 >= len(s) || s[eq+1] != '"' && s[eq+1] != '\'' {
			return s, adapter.Malformed("attribute", s)
		}
		name := s[:eq]
		v := s[eq+2:]
		end := strings.IndexByte(v, s[eq+1])
		if end < 0 {
			return s, adapter.Malformed("attribute", s)
		}
		s, v = v[end+1:], v[:end]
		if strings.IndexByte(v, '&') >= 0 {
			v = p.text.xml(v)
		}
		if err := p.set(name, v); err != nil {
			return s, err
		}
	}
}

// set stores an attribute of the XML and JSON formats.
func (p *parser) set(name, v string) error {
	if name == "ts" {
		if rest, ok := p.stamps.cutISO(&p.rec.time, v); !ok || rest != "" {
			return adapter.Malformed("time", v)
		}
		return nil
	}
	p.rec.setAttribute(name, v)
	return nil
}

// unescaper makes the text of values with escapes in them. It makes it in
// large pieces, so that hardly a line costs memory of its own; what it gave
// never changes.
type unescaper struct{ b strings.Builder }

// room makes sure that n bytes fit without moving what is there.
func (u *unescaper) room(n int) (from int) {
	const piece = 16 << 10
	if u.b.Cap()-u.b.Len() < n {
		u.b.Reset()
		u.b.Grow(max(piece, n))
	}
	return u.b.Len()
}

// xml replaces the entities of XML. What is none stays as it is.
func (u *unescaper) xml(s string) string {
	if inner, ok := strings.CutPrefix(s, "&lt;"); ok {
		if inner, ok = strings.CutSuffix(inner, "&gt;"); ok && strings.IndexByte(inner, '&') < 0 {
			return inner // one in angle brackets: they are not missed anywhere
		}
	}
	from := u.room(len(s))
	for {
		i := strings.IndexByte(s, '&')
		if i < 0 {
			break
		}
		u.b.WriteString(s[:i])
		s = s[i:]
		n := u.entity(s)
		s = s[n:]
	}
	u.b.WriteString(s)
	return u.b.String()[from:]
}

// entity writes what an entity at the begin of s stands for, and gives its
// length.
func (u *unescaper) entity(s string) int {
	const longest = len("&#x10FFFF;")
	end := strings.IndexByte(s[:min(len(s), longest)], ';')
	if end > 1 {
		switch name := s[1:end]; {
		case name == "lt":
			u.b.WriteByte('<')
		case name == "gt":
			u.b.WriteByte('>')
		case name == "amp":
			u.b.WriteByte('&')
		case name == "quot":
			u.b.WriteByte('"')
		case name == "apos":
			u.b.WriteByte('\'')
		case name[0] == '#' && u.number(name[1:]):
		default:
			end = -1
		}
	}
	if end <= 1 {
		u.b.WriteByte('&')
		return 1
	}
	return end + 1
}

// number writes the character of "38" or "x26".
func (u *unescaper) number(s string) bool {
	base := rune(10)
	if s != "" && s[0]|0x20 == 'x' {
		base, s = 16, s[1:]
	}
	n := rune(0)
	for i := 0; i < len(s); i++ {
		d, ok := hexDigit(s[i])
		if !ok || rune(d) >= base {
			return false
		}
		n = n*base + rune(d)
	}
	if s == "" || n == 0 || n > 0x10FFFF {
		return false
	}
	u.b.WriteRune(n)
	return true
}
