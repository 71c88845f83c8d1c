package tui

import (
	"math"
	"time"

	"github.com/mtawatch/mtawatch/internal/mta"
	"github.com/mtawatch/mtawatch/internal/view"
)

// maxPoints bounds what is kept of one figure.
const maxPoints = 8192

// point is a figure from one moment on. What is not known is NaN.
type point struct {
	at               time.Time
	lasts            time.Duration // until nothing is known of it any more, unless another point comes
	value, low, high float64
}

func unknownPoint() point {
	return point{value: math.NaN(), low: math.NaN(), high: math.NaN()}
}

// line is one figure over time, oldest first.
type line struct{ points []point }

func (l *line) add(p point) {
	if n := len(l.points); n > 0 && !p.at.After(l.points[n-1].at) {
		return // the same answer once more, or a clock that was set back
	}
	if len(l.points) >= maxPoints {
		l.points = append(l.points[:0], l.points[maxPoints/4:]...)
	}
	l.points = append(l.points, p)
}

// steps gives n steps of time up to end: the greatest value in each, and the
// last normal range.
func (l *line) steps(end time.Time, step time.Duration, n int) []point {
	out := make([]point, n)
	for i := range out {
		out[i] = unknownPoint()
	}
	begin := end.Add(-time.Duration(n) * step)
	for k, p := range l.points {
		until := p.at.Add(p.lasts)
		if k+1 < len(l.points) && l.points[k+1].at.Before(until) {
			until = l.points[k+1].at
		}
		if !until.After(begin) || !p.at.Before(end) {
			continue
		}
		first := max(0, int(p.at.Sub(begin)/step))
		if p.at.Before(begin) {
			first = 0
		}
		last := min(n-1, int((until.Sub(begin)-1)/step))
		for i := first; i <= last; i++ {
			o := &out[i]
			if math.IsNaN(o.value) || p.value > o.value {
				o.value = p.value
			}
			if !math.IsNaN(p.low) && !math.IsNaN(p.high) {
				o.low, o.high = p.low, p.high
			}
		}
	}
	for i := n - 2; i >= 0; i-- {
		// What is normal at an hour was normal before it was asked for, too.
		if math.IsNaN(out[i].low) && step*time.Duration(n-i) <= time.Hour {
			out[i].low, out[i].high = out[i+1].low, out[i+1].high
		}
	}
	return out
}

// past is what is kept of one instance's signs.
type past struct {
	queue, sent, failed, connections, processes line
	// What is normal for sums, of which a status tells only the parts; nil
	// while no chart has told it.
	usualFailed, usualConnections *view.Range
}

// leastSpan is how much of the last minute must be known for a figure a minute.
const leastSpan = 30 * time.Second

// aMinute gives attempts a minute, NaN while they are not known.
func aMinute(f view.FailureStatus) (sent, failed float64) {
	m := f.Minute
	if f.Unknown != "" || m == nil || m.Span < leastSpan {
		return math.NaN(), math.NaN()
	}
	return float64(m.Sent) / m.Span.Minutes(), float64(m.Failed) / m.Span.Minutes()
}

// attempts adds up what went well and what did not.
func attempts(f view.FailureStatus) (sent, failed int64) {
	for status, n := range f.Attempts {
		if status == mta.StatusSent.String() {
			sent += n
		} else {
			failed += n
		}
	}
	return sent, failed
}

// add takes the signs of one answer.
func (p *past) add(at time.Time, lasts time.Duration, in *view.InstanceStatus) {
	put := func(l *line, v float64, r *view.Range) {
		q := unknownPoint()
		q.at, q.lasts, q.value = at, lasts, v
		if r != nil {
			q.low, q.high = r.Low, r.High
		}
		l.add(q)
	}
	sent, failed := aMinute(in.Failures)
	normalSent, normalFailed := p.normalAttempts(in.Failures.Normal)
	put(&p.queue, waiting(in.Queue), in.Queue.Normal)
	put(&p.sent, sent, normalSent)
	put(&p.failed, failed, normalFailed)
	open, normal := p.open(in.Connections)
	put(&p.connections, open, normal)
	put(&p.processes, processes(in.Processes), nil)
}

// normalAttempts gives what is normal a minute for what is sent, and for all
// that is not.
func (p *past) normalAttempts(n *view.NormalFailures) (sent, failed *view.Range) {
	sent, failed = normalAttempts(n)
	if failed != nil && p.usualFailed != nil {
		failed = p.usualFailed
	}
	return sent, failed
}

// open gives the open connections, and what is normal for them.
func (p *past) open(c view.ConnectionStatus) (float64, *view.Range) {
	n, normal := connections(c)
	if normal != nil && p.usualConnections != nil {
		normal = p.usualConnections
	}
	return n, normal
}

// seed puts charts in place of what was kept of the time that they are of.
func (p *past) seed(charts map[mta.Sign]view.Charts) {
	for sign, list := range charts {
		var all line // of the daemons' roles
		for i := range list.Charts {
			c := &list.Charts[i]
			points := pointsOf(c, list.Step)
			switch c.ID {
			case "queues":
				p.queue.begin(points, list.To)
			case "sent":
				p.sent.begin(points, list.To)
			case "failed":
				p.failed.begin(points, list.To)
				p.usualFailed = c.Normal
			case "connections":
				p.connections.begin(points, list.To)
				p.usualConnections = c.Normal
			}
			if sign == mta.SignDaemons && c.Unit == "processes" {
				all.sum(points)
			}
		}
		if len(all.points) > 0 {
			p.processes.begin(all.points, list.To)
		}
	}
}

// pointsOf gives the points of a chart; each of its steps ends at its time.
func pointsOf(c *view.Chart, seconds int) []point {
	step := time.Duration(seconds) * time.Second
	at := func(l view.Line, i int) float64 {
		if i < len(l) {
			return l[i]
		}
		return math.NaN()
	}
	list := make([]point, len(c.Times))
	for i, t := range c.Times {
		begin := time.Unix(t, 0).Truncate(step)
		if !begin.Before(time.Unix(t, 0)) {
			begin = begin.Add(-step)
		}
		list[i] = point{begin, step, at(c.Values, i), at(c.Low, i), at(c.High, i)}
	}
	return list
}

// begin puts points before those that came after a moment.
func (l *line) begin(points []point, until time.Time) {
	for _, p := range l.points {
		if p.at.After(until) {
			points = append(points, p)
		}
	}
	l.points = points
}

// sum adds points of the same steps to the line; nothing is normal for the
// sum.
func (l *line) sum(points []point) {
	for i, p := range points {
		p.low, p.high = math.NaN(), math.NaN()
		switch {
		case i >= len(l.points):
			l.points = append(l.points, p)
		case math.IsNaN(l.points[i].value):
			l.points[i].value = p.value
		case !math.IsNaN(p.value):
			l.points[i].value += p.value
		}
	}
}
