package track

import (
	"hash/maphash"
	"strings"
)

// index finds the open messages of one instance by queue id. It is a table
// of hashes with linear probing, for one look-up comes with every line: an
// entry and the message itself are the only memory that it touches.
type index struct {
	seed    maphash.Seed
	entries []indexEntry // a power of two; at most three quarters are in use
	used    int
}

type indexEntry struct {
	hash uint64
	m    *message // nil: free
}

// minEntries is the size of the smallest table.
const minEntries = 64

func newIndex() index {
	return index{seed: maphash.MakeSeed(), entries: make([]indexEntry, minEntries)}
}

// find gives the message with a queue id; nil when there is none.
func (x *index) find(id string) *message {
	h := maphash.String(x.seed, id)
	mask := uint64(len(x.entries) - 1)
	for i := h & mask; ; i = (i + 1) & mask {
		e := &x.entries[i]
		if e.m == nil {
			return nil
		}
		if e.hash == h && e.m.id.is(id) {
			return e.m
		}
	}
}

// add puts in a message whose id is not there yet.
func (x *index) add(m *message) {
	if 4*(x.used+1) > 3*len(x.entries) {
		old := x.entries
		x.entries = make([]indexEntry, 2*len(old))
		for _, e := range old {
			if e.m != nil {
				x.put(e)
			}
		}
	}
	x.used++
	x.put(indexEntry{m.id.hash(x.seed), m})
}

func (x *index) put(e indexEntry) {
	mask := uint64(len(x.entries) - 1)
	i := e.hash & mask
	for x.entries[i].m != nil {
		i = (i + 1) & mask
	}
	x.entries[i] = e
}

// remove takes out a message. The entries after it that would no longer be
// found move up.
func (x *index) remove(m *message) {
	mask := uint64(len(x.entries) - 1)
	i := m.id.hash(x.seed) & mask
	for x.entries[i].m != m {
		if x.entries[i].m == nil {
			return
		}
		i = (i + 1) & mask
	}
	x.used--
	for j := i; ; {
		j = (j + 1) & mask
		e := &x.entries[j]
		if e.m == nil {
			break
		}
		// It may fill the hole unless its own place lies between hole and entry.
		if home := e.hash & mask; (j-home)&mask >= (j-i)&mask {
			x.entries[i], i = *e, j
		}
	}
	x.entries[i] = indexEntry{}
}

// queueID is a queue id that is kept in place: those of all common MTAs fit.
type queueID struct {
	text [31]byte
	n    uint8
	long string // one that does not fit
}

func (q *queueID) set(s string) {
	q.n, q.long = 0, ""
	if len(s) > len(q.text) {
		q.long = strings.Clone(s)
		return
	}
	q.n = uint8(copy(q.text[:], s))
}

func (q *queueID) is(s string) bool {
	if q.long != "" {
		return q.long == s
	}
	return string(q.text[:q.n]) == s
}

// hash is what maphash.String gives for String.
func (q *queueID) hash(seed maphash.Seed) uint64 {
	if q.long != "" {
		return maphash.String(seed, q.long)
	}
	return maphash.Bytes(seed, q.text[:q.n])
}

// String gives a copy of the id.
func (q *queueID) String() string {
	if q.long != "" {
		return q.long
	}
	return string(q.text[:q.n])
}

// interner keeps one copy of texts that come again and again, such as senders
// and client addresses. It forgets what others displace.
type interner struct {
	seed  maphash.Seed
	texts [1024]string
}

// keep gives a copy of s that may outlive the batch.
func (n *interner) keep(s string) string {
	t := &n.texts[maphash.String(n.seed, s)%uint64(len(n.texts))]
	if *t != s {
		*t = strings.Clone(s)
	}
	return *t
}
