package judge

import (
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/mtawatch/mtawatch/internal/detect"
	"github.com/mtawatch/mtawatch/internal/diagnose"
	"github.com/mtawatch/mtawatch/internal/mta"
)

// model turns samples into the signals of a diagnose.Case. Each series has a
// feed, found by its pointer; counters become the events since the step
// before. What several series add up to (the attempts of every status and
// cause) is a sum, given to its signal at the end of the step.
type model struct {
	diagnose.Case
	set       *detect.Set
	step      time.Duration
	feeds     map[*mta.Series]*feed
	sums      []*sum
	sumOf     map[*detect.Signal]*sum
	instances map[string]*instance
	ports     map[portKey]*port
	logs      map[string]*diagnose.Log
	generic   []generic
	named     map[string]*detect.Signal // the signal of a series' key
	keyOf     map[*detect.Signal]string
	births    []birth
	now, last time.Time
	gap       bool // the step before is too long ago: what a counter grew by did not happen in one step
	back      bool // readings were dropped because the clock went back
	round     int
}

type generic struct {
	series *mta.Series
	signal *detect.Signal
	at     time.Time
}

// feed is what is done with the values of one series.
type feed struct {
	take  func(v float64)          // a gauge
	count func(delta float64)      // a counter, with what it grew by
	prev  float64                  // of a counter
	at    time.Time                // when it had a value last
	born  func(now time.Time) bool // a counter's first value: was it counted from 0 within our sight?
	of    *instance                // of a destination's counter: born only as far as the attempts of the step go
	round int
}

// birth is the first value of a destination's counter. It was counted from 0
// within our sight, or the destination had a series before and has it again.
type birth struct {
	f *feed
	v float64
}

func newModel(set *detect.Set, cfg Config) model {
	return model{
		Case:      diagnose.Case{Facts: cfg.Facts, Probes: make(map[string]*detect.Signal)},
		set:       set,
		step:      cfg.Step,
		feeds:     make(map[*mta.Series]*feed),
		sumOf:     make(map[*detect.Signal]*sum),
		instances: make(map[string]*instance),
		ports:     make(map[portKey]*port),
		logs:      make(map[string]*diagnose.Log),
		named:     make(map[string]*detect.Signal),
		keyOf:     make(map[*detect.Signal]string),
	}
}

// forgetRounds is after how many steps a series without a value loses its feed.
const forgetRounds = 4000

// feed gives every signal its value of this step.
func (m *model) feed(r *mta.Reading) {
	m.last, m.now = m.now, r.Time
	m.gap = m.back || m.last.IsZero() || m.now.Sub(m.last) > m.step*5/2+time.Second
	m.back = false
	m.round++
	for i := range r.Samples {
		s := &r.Samples[i]
		f := m.feeds[s.Series]
		if f == nil {
			f = m.newFeed(s.Series)
			m.feeds[s.Series] = f
		}
		f.round = m.round
		m.value(f, s.Value)
	}
	m.bear()
	m.Sources, m.SourcesKnown, m.LogOnly = r.Sources, r.SourcesKnown, r.LogOnly
	for _, p := range m.ports {
		p.settle(m)
	}
	for _, in := range m.instances {
		in.settle(m)
	}
	for _, s := range m.sums {
		s.give()
	}
	if m.round%forgetRounds == 0 {
		maps.DeleteFunc(m.feeds, func(_ *mta.Series, f *feed) bool { return m.round-f.round > forgetRounds })
	}
}

// bear takes the first values of destinations' counters for events of this
// step, where all destinations together then had no more than the instance:
// each attempt counts for one of them. Else they are old counts that came back.
func (m *model) bear() {
	for _, b := range m.births {
		b.f.of.toDestinations += b.v
	}
	for _, in := range m.instances {
		in.old = in.Attempts != nil && in.toDestinations > in.tried
	}
	for _, b := range m.births {
		if b.f.of.old {
			b.v = 0
		}
		b.f.count(b.v)
	}
	for _, in := range m.instances {
		in.tried, in.toDestinations = 0, 0
	}
	clear(m.births)
	m.births = m.births[:0]
}

func (m *model) value(f *feed, v float64) {
	if f.take != nil {
		f.take(v)
	}
	if f.count == nil {
		return
	}
	prev, before := f.prev, f.at
	f.prev, f.at = v, m.now
	switch {
	case m.gap:
	case before.IsZero():
		switch {
		case f.born == nil || !f.born(m.now):
			f.count(0)
		case f.of != nil:
			m.births = append(m.births, birth{f, v})
		default:
			f.count(v)
		}
	case m.now.Sub(before) > m.step*5/2+time.Second: // the series was away
	case v < prev: // counted from 0 again
		f.count(v)
	default:
		f.count(v - prev)
	}
}

// A sum is what several series come to.
type sum struct {
	signal *detect.Signal
	kind   detect.Kind
	k, n   float64
	fed    bool
}

// sum gives the sum that feeds a signal.
func (m *model) sum(g *detect.Signal, kind detect.Kind) *sum {
	s := m.sumOf[g]
	if s == nil {
		s = &sum{signal: g, kind: kind}
		m.sumOf[g] = s
		m.sums = append(m.sums, s)
	}
	return s
}

func (s *sum) add(n float64) { s.n += n; s.fed = true }

func (s *sum) addRatio(k, n float64) { s.k += k; s.n += n; s.fed = true }

func (s *sum) give() {
	if !s.fed {
		return
	}
	switch s.kind {
	case detect.Count:
		s.signal.SetCount(s.n)
	case detect.Ratio:
		s.signal.SetRatio(s.k, s.n)
	default:
		s.signal.SetGauge(s.n)
	}
	s.k, s.n, s.fed = 0, 0, false
}

// name makes a signal known as a series' key.
func (m *model) name(g *detect.Signal, series, labels string) {
	key := series + "{" + labels + "}"
	if labels == "" {
		key = series
	}
	m.named[key] = g
	m.keyOf[g] = key
}

// series gives the key of a signal for people: of the series that it is, or its own name.
func (m *model) series(g *detect.Signal) string {
	if k := m.keyOf[g]; k != "" {
		return k
	}
	return g.Name()
}

// label gives the value of one label.
func label(s *mta.Series, name string) string {
	for _, l := range s.Labels {
		if l.Name == name {
			return l.Value
		}
	}
	return ""
}

// pairs writes labels as a series' key has them.
func pairs(nameValues ...string) string {
	s := mta.Series{}
	for i := 0; i+1 < len(nameValues); i += 2 {
		s.Labels = append(s.Labels, mta.Label{Name: nameValues[i], Value: nameValues[i+1]})
	}
	return strings.TrimSuffix(strings.TrimPrefix(s.Key(), "{"), "}")
}

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
