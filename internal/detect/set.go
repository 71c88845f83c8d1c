package detect

import (
	"cmp"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/mtawatch/mtawatch/internal/baseline"
)

// Set judges all signals of one host. One goroutine uses it.
type Set struct {
	cfg     Config
	signals map[string]*Signal
	active  []*Signal // fed in the last three hours
	queue   []*Signal // whose expectations wait to be made for this hour

	clock
	grid
	incident incident
	hours    map[baseline.Hour]uint8 // hours that hold data of any signal: minutes seen
	gone     []string                // keys of records to be dropped
	dirty    bool                    // the Set's own record has changed
	likeness [8]baseline.Likeness    // by hour modulo 8
	tally    tally                   // scratch of calibrate
}

// clock is the moment of the present step.
type clock struct {
	now     time.Time
	open    bool // between Begin and End
	steps   int64
	elapsed float64       // seconds since the step before, as far as they count
	hour    baseline.Hour // of the middle of the step
	into    float64       // hours since it began
	minute  int64
	tick    bool // a minute began; the same of 5, 15, 30 and 60
	tick5   bool
	tick15  bool
	tick30  bool
	tick60  bool
}

// incident keeps the time during which nothing is learned.
type incident struct {
	open       bool
	since, end time.Time
	settled    bool // it outlasted learnAtMost, and its level was taken as the level
}

// learnAtMost is for how long an open incident keeps the level from being learned.
const learnAtMost = 24 * time.Hour

// New makes a Set that has seen nothing.
func New(cfg Config) *Set {
	if cfg.Location == nil {
		cfg.Location = time.UTC
	}
	if cfg.Step <= 0 {
		cfg.Step = 10 * time.Second
	}
	s := &Set{cfg: cfg, signals: make(map[string]*Signal), hours: make(map[baseline.Hour]uint8)}
	s.lay(cfg.Step.Seconds())
	return s
}

// Signal gives the signal of that name, made when it is asked for first.
func (s *Set) Signal(name string, kind Kind) *Signal {
	g := s.signals[name]
	if g == nil {
		g = newSignal(s, name, kind)
		s.signals[name] = g
	}
	return g
}

// Begin starts a step. A step that is not after the last is dropped: its
// values go nowhere. Between Begin and End each signal that was read gets its
// value; one that gets none is unknown in this step, not zero.
func (s *Set) Begin(t time.Time) {
	if s.open {
		s.End()
	}
	first := s.now.IsZero()
	if !first && !t.After(s.now) {
		return
	}
	dt := s.step
	if !first {
		dt = t.Sub(s.now).Seconds()
		if s.measure(dt) {
			for _, g := range s.active {
				g.blank()
			}
		}
		if missing := int(min(float64(s.size), math.Round(dt/s.step)-1)); missing > 0 {
			s.skip(missing)
		}
	}
	if first && !s.incident.since.IsZero() && s.incident.end.IsZero() {
		s.incident.end = t // it was open when it was kept: when it opens again soon it is the same
	}
	s.now, s.open = t, true
	s.steps++
	s.elapsed = min(dt, 1.5*s.step)
	s.advance(t)
	if i := &s.incident; i.open && !i.settled && !s.suspended() {
		i.settled = true
		if t.Sub(i.since) < learnAtMost+reopens { // else that was done before a restart
			h, _ := baseline.HourOf(i.since, s.cfg.Location)
			for _, g := range s.active {
				g.relearn(h)
			}
		}
	}
	s.turn(t.Add(-time.Duration(s.elapsed / 2 * float64(time.Second))))
	s.settle()
}

// turn moves the clock to a moment, and closes the hour when another began.
func (s *Set) turn(t time.Time) {
	h, into := baseline.HourOf(t, s.cfg.Location)
	if h != s.hour || s.steps == 1 {
		s.hour = h
		s.nextHour()
	}
	s.into = into.Hours()
	before := s.minute
	s.minute = int64(h)*60 + int64(into/time.Minute)
	changed := func(n int64) bool { return s.steps == 1 || before/n != s.minute/n }
	s.tick, s.tick5, s.tick15, s.tick30, s.tick60 = changed(1), changed(5), changed(15), changed(30), changed(60)
}

// nextHour closes the hour of all signals, and lets go of those that were
// not fed for three hours.
func (s *Set) nextHour() {
	kept := s.active[:0]
	for _, g := range s.active {
		g.closeHour()
		if s.now.Sub(g.fedAt) <= longest {
			kept = append(kept, g)
			continue
		}
		g.sleep()
	}
	clear(s.active[len(kept):])
	s.active = kept
	s.queue = append(s.queue[:0], s.active...)
	s.forget()
	s.thin()
}

// maxAsleep bounds the signals that are not fed now: a host that writes to
// other destinations every hour would gather them for five weeks.
const maxAsleep = 4000

// thin drops those of the signals that are not fed which were fed the longest ago.
func (s *Set) thin() {
	if len(s.signals)-len(s.active) <= maxAsleep {
		return
	}
	var asleep []*Signal
	for _, g := range s.signals {
		if !g.active {
			asleep = append(asleep, g)
		}
	}
	slices.SortFunc(asleep, func(a, b *Signal) int {
		return cmp.Or(cmp.Compare(a.lastHour(), b.lastHour()), strings.Compare(a.name, b.name))
	})
	for _, g := range asleep[:max(0, len(asleep)-maxAsleep*3/4)] {
		g.forget()
		delete(s.signals, g.name)
	}
}

// lastHour is the newest hour of which the signal knows anything.
func (g *Signal) lastHour() baseline.Hour {
	last := baseline.Hour(math.MinInt32)
	if n := g.past.Len(); n > 0 {
		last = g.past.At(n - 1).Hour
	}
	if g.cur.used {
		last = max(last, g.cur.hour)
	}
	return last
}

// forget drops what was not fed for five weeks.
func (s *Set) forget() {
	oldest := s.hour - baseline.Hours
	for h := range s.hours {
		if h < oldest {
			delete(s.hours, h)
		}
	}
	if s.hour.Of() != 4 { // once a day, at a quiet hour
		return
	}
	for name, g := range s.signals {
		n := g.past.Len()
		if !g.active && (n == 0 || g.past.At(n-1).Hour < oldest) && !g.curFresh(oldest) {
			g.forget()
			delete(s.signals, name)
		}
	}
}

// settle says of each window whether this step may be learned from.
func (s *Set) settle() {
	for k := range s.plan {
		for i := range s.plan[k] {
			w := &s.plan[k][i]
			w.learn = !s.suspended() && (s.incident.end.IsZero() || s.now.Sub(s.incident.end).Seconds() >= w.span)
		}
	}
}

// suspended reports whether an incident keeps this step from being learned.
func (s *Set) suspended() bool {
	return s.incident.open && s.now.Sub(s.incident.since) < learnAtMost
}

// End judges the step.
func (s *Set) End() {
	if !s.open {
		return
	}
	// The work of a new hour is spread over five minutes: no step takes long.
	for n := int(float64(len(s.active))*min(s.step, 300)/300) + 4; n > 0 && len(s.queue) > 0; n-- {
		g := s.queue[len(s.queue)-1]
		s.queue = s.queue[:len(s.queue)-1]
		if g.active {
			g.calibrate()
		}
	}
	for _, g := range s.active {
		g.end()
	}
	s.open = false
}

// reopens is how soon after its end an incident that opens again is the same one.
const reopens = time.Hour

// Incident says whether an incident (warning or worse) is open. While it is,
// nothing is learned as normal, for at most 24 h: then the new level is the level.
func (s *Set) Incident(open bool) {
	if open == s.incident.open {
		return
	}
	s.incident.open, s.dirty = open, true
	if !open {
		s.incident.end = s.now
		if s.now.Sub(s.incident.since) > learnAtMost {
			s.incident.since, s.incident.end = time.Time{}, time.Time{}
		}
		return
	}
	if s.incident.since.IsZero() || s.now.Sub(s.incident.end) > reopens {
		s.incident.since, s.incident.settled = s.now, false
	}
	for _, g := range s.active {
		g.unlearn()
	}
}

// All calls yield for each signal that has had a value in the last three hours.
func (s *Set) All(yield func(*Signal) bool) {
	for _, g := range s.active {
		if s.now.Sub(g.fedAt) <= longest && !yield(g) {
			return
		}
	}
}

// Learned is how much past the set has learned from: the time of its hours
// that hold data.
func (s *Set) Learned() time.Duration {
	n := 0
	for _, m := range s.hours {
		n += int(m)
	}
	return time.Duration(n) * time.Minute
}

// saw notes that an hour holds data.
func (s *Set) saw(h baseline.Hour, minutes uint8) {
	if s.hours[h] < minutes {
		s.hours[h] = minutes
	}
}

// like gives the table of likeness for an hour.
func (s *Set) like(h baseline.Hour) *baseline.Likeness {
	l := &s.likeness[uint32(h)%uint32(len(s.likeness))]
	l.For(h)
	return l
}
