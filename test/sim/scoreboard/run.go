// Package scoreboard judges judgement. Simulated hosts (package sim) go
// through judge.Engine, reading by reading; what it reported is compared with
// what was done to the hosts. Out comes what was missed, called by the wrong
// name or reported without cause, how late, and what it cost.
//
// The same Config gives the same board, but for the CPU time.
package scoreboard

import (
	"fmt"
	"io"
	"runtime"
	"slices"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"github.com/mtawatch/mtawatch/internal/alert"
	"github.com/mtawatch/mtawatch/internal/judge"
	"github.com/mtawatch/mtawatch/internal/mta"
	"github.com/mtawatch/mtawatch/test/sim"
)

// Config says what to run. Zero values: 2 mails an hour, 1 and 500 a second;
// 1, 3 and 14 days of history; all kinds of incident; one seed, 1; one at a time.
type Config struct {
	Seeds     []uint64
	Rates     []float64 // messages a second
	Histories []int     // days without incident before the first
	Kinds     []sim.Kind
	Jobs      int       // hosts at a time
	Progress  io.Writer // a line for each host; nil: none
}

// grace is how long after its end an incident still excuses a finding.
const grace = time.Hour

// faint is how many events an incident must touch to be seen at all.
const faint = 10

// outcome is what became of one incident.
type outcome struct {
	sim.Incident
	rate       float64
	history    int
	touched    int64
	found      bool // an expected code, at warning or worse
	finding    mta.Finding
	delay      time.Duration
	sinceError time.Duration
	wrong      []mta.FindingCode // what was reported of it that it is not
	beside     []mta.FindingCode // what was reported that is true of it as well
}

// host is the outcome of one run.
type host struct {
	seed     uint64
	rate     float64
	history  int
	outcomes []outcome
	false    []falseFinding
	healthy  time.Duration // time without a harmful incident
	days     float64
	cpu      time.Duration // of the engine
	series   int
}

// falseFinding is a warning without a cause.
type falseFinding struct {
	code mta.FindingCode
	near sim.Kind // the harmless change it came with, "" for none
	at   time.Time
	text string
}

// Board is all outcomes.
type Board struct{ hosts []host }

func (c Config) withDefaults() Config {
	if len(c.Seeds) == 0 {
		c.Seeds = []uint64{1}
	}
	if len(c.Rates) == 0 {
		c.Rates = []float64{2.0 / 3600, 1, 500}
	}
	if len(c.Histories) == 0 {
		c.Histories = []int{1, 3, 14}
	}
	if len(c.Kinds) == 0 {
		c.Kinds = sim.Kinds()
	}
	c.Jobs = max(1, c.Jobs)
	return c
}

// Run runs all hosts.
func Run(cfg Config) Board {
	cfg = cfg.withDefaults()
	var hosts []host
	for _, seed := range cfg.Seeds {
		for _, rate := range cfg.Rates {
			for _, days := range cfg.Histories {
				hosts = append(hosts, host{seed: seed, rate: rate, history: days})
			}
		}
	}
	var wait sync.WaitGroup
	next := make(chan *host)
	var mu sync.Mutex
	for range cfg.Jobs {
		wait.Go(func() {
			for h := range next {
				began := time.Now()
				h.run(cfg.Kinds)
				if cfg.Progress != nil {
					mu.Lock()
					fmt.Fprintf(cfg.Progress, "seed %d, %s, %d days of history: %.0f days in %s\n", h.seed, rateName(h.rate), h.history, h.days,
						time.Since(began).Round(100*time.Millisecond))
					mu.Unlock()
				}
			}
		})
	}
	for i := range hosts {
		next <- &hosts[i]
	}
	close(next)
	wait.Wait()
	return Board{hosts}
}

// state is what a finding was from some moment on.
type state struct {
	at time.Time // by the true clock
	mta.Finding
}

func (h *host) run(kinds []sim.Kind) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	loc := sim.Berlin()
	// The last Sunday of October is near the beginning.
	from := time.Date(2026, 10, 23, 6, 0, 0, 0, loc)
	start := from.AddDate(0, 0, -h.history)
	seed := h.seed*1000003 + uint64(h.history)*101 + uint64(h.rate*7200)
	plan, end := sim.Plan(seed, h.rate, from, kinds)
	s := sim.New(sim.Config{Seed: seed, Rate: h.rate, Start: start, End: end, Incidents: plan, Location: loc})
	e := judge.New(judge.Config{Location: loc})
	found := make(map[string][]state)
	var order []string
	for r := range s.Readings() {
		h.series = max(h.series, len(r.Samples))
		began := threadTime()
		changes := e.Step(r)
		h.cpu += threadTime() - began
		for _, c := range changes {
			if c.Kind == alert.Resolved || c.Finding.Severity < mta.SeverityWarning {
				continue
			}
			if found[c.Finding.ID] == nil {
				order = append(order, c.Finding.ID)
			}
			f := c.Finding
			found[f.ID] = append(found[f.ID], state{s.Now(), f})
		}
	}
	h.days = end.Sub(start).Hours() / 24
	h.healthy = end.Sub(start)
	touched := s.Touched()
	for i, inc := range plan {
		h.outcomes = append(h.outcomes, outcome{Incident: inc, rate: h.rate, history: h.history, touched: touched[i]})
		if !inc.Kind.Expect().Harmless {
			h.healthy -= inc.End.Sub(inc.Begin) + grace
		}
	}
	for _, id := range order {
		h.assign(found[id])
	}
	h.tolerate()
}

// assign holds one finding against what was done to the host when it opened.
func (h *host) assign(states []state) {
	first := states[0]
	i := slices.IndexFunc(h.outcomes, func(o outcome) bool {
		return !first.at.Before(o.Begin) && !first.at.After(o.End.Add(grace))
	})
	if i < 0 || h.outcomes[i].Kind.Expect().Harmless {
		var near sim.Kind
		if i >= 0 {
			near = h.outcomes[i].Kind
		}
		h.false = append(h.false, falseFinding{first.Code, near, first.at, first.Title})
		return
	}
	o := &h.outcomes[i]
	want := o.Kind.Expect()
	right := false
	for _, s := range states {
		switch {
		case slices.Contains(want.Codes, s.Code):
			right = true
			if s.at.After(o.End.Add(10 * time.Minute)) {
				continue // too late to be of use
			}
			if !o.found || s.ID == o.finding.ID {
				if !o.found {
					o.found, o.delay = true, s.at.Sub(o.Begin)
				}
				o.finding, o.sinceError = s.Finding, s.Since.Sub(o.Begin)
			}
		case slices.Contains(want.Also, s.Code):
			right = true
			if !slices.Contains(o.beside, s.Code) {
				o.beside = append(o.beside, s.Code)
			}
		}
	}
	if !right {
		o.wrong = append(o.wrong, first.Code)
	}
}

// tolerate takes off the warnings that a lasting change may give.
func (h *host) tolerate() {
	for _, o := range h.outcomes {
		for n := o.Kind.Expect().Tolerated; n > 0; n-- {
			i := slices.IndexFunc(h.false, func(f falseFinding) bool { return f.near == o.Kind })
			if i >= 0 {
				h.false = slices.Delete(h.false, i, i+1)
			}
		}
	}
}

// reasonRight reports whether the finding's cause is one of those expected.
func (o *outcome) reasonRight() bool {
	want := o.Kind.Expect().Reasons
	return len(want) == 0 || slices.Contains(want, o.finding.Reason)
}

// seen reports whether there was enough to be seen.
func (o *outcome) seen() bool { return o.touched >= faint || o.alwaysSeen() }

// alwaysSeen names what shows itself whatever the traffic.
func (o *outcome) alwaysSeen() bool {
	switch o.Kind {
	case sim.ControllerDead, sim.ControllerFlaps, sim.DispatcherDead, sim.DiskFills, sim.DNSDead:
		return true
	}
	return false
}

// threadTime is the CPU time of this thread: the machine may be shared.
func threadTime() time.Duration {
	var t unix.Timespec
	if unix.ClockGettime(unix.CLOCK_THREAD_CPUTIME_ID, &t) != nil {
		return 0
	}
	return time.Duration(t.Nano())
}
