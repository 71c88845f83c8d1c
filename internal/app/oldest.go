package app

import (
	"cmp"
	"container/heap"
	"slices"
	"strings"

	"github.com/mtawatch/mtawatch/internal/view"
)

// oldest keeps the oldest messages of those added, limit of them. A mail
// server lists its queue in an order of its own, so all of it has to be seen;
// what is kept stays bounded.
type oldest struct {
	limit int
	list  youngestFirst
	more  bool // some were left out
}

// add takes one message.
func (o *oldest) add(m view.MessageItem) {
	if len(o.list) < o.limit {
		heap.Push(&o.list, m)
		return
	}
	o.more = true
	if byAge(m, o.list[0]) < 0 {
		o.list[0] = m
		heap.Fix(&o.list, 0)
	}
}

// sorted gives the messages kept, the oldest first, those of unknown age last.
func (o *oldest) sorted() []view.MessageItem {
	list := make([]view.MessageItem, 0, len(o.list))
	list = append(list, o.list...)
	slices.SortFunc(list, byAge)
	return list
}

// byAge orders messages, the oldest first.
func byAge(a, b view.MessageItem) int {
	switch {
	case a.Arrived.IsZero() != b.Arrived.IsZero():
		return cmp.Compare(b.Arrived.Unix(), a.Arrived.Unix())
	case !a.Arrived.Equal(b.Arrived):
		return a.Arrived.Compare(b.Arrived)
	}
	return cmp.Or(strings.Compare(a.Instance, b.Instance), strings.Compare(a.QueueID, b.QueueID), strings.Compare(a.Queue, b.Queue))
}

// youngestFirst is a heap with the youngest message on top.
type youngestFirst []view.MessageItem

func (h youngestFirst) Len() int           { return len(h) }
func (h youngestFirst) Less(i, j int) bool { return byAge(h[i], h[j]) > 0 }
func (h youngestFirst) Swap(i, j int)      { h[i], h[j] = h[j], h[i] }
func (h *youngestFirst) Push(m any)        { *h = append(*h, m.(view.MessageItem)) }
func (h *youngestFirst) Pop() any {
	last := (*h)[len(*h)-1]
	*h = (*h)[:len(*h)-1]
	return last
}
