// Package judge is the belt from the samples on: readings go in, step by
// step; what opened, changed and was resolved comes out. The live host, old
// logs and series from a file run the same Engine.
//
//	mta.Reading ─► signals ─► detect.Set ─► diagnose.Case ─► rules ─► alert.Book ─► alert.Change
package judge

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/mtawatch/mtawatch/internal/alert"
	"github.com/mtawatch/mtawatch/internal/detect"
	"github.com/mtawatch/mtawatch/internal/diagnose"
	"github.com/mtawatch/mtawatch/internal/mta"
)

// Config sets up an Engine. Zero values: the calendar of UTC, steps of 10 s, no facts.
type Config struct {
	Location *time.Location
	Step     time.Duration
	Facts    diagnose.Facts
	Alert    alert.Config
}

// Engine judges one host. One goroutine uses it.
type Engine struct {
	set   *detect.Set
	book  *alert.Book
	rules []diagnose.Rule
	model model
	last  time.Time
	found []diagnose.Candidate // reused from step to step
	begun map[*detect.Signal]begun
}

// New makes an Engine that has seen nothing.
func New(cfg Config) *Engine {
	if cfg.Facts == nil {
		cfg.Facts = diagnose.NoFacts{}
	}
	if cfg.Step <= 0 {
		cfg.Step = 10 * time.Second
	}
	set := detect.New(detect.Config{Location: cfg.Location, Step: cfg.Step})
	e := &Engine{set: set, rules: diagnose.Rules(), model: newModel(set, cfg), begun: make(map[*detect.Signal]begun)}
	if cfg.Alert.Over == nil {
		cfg.Alert.Over = e.over
	}
	if cfg.Alert.Unseen == nil {
		cfg.Alert.Unseen = e.unseen
	}
	e.book = alert.New(cfg.Alert)
	return e
}

// unseen reports whether the readings that an open finding was made of are
// missing now: that it is not found then says nothing.
func (e *Engine) unseen(f *mta.Finding) bool {
	var readings []*detect.Signal
	for _, in := range e.model.Instances {
		switch sign := f.Code.Sign(); {
		case in.Name != f.Instance:
		case f.Code == mta.FindingDispatcherDown:
			readings = append(readings, in.Dispatcher.Count)
		case f.Code == mta.FindingJobControllerDown:
			readings = append(readings, in.JobController.Count)
		case f.Code == mta.FindingDiskFilling:
			readings = append(readings, in.DiskFree)
		case sign == mta.SignQueues:
			readings = append(readings, in.Waiting)
		case sign == mta.SignConnections:
			for _, p := range in.Ports {
				readings = append(readings, p.Current)
			}
		}
	}
	return slices.ContainsFunc(readings, lost) && !slices.ContainsFunc(readings, known)
}

// known reports whether a signal has a value now.
func known(g *detect.Signal) bool {
	_, ok := g.Value()
	return ok
}

// lost reports whether a signal had a value within hours that was not zero, and has none now.
func lost(g *detect.Signal) bool { return !known(g) && !g.Last().IsZero() }

// over asks the rule of an open finding what was seen instead of it.
func (e *Engine) over(f *mta.Finding) bool {
	for i := range e.rules {
		if r := &e.rules[i]; r.Over != nil && slices.Contains(r.Codes, f.Code) {
			return r.Over(&e.model.Case, f)
		}
	}
	return false
}

// Step judges one moment. A reading that is not after the last is dropped;
// after a clock went back, what counters grew by meanwhile is left out, too.
func (e *Engine) Step(r mta.Reading) []alert.Change {
	if !r.Time.After(e.last) {
		e.model.back = e.model.back || r.Time.Before(e.last)
		return nil
	}
	e.last = r.Time
	e.set.Begin(r.Time)
	e.model.feed(&r)
	e.set.End()
	changes := e.judge(r.Time)
	e.set.Incident(e.harmed())
	return changes
}

// Glance judges the facts once more between two steps: the end of a process
// must not wait for the next. Signals keep the values of the last step.
func (e *Engine) Glance(now time.Time) []alert.Change {
	if now.Before(e.last) || e.last.IsZero() {
		return nil
	}
	return e.judge(now)
}

func (e *Engine) judge(now time.Time) []alert.Change {
	c := &e.model.Case
	c.Now = now
	e.found = e.found[:0]
	for i := range e.rules {
		e.found = append(e.found, e.rules[i].Judge(c)...)
	}
	return e.book.Step(now, e.found)
}

// harmed reports whether something is open that must not be learned as
// normal. What mtawatch itself cannot see may last for good, and says nothing
// of what it does see.
func (e *Engine) harmed() bool {
	for _, f := range e.book.Open() {
		if f.Code.Sign() == mta.SignMonitor {
			continue
		}
		if f.Severity == mta.SeverityWarning || f.Severity == mta.SeverityCritical {
			return true
		}
	}
	return false
}

// Open lists the open findings, the worst first.
func (e *Engine) Open() []mta.Finding { return e.book.Open() }

// Retold reports whether an open finding says something else since the last
// step or glance, without a change in its life.
func (e *Engine) Retold() bool { return e.book.Retold() }

// Past lists the resolved findings, newest first.
func (e *Engine) Past() []mta.Finding { return e.book.Past() }

// Learned is how much past the normal ranges are learned from.
func (e *Engine) Learned() time.Duration { return e.set.Learned() }

// Normal gives the normal range of a series now, by its key; ok is false
// while none is known. A counter's range is in events a minute. Besides the
// series that are fed, sums are known under the same name with fewer labels:
// mta_queue_messages{instance}, mta_delivery_attempts_total{instance} and
// {instance,status}, mta_inbound_connections{instance,port}.
func (e *Engine) Normal(series string) (b mta.Baseline, ok bool) {
	g := e.model.named[series]
	b = g.Range()
	b.Series = series
	return b, b.LearnedFrom > 0
}

// Habit is what was and is normal for one series at any hour.
type Habit = detect.Habit

// Habit gives what is known of a series by its key, as Normal does; nil while
// that is nothing.
func (e *Engine) Habit(series string) *Habit { return e.model.named[series].Habit() }

// Normals calls yield with each series of which a normal range is known, in
// the order of their keys.
func (e *Engine) Normals(yield func(mta.Baseline) bool) {
	for _, key := range sortedKeys(e.model.named) {
		_, now := e.model.named[key].Value()
		if b, ok := e.Normal(key); ok && now && !yield(b) {
			return
		}
	}
}

// Anomalies lists the series that are not what they normally are, most rare first.
func (e *Engine) Anomalies() []mta.Anomaly {
	var list []mta.Anomaly
	for g := range e.set.All {
		r := strangest(g)
		if !r.Noted() {
			continue
		}
		v, _ := g.Value()
		b := g.Range()
		list = append(list, mta.Anomaly{Series: e.model.series(g), Since: e.sinceOf(g, r), Time: e.last, Value: v, Low: b.Low, High: b.High, Rarity: r.L})
	}
	slices.SortFunc(list, func(a, b mta.Anomaly) int {
		return cmp.Or(cmp.Compare(b.Rarity, a.Rarity), strings.Compare(a.Series, b.Series))
	})
	return list
}

// begun is since when a signal is strange, as looked up at a moment.
type begun struct{ since, at time.Time }

// sinceOf gives since when a signal is strange. It is looked up once a
// minute: who asks for all anomalies of each step would wait for little else.
func (e *Engine) sinceOf(g *detect.Signal, r detect.Rarity) time.Time {
	b, ok := e.begun[g]
	if ok && e.last.Sub(b.at) < time.Minute {
		return b.since
	}
	if len(e.begun) >= 1000 {
		clear(e.begun)
	}
	b = begun{g.Since(r), e.last}
	e.begun[g] = b
	return b.since
}

func strangest(g *detect.Signal) detect.Rarity {
	r := g.Up()
	for _, o := range [...]detect.Rarity{g.Down(), g.Silent()} {
		if o.L > r.L {
			r = o
		}
	}
	return r
}

// Scores calls yield with the score, 0 to 1, of each generic gauge that had a value in the last step.
func (e *Engine) Scores(yield func(series *mta.Series, score float64) bool) {
	for _, g := range e.model.generic {
		if g.at.Equal(e.last) && !yield(g.series, g.signal.Score()) {
			return
		}
	}
}

// The records that Flush hands out begin with what they are of.
const (
	keySignal  = "signal/"
	keyFinding = "finding/"
)

// Flush hands out what is to be kept and has changed since the last Flush.
func (e *Engine) Flush(put func(key string, value []byte), del func(key string)) {
	e.set.Flush(func(k string, v []byte) { put(keySignal+k, v) }, func(k string) { del(keySignal + k) })
	e.book.Flush(func(k string, v []byte) { put(keyFinding+k, v) }, func(k string) { del(keyFinding + k) })
}

// Lasting reports whether a record of Flush is of use to another Engine:
// what was learned, and findings that are over. What is open, and the time of
// the last step, are one Engine's own.
func Lasting(key string) bool {
	k, finding := strings.CutPrefix(key, keyFinding)
	return !finding && key != keySignal+"set" || finding && alert.IsPast(k)
}

// Learned reports whether a record of Flush is of what is normal, and not of
// what was found.
func Learned(key string) bool { return strings.HasPrefix(key, keySignal) }

// Load takes back what Flush gave; what was learned is merged with what the
// Engine has learned itself.
func (e *Engine) Load(key string, value []byte) error {
	if k, ok := strings.CutPrefix(key, keySignal); ok {
		return e.set.Load(k, value)
	}
	if k, ok := strings.CutPrefix(key, keyFinding); ok {
		return e.book.Load(k, value)
	}
	return fmt.Errorf("load %q: not a record of judgement", key)
}
