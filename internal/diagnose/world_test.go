package diagnose

import (
	"math"
	"math/rand/v2"
	"net/netip"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/mtawatch/mtawatch/internal/detect"
	"github.com/mtawatch/mtawatch/internal/mta"
)

// world is one mail host as series tell of it, step by step through a real
// detect.Set. Each step the rules are asked, and what has held for its Need
// is told.
type world struct {
	set         *detect.Set
	c           *Case
	rules       []Rule
	rand        *rand.Rand
	now         time.Time
	second      int // since the change began
	v           values
	held        map[string]time.Time
	exactStarts map[int]float64 // of the job controller, by second
	told        map[mta.FindingCode]Candidate
}

// values are the levels of a step and the rates a minute; unknown gives no value.
type values struct {
	arrivals, attempts, opened, rejects, lines float64 // a minute
	current, top, sources, syn, closeWait      float64
	acceptQueue, acceptLimit, overflows        float64 // overflows, cookies: a minute
	cookies                                    float64
	dispatchers, jobControllers                float64
	servers, deliveries, serverAge             float64
	incoming, waiting                          float64
	logUp, logLag, probe                       float64
}

var unknown = math.NaN()

func ordinary() values {
	return values{arrivals: 60, attempts: 70, opened: 80, rejects: 5, lines: 600, current: 12, top: 2, sources: 9, syn: 1, acceptLimit: 100,
		dispatchers: 1, jobControllers: 1, servers: 12, deliveries: 5, serverAge: 300, incoming: 1, waiting: 50, logUp: 1, probe: 1}
}

const step = 10 * time.Second

var (
	begin = time.Date(2026, 3, 2, 0, 0, 0, 0, time.UTC)
	onset = begin.Add(50 * time.Hour) // when the changes of the tests begin
)

func newWorld() *world {
	w := &world{set: detect.New(detect.Config{}), rand: rand.New(rand.NewPCG(1, 2)), now: begin, v: ordinary(),
		rules: slices.Concat(connectionRules(), daemonRules(), monitorRules()),
		held:  make(map[string]time.Time), told: make(map[mta.FindingCode]Candidate)}
	g := func(name string) *detect.Signal { return w.set.Signal(name, detect.Gauge) }
	n := func(name string) *detect.Signal { return w.set.Signal(name, detect.Count) }
	p := &Port{Instance: "postfix", Port: "25", Listening: true, Opened: n("opened"), Current: g("current"), Sources: g("sources"), TopSource: g("top"),
		AcceptQueue: g("accept-queue"), AcceptLimit: g("accept-limit"), States: map[string]*detect.Signal{"syn-recv": g("syn"), "close-wait": g("close-wait")}}
	in := &Instance{Name: "postfix", Arrivals: n("arrivals"), Attempts: n("attempts"), Rejects: n("rejects"), Waiting: g("waiting"),
		Queues:     []*Queue{{Name: "incoming", Messages: g("incoming")}},
		Dispatcher: Daemon{Role: mta.RoleDispatcher, Count: g("dispatchers"), Restarts: n("dispatcher-restarts")},
		JobController: Daemon{Role: mta.RoleJobController, Count: g("job-controllers"),
			Restarts: n("job-controller-restarts")},
		SMTPServers: g("servers"), Deliveries: g("deliveries"), ServerAge: g("server-age"), Ports: []*Port{p}}
	w.c = &Case{Instances: []*Instance{in}, Ports: []*Port{p}, Overflows: n("overflows"), SYNCookies: n("cookies"),
		Logs:   []*Log{{Name: "/var/log/mail.log", Up: g("log-up"), Lines: n("lines"), Lag: g("log-lag")}},
		Probes: map[string]*detect.Signal{"smtp": g("probe")}, Facts: NoFacts{}}
	return w
}

func (w *world) in() *Instance { return w.c.Instances[0] }
func (w *world) port() *Port   { return w.c.Ports[0] }

// feed gives one step its values: rates as random events, levels with some noise.
func (w *world) feed() {
	in, p, v := w.in(), w.port(), &w.v
	count := func(g *detect.Signal, perMinute float64) {
		if perMinute == perMinute {
			g.SetCount(poisson(w.rand, perMinute*step.Minutes()))
		}
	}
	exact := func(g *detect.Signal, x float64) {
		if x == x {
			g.SetGauge(x)
		}
	}
	noisy := func(g *detect.Signal, x float64) {
		exact(g, math.Round(max(0, x*(1+0.12*w.rand.NormFloat64()))))
	}
	w.set.Begin(w.now)
	count(in.Arrivals, v.arrivals)
	count(in.Attempts, v.attempts)
	count(in.Rejects, v.rejects)
	count(p.Opened, v.opened)
	count(w.c.Logs[0].Lines, v.lines)
	count(w.c.Overflows, v.overflows)
	count(w.c.SYNCookies, v.cookies)
	in.Dispatcher.Restarts.SetCount(0)
	in.JobController.Restarts.SetCount(w.exactStarts[w.second])
	noisy(p.Current, v.current+v.syn)
	noisy(p.TopSource, v.top)
	noisy(p.Sources, v.sources)
	noisy(in.Waiting, v.waiting)
	for g, x := range map[*detect.Signal]float64{p.States["syn-recv"]: v.syn, p.States["close-wait"]: v.closeWait, p.AcceptQueue: v.acceptQueue,
		p.AcceptLimit: v.acceptLimit, in.Dispatcher.Count: v.dispatchers, in.JobController.Count: v.jobControllers, in.SMTPServers: v.servers,
		in.Deliveries: v.deliveries, in.ServerAge: v.serverAge, in.Queues[0].Messages: v.incoming, w.c.Logs[0].Up: v.logUp,
		w.c.Logs[0].Lag: v.logLag, w.c.Probes["smtp"]: v.probe} {
		exact(g, x)
	}
	w.set.End()
}

// judge asks the rules, and tells what has held.
func (w *world) judge() {
	w.c.Now = w.now
	here := make(map[string]bool)
	for _, r := range w.rules {
		for _, k := range r.Judge(w.c) {
			key := k.Family + "|" + string(k.Code)
			here[key] = true
			if w.held[key].IsZero() {
				w.held[key] = w.now
			}
			if w.now.Sub(w.held[key]) >= k.Need {
				if old, ok := w.told[k.Code]; !ok || k.Severity >= old.Severity { // as it is told last, at its worst
					w.told[k.Code] = k
				}
			}
		}
	}
	for key := range w.held {
		if !here[key] {
			delete(w.held, key)
		}
	}
}

func (w *world) run(d time.Duration, change func(w *world)) {
	for end := w.now.Add(d); w.now.Before(end); w.now = w.now.Add(step) {
		if change != nil {
			w.second = int(w.now.Sub(onset) / time.Second)
			change(w)
		}
		w.feed()
		if change != nil {
			w.judge()
		}
	}
	if change != nil {
		w.now = w.now.Add(-step) // the last step
	}
}

// learned is what a host knows after two days, made once.
var learned = sync.OnceValue(func() map[string][]byte {
	w := newWorld()
	for w.now.Before(onset.Add(-time.Hour)) {
		w.in().Dispatcher.Started = begin
		w.v.serverAge = 60 + float64(int(w.now.Sub(begin).Seconds())%600)
		w.v.servers = math.Round(12 + 2*w.rand.NormFloat64())
		w.run(step, nil)
	}
	kept := make(map[string][]byte)
	w.set.Flush(func(k string, v []byte) { kept[k] = slices.Clone(v) }, func(string) {})
	return kept
})

// settled gives a host after an hour of ordinary mail, with or without the
// two days before.
func settled(t *testing.T, young bool) *world {
	t.Helper()
	w := newWorld()
	w.now = onset.Add(-time.Hour)
	if !young {
		for k, v := range learned() {
			if err := w.set.Load(k, v); err != nil {
				t.Fatal(err)
			}
		}
	}
	for w.now.Before(onset) {
		w.v.serverAge = 60 + float64(int(w.now.Sub(begin).Seconds())%600)
		w.run(step, nil)
	}
	return w
}

func poisson(r *rand.Rand, mean float64) float64 {
	if mean <= 0 {
		return 0
	}
	if mean > 50 {
		return math.Round(max(0, mean+math.Sqrt(mean)*r.NormFloat64()))
	}
	n, p := 0.0, math.Exp(-mean)
	for x := r.Float64(); x > p; n++ {
		x *= r.Float64()
	}
	return n
}

// live is what a live host knows beside the series.
type live struct {
	NoFacts
	warnings []Warning
	procs    []mta.RoleProcess
	exit     map[mta.Role]Exit
	limits   map[string]float64
	blind    []mta.BlindSpot
	probe    mta.Probe
}

func (l *live) Warnings(_ string, since time.Time) []Warning {
	var list []Warning
	for _, w := range l.warnings {
		if !w.Time.Before(since) {
			list = append(list, w)
		}
	}
	return list
}
func (l *live) Processes(string) []mta.RoleProcess   { return slices.Clone(l.procs) }
func (l *live) Exit(_ string, role mta.Role) Exit    { return l.exit[role] }
func (l *live) Blind() []mta.BlindSpot               { return l.blind }
func (l *live) MTA(string) (string, string)          { return "postfix", "3.7.11" }
func (l *live) Limit(_, name string) (float64, bool) { v, ok := l.limits[name]; return v, ok }
func (l *live) Probe(string) (mta.Probe, bool)       { return l.probe, l.probe.Name != "" }

func process(pid int, role mta.Role, name, state string, age time.Duration) mta.RoleProcess {
	return mta.RoleProcess{Process: mta.Process{PID: pid, Name: name, State: state, Start: onset.Add(-age)}, Role: role, Instance: "postfix"}
}

func source(address string, n int) mta.SourceCount {
	return mta.SourceCount{Address: netip.MustParseAddr(address), Port: 25, Count: n}
}
