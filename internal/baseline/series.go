package baseline

import (
	"slices"
	"time"
)

// Kind says what the values of a series are.
type Kind uint8

// The kinds.
const (
	Level  Kind = iota // A is the median of the hour's minutes
	Events             // A is the events of the hour, without bursts
	Share              // A of B events
)

// Record is the summary of one past hour.
type Record struct {
	Hour   Hour
	A, B   float32
	Cover  uint8  // minutes of the hour that were seen, 1 to 60
	Marked bool   // inside an incident: kept, not used
	Extra  []byte // what the user of the series keeps with the hour; of the length given to NewSeries
}

// Series is the past of one series, by hour. The zero value is not usable.
type Series struct {
	kind   Kind
	stride int
	hours  []Hour // ascending
	a, b   []float32
	meta   []uint8
	extra  []byte
}

const marked = 0x80

// NewSeries makes a Series without a past that keeps extra bytes with each hour.
func NewSeries(kind Kind, extra int) *Series { return &Series{kind: kind, stride: max(0, extra)} }

// Summary gives a copy without what the user keeps with each hour.
func (s *Series) Summary() *Series {
	return &Series{kind: s.kind, hours: slices.Clone(s.hours), a: slices.Clone(s.a), b: slices.Clone(s.b), meta: slices.Clone(s.meta)}
}

// Len is how many hours are kept.
func (s *Series) Len() int { return len(s.hours) }

// At gives the i-th hour, oldest first. Its Extra is the series' own memory.
func (s *Series) At(i int) Record {
	r := Record{Hour: s.hours[i], A: s.a[i], Cover: s.meta[i] &^ marked, Marked: s.meta[i]&marked != 0,
		Extra: s.extra[i*s.stride : (i+1)*s.stride : (i+1)*s.stride]}
	if s.kind == Share {
		r.B = s.b[i]
	}
	return r
}

// Find gives the index of an hour.
func (s *Series) Find(h Hour) (i int, ok bool) { return slices.BinarySearch(s.hours, h) }

// Put keeps an hour. Of two summaries of one hour that which saw more of it
// stays; of equals the first.
func (s *Series) Put(r Record) {
	if r.Cover == 0 || r.Cover > 60 {
		return
	}
	i, ok := s.Find(r.Hour)
	switch {
	case ok && s.meta[i]&^marked >= r.Cover:
		return
	case !ok:
		s.open(i)
	}
	s.hours[i], s.a[i], s.meta[i] = r.Hour, r.A, r.Cover
	if r.Marked {
		s.meta[i] |= marked
	}
	if s.kind == Share {
		s.b[i] = r.B
	}
	own := s.extra[i*s.stride : (i+1)*s.stride]
	clear(own)
	copy(own, r.Extra)
}

// open makes room at i. Room grows by days, not by doubling: most of the
// memory of a host is here.
func (s *Series) open(i int) {
	n := 1
	if len(s.hours) == cap(s.hours) {
		n = min(24+cap(s.hours)/4, 7*24)
	}
	s.hours = slices.Insert(room(s.hours, 1, n), i, 0)
	s.a = slices.Insert(room(s.a, 1, n), i, 0)
	s.meta = slices.Insert(room(s.meta, 1, n), i, 0)
	if s.kind == Share {
		s.b = slices.Insert(room(s.b, 1, n), i, 0)
	}
	end := len(s.extra)
	s.extra = room(s.extra, s.stride, n*s.stride)[:end+s.stride]
	copy(s.extra[(i+1)*s.stride:], s.extra[i*s.stride:end])
}

// room makes sure that need more fit, by growing for more at once.
func room[T any](v []T, need, more int) []T {
	if len(v)+need <= cap(v) {
		return v
	}
	grown := make([]T, len(v), len(v)+max(need, more))
	copy(grown, v)
	return grown
}

// Mark marks or unmarks an hour; false when it is not kept.
func (s *Series) Mark(h Hour, on bool) bool {
	i, ok := s.Find(h)
	if ok {
		s.meta[i] &^= marked
		if on {
			s.meta[i] |= marked
		}
	}
	return ok
}

// Forget drops the hours before a day and calls gone with each day that lost hours.
func (s *Series) Forget(before Day, gone func(Day)) {
	n := 0
	for n < len(s.hours) && s.hours[n].Day() < before {
		if n == 0 || s.hours[n].Day() != s.hours[n-1].Day() {
			gone(s.hours[n].Day())
		}
		n++
	}
	if n == 0 {
		return
	}
	s.hours = slices.Delete(s.hours, 0, n)
	s.a = slices.Delete(s.a, 0, n)
	s.meta = slices.Delete(s.meta, 0, n)
	s.extra = slices.Delete(s.extra, 0, n*s.stride)
	if s.kind == Share {
		s.b = slices.Delete(s.b, 0, n)
	}
}

// Learned is the time that was seen of the hours that are used.
func (s *Series) Learned() time.Duration {
	n := 0
	for _, m := range s.meta {
		if m&marked == 0 {
			n += int(m)
		}
	}
	return time.Duration(n) * time.Minute
}
