package syslog

import (
	"strings"
	"time"
)

// Header is one log line, taken apart.
type Header struct {
	Time    time.Time // as exact as the line gives
	Host    string    // "" when the line names none
	Tag     string    // program name, without process id; "" when the line has none
	PID     int32     // 0 when there is none
	Message string    // the rest
}

// Config is how a Reader reads. The zero value reads stamps without a zone as
// UTC and takes missing years from the reference time of each line.
type Config struct {
	Location *time.Location // zone of stamps that carry none; nil is UTC
	// Year is the year of the first stamp that carries none; later ones go on
	// from there, over any number of turns of the year. 0 takes the latest year
	// that does not put the stamp more than a day after the reference time.
	Year int
}

// A Reader reads the heads of log lines, in order. It remembers the last
// stamp, so that a second that repeats costs next to nothing. One goroutine
// uses it.
type Reader struct {
	loc  *time.Location
	year int       // of the configuration; 0: from the reference time
	last time.Time // last stamp without year, when year is set

	bsd    stampCache
	iso    stampCache
	zones  [4]zone
	turn   int  // next entry of zones to replace
	noZone zone // stands for a stamp without one

	isoZone   *zone     // the zone of isoSecond; nil: none is known
	isoSecond time.Time // the stamp in iso, in this zone
	isoHour   isoHour
	bsdHour   bsdHour

	origins [32]origin
	known   uint32 // of the line read last
	numbers uint32 // given out so far
}

// origin is a "host tag" that was read before. The text is copied, so that
// the memory of old lines is neither kept nor trusted.
type origin struct {
	text   [62]byte
	n      uint8 // length of the text
	host   uint8 // length of the host; the tag begins after one blank
	number uint32
}

// New gives a Reader.
func New(cfg Config) *Reader {
	loc := cfg.Location
	if loc == nil {
		loc = time.UTC
	}
	return &Reader{loc: loc, year: cfg.Year}
}

// Parse reads one line into h. The reference time is a moment at or shortly
// after the writing of the line; it matters only for stamps without a year.
// It reports false, with h of no use, when the line does not begin with a
// stamp that can be read.
func (r *Reader) Parse(h *Header, text string, ref time.Time) bool {
	r.known = 0
	s := text
	if len(s) > 0 && s[0] == '<' {
		s = skipPriority(s)
		if strings.HasPrefix(s, "1 ") {
			return r.parse5424(h, s[2:])
		}
	}
	if len(s) < len("Nov 3 12:00:00") {
		return false
	}
	var ok bool
	if c := s[0]; c >= '0' && c <= '9' {
		s, ok = r.isoStamp(&h.Time, s)
	} else {
		s, ok = r.bsdStamp(&h.Time, s, ref)
	}
	return ok && r.parseOrigin(h, s)
}

// parseOrigin reads "host tag[pid]: message". It looks first among the hosts
// and tags that it knows.
func (r *Reader) parseOrigin(h *Header, s string) bool {
	i := strings.IndexByte(s, '[')
	if i < 4 || i > len(origin{}.text) {
		return parseOrigin(h, s)
	}
	o := &r.origins[(i+int(s[i-1])+int(s[i-2])*5+int(s[i-3])*3)%len(r.origins)]
	if string(o.text[:o.n]) == s[:i] && parseTagPID(h, s, i) {
		h.Host, h.Tag = s[:o.host], s[o.host+1:i]
		r.known = o.number
		return true
	}
	if !parseOrigin(h, s) {
		return false
	}
	// Only what is read the same way again is remembered.
	if n := len(h.Host); n > 0 && h.PID != 0 && n+1+len(h.Tag) == i && s[n+1:i] == h.Tag {
		o.n = uint8(copy(o.text[:], s[:i]))
		o.host = uint8(n)
		r.numbers++
		o.number, r.known = r.numbers, r.numbers
	}
	return true
}

// Origin gives a number for the host and tag of the line that was read last.
// Two lines with the same number, other than 0, have the same host and tag:
// what was found out about them once need not be found out again.
func (r *Reader) Origin() uint32 { return r.known }

// skipPriority skips "<22>" at the begin of a line.
func skipPriority(s string) string {
	for i := 1; i < len(s) && i < 5; i++ {
		if s[i] == '>' {
			return strings.TrimPrefix(s[i+1:], " ")
		}
		if s[i] < '0' || s[i] > '9' {
			break
		}
	}
	return s
}

// parseOrigin reads "host tag[pid]: message" and its variants.
func parseOrigin(h *Header, s string) bool {
	h.Host, h.Tag, h.PID, h.Message = "", "", 0, ""
	if len(s) > 0 && s[0] == '<' {
		s = skipFacility(s)
	}
	i := strings.IndexByte(s, ' ')
	if i < 0 {
		// "tag[pid]:" with an empty message, or a line cut in the host name.
		return len(s) > 0 && parseTag(h, s)
	}
	if word := s[:i]; i > 0 && word[i-1] == ':' && parseTag(h, s) {
		return true
	}
	h.Host = s[:i]
	s = skipFacility(strings.TrimLeft(s[i+1:], " "))
	if !parseTag(h, s) {
		h.Message = s // "last message repeated 3 times", or a cut line
	}
	return true
}

// skipFacility skips the "<mail.info> " of BSD and the "mail:info " of AIX.
func skipFacility(s string) string {
	const longest = len("<authpriv.warning>")
	if len(s) > 0 && s[0] == '<' {
		if i := strings.IndexByte(s, '>'); i > 0 && i < longest {
			return strings.TrimLeft(s[i+1:], " ")
		}
		return s
	}
	for i := 0; i < len(s) && i < longest; i++ {
		switch c := s[i]; {
		case c == ':' && i > 0 && i+1 < len(s) && s[i+1] != ' ':
			if j := strings.IndexByte(s, ' '); j > i && j < longest && s[j-1] != ':' {
				return s[j+1:]
			}
			return s
		case (c < 'a' || c > 'z') && (c < '0' || c > '7'):
			return s
		}
	}
	return s
}

// parseTag reads "tag[pid]: message" or "tag: message". It reports false,
// and changes nothing, when s has no tag.
func parseTag(h *Header, s string) bool {
	for i := 0; i < len(s); i++ {
		switch s[i] {
		case '[':
			return i > 0 && parseTagPID(h, s, i)
		case ':':
			if i > 0 && (i+1 == len(s) || s[i+1] == ' ') {
				h.Tag, h.PID, h.Message = s[:i], 0, message(s[i+1:])
				return true
			}
		case ' ':
			return false
		}
	}
	return false
}

// parseTagPID reads the process id of "tag[pid]: message"; the bracket is at i.
func parseTagPID(h *Header, s string, i int) bool {
	pid, j := uint64(0), i+1
	for ; j < len(s); j++ {
		d := uint64(s[j] - '0')
		if d > 9 {
			break
		}
		if pid = pid*10 + d; pid > 1<<31-1 {
			return false
		}
	}
	if j == i+1 || j+1 >= len(s) || s[j] != ']' || s[j+1] != ':' {
		return false
	}
	h.Tag, h.PID, s = s[:i], int32(pid), s[j+2:]
	if len(s) > 1 && s[0] == ' ' && s[1] != '[' { // nearly always
		h.Message = s[1:]
		return true
	}
	h.Message = message(s)
	return true
}

// message skips the blank before the message and the "[ID n facility.level]"
// that Solaris puts there.
func message(s string) string {
	if len(s) > 0 && s[0] == ' ' {
		s = s[1:]
	}
	if strings.HasPrefix(s, "[ID ") {
		if i := strings.Index(s, "] "); i > 0 && i < 48 {
			return s[i+2:]
		}
	}
	return s
}

// parse5424 reads what follows "<PRI>1 " in a line of RFC 5424.
func (r *Reader) parse5424(h *Header, s string) bool {
	s, ok := r.isoStamp(&h.Time, s)
	if !ok {
		return false
	}
	host, s, ok1 := strings.Cut(s, " ")
	app, s, ok2 := strings.Cut(s, " ")
	proc, s, ok3 := strings.Cut(s, " ")
	_, s, ok4 := strings.Cut(s, " ") // message id
	if !ok1 || !ok2 || !ok3 || !ok4 {
		return false
	}
	if s, ok = skipStructured(s); !ok {
		return false
	}
	h.Host, h.Tag = nilValue(host), nilValue(app)
	h.PID = processID(proc)
	h.Message = strings.TrimPrefix(s, "\ufeff")
	return true
}

func nilValue(s string) string {
	if s == "-" {
		return ""
	}
	return s
}

// processID gives 0 for a process id that is not a number: RFC 5424 allows any text.
func processID(s string) int32 {
	if len(s) == 0 || len(s) > 10 {
		return 0
	}
	n := int64(0)
	for i := 0; i < len(s); i++ {
		if s[i] < '0' || s[i] > '9' {
			return 0
		}
		n = n*10 + int64(s[i]-'0')
	}
	if n > 1<<31-1 {
		return 0
	}
	return int32(n)
}

// skipStructured skips the structured data of RFC 5424, section 6.3, and the
// blank after it.
func skipStructured(s string) (string, bool) {
	if strings.HasPrefix(s, "-") {
		s = s[1:]
	} else {
		for len(s) > 0 && s[0] == '[' {
			end := elementEnd(s)
			if end < 0 {
				return s, false
			}
			s = s[end:]
		}
	}
	if s == "" {
		return s, true
	}
	return s[1:], s[0] == ' '
}

// elementEnd gives the length of the element that s begins with; -1 when it
// has no end.
func elementEnd(s string) int {
	quoted := false
	for i := 1; i < len(s); i++ {
		switch {
		case quoted && s[i] == '\\':
			i++
		case s[i] == '"':
			quoted = !quoted
		case !quoted && s[i] == ']':
			return i + 1
		}
	}
	return -1
}
