package seriescsv

import (
	"cmp"
	"container/heap"
	"maps"
	"math"
	"slices"
	"sort"
	"time"

	"github.com/mtawatch/mtawatch/internal/mta"
)

// complete gives the moment that was gathered.
func (r *Reader) complete(yield func(mta.Reading) error) error {
	if !r.any {
		return nil
	}
	slices.SortStableFunc(r.sources, func(a, b mta.SourceCount) int {
		return cmp.Or(cmp.Compare(b.Count, a.Count), a.Address.Compare(b.Address), cmp.Compare(a.Port, b.Port))
	})
	for n := len(r.sources); n > 0 && r.sources[n-1].Count == 0; n-- {
		r.sources = r.sources[:n-1]
	}
	reading := mta.Reading{
		Tick:         mta.Tick{Time: time.Unix(0, r.now).UTC(), Samples: r.samples},
		Sources:      r.sources[:min(len(r.sources), maxSources)],
		SourcesKnown: r.sourcesSeen, // where addresses are told at all, a moment without one had none
	}
	err := yield(reading)
	r.samples, r.sources, r.any = r.samples[:0], r.sources[:0], false
	r.round++
	if len(r.names) > maxNames {
		if r.forget(); err == nil && len(r.names) > maxNames/2 {
			err = ErrTooMany
		}
	}
	return err
}

// forget drops the addresses that the last moment did not have: over a month
// of floods there may be millions.
func (r *Reader) forget() {
	old := func(c *column) bool { return c.series == nil && c.round != r.round }
	maps.DeleteFunc(r.names, func(_ string, n *name) bool { return old(n.col) })
	maps.DeleteFunc(r.columns, func(_ string, c *column) bool { return old(c) })
	for _, n := range r.names {
		n.next = nil
	}
	r.expect, r.prev = nil, nil
}

// connections makes a count of a value.
func connections(v float64) int { return int(min(max(math.Round(v), 0), math.MaxInt32)) }

// hold keeps a row until the end.
func (r *Reader) hold(ns int64, c *column, v float64) error {
	if r.held++; r.held > r.cfg.MaxRows || len(r.names) > maxNames {
		return ErrTooMany
	}
	if c.times == nil {
		r.order = append(r.order, c)
	}
	c.times, c.values = append(c.times, ns), append(c.values, v)
	return nil
}

// merge gives all rows that were held, in the order of time.
func (r *Reader) merge(yield func(mta.Reading) error) error {
	h := make(byTime, 0, len(r.order))
	for i, c := range r.order {
		if !slices.IsSorted(c.times) {
			sort.Stable(rowsOf{c})
		}
		h = append(h, cursor{at: c.times[0], col: c, place: i})
	}
	r.order = nil
	heap.Init(&h)
	for len(h) > 0 {
		top := &h[0]
		if r.any && top.at != r.now {
			if err := r.complete(yield); err != nil {
				return err
			}
		}
		r.now, r.any = top.at, true
		c := top.col
		r.add(c, c.values[top.next])
		if top.next++; top.next < len(c.times) {
			top.at = c.times[top.next]
			heap.Fix(&h, 0)
			continue
		}
		c.times, c.values = nil, nil
		heap.Pop(&h)
	}
	return r.complete(yield)
}

// cursor is how far the rows of a column have been given.
type cursor struct {
	at    int64
	col   *column
	next  int
	place int // of the column: rows of one moment come in the order of the series
}

// byTime is a heap of cursors, the oldest row on top.
type byTime []cursor

// Len is of heap.Interface.
func (h byTime) Len() int { return len(h) }

// Less is of heap.Interface.
func (h byTime) Less(i, j int) bool {
	return h[i].at < h[j].at || h[i].at == h[j].at && h[i].place < h[j].place
}

// Swap is of heap.Interface.
func (h byTime) Swap(i, j int) { h[i], h[j] = h[j], h[i] }

// Push is of heap.Interface; nothing is pushed.
func (h *byTime) Push(x any) {
	if c, ok := x.(cursor); ok {
		*h = append(*h, c)
	}
}

// Pop is of heap.Interface.
func (h *byTime) Pop() any {
	last := (*h)[len(*h)-1]
	*h = (*h)[:len(*h)-1]
	return last
}

// rowsOf sorts the rows of one column by time.
type rowsOf struct{ c *column }

// Len is of sort.Interface.
func (s rowsOf) Len() int { return len(s.c.times) }

// Less is of sort.Interface.
func (s rowsOf) Less(i, j int) bool { return s.c.times[i] < s.c.times[j] }

// Swap is of sort.Interface.
func (s rowsOf) Swap(i, j int) {
	s.c.times[i], s.c.times[j] = s.c.times[j], s.c.times[i]
	s.c.values[i], s.c.values[j] = s.c.values[j], s.c.values[i]
}
