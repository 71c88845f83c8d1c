// Package meter counts. Facts from track go in; samples of the vocabulary's
// metrics come out at each tick, and the failure table that people read.
//
// Counters are cumulative over the life of the store: Save and Load carry
// them over a restart. Labels are bounded: at most TopDestinations
// destinations have series of their own at a time, the rest is "other", and
// every attempt is counted in exactly one of the two.
package meter

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/mtawatch/mtawatch/internal/mta"
	"github.com/mtawatch/mtawatch/internal/track"
)

// TopDestinations is how many destinations have series of their own.
const TopDestinations = 20

// Meter counts for all instances. One goroutine uses it.
type Meter struct {
	instances map[string]*instance
	failures  *table
	series    map[string]*mta.Series
	last      *instance   // of the event before: they come in runs
	sorted    []*instance // by name
	samples   int         // how many the last tick had
}

// instance is the counters of one MTA instance.
type instance struct {
	Received      int64                                           `json:"received"`
	ReceivedBytes int64                                           `json:"received_bytes"`
	Attempts      [mta.NumStatuses][mta.NumCauses]int64           `json:"-"`
	Rejects       [mta.NumStages][numClasses][mta.NumCauses]int64 `json:"-"`
	Delays        [numDelayStages]histogram                       `json:"delays"`
	name          string
	dests         *destinations
	ring          ring
	minute        minute
	rejects       map[rejectKey]*row
	senders       senders
	channels      channels
	series        seriesOf
}

// New makes an empty Meter.
func New() *Meter {
	return &Meter{instances: make(map[string]*instance), failures: newTable(), series: make(map[string]*mta.Series)}
}

// Instance makes the counters of an instance known, so that its series are
// present with 0 from the first tick.
func (m *Meter) Instance(name string) {
	m.of(name)
}

func (m *Meter) of(name string) *instance {
	if m.last != nil && m.last.name == name {
		return m.last
	}
	in := m.instances[name]
	if in == nil {
		name = strings.Clone(name)
		in = &instance{name: name, dests: newDestinations(), rejects: make(map[rejectKey]*row), senders: newSenders()}
		m.instances[name] = in
		m.sorted = append(m.sorted, in)
		slices.SortFunc(m.sorted, func(a, b *instance) int { return strings.Compare(a.name, b.name) })
	}
	m.last = in
	return in
}

// Add counts one fact.
func (m *Meter) Add(f track.Fact) {
	e := f.Event
	if f.Delivery != nil || f.Received || f.Recipient || e.Kind == mta.KindReject || e.Kind == mta.KindRemoved && e.PerRecipient {
		m.of(e.Instance).channels.add(&f)
	}
	switch {
	case f.Delivery != nil:
		m.addDelivery(f.Delivery)
		if e.Status != mta.StatusSent {
			m.of(e.Instance).senders.failed(&f)
		}
	case f.Received:
		in := m.of(e.Instance)
		in.Received++
		in.ReceivedBytes += e.Size
		in.ring.at(e.Time).received++
		in.senders.received(&f)
	case f.Recipient && e.Kind == mta.KindReceived:
		m.of(e.Instance).senders.recipient(&f)
	case e.Kind == mta.KindReject:
		in := m.of(e.Instance)
		in.Rejects[e.Stage%mta.NumStages][classOf(e.Code)][e.Cause]++
		in.ring.at(e.Time).rejects++
		in.addReject(e)
	}
}

func (m *Meter) addDelivery(d *mta.Delivery) {
	in := m.of(d.Instance)
	in.Attempts[d.Status][d.Cause]++
	dest := in.dests.add(d.Destination, d.Status)
	s := in.ring.at(d.Time)
	s.status[d.Status]++
	s.cause[d.Cause]++
	m.failures.add(d, &dest.rows)
	in.minute.add(d.Time, d.Status == mta.StatusSent)
	if !d.HasDelay || d.Status != mta.StatusSent {
		return
	}
	in.Delays[delayTotal].observe(d.Delay)
	if d.NumDelays == 4 {
		for i, v := range d.Delays {
			in.Delays[i].observe(v)
		}
	}
}

// reply classes of a reject.
const (
	classNone = iota
	class4xx
	class5xx
	numClasses
)

var classNames = [numClasses]string{"", "4xx", "5xx"}

func classOf(code int16) int {
	switch code / 100 {
	case 4:
		return class4xx
	case 5:
		return class5xx
	}
	return classNone
}

// The stages of a delivery's delay. The first four are Postfix's delays=
// a/b/c/d, in order.
const (
	delayBefore = iota
	delayQueue
	delaySetup
	delayTransmission
	delayTotal
	numDelayStages
)

var delayNames = [numDelayStages]string{"before_queue_manager", "queue_manager", "connection_setup", "transmission", "total"}

// delayBounds are the upper bounds of the delay histogram.
var delayBounds = [...]time.Duration{10 * time.Millisecond, 100 * time.Millisecond, time.Second, 5 * time.Second, 30 * time.Second,
	time.Minute, 5 * time.Minute, 30 * time.Minute, time.Hour, 6 * time.Hour, 24 * time.Hour, 5 * 24 * time.Hour}

type histogram struct {
	Counts [len(delayBounds) + 1]int64 `json:"counts"`
	Sum    float64                     `json:"sum"` // seconds
}

func (h *histogram) observe(d time.Duration) {
	i := 0
	for i < len(delayBounds) && d > delayBounds[i] {
		i++
	}
	h.Counts[i]++
	h.Sum += d.Seconds()
}

// saved is the durable form of one instance's counters.
type saved struct {
	*instance
	Attempts     map[string]int64       `json:"attempts"` // "status/cause"
	Rejects      map[string]int64       `json:"rejects"`  // "stage/class/cause"
	Destinations map[string][]int64     `json:"destinations"`
	Exported     []string               `json:"exported"`
	Other        [mta.NumStatuses]int64 `json:"other"`
	Channels     savedChannels          `json:"channels"`
}

// Save gives the durable form of each instance's counters.
func (m *Meter) Save(put func(instance string, value []byte)) error {
	for name, in := range m.instances {
		s := saved{instance: in, Attempts: map[string]int64{}, Rejects: map[string]int64{}, Other: in.dests.other}
		in.eachAttempt(func(st mta.Status, c mta.Cause, n int64) { s.Attempts[st.String()+"/"+c.String()] = n })
		in.eachReject(func(st mta.Stage, class int, c mta.Cause, n int64) {
			s.Rejects[st.String()+"/"+classNames[class]+"/"+c.String()] = n
		})
		s.Destinations, s.Exported = in.dests.save()
		s.Channels = in.channels.save()
		v, err := json.Marshal(s)
		if err != nil {
			return fmt.Errorf("save counters of %s: %w", name, err)
		}
		put(name, v)
	}
	return nil
}

// Load takes back what Save gave, before the first Add.
func (m *Meter) Load(name string, value []byte) error {
	in := m.of(name)
	s := saved{instance: in}
	if err := json.Unmarshal(value, &s); err != nil {
		return fmt.Errorf("load counters of %s: %w", name, err)
	}
	for st := range mta.NumStatuses {
		for c := range mta.NumCauses {
			in.Attempts[st][c] = s.Attempts[st.String()+"/"+c.String()]
		}
	}
	for st := range mta.NumStages {
		for class, cn := range classNames {
			for c := range mta.NumCauses {
				in.Rejects[st][class][c] = s.Rejects[st.String()+"/"+cn+"/"+c.String()]
			}
		}
	}
	in.dests.load(s.Destinations, s.Exported, s.Other)
	in.channels.load(s.Channels)
	return nil
}

func (in *instance) eachAttempt(yield func(mta.Status, mta.Cause, int64)) {
	for st := range in.Attempts {
		for c, n := range in.Attempts[st] {
			if n != 0 {
				yield(mta.Status(st), mta.Cause(c), n)
			}
		}
	}
}

func (in *instance) eachReject(yield func(mta.Stage, int, mta.Cause, int64)) {
	for st := range in.Rejects {
		if in.Rejects[st] == [numClasses][mta.NumCauses]int64{} {
			continue
		}
		for class := range in.Rejects[st] {
			for c, n := range in.Rejects[st][class] {
				if n != 0 {
					yield(mta.Stage(st), class, mta.Cause(c), n)
				}
			}
		}
	}
}
