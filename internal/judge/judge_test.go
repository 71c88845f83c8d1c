package judge

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/mtawatch/mtawatch/internal/diagnose"
	"github.com/mtawatch/mtawatch/internal/mta"
)

// host feeds an engine with series that a test sets by their keys.
type host struct {
	t      *testing.T
	e      *Engine
	now    time.Time
	series map[string]*mta.Series
	values map[string]float64
}

func newHost(t *testing.T) *host {
	return &host{t: t, e: New(Config{}), now: time.Date(2026, 3, 2, 8, 0, 0, 0, time.UTC), series: map[string]*mta.Series{}, values: map[string]float64{}}
}

func (h *host) set(key string, v float64) {
	if h.series[key] == nil {
		s, err := mta.ParseSeries(key)
		if err != nil {
			h.t.Fatal(err)
		}
		h.series[key] = &s
	}
	h.values[key] = v
}

func (h *host) step(d time.Duration) {
	h.now = h.now.Add(d)
	r := mta.Reading{Tick: mta.Tick{Time: h.now}}
	for k, v := range h.values {
		r.Samples = append(r.Samples, mta.Sample{Series: h.series[k], Value: v})
	}
	h.e.Step(r)
}

func (h *host) instance() *diagnose.Instance {
	if len(h.e.model.Instances) != 1 {
		h.t.Fatalf("%d instances, want 1", len(h.e.model.Instances))
	}
	return h.e.model.Instances[0]
}

const step = 10 * time.Second

func TestCountersBecomeEvents(t *testing.T) {
	const sent, deferred = `mta_delivery_attempts_total{instance="a",status="sent",cause=""}`, `mta_delivery_attempts_total{instance="a",status="deferred",cause="connect-timeout"}`
	h := newHost(t)
	h.set(sent, 1000)
	for range 6 {
		h.set(sent, h.values[sent]+5)
		h.step(step)
	}
	// A cause that is counted for the first time was counted from 0.
	h.set(deferred, 3)
	h.set(sent, h.values[sent]+5)
	h.step(step)
	in := h.instance()
	sum := func() [4]float64 {
		_, all, _ := in.Attempts.Sum(5 * time.Minute)
		_, ok, _ := in.Sent.Sum(5 * time.Minute)
		_, late, _ := in.Causes[mta.CauseConnectTimeout].Sum(step)
		k, n, _ := in.FailureRatio.Sum(step)
		_ = n
		return [4]float64{all, ok, late, k}
	}
	// Sum wants half of the time known: feed on, with nothing new.
	for range 12 {
		h.step(step)
	}
	if got, want := sum(), [4]float64{33, 30, 0, 0}; got != want {
		t.Errorf("attempts, sent, and timed out and failed in this step: %v, want %v", got, want)
	}
	// A counter that begins anew counts from 0; after a gap nobody knows when it grew.
	h.set(sent, 7)
	h.step(step)
	if _, n, ok := in.Sent.Sum(step); !ok || n != 7 {
		t.Errorf("after a reset: %v %v, want 7", n, ok)
	}
	h.set(sent, 5000)
	h.step(time.Hour)
	if _, n, ok := in.Sent.Sum(step); ok && n != 0 {
		t.Errorf("after a gap: %v events in one step, want none", n)
	}
}

// What came while the clock went back did not come in one step.
func TestClockBack(t *testing.T) {
	const arrived = `mta_received_messages_total{instance="a"}`
	h := newHost(t)
	for i := range 60 {
		h.set(arrived, float64(i*5))
		h.step(step)
	}
	h.now = h.now.Add(-5 * time.Minute)
	for i := range 31 {
		h.set(arrived, float64(300+i*5))
		h.step(step)
	}
	if _, n, ok := h.instance().Arrivals.Sum(10 * time.Minute); !ok || n > 60*5 {
		t.Errorf("%v events, %t, want 300 at most", n, ok)
	}
	h.set(arrived, 460)
	h.step(step)
	if _, n, ok := h.instance().Arrivals.Sum(step); !ok || n != 10 {
		t.Errorf("%v events in the next step, %t, want 10", n, ok)
	}
}

func TestSumsOfSeries(t *testing.T) {
	h := newHost(t)
	for q, n := range map[string]float64{"active": 3, "deferred": 40, "hold": 500} {
		h.set(`mta_queue_messages{instance="a",queue="`+q+`"}`, n)
	}
	for age, n := range map[string]float64{"5m": 2, "10m": 5} {
		h.set(`mta_queue_destination_messages{instance="a",destination="example.net",age="`+age+`"}`, n)
	}
	h.set(`mta_inbound_connections{instance="a",port="25",state="established"}`, 4)
	h.set(`mta_inbound_connections{instance="a",port="25",state="syn-recv"}`, 2)
	h.set(`mta_inbound_connections{instance="a",port="25",state="time-wait"}`, 9)
	h.set(`mta_inbound_closed_total{instance="a",port="25"}`, 100)
	h.set(`mta_accept_queue_length{instance="a",port="25"}`, 0)
	h.step(step)
	h.set(`mta_inbound_connections{instance="a",port="25",state="established"}`, 6)
	h.set(`mta_inbound_closed_total{instance="a",port="25"}`, 103)
	h.step(step)
	in := h.instance()
	value := func(v float64, _ bool) float64 { return v }
	_, opened, _ := in.Ports[0].Opened.Sum(step)
	got := map[string]float64{
		"waiting": value(in.Waiting.Value()), "to example.net": value(in.Destinations[0].Waiting.Value()),
		"current": value(in.Ports[0].Current.Value()), "opened": opened,
	}
	want := map[string]float64{"waiting": 43, "to example.net": 7, "current": 8, "opened": 5}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("sums (-want +got):\n%s", d)
	}
	if !in.Ports[0].Listening {
		t.Error("a port with an accept queue does not listen")
	}
	delete(h.values, `mta_accept_queue_length{instance="a",port="25"}`)
	h.step(step)
	if in.Ports[0].Listening {
		t.Error("a port without an accept queue listens")
	}
}

func TestGenericGauge(t *testing.T) {
	h := newHost(t)
	h.set("temperature", 20)
	h.set(`mta_delivery_delay_seconds_bucket{instance="a",stage="total",le="1"}`, 20)
	h.step(step)
	var names []string
	for s := range h.e.Scores {
		names = append(names, s.Name)
	}
	if d := cmp.Diff([]string{"temperature"}, names); d != "" {
		t.Errorf("generic gauges (-want +got):\n%s", d)
	}
}

func TestManyDestinations(t *testing.T) {
	h := newHost(t)
	for i := range 3 * maxDestinations {
		h.values = map[string]float64{}
		h.set(`mta_destination_attempts_total{instance="a",destination="`+string(rune('a'+i%26))+time.Duration(i).String()+`.example",status="sent"}`, float64(i))
		h.step(step)
	}
	if n := len(h.instance().Destinations); n > maxDestinations {
		t.Errorf("%d destinations, want at most %d", n, maxDestinations)
	}
	if n := len(h.e.model.sums); n > 8*maxDestinations {
		t.Errorf("%d sums are left", n)
	}
}

func TestForeignRecord(t *testing.T) {
	if err := New(Config{}).Load("other/x", nil); err == nil {
		t.Error("a foreign record was taken")
	}
}

// TestOldCountsAreNoEvents: a counter that comes into sight again, or for the
// first time after a restart of mtawatch, did not grow from 0 in that step.
func TestOldCountsAreNoEvents(t *testing.T) {
	h := newHost(t)
	const all = `mta_delivery_attempts_total{instance="a",status="sent",cause=""}`
	to := func(d string) string {
		return `mta_destination_attempts_total{instance="a",destination="` + d + `",status="sent"}`
	}
	restarts := `mta_process_restarts_total{instance="a",role="job-controller"}`
	for range 12 {
		h.set(all, h.values[all]+5)
		h.set(to("example.net"), h.values[to("example.net")]+5)
		h.step(step)
	}
	h.set(all, h.values[all]+5)
	h.set(to("back.example"), 5000)
	h.set(restarts, 37)
	h.step(step)
	h.set(all, h.values[all]+7)
	h.set(to("back.example"), 5002)
	h.set(to("example.net"), h.values[to("example.net")]+1)
	h.set(to("new.example"), 4)
	h.step(step)
	got := map[string]float64{}
	for range 12 { // Sum wants half of the time known
		h.step(step)
	}
	for _, d := range h.instance().Destinations {
		_, got[d.Name], _ = d.Attempts.Sum(14 * step)
	}
	_, got["restarts"], _ = h.instance().JobController.Restarts.Sum(14 * step)
	if d := cmp.Diff(map[string]float64{"example.net": 1, "back.example": 2, "new.example": 4, "restarts": 0}, got); d != "" {
		t.Errorf("events of the last two steps (-want +got):\n%s", d)
	}
}
