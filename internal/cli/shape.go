package cli

import (
	"strconv"
	"time"

	"github.com/mtawatch/mtawatch/internal/mta"
	"github.com/mtawatch/mtawatch/internal/qshape"
	"github.com/mtawatch/mtawatch/internal/view"
)

// queueOf makes the answer of a queue question from one listing.
func queueOf(instance string, t qshape.Table) view.Queue {
	d := view.QueueDetail{Instance: instance, ListedAt: t.Time, Rows: []view.QueueRow{}, Queues: []mta.QueueCount{}, Ages: ageNames(t.Limits)}
	q := view.Queue{Time: t.Time, Queues: make(map[string]int64)}
	var messages, bytes int64
	sized := true
	for _, row := range t.Queues {
		messages += row.Messages
		bytes += row.Bytes
		sized = sized && row.Bytes >= 0
		q.Queues[row.Queue] += row.Messages
		d.Queues = append(d.Queues, mta.QueueCount{Name: row.Queue, Messages: row.Messages, Bytes: row.Bytes, Oldest: row.Oldest})
	}
	q.Messages = &messages
	if sized {
		q.Bytes = &bytes
	}
	for _, row := range t.Rows {
		d.Rows = append(d.Rows, rowOf(row))
	}
	if t.Other != nil {
		r := rowOf(*t.Other)
		d.Other = &r
	}
	total := rowOf(t.Total)
	d.Total = &total
	q.Detail = []view.QueueDetail{d}
	return q
}

func rowOf(r qshape.Row) view.QueueRow {
	return view.QueueRow{Destination: r.Destination, Recipients: r.Recipients, Messages: r.Messages, Ages: r.Ages[:],
		AgeUnknown: r.AgeUnknown, Oldest: r.Oldest, Reason: r.LastReason}
}

// ageNames names the age columns by their upper limits, as qshape heads them;
// the last has none.
func ageNames(limits []int64) []string {
	var names []string
	for _, l := range limits {
		names = append(names, strconv.FormatInt(l, 10))
	}
	if n := len(limits); n > 0 {
		names = append(names, names[n-1]+"+")
	}
	return names
}

// listing gathers a saved queue listing.
type listing struct {
	at       time.Time // when it was made
	shape    *qshape.Shape
	messages []view.MessageItem // those that a question keeps
	more     bool
}
