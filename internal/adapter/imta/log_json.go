package imta

import (
	"strings"
	"time"

	"github.com/mtawatch/mtawatch/internal/adapter"
	"github.com/mtawatch/mtawatch/internal/mta"
)

// maxNesting bounds how deep the objects of a JSON record may lie in each other.
const maxNesting = 8

// jsonReader goes through one JSON value.
type jsonReader struct {
	p      *parser
	s      string
	skip   int  // how many values are open whose members are not the record's
	header bool // it is the record of a header line
	err    error
}

// parseJSON reads a record of LOG_FORMAT 5 or 6: see the package comment for
// what is taken from it.
func (p *parser) parseJSON(dst []mta.Event, s string, at time.Time) ([]mta.Event, error) {
	p.rec = record{time: at}
	r := jsonReader{p: p, s: s}
	if !r.object(0) {
		if r.err != nil {
			return dst, r.err
		}
		return dst, adapter.Malformed("JSON", r.s)
	}
	if rest := strings.Trim(r.s, " \t\r,"); rest != "" {
		return dst, adapter.Malformed("JSON", rest)
	}
	switch {
	case p.rec.ac == "" && r.header:
		return dst, nil
	case p.rec.ac == "":
		return dst, adapter.ErrUnknownLine
	case p.rec.time.IsZero():
		return dst, adapter.Malformed("time", s)
	}
	return p.event(dst, "")
}

func (r *jsonReader) blanks() {
	i := 0
	for i < len(r.s) && (r.s[i] == ' ' || r.s[i] == '\t') {
		i++
	}
	r.s = r.s[i:]
}

// next takes the byte c, with blanks before it.
func (r *jsonReader) next(c byte) bool {
	r.blanks()
	if r.s == "" || r.s[0] != c {
		return false
	}
	r.s = r.s[1:]
	return true
}

// object reads an object, and stores the attributes in it and in those below.
func (r *jsonReader) object(depth int) bool {
	if depth > maxNesting || !r.next('{') {
		return false
	}
	if r.next('}') {
		return true
	}
	for {
		r.blanks()
		name, ok := r.text()
		if !ok || !r.next(':') || !r.member(attribute(name), depth) {
			return false
		}
		if r.next('}') {
			return true
		}
		if !r.next(',') {
			return false
		}
	}
}

// attribute gives the name of an attribute in that of a member: what follows
// the last sign that may stand between, as in "en.ts" or "en_ts".
func attribute(name string) string {
	if n := len(name); n > 2 && strings.IndexByte("._:-/@", name[n-3]) >= 0 {
		return name[n-2:]
	}
	return name
}

// member reads the value of a member.
func (r *jsonReader) member(name string, depth int) bool {
	r.blanks()
	if r.s == "" {
		return false
	}
	switch r.s[0] {
	case '"':
		v, ok := r.text()
		if !ok {
			return false
		}
		if v == "he" && len(name) > 2 { // "type":"he"
			r.header = true
		}
		return r.set(name, v)
	case '{':
		if name != "he" {
			return r.object(depth + 1)
		}
		r.header = true
		return r.passOver(r.object, depth)
	case '[':
		return r.passOver(r.array, depth)
	}
	v := r.word()
	return v != "" && (v == "null" || r.set(name, v))
}

// passOver reads a value whose members are not the record's: a list, or a header line.
func (r *jsonReader) passOver(read func(depth int) bool, depth int) bool {
	r.skip++
	ok := read(depth + 1)
	r.skip--
	return ok
}

func (r *jsonReader) set(name, v string) bool {
	if r.skip == 0 {
		r.err = r.p.set(name, v)
	}
	return r.err == nil
}

// array reads an array.
func (r *jsonReader) array(depth int) bool {
	if depth > maxNesting || !r.next('[') {
		return false
	}
	if r.next(']') {
		return true
	}
	for {
		if !r.member("", depth) {
			return false
		}
		if r.next(']') {
			return true
		}
		if !r.next(',') {
			return false
		}
	}
}

// word reads a number, true, false or null.
func (r *jsonReader) word() string {
	i := 0
	for i < len(r.s) {
		if c := r.s[i]; !digit(c) && c|0x20-'a' > 25 && c != '.' && c != '-' && c != '+' {
			break
		}
		i++
	}
	v := r.s[:i]
	r.s = r.s[i:]
	return v
}

// text reads a string.
func (r *jsonReader) text() (string, bool) {
	if r.s == "" || r.s[0] != '"' {
		return "", false
	}
	s := r.s[1:]
	end := strings.IndexByte(s, '"')
	if end < 0 {
		return "", false
	}
	if strings.IndexByte(s[:end], '\\') < 0 {
		r.s = s[end+1:]
		return s[:end], true
	}
	for end = 0; ; end++ {
		if end >= len(s) {
			return "", false
		}
		if s[end] == '"' {
			break
		}
		if s[end] == '\\' {
			end++
		}
	}
	r.s = s[end+1:]
	return r.p.text.json(s[:end]), true
}

// json replaces the escapes of a JSON string. What is none stays as it is.
func (u *unescaper) json(s string) string {
	from := u.room(len(s))
	for {
		i := strings.IndexByte(s, '\\')
		if i < 0 || i+1 == len(s) {
			break
		}
		u.b.WriteString(s[:i])
		s = s[i+1:]
		n := 1
		switch s[0] {
		case 'n', 'r', 't', 'b', 'f':
			u.b.WriteByte(' ')
		case 'u':
			n = u.unicode(s)
		default:
			u.b.WriteByte(s[0])
		}
		s = s[n:]
	}
	u.b.WriteString(s)
	return u.b.String()[from:]
}

// unicode writes the character of "u00e4", or of a pair of surrogates, and
// gives its length.
func (u *unescaper) unicode(s string) int {
	hi, ok := hex4(s[1:])
	if !ok {
		u.b.WriteByte('u')
		return 1
	}
	if hi >= 0xD800 && hi < 0xDC00 && len(s) > 7 && s[5] == '\\' && s[6] == 'u' {
		if lo, ok := hex4(s[7:]); ok && lo >= 0xDC00 && lo < 0xE000 {
			u.b.WriteRune(0x10000 + (hi-0xD800)<<10 + (lo - 0xDC00))
			return 11
		}
	}
	if hi < ' ' {
		hi = ' '
	}
	u.b.WriteRune(hi)
	return 5
}

func hex4(s string) (rune, bool) {
	if len(s) < 4 {
		return 0, false
	}
	n := rune(0)
	for i := range 4 {
		d, ok := hexDigit(s[i])
		if !ok {
			return 0, false
		}
		n = n<<4 | rune(d)
	}
	return n, true
}
