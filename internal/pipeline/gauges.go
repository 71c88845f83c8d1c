package pipeline

import (
	"maps"
	"strconv"
	"time"

	"github.com/mtawatch/mtawatch/internal/mta"
)

// gaugeSeries gives the same Series pointer for the same series from tick to
// tick, and forgets those that are no longer asked for.
type gaugeSeries struct {
	byKey map[string]*gauge
	round int64
}

type gauge struct {
	series mta.Series
	round  int64 // when it was asked for last
}

func newGaugeSeries() gaugeSeries { return gaugeSeries{byKey: make(map[string]*gauge)} }

// forgotten is after how many rounds an unused series goes.
const forgotten = 1000

// next begins another round of samples.
func (g *gaugeSeries) next() {
	g.round++
	if g.round%forgotten == 0 {
		maps.DeleteFunc(g.byKey, func(_ string, x *gauge) bool { return g.round-x.round > forgotten })
	}
}

// of gives the one copy of a series.
func (g *gaugeSeries) of(x mta.Series) *mta.Series {
	k := x.Key()
	p := g.byKey[k]
	if p == nil {
		p = &gauge{series: x}
		g.byKey[k] = p
	}
	p.round = g.round
	return &p.series
}

// sampler appends the samples of one tick.
type sampler struct {
	g   *gaugeSeries
	dst []mta.Sample
}

func (s *sampler) put(counter bool, name string, v float64, pairs ...string) {
	labels := make([]mta.Label, 0, len(pairs)/2)
	for i := 0; i+1 < len(pairs); i += 2 {
		labels = append(labels, mta.Label{Name: pairs[i], Value: pairs[i+1]})
	}
	x := s.g.of(mta.Series{Name: name, Labels: labels, Counter: counter})
	s.dst = append(s.dst, mta.Sample{Series: x, Value: v})
}

func (s *sampler) gauge(name string, v float64, pairs ...string) { s.put(false, name, v, pairs...) }

func (s *sampler) counter(name string, v float64, pairs ...string) { s.put(true, name, v, pairs...) }

// stale is how old a reading may be and still count as now.
func (b *Belt) stale() time.Duration { return 3*b.cfg.Interval + 5*time.Second }

// gaugeSamples appends what is measured rather than counted. A reading that
// is missing, failed or too old gives no sample: absent, never zero.
func (b *Belt) gaugeSamples(dst []mta.Sample, now time.Time) []mta.Sample {
	b.gauges.next()
	s := &sampler{g: &b.gauges, dst: dst}
	for _, in := range b.instances {
		b.queueSamples(s, in, now)
		b.processSamples(s, in.Name, now)
		b.diskSamples(s, in.Name, now)
	}
	b.connectionSamples(s, now)
	b.sourceSamples(s, now)
	b.probeSamples(s)
	return s.dst
}

func (b *Belt) queueSamples(s *sampler, in mta.Instance, now time.Time) {
	q, ok := b.queues[in.Name]
	if ok && now.Before(q.until) {
		for _, c := range b.completed(in.Name, q.Queues, now) {
			s.gauge("mta_queue_messages", float64(c.Messages), "instance", in.Name, "queue", c.Name)
			if c.Bytes != mta.UnknownBytes {
				s.gauge("mta_queue_bytes", float64(c.Bytes), "instance", in.Name, "queue", c.Name)
			}
			if age := now.Sub(c.Oldest).Seconds(); !c.Oldest.IsZero() {
				s.gauge("mta_queue_oldest_age_seconds", max(0, age), "instance", in.Name, "queue", c.Name)
			} else if c.Messages == 0 {
				s.gauge("mta_queue_oldest_age_seconds", 0, "instance", in.Name, "queue", c.Name)
			}
			if u := c.Untried; u != nil {
				s.gauge("mta_queue_untried_messages", float64(u.Messages), "instance", in.Name, "queue", c.Name)
				if age := now.Sub(u.Oldest).Seconds(); !u.Oldest.IsZero() {
					s.gauge("mta_queue_untried_oldest_age_seconds", max(0, age), "instance", in.Name, "queue", c.Name)
				} else if u.Messages == 0 {
					s.gauge("mta_queue_untried_oldest_age_seconds", 0, "instance", in.Name, "queue", c.Name)
				}
			}
		}
	}
	t := b.shapes[in.Name]
	if t == nil || now.After(t.Until) {
		return
	}
	rows, other := ShapeView(&t.Table, nil, seriesDestinations)
	if other != nil {
		rows = append(rows, *other)
	}
	for _, r := range rows {
		for i, n := range r.Ages {
			if n != 0 {
				s.gauge("mta_queue_destination_messages", float64(n), "instance", in.Name, "destination", r.Destination, "age", ageLabels[i])
			}
		}
	}
}

// seriesDestinations is how many destinations of a queue have series.
const seriesDestinations = 20

func (b *Belt) processSamples(s *sampler, name string, now time.Time) {
	v := b.procs[name]
	if v == nil || !v.known || now.Sub(b.procTime) > b.stale() {
		return
	}
	n, oldest := v.counts()
	for role := mta.RoleDispatcher; role <= mta.RoleDelivery; role++ {
		s.gauge("mta_processes", float64(n[role]), "instance", name, "role", role.String())
		if !oldest[role].IsZero() && role <= mta.RoleJobController {
			s.gauge("mta_process_start_time_seconds", float64(oldest[role].UnixMilli())/1000, "instance", name, "role", role.String())
		}
		if role <= mta.RoleJobController {
			s.counter("mta_process_restarts_total", float64(v.restarts[role]), "instance", name, "role", role.String())
		}
	}
	if o := oldest[mta.RoleSMTPServer]; !o.IsZero() {
		s.gauge("mta_smtp_server_oldest_age_seconds", max(0, now.Sub(o).Seconds()), "instance", name)
	}
}

// SetDisk takes the space that an instance's queue has.
func (b *Belt) SetDisk(instance string, d mta.Disk) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.disks[instance] = d
}

func (b *Belt) diskSamples(s *sampler, name string, now time.Time) {
	d, ok := b.disks[name]
	if !ok || now.Sub(d.Time) > b.stale() {
		return
	}
	s.gauge("mta_disk_free_bytes", float64(d.Free), "instance", name)
	s.gauge("mta_disk_size_bytes", float64(d.Size), "instance", name)
	if d.Inodes > 0 {
		s.gauge("mta_disk_free_inodes", float64(d.FreeInodes), "instance", name)
	}
}

func (b *Belt) probeSamples(s *sampler) {
	for _, p := range b.judgement.probes {
		up := 0.0
		if p.OK {
			up = 1
		}
		s.gauge("mtawatch_probe_up", up, "probe", p.Name)
	}
}

func (b *Belt) connectionSamples(s *sampler, now time.Time) {
	if b.connsUnknown(now) != "" {
		return
	}
	for i := range b.conns.Ports {
		p := &b.conns.Ports[i]
		port := strconv.Itoa(int(p.Port))
		in := b.instanceOfPort(p.Port)
		for _, st := range reportedStates {
			n := p.States[st]
			if st == mta.TCPSynRecv {
				n += p.States[mta.TCPNewSynRecv]
			}
			s.gauge("mta_inbound_connections", float64(n), "instance", in, "port", port, "state", st.String())
		}
		s.gauge("mta_inbound_sources", float64(p.Sources), "instance", in, "port", port)
		if n := b.capacityOf(p.Port); n > 0 {
			s.gauge("mta_inbound_capacity", float64(n), "instance", in, "port", port)
		}
		s.gauge("mta_inbound_top_source_connections", float64(TopSource(p)), "instance", in, "port", port)
		if p.Closed >= 0 {
			s.counter("mta_inbound_closed_total", float64(p.Closed+b.closedBefore[p.Port]), "instance", in, "port", port)
		}
		if p.Listening {
			s.gauge("mta_accept_queue_length", float64(p.AcceptQueue), "instance", in, "port", port)
		}
		if p.Listening && p.AcceptLimit > 0 { // 0: the source does not tell it
			s.gauge("mta_accept_queue_limit", float64(p.AcceptLimit), "instance", in, "port", port)
		}
	}
	if c := b.conns.Counters; c.ListenOverflows >= 0 {
		s.counter("mta_accept_overflows_total", float64(c.ListenOverflows))
	}
	if c := b.conns.Counters; c.SyncookiesSent >= 0 {
		s.counter("mta_syncookies_sent_total", float64(c.SyncookiesSent))
	}
}

// reportedStates are the states of an inbound connection.
var reportedStates = [...]mta.TCPState{mta.TCPEstablished, mta.TCPSynRecv, mta.TCPFinWait1, mta.TCPFinWait2, mta.TCPTimeWait,
	mta.TCPClose, mta.TCPCloseWait, mta.TCPLastAck, mta.TCPClosing}

// TopSource gives the connections of the remote address that has most.
func TopSource(p *mta.PortTable) int {
	top, n := 0, 0
	for i, c := range p.Remotes {
		if i == 0 || c.Remote != p.Remotes[i-1].Remote {
			n = 0
		}
		n += c.Count
		top = max(top, n)
	}
	return top
}

func (b *Belt) instanceOfPort(port uint16) string {
	for _, in := range b.instances {
		for _, l := range in.Listen {
			if l.Port == port {
				return in.Name
			}
		}
	}
	return ""
}

// capacityOf gives how many sessions the services of a port hold at once; 0: not known.
func (b *Belt) capacityOf(port uint16) (n int) {
	for _, in := range b.instances {
		for _, l := range in.Listen {
			if l.Port == port {
				n = max(n, l.Capacity)
			}
		}
	}
	return n
}

func (b *Belt) sourceSamples(s *sampler, now time.Time) {
	for _, name := range b.sourceNames() {
		src := b.sources[name]
		if src.quiet { // its name changes with each start of a daemon: no label
			continue
		}
		up := 0.0
		if src.health(now) == nil {
			up = 1
		}
		s.gauge("mtawatch_source_up", up, "source", name)
		c := src.counts
		for _, o := range [...]struct {
			name string
			n    int64
		}{{"parsed", c.Parsed}, {"ignored", c.Ignored}, {"unknown", c.Unknown}, {"malformed", c.Malformed}} {
			s.counter("mtawatch_log_lines_total", float64(o.n), "source", name, "outcome", o.name)
		}
		if src.atEnd && src.behind == 0 {
			s.gauge("mtawatch_source_lag_seconds", 0, "source", name)
		} else if !src.lastLine.IsZero() {
			s.gauge("mtawatch_source_lag_seconds", max(0, now.Sub(src.lastLine).Seconds()), "source", name)
		}
	}
}
