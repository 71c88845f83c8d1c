package history

import (
	"github.com/mtawatch/mtawatch/internal/lab/stage"
	"github.com/mtawatch/mtawatch/internal/mta"
)

// recorder keeps the series of the past: each one once, with the total of a
// counter.
type recorder struct {
	byKey   map[key]*slot
	order   []*slot // in the order in which they came
	samples []mta.Sample
}

// key tells series apart without building their text.
type key struct{ name, a, b, c string }

type slot struct {
	series mta.Series
	value  float64
	set    bool // a gauge has a value in this step
}

func newRecorder() *recorder { return &recorder{byKey: make(map[key]*slot)} }

// slot gives the place of a series with up to three label values; names are
// those of the labels.
func (r *recorder) slot(counter bool, name string, k key, pairs ...string) *slot {
	k.name = name
	s := r.byKey[k]
	if s == nil {
		s = &slot{series: mta.Series{Name: name, Counter: counter}}
		for i := 0; i+1 < len(pairs); i += 2 {
			s.series.Labels = append(s.series.Labels, mta.Label{Name: pairs[i], Value: pairs[i+1]})
		}
		r.byKey[k] = s
		r.order = append(r.order, s)
	}
	return s
}

// add lets a counter of the instance grow.
func (r *recorder) add(v float64, name string) {
	r.slot(true, name, key{}, "instance", stage.Instance).value += v
}

// add1 is add with one more label, add2 with two.
func (r *recorder) add1(v float64, name, label, value string) {
	r.slot(true, name, key{a: value}, "instance", stage.Instance, label, value).value += v
}

func (r *recorder) add2(v float64, name, l1, v1, l2, v2 string) {
	r.slot(true, name, key{a: v1, b: v2}, "instance", stage.Instance, l1, v1, l2, v2).value += v
}

func (s *slot) gauge(v float64) { s.value, s.set = v, true }

// gauge gives a gauge of the instance its value of this step.
func (r *recorder) gauge(v float64, name string) {
	r.slot(false, name, key{}, "instance", stage.Instance).gauge(v)
}

// gauge1 is gauge with one more label, gauge2 with two.
func (r *recorder) gauge1(v float64, name, label, value string) {
	r.slot(false, name, key{a: value}, "instance", stage.Instance, label, value).gauge(v)
}

func (r *recorder) gauge2(v float64, name, l1, v1, l2, v2 string) {
	r.slot(false, name, key{a: v1, b: v2}, "instance", stage.Instance, l1, v1, l2, v2).gauge(v)
}

// host gives a series of the machine, not of the instance.
func (r *recorder) host(counter bool, v float64, name string, pairs ...string) {
	k := key{c: "host"}
	if len(pairs) > 1 {
		k.a = pairs[1]
	}
	if len(pairs) > 3 {
		k.b = pairs[3]
	}
	s := r.slot(counter, name, k, pairs...)
	if counter {
		s.value += v
	} else {
		s.gauge(v)
	}
}

// take gives the samples of a step: every counter, and the gauges that have a
// value. They are good until the next call.
func (r *recorder) take() []mta.Sample {
	r.samples = r.samples[:0]
	for _, s := range r.order {
		if s.series.Counter || s.set {
			r.samples = append(r.samples, mta.Sample{Series: &s.series, Value: s.value})
		}
		s.set = false
	}
	return r.samples
}
