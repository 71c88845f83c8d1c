package imta

import (
	"strings"
	"time"
)

// record is one entry of the transaction log, whatever its format. The
// comments name the XML attributes.
type record struct {
	time time.Time
	node string // no
	pi   string
	sc   string
	dc   string // "" for all but E; "+" or "-" for a connection (dr)
	ac   string

	blocks  int64 // sz
	hasSize bool
	noFrom  bool // the sender is empty
	so      string
	od      string
	de      string

	file  string // fi
	envID string // ei
	mi    string // with angle brackets, or without
	us    string
	ss    string
	re    string
	di    string
	rm    string
	tr    string
	ap    string
	qt    string
}

// connection reports whether this is a connection record.
func (r *record) connection() bool { return r.dc == "+" || r.dc == "-" }

// setAttribute stores the value of an attribute of the XML and JSON formats. Unknown
// ones are passed over, as the vendor asks of a reader.
func (r *record) setAttribute(name, v string) {
	if len(name) != 2 {
		return
	}
	switch uint16(name[0])<<8 | uint16(name[1]) {
	case 'n'<<8 | 'o':
		r.node = v
	case 'p'<<8 | 'i':
		r.pi = v
	case 's'<<8 | 'c':
		r.sc = v
	case 'd'<<8 | 'c', 'd'<<8 | 'r':
		if v != "" {
			r.dc = v
		}
	case 'a'<<8 | 'c':
		r.ac = v
	case 's'<<8 | 'z':
		r.setSize(v)
	case 's'<<8 | 'o':
		r.so = v
	case 'o'<<8 | 'd':
		r.od = v
	case 'd'<<8 | 'e':
		r.de = v
	case 'f'<<8 | 'i':
		r.file = v
	case 'e'<<8 | 'i':
		r.envID = v
	case 'm'<<8 | 'i':
		r.mi = v
	case 'u'<<8 | 's':
		r.us = v
	case 's'<<8 | 's':
		r.ss = v
	case 'r'<<8 | 'e':
		r.re = v
	case 'd'<<8 | 'i':
		r.di = v
	case 'r'<<8 | 'm':
		r.rm = v
	case 't'<<8 | 'r':
		r.tr = v
	case 'a'<<8 | 'p':
		r.ap = v
	case 'q'<<8 | 't':
		r.qt = v
	}
}

func (r *record) setSize(v string) {
	n, rest, ok := cutNumber(v)
	if ok && rest == "" {
		r.blocks, r.hasSize = n, true
	}
}

// cutNumber reads a decimal number of at most 15 digits.
func cutNumber(s string) (n int64, rest string, ok bool) {
	i := 0
	for ; i < len(s) && digit(s[i]); i++ {
		if i == 15 {
			return 0, s, false
		}
		n = n*10 + int64(s[i]-'0')
	}
	return n, s[i:], i > 0
}

func isNumber(s string) bool {
	_, rest, ok := cutNumber(s)
	return ok && rest == ""
}

// processID gives the process of "501d.0b.9": its first part, in hexadecimal.
// 0 when it is none or too large.
func processID(pi string) int32 {
	n := int64(0)
	for i := 0; i < len(pi); i++ {
		d, ok := hexDigit(pi[i])
		if !ok {
			if pi[i] == '.' {
				break
			}
			return 0
		}
		if n = n<<4 | int64(d); n > 1<<31-1 {
			return 0
		}
	}
	return int32(n)
}

func hexDigit(c byte) (byte, bool) {
	switch {
	case digit(c):
		return c - '0', true
	case c-'a' < 6:
		return c - 'a' + 10, true
	case c-'A' < 6:
		return c - 'A' + 10, true
	}
	return 0, false
}

// isProcess reports whether a word has the shape of a process id: two or
// three hexadecimal numbers with dots between.
func isProcess(s string) bool {
	dots, last := 0, -1
	for i := 0; i < len(s); i++ {
		if s[i] == '.' {
			if i == last+1 {
				return false
			}
			dots, last = dots+1, i
			continue
		}
		if _, ok := hexDigit(s[i]); !ok {
			return false
		}
	}
	return (dots == 1 || dots == 2) && last+1 < len(s) && last > 0
}

// queueFile takes the name of a queue file from its path: the id, which is the same
// at each attempt, and whether it is held. ok tells whether path names such a file.
func queueFile(path string) (id string, held, ok bool) {
	f, ok := parseName(path[strings.LastIndexByte(path, '/')+1:])
	return f.id, f.held, ok
}
