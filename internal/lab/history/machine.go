package history

import (
	"strconv"
	"time"
)

// What the machine of a practice MTA shows between two letters.
const (
	openMean    = 0.12                   // sessions open per session in 10 s, at a moment: each stays a second or so
	remembered  = 60 * time.Second       // the kernel remembers a closed connection so long,
	serverEnds  = 0.55                   // if the server closed it first
	servers     = 2                      // processes: one of each service
	draining    = 1.3                    // server processes that end with their last session, in the mean
	overflows   = 2.5                    // of the deaf site's accept queue in 10 s
	insideAddrs = 24                     // addresses of users here
	outAddrs    = 60                     // addresses of others
	atWork      = 120 * time.Millisecond // that a message is in a queue at all
)

// tcpStates are those in which no connection is between two letters.
var tcpStates = [...]string{"syn-recv", "fin-wait-1", "fin-wait-2", "close", "close-wait", "last-ack", "closing"}

// connections shows the sessions of this moment, and those of the last minute
// that the kernel remembers.
func (m *model) connections(at time.Time, sessions [2]int) {
	ports := [2]int{m.cfg.Stage.Ports.SMTP, m.cfg.Stage.Ports.Submit}
	for i, n := range sessions {
		addrs := outAddrs
		if i == 1 {
			addrs = insideAddrs
		}
		for range n {
			if m.r.Float64() > serverEnds {
				continue
			}
			m.closed = append(m.closed, client{at, i, m.r.IntN(addrs)})
		}
	}
	for len(m.closed) > 0 && at.Sub(m.closed[0].at) > remembered {
		m.closed = m.closed[1:]
	}
	for i, port := range ports {
		number := strconv.Itoa(port)
		by := map[int]int{}
		top, kept := 0, 0
		see := func(addr int) {
			by[addr]++
			top = max(top, by[addr])
		}
		for _, c := range m.closed {
			if c.port == i {
				kept++
				see(c.addr)
			}
		}
		open := m.poisson(openMean * float64(sessions[i]))
		for range open {
			see(m.r.IntN(outAddrs))
		}
		m.add1(float64(sessions[i]), "mta_inbound_closed_total", "port", number)
		m.gauge2(float64(open), "mta_inbound_connections", "port", number, "state", "established")
		m.gauge2(float64(kept), "mta_inbound_connections", "port", number, "state", "time-wait")
		for _, s := range tcpStates {
			m.gauge2(0, "mta_inbound_connections", "port", number, "state", s)
		}
		m.gauge1(float64(len(by)), "mta_inbound_sources", "port", number)
		m.gauge1(float64(top), "mta_inbound_top_source_connections", "port", number)
		m.gauge1(0, "mta_accept_queue_length", "port", number)
		if v := m.cfg.Stage.Site.Services; i < len(v) {
			m.gauge1(float64(v[i].Backlog), "mta_accept_queue_limit", "port", number)
			m.gauge1(float64(v[i].Capacity()), "mta_inbound_capacity", "port", number)
		}
	}
	m.host(true, float64(m.poisson(overflows)), "mta_accept_overflows_total")
	m.host(true, 0, "mta_syncookies_sent_total")
}

// daemons shows the processes: one of each kind, servers that are replaced
// after so many connections, deliverers while there is something to deliver.
func (m *model) daemons(letters int) {
	age := m.ages["server"] + Step
	if m.r.Float64() < float64(letters)/3/100 { // MAX_LIFE_CONNS of the service that has less to do
		age = time.Duration((0.3 + 0.3*m.r.Float64()) * float64(age)) // the next oldest
	}
	m.ages["server"] = age
	m.gauge1(1, "mta_processes", "role", "dispatcher")
	m.gauge1(1, "mta_processes", "role", "job-controller")
	m.gauge1(float64(servers+min(3, m.poisson(draining))), "mta_processes", "role", "smtp-server")
	m.gauge1(float64(2+min(2, m.poisson(0.1))), "mta_processes", "role", "delivery") // one for each channel that has mail
	for _, role := range [...]string{"dispatcher", "job-controller"} {
		m.gauge1(float64(m.start.Unix()), "mta_process_start_time_seconds", "role", role)
		m.add1(0, "mta_process_restarts_total", "role", role)
	}
	m.gauge(age.Seconds(), "mta_smtp_server_oldest_age_seconds")
}

// queues shows what waits: in tcp_local what is to be tried again, elsewhere
// what is just on its way.
func (m *model) queues(at time.Time) {
	rate := m.cfg.Rate * m.cfg.Day(at)
	for _, q := range [...]struct {
		name  string
		share float64
	}{{"tcp_intranet", 0}, {"tcp_auth", 0}, {"ims-ms", 0.7}, {"process", 0.02}, {"held", 0}} {
		n := 0.0
		if q.share > 0 {
			n = float64(m.poisson(rate * q.share * atWork.Seconds()))
		}
		m.queue(q.name, n, n*4500, n*0.05, n, n*0.05)
	}
	n := float64(m.poisson(rate * 0.35 * atWork.Seconds() * 2))
	bytes, oldest, untried := n*4500, 0.0, n
	if n > 0 {
		oldest = 0.2
	}
	by := map[string]float64{}
	hung := 0.1 * untried // age of the oldest untried
	for i := range m.waiting {
		d := &m.waiting[i]
		n++
		if age := at.Sub(d.arrived); age < d.hangs {
			untried++
			hung = max(hung, age.Seconds())
		}
		bytes += d.size + headerSize
		oldest = max(oldest, at.Sub(d.arrived).Seconds())
		by[d.site.Domain()]++
	}
	m.queue("tcp_local", n, bytes, oldest, untried, hung)
	for domain, n := range by {
		m.gauge2(n, "mta_queue_destination_messages", "destination", domain, "age", "5m")
	}
	m.gauge(float64(m.disk.Bavail)*float64(m.disk.Bsize), "mta_disk_free_bytes")
	m.gauge(float64(m.disk.Blocks)*float64(m.disk.Bsize), "mta_disk_size_bytes")
	if m.disk.Files > 0 {
		m.gauge(float64(m.disk.Ffree), "mta_disk_free_inodes")
	}
}

func (m *model) queue(name string, n, bytes, oldest, untried, untriedOldest float64) {
	m.gauge1(n, "mta_queue_messages", "queue", name)
	m.gauge1(bytes, "mta_queue_bytes", "queue", name)
	m.gauge1(oldest, "mta_queue_oldest_age_seconds", "queue", name)
	m.gauge1(untried, "mta_queue_untried_messages", "queue", name)
	m.gauge1(untriedOldest, "mta_queue_untried_oldest_age_seconds", "queue", name)
}

// monitor shows mtawatch's own readings: the log that grows, and the probes.
func (m *model) monitor() {
	m.host(true, m.lines, "mtawatch_log_lines_total", "source", m.log, "outcome", "parsed")
	m.lines = 0
	for _, o := range [...]string{"ignored", "unknown", "malformed"} {
		m.host(true, 0, "mtawatch_log_lines_total", "source", m.log, "outcome", o)
	}
	m.host(false, 1, "mtawatch_source_up", "source", m.log)
	m.host(false, 0, "mtawatch_source_lag_seconds", "source", m.log)
	m.host(false, 1, "mtawatch_probe_up", "probe", "dns")
	m.host(false, 1, "mtawatch_probe_up", "probe", "smtp")
}
