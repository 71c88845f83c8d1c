package pipeline

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"github.com/mtawatch/mtawatch/internal/meter"
	"github.com/mtawatch/mtawatch/internal/mta"
	"github.com/mtawatch/mtawatch/internal/qshape"
	"github.com/mtawatch/mtawatch/internal/view"
)

func sortFailures(rows []view.FailureRow) {
	slices.SortStableFunc(rows, func(a, b view.FailureRow) int {
		return cmp.Compare(b.Deferred+b.Bounced, a.Deferred+a.Bounced)
	})
}

// Queue gives the queue by destination and age.
func (b *Belt) Queue(q view.QueueQuery, now time.Time) view.Queue {
	b.mu.Lock()
	defer b.mu.Unlock()
	top := q.Top
	if top <= 0 {
		top = 20
	}
	out := view.Queue{Time: now, Queues: map[string]int64{}}
	var counts []mta.QueueCount
	var unknown []string
	for _, in := range b.instances {
		if q.Instance != "" && q.Instance != in.Name {
			continue
		}
		s := b.queueStatus(in, now)
		if s.Unknown != "" {
			unknown = append(unknown, in.Name+": "+s.Unknown)
		}
		d := view.QueueDetail{Instance: in.Name, Queues: s.Queues, FromLog: s.FromLog, Unknown: s.Unknown, Ages: ageLabels, Rows: []view.QueueRow{}}
		if t := b.shapes[in.Name]; t == nil {
			d.ListFailed = "the queue has not been listed yet"
		} else {
			d.ListedAt, d.ListFailed = t.Time, t.Failed
			d.Rows, d.Other = ShapeView(&t.Table, q.Queues, top)
			for i := range d.Rows {
				d.Rows[i].Normal = b.normal("mta_queue_destination_messages", "instance", in.Name, "destination", d.Rows[i].Destination)
			}
			if len(q.Queues) == 0 {
				total := queueRow(&t.Table.Total)
				d.Total = &total
			}
		}
		if q.Counters {
			b.channelRows(&d, in, now)
		}
		out.Detail = append(out.Detail, d)
		for _, c := range s.Queues {
			if len(q.Queues) == 0 || slices.Contains(q.Queues, c.Name) {
				counts = append(counts, c)
				out.Queues[c.Name] += c.Messages
			}
		}
	}
	out.Unknown = strings.Join(unknown, "; ")
	if len(counts) > 0 {
		out.Messages, out.Bytes = totals(counts)
	}
	return out
}

// channelRows puts in what each channel or program of an instance did.
func (b *Belt) channelRows(d *view.QueueDetail, in mta.Instance, now time.Time) {
	if d.ChannelsUnknown = b.logUnknown(in, now); d.ChannelsUnknown != "" {
		return
	}
	list, since, queues := b.meter.Channels(in.Name)
	d.ChannelsSince = since
	stored := make(map[string]int64)
	for _, q := range d.Queues {
		if q.Name == "held" { // is no channel
			continue
		}
		stored[q.Name] = q.Messages
		if queues && !slices.ContainsFunc(list, func(c meter.Channel) bool { return c.Name == q.Name }) {
			list = append(list, meter.Channel{Name: q.Name})
		}
	}
	volume := func(v meter.Volume) *view.Volume {
		return &view.Volume{Messages: v.Messages, Recipients: v.Recipients, Bytes: v.Bytes}
	}
	for _, c := range list {
		row := view.ChannelRow{Channel: c.Name, Delivered: volume(c.Delivered), FirstTime: c.FirstTime, Submitted: volume(c.Submitted),
			Attempted: c.Attempted, Rejected: c.Rejected, Failed: c.Failed}
		if n := stored[c.Name]; queues && d.Unknown == "" {
			row.Stored = &n
		}
		if queues {
			row.Received = volume(c.Received)
			row.Delivered.Recipients += c.Failed // what has left: the messages count those too
		}
		d.Channels = append(d.Channels, row)
	}
	slices.SortStableFunc(d.Channels, func(a, b view.ChannelRow) int { return strings.Compare(a.Channel, b.Channel) })
}

// Connections gives the inbound sockets by remote address and state.
func (b *Belt) Connections(q view.ConnectionQuery, now time.Time) view.Connections {
	b.mu.Lock()
	defer b.mu.Unlock()
	out := view.Connections{Time: b.conns.Time, Source: b.conns.Source, Unknown: b.connsUnknown(now), Connections: []mta.Connection{}}
	if out.Unknown != "" {
		return out
	}
	counters := b.conns.Counters
	out.Counters = &counters
	for i := range b.conns.Ports {
		p := &b.conns.Ports[i]
		if q.Port != 0 && q.Port != p.Port {
			continue
		}
		out.Ports = append(out.Ports, b.portRow(p, b.serviceOf(p.Port)))
		for _, c := range p.Remotes {
			if q.State == "" || q.State == c.State.String() {
				out.Connections = append(out.Connections, c)
			}
		}
	}
	slices.SortStableFunc(out.Connections, func(a, b mta.Connection) int { return cmp.Compare(b.Count, a.Count) })
	top := q.Top
	if top <= 0 {
		top = 50
	}
	out.Connections = out.Connections[:min(len(out.Connections), top)]
	return out
}

func (b *Belt) serviceOf(port uint16) string {
	for _, in := range b.instances {
		for _, l := range in.Listen {
			if l.Port == port {
				return l.Service
			}
		}
	}
	return ""
}

// Processes gives the MTA's processes with their roles.
func (b *Belt) Processes(q view.ProcessQuery, now time.Time) view.Processes {
	b.mu.Lock()
	defer b.mu.Unlock()
	out := view.Processes{Time: b.procTime, Processes: []mta.RoleProcess{}, Roles: []view.RoleRow{}}
	var unknown []string
	for _, in := range b.instances {
		if q.Instance != "" && q.Instance != in.Name {
			continue
		}
		if why := b.procsUnknown(in.Name, now); why != "" {
			unknown = append(unknown, in.Name+": "+why)
			continue
		}
		v := b.procs[in.Name]
		out.Processes = append(out.Processes, v.list...)
		n, oldest := v.counts()
		for role := mta.RoleDispatcher; role < mta.NumRoles; role++ {
			row := view.RoleRow{Instance: in.Name, Role: role, Count: n[role], Oldest: oldest[role]}
			if role <= mta.RoleJobController {
				restarts := v.restarts[role]
				row.Restarts = &restarts
			}
			out.Roles = append(out.Roles, row)
		}
	}
	slices.SortStableFunc(out.Processes, func(a, b mta.RoleProcess) int {
		return cmp.Or(strings.Compare(a.Instance, b.Instance), cmp.Compare(a.Role, b.Role), a.Start.Compare(b.Start))
	})
	out.Unknown = strings.Join(unknown, "; ")
	return out
}

// ShapeView gives the rows of a queue table for people: the largest
// destinations, and the rest as one row (nil when there is none). With
// queues named, destinations without mail in them are left out.
func ShapeView(t *qshape.Table, queues []string, top int) ([]view.QueueRow, *view.QueueRow) {
	rows := []view.QueueRow{}
	var rest *qshape.Row
	if t.Other != nil {
		other := *t.Other
		rest = &other
	}
	for i := range t.Rows {
		r := &t.Rows[i]
		if !inQueues(r, queues) {
			continue
		}
		if len(rows) < top {
			rows = append(rows, queueRow(r))
			continue
		}
		if rest == nil {
			rest = &qshape.Row{}
		}
		fold(rest, r)
	}
	if rest == nil || len(queues) > 0 { // the rest is known for all queues together only
		return rows, nil
	}
	rest.Destination = "other"
	other := queueRow(rest)
	return rows, &other
}

func inQueues(r *qshape.Row, queues []string) bool {
	if len(queues) == 0 {
		return true
	}
	for _, q := range queues {
		if r.Queues[q] > 0 {
			return true
		}
	}
	return false
}

func fold(to, r *qshape.Row) {
	to.Messages += r.Messages
	to.Recipients += r.Recipients
	to.AgeUnknown += r.AgeUnknown
	for i, n := range r.Ages {
		to.Ages[i] += n
	}
	if to.Oldest.IsZero() || !r.Oldest.IsZero() && r.Oldest.Before(to.Oldest) {
		to.Oldest = r.Oldest
	}
}

func queueRow(r *qshape.Row) view.QueueRow {
	return view.QueueRow{Destination: r.Destination, Messages: r.Messages, Recipients: r.Recipients, Ages: r.Ages[:], AgeUnknown: r.AgeUnknown,
		Oldest: r.Oldest, Reason: r.LastReason}
}
