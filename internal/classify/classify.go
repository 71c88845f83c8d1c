package classify

import (
	"math/bits"

	"github.com/mtawatch/mtawatch/internal/mta"
)

// maxTerms bounds the different terms of all rules; the tests check that the
// tables stay within it.
const maxTerms = 1536

// set holds the terms found in one text.
type set [maxTerms / 64]uint64

func (s *set) add(id uint16) {
	if w := int(id >> 6); w < len(s) {
		s[w] |= 1 << (id & 63)
	}
}

func (s *set) has(id uint16) bool {
	w := int(id >> 6)
	return w < len(s) && s[w]&(1<<(id&63)) != 0
}

// A Classifier names causes. It does not change after New, so that any number
// of goroutines may use it.
type Classifier struct {
	auto    *automaton
	names   set        // the terms that are also looked for in host names and URLs
	rules   []compiled // in the order of precedence
	anchors [][]uint16 // of each term: the rules to try when it is found, in order
	words   int        // how many words of a set are in use

	codes     [1000]uint16       // SMTP code -> term + 1
	enhanced  [2][8][1000]uint16 // class 4 or 5, subject, detail -> term + 1
	either    [8][1000]uint16    // subject, detail -> term + 1
	classes   [10]uint16         // class -> term + 1
	suspended uint16             // the term of "delivery temporarily suspended"
}

// compiled is a rule in terms' numbers.
type compiled struct {
	cause     mta.Cause
	all, none []uint16
}

// New builds a Classifier of all rules: some milliseconds of work and about
// 3 MB, so build one and share it.
func New() *Classifier {
	var entries []entry
	for _, t := range tables {
		entries = append(entries, t.entries...)
	}
	return compile(entries)
}

// Cause names the cause of the failure that reply tells of. dsn is the
// enhanced status code and code the SMTP reply code of the same attempt, "" and
// 0 when not known; codes inside the text count then, or when dsn says no more
// than its class. mta.CauseNone comes back only when there is no text and no
// code, or when the codes tell of success and the words of nothing else.
func (c *Classifier) Cause(reply, dsn string, code int) mta.Cause {
	n, told := c.decide(reply, dsn, code)
	switch {
	case n >= 0:
		return c.rules[n].cause
	case told:
		return mta.CauseOther
	}
	return mta.CauseNone
}

// decide gives the number of the first rule that fits, or -1, and whether
// there was anything that told of a failure.
func (c *Classifier) decide(reply, dsn string, code int) (rule int, told bool) {
	var found set
	s := scanner{c: c, text: unwrap(reply), found: &found}
	s.scan()
	if !found.has(c.suspended) {
		s.codes.prefer(dsn, code)
	}
	s.codes.addTo(c, &found)

	best := len(c.rules)
	for w := range c.words {
		for b := found[w]; b != 0; b &= b - 1 {
			id := w<<6 | bits.TrailingZeros64(b)
			for _, r := range c.anchors[id] {
				if int(r) >= best {
					break
				}
				if c.rules[r].fits(&found) {
					best = int(r)
					break
				}
			}
		}
	}
	if best < len(c.rules) {
		return best, true
	}
	return -1, (reply != "" || dsn != "" || code != 0) && !s.codes.success()
}

func (r *compiled) fits(found *set) bool {
	for _, id := range r.all {
		if !found.has(id) {
			return false
		}
	}
	for _, id := range r.none {
		if found.has(id) {
			return false
		}
	}
	return true
}

// suspendedPhrase begins Postfix's text for mail that it did not try to
// deliver, because its destination is dead for now.
const suspendedPhrase = "delivery temporarily suspended"

// compile numbers the terms of all rules, phrases first, and builds the
// automaton of the phrases.
func compile(entries []entry) *Classifier {
	c := &Classifier{rules: make([]compiled, len(entries))}
	ids := make(map[term]uint16)
	var phrases []string
	number := func(list []term, codes bool) {
		for _, t := range list {
			t.names = false
			if _, known := ids[t]; known || t.code != codes {
				continue
			}
			ids[t] = uint16(len(ids))
			if !codes {
				phrases = append(phrases, t.text)
			}
		}
	}
	number([]term{newTerm(suspendedPhrase)}, false)
	for _, codes := range []bool{false, true} {
		for _, e := range entries {
			all, none := terms(e.words)
			number(all, codes)
			number(none, codes)
		}
	}
	uses := make([]int, len(ids))
	for i, e := range entries {
		all, none := terms(e.words)
		c.rules[i] = compiled{e.cause, c.numbers(all, ids), c.numbers(none, ids)}
		for _, id := range c.rules[i].all {
			uses[id]++
		}
	}
	for t, id := range ids {
		if t.code {
			c.setCode(t.text, id)
		}
	}
	c.auto = newAutomaton(phrases)
	c.words = min((len(ids)+63)/64, len(set{}))
	c.anchor(uses)
	return c
}

// numbers gives the numbers of terms and notes which of them names may hold.
func (c *Classifier) numbers(list []term, ids map[term]uint16) []uint16 {
	var out []uint16
	for _, t := range list {
		names := t.names
		t.names = false
		id := ids[t]
		if names {
			c.names.add(id)
		}
		out = append(out, id)
	}
	return out
}

// anchor lists each rule under that of its terms which the fewest rules use.
func (c *Classifier) anchor(uses []int) {
	c.anchors = make([][]uint16, max(len(uses), c.words*64))
	for i, r := range c.rules {
		if len(r.all) == 0 {
			continue
		}
		rarest := r.all[0]
		for _, id := range r.all[1:] {
			if uses[id] < uses[rarest] {
				rarest = id
			}
		}
		c.anchors[rarest] = append(c.anchors[rarest], uint16(i))
	}
}
