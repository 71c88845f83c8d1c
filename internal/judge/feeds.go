package judge

import (
	"strings"

	"github.com/mtawatch/mtawatch/internal/detect"
	"github.com/mtawatch/mtawatch/internal/diagnose"
	"github.com/mtawatch/mtawatch/internal/mta"
)

// newFeed says what a series' values do, by its name. A name that is not of
// the vocabulary is judged as one generic gauge.
func (m *model) newFeed(s *mta.Series) *feed {
	f := new(feed)
	switch s.Name {
	case "mta_queue_messages", "mta_queue_bytes", "mta_queue_oldest_age_seconds", "mta_queue_destination_messages",
		"mta_queue_untried_messages", "mta_queue_untried_oldest_age_seconds":
		m.queueFeed(f, s)
	case "mta_received_messages_total", "mta_received_bytes_total", "mta_delivery_attempts_total", "mta_rejects_total",
		"mta_delivery_delay_seconds_sum", "mta_delivery_delay_seconds_count":
		m.countFeed(f, s)
	case "mta_destination_attempts_total":
		m.destinationFeed(f, s)
	case "mta_inbound_connections", "mta_inbound_sources", "mta_inbound_top_source_connections", "mta_inbound_closed_total",
		"mta_accept_queue_length", "mta_accept_queue_limit", "mta_inbound_capacity":
		m.portFeed(f, s)
	case "mta_processes", "mta_process_start_time_seconds", "mta_process_restarts_total", "mta_smtp_server_oldest_age_seconds",
		"mta_disk_free_bytes", "mta_disk_size_bytes", "mta_disk_free_inodes":
		m.hostFeed(f, s)
	case "mta_accept_overflows_total":
		f.count = m.counter(&m.Overflows, s, s.Name)
	case "mta_syncookies_sent_total":
		f.count = m.counter(&m.SYNCookies, s, s.Name)
	case "mtawatch_probe_up":
		g := m.gauge(s, s.Key())
		m.Probes[label(s, "probe")] = g
		f.take = g.SetGauge
	case "mtawatch_log_lines_total", "mtawatch_source_up", "mtawatch_source_lag_seconds":
		m.logFeed(f, s)
	default:
		if !strings.HasPrefix(s.Name, "mta_") && !strings.HasPrefix(s.Name, "mtawatch_") {
			m.genericFeed(f, s)
		}
	}
	return f
}

func (m *model) genericFeed(f *feed, s *mta.Series) {
	g := m.gauge(s, "series|"+s.Key())
	i := len(m.generic)
	m.generic = append(m.generic, generic{series: s, signal: g})
	f.take = func(v float64) { m.generic[i].at = m.now; g.SetGauge(v) }
}

// gauge gives the signal that is a gauge series by itself.
func (m *model) gauge(s *mta.Series, name string) *detect.Signal {
	g := m.set.Signal(name, detect.Gauge)
	m.named[s.Key()], m.keyOf[g] = g, s.Key()
	return g
}

// counter gives what to do with the growth of a counter that is a signal by
// itself, and puts the signal in its place.
func (m *model) counter(at **detect.Signal, s *mta.Series, name string) func(float64) {
	g := m.set.Signal(name, detect.Count)
	m.named[s.Key()], m.keyOf[g] = g, s.Key()
	*at = g
	return m.sum(g, detect.Count).add
}

func (m *model) queueFeed(f *feed, s *mta.Series) {
	in := m.instance(label(s, "instance"))
	if s.Name == "mta_queue_destination_messages" {
		d := in.destination(m, label(s, "destination"))
		if d.Waiting == nil {
			d.Waiting = m.set.Signal(in.Name+"|waiting|"+d.Name, detect.Gauge)
			m.name(d.Waiting, s.Name, pairs("instance", in.Name, "destination", d.Name))
			in.waitingAt = append(in.waitingAt, m.sum(d.Waiting, detect.Gauge))
		}
		add := m.sum(d.Waiting, detect.Gauge).add
		f.take = func(v float64) { in.listed = m.now; add(v) }
		return
	}
	q := in.queue(label(s, "queue"))
	g := m.gauge(s, in.Name+"|queue|"+q.Name+"|"+s.Name)
	switch s.Name {
	case "mta_queue_messages":
		q.Messages = g
		if diagnose.OnHold(q.Name) {
			f.take = g.SetGauge
			return
		}
		total := in.waiting(m).add
		f.take = func(v float64) { g.SetGauge(v); total(v) }
		return
	case "mta_queue_bytes":
		q.Bytes = g
	case "mta_queue_untried_messages":
		q.Untried = g
	case "mta_queue_untried_oldest_age_seconds":
		q.UntriedOldest = g
	default:
		q.Oldest = g
	}
	f.take = g.SetGauge
}

func (m *model) countFeed(f *feed, s *mta.Series) {
	in := m.instance(label(s, "instance"))
	f.born = in.known
	switch s.Name {
	case "mta_received_messages_total":
		f.count = m.counter(&in.Arrivals, s, in.Name+"|arrivals")
	case "mta_received_bytes_total":
		f.count = m.counter(&in.ArrivedBytes, s, in.Name+"|arrived-bytes")
	case "mta_delivery_attempts_total":
		f.count = in.attempts(m, label(s, "status"), label(s, "cause"))
	case "mta_rejects_total":
		f.count = in.rejects(m, label(s, "cause"))
	case "mta_delivery_delay_seconds_sum":
		if label(s, "stage") == "total" {
			f.count = func(d float64) { in.delaySum += d }
		}
	case "mta_delivery_delay_seconds_count":
		if label(s, "stage") == "total" {
			f.count = func(d float64) { in.delayCount += d }
		}
	}
}

func (m *model) destinationFeed(f *feed, s *mta.Series) {
	in := m.instance(label(s, "instance"))
	d := in.destination(m, label(s, "destination"))
	f.born, f.of = in.known, in
	sum, ratio := m.sum(d.Attempts, detect.Count), m.sum(d.Ratio, detect.Ratio).addRatio
	attempts := func(n float64) { sum.add(n); in.toDestinations += n }
	failed := m.sum(d.Failed, detect.Count).add
	switch label(s, "status") {
	case mta.StatusSent.String():
		f.count = func(n float64) { attempts(n); failed(0); ratio(0, n) }
	case mta.StatusDeferred.String():
		one := m.sum(d.Deferred, detect.Count).add
		f.count = func(n float64) { attempts(n); ratio(n, n); failed(n); one(n) }
	default:
		one := m.sum(d.Bounced, detect.Count).add
		f.count = func(n float64) { attempts(n); ratio(n, n); failed(n); one(n) }
	}
}

func (m *model) portFeed(f *feed, s *mta.Series) {
	p := m.port(label(s, "instance"), label(s, "port"))
	base := p.Instance + "|port|" + p.Port.Port + "|"
	switch s.Name {
	case "mta_inbound_connections":
		state := label(s, "state")
		g := m.gauge(s, base+state)
		p.States[state] = g
		current := m.sum(p.Current, detect.Gauge).add
		switch state {
		case mta.TCPTimeWait.String():
			f.take = g.SetGauge
		case mta.TCPSynRecv.String(): // no connection yet
			f.take = func(v float64) { g.SetGauge(v); current(v) }
		default:
			f.take = func(v float64) { g.SetGauge(v); current(v); p.open += v; p.read = m.now }
		}
	case "mta_inbound_capacity":
		f.take = func(v float64) { p.Capacity = v } // configured: no habit to learn
	case "mta_inbound_sources":
		p.Sources = m.gauge(s, base+"sources")
		f.take = p.Sources.SetGauge
	case "mta_inbound_top_source_connections":
		p.TopSource = m.gauge(s, base+"top-source")
		f.take = p.TopSource.SetGauge
	case "mta_inbound_closed_total":
		p.Opened = m.set.Signal(base+"opened", detect.Count)
		m.keyOf[p.Opened], m.named[s.Key()] = s.Key(), p.Opened
		f.count = func(n float64) { p.closed += n; p.closedAt = m.now }
	case "mta_accept_queue_length":
		p.AcceptQueue = m.gauge(s, base+"accept-queue")
		f.take = func(v float64) { p.listened = m.now; p.AcceptQueue.SetGauge(v) }
	default:
		p.AcceptLimit = m.gauge(s, base+"accept-limit")
		f.take = func(v float64) { p.listened = m.now; p.AcceptLimit.SetGauge(v) }
	}
}

func (m *model) hostFeed(f *feed, s *mta.Series) {
	in := m.instance(label(s, "instance"))
	base := in.Name + "|" + s.Name
	var role mta.Role
	if name := label(s, "role"); name != "" && role.UnmarshalText([]byte(name)) != nil {
		return
	}
	var d *diagnose.Daemon
	switch role {
	case mta.RoleDispatcher:
		d = &in.Dispatcher
	case mta.RoleJobController:
		d = &in.JobController
	}
	place := map[string]**detect.Signal{"mta_smtp_server_oldest_age_seconds": &in.ServerAge, "mta_disk_free_bytes": &in.DiskFree,
		"mta_disk_size_bytes": &in.DiskSize, "mta_disk_free_inodes": &in.InodesFree}[s.Name]
	switch {
	case s.Name == "mta_processes" && d != nil:
		place = &d.Count
	case s.Name == "mta_processes" && role == mta.RoleSMTPServer:
		place = &in.SMTPServers
	case s.Name == "mta_processes" && role == mta.RoleDelivery:
		place = &in.Deliveries
	case s.Name == "mta_process_restarts_total" && d != nil:
		f.count = m.counter(&d.Restarts, s, base+"|"+role.String())
		return
	case s.Name == "mta_process_start_time_seconds" && d != nil:
		f.take = func(v float64) { d.Started = seconds(v) }
		return
	}
	if place != nil {
		*place = m.gauge(s, base+"|"+role.String())
		f.take = (*place).SetGauge
	}
}

func (m *model) logFeed(f *feed, s *mta.Series) {
	l := m.log(label(s, "source"))
	base := "log|" + l.Name + "|"
	switch s.Name {
	case "mtawatch_source_up":
		l.Up = m.gauge(s, base+"up")
		f.take = l.Up.SetGauge
		return
	case "mtawatch_source_lag_seconds":
		l.Lag = m.gauge(s, base+"lag")
		f.take = l.Lag.SetGauge
		return
	}
	lines, bad := m.sum(l.Lines, detect.Count).add, m.sum(l.Bad, detect.Ratio).addRatio
	switch label(s, "outcome") {
	case "parsed":
		f.count = func(n float64) { lines(n); bad(0, n) }
	case "ignored":
		f.count = lines
	default:
		f.count = func(n float64) { lines(n); bad(n, n) }
	}
}
