package cli

import (
	"context"
	"errors"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/mtawatch/mtawatch/internal/mta"
	"github.com/mtawatch/mtawatch/internal/view"
)

// queueCounters prints how much each queue holds, and what each channel or
// program has done.
func (t *tool) queueCounters(ctx context.Context, f *queueFlags) error {
	if f.own {
		return t.ownCounters(ctx, f)
	}
	f.counters = true
	q, err := t.getQueue(ctx, f)
	if err != nil {
		return err
	}
	if t.json {
		return errors.Join(t.out.json(q), unknown(q.Unknown))
	}
	t.queueHead(q)
	tab := countTable(q, q.Detail)
	if len(tab.rows) > 0 {
		t.out.line("")
		t.out.print(tab)
	}
	for i := range q.Detail {
		t.channelTable(q.Time, &q.Detail[i])
	}
	return unknown(q.Unknown)
}

// countTable is the queues with what they hold; of channels also what of it
// nobody has tried yet.
func countTable(q view.Queue, list []view.QueueDetail) *table {
	head := []string{"INSTANCE", "QUEUE", ">MESSAGES", ">SIZE", ">OLDEST"}
	untried := hasUntried(list)
	if untried {
		head = append(head, ">UNTRIED", ">OLDEST UNTRIED")
	}
	tab := newTable(head...)
	for _, d := range list {
		for _, c := range d.Queues {
			size := "-"
			if c.Bytes >= 0 {
				size = bytesText(c.Bytes)
			}
			cells := []string{clean(d.Instance), clean(c.Name), countText(c.Messages), size, ageText(q.Time, c.Oldest)}
			if u := c.Untried; u != nil {
				cells = append(cells, countText(u.Messages), ageText(q.Time, u.Oldest))
			} else if untried {
				cells = append(cells, "-")
			}
			tab.add(cells...)
		}
		if d.Unknown != "" {
			tab.add(clean(d.Instance), "UNKNOWN: "+clean(d.Unknown))
			tab.mark(red)
		}
	}
	return tab
}

func hasUntried(list []view.QueueDetail) bool {
	for _, d := range list {
		for _, c := range d.Queues {
			if c.Untried != nil {
				return true
			}
		}
	}
	return false
}

// channelTable prints what each channel or program of an instance did.
func (t *tool) channelTable(now time.Time, d *view.QueueDetail) {
	switch {
	case d.ChannelsUnknown != "":
		t.out.line("")
		t.out.line(t.out.in(red, "UNKNOWN") + ": what the channels of " + clean(d.Instance) + " did: " + clean(d.ChannelsUnknown))
		return
	case len(d.Channels) == 0:
		return
	}
	t.out.line("")
	since := ""
	if !d.ChannelsSince.IsZero() {
		since = " since " + clockText(now, d.ChannelsSince)
	}
	if d.Channels[0].Received == nil {
		t.out.line(t.out.in(bold, clean(d.Instance)+": recipients by program"+since) + ", from its log")
		t.out.print(programTable(d.Channels))
		return
	}
	t.out.line(t.out.in(bold, clean(d.Instance)+": channels"+since) + ", from its log; every record counted once")
	t.out.print(counterTable(d.Channels))
}

// programTable is for servers whose programs have no queues of their own.
func programTable(list []view.ChannelRow) *table {
	tab := newTable("PROGRAM", ">SUBMITTED", ">DELIVERED", ">FIRST TIME", ">ATTEMPTED", ">FAILED", ">REJECTED")
	for _, c := range list {
		tab.add(clean(c.Channel), countText(c.Submitted.Recipients), countText(c.Delivered.Recipients), countText(c.FirstTime),
			countText(c.Attempted), countText(c.Failed), countText(c.Rejected))
	}
	return tab
}

// counterTable is laid out as `imsimta qm counters` does: a line with the
// channel, and below it one for each count.
func counterTable(list []view.ChannelRow) *table {
	tab := newTable("CHANNEL", ">MESSAGES", ">RECIPIENTS", ">SIZE", "")
	recipients := func(name string, n int64) { tab.add("    "+name, "", countText(n)) }
	volume := func(name string, v *view.Volume, note string) {
		if v != nil {
			tab.add("    "+name, countText(v.Messages), countText(v.Recipients), bytesText(v.Bytes), note)
		}
	}
	for _, c := range list {
		if c.Received.Recipients == 0 && c.Submitted.Recipients == 0 && c.Delivered.Recipients == 0 && c.Attempted+c.Rejected+c.Failed == 0 &&
			c.Stored != nil && *c.Stored == 0 {
			continue // nothing ever came this way
		}
		tab.add(clean(c.Channel))
		tab.mark(bold)
		volume("Received", c.Received, "")
		if c.Stored != nil {
			tab.add("    Stored", countText(*c.Stored))
		} else {
			tab.add("    Stored", "?")
		}
		volume("Delivered", c.Delivered, "("+countText(c.FirstTime)+" first time)")
		volume("Submitted", c.Submitted, "")
		recipients("Attempted", c.Attempted)
		recipients("Rejected", c.Rejected)
		recipients("Failed", c.Failed)
	}
	return tab
}

// summary prints the queues of servers that have one for each channel, before
// the table by destination.
func (t *tool) summary(q view.Queue) {
	var list []view.QueueDetail
	for _, d := range q.Detail {
		if hasUntried([]view.QueueDetail{d}) {
			list = append(list, d)
		}
	}
	if len(list) > 0 {
		t.out.line("")
		t.out.print(countTable(q, list))
	}
}

// triesText tells how often a message was tried, where the queue tells that.
func triesText(m *mta.QueuedMessage) string {
	switch m.Attempts {
	case 0:
		return ""
	case 1:
		return ", tried once"
	}
	return ", tried " + strconv.Itoa(m.Attempts) + " times"
}

// counted prints a listing that only counts messages, by queue and destination.
func (t *tool) counted(m view.Messages) error {
	tab := newTable("QUEUE", "RECIPIENT", ">MESSAGES")
	for _, item := range m.Messages {
		to := "unknown"
		if len(item.Recipients) > 0 {
			to = recipientText(item.Recipients[0].Address)
		}
		tab.add(clean(item.Queue), cut(to, 60), countText(max(item.Count, 1)))
	}
	if len(tab.rows) > 0 {
		t.out.print(tab)
	}
	return t.messagesEnd(m)
}

// onlyCounts reports whether a listing has no single message.
func onlyCounts(m view.Messages) bool {
	return slices.ContainsFunc(m.Messages, func(item view.MessageItem) bool { return item.Count > 0 })
}

// recipientText names a message's recipients; where only the destination is
// known it is that.
func recipientText(address string) string {
	switch {
	case address == "@unknown":
		return "unknown"
	case strings.HasPrefix(address, "@"):
		return "someone at " + clean(address[1:])
	}
	return clean(address)
}
