package meter

import (
	"slices"
	"strconv"

	"github.com/mtawatch/mtawatch/internal/mta"
)

// Samples appends the counters' present values to dst. The Series pointers
// are the same from call to call.
func (m *Meter) Samples(dst []mta.Sample) []mta.Sample {
	for _, name := range m.names() {
		in := m.instances[name]
		w := writer{m: m, dst: dst, instance: name}
		w.counter("mta_received_messages_total", float64(in.Received))
		w.counter("mta_received_bytes_total", float64(in.ReceivedBytes))
		w.attempts(in)
		in.eachReject(func(st mta.Stage, class int, c mta.Cause, n int64) {
			w.counter("mta_rejects_total", float64(n), "stage", st.String(), "class", classNames[class], "cause", c.String())
		})
		w.destinations(in.dests)
		w.delays(in)
		dst = w.dst
	}
	return dst
}

// Rebalance lets busier destinations take over series. Call it every few
// minutes of the data's time.
func (m *Meter) Rebalance() {
	for _, in := range m.instances {
		in.dests.rebalance()
	}
}

type writer struct {
	m        *Meter
	dst      []mta.Sample
	instance string
}

// counter appends one sample of a counter with the instance label and the
// given name-value pairs.
func (w *writer) counter(name string, v float64, pairs ...string) {
	labels := []mta.Label{{Name: "instance", Value: w.instance}}
	for i := 0; i+1 < len(pairs); i += 2 {
		labels = append(labels, mta.Label{Name: pairs[i], Value: pairs[i+1]})
	}
	s := mta.Series{Name: name, Labels: labels, Counter: true}
	k := s.Key()
	p := w.m.series[k]
	if p == nil {
		p = &s
		w.m.series[k] = p
	}
	w.dst = append(w.dst, mta.Sample{Series: p, Value: v})
}

// attempts gives every status and cause seen; the four statuses are present
// with 0 from the start.
func (w *writer) attempts(in *instance) {
	for st := mta.StatusSent; st <= mta.StatusExpired; st++ {
		first := mta.CauseOther
		if st == mta.StatusSent {
			first = mta.CauseNone
		}
		for c, n := range in.Attempts[st] {
			if c := mta.Cause(c); n != 0 || c == first {
				w.counter("mta_delivery_attempts_total", float64(n), "status", st.String(), "cause", c.String())
			}
		}
	}
}

func (w *writer) destinations(ds *destinations) {
	names := make([]string, 0, TopDestinations)
	for name, d := range ds.all {
		if d.shown {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	put := func(name string, counts *[mta.NumStatuses]int64) {
		for st := mta.StatusSent; st <= mta.StatusExpired; st++ {
			if n := counts[st]; n != 0 {
				w.counter("mta_destination_attempts_total", float64(n), "destination", name, "status", st.String())
			}
		}
	}
	for _, name := range names {
		put(name, &ds.all[name].counts)
	}
	put("other", &ds.other)
}

func (w *writer) delays(in *instance) {
	for i := range in.Delays {
		h := &in.Delays[i]
		var total int64
		for j, n := range h.Counts {
			total += n
			le := "+Inf"
			if j < len(delayBounds) {
				le = strconv.FormatFloat(delayBounds[j].Seconds(), 'f', -1, 64)
			}
			w.counter("mta_delivery_delay_seconds_bucket", float64(total), "stage", delayNames[i], "le", le)
		}
		w.counter("mta_delivery_delay_seconds_sum", h.Sum, "stage", delayNames[i])
		w.counter("mta_delivery_delay_seconds_count", float64(total), "stage", delayNames[i])
	}
}
