// Package qshape makes the table of waiting mail by destination and age, as
// the program qshape of Postfix shows it. In go the messages of a queue
// listing, one by one; out comes a Table. Memory is bounded by the number of
// destinations asked for; totals are exact all the same, and what could not
// be kept apart stands in the row "other".
//
// The counts are of recipients, as in qshape: a message to three recipients
// counts three times; one of which no recipient is known counts as one for "unknown". The age limits double: under 5, 10, 20, ... 1280
// minutes, and 1280 minutes or more.
package qshape

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"github.com/mtawatch/mtawatch/internal/mta"
)

// NumBuckets is the number of age buckets.
const NumBuckets = 10

// firstLimit is the age limit of the first bucket; each further one is double.
const firstLimit = 5 * time.Minute

const (
	defaultLimit = 20
	keepFactor   = 10      // destinations kept at once: so many times the limit
	maxStamps    = 2 << 20 // arrivals kept, of four bytes each; beyond, ages are unknown
	maxQueues    = 32
	maxReasons   = 4   // kept for one destination
	maxReason    = 300 // bytes of a reason
	maxDomain    = 255 // bytes of a destination, as in RFC 1035
)

// Limits gives the upper age limits of all buckets but the last, which has
// none.
func Limits() [NumBuckets - 1]time.Duration {
	var l [NumBuckets - 1]time.Duration
	for i := range l {
		l[i] = firstLimit << i
	}
	return l
}

// Shape gathers messages. One goroutine uses it.
type Shape struct {
	limit    int
	sequence int64 // of the message being added
	dests    map[string]*dest
	other    dest // what was folded
	folded   int
	total    dest
	queues   []*queue
	stamps   int
}

// dest is what is known of one destination.
type dest struct {
	name       string
	recipients int64
	messages   int64
	bytes      int64
	unsized    int64 // messages of unknown size
	undated    int64 // recipients of unknown age
	seen       int64 // sequence of the last message counted
	arrived    []uint32
	oldest     time.Time
	reasons    []Reason
	last       string
	queues     []int64 // recipients by index in Shape.queues
}

type queue struct {
	name       string
	messages   int64
	recipients int64
	bytes      int64
	unsized    int64
	oldest     time.Time
}

// New gives an empty Shape whose table has at most limit destinations; 0
// means 20.
func New(limit int) *Shape {
	if limit <= 0 {
		limit = defaultLimit
	}
	return &Shape{limit: limit, dests: map[string]*dest{}, other: dest{name: "other"}, total: dest{name: "total"}}
}

// Add counts one message. Nothing of it is kept but copies.
func (s *Shape) Add(m mta.QueuedMessage) {
	s.sequence++
	qi := s.queueIndex(m.Queue)
	q := s.queues[qi]
	n := max(m.Count, 1)
	to := m.Recipients
	if len(to) == 0 {
		to = nobodyKnown[:]
	}
	q.messages += n
	q.recipients += n * int64(len(to))
	addSize(&q.bytes, &q.unsized, m.Size)
	q.oldest = older(q.oldest, m.Arrived)
	s.message(&s.total, m, n)
	for i := range to {
		r := &to[i]
		d := s.dest(r.Address)
		if d.seen != s.sequence {
			d.seen = s.sequence
			s.message(d, m, n)
		}
		s.recipient(d, qi, m.Arrived, n)
		s.total.recipients += n
		d.reason(r.Reason)
	}
}

// nobodyKnown stands for the recipients of a message of which none is known.
var nobodyKnown = [1]mta.QueuedRecipient{{Address: "@unknown"}}

func (s *Shape) message(d *dest, m mta.QueuedMessage, n int64) {
	d.messages += n
	addSize(&d.bytes, &d.unsized, m.Size)
	d.oldest = older(d.oldest, m.Arrived)
}

func (s *Shape) recipient(d *dest, qi int, arrived time.Time, n int64) {
	d.recipients += n
	for len(d.queues) <= qi {
		d.queues = append(d.queues, 0)
	}
	d.queues[qi] += n
	sec := arrived.Unix()
	if arrived.IsZero() || sec < 0 || sec > 1<<32-1 || s.stamps == maxStamps || n > 1 {
		d.undated += n
		return
	}
	s.stamps++
	d.arrived = append(d.arrived, uint32(sec))
}

// reason counts why a recipient waits. Of many different reasons the most
// frequent few stay, as in the Space-Saving algorithm: a new one takes the
// place, and the count, of the rarest.
func (d *dest) reason(text string) {
	if text == "" {
		return
	}
	text = text[:min(len(text), maxReason)]
	rarest := 0
	for i := range d.reasons {
		if d.reasons[i].Text == text {
			d.reasons[i].Recipients++
			d.last = d.reasons[i].Text
			return
		}
		if d.reasons[i].Recipients < d.reasons[rarest].Recipients {
			rarest = i
		}
	}
	d.last = strings.Clone(text)
	if len(d.reasons) < maxReasons {
		d.reasons = append(d.reasons, Reason{Text: d.last, Recipients: 1})
		return
	}
	d.reasons[rarest] = Reason{Text: d.last, Recipients: d.reasons[rarest].Recipients + 1, AtMost: true}
}

func (s *Shape) queueIndex(name string) int {
	for i, q := range s.queues {
		if q.name == name {
			return i
		}
	}
	if len(s.queues) == maxQueues {
		name = "other"
		s.queues[maxQueues-1].name = name
		return maxQueues - 1
	}
	s.queues = append(s.queues, &queue{name: strings.Clone(name)})
	return len(s.queues) - 1
}

// dest gives the counter of an address's destination, making room first.
func (s *Shape) dest(address string) *dest {
	name := Destination(address)
	if d, ok := s.dests[name]; ok {
		return d
	}
	if len(s.dests) >= keepFactor*s.limit {
		s.fold()
	}
	d := &dest{name: strings.Clone(name)}
	s.dests[d.name] = d
	return d
}

// fold moves the smaller half of the destinations into other. One that comes
// back later starts anew, so its row may tell less than the truth, never more.
func (s *Shape) fold() {
	list := s.sorted()
	for _, d := range list[len(list)/2:] {
		delete(s.dests, d.name)
		s.other.add(d)
		s.folded++
	}
}

// add joins another counter to d. A message for two folded destinations
// counts for each.
func (d *dest) add(o *dest) {
	d.recipients += o.recipients
	d.messages += o.messages
	d.bytes += o.bytes
	d.unsized += o.unsized
	d.undated += o.undated
	d.arrived = append(d.arrived, o.arrived...)
	d.oldest = older(d.oldest, o.oldest)
	for i, n := range o.queues {
		if len(d.queues) <= i {
			d.queues = append(d.queues, 0)
		}
		d.queues[i] += n
	}
}

// sorted gives the destinations, the largest first.
func (s *Shape) sorted() []*dest {
	list := make([]*dest, 0, len(s.dests))
	for _, d := range s.dests {
		list = append(list, d)
	}
	slices.SortFunc(list, func(a, b *dest) int {
		return cmp.Or(cmp.Compare(b.recipients, a.recipients), cmp.Compare(len(a.name), len(b.name)), cmp.Compare(a.name, b.name))
	})
	return list
}

// Destination gives the domain of an address in lower case, without dots at
// its ends; "local" where there is none.
func Destination(address string) string {
	domain := strings.Trim(address[strings.LastIndexByte(address, '@')+1:], ".")
	if domain == "" || strings.IndexByte(address, '@') < 0 {
		return "local"
	}
	return strings.ToLower(domain[:min(len(domain), maxDomain)])
}

func older(a, b time.Time) time.Time {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}

func addSize(bytes, unsized *int64, size int64) {
	if size < 0 {
		*unsized++
	} else {
		*bytes += size
	}
}
