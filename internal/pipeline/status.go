package pipeline

import (
	"slices"
	"strings"
	"time"

	"github.com/mtawatch/mtawatch/internal/meter"
	"github.com/mtawatch/mtawatch/internal/mta"
	"github.com/mtawatch/mtawatch/internal/view"
)

// statusWindow is the window of the failure figures in a status.
const statusWindow = time.Hour

// Status gives the four vital signs of every instance.
func (b *Belt) Status(now time.Time) view.Status {
	b.mu.Lock()
	defer b.mu.Unlock()
	st := view.Status{Time: now, Instances: []view.InstanceStatus{}, Blind: b.blindSpots(now)}
	if st.Blind == nil {
		st.Blind = []mta.BlindSpot{}
	}
	for _, in := range b.instances {
		st.Instances = append(st.Instances, view.InstanceStatus{
			Instance:    in,
			Queue:       b.queueStatus(in, now),
			Failures:    b.failureStatus(in, now),
			Connections: b.connectionStatus(in, now),
			Processes:   b.processStatus(in, now),
		})
		// What the processes tell is newer than the last detection.
		last := &st.Instances[len(st.Instances)-1]
		if last.Processes.Unknown == "" {
			last.Running = !slices.Contains(last.Processes.Missing, mta.RoleDispatcher.String())
		}
	}
	st.Sources = b.sourceStates(now)
	b.judged(&st)
	return st
}

func (b *Belt) queueStatus(in mta.Instance, now time.Time) view.QueueStatus {
	q, ok := b.queues[in.Name]
	s := view.QueueStatus{Time: q.Time, Queues: []mta.QueueCount{}, FromLog: b.logQueue(in)}
	switch {
	case !ok:
		s.Unknown = "the queue has not been read yet"
	case q.Unknown != "" && len(q.Queues) == 0:
		s.Unknown = q.Unknown
	case now.After(q.until):
		s.Unknown = "the last reading is from " + q.Time.Format(time.RFC3339)
	default:
		s.Unknown = q.Unknown
		s.Queues = b.completed(in.Name, q.Queues, now)
		s.Messages, s.Bytes = totals(s.Queues)
	}
	return s
}

// totals sums messages and bytes; bytes is nil when one queue's are unknown.
func totals(queues []mta.QueueCount) (messages, bytes *int64) {
	var n, size int64
	known := true
	for _, q := range queues {
		n += q.Messages
		size += q.Bytes
		known = known && q.Bytes != mta.UnknownBytes
	}
	if known {
		bytes = &size
	}
	return &n, bytes
}

// logQueue is the queue as the log alone tells it; nil when no log is read.
func (b *Belt) logQueue(in mta.Instance) *view.LogQueue {
	if len(in.Logs) == 0 || !b.tracker.Joins(in.Name) {
		return nil
	}
	d, oldest := b.tracker.Depth(in.Name)
	return &view.LogQueue{Messages: d.Messages, Oldest: oldest, Since: b.knownSince(in)}
}

func (b *Belt) failureStatus(in mta.Instance, now time.Time) view.FailureStatus {
	t := b.meter.Totals(in.Name, now.Add(-statusWindow), now)
	s := view.FailureStatus{Window: statusWindow, Attempts: t.Attempts, Causes: t.Causes, Rejects: &t.Rejects, Received: &t.Received,
		Since: latest(t.Since, b.knownSince(in)), Minute: b.lastMinute(in, now)}
	if why := b.logUnknown(in, now); why != "" {
		return view.FailureStatus{Window: statusWindow, Unknown: why}
	}
	return s
}

// lastMinute gives the attempts of the minute before now; nil while lines of
// it may be unread.
func (b *Belt) lastMinute(in mta.Instance, now time.Time) *view.LastMinute {
	sent, failed, from := b.meter.LastMinute(in.Name, now)
	if !b.started.IsZero() && (from.IsZero() || b.started.Before(from)) {
		from = b.started // the log is read on from where it was left
	}
	if from.IsZero() || !from.Before(now) || !b.live() {
		return nil
	}
	return &view.LastMinute{Sent: sent, Failed: failed, Span: min(now.Sub(from), time.Minute)}
}

// knownSince is the stamp of the first event read from the instance's logs.
func (b *Belt) knownSince(in mta.Instance) time.Time {
	var t time.Time
	for _, l := range in.Logs {
		if s := b.sources[l.Name()]; s != nil && !l.Quiet && (t.IsZero() || s.first.Before(t)) {
			t = s.first
		}
	}
	return t
}

// logUnknown says why the figures that come from an instance's log cannot be
// believed; "" when they can.
func (b *Belt) logUnknown(in mta.Instance, now time.Time) string {
	if len(in.Logs) == 0 {
		return "no log of this MTA was found"
	}
	for _, l := range in.Logs {
		s := b.sources[l.Name()]
		if l.Quiet {
			continue
		}
		if s == nil {
			return "the log has not been read yet"
		}
		if spot := s.health(now); spot != nil && spot.Kind != mta.BlindSilent && spot.Kind != mta.BlindLost {
			return l.Name() + ": " + spot.Text
		}
		if s.first.IsZero() {
			return l.Name() + ": no line of this mail server has been read yet"
		}
	}
	return ""
}

func (b *Belt) connectionStatus(in mta.Instance, now time.Time) view.ConnectionStatus {
	s := view.ConnectionStatus{Time: b.conns.Time, Ports: []view.PortRow{}, Unknown: b.connsUnknown(now)}
	if s.Unknown != "" {
		return s
	}
	for i := range b.conns.Ports {
		p := &b.conns.Ports[i]
		for _, l := range in.Listen {
			if l.Port == p.Port {
				s.Ports = append(s.Ports, b.portRow(p, l.Service))
				break
			}
		}
	}
	if len(in.Listen) == 0 {
		s.Unknown = "no port was found on which this MTA accepts SMTP"
	}
	return s
}

func (b *Belt) connsUnknown(now time.Time) string {
	switch {
	case b.conns.Unknown != "" && len(b.conns.Ports) == 0:
		return b.conns.Unknown
	case b.conns.Time.IsZero():
		return "the socket table has not been read yet"
	case now.Sub(b.conns.Time) > b.stale():
		return "the last reading is from " + b.conns.Time.Format(time.RFC3339)
	}
	return ""
}

func (b *Belt) portRow(p *mta.PortTable, service string) view.PortRow {
	row := view.PortRow{Port: p.Port, Service: service, Listening: p.Listening, Sources: p.Sources, TopSource: TopSource(p), States: map[string]int{}}
	if waiting, limit := int64(p.AcceptQueue), int64(p.AcceptLimit); p.Listening {
		row.AcceptQueue = &waiting
		if limit > 0 { // 0: the source does not tell it
			row.AcceptLimit = &limit
		}
	}
	for st := range mta.NumTCPStates {
		if n := p.States[st]; n > 0 && st != mta.TCPListen {
			row.States[st.String()] += int(n)
		}
	}
	row.Normal, row.Capacity = b.normalPort(p.Port), b.capacityOf(p.Port)
	if p.Closed >= 0 {
		row.Closed = &p.Closed
	}
	return row
}

func (b *Belt) processStatus(in mta.Instance, now time.Time) view.ProcessStatus {
	s := view.ProcessStatus{Time: b.procTime, Roles: map[string]int{}, Unknown: b.procsUnknown(in.Name, now)}
	if s.Unknown != "" {
		return s
	}
	for _, p := range b.procs[in.Name].list {
		if p.Orphan {
			s.Orphans++
		}
	}
	n, _ := b.procs[in.Name].counts()
	s.Stopped = b.procs[in.Name].stoppedRoles()
	for role := mta.RoleDispatcher; role < mta.NumRoles; role++ {
		s.Roles[role.String()] = n[role]
		if role <= mta.RoleJobController && n[role] == 0 && !in.NeverRan {
			s.Missing = append(s.Missing, role.String())
		}
	}
	return s
}

func (b *Belt) procsUnknown(instance string, now time.Time) string {
	v := b.procs[instance]
	switch {
	case b.procErr != "":
		return b.procErr
	case v != nil && !v.known && !b.procTime.IsZero():
		return "which processes are its own cannot be told: there are several mail servers and their working directories may not be read; run mtawatch as root"
	case v == nil || !v.known:
		return "the processes have not been read yet"
	case now.Sub(b.procTime) > b.stale():
		return "the last reading is from " + b.procTime.Format(time.RFC3339)
	}
	return ""
}

func (b *Belt) sourceStates(now time.Time) []view.SourceState {
	list := []view.SourceState{}
	for _, name := range b.sourceNames() {
		s := b.sources[name]
		spot := s.health(now)
		list = append(list, view.SourceState{Source: name, Up: spot == nil, Lines: s.counts.Lines, Events: s.counts.Events,
			Ignored: s.counts.Ignored, Unknown: s.counts.Unknown, Malformed: s.counts.Malformed, Behind: s.behind,
			LastLine: s.lastLine, LastUnknown: append([]string(nil), s.unknown.lines...), LastBad: append([]string(nil), s.malformed.lines...), Blind: spot})
	}
	return list
}

// Failures gives the attempts that did not succeed, by cause and destination.
func (b *Belt) Failures(q view.FailureQuery, now time.Time) view.Failures {
	b.mu.Lock()
	defer b.mu.Unlock()
	window := q.Window
	if window <= 0 {
		window = time.Hour
	}
	window = min(window, meter.MaxWindow)
	top := q.Top
	if top <= 0 {
		top = 20
	}
	from := now.Add(-window)
	f := view.Failures{Time: now, Window: window, Attempts: map[string]int64{}, Causes: map[string]int64{}, Rows: []view.FailureRow{}}
	var shown, failed int64
	var unknown []string
	for _, in := range b.instances {
		if q.Instance != "" && q.Instance != in.Name {
			continue
		}
		if why := b.logUnknown(in, now); why != "" {
			unknown = append(unknown, in.Name+": "+why)
		}
		t := b.meter.Totals(in.Name, from, now)
		f.Since = latest(f.Since, latest(t.Since, b.knownSince(in)))
		addAll(f.Attempts, t.Attempts)
		addAll(f.Causes, t.Causes)
		for _, r := range b.meter.Failures(in.Name, from, now) {
			if q.Cause != "" && q.Cause != r.Cause.String() || q.Destination != "" && q.Destination != r.Destination {
				continue
			}
			row := failureRow(r)
			row.Normal = b.normal("mta_destination_attempts_total", "instance", in.Name, "destination", r.Destination, "status", "failed")
			f.Rows = append(f.Rows, row)
		}
		for _, r := range b.meter.Rejects(in.Name, from, now) {
			f.Rejects = append(f.Rejects, view.RejectRow{Instance: in.Name, Stage: r.Stage, Cause: r.Cause, Class: r.Class, Count: r.Count, Last: r.Last, Reply: r.Reply})
		}
	}
	sortFailures(f.Rows)
	f.Rows = f.Rows[:min(len(f.Rows), top)]
	for _, r := range f.Rows {
		shown += r.Deferred + r.Bounced
	}
	for _, n := range f.Causes {
		failed += n
	}
	if q.Cause == "" && q.Destination == "" {
		f.Other = max(0, failed-shown) // the totals are exact, whatever the table had to forget
	}
	f.Unknown = strings.Join(unknown, "; ")
	return f
}

func latest(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}

func addAll(to, from map[string]int64) {
	for k, n := range from {
		to[k] += n
	}
}

func failureRow(r meter.Failure) view.FailureRow {
	return view.FailureRow{Instance: r.Instance, Destination: r.Destination, Cause: r.Cause, Scope: r.Cause.Scope(), Deferred: r.Deferred,
		Bounced: r.Bounced, Sent: r.Sent, First: r.First, Last: r.Last, Reply: r.Reply, DSN: r.DSN, Code: r.Code, Relay: r.Relay, QueueID: r.QueueID}
}
