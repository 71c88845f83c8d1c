package pipeline

import (
	"bytes"
	"context"
	"fmt"
	"iter"
	"time"

	"github.com/mtawatch/mtawatch/internal/alert"
	"github.com/mtawatch/mtawatch/internal/judge"
	"github.com/mtawatch/mtawatch/internal/mta"
	"github.com/mtawatch/mtawatch/internal/state"
)

// BucketJudge is where the state store keeps what is normal and what was found.
const BucketJudge = "judge"

// BucketPractice holds, in a store that a practice was made with, the text
// that says so: key PracticeText.
const (
	BucketPractice = "practice"
	PracticeText   = "text"
)

// judgement is the belt's engine with what is not stored yet.
type judgement struct {
	engine  *judge.Engine
	past    bool              // the step is of past time: what is measured now says nothing of it
	at      time.Time         // of the step
	unsaved map[string][]byte // nil: to be deleted
	probes  map[string]mta.Probe
	reach   map[string]mta.Probe
	wanted  map[string]time.Time // destinations whose reachability a finding asked for
	exits   map[exitKey]exit
	changes []alert.Change    // not yet told
	behind  bool              // findings of past time changed: nobody was told
	anew    bool              // those who are to be told must compare with what is open
	saving  map[string][]byte // what a commit that is under way stores of unsaved

	senders  map[askedKey]senderAnswer  // what a rule was answered a moment ago
	failures map[askedKey]failureAnswer // in this step
}

type exitKey struct {
	instance string
	role     mta.Role
}

type exit struct {
	pid  int
	time time.Time
}

func newJudgement() judgement {
	return judgement{
		unsaved: make(map[string][]byte),
		probes:  make(map[string]mta.Probe),
		reach:   make(map[string]mta.Probe),
		wanted:  make(map[string]time.Time),
		exits:   make(map[exitKey]exit),

		senders:  make(map[askedKey]senderAnswer),
		failures: make(map[askedKey]failureAnswer),
	}
}

// startJudge gives the belt its engine, where it is to judge.
func (b *Belt) startJudge() {
	b.judgement = newJudgement()
	if b.cfg.Judge {
		b.judgement.engine = judge.New(judge.Config{Location: b.cfg.Location, Step: b.cfg.Interval, Facts: facts{b}})
	}
}

// judgePresent judges the present tick.
func (b *Belt) judgePresent(t mta.Tick) {
	if b.judgement.engine == nil {
		return
	}
	r := mta.Reading{Tick: t}
	if b.connsUnknown(t.Time) == "" {
		r.Sources, r.SourcesKnown = sourceCounts(&b.conns), true
	}
	b.judgement.at = t.Time
	b.told(b.judgement.engine.Step(r))
	if b.judgement.behind { // what the past opened or ended holds now
		b.judgement.behind, b.judgement.anew, b.judgement.changes = false, true, nil
	}
}

// judgePast judges a moment that is over, of which the log alone tells.
func (b *Belt) judgePast(r mta.Reading) {
	j := &b.judgement
	if j.engine == nil {
		return
	}
	j.past = true
	defer func() { j.past = false }()
	j.at = r.Time
	b.told(j.engine.Step(r))
}

// Glance judges what has just become known without waiting for the next tick.
func (b *Belt) Glance(now time.Time) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.judgement.engine != nil && b.live() {
		b.judgement.at = now
		b.told(b.judgement.engine.Glance(now))
	}
}

func (b *Belt) told(changes []alert.Change) {
	for _, c := range changes {
		b.log.Info("finding", "event", string(c.Kind), "code", string(c.Finding.Code), "severity", c.Finding.Severity.String(), "since", c.Finding.Since)
	}
	if b.judgement.past { // nobody is to be called for what is over
		b.judgement.behind = b.judgement.behind || len(changes) > 0
	} else {
		b.judgement.changes = append(b.judgement.changes, changes...)
	}
	if b.cfg.Found != nil && len(changes) > 0 {
		b.cfg.Found(changes)
	}
	if b.cfg.Retold != nil && b.judgement.engine.Retold() {
		b.cfg.Retold()
	}
}

// TakeChanges gives what opened, changed and was resolved since the last
// call, for those who are to be told. With anew they are to compare what
// Findings gives with what they told: past time was judged since, of which
// no change is handed out.
func (b *Belt) TakeChanges() (list []alert.Change, anew bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	list, anew = b.judgement.changes, b.judgement.anew
	b.judgement.changes, b.judgement.anew = nil, false
	return list, anew
}

// sourceCounts adds up the connections of each remote address.
func sourceCounts(c *mta.Connections) []mta.SourceCount {
	var list []mta.SourceCount
	for i := range c.Ports {
		p := &c.Ports[i]
		for j, r := range p.Remotes {
			if r.State == mta.TCPTimeWait {
				continue
			}
			if n := len(list); n > 0 && j > 0 && list[n-1].Address == r.Remote && list[n-1].Port == p.Port {
				list[n-1].Count += r.Count
				continue
			}
			list = append(list, mta.SourceCount{Address: r.Remote, Port: p.Port, Count: r.Count})
		}
	}
	sortSources(list)
	return list
}

// saveJudge adds to a commit what the engine has to keep. What a failed
// commit could not store is handed over again.
func (b *Belt) saveJudge(batch *state.Batch) {
	j := &b.judgement
	if j.engine == nil {
		return
	}
	j.engine.Flush(func(k string, v []byte) { j.unsaved[k] = bytes.Clone(v) }, func(k string) { j.unsaved[k] = nil })
	for k, v := range j.unsaved {
		if v == nil {
			batch.Delete(BucketJudge, k)
		} else {
			batch.Put(BucketJudge, k, v)
		}
	}
	j.saving, j.unsaved = j.unsaved, make(map[string][]byte)
}

// saved ends the commit that saveJudge had a part in. Of one that failed all
// is to be stored again, but for what is newer.
func (j *judgement) saved(ok bool) {
	for k, v := range j.saving {
		if _, newer := j.unsaved[k]; !ok && !newer {
			j.unsaved[k] = v
		}
	}
	j.saving = nil
}

// loadJudge takes back one record; one that cannot be read is said and left out.
func (b *Belt) loadJudge(key string, value []byte) error {
	if b.judgement.engine == nil {
		return nil
	}
	if err := b.judgement.engine.Load(key, value); err != nil {
		b.log.Warn("restore what is normal", "error", err)
	}
	return nil
}

// Adopt takes over what an engine learned and found in older logs. What was
// open where they end is left out: the log that follows tells what became of it.
func (b *Belt) Adopt(flush func(put func(key string, value []byte), del func(key string))) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.judgement.engine == nil {
		return nil
	}
	var err error
	flush(func(k string, v []byte) {
		if !judge.Lasting(k) {
			return
		}
		if lerr := b.judgement.engine.Load(k, v); lerr != nil {
			if err == nil {
				err = lerr
			}
			return
		}
		if b.judgement.at.IsZero() { // an engine that has not stepped takes what it is given for stored
			b.judgement.unsaved[k] = bytes.Clone(v)
		}
	}, func(string) {})
	return err
}

// Findings gives the open findings, the worst first, and the past ones,
// newest first.
func (b *Belt) Findings() (open, past []mta.Finding) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.judgement.engine == nil {
		return nil, nil
	}
	return b.judgement.engine.Open(), b.judgement.engine.Past()
}

// Normal gives the normal range of a series now, by its key.
func (b *Belt) Normal(series string) (mta.Baseline, bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.judgement.engine == nil {
		return mta.Baseline{}, false
	}
	return b.judgement.engine.Normal(series)
}

// Habit gives what was and is normal for a series, by its key; nil while
// nothing is known.
func (b *Belt) Habit(series string) *judge.Habit {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.judgement.engine == nil {
		return nil
	}
	return b.judgement.engine.Habit(series)
}

// Normals gives every normal range that is known, in the order of the series' keys.
func (b *Belt) Normals() []mta.Baseline {
	b.mu.Lock()
	defer b.mu.Unlock()
	var list []mta.Baseline
	if b.judgement.engine != nil {
		for n := range b.judgement.engine.Normals {
			list = append(list, n)
		}
	}
	return list
}

// Anomalies lists the series that are not what they normally are.
func (b *Belt) Anomalies() []mta.Anomaly {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.judgement.engine == nil {
		return nil
	}
	return b.judgement.engine.Anomalies()
}

// Learned is how much past the normal ranges are learned from; Judging says
// whether the belt judges at all.
func (b *Belt) Learned() time.Duration {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.judgement.engine == nil {
		return 0
	}
	return b.judgement.engine.Learned()
}

// SetProbe takes the outcome of an active check.
func (b *Belt) SetProbe(p mta.Probe) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.judgement.probes[p.Name] = p
}

// DropProbe says that a probe does not run any more: its last outcome tells
// nothing of now.
func (b *Belt) DropProbe(name string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	delete(b.judgement.probes, name)
}

// SetReach takes the reachability of a destination's mail exchanger.
func (b *Belt) SetReach(destination string, p mta.Probe) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.judgement.reach) >= maxReach {
		clear(b.judgement.reach)
	}
	b.judgement.reach[destination] = p
}

// maxReach bounds the destinations whose reachability is known or asked for.
const maxReach = 100

// WantReach lists the destinations whose reachability a finding asked for
// since the last call.
func (b *Belt) WantReach() []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	var list []string
	for d := range b.judgement.wanted {
		list = append(list, d)
	}
	clear(b.judgement.wanted)
	return list
}

// Learn stores what an engine learns of readings, as a daemon that had watched
// them would have: a belt that is restored from db then knows what is normal.
// What was found in them is not kept.
// Only the zone and the interval of cfg are used.
func Learn(ctx context.Context, db StateStore, cfg Config, readings iter.Seq[mta.Reading]) error {
	e := judge.New(judge.Config{Location: cfg.Location, Step: cfg.Interval})
	for r := range readings {
		e.Step(r)
		if ctx.Err() != nil {
			return ctx.Err()
		}
	}
	batch := new(state.Batch)
	e.Flush(func(k string, v []byte) {
		if judge.Learned(k) {
			batch.Put(BucketJudge, k, v)
		}
	}, func(string) {})
	if err := db.Commit(ctx, batch); err != nil {
		return fmt.Errorf("store what was learned: %w", err)
	}
	return nil
}

// SetBlind takes what someone else cannot see or reach, by who says so.
func (b *Belt) SetBlind(by string, list []mta.BlindSpot) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.elsewhere[by] = list
}

// Suspect reports whether something may be wrong with the own ports: a
// daemon is missing, connections wait to be accepted, or a finding about
// either is open.
func (b *Belt) Suspect() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	for i := range b.conns.Ports {
		if p := &b.conns.Ports[i]; p.Listening && p.AcceptQueue > 0 {
			return true
		}
	}
	for _, v := range b.procs {
		if n, _ := v.counts(); v.known && len(v.list) > 0 && n[mta.RoleDispatcher] == 0 {
			return true
		}
	}
	if b.judgement.engine == nil {
		return false
	}
	for _, f := range b.judgement.engine.Open() {
		if s := f.Code.Sign(); s == mta.SignDaemons || s == mta.SignConnections || f.Code == mta.FindingMailStopped {
			return true
		}
	}
	return false
}
