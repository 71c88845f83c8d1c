package app

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/mtawatch/mtawatch/internal/chart"
	"github.com/mtawatch/mtawatch/internal/mta"
	"github.com/mtawatch/mtawatch/internal/view"
)

// The most that one panel draws beside its sums.
const (
	maxParts     = 8
	maxLifelines = 200
)

// Chart gives figures over time, with what was normal then.
func (s *Source) Chart(ctx context.Context, q view.ChartQuery) (view.Charts, error) {
	if err := s.known(q.Instance); err != nil {
		return view.Charts{}, err
	}
	now := time.Now()
	if err := s.habits.enter(ctx, now); err != nil {
		return view.Charts{}, err
	}
	defer s.habits.leave()
	if c, ok := s.habits.recall(q, now); ok {
		return c, nil
	}
	c, err := s.draw(ctx, q, now)
	if err == nil && q.End.IsZero() && s.look == nil {
		s.habits.remember(q, now, c)
	}
	return c, err
}

// draw makes the answer anew.
func (s *Source) draw(ctx context.Context, q view.ChartQuery, now time.Time) (view.Charts, error) {
	c := &charter{src: s, instance: q.Instance}
	end, span := q.End, q.Span
	if end.IsZero() || end.After(now) {
		end = now
	}
	if span <= 0 {
		span = 24 * time.Hour
	}
	c.grid = chart.NewGrid(end, min(span, view.MaxChartSpan), s.cfg.Interval)
	c.out = view.Charts{From: c.grid.From(), To: c.grid.To(), Step: int(c.grid.Step().Seconds()), Charts: []view.Chart{}}
	if s.look != nil {
		c.out.Unknown = "nothing is remembered here: no daemon watches this machine"
		return c.out, nil
	}
	c.fetch = func(name string, want map[string]string, open func(map[string]string) func(int64, float64)) error {
		return s.series.Scan(ctx, name, want, c.grid.From(), c.grid.To(), open)
	}
	if list := s.belt.Instances(); q.Instance == "" && len(list) > 0 {
		c.instance = list[0].Name
	}
	if q.Series != "" {
		return c.out, c.one(q)
	}
	draw := map[mta.Sign]func(){mta.SignQueues: c.queues, mta.SignFailures: c.failures, mta.SignConnections: c.connections, mta.SignDaemons: c.daemons}[q.Sign]
	if draw == nil {
		return view.Charts{}, fmt.Errorf("%w: there is no chart of the sign %q; there are queues, failures, connections and daemons, or name a series", view.ErrQuestion, q.Sign)
	}
	draw()
	if c.err != nil {
		return view.Charts{}, c.err
	}
	c.out.Unknown = s.nothing()
	return c.out, nil
}

// charter draws one panel. The first error stays.
type charter struct {
	src      *Source
	fetch    func(name string, want map[string]string, open func(labels map[string]string) func(ms int64, v float64)) error
	instance string
	grid     chart.Grid
	out      view.Charts
	err      error
}

// part is one series of those that were asked for.
type part struct {
	labels map[string]string
	points []chart.Point
}

// read gives the points of a name for the instance and labels given in pairs.
func (c *charter) read(name string, pairs ...string) []part {
	want := map[string]string{}
	if c.instance != "" {
		want["instance"] = c.instance
	}
	for i := 0; i+1 < len(pairs); i += 2 {
		want[pairs[i]] = pairs[i+1]
	}
	return c.scan(name, want)
}

func (c *charter) scan(name string, want map[string]string) []part {
	if c.err != nil {
		return nil
	}
	var list []*part
	c.err = c.fetch(name, want, func(labels map[string]string) func(int64, float64) {
		p := &part{labels: labels}
		list = append(list, p)
		return func(ms int64, v float64) { p.points = append(p.points, chart.Point{T: ms, V: v}) }
	})
	out := make([]part, 0, len(list))
	for _, p := range list {
		if len(p.points) > 0 {
			out = append(out, *p)
		}
	}
	return out
}

// key names a series of the instance.
func (c *charter) key(name string, pairs ...string) string {
	s := mta.Series{Name: name, Labels: []mta.Label{{Name: "instance", Value: c.instance}}}
	for i := 0; i+1 < len(pairs); i += 2 {
		s.Labels = append(s.Labels, mta.Label{Name: pairs[i], Value: pairs[i+1]})
	}
	return s.Key()
}

// habit gives what is normal for the sum of the series with these keys.
func (c *charter) habit(keys ...string) chart.Habit {
	var list []chart.Habit
	for _, k := range keys {
		if h := c.src.habits.of(c.src.belt, k); h != nil {
			list = append(list, h.At)
		}
	}
	return chart.Together(list)
}

// add puts one chart to the panel; its values are drawn when there are any.
func (c *charter) add(v view.Chart, values view.Line, now *view.Number, h chart.Habit) {
	v.Direction = cmp.Or(v.Direction, view.Up)
	v.Times, v.Values, v.Now = c.grid.Times(), values, now
	v.Low, v.High = c.grid.Band(h)
	if h != nil {
		b := h(c.grid.To())
		v.Normal = view.RangeOf(b, b.LearnedFrom > 0)
	}
	c.out.Charts = append(c.out.Charts, v)
}

// gauge adds a gauge.
func (c *charter) gauge(v view.Chart, points []chart.Point, h chart.Habit) {
	c.add(v, c.grid.Max(points), c.grid.Last(points), h)
}

// rate adds the growth of counters, summed up, a minute.
func (c *charter) rate(v view.Chart, list []part, born bool, h chart.Habit) {
	set := make([][]chart.Point, len(list))
	for i := range list {
		set[i] = list[i].points
	}
	c.add(v, c.grid.Rate(set, born), c.grid.RateNow(set, born), h)
}

// sum adds gauges up.
func sum(list []part) []chart.Point {
	var all []chart.Point
	for i := range list {
		all = chart.Add(all, list[i].points)
	}
	return all
}

// largest gives the parts with the greatest values, at most maxParts, in the order of a label.
func largest(list []part, label string) []part {
	peak := func(p part) float64 {
		return slices.MaxFunc(p.points, func(a, b chart.Point) int { return cmp.Compare(a.V, b.V) }).V
	}
	peaks := make(map[string]float64, len(list))
	for _, p := range list {
		peaks[p.labels[label]] = peak(p)
	}
	list = slices.Clone(list)
	slices.SortStableFunc(list, func(a, b part) int { return cmp.Compare(peaks[b.labels[label]], peaks[a.labels[label]]) })
	list = list[:min(len(list), maxParts)]
	slices.SortStableFunc(list, func(a, b part) int { return strings.Compare(a.labels[label], b.labels[label]) })
	return list
}

// one draws a single series, or a sum of which the normal range is known.
func (c *charter) one(q view.ChartQuery) error {
	s, err := mta.ParseSeries(q.Series)
	if err != nil {
		return fmt.Errorf("%w: %w", view.ErrQuestion, err)
	}
	want := make(map[string]string, len(s.Labels))
	for _, l := range s.Labels {
		want[l.Name] = l.Value
	}
	list := c.scan(s.Name, want)
	if c.err != nil {
		return c.err
	}
	exact := slices.DeleteFunc(slices.Clone(list), func(p part) bool { return len(p.labels) != len(want)+1 })
	if len(exact) > 0 {
		list = exact
	}
	v := view.Chart{ID: s.Key(), Title: s.Key(), Series: s.Key()}
	if s.Counter {
		v.Unit = "a minute"
		c.rate(v, list, false, c.habit(s.Key()))
	} else {
		c.gauge(v, sum(list), c.habit(s.Key()))
	}
	return nil
}

func onHold(queue string) bool { return queue == "hold" || queue == "held" }

// queues draws what waits: all together, each queue or channel, and the oldest.
func (c *charter) queues() {
	const name = "mta_queue_messages"
	list := c.read(name)
	held := slices.DeleteFunc(slices.Clone(list), func(p part) bool { return !onHold(p.labels["queue"]) })
	waiting := slices.DeleteFunc(list, func(p part) bool { return onHold(p.labels["queue"]) })
	c.gauge(view.Chart{ID: "queues", Title: "messages in the queue", Unit: "messages", Series: c.key(name)}, sum(waiting), c.habit(c.key(name)))
	for _, p := range append(largest(waiting, "queue"), held...) {
		q := p.labels["queue"]
		v := view.Chart{ID: "queue " + q, Title: q, Unit: "messages", PartOf: "queues", Series: c.key(name, "queue", q)}
		if onHold(q) {
			v.PartOf = ""
		}
		c.gauge(v, p.points, c.habit(v.Series))
	}
	const oldest = "mta_queue_oldest_age_seconds"
	var all []chart.Point
	for _, p := range c.read(oldest) {
		if !onHold(p.labels["queue"]) {
			all = chart.Greatest(all, p.points)
		}
	}
	c.gauge(view.Chart{ID: "oldest", Title: "age of the oldest message", Unit: "seconds"}, all, nil)
}

// failures draws what came in, what was sent, and downwards what was not.
func (c *charter) failures() {
	const received, attempts, rejects = "mta_received_messages_total", "mta_delivery_attempts_total", "mta_rejects_total"
	c.rate(view.Chart{ID: "received", Title: "received", Unit: "messages a minute", Series: c.key(received)}, c.read(received), true, c.habit(c.key(received)))
	by := map[string][]part{}
	for _, p := range c.read(attempts) {
		switch st := p.labels["status"]; st {
		case "sent", "deferred":
			by[st] = append(by[st], p)
		default: // bounced and expired
			by["bounced"] = append(by["bounced"], p)
		}
	}
	key := func(status string) string { return c.key(attempts, "status", status) }
	const unit = "recipients a minute"
	c.rate(view.Chart{ID: "sent", Title: "sent", Unit: unit, Series: key("sent")}, by["sent"], true, c.habit(key("sent")))
	// Where nothing has failed yet there is no counter: it is 0 as long as others of its name are known.
	failed := append(slices.Concat(by["deferred"], by["bounced"]), zeroes(by["sent"])...)
	c.rate(view.Chart{ID: "failed", Title: "failed", Unit: unit, Direction: view.Down}, failed, true, c.habit(key("deferred"), key("bounced")))
	for _, st := range [...]string{"deferred", "bounced"} {
		list := append(slices.Clone(by[st]), zeroes(by["sent"])...)
		c.rate(view.Chart{ID: st, Title: st, Unit: unit, Direction: view.Down, PartOf: "failed", Series: key(st)}, list, true, c.habit(key(st)))
	}
	c.rate(view.Chart{ID: "rejects", Title: "clients refused", Unit: "rejects a minute", Direction: view.Down, Series: c.key(rejects)}, c.read(rejects), true, c.habit(c.key(rejects)))
}

// zeroes gives counters that were watched when those given were, and stood at 0.
func zeroes(list []part) []part {
	var out []part
	for _, p := range list {
		z := part{points: make([]chart.Point, len(p.points))}
		for i := range p.points {
			z.points[i].T = p.points[i].T
		}
		out = append(out, z)
	}
	return out
}

// connections draws the inbound connections of all ports together, by state,
// and from how many addresses they come.
func (c *charter) connections() {
	const name, sources, top, queue = "mta_inbound_connections", "mta_inbound_sources", "mta_inbound_top_source_connections", "mta_accept_queue_length"
	states := map[string][]part{}
	ports := map[string]bool{}
	var current []part
	for _, p := range c.read(name) {
		st := p.labels["state"]
		ports[p.labels["port"]] = true
		states[st] = append(states[st], p)
		if st != mta.TCPTimeWait.String() {
			current = append(current, p)
		}
	}
	keys := func(name string, more ...string) []string {
		var list []string
		for _, port := range slices.Sorted(maps.Keys(ports)) {
			list = append(list, c.key(name, append([]string{"port", port}, more...)...))
		}
		return list
	}
	c.gauge(view.Chart{ID: "connections", Title: "connections", Unit: "connections"}, sum(current), c.habit(keys(name)...))
	for _, st := range slices.Sorted(maps.Keys(states)) {
		v := view.Chart{ID: "state " + st, Title: st, Unit: "connections"}
		if st != mta.TCPTimeWait.String() {
			v.PartOf = "connections"
		}
		if points := sum(states[st]); slices.ContainsFunc(points, func(p chart.Point) bool { return p.V > 0 }) {
			c.gauge(v, points, c.habit(keys(name, "state", st)...))
		}
	}
	c.gauge(view.Chart{ID: "sources", Title: "remote addresses", Unit: "addresses"}, sum(c.read(sources)), c.habit(keys(sources)...))
	c.gauge(view.Chart{ID: "top-source", Title: "connections of the largest source", Unit: "connections"}, greatest(c.read(top)), nil)
	c.gauge(view.Chart{ID: "accept-queue", Title: "waiting to be accepted", Unit: "connections"}, sum(c.read(queue)), c.habit(keys(queue)...))
}

func greatest(list []part) []chart.Point {
	var all []chart.Point
	for i := range list {
		all = chart.Greatest(all, list[i].points)
	}
	return all
}

// daemons draws the processes by role, the restarts, and when each daemon lived.
func (c *charter) daemons() {
	const name, restarts = "mta_processes", "mta_process_restarts_total"
	for _, p := range c.read(name) {
		role := p.labels["role"]
		if !slices.ContainsFunc(p.points, func(p chart.Point) bool { return p.V > 0 }) && role != mta.RoleDispatcher.String() && role != mta.RoleJobController.String() {
			continue
		}
		v := view.Chart{ID: "role " + role, Title: role, Unit: "processes", Series: c.key(name, "role", role)}
		c.gauge(v, p.points, c.habit(v.Series))
	}
	c.rate(view.Chart{ID: "restarts", Title: "restarts", Unit: "restarts a minute"}, c.read(restarts), false, nil)
	c.lifelines()
}
