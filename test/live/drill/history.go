//go:build linux

package drill

import (
	"context"
	"fmt"
	"iter"
	"math"
	"math/rand/v2"
	"net/netip"
	"time"

	"github.com/mtawatch/mtawatch/internal/mta"
	"github.com/mtawatch/mtawatch/internal/pipeline"
	"github.com/mtawatch/mtawatch/internal/state"
)

// stateFile is the watcher's store of state in its data directory.
const stateFile = "state.db"

// step is the watcher's interval.
const step = 10 * time.Second

// History makes a store in which the ordinary mail of the drills' world has
// been learned for some days up to now, at the true interval and by the
// belt's own engine. Days are all alike: the world's mail is so, too.
func History(ctx context.Context, store string, days int, now time.Time) error {
	db, err := state.Open(store, state.Config{})
	if err != nil {
		return fmt.Errorf("make history: %w", err)
	}
	err = pipeline.Learn(ctx, db, pipeline.Config{Interval: step, Location: time.Local}, ordinaryDays(days, now))
	if cerr := db.Close(); err == nil {
		err = cerr
	}
	if err != nil {
		return fmt.Errorf("make history: %w", err)
	}
	return nil
}

// ordinaryDays gives the readings that a watcher of the world would have had.
func ordinaryDays(days int, now time.Time) iter.Seq[mta.Reading] {
	return func(yield func(mta.Reading) bool) {
		m := newModel(now.AddDate(0, 0, -days))
		for at := m.start; at.Before(now.Add(-step)); at = at.Add(step) {
			if !yield(m.step(at)) {
				return
			}
		}
	}
}

// model is the world's ordinary mail as figures. Its numbers are those of
// traffic and letter, and of a Postfix that is idle between two messages.
type model struct {
	r       *rand.Rand
	start   time.Time
	series  map[string]*mta.Series
	total   map[string]float64 // of counters, by key
	clients []client           // of the last minute
	age     float64            // seconds, of the oldest SMTP server
	samples []mta.Sample
}

// client is one connection that was closed and is still remembered by the
// kernel.
type client struct {
	at   time.Time
	addr int
}

func newModel(start time.Time) *model {
	return &model{r: rand.New(rand.NewPCG(3, 14)), start: start.Truncate(step), series: map[string]*mta.Series{}, total: map[string]float64{}}
}

// instanceName is what mtawatch calls the world's Postfix.
const instanceName = "postfix"

func (m *model) put(counter bool, v float64, name string, pairs ...string) {
	s := mta.Series{Name: name, Counter: counter}
	for i := 0; i+1 < len(pairs); i += 2 {
		s.Labels = append(s.Labels, mta.Label{Name: pairs[i], Value: pairs[i+1]})
	}
	key := s.Key()
	p := m.series[key]
	if p == nil {
		p = &s
		m.series[key] = p
	}
	if counter {
		m.total[key] += v
		v = m.total[key]
	}
	m.samples = append(m.samples, mta.Sample{Series: p, Value: v})
}

func (m *model) gauge(v float64, name string, pairs ...string) { m.put(false, v, name, pairs...) }

func (m *model) count(v float64, name string, pairs ...string) { m.put(true, v, name, pairs...) }

// step makes one reading.
func (m *model) step(at time.Time) mta.Reading {
	m.samples = nil
	mails := m.mail()
	m.connections(at, mails)
	m.daemons()
	m.queue()
	open := int(min(2, m.poisson(0.1)))
	m.gauge(float64(open), "mta_inbound_connections", "instance", instanceName, "port", "25", "state", "established")
	r := mta.Reading{Tick: mta.Tick{Time: at, Samples: m.samples}, SourcesKnown: true}
	for i := range open {
		r.Sources = append(r.Sources, mta.SourceCount{Address: netip.AddrFrom4([4]byte{10, 77, 1, byte(100 + i)}), Port: 25, Count: 1})
	}
	return r
}

// mail counts what arrived and was tried within one step, and gives the
// number of messages from clients.
func (m *model) mail() int {
	mails := int(m.poisson(rate * step.Seconds()))
	sent, bounced := map[string]float64{}, map[string]float64{}
	arrived := mails
	for range mails {
		l := letter(m.r)
		to := domain(l.To[0])
		if l.To[0][0] == 'n' { // nobody: its sender is told
			bounced[to]++
			sent[domain(l.From)]++
			arrived++
		} else {
			sent[to]++
		}
	}
	all := 0.0
	for _, h := range ordinary {
		d := h.name + ".example"
		m.count(sent[d], "mta_destination_attempts_total", "instance", instanceName, "destination", d, "status", "sent")
		m.count(bounced[d], "mta_destination_attempts_total", "instance", instanceName, "destination", d, "status", "bounced")
		all += sent[d]
	}
	m.count(float64(arrived), "mta_received_messages_total", "instance", instanceName)
	m.count(float64(arrived)*4900, "mta_received_bytes_total", "instance", instanceName)
	m.count(all, "mta_delivery_attempts_total", "instance", instanceName, "status", "sent", "cause", "")
	m.count(float64(arrived-mails), "mta_delivery_attempts_total", "instance", instanceName, "status", "bounced", "cause", "unknown-user")
	m.count(all*0.03, "mta_delivery_delay_seconds_sum", "instance", instanceName, "stage", "total")
	m.count(all, "mta_delivery_delay_seconds_count", "instance", instanceName, "stage", "total")
	m.count(float64(arrived*7), "mtawatch_log_lines_total", "source", LogFile, "outcome", "parsed")
	for _, o := range [...]string{"ignored", "unknown", "malformed"} {
		m.count(0, "mtawatch_log_lines_total", "source", LogFile, "outcome", o)
	}
	m.gauge(1, "mtawatch_source_up", "source", LogFile)
	m.gauge(0, "mtawatch_source_lag_seconds", "source", LogFile)
	m.gauge(1, "mtawatch_probe_up", "probe", "dns")
	m.gauge(1, "mtawatch_probe_up", "probe", "smtp")
	return mails
}

func domain(address string) string {
	for i := range len(address) {
		if address[i] == '@' {
			return address[i+1:]
		}
	}
	return ""
}

// connections counts the clients, and those of the last minute that the
// kernel remembers: two of three were closed by the server first.
func (m *model) connections(at time.Time, n int) {
	for range n {
		if m.r.IntN(3) > 0 {
			m.clients = append(m.clients, client{at, m.r.IntN(30)})
		}
	}
	for len(m.clients) > 0 && at.Sub(m.clients[0].at) > time.Minute {
		m.clients = m.clients[1:]
	}
	by := map[int]int{}
	top := 0
	for _, c := range m.clients {
		by[c.addr]++
		top = max(top, by[c.addr])
	}
	port := [...]string{"instance", instanceName, "port", "25"}
	m.count(float64(n), "mta_inbound_closed_total", port[:]...)
	m.gauge(float64(len(m.clients)), "mta_inbound_connections", append(port[:], "state", "time-wait")...)
	for _, s := range [...]string{"syn-recv", "fin-wait-1", "fin-wait-2", "close", "close-wait", "last-ack", "closing"} {
		m.gauge(0, "mta_inbound_connections", append(port[:], "state", s)...)
	}
	m.gauge(float64(len(by)), "mta_inbound_sources", port[:]...)
	m.gauge(float64(top), "mta_inbound_top_source_connections", port[:]...)
	m.gauge(0, "mta_accept_queue_length", port[:]...)
	m.gauge(100, "mta_accept_queue_limit", port[:]...)
	m.count(0, "mta_accept_overflows_total")
	m.count(0, "mta_syncookies_sent_total")
}

func (m *model) daemons() {
	if m.age += step.Seconds(); m.r.IntN(12) == 0 {
		m.age = 10 * m.r.Float64()
	}
	for role, n := range map[string]float64{"dispatcher": 1, "job-controller": 1, "smtp-server": 1 + min(3, m.poisson(0.5)), "delivery": 1 + min(3, m.poisson(0.5))} {
		m.gauge(n, "mta_processes", "instance", instanceName, "role", role)
	}
	for _, role := range [...]string{"dispatcher", "job-controller"} {
		m.gauge(float64(m.start.Unix()), "mta_process_start_time_seconds", "instance", instanceName, "role", role)
		m.count(0, "mta_process_restarts_total", "instance", instanceName, "role", role)
	}
	m.gauge(m.age, "mta_smtp_server_oldest_age_seconds", "instance", instanceName)
}

func (m *model) queue() {
	for _, q := range [...]string{"maildrop", "incoming", "active", "deferred", "hold", "corrupt"} {
		n := 0.0
		if q == "active" {
			n = min(2, m.poisson(0.04))
		}
		m.gauge(n, "mta_queue_messages", "instance", instanceName, "queue", q)
		m.gauge(n*4900, "mta_queue_bytes", "instance", instanceName, "queue", q)
		m.gauge(n*0.02, "mta_queue_oldest_age_seconds", "instance", instanceName, "queue", q)
	}
	m.gauge(1.7e10, "mta_disk_free_bytes", "instance", instanceName)
	m.gauge(1.77e10, "mta_disk_size_bytes", "instance", instanceName)
	m.gauge(3e6, "mta_disk_free_inodes", "instance", instanceName)
}

// poisson draws a number of events where mean are expected (Knuth's method;
// the means here are small).
func (m *model) poisson(mean float64) float64 {
	limit, p := math.Exp(-mean), 1.0
	for n := 0; ; n++ {
		if p *= m.r.Float64(); p <= limit {
			return float64(n)
		}
	}
}
