package pipeline

import (
	"slices"
	"strconv"

	"github.com/mtawatch/mtawatch/internal/mta"
	"github.com/mtawatch/mtawatch/internal/view"
)

// judged puts what judgement knows into a status: open findings, verdict,
// and the normal range of each figure.
func (b *Belt) judged(st *view.Status) {
	st.Findings = []mta.Finding{}
	if e := b.judgement.engine; e != nil {
		st.Judged, st.Learned = true, e.Learned()
		st.Findings = append(st.Findings, view.Presentable(e.Open())...)
	}
	for i := range st.Instances {
		in := &st.Instances[i]
		if in.Queue.Messages != nil {
			in.Queue.Normal = b.normal("mta_queue_messages", "instance", in.Name)
		}
		if in.Failures.Attempts != nil {
			in.Failures.Normal = b.normalFailures(in.Name)
		}
	}
	st.Verdict = st.Judge()
}

// normal gives the normal range of a series, or of a sum of series, by name
// and labels; nil while none is known.
func (b *Belt) normal(name string, pairs ...string) *view.Range {
	if b.judgement.engine == nil {
		return nil
	}
	s := mta.Series{Name: name}
	for i := 0; i+1 < len(pairs); i += 2 {
		s.Labels = append(s.Labels, mta.Label{Name: pairs[i], Value: pairs[i+1]})
	}
	return view.RangeOf(b.judgement.engine.Normal(s.Key()))
}

func (b *Belt) normalFailures(instance string) *view.NormalFailures {
	n := view.NormalFailures{Received: b.normal("mta_received_messages_total", "instance", instance), Attempts: map[string]view.Range{}}
	for st := mta.StatusSent; st <= mta.StatusExpired; st++ {
		if r := b.normal("mta_delivery_attempts_total", "instance", instance, "status", st.String()); r != nil {
			n.Attempts[st.String()] = *r
		}
	}
	if n.Received == nil && len(n.Attempts) == 0 {
		return nil
	}
	return &n
}

// normalPort is what is normal for the connections to a port.
func (b *Belt) normalPort(port uint16) *view.Range {
	return b.normal("mta_inbound_connections", "instance", b.instanceOfPort(port), "port", strconv.Itoa(int(port)))
}

// normalMetrics are the series whose normal range is told as a metric: few
// enough for a scrape, and none that is named by a destination.
var normalMetrics = [...]string{"mta_accept_queue_length", "mta_delivery_attempts_total", "mta_inbound_connections", "mta_inbound_sources",
	"mta_inbound_top_source_connections", "mta_processes", "mta_queue_bytes", "mta_queue_messages", "mta_queue_oldest_age_seconds",
	"mta_received_bytes_total", "mta_received_messages_total", "mta_rejects_total"}

// judgeSamples appends the open findings and the normal ranges. Of a counter
// the range is that of its growth a second, as rate() gives it.
func (b *Belt) judgeSamples(dst []mta.Sample) []mta.Sample {
	e := b.judgement.engine
	if e == nil {
		return dst
	}
	var told []string
	for _, f := range e.Open() {
		s := mta.Series{Name: "mta_finding_open", Labels: []mta.Label{{Name: "code", Value: string(f.Code)}, {Name: "severity", Value: f.Severity.String()}}}
		if k := s.Key(); !slices.Contains(told, k) {
			told = append(told, k)
			dst = append(dst, mta.Sample{Series: &s, Value: 1})
		}
	}
	for n := range e.Normals {
		s, err := mta.ParseSeries(n.Series)
		if err != nil || !slices.Contains(normalMetrics[:], s.Name) {
			continue
		}
		if s.Counter {
			n.Low, n.High = n.Low/60, n.High/60
		}
		labels := append([]mta.Label{{Name: "metric", Value: s.Name}}, s.Labels...)
		dst = append(dst, mta.Sample{Series: &mta.Series{Name: "mta_normal_low", Labels: labels}, Value: n.Low},
			mta.Sample{Series: &mta.Series{Name: "mta_normal_high", Labels: labels}, Value: n.High})
	}
	return dst
}
