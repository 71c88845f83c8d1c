package prom

import (
	"bytes"
	"math"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"

	"github.com/mtawatch/mtawatch/internal/mta"
)

func sample(v float64, counter bool, name string, labels ...string) mta.Sample {
	s := &mta.Series{Name: name, Counter: counter}
	for i := 0; i < len(labels); i += 2 {
		s.Labels = append(s.Labels, mta.Label{Name: labels[i], Value: labels[i+1]})
	}
	return mta.Sample{Series: s, Value: v}
}

func testSamples() []mta.Sample {
	return []mta.Sample{
		sample(3, false, "mta_queue_messages", "instance", "postfix", "queue", "deferred"),
		sample(2, true, "mta_delivery_delay_seconds_bucket", "stage", "qmgr", "le", "1"),
		sample(5, true, "mta_delivery_delay_seconds_bucket", "stage", "qmgr", "le", "+Inf"),
		sample(7.25, true, "mta_delivery_delay_seconds_sum", "stage", "qmgr"),
		sample(5, true, "mta_delivery_delay_seconds_count", "stage", "qmgr"),
		sample(0, false, "mta_queue_messages", "instance", "postfix", "queue", "active"),
		sample(12345678901, true, "mta_received_bytes_total", "instance", "odd\"\\\n\xffname"),
		sample(math.NaN(), false, "other_gauge"),
		sample(math.Inf(1), false, "other_inf"),
		sample(1, true, "foreign_seconds_bucket", "le", "+Inf"),
		sample(2, true, "foreign_seconds_sum"),
		sample(1, true, "foreign_seconds_count"),
		sample(9, true, "plain_count"),
	}
}

func TestWrite(t *testing.T) {
	var b bytes.Buffer
	if err := Write(&b, testSamples()); err != nil {
		t.Fatal(err)
	}
	want := `# TYPE foreign_seconds histogram
foreign_seconds_bucket{le="+Inf"} 1
foreign_seconds_sum 2
foreign_seconds_count 1
# HELP mta_delivery_delay_seconds Time from arrival to delivery of what was sent, by the stage in which it was spent; attempts that failed do not count.
# TYPE mta_delivery_delay_seconds histogram
mta_delivery_delay_seconds_bucket{stage="qmgr",le="1"} 2
mta_delivery_delay_seconds_bucket{stage="qmgr",le="+Inf"} 5
mta_delivery_delay_seconds_sum{stage="qmgr"} 7.25
mta_delivery_delay_seconds_count{stage="qmgr"} 5
# HELP mta_queue_messages Messages in a queue.
# TYPE mta_queue_messages gauge
mta_queue_messages{instance="postfix",queue="deferred"} 3
mta_queue_messages{instance="postfix",queue="active"} 0
# HELP mta_received_bytes_total Size of the messages that were accepted.
# TYPE mta_received_bytes_total counter
mta_received_bytes_total{instance="odd\"\\\n` + "\ufffd" + `name"} 1.2345678901e+10
# TYPE other_gauge gauge
other_gauge NaN
# TYPE other_inf gauge
other_inf +Inf
# TYPE plain_count counter
plain_count 9
`
	if diff := cmp.Diff(b.String(), want); diff != "" {
		t.Errorf("(-got +want)\n%s", diff)
	}
}

// Families outside the vocabulary get the text of the first function that
// has one; those inside keep theirs.
func TestWriteHelp(t *testing.T) {
	none := func(string) string { return "" }
	more := func(family string) string { return "About " + family + "." }
	var b bytes.Buffer
	if err := Write(&b, []mta.Sample{
		sample(1, true, "foreign_seconds_bucket", "le", "+Inf"),
		sample(2, true, "foreign_seconds_sum"),
		sample(1, true, "foreign_seconds_count"),
		sample(4, true, "foreign_deferred"),
		sample(3, false, "mta_queue_messages"),
	}, none, more); err != nil {
		t.Fatal(err)
	}
	want := `# HELP foreign_deferred About foreign_deferred.
# TYPE foreign_deferred counter
foreign_deferred 4
# HELP foreign_seconds About foreign_seconds.
# TYPE foreign_seconds histogram
foreign_seconds_bucket{le="+Inf"} 1
foreign_seconds_sum 2
foreign_seconds_count 1
# HELP mta_queue_messages Messages in a queue.
# TYPE mta_queue_messages gauge
mta_queue_messages 3
`
	if diff := cmp.Diff(b.String(), want); diff != "" {
		t.Errorf("(-got +want)\n%s", diff)
	}
}

// Prometheus's own parser must read back what is written.
func TestWriteParses(t *testing.T) {
	var b bytes.Buffer
	if err := Write(&b, testSamples()); err != nil {
		t.Fatal(err)
	}
	p := expfmt.NewTextParser(model.UTF8Validation)
	got, err := p.TextToMetricFamilies(&b)
	if err != nil {
		t.Fatal(err)
	}
	if len(got) != 7 {
		t.Errorf("%d families", len(got))
	}
	h := got["mta_delivery_delay_seconds"]
	if h.GetType() != dto.MetricType_HISTOGRAM || len(h.Metric) != 1 {
		t.Fatalf("histogram: %v", h)
	}
	if m := h.Metric[0].Histogram; m.GetSampleCount() != 5 || m.GetSampleSum() != 7.25 || len(m.Bucket) != 2 {
		t.Errorf("histogram: %v", m)
	}
	c := got["mta_received_bytes_total"]
	if c.GetType() != dto.MetricType_COUNTER || c.Metric[0].Counter.GetValue() != 12345678901 ||
		c.Metric[0].Label[0].GetValue() != "odd\"\\\n\ufffdname" {
		t.Errorf("counter: %v", c)
	}
	q := got["mta_queue_messages"]
	if q.GetType() != dto.MetricType_GAUGE || len(q.Metric) != 2 || q.GetHelp() != Help("mta_queue_messages") {
		t.Errorf("gauge: %v", q)
	}
}

func TestMetricsTable(t *testing.T) {
	table := metrics()
	if !slices.IsSortedFunc(table, func(a, b metric) int { return strings.Compare(a.name, b.name) }) {
		t.Error("the table is not sorted: find would miss names")
	}
	for _, m := range table {
		if m.help == "" || Help(m.name) != m.help {
			t.Errorf("%s: help %q", m.name, Help(m.name))
		}
		if (m.kind == "counter") != strings.HasSuffix(m.name, "_total") {
			t.Errorf("%s is a %s", m.name, m.kind)
		}
	}
	for name, want := range map[string]string{
		"mta_delivery_delay_seconds_bucket": Help("mta_delivery_delay_seconds"),
		"mta_queue_messages_sum":            "",
		"unknown":                           "",
	} {
		if got := Help(name); got != want {
			t.Errorf("Help(%s) is %q, want %q", name, got, want)
		}
	}
}

func TestMetricsHandler(t *testing.T) {
	h := Metrics(testSamples)
	for _, tt := range []struct {
		name, method string
		status       int
		body         string
	}{
		{"get", http.MethodGet, 200, "mta_queue_messages{instance=\"postfix\",queue=\"active\"} 0\n"},
		{"post", http.MethodPost, 405, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := httptest.NewRecorder()
			h.ServeHTTP(w, httptest.NewRequest(tt.method, "/metrics", nil))
			if w.Code != tt.status || !strings.Contains(w.Body.String(), tt.body) {
				t.Errorf("status %d\n%s", w.Code, w.Body)
			}
			if tt.status == 200 && w.Header().Get("Content-Type") != TextType {
				t.Errorf("type %q", w.Header().Get("Content-Type"))
			}
		})
	}
}

// A large answer leaves in pieces and whole.
func TestWriteLarge(t *testing.T) {
	var in []mta.Sample
	for range 5000 {
		in = append(in, sample(1, false, "mta_queue_messages", "queue", strings.Repeat("x", 50)))
	}
	var b bytes.Buffer
	if err := Write(&b, in); err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(b.String(), "\n"); n != 5002 {
		t.Errorf("%d lines", n)
	}
}

func BenchmarkWrite500(b *testing.B) {
	var in []mta.Sample
	for range 500 {
		in = append(in, sample(1234, false, "mta_queue_messages", "instance", "postfix", "queue", "deferred"))
	}
	var w bytes.Buffer
	for b.Loop() {
		w.Reset()
		if err := Write(&w, in); err != nil {
			b.Fatal(err)
		}
	}
}
