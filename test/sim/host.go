package sim

import (
	"iter"
	"time"

	"github.com/mtawatch/mtawatch/internal/mta"
)

// Config sets up a Host. Zero values: as each field says.
type Config struct {
	Seed  uint64
	Rate  float64   // messages a second in the mean; 0: one
	Start time.Time // the first reading; zero: 2026-10-05 00:00 in Location
	End   time.Time // no reading after it; zero: 16 days after Start
	Step  time.Duration
	// Location has the calendar that people live by. nil: Europe/Berlin.
	Location  *time.Location
	Instance  string     // "": postfix
	Port      uint16     // 0: 25
	Source    string     // of the log; "": /var/log/mail.log
	Incidents []Incident // in any order
	// Destinations, when given, are the host's only ones, all of them
	// healthy, without habits of their own.
	Destinations []string
	Queues       []string // their names; nil: Postfix's
	Flat         bool     // about the same traffic at all hours, no bursts, no unwanted visitors
	Messages     bool     // each message has an identity; dear at high rates
	Buckets      bool     // also the buckets of the delay histograms, which judgement does not read
	record       *recorder
}

func (c Config) withDefaults() Config {
	if c.Rate <= 0 {
		c.Rate = 1
	}
	if c.Step <= 0 {
		c.Step = 10 * time.Second
	}
	if c.Location == nil {
		c.Location = Berlin()
	}
	if c.Start.IsZero() {
		c.Start = time.Date(2026, 10, 5, 0, 0, 0, 0, c.Location)
	}
	if c.End.IsZero() {
		c.End = c.Start.AddDate(0, 0, 16)
	}
	if c.Instance == "" {
		c.Instance = "postfix"
	}
	if c.Port == 0 {
		c.Port = 25
	}
	if c.Source == "" {
		c.Source = "/var/log/mail.log"
	}
	if c.Queues == nil {
		c.Queues = []string{"maildrop", "incoming", "active", "deferred", "hold", "corrupt"}
	}
	return c
}

// Berlin gives a zone with daylight saving; UTC where the machine has no zones.
func Berlin() *time.Location {
	if l, err := time.LoadLocation("Europe/Berlin"); err == nil {
		return l
	}
	return time.UTC
}

// Totals is what became of all mail since the beginning, in messages.
type Totals struct {
	Arrived int64
	Sent    int64
	Bounced int64 // expired ones too
	Waiting int64 // in any queue, at this moment
}

// Host is one simulated mail server. One goroutine uses it.
type Host struct {
	cfg       Config
	d         dice
	calendar  calendar
	noise     noise
	at        time.Time // the end of the present step, by the true clock
	now       int64     // the same in unix seconds
	dt        float64   // seconds of a step
	incidents []*incident
	w         weather

	dests    []*destination
	weights  []float64
	total    float64
	expected float64 // messages a second at this hour, without chance and incidents

	maildrop, incoming, held []entry
	maildropN, incomingN     int
	activeN, deferredN       int
	heldN                    int
	activeLimit              int
	nextRun                  int64
	scanning                 bool // a queue run has not come to its end
	in                       inbound
	procs                    processes
	diskUsed                 float64 // share of the disk

	totals Totals
	seen   counters
	out    output
	ids    int64 // how many messages had an identity
}

// entry is mail for one destination that the queue manager has not seen.
type entry struct {
	to *destination
	c  cohort
}

// warmUp is simulated before the first reading, so that no queue begins empty.
const warmUp = 8 * time.Hour

// New makes a host, a few hours into its life.
func New(cfg Config) *Host {
	cfg = cfg.withDefaults()
	h := &Host{cfg: cfg, d: newDice(cfg.Seed), dt: cfg.Step.Seconds()}
	warm := max(warmUp.Truncate(cfg.Step), cfg.Step)
	h.at = cfg.Start.Add(-warm)
	h.now = h.at.Unix()
	if cfg.Destinations != nil {
		h.dests = namedDestinations(cfg.Destinations)
	} else {
		h.dests = makeDestinations(h.d, cfg.Rate)
	}
	for i, x := range h.dests {
		x.slots = max(20, int(10*cfg.Rate*x.share*x.latency))
		if x.name == newcomer {
			x.slots = max(20, int(10*cfg.Rate*newcomerShare*x.latency))
		}
		h.weights = append(h.weights, x.share)
		h.total += x.share
		x.shown = i < topDestinations
	}
	h.activeLimit = max(20000, int(100*cfg.Rate))
	h.nextRun = h.now + queueRunDelay
	h.diskUsed = 0.38
	h.in = newInbound(h.d, &cfg)
	h.procs = newProcesses(h.now)
	for _, inc := range cfg.Incidents {
		h.incidents = append(h.incidents, newIncident(inc))
	}
	h.calendar = calendar{loc: cfg.Location, flat: cfg.Flat, holiday: h.holiday}
	h.seedOldMail()
	h.cfg.record = nil
	for h.at.Add(cfg.Step).Before(cfg.Start) {
		h.step()
	}
	h.seen = counters{}
	for _, x := range h.dests {
		x.counts = [mta.NumStatuses]int64{}
	}
	h.cfg.record = cfg.record
	for i := range h.incoming { // the log begins with them
		h.logArrival(&h.incoming[i].c, false)
	}
	return h
}

// seedOldMail puts the undeliverable mail of the last days into the queue.
func (h *Host) seedOldMail() {
	const slot = 2 * 3600
	for _, x := range h.dests {
		if !x.gone {
			continue
		}
		for age := int64(slot); age < queueLifetime; age += slot {
			n := h.d.poisson(h.cfg.Rate * x.share * slot)
			if n == 0 {
				continue
			}
			c := cohort{n: n, born: h.now - age, attempts: 3, cause: mta.CauseConnectTimeout, due: h.now + h.d.Int64N(maximalBackoff)}
			h.identify(x, &c)
			h.totals.Arrived += int64(n)
			h.deferredN += n
			x.waiting = append(x.waiting, c)
		}
	}
}

// Totals tells what became of all mail so far.
func (h *Host) Totals() Totals {
	t := h.totals
	t.Waiting = int64(h.maildropN + h.incomingN + h.activeN + h.deferredN + h.heldN)
	return t
}

// Now is the moment of the last reading by the true clock, which a clock
// step does not move.
func (h *Host) Now() time.Time { return h.at }

// Touched tells by incident, in the order of Config.Incidents, how many
// events it has changed so far: attempts failed, messages kept back,
// connections made. An incident that touched next to nothing could be seen by no one.
func (h *Host) Touched() []int64 {
	list := make([]int64, len(h.incidents))
	for i, inc := range h.incidents {
		list[i] = inc.touched
	}
	return list
}

// Next gives the next reading; ok is false after the last. The samples and
// sources are valid until the next call; the Series pointers stay the same.
func (h *Host) Next() (r mta.Reading, ok bool) {
	for !h.at.Add(h.cfg.Step).After(h.cfg.End) {
		h.step()
		if h.w.gap {
			continue
		}
		return h.reading(), true
	}
	return mta.Reading{}, false
}

// Readings gives all readings that are left.
func (h *Host) Readings() iter.Seq[mta.Reading] {
	return func(yield func(mta.Reading) bool) {
		for {
			r, ok := h.Next()
			if !ok || !yield(r) {
				return
			}
		}
	}
}

// step moves the host on by one step.
func (h *Host) step() {
	h.at = h.at.Add(h.cfg.Step)
	h.now = h.at.Unix()
	h.weather()
	if h.now%300 < int64(h.dt) {
		h.rebalance()
	}
	mail := h.arrive()
	h.visit(mail)
	h.manage()
	h.procs.step(h)
	h.disk()
	h.cfg.record.flush(h)
}

// arrive lets new mail in and gives the messages that came by SMTP.
func (h *Host) arrive() int {
	f := h.calendar.factor(h.at)
	h.expected = h.cfg.Rate * f
	routine := h.calendar.routine(h.at)
	mean := h.expected * routine * h.noise.step(h.d, h.now, h.dt, h.cfg.Flat) * h.dt
	own := h.d.poisson(mean * 0.12 * h.w.arrivals)
	open := h.in.share
	if h.w.fallen || h.w.refuse {
		open = 0
	}
	smtp := h.d.poisson(mean * 0.88 * h.w.arrivals * h.w.visitors * open)
	h.w.miss(mean - float64(own+smtp))
	h.d.split(own, h.total, h.weights, func(i, k int) { h.accept(h.dests[i], cohort{n: k, born: h.now}, true) })
	h.d.split(smtp, h.total, h.weights, func(i, k int) { h.accept(h.dests[i], cohort{n: k, born: h.now}, false) })
	for _, x := range h.w.extra {
		n := h.d.poisson(x.rate * h.dt)
		h.w.touch(int64(n))
		if x.pickup {
			h.spread(x, n)
			continue
		}
		if h.w.fallen || h.w.refuse {
			continue
		}
		h.spread(x, n)
		smtp += n
	}
	return smtp
}

// spread shares the mail of an incident out among its destinations.
func (h *Host) spread(x extra, n int) {
	if x.to != nil {
		if n > 0 {
			h.accept(x.to, cohort{n: n, born: h.now, flow: x.flow}, x.pickup)
		}
		return
	}
	remote := h.weights[1:]
	h.d.split(n, h.total-h.weights[0], remote, func(i, k int) {
		h.accept(h.dests[i+1], cohort{n: k, born: h.now, flow: x.flow}, x.pickup)
	})
}

// accept puts new mail where it waits for the queue manager.
func (h *Host) accept(to *destination, c cohort, pickup bool) {
	h.totals.Arrived += int64(c.n)
	c.pickup = pickup
	h.identify(to, &c)
	switch {
	case pickup && h.w.fallen:
		h.maildrop = append(h.maildrop, entry{to, c})
		h.maildropN += c.n
		return
	case h.w.hold > 0:
		if k := h.d.binomial(c.n, h.w.hold); k > 0 {
			part := c.take(k)
			h.logArrival(&part, true)
			h.held = append(h.held, entry{to, part})
			h.heldN += k
			h.w.touch(int64(k))
		}
	}
	if c.n == 0 {
		return
	}
	h.logArrival(&c, false)
	h.incoming = append(h.incoming, entry{to, c})
	h.incomingN += c.n
}

// logArrival counts the lines of an arrival, and writes them.
func (h *Host) logArrival(c *cohort, held bool) {
	lines := 4 // connect, client, message-id, disconnect
	for _, m := range c.msgs {
		h.cfg.record.arrival(h, m, c, held)
	}
	if c.pickup || c.flow == flowNotification {
		lines = 2
	}
	if held {
		lines++
	}
	h.lines(lines * c.n)
}
