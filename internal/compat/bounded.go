package compat

import (
	"cmp"
	"maps"
	"slices"
	"strings"

	"github.com/mtawatch/mtawatch/internal/mta"
)

// other stands for the values of a label beyond its limit.
const other = "other"

// labelled counts by the value of one label. At most max values have a
// count of their own; all others share one.
type labelled struct {
	max  int
	n    map[string]*int64
	rest int64
}

// newLabelled makes a labelled in which the given values are present with 0.
func newLabelled(limit int, values ...string) labelled {
	l := labelled{max: limit, n: make(map[string]*int64, len(values))}
	for _, v := range values {
		l.n[v] = new(int64)
	}
	return l
}

func (l *labelled) add(value string) {
	c := l.n[value]
	if c == nil {
		if len(l.n) >= l.max {
			l.rest++
			return
		}
		c = new(int64)
		l.n[strings.Clone(value)] = c
	}
	*c++
}

// each gives the counts in the order of the values, other last.
func (l *labelled) each(yield func(value string, n int64)) {
	for _, v := range slices.Sorted(maps.Keys(l.n)) {
		yield(v, *l.n[v])
	}
	if l.rest > 0 {
		yield(other, l.rest)
	}
}

// maxSessions bounds the kinds of TLS session.
const maxSessions = 100

// session is one kind of TLS session.
type session struct {
	trust, protocol, cipher string
	secret, algorithm       int16
}

// compare orders sessions for the output.
func (s session) compare(o session) int {
	return cmp.Or(strings.Compare(s.trust, o.trust), strings.Compare(s.protocol, o.protocol), strings.Compare(s.cipher, o.cipher),
		cmp.Compare(s.secret, o.secret), cmp.Compare(s.algorithm, o.algorithm))
}

// sessions counts TLS sessions.
type sessions struct {
	n    map[session]*int64
	rest int64
}

func newSessions() sessions { return sessions{n: make(map[session]*int64)} }

func (s *sessions) add(t *mta.TLS) {
	k := session{t.Trust, t.Version, t.Cipher, t.Bits, t.AlgorithmBits}
	c := s.n[k]
	if c == nil {
		if len(s.n) >= maxSessions {
			s.rest++
			return
		}
		k.trust, k.protocol, k.cipher = strings.Clone(k.trust), strings.Clone(k.protocol), strings.Clone(k.cipher)
		c = new(int64)
		s.n[k] = c
	}
	*c++
}

// The reply codes that count apart.
const (
	firstCode = 400
	numCodes  = 200
)

// codes counts by SMTP reply code.
type codes struct {
	n    [numCodes]int64
	rest int64
}

func (c *codes) add(code int16) {
	if i := int(code) - firstCode; i >= 0 && i < numCodes {
		c.n[i]++
		return
	}
	c.rest++
}
