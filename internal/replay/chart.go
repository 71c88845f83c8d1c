package replay

import (
	"time"

	"github.com/mtawatch/mtawatch/internal/judge"
	"github.com/mtawatch/mtawatch/internal/mta"
)

// maxBins bounds the points of the chart: when there are more, two become one.
const maxBins = 1600

// chart is the four signs over the whole time, as bins of equal length.
type chart struct {
	step   time.Duration // of the readings
	length time.Duration // of a bin
	begin  time.Time
	bins   []bin
	prev   map[*mta.Series]float64 // of counters, in the reading before
	kind   map[*mta.Series]place
	at     time.Time // of the reading before
	asked  time.Time // when the normal range was asked for last
	names  []string  // instances
	low    float64
	high   float64
	normal bool
}

// bin is what happened in one stretch of the chart. Readings is how many
// readings it has; none: nothing is known.
type bin struct {
	readings                        int
	depth                           float64 // the highest
	depthKnown                      bool
	low, high                       float64 // the normal range of depth, the widest
	normal                          bool
	sent, deferred, bounced, reject float64
	connections                     float64 // the highest
	portsKnown                      bool
	closed                          float64
	restarts                        float64
}

// place says what a series is in a bin.
type place uint8

const (
	elsewhere place = iota
	inDepth
	inSent
	inDeferred
	inBounced
	inReject
	inConnections
	inClosed
	inRestarts
)

func newChart(step time.Duration) chart {
	return chart{step: step, length: step, prev: make(map[*mta.Series]float64), kind: make(map[*mta.Series]place)}
}

// placeOf finds where a series belongs, by name and labels.
func placeOf(s *mta.Series) place {
	switch s.Name {
	case "mta_queue_messages":
		if q := value(s, "queue"); q != "hold" && q != "held" {
			return inDepth
		}
	case "mta_delivery_attempts_total":
		switch value(s, "status") {
		case mta.StatusSent.String():
			return inSent
		case mta.StatusDeferred.String():
			return inDeferred
		}
		return inBounced
	case "mta_rejects_total":
		return inReject
	case "mta_inbound_connections":
		return inConnections
	case "mta_inbound_closed_total":
		return inClosed
	case "mta_process_restarts_total":
		return inRestarts
	}
	return elsewhere
}

func value(s *mta.Series, label string) string {
	for _, l := range s.Labels {
		if l.Name == label {
			return l.Value
		}
	}
	return ""
}

// add takes one reading. Of one that is not shown only the counters are taken
// over.
func (c *chart) add(m *mta.Reading, e *judge.Engine, shown bool) {
	var x bin
	gap := c.at.IsZero() || m.Time.Sub(c.at) > 3*c.step
	c.at = m.Time
	for i := range m.Samples {
		s := &m.Samples[i]
		k, known := c.kind[s.Series]
		if !known {
			k = placeOf(s.Series)
			c.kind[s.Series] = k
			if name := value(s.Series, "instance"); k == inSent {
				c.names = append(c.names, name)
			}
		}
		if k != elsewhere {
			c.sample(&x, k, s, gap)
		}
	}
	if !shown {
		return
	}
	c.askNormal(m.Time, e)
	x.low, x.high, x.normal = c.low, c.high, c.normal
	x.readings = 1
	c.at = m.Time
	c.bin(m.Time).join(&x)
}

func (c *chart) sample(x *bin, k place, s *mta.Sample, gap bool) {
	grown := 0.0
	if s.Series.Counter {
		before := c.prev[s.Series]
		c.prev[s.Series] = s.Value
		if grown = s.Value - before; grown < 0 {
			grown = s.Value
		}
		if gap {
			grown = 0
		}
	}
	switch k {
	case inDepth:
		x.depth += s.Value
		x.depthKnown = true
	case inSent:
		x.sent += grown
	case inDeferred:
		x.deferred += grown
	case inBounced:
		x.bounced += grown
	case inReject:
		x.reject += grown
	case inConnections:
		x.connections += s.Value
		x.portsKnown = true
	case inClosed:
		x.closed += grown
	case inRestarts:
		x.restarts += grown
	}
}

// askNormal asks once a minute for the normal range of the queue's depth.
func (c *chart) askNormal(now time.Time, e *judge.Engine) {
	if e == nil || now.Sub(c.asked) < time.Minute {
		return
	}
	c.asked = now
	c.low, c.high, c.normal = 0, 0, len(c.names) > 0
	for _, name := range c.names {
		s := mta.Series{Name: "mta_queue_messages", Labels: []mta.Label{{Name: "instance", Value: name}}}
		b, ok := e.Normal(s.Key())
		c.low += b.Low
		c.high += b.High
		c.normal = c.normal && ok
	}
}

// bin gives the bin of a moment, and makes room for it.
func (c *chart) bin(t time.Time) *bin {
	if c.begin.IsZero() {
		c.begin = t.Add(-c.step)
	}
	i := int(t.Add(-1).Sub(c.begin) / c.length)
	for i >= maxBins {
		c.halve()
		i = int(t.Add(-1).Sub(c.begin) / c.length)
	}
	for len(c.bins) <= i {
		c.bins = append(c.bins, bin{})
	}
	return &c.bins[i]
}

func (c *chart) halve() {
	n := 0
	for i := 0; i < len(c.bins); i += 2 {
		b := c.bins[i]
		if i+1 < len(c.bins) {
			b.join(&c.bins[i+1])
		}
		c.bins[n] = b
		n++
	}
	c.bins = c.bins[:n]
	c.length *= 2
}

func (b *bin) join(x *bin) {
	b.readings += x.readings
	b.depth = max(b.depth, x.depth)
	b.depthKnown = b.depthKnown || x.depthKnown
	switch {
	case x.normal && b.normal:
		b.low, b.high = min(b.low, x.low), max(b.high, x.high)
	case x.normal:
		b.low, b.high, b.normal = x.low, x.high, true
	}
	b.sent += x.sent
	b.deferred += x.deferred
	b.bounced += x.bounced
	b.reject += x.reject
	b.connections = max(b.connections, x.connections)
	b.portsKnown = b.portsKnown || x.portsKnown
	b.closed += x.closed
	b.restarts += x.restarts
}
