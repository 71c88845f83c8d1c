package judge

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"github.com/mtawatch/mtawatch/internal/detect"
	"github.com/mtawatch/mtawatch/internal/diagnose"
	"github.com/mtawatch/mtawatch/internal/mta"
)

// instance is one MTA of the case, with what a step adds up for it.
type instance struct {
	diagnose.Instance
	first        time.Time // its first reading
	queues       map[string]*diagnose.Queue
	destinations map[string]*diagnose.Destination
	waitingAt    []*sum    // recipients by destination: absent from a listing is none
	listed       time.Time // when a listing last had rows
	delaySum     float64
	delayCount   float64

	tried, toDestinations float64 // attempts of this step, and what destinations' counters grew by
	old                   bool    // the first values of such counters in this step are old
}

func (m *model) instance(name string) *instance {
	in := m.instances[name]
	if in == nil {
		in = &instance{first: m.now, queues: make(map[string]*diagnose.Queue), destinations: make(map[string]*diagnose.Destination)}
		in.Name = strings.Clone(name)
		in.Dispatcher.Role, in.JobController.Role = mta.RoleDispatcher, mta.RoleJobController
		m.instances[in.Name] = in
		m.Instances = append(m.Instances, &in.Instance)
		slices.SortFunc(m.Instances, func(a, b *diagnose.Instance) int { return strings.Compare(a.Name, b.Name) })
	}
	return in
}

// known reports whether the instance was there before this step: then a
// counter that appears now was counted from 0 within our sight.
func (in *instance) known(now time.Time) bool { return in.first.Before(now) }

func (in *instance) queue(name string) *diagnose.Queue {
	q := in.queues[name]
	if q == nil {
		q = &diagnose.Queue{Name: strings.Clone(name)}
		in.queues[q.Name] = q
		in.Queues = append(in.Queues, q)
		slices.SortFunc(in.Queues, func(a, b *diagnose.Queue) int { return strings.Compare(a.Name, b.Name) })
	}
	return q
}

func (in *instance) waiting(m *model) *sum {
	if in.Waiting == nil {
		in.Waiting = m.set.Signal(in.Name+"|waiting", detect.Gauge)
		m.name(in.Waiting, "mta_queue_messages", pairs("instance", in.Name))
	}
	return m.sum(in.Waiting, detect.Gauge)
}

// maxDestinations bounds the destinations of one instance. The busiest
// twenty have series, and they change places.
const maxDestinations = 100

// destination gives the destination of that name. When there are too many the one that
// was quiet longest makes room.
func (in *instance) destination(m *model, name string) *diagnose.Destination {
	d := in.destinations[name]
	if d != nil {
		return d
	}
	if len(in.Destinations) >= maxDestinations {
		in.dropQuietest(m)
	}
	base := in.Name + "|destination|" + name + "|"
	d = &diagnose.Destination{
		Name:     strings.Clone(name),
		Attempts: m.set.Signal(base+"attempts", detect.Count),
		Failed:   m.set.Signal(base+"failed", detect.Count),
		Deferred: m.set.Signal(base+"deferred", detect.Count),
		Bounced:  m.set.Signal(base+"bounced", detect.Count),
		Ratio:    m.set.Signal(base+"ratio", detect.Ratio),
	}
	m.name(d.Attempts, "mta_destination_attempts_total", pairs("instance", in.Name, "destination", d.Name))
	m.name(d.Failed, "mta_destination_attempts_total", pairs("instance", in.Name, "destination", d.Name, "status", "failed"))
	in.destinations[d.Name] = d
	in.Destinations = append(in.Destinations, d)
	slices.SortFunc(in.Destinations, func(a, b *diagnose.Destination) int { return strings.Compare(a.Name, b.Name) })
	return d
}

// dropQuietest forgets the destination without attempts for longest, with
// the feeds that lead to it.
func (in *instance) dropQuietest(m *model) {
	old := slices.MinFunc(in.Destinations, func(a, b *diagnose.Destination) int {
		return cmp.Or(a.Attempts.Last().Compare(b.Attempts.Last()), strings.Compare(a.Name, b.Name))
	})
	in.Destinations = slices.DeleteFunc(in.Destinations, func(d *diagnose.Destination) bool { return d == old })
	delete(in.destinations, old.Name)
	gone := map[*detect.Signal]bool{old.Attempts: true, old.Failed: true, old.Deferred: true, old.Bounced: true, old.Ratio: true, old.Waiting: true}
	m.sums = slices.DeleteFunc(m.sums, func(s *sum) bool { return gone[s.signal] })
	in.waitingAt = slices.DeleteFunc(in.waitingAt, func(s *sum) bool { return gone[s.signal] })
	for g := range gone {
		delete(m.sumOf, g)
		delete(m.named, m.keyOf[g])
		delete(m.keyOf, g)
	}
	for s := range m.feeds {
		if label(s, "destination") == old.Name && label(s, "instance") == in.Name {
			delete(m.feeds, s)
		}
	}
}

// attempts gives what to do with the growth of the attempts of one status and cause.
func (in *instance) attempts(m *model, status, cause string) func(float64) {
	if in.Attempts == nil {
		base := in.Name + "|attempts"
		in.Attempts = m.set.Signal(base, detect.Count)
		in.Sent = m.set.Signal(base+"|sent", detect.Count)
		in.Deferred = m.set.Signal(base+"|deferred", detect.Count)
		in.Bounced = m.set.Signal(base+"|bounced", detect.Count)
		in.FailureRatio = m.set.Signal(base+"|failure-ratio", detect.Ratio)
		in.BounceRatio = m.set.Signal(base+"|bounce-ratio", detect.Ratio)
		m.name(in.Attempts, "mta_delivery_attempts_total", pairs("instance", in.Name))
		for s, g := range map[string]*detect.Signal{"sent": in.Sent, "deferred": in.Deferred, "bounced": in.Bounced} {
			m.name(g, "mta_delivery_attempts_total", pairs("instance", in.Name, "status", s))
		}
	}
	sum := m.sum(in.Attempts, detect.Count)
	all := func(n float64) { sum.add(n); in.tried += n }
	failures, bounces := m.sum(in.FailureRatio, detect.Ratio).addRatio, m.sum(in.BounceRatio, detect.Ratio).addRatio
	sent, deferred, bounced := m.sum(in.Sent, detect.Count).add, m.sum(in.Deferred, detect.Count).add, m.sum(in.Bounced, detect.Count).add
	if status == mta.StatusSent.String() {
		return func(n float64) { all(n); sent(n); failures(0, n); bounces(0, n) }
	}
	var c mta.Cause
	if c.UnmarshalText([]byte(cause)) != nil || c == mta.CauseNone {
		c = mta.CauseOther
	}
	if in.Causes[c] == nil {
		in.Causes[c] = m.set.Signal(in.Name+"|attempts|cause|"+c.String(), detect.Count)
		m.name(in.Causes[c], "mta_delivery_attempts_total", pairs("instance", in.Name, "cause", c.String()))
	}
	own := m.sum(in.Causes[c], detect.Count).add
	if status == mta.StatusDeferred.String() {
		return func(n float64) {
			all(n)
			deferred(n)
			bounced(0)
			own(n)
			failures(n, n)
			bounces(0, n)
		}
	}
	return func(n float64) { all(n); bounced(n); own(n); failures(n, n); bounces(n, n) }
}

func (in *instance) rejects(m *model, cause string) func(float64) {
	if in.Rejects == nil {
		in.Rejects = m.set.Signal(in.Name+"|rejects", detect.Count)
		m.name(in.Rejects, "mta_rejects_total", pairs("instance", in.Name))
	}
	all := m.sum(in.Rejects, detect.Count).add
	var c mta.Cause
	if c.UnmarshalText([]byte(cause)) != nil {
		c = mta.CauseOther
	}
	if in.RejectCauses[c] == nil {
		in.RejectCauses[c] = m.set.Signal(in.Name+"|rejects|"+c.String(), detect.Count)
	}
	own := m.sum(in.RejectCauses[c], detect.Count).add
	return func(n float64) { all(n); own(n) }
}

// listingStands is for how long destinations without rows in the listing
// count as empty: listings come less often than steps.
const listingStands = 10 * time.Minute

// settle completes a step of the instance.
func (in *instance) settle(m *model) {
	if in.delayCount > 0 {
		if in.Delay == nil {
			in.Delay = m.set.Signal(in.Name+"|delay", detect.Gauge)
			m.name(in.Delay, "mta_delivery_delay_seconds", pairs("instance", in.Name))
		}
		in.Delay.SetGauge(in.delaySum / in.delayCount)
	}
	in.delaySum, in.delayCount = 0, 0
	if m.now.Sub(in.listed) > listingStands {
		return
	}
	for _, s := range in.waitingAt {
		s.add(0)
	}
}

type portKey struct{ instance, port string }

// port is one listening port of the case.
type port struct {
	diagnose.Port
	open     float64 // connections now, without those that are not yet or no longer
	read     time.Time
	lastOpen float64
	lastRead time.Time
	closed   float64 // ended in this step
	closedAt time.Time
	listened time.Time // when an accept queue was last seen
}

func (m *model) port(instance, number string) *port {
	k := portKey{instance, number}
	p := m.ports[k]
	if p == nil {
		p = new(port)
		p.Instance, p.Port.Port = strings.Clone(instance), strings.Clone(number)
		p.States = make(map[string]*detect.Signal)
		p.Current = m.set.Signal(instance+"|port|"+number+"|current", detect.Gauge)
		m.name(p.Current, "mta_inbound_connections", pairs("instance", instance, "port", number))
		m.ports[portKey{p.Instance, p.Port.Port}] = p
		m.Ports = append(m.Ports, &p.Port)
		slices.SortFunc(m.Ports, func(a, b *diagnose.Port) int {
			return cmp.Or(strings.Compare(a.Instance, b.Instance), cmp.Compare(len(a.Port), len(b.Port)), strings.Compare(a.Port, b.Port))
		})
		if instance != "" {
			in := m.instance(instance)
			in.Ports = append(in.Ports, &p.Port)
		}
	}
	return p
}

// settle completes a step of the port: what opened is what ended and what is
// there more than before.
func (p *port) settle(m *model) {
	if p.closedAt.Equal(m.now) && p.read.Equal(m.now) && p.lastRead.Equal(m.last) && !m.gap {
		p.Opened.SetCount(max(0, p.closed+p.open-p.lastOpen))
	}
	if p.read.Equal(m.now) {
		p.lastOpen, p.lastRead = p.open, m.now
	}
	p.Listening = p.listened.Equal(m.now)
	p.open, p.closed = 0, 0
}

func (m *model) log(name string) *diagnose.Log {
	l := m.logs[name]
	if l == nil {
		name = strings.Clone(name)
		l = &diagnose.Log{Name: name, Lines: m.set.Signal("log|"+name+"|lines", detect.Count), Bad: m.set.Signal("log|"+name+"|bad", detect.Ratio)}
		m.name(l.Lines, "mtawatch_log_lines_total", pairs("source", name))
		m.logs[name] = l
		m.Logs = append(m.Logs, l)
		slices.SortFunc(m.Logs, func(a, b *diagnose.Log) int { return strings.Compare(a.Name, b.Name) })
	}
	return l
}

// seconds makes a time of seconds since 1970.
func seconds(v float64) time.Time {
	if v <= 0 || v > 1<<40 {
		return time.Time{}
	}
	return time.UnixMilli(int64(v * 1000)).UTC()
}
