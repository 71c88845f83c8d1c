package compat

import (
	"maps"
	"path"
	"slices"
	"strconv"
	"time"

	"github.com/mtawatch/mtawatch/internal/mta"
)

// Samples appends what was counted. The Series pointers are the same from
// call to call.
func (x *Exporter) Samples(dst []mta.Sample) []mta.Sample {
	w := writer{x: x, dst: dst}
	for i, name := range counterNames {
		w.counter(name, x.counts[i])
	}
	w.histogram("postfix_qmgr_messages_inserted_receipients", recipientBounds[:], &x.inserted.recipients)
	w.histogram("postfix_qmgr_messages_inserted_recipients", recipientBounds[:], &x.inserted.recipients)
	w.histogram("postfix_qmgr_messages_inserted_size_bytes", sizeBounds[:], &x.inserted.size)
	w.delays("postfix_smtp_delivery_delay_seconds", &x.smtp)
	w.delays("postfix_lmtp_delivery_delay_seconds", &x.lmtp)
	for _, relay := range slices.Sorted(maps.Keys(x.pipe)) {
		w.delays("postfix_pipe_delivery_delay_seconds", x.pipe[relay], "relay", relay)
	}
	if x.pipeRest != nil {
		w.delays("postfix_pipe_delivery_delay_seconds", x.pipeRest, "relay", other)
	}
	w.labelled("postfix_smtp_messages_processed_total", "status", &x.statuses)
	w.labelled("postfix_smtp_status_total", "status", &x.statuses)
	w.labelled("postfix_smtp_deferred_messages_by_dsn_total", "dsn", &x.deferred)
	w.labelled("postfix_smtp_bounced_messages_by_dsn_total", "dsn", &x.bounced)
	w.labelled("postfix_smtpd_connections_lost_total", "after_stage", &x.lost)
	w.labelled("postfix_smtpd_messages_processed_total", "sasl_method", &x.methods)
	w.sessions("postfix_smtp_tls_connections_total", &x.sent)
	w.sessions("postfix_smtpd_tls_connections_total", &x.received)
	w.codes("postfix_smtpd_messages_rejected_total", &x.rejects)
	return w.dst
}

// Present appends what is measured rather than counted: the queue, and
// whether its sources could be read. own is mtawatch's own present samples,
// from which counts of queues and the state of the logs are taken: what is
// unknown there is absent here. Only instances of Postfix count.
func (x *Exporter) Present(dst []mta.Sample, instances []mta.Instance, own []mta.Sample, now time.Time) []mta.Sample {
	w := writer{x: x, dst: dst}
	ours := make([]mta.Instance, 0, len(instances))
	for _, in := range instances {
		if in.MTA == "postfix" {
			ours = append(ours, in)
		}
	}
	w.depths(ours, own)
	if l := x.whole(ours, now); l != nil {
		for i := range l.queues {
			name, q := other, &l.queues[i]
			if i < len(queueNames) {
				name = queueNames[i]
			} else if q.age == (histogram{}) && q.size == (histogram{}) {
				continue
			}
			w.histogram("postfix_showq_message_age_seconds", ageBounds[:], &q.age, "queue", name)
			w.histogram("postfix_showq_message_size_bytes", sizeBounds[:], &q.size, "queue", name)
		}
	}
	w.showqUp(ours, now)
	w.logs(ours, own)
	return w.dst
}

// depths gives the messages in each queue when they are known for every
// instance.
func (w *writer) depths(instances []mta.Instance, own []mta.Sample) {
	var sums [len(queueNames)]float64
	known := make(map[string]bool, len(instances))
	for _, s := range own {
		if s.Series.Name != "mta_queue_messages" {
			continue
		}
		name := label(s.Series, "instance")
		if !slices.ContainsFunc(instances, func(in mta.Instance) bool { return in.Name == name }) {
			continue
		}
		known[name] = true
		if i := queueIndex(label(s.Series, "queue")); i < len(sums) {
			sums[i] += s.Value
		}
	}
	if len(known) == 0 || len(known) < len(instances) {
		return
	}
	for i, n := range sums {
		w.put(false, "postfix_showq_queue_depth", n, "queue", queueNames[i])
	}
}

// showqUp tells which queue listings succeeded.
func (w *writer) showqUp(instances []mta.Instance, now time.Time) {
	for _, in := range instances {
		l, tried := w.x.listings[in.Name]
		if !tried || in.QueueDir == "" {
			continue
		}
		up := 0.0
		if l.good(now) {
			up = 1
		}
		w.put(false, "postfix_up", up, "path", path.Join(in.QueueDir, "public/showq"))
	}
}

// logs tells which logs can be read, and how many of their lines could not
// be understood.
func (w *writer) logs(instances []mta.Instance, own []mta.Sample) {
	sources := make(map[string]bool)
	for i := range instances {
		for _, l := range instances[i].Logs {
			sources[l.Name()] = true
		}
	}
	bad, known := 0.0, false
	for _, s := range own {
		source := label(s.Series, "source")
		if !sources[source] {
			continue
		}
		switch s.Series.Name {
		case "mtawatch_source_up":
			w.put(false, "postfix_up", s.Value, "path", source)
		case "mtawatch_log_lines_total":
			if o := label(s.Series, "outcome"); o == "unknown" || o == "malformed" {
				bad, known = bad+s.Value, true
			}
		}
	}
	if known {
		w.put(true, "postfix_unsupported_log_entries_total", bad, "service", "")
	}
}

func label(s *mta.Series, name string) string {
	for _, l := range s.Labels {
		if l.Name == name {
			return l.Value
		}
	}
	return ""
}

// writer appends samples.
type writer struct {
	x   *Exporter
	dst []mta.Sample
}

// put appends one sample with the given name-value pairs as labels.
func (w *writer) put(counter bool, name string, v float64, pairs ...string) {
	s := mta.Series{Name: name, Counter: counter}
	for i := 0; i+1 < len(pairs); i += 2 {
		s.Labels = append(s.Labels, mta.Label{Name: pairs[i], Value: pairs[i+1]})
	}
	k := s.Key()
	p := w.x.series[k]
	if p == nil {
		p = &s
		w.x.series[k] = p
	}
	w.dst = append(w.dst, mta.Sample{Series: p, Value: v})
}

func (w *writer) counter(name string, n int64, pairs ...string) {
	w.put(true, name, float64(n), pairs...)
}

func (w *writer) labelled(name, key string, l *labelled) {
	l.each(func(value string, n int64) { w.counter(name, n, key, value) })
}

func (w *writer) histogram(name string, bounds []float64, h *histogram, pairs ...string) {
	total := h.each(bounds, func(le string, n int64) {
		w.counter(name+"_bucket", n, slices.Concat(pairs, []string{"le", le})...)
	})
	w.put(true, name+"_sum", h.sum, pairs...)
	w.counter(name+"_count", total, pairs...)
}

func (w *writer) delays(name string, d *delays, pairs ...string) {
	for i, stage := range stageNames {
		w.histogram(name, timeBounds[:], &d[i], slices.Concat(pairs, []string{"stage", stage})...)
	}
}

func (w *writer) sessions(name string, s *sessions) {
	put := func(n int64, trust, protocol, cipher, secret, algorithm string) {
		w.counter(name, n, "trust", trust, "protocol", protocol, "cipher", cipher, "secret_bits", secret, "algorithm_bits", algorithm)
	}
	for _, k := range slices.SortedFunc(maps.Keys(s.n), session.compare) {
		put(*s.n[k], k.trust, k.protocol, k.cipher, strconv.Itoa(int(k.secret)), strconv.Itoa(int(k.algorithm)))
	}
	if s.rest > 0 {
		put(s.rest, other, other, other, other, other)
	}
}

func (w *writer) codes(name string, c *codes) {
	for i, n := range c.n {
		if n > 0 {
			w.counter(name, n, "code", strconv.Itoa(firstCode+i))
		}
	}
	if c.rest > 0 {
		w.counter(name, c.rest, "code", other)
	}
}
