package meter

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"github.com/mtawatch/mtawatch/internal/mta"
	"github.com/mtawatch/mtawatch/internal/track"
)

// Volume is how much mail there was. What a log does not tell of stays 0.
type Volume struct {
	Messages   int64 `json:"messages"`
	Recipients int64 `json:"recipients"`
	Bytes      int64 `json:"bytes"`
}

// Channel counts what one channel or program of a server did, since the store
// began. Attempts and refusals are of recipients.
type Channel struct {
	Name      string `json:"name"`
	Received  Volume `json:"received"`   // put into its queue, where it has one of its own
	Submitted Volume `json:"submitted"`  // taken in by it, into whatever queue
	Delivered Volume `json:"delivered"`  // delivered by it or moved on; messages that went back to their senders among them; messages and bytes where the log tells the end of a message by its recipients
	FirstTime int64  `json:"first_time"` // of what was delivered: of messages of which nothing was put off before
	Attempted int64  `json:"attempted"`  // deliveries put off
	Failed    int64  `json:"failed"`     // deliveries that failed for good
	Rejected  int64  `json:"rejected"`   // clients, recipients or messages refused
}

// maxChannels bounds the channels of one instance; the last counts all others.
const maxChannels = 64

// channels counts by channel or program.
type channels struct {
	list   []*Channel
	last   *Channel
	queues bool // the server has a queue for each: they have series
	since  time.Time
}

func (cs *channels) of(name string) *Channel {
	if cs.last != nil && cs.last.Name == name {
		return cs.last
	}
	for _, c := range cs.list {
		if c.Name == name {
			cs.last = c
			return c
		}
	}
	switch {
	case name == "":
		name = "unknown"
	case len(cs.list) >= maxChannels-1 && name != "other":
		return cs.of("other")
	default:
		name = strings.Clone(name[:min(len(name), maxChannelName)])
	}
	if i := slices.IndexFunc(cs.list, func(c *Channel) bool { return c.Name == name }); i >= 0 {
		return cs.list[i]
	}
	c := &Channel{Name: name}
	cs.list = append(cs.list, c)
	slices.SortFunc(cs.list, func(a, b *Channel) int { return strings.Compare(a.Name, b.Name) })
	return c
}

// maxChannelName is how many bytes of a name are kept.
const maxChannelName = 64

// add counts one fact.
func (cs *channels) add(f *track.Fact) {
	e := f.Event
	switch {
	case f.Delivery != nil:
		c := cs.of(e.Program)
		switch e.Status {
		case mta.StatusSent:
			c.Delivered.Recipients++
			if !f.PutOff {
				c.FirstTime++
			}
		case mta.StatusDeferred:
			c.Attempted++
		default:
			c.Failed++
		}
		if f.Removed {
			c.Delivered.Messages++
			c.Delivered.Bytes += e.Size
		}
	case f.Recipient:
		cs.accepted(e, f.First)
	case f.Received:
		c := &cs.of(f.Via).Submitted
		c.Messages++
		c.Recipients += int64(e.Recipients)
		c.Bytes += e.Size
	case e.Kind == mta.KindReject:
		cs.of(e.Program).Rejected++
	case e.Kind == mta.KindRemoved && e.PerRecipient: // it moved on into another channel
		c := cs.of(e.Program)
		c.Delivered.Recipients++
		c.FirstTime++
		if f.Removed {
			c.Delivered.Messages++
			c.Delivered.Bytes += e.Size
		}
	default:
		return
	}
	if cs.since.IsZero() {
		cs.since = e.Time
	}
}

// accepted counts a recipient for both channels: the one that handed it in
// and the one that took it.
func (cs *channels) accepted(e *mta.Event, first bool) {
	count := func(v *Volume) {
		v.Recipients++
		if first {
			v.Messages++
			v.Bytes += e.Size
		}
	}
	count(&cs.of(e.Program).Submitted)
	if e.Queue != "" {
		cs.queues = true
		count(&cs.of(e.Queue).Received)
	}
}

// savedChannels is the durable form.
type savedChannels struct {
	Since  time.Time `json:"since,omitzero"`
	Queues bool      `json:"queues,omitempty"`
	List   []Channel `json:"list,omitempty"`
}

func (cs *channels) save() savedChannels {
	s := savedChannels{Since: cs.since, Queues: cs.queues}
	for _, c := range cs.list {
		s.List = append(s.List, *c)
	}
	return s
}

func (cs *channels) load(s savedChannels) {
	cs.since, cs.queues, cs.list, cs.last = s.Since, s.Queues, nil, nil
	for _, c := range s.List[:min(len(s.List), maxChannels)] {
		cs.list = append(cs.list, &c)
	}
}

// Channels gives what each channel or program of an instance did, by name,
// and since when it is counted. queues says that each has a queue of its own.
func (m *Meter) Channels(name string) (list []Channel, since time.Time, queues bool) {
	in := m.instances[name]
	if in == nil {
		return nil, time.Time{}, false
	}
	for _, c := range in.channels.list {
		list = append(list, *c)
	}
	slices.SortFunc(list, func(a, b Channel) int { return cmp.Compare(a.Name, b.Name) })
	return list, in.channels.since, in.channels.queues
}

// channelActions are the values of the label action, and the count of each.
var channelActions = [...]struct {
	name  string
	count func(*Channel) int64
}{
	{"received", func(c *Channel) int64 { return c.Received.Recipients }},
	{"submitted", func(c *Channel) int64 { return c.Submitted.Recipients }},
	{"delivered", func(c *Channel) int64 { return c.Delivered.Recipients }},
	{"attempted", func(c *Channel) int64 { return c.Attempted }},
	{"failed", func(c *Channel) int64 { return c.Failed }},
	{"rejected", func(c *Channel) int64 { return c.Rejected }},
}

// channels gives the counts of channels that are queues.
func (w *writer) channels() {
	if !w.in.channels.queues {
		return
	}
	for _, c := range w.in.channels.list {
		series := w.in.series.channels[c.Name]
		if series == nil {
			series = new([len(channelActions)]*mta.Series)
			if w.in.series.channels == nil {
				w.in.series.channels = make(map[string]*[len(channelActions)]*mta.Series)
			}
			w.in.series.channels[c.Name] = series
		}
		for i := range channelActions {
			a := &channelActions[i]
			if n := a.count(c); n != 0 {
				w.put(&series[i], float64(n), "mta_channel_recipients_total", "channel", c.Name, "action", a.name)
			}
		}
	}
}
