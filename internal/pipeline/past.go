package pipeline

import (
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/mtawatch/mtawatch/internal/inbound"
	"github.com/mtawatch/mtawatch/internal/mta"
	"github.com/mtawatch/mtawatch/internal/track"
)

// past is what the log alone tells of time that is over: the queue, the
// inbound connections and the daemons' starts, which are measured while mtawatch
// watches. It is there while logs are read late, and never beside a measurement.
type past struct {
	sessions *inbound.Sessions
	sources  []mta.SourceCount
	hosts    []*pastInstance // by name
	last     *pastInstance   // of the event before: they come in runs
	series   map[pastKey]*mta.Series
	samples  []mta.Sample // reused from tick to tick
}

type pastInstance struct {
	name     string
	from     time.Time // when its queue is known: before that it held mail of which no line tells
	queue    track.QueueDepth
	looked   int // ticks since the queue was looked through
	seen     bool
	down     bool                  // its dispatcher ended in good order, and no line has come since
	restarts [mta.NumRoles]float64 // dispatcher and job controller
	ports    map[string]uint16     // by service
}

// pastKey names a series without making its key: a tick of the past comes
// every few lines of a sparse log.
type pastKey struct {
	name, instance, a, b string
	port                 uint16
}

func newPast() *past {
	return &past{sessions: inbound.New(), series: make(map[pastKey]*mta.Series)}
}

// queueLearned is how long a log is read before its queue is known: each
// message that waits is tried again in this time (Postfix tries at least every
// maximal_backoff_time, 4000 s), and so is seen.
const queueLearned = 75 * time.Minute

// Expect names the mail server that wrote a log. Without instances that log
// to it, every line that looks like that server's is read.
func (b *Belt) Expect(source, server string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.sourceFor(source).mta = server
}

// Missing says that lines of a source are missing between what was read and
// what comes: nothing is known of the time between, and what became of the
// open messages and sessions neither.
func (b *Belt) Missing(source string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.sourceFor(source).missing = true
}

// EndPast closes the last tick of logs that are read to their end.
func (b *Belt) EndPast() {
	b.mu.Lock()
	defer b.mu.Unlock()
	var next time.Time
	for _, s := range b.sources {
		if !s.atEnd && s.next.After(next) {
			next = s.next
		}
	}
	b.closePast(next)
}

// pastEvent takes what the log, read since its first event, tells of
// connections and daemons.
func (b *Belt) pastEvent(first time.Time, e *mta.Event) {
	p := b.past
	in := p.instance(e.Instance)
	if in.from.IsZero() {
		in.from = first.Add(queueLearned)
	}
	in.down = false
	switch e.Kind {
	case mta.KindConnect, mta.KindDisconnect, mta.KindWarning:
		if e.Kind != mta.KindWarning || e.Reason == "passed" {
			p.sessions.Add(e, b.portOf(in, e.Service))
		}
	case mta.KindDaemon:
		p.sessions.Add(e, 0)
		in.daemon(e)
	}
	in.seen = true
}

// daemon counts the starts of the processes of which there is one each.
func (in *pastInstance) daemon(e *mta.Event) {
	switch {
	case e.Daemon == mta.RoleDispatcher && e.Action == mta.ActionStarted && in.seen:
		in.restarts[e.Daemon]++
	case e.Daemon == mta.RoleDispatcher && e.Action == mta.ActionStopped:
		in.down = true
	case e.Daemon == mta.RoleJobController && (e.Action == mta.ActionKilled || e.Action == mta.ActionStopped):
		in.restarts[e.Daemon]++
	}
}

func (p *past) instance(name string) *pastInstance {
	if p.last != nil && p.last.name == name {
		return p.last
	}
	for _, in := range p.hosts {
		if in.name == name {
			p.last = in
			return in
		}
	}
	p.last = &pastInstance{name: strings.Clone(name), ports: make(map[string]uint16)}
	p.hosts = append(p.hosts, p.last)
	slices.SortFunc(p.hosts, func(a, b *pastInstance) int { return strings.Compare(a.name, b.name) })
	return p.last
}

// usualPorts are those of services by the names that mail servers log, where
// no configuration tells more.
var usualPorts = map[string]uint16{"smtp": 25, "submission": 587, "submissions": 465, "smtps": 465}

// portOf gives the port of a service: of "submission" that on which the
// instance's submission listens; where the line names none that of smtp. 0 is not known.
func (b *Belt) portOf(in *pastInstance, service string) uint16 {
	if n, ok := in.ports[service]; ok {
		return n
	}
	name := service
	if service == "" {
		service = "smtp"
	}
	port := usualPorts[service]
	if n, err := strconv.ParseUint(service, 10, 16); err == nil {
		port = uint16(n)
	}
	for i := range b.instances {
		for _, l := range b.instances[i].Listen {
			if b.instances[i].Name == in.name && l.Service == service {
				port = l.Port
			}
		}
	}
	if len(in.ports) < 100 {
		in.ports[strings.Clone(name)] = port
	}
	return port
}

// quiet is how long the log of a source may have no line and the time still
// be known as one in which nothing happened: by its habit, but at least an
// hour and at most a day. After an orderly end of the mail server it is not known at all.
func (b *Belt) quiet(s *source) time.Duration {
	if s.missing {
		return 0
	}
	down := len(b.past.hosts) > 0
	for _, in := range b.past.hosts {
		down = down && in.down
	}
	if down {
		return 0
	}
	return s.habit.limit(Silence{Least: time.Hour, Most: 24 * time.Hour})
}

// fillPast closes the ticks between two events of a source, of which the
// second comes at a moment. The level holds until the events go on. Where the log says nothing
// for longer than its habit, there are no ticks: what was then is not known.
func (b *Belt) fillPast(s *source, at time.Time) {
	step := b.cfg.Interval
	known := s.lastLine.Add(b.quiet(s))
	last := at.Truncate(step)
	if gap := at.Sub(s.lastLine); gap > step && !s.missing {
		s.habit.add(at, min(gap, known.Sub(s.lastLine)))
	}
	b.closePast(s.next)
	if s.missing {
		b.forgetPast(at)
		s.missing = false
	}
	for t := s.next.Add(step); !t.After(last); t = t.Add(step) {
		if t.After(known) && t.Before(last) {
			t = last
		}
		b.news = b.news || t.Equal(last)
		b.closePast(t)
	}
}

// forgetPast begins anew after lines that are missing.
func (b *Belt) forgetPast(at time.Time) {
	b.tracker.Forget()
	b.past.sessions.Forget()
	for _, in := range b.past.hosts {
		in.from = at.Add(queueLearned)
	}
}

// pastReading gives all series of a moment that is over.
func (b *Belt) pastReading(at time.Time) mta.Reading {
	p := b.past
	if at.Sub(b.rebalance) > 5*time.Minute {
		b.meter.Rebalance()
		b.rebalance = at
	}
	dst := p.samples[:0]
	if b.cfg.History != nil {
		dst = nil // the history keeps them
	}
	p.samples = b.meter.Samples(dst)
	for _, in := range p.hosts {
		b.pastQueue(in, at)
		for _, role := range [...]mta.Role{mta.RoleDispatcher, mta.RoleJobController} {
			v := in.restarts[role]
			if !b.cfg.Replay {
				v = 0
				if live := b.procs[in.name]; live != nil {
					v = float64(live.restarts[role]) // goes on where the live watch goes on
				}
			}
			p.put(b, mta.Series{Name: "mta_process_restarts_total", Counter: true}, pastKey{instance: in.name, a: "role", b: role.String()}, v)
		}
	}
	for _, port := range p.sessions.At(at) {
		b.pastPort(port)
	}
	for _, name := range b.sourceNames() {
		c := b.sources[name].counts
		lines := mta.Series{Name: "mtawatch_log_lines_total", Counter: true}
		for i, n := range [...]int64{c.Parsed, c.Ignored, c.Unknown, c.Malformed} {
			p.put(b, lines, pastKey{instance: name, a: "outcome", b: outcomes[i]}, float64(n))
		}
	}
	p.sources = p.sessions.Sources(p.sources[:0], pastSources)
	return mta.Reading{Tick: mta.Tick{Time: at, Samples: p.samples}, Sources: p.sources, SourcesKnown: len(p.sessions.At(at)) > 0, LogOnly: true}
}

// pastSources is how many remote addresses a reading of the past tells of.
const pastSources = 100

// outcomes are what becomes of a log line.
var outcomes = [...]string{"parsed", "ignored", "unknown", "malformed"}

// lookThrough is how many open messages may be looked at for each tick: a
// longer queue is looked through more rarely.
const lookThrough = 1000

func (b *Belt) pastQueue(in *pastInstance, at time.Time) {
	if at.Before(in.from) || in.from.IsZero() || !b.tracker.Joins(in.name) {
		return
	}
	if in.looked--; in.looked <= 0 {
		in.queue = b.tracker.Queue(in.name)
		in.looked = b.tracker.Open() / lookThrough
	} else {
		d := b.tracker.Counts(in.name)
		in.queue.Deferred.Messages, in.queue.Held.Messages = d.Deferred, d.Held
		in.queue.Active.Messages = max(0, d.Messages-d.Deferred-d.Held)
		b.tracker.ChannelCounts(in.name, in.channel)
	}
	if len(in.queue.Channels) > 0 { // it has a queue for each channel, and none of the three
		for i := range in.queue.Channels {
			c := &in.queue.Channels[i]
			b.pastWaiting(in.name, c.Name, c.Waiting, at, "mta_queue_messages", "mta_queue_oldest_age_seconds")
			b.pastWaiting(in.name, c.Name, c.Untried, at, "mta_queue_untried_messages", "mta_queue_untried_oldest_age_seconds")
		}
		b.pastWaiting(in.name, "held", in.queue.Held, at, "mta_queue_messages", "mta_queue_oldest_age_seconds")
		return
	}
	for _, q := range [...]struct {
		name string
		w    track.Waiting
	}{{"active", in.queue.Active}, {"deferred", in.queue.Deferred}, {"hold", in.queue.Held}} {
		b.pastWaiting(in.name, q.name, q.w, at, "mta_queue_messages", "mta_queue_oldest_age_seconds")
	}
}

// channel takes the present counts of one channel.
func (in *pastInstance) channel(name string, messages, untried int64) {
	for i := range in.queue.Channels {
		if c := &in.queue.Channels[i]; c.Name == name {
			c.Messages, c.Untried.Messages = messages, untried
			return
		}
	}
	in.queue.Channels = append(in.queue.Channels, track.ChannelDepth{Name: name, Waiting: track.Waiting{Messages: messages}, Untried: track.Waiting{Messages: untried}})
}

// pastWaiting gives the number of messages and the age of the oldest.
func (b *Belt) pastWaiting(instance, queue string, w track.Waiting, at time.Time, messages, age string) {
	k := pastKey{instance: instance, a: "queue", b: queue}
	b.past.put(b, mta.Series{Name: messages}, k, float64(w.Messages))
	switch {
	case w.Messages == 0:
		b.past.put(b, mta.Series{Name: age}, k, 0)
	case !w.Oldest.IsZero():
		b.past.put(b, mta.Series{Name: age}, k, max(0, at.Sub(w.Oldest).Seconds()))
	}
}

func (b *Belt) pastPort(port *inbound.Port) {
	if port.Number == 0 {
		return
	}
	instance := port.Instance
	if in := b.instanceOfPort(port.Number); in != "" {
		instance = in
	}
	for _, x := range [...]struct {
		name, label, value string
		v                  float64
	}{
		{"mta_inbound_connections", "state", "established", float64(port.Open)},
		{"mta_inbound_sources", "", "", float64(port.Sources())},
		{"mta_inbound_top_source_connections", "", "", float64(port.Top())},
		{"mta_inbound_closed_total", "", "", float64(port.Closed)},
	} {
		k := pastKey{instance: instance, a: x.label, b: x.value, port: port.Number}
		b.past.put(b, mta.Series{Name: x.name, Counter: x.name == "mta_inbound_closed_total"}, k, x.v)
	}
}

// put appends a sample. k tells its labels: the instance (of log lines the
// source), the port and one more.
func (p *past) put(b *Belt, s mta.Series, k pastKey, v float64) {
	k.name = s.Name
	x := p.series[k]
	if x == nil {
		first := "instance"
		if s.Name == "mtawatch_log_lines_total" {
			first = "source"
		}
		s.Labels = []mta.Label{{Name: first, Value: k.instance}}
		if k.port != 0 {
			s.Labels = append(s.Labels, mta.Label{Name: "port", Value: strconv.Itoa(int(k.port))})
		}
		if k.a != "" {
			s.Labels = append(s.Labels, mta.Label{Name: k.a, Value: k.b})
		}
		x = b.gauges.of(s)
		p.series[k] = x
	}
	p.samples = append(p.samples, mta.Sample{Series: x, Value: v})
}

// beginPresent ends the past: from now on everything is measured, until a
// log is found that is to be read late. The connections that ended are counted on.
func (b *Belt) beginPresent() {
	if b.past == nil || b.cfg.Replay || len(b.past.hosts) == 0 {
		return
	}
	for _, port := range b.past.sessions.At(b.lastTick) {
		b.closedBefore[port.Number] += port.Closed
	}
	b.past = newPast()
}
