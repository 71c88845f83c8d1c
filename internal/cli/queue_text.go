package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/mtawatch/mtawatch/internal/say"
	"github.com/mtawatch/mtawatch/internal/view"
)

// queueTable prints the queue by destination and age.
func (t *tool) queueTable(ctx context.Context, f *queueFlags) error {
	q, err := t.getQueue(ctx, f)
	if err != nil {
		return err
	}
	why := q.Unknown
	if f.fresh { // an old table is no answer
		for i := range q.Detail {
			if d := &q.Detail[i]; d.ListFailed != "" {
				d.Rows, d.Other, d.Total = []view.QueueRow{}, nil, nil
				why = cmp.Or(why, d.ListFailed)
			}
		}
	}
	if t.json {
		return errors.Join(t.out.json(q), unknown(why))
	}
	t.queueHead(q)
	if f.summary {
		t.summary(q)
	}
	for _, d := range q.Detail {
		t.queueDetail(q.Time, d, f)
	}
	return unknown(why)
}

func (t *tool) queueHead(q view.Queue) {
	t.unknownLine(q.Unknown)
	if q.Messages == nil {
		return
	}
	head := plural(*q.Messages, "message")
	if q.Bytes != nil && *q.Messages > 0 {
		head += ", " + bytesText(*q.Bytes)
	}
	if text := topText(q.Queues, 8); text != "" {
		head += ": " + text
	}
	t.out.line(t.out.in(bold, head))
}

func (t *tool) queueDetail(now time.Time, d view.QueueDetail, f *queueFlags) {
	t.out.line("")
	head := clean(d.Instance)
	if oldest, queue := say.Oldest(d.Queues); !oldest.IsZero() {
		head += fmt.Sprintf(": oldest message %s, in %s", ageText(now, oldest), clean(queue))
	}
	switch there, held := tableMessages(d), heldMessages(d); {
	case len(d.Rows) == 0 && held == 0 && len(d.Queues) > 0 && len(f.queues) > 0:
		head += ": no message in " + clean(strings.Join(f.queues, ", "))
	case len(d.Rows) == 0 && held == 0 && len(d.Queues) > 0, f.from != "" && len(d.Rows) == 0:
		head += ": the queue is empty"
	case len(d.Rows) == 0:
	case len(f.queues) == 0 && there >= 0 && there != held:
		head += fmt.Sprintf("; table of %s, when there were %d", clockText(now, d.ListedAt), there)
	case now.Sub(d.ListedAt) >= 2*time.Second && !d.ListedAt.IsZero():
		head += fmt.Sprintf("; table read %s ago", ageText(now, d.ListedAt))
	}
	t.out.line(head)
	if d.Unknown != "" {
		t.out.line("  " + t.out.in(red, "UNKNOWN") + ": " + clean(d.Unknown))
	}
	if d.ListFailed != "" {
		label := "no present table: "
		if len(d.Rows) > 0 {
			label = "no newer table: "
		}
		t.out.line("  " + label + clean(d.ListFailed))
	}
	if len(d.Rows) == 0 {
		return
	}
	t.shapeTable(now, d)
	if len(f.queues) > 0 && f.from == "" {
		t.out.line(t.out.in(dim, "destinations with mail in "+clean(strings.Join(f.queues, ", "))+"; their figures count every queue"))
	}
}

// tableMessages gives how many messages there were when the table was read;
// -1 when that is not told.
func tableMessages(d view.QueueDetail) int64 {
	if d.Total == nil {
		return -1
	}
	return d.Total.Messages
}

func heldMessages(d view.QueueDetail) (n int64) {
	for _, c := range d.Queues {
		n += c.Messages
	}
	return n
}

// shapeTable prints qshape's table. T counts recipients.
func (t *tool) shapeTable(now time.Time, d view.QueueDetail) {
	head := []string{"", ">T"}
	for _, a := range d.Ages {
		head = append(head, ">"+clean(a))
	}
	rows := []view.QueueRow{totalOf(d)}
	rows = append(rows, d.Rows...)
	if d.Other != nil {
		rows = append(rows, *d.Other)
		rows[len(rows)-1].Destination = "(other)"
	}
	noAge := slices.ContainsFunc(rows, func(r view.QueueRow) bool { return r.AgeUnknown > 0 })
	if noAge {
		head = append(head, ">age?")
	}
	usual := slices.ContainsFunc(rows, func(r view.QueueRow) bool { return r.Normal != nil })
	if usual {
		head = append(head, ">USUAL")
	}
	tab := newTable(append(head, ">OLDEST", "LAST REASON")...)
	for i, r := range rows {
		cells := []string{cut(clean(r.Destination), 40), countText(r.Recipients)}
		for _, n := range r.Ages {
			cells = append(cells, countText(n))
		}
		if noAge {
			cells = append(cells, countText(r.AgeUnknown))
		}
		if usual {
			cells = append(cells, usualCell(r.Normal))
		}
		tab.add(append(cells, ageText(now, r.Oldest), clean(r.Reason))...)
		if i == 0 {
			tab.mark(bold)
		}
	}
	t.out.print(tab)
}

// totalOf gives the row of totals, summed where the answer has none.
func totalOf(d view.QueueDetail) view.QueueRow {
	total := view.QueueRow{Ages: make([]int64, len(d.Ages))}
	if d.Total != nil {
		total = *d.Total
		total.Reason = ""
	} else {
		rows := d.Rows
		if d.Other != nil {
			rows = append(slices.Clone(rows), *d.Other)
		}
		for _, r := range rows {
			total.Recipients += r.Recipients
			total.AgeUnknown += r.AgeUnknown
			for i := range min(len(r.Ages), len(total.Ages)) {
				total.Ages[i] += r.Ages[i]
			}
			if !r.Oldest.IsZero() && (total.Oldest.IsZero() || r.Oldest.Before(total.Oldest)) {
				total.Oldest = r.Oldest
			}
		}
	}
	total.Destination = "TOTAL"
	return total
}

// messageList prints one line for each message.
func (t *tool) messageList(m view.Messages) error {
	if onlyCounts(m) {
		return t.counted(m)
	}
	slices.SortStableFunc(m.Messages, func(a, b view.MessageItem) int { return a.Arrived.Compare(b.Arrived) })
	tries := slices.ContainsFunc(m.Messages, func(item view.MessageItem) bool { return item.Attempts > 0 })
	head := []string{"QUEUE ID", "QUEUE", ">AGE", ">SIZE", ">RCPT", "SENDER", "RECIPIENT", "REASON"}
	if tries {
		head = slices.Insert(head, 2, ">TRIES")
	}
	tab := newTable(head...)
	tab.optional = []string{"RCPT", "SIZE", "QUEUE"}
	for _, item := range m.Messages {
		to, reason, number := "unknown", "", "?"
		if len(item.Recipients) > 0 {
			to, reason = recipientText(item.Recipients[0].Address), clean(item.Recipients[0].Reason)
			number = countText(int64(len(item.Recipients)))
		}
		cells := []string{clean(item.QueueID), clean(item.Queue), ageText(m.Time, item.Arrived), sizeCell(item.Size),
			number, cut(senderText(&item), 40), cut(to, 40), reason}
		if tries {
			cells = slices.Insert(cells, 2, countText(int64(item.Attempts)))
		}
		tab.add(cells...)
	}
	if len(tab.rows) > 0 {
		t.out.print(tab)
	}
	t.someoneText(m)
	return t.messagesEnd(m)
}

// someoneText says below a list why recipients are "someone at" a domain, and
// what tells who they are.
func (t *tool) someoneText(m view.Messages) {
	for _, item := range m.Messages {
		for _, r := range item.Recipients {
			if strings.HasPrefix(r.Address, "@") && r.Address != "@unknown" {
				t.out.line(t.out.in(dim, "someone at DOMAIN: of a recipient only the domain is kept here; 'mtawatch trace QUEUE-ID' reads the address from the log"))
				return
			}
		}
	}
}

// messagesWhole prints each message with all its recipients.
func (t *tool) messagesWhole(m view.Messages) error {
	if onlyCounts(m) {
		return t.counted(m)
	}
	slices.SortStableFunc(m.Messages, func(a, b view.MessageItem) int { return a.Arrived.Compare(b.Arrived) })
	for _, item := range m.Messages {
		t.out.line(fmt.Sprintf("%s  %s  %s, in %s for %s%s, from %s", t.out.in(bold, clean(item.QueueID)), clean(item.Instance),
			sizeCell(item.Size), clean(item.Queue), ageText(m.Time, item.Arrived), triesText(&item.QueuedMessage), senderText(&item)))
		if len(item.Recipients) == 0 {
			t.out.line("    to unknown: neither the queue nor the log that is read names a recipient")
		}
		for _, r := range item.Recipients {
			t.out.line("    to " + recipientText(r.Address))
			if r.Reason != "" {
				t.out.line("       " + clean(r.Reason))
			}
		}
	}
	t.someoneText(m)
	return t.messagesEnd(m)
}

func (t *tool) messagesEnd(m view.Messages) error {
	switch {
	case m.Unknown != "":
		t.unknownLine(m.Unknown)
	case len(m.Messages) == 0:
		t.out.line("no such message in the queue")
	case m.More:
		t.out.line(t.out.in(dim, fmt.Sprintf("the %d oldest; there are more: see --limit", len(m.Messages))))
	default:
		n := int64(0)
		for _, item := range m.Messages {
			n += max(item.Count, 1)
		}
		total := plural(n, "message")
		if size := sizeOf(m.Messages); size >= 0 {
			total += ", " + bytesText(size)
		}
		t.out.line(t.out.in(dim, total))
	}
	return unknown(m.Unknown)
}

// sizeOf sums sizes; -1 when one is not known.
func sizeOf(list []view.MessageItem) (n int64) {
	for _, item := range list {
		if item.Size < 0 {
			return -1
		}
		n += item.Size
	}
	return n
}

func sizeCell(n int64) string {
	if n < 0 {
		return "?"
	}
	return bytesText(n)
}

// senderText gives the sender: "" is the null sender where recipients are
// known, else nothing is known of it.
func senderText(item *view.MessageItem) string {
	switch {
	case item.Sender != "":
		return clean(item.Sender)
	case len(item.Recipients) == 0:
		return "unknown"
	}
	return "<>"
}
