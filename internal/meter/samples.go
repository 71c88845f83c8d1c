package meter

import (
	"slices"
	"strconv"

	"github.com/mtawatch/mtawatch/internal/mta"
)

// Samples appends the counters' present values to dst. The Series pointers
// are the same from call to call.
func (m *Meter) Samples(dst []mta.Sample) []mta.Sample {
	dst = slices.Grow(dst, m.samples)
	before := len(dst)
	for _, in := range m.sorted {
		w := writer{m: m, dst: dst, in: in}
		w.put(&in.series.received, float64(in.Received), "mta_received_messages_total")
		w.put(&in.series.bytes, float64(in.ReceivedBytes), "mta_received_bytes_total")
		w.attempts()
		in.eachReject(func(st mta.Stage, class int, c mta.Cause, n int64) {
			w.reject(st, class, c, n)
		})
		w.destinations()
		w.channels()
		w.delays()
		dst = w.dst
	}
	m.samples = len(dst) - before
	return dst
}

// Rebalance lets busier destinations take over series. Call it every few
// minutes of the data's time.
func (m *Meter) Rebalance() {
	for _, in := range m.instances {
		in.dests.rebalance()
	}
}

// seriesOf holds the series of one instance that have been asked for: a tick
// of the past comes every few lines of a sparse log, and must not build
// names and labels.
type seriesOf struct {
	received, bytes *mta.Series
	attempts        [mta.NumStatuses][mta.NumCauses]*mta.Series
	rejects         [mta.NumStages][numClasses][mta.NumCauses]*mta.Series
	delays          [numDelayStages]delaySeries
	channels        map[string]*[len(channelActions)]*mta.Series
}

type delaySeries struct {
	buckets    [len(delayBounds) + 1]*mta.Series
	sum, count *mta.Series
}

type writer struct {
	m   *Meter
	dst []mta.Sample
	in  *instance
}

// put appends one sample of a counter. p is where its series is kept; one
// that is not known yet gets the instance label and the given name-value
// pairs.
func (w *writer) put(p **mta.Series, v float64, name string, pairs ...string) {
	if *p == nil {
		*p = w.m.seriesFor(w.in.name, name, pairs)
	}
	w.dst = append(w.dst, mta.Sample{Series: *p, Value: v})
}

// seriesFor gives the one copy of a series: a destination that comes back
// finds its old one.
func (m *Meter) seriesFor(instance, name string, pairs []string) *mta.Series {
	labels := []mta.Label{{Name: "instance", Value: instance}}
	for i := 0; i+1 < len(pairs); i += 2 {
		labels = append(labels, mta.Label{Name: pairs[i], Value: pairs[i+1]})
	}
	s := &mta.Series{Name: name, Labels: labels, Counter: true}
	k := s.Key()
	if p := m.series[k]; p != nil {
		return p
	}
	m.series[k] = s
	return s
}

// attempts gives every status and cause seen; the four statuses are present
// with 0 from the start.
func (w *writer) attempts() {
	for st := mta.StatusSent; st <= mta.StatusExpired; st++ {
		first := mta.CauseOther
		if st == mta.StatusSent {
			first = mta.CauseNone
		}
		for c := range mta.NumCauses {
			if n := w.in.Attempts[st][c]; n != 0 || c == first {
				w.put(&w.in.series.attempts[st][c], float64(n), "mta_delivery_attempts_total", "status", st.String(), "cause", c.String())
			}
		}
	}
}

func (w *writer) reject(st mta.Stage, class int, c mta.Cause, n int64) {
	w.put(&w.in.series.rejects[st][class][c], float64(n), "mta_rejects_total", "stage", st.String(), "class", classNames[class], "cause", c.String())
}

func (w *writer) destinations() {
	put := func(name string, series *[mta.NumStatuses]*mta.Series, counts *[mta.NumStatuses]int64) {
		for st := mta.StatusSent; st <= mta.StatusExpired; st++ {
			if n := counts[st]; n != 0 {
				w.put(&series[st], float64(n), "mta_destination_attempts_total", "destination", name, "status", st.String())
			}
		}
	}
	ds := w.in.dests
	for _, d := range ds.byName() {
		put(d.name, &d.series, &d.counts)
	}
	put("other", &ds.otherSeries, &ds.other)
}

func (w *writer) delays() {
	for i := range w.in.Delays {
		h, s := &w.in.Delays[i], &w.in.series.delays[i]
		var total int64
		for j, n := range h.Counts {
			total += n
			if p := s.buckets[j]; p != nil {
				w.dst = append(w.dst, mta.Sample{Series: p, Value: float64(total)})
				continue
			}
			le := "+Inf"
			if j < len(delayBounds) {
				le = strconv.FormatFloat(delayBounds[j].Seconds(), 'f', -1, 64)
			}
			w.put(&s.buckets[j], float64(total), "mta_delivery_delay_seconds_bucket", "stage", delayNames[i], "le", le)
		}
		w.put(&s.sum, h.Sum, "mta_delivery_delay_seconds_sum", "stage", delayNames[i])
		w.put(&s.count, float64(total), "mta_delivery_delay_seconds_count", "stage", delayNames[i])
	}
}
