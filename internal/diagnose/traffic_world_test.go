package diagnose_test

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/mtawatch/mtawatch/internal/alert"
	"github.com/mtawatch/mtawatch/internal/diagnose"
	"github.com/mtawatch/mtawatch/internal/judge"
	"github.com/mtawatch/mtawatch/internal/mta"
)

// A world is a mail server in numbers: it makes the series of each step from
// rates, and the engine reads them as it reads those of a real one.
type world struct {
	now     time.Time
	rng     *rand.Rand
	arrive  float64 // messages a second
	dests   []*place
	probe   float64 // of DNS; negative: not run
	free    float64 // bytes on the disk
	refused float64 // messages a second refused for want of our own resources
	loops   float64 // attempts a second
	stuck   bool    // nothing leaves the active queue
	held    float64
	backlog float64 // deferred
	active  float64
	oldest  float64
	put     func(w *world) // called at the end of each step
	series  map[string]*mta.Series
	count   map[string]float64
	samples []mta.Sample
	facts   *told
	engine  *judge.Engine
	changes []alert.Change
}

// place is one destination.
type place struct {
	name   string
	rate   float64 // attempts a second
	fail   float64 // share that fails
	cause  mta.Cause
	bounce bool
}

const step = 10 * time.Second

// monday is a moment in the middle of a working day.
func monday() time.Time { return time.Date(2026, 11, 2, 10, 0, 0, 0, time.UTC) }

func newWorld(start time.Time, seed uint64) *world {
	w := &world{now: start, rng: rand.New(rand.NewPCG(seed, 7)), arrive: 1, probe: 1, free: 50e9, backlog: 120, active: 5, oldest: 30,
		series: make(map[string]*mta.Series), count: make(map[string]float64), facts: &told{}}
	w.dests = []*place{
		{name: "big.example", rate: 0.3, fail: 0.01, cause: mta.CauseUnknownUser, bounce: true},
		{name: "dead.example", rate: 0.02, fail: 1, cause: mta.CauseConnectTimeout},
		{name: "home.example", rate: 0.25, fail: 0.002, cause: mta.CauseMailboxFull},
		{name: "mid.example", rate: 0.1, fail: 0.02, cause: mta.CauseUnknownUser, bounce: true},
		{name: "other", rate: 0.25, fail: 0.04, cause: mta.CauseUnknownUser, bounce: true},
		{name: "third.example", rate: 0.08, fail: 0.02, cause: mta.CauseRemoteUnavailable},
	}
	w.engine = judge.New(judge.Config{Facts: w.facts})
	return w
}

func (w *world) dest(name string) *place {
	for _, d := range w.dests {
		if d.name == name {
			return d
		}
	}
	d := &place{name: name}
	w.dests = append(w.dests, d)
	return d
}

// fail makes destinations fail.
func (w *world) fail(share float64, cause mta.Cause, names ...string) {
	for _, n := range names {
		d := w.dest(n)
		d.fail, d.cause, d.bounce = share, cause, cause.Scope() == mta.ScopeRecipient || cause == mta.CauseBlocked || cause == mta.CauseContent
	}
}

// events draws how many events of a rate fall into one step.
func (w *world) events(perSecond float64) float64 {
	mean := perSecond * step.Seconds()
	if mean <= 0 {
		return 0
	}
	if mean > 50 {
		return max(0, math.Round(mean+math.Sqrt(mean)*w.rng.NormFloat64()))
	}
	n, p, limit := 0.0, w.rng.Float64(), math.Exp(-mean)
	for p > limit {
		n++
		p *= w.rng.Float64()
	}
	return n
}

func (w *world) gauge(v float64, name string, pairs ...string) { w.sample(false, v, name, pairs) }

func (w *world) counter(n float64, name string, pairs ...string) { w.sample(true, n, name, pairs) }

func (w *world) sample(counter bool, v float64, name string, pairs []string) {
	s := mta.Series{Name: name, Counter: counter}
	if name[:4] == "mta_" {
		s.Labels = append(s.Labels, mta.Label{Name: "instance", Value: "mx"})
	}
	for i := 0; i+1 < len(pairs); i += 2 {
		s.Labels = append(s.Labels, mta.Label{Name: pairs[i], Value: pairs[i+1]})
	}
	k := s.Key()
	if w.series[k] == nil {
		w.series[k] = &s
	}
	if counter {
		w.count[k] += v
		v = w.count[k]
	}
	w.samples = append(w.samples, mta.Sample{Series: w.series[k], Value: v})
}

// step makes one step and has it judged.
func (w *world) step() {
	w.now = w.now.Add(step)
	w.samples = w.samples[:0]
	hour := float64(w.now.Hour()) + float64(w.now.Minute())/60
	day := 0.6 + 0.4*math.Sin((hour-8)/24*2*math.Pi) // never far from its level: the tests begin at any hour
	w.counter(w.events(w.arrive*day), "mta_received_messages_total")
	sent := 0.0
	failed := make(map[[2]string]float64)
	for _, d := range w.dests {
		n := w.events(d.rate * day)
		bad := 0.0
		for range int(n) {
			if w.rng.Float64() < d.fail {
				bad++
			}
		}
		status := "deferred"
		if d.bounce {
			status = "bounced"
		}
		w.counter(n-bad, "mta_destination_attempts_total", "destination", d.name, "status", "sent")
		w.counter(bad, "mta_destination_attempts_total", "destination", d.name, "status", status)
		failed[[2]string{status, d.cause.String()}] += bad
		sent += n - bad
		w.facts.count(w.now, d, bad, n-bad)
	}
	if loops := w.events(w.loops); loops > 0 || w.count["loop"] > 0 {
		w.count["loop"]++
		failed[[2]string{"bounced", "loop"}] += loops
	}
	w.counter(sent, "mta_delivery_attempts_total", "status", "sent", "cause", "")
	for _, status := range []string{"deferred", "bounced"} {
		for _, c := range mta.Causes() {
			if n, ok := failed[[2]string{status, c.String()}]; ok {
				w.counter(n, "mta_delivery_attempts_total", "status", status, "cause", c.String())
			}
		}
	}
	w.counter(w.events(0.05), "mta_rejects_total", "stage", "rcpt", "class", "5xx", "cause", "relay-denied")
	w.counter(w.events(w.refused), "mta_rejects_total", "stage", "mail", "class", "4xx", "cause", "local-resource")
	w.counter(w.events(3), "mtawatch_log_lines_total", "source", "mail.log", "outcome", "parsed")
	jitter := func(v float64) float64 { return max(0, math.Round(v+math.Sqrt(v)*w.rng.NormFloat64())) }
	w.gauge(jitter(w.backlog), "mta_queue_messages", "queue", "deferred")
	w.gauge(jitter(w.active), "mta_queue_messages", "queue", "active")
	w.gauge(w.held, "mta_queue_messages", "queue", "hold")
	if w.stuck {
		w.oldest += step.Seconds()
	} else {
		w.oldest = 10 + 60*w.rng.Float64()
	}
	w.gauge(w.oldest, "mta_queue_oldest_age_seconds", "queue", "active")
	w.gauge(w.free, "mta_disk_free_bytes")
	w.gauge(100e9, "mta_disk_size_bytes")
	if w.probe >= 0 {
		w.gauge(w.probe, "mtawatch_probe_up", "probe", "dns")
	}
	if w.put != nil {
		w.put(w)
	}
	w.facts.now = w.now
	w.changes = append(w.changes, w.engine.Step(mta.Reading{Tick: mta.Tick{Time: w.now, Samples: w.samples}})...)
}

// run makes steps for a time.
func (w *world) run(d time.Duration) {
	for end := w.now.Add(d); w.now.Before(end); {
		w.step()
	}
}

// opened gives what was opened as a warning or worse since a moment, or is open as such.
func (w *world) opened() []mta.Finding {
	var list []mta.Finding
	for _, f := range slices.Concat(w.engine.Open(), w.engine.Past()) {
		if f.Severity >= mta.SeverityWarning {
			list = append(list, f)
		}
	}
	return list
}

// past is what an engine has learned, to be loaded by others.
type past map[string][]byte

// teach runs a world for some days and gives what was learned.
func teach(t *testing.T, d time.Duration) past {
	t.Helper()
	w := newWorld(monday().Add(-d), 1)
	w.run(d)
	for _, f := range w.opened() {
		t.Fatalf("the world that teaches what is normal has a finding: %s: %s", f.Code, f.Title)
	}
	p := make(past)
	w.engine.Flush(func(k string, v []byte) { p[k] = slices.Clone(v) }, func(k string) { delete(p, k) })
	return p
}

// learned gives a world that goes on after what was taught, an hour later.
func learned(t *testing.T, p past, seed uint64) *world {
	t.Helper()
	w := newWorld(monday(), seed)
	for k, v := range p {
		if err := w.engine.Load(k, v); err != nil {
			t.Fatalf("load %s: %v", k, err)
		}
	}
	w.run(40 * time.Minute)
	return w
}

// told is what no series carries, when names is set.
type told struct {
	diagnose.NoFacts
	named    bool // failures are known by name
	now      time.Time
	rows     []row
	senders  []diagnose.Sender
	warnings []diagnose.Warning
	reply    map[mta.Cause]string
	software string
	dns      *mta.Probe
}

type row struct {
	at        time.Time
	dest      string
	cause     mta.Cause
	bad, sent int64
}

func (f *told) count(at time.Time, d *place, bad, sent float64) {
	if f.named && d.name != "other" {
		f.rows = append(f.rows, row{at, d.name, d.cause, int64(bad), int64(sent)})
	}
}

func (f *told) Failures(_ string, since time.Time) []diagnose.Failure {
	type key struct {
		dest  string
		cause mta.Cause
	}
	by := make(map[key]*diagnose.Failure)
	for _, r := range f.rows {
		if r.at.Before(since) || r.bad == 0 {
			continue
		}
		k := key{r.dest, r.cause}
		if by[k] == nil {
			by[k] = &diagnose.Failure{Destination: r.dest, Cause: r.cause, First: r.at, Reply: f.reply[r.cause], QueueID: "4cXk2q1Z3nz9v"}
		}
		by[k].Count += r.bad
		by[k].Last = r.at
	}
	var list []diagnose.Failure
	for _, v := range by {
		list = append(list, *v)
	}
	slices.SortFunc(list, func(a, b diagnose.Failure) int { return int(b.Count - a.Count) })
	return list
}

func (f *told) Senders(string, time.Time) []diagnose.Sender { return f.senders }

func (f *told) Warnings(_ string, since time.Time) []diagnose.Warning {
	return slices.DeleteFunc(slices.Clone(f.warnings), func(w diagnose.Warning) bool { return w.Time.Before(since) })
}

func (f *told) MTA(string) (string, string) { return f.software, "" }

func (f *told) Probe(name string) (mta.Probe, bool) {
	if name == "dns" && f.dns != nil {
		return *f.dns, true
	}
	return mta.Probe{}, false
}
