package pipeline

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/mtawatch/mtawatch/internal/mta"
	"github.com/mtawatch/mtawatch/internal/state"
)

// StateStore keeps places, counters and open messages, all or nothing.
type StateStore interface {
	Commit(ctx context.Context, b *state.Batch) error
	Each(ctx context.Context, bucket string, fn func(key string, value []byte) error) error
}

// HistoryStore keeps the series.
type HistoryStore interface {
	Append(t mta.Tick) error
	Last() time.Time
	Trouble() error // why it cannot be read, or could not be put in order; nil when all is well
}

// The buckets of the state store.
const (
	bucketPlace   = "place"   // source -> savedSource
	bucketCounter = "counter" // instance -> meter's counters
	bucketMessage = "message" // instance/id -> open message
	bucketWindow  = "window"  // the last day's slots and rows
	bucketProcess = "process" // instance -> restarts
)

// Buckets lists the buckets that a belt keeps in its state store.
func Buckets() []string {
	return []string{bucketPlace, bucketCounter, bucketMessage, bucketWindow, bucketProcess, BucketJudge}
}

// catchUp closes the ticks that lie between the last event and this one
// while a source has not yet come to its end, so that lines read late still
// count at their own time. The live tick is closed by Tick.
func (b *Belt) catchUp(s *source, at time.Time) {
	if b.past == nil || s.atEnd || s.quiet {
		return
	}
	if s.next.IsZero() {
		s.next = at.Truncate(b.cfg.Interval).Add(b.cfg.Interval)
		return
	}
	if at.Before(s.next) {
		return
	}
	b.fillPast(s, at)
	s.next = at.Truncate(b.cfg.Interval).Add(b.cfg.Interval)
}

// storedGap is how far apart the ticks of a quiet stretch are stored: closer
// they tell nothing more.
const storedGap = time.Minute

// closePast makes a tick of what was counted so far, at a past moment. What
// is measured was not measured then: the log alone tells of it.
func (b *Belt) closePast(at time.Time) {
	if !at.After(b.lastTick) {
		return
	}
	b.lastTick = at
	if len(b.pending) >= 2*maxPending { // the store is away: the newest tell most, counters being cumulative
		b.pending = append(b.pending[:0], b.pending[maxPending:]...)
	}
	r := b.pastReading(at)
	if b.cfg.History != nil && (b.news || at.Sub(b.storedPast) >= storedGap || at.Before(b.storedPast)) {
		b.storedPast = at
		b.pending = append(b.pending, r.Tick)
	}
	b.news = false
	b.judgePast(r)
	if b.cfg.Past != nil {
		b.cfg.Past(r, b.judgement.engine)
	}
}

// Tick closes the present tick: it takes the samples, commits counters and
// places, and hands the samples on. While a source is still catching up the
// counters keep to the data's time, and only the commit is done.
func (b *Belt) Tick(ctx context.Context, now time.Time) error {
	b.closePresent(now)
	return b.commit(ctx)
}

func (b *Belt) closePresent(now time.Time) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.started.IsZero() {
		b.started = now
	}
	if now.Sub(b.rebalance) > 5*time.Minute {
		b.meter.Rebalance()
		b.rebalance = now
	}
	b.clock(now)
	if b.live() && now.After(b.lastTick) {
		b.beginPresent()
		b.lastTick = now
		t := mta.Tick{Time: now, Samples: b.samples(now)}
		b.pending = append(b.pending, t)
		b.judgePresent(t)
	}
}

// clock notes a clock that went back: the series wait until it has passed
// the last tick again.
func (b *Belt) clock(now time.Time) {
	if back := b.lastTick.Sub(now); back > 2*b.cfg.Interval {
		if b.clockBad == nil {
			b.log.Warn("the clock went back", "by", back)
		}
		b.clockBad = &mta.BlindSpot{Source: "clock", Kind: mta.BlindFailing, Since: now,
			Text:   fmt.Sprintf("the clock is %s behind the last stored sample: series are not stored until it has passed it; counting goes on", back.Round(time.Second)),
			Advice: "check the time service (`timedatectl`, `chronyc tracking`)"}
		return
	}
	b.clockBad = nil
}

// CaughtUp reports whether sources are followed and each has been at its end.
func (b *Belt) CaughtUp() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return len(b.sources) > 0 && b.live()
}

// live reports whether every source has been at its end since the start.
func (b *Belt) live() bool {
	for _, s := range b.sources {
		if !s.atEnd && s.mta != "" && !s.quiet {
			return false
		}
	}
	return true
}

// samples gives every series' present value.
func (b *Belt) samples(now time.Time) []mta.Sample {
	return b.gaugeSamples(b.meter.Samples(nil), now)
}

// Metrics gives every series' present value, for /metrics.
func (b *Belt) Metrics(now time.Time) []mta.Sample {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.judgeSamples(b.samples(now))
}

// savedSource is the durable form of a source: its place and its counts
// belong together.
type savedSource struct {
	Place    string     `json:"place"`
	Counts   LineCounts `json:"counts"`
	First    time.Time  `json:"first,omitzero"`
	LastLine time.Time  `json:"last_line,omitzero"`
	Heard    time.Time  `json:"heard,omitzero"`
	Gaps     gapHabit   `json:"gaps"`
	Quiet    bool       `json:"quiet,omitempty"`
}

// commit stores places, counters and messages in one transaction, and then
// hands the ticks to history. In that order a kill between the two loses no
// event and counts none twice: counters are cumulative, and the next tick
// carries what the lost one had. The belt is locked only while the transaction
// is gathered, so that a slow disk holds up neither readers nor questions.
func (b *Belt) commit(ctx context.Context) error {
	b.commits.Lock()
	defer b.commits.Unlock()
	batch, ticks, err := b.gather()
	if b.cfg.State != nil && err == nil {
		err = b.cfg.State.Commit(ctx, batch)
	}
	if err != nil {
		b.mu.Lock()
		defer b.mu.Unlock()
		b.full, b.failed = true, time.Now()
		b.judgement.saved(false)
		b.pending = append(ticks, b.pending...)
		b.pending = b.pending[max(0, len(b.pending)-maxPending):]
		if ctx.Err() != nil {
			return err // we are told to end; the last commit comes with a context of its own
		}
		return b.storeFailed(err)
	}
	for _, t := range ticks {
		if b.cfg.History == nil {
			break
		}
		if aerr := b.cfg.History.Append(t); aerr != nil && err == nil {
			err = aerr
		}
	}
	if err == nil && b.cfg.History != nil {
		err = b.cfg.History.Trouble()
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.judgement.saved(true)
	if err != nil {
		return b.storeFailed(err)
	}
	b.failed = time.Time{}
	if b.storeBad != nil {
		b.log.Info("the store takes data again")
		b.storeBad = nil
	}
	return nil
}

func (b *Belt) storeFailed(err error) error {
	if b.storeBad == nil {
		b.storeBad = &mta.BlindSpot{Source: "store", Kind: mta.BlindFailing, Since: b.lastTick}
		b.log.Error("store", "error", err)
	}
	b.storeBad.Text = "what is counted is not stored: " + err.Error() + "; watching goes on, series have a gap"
	b.storeBad.Advice = "make space below the data directory, or move it with `data_dir:`"
	return fmt.Errorf("%w: %w", ErrStore, err)
}

// gather makes the transaction of one commit, and takes the ticks that go to
// history after it.
func (b *Belt) gather() (*state.Batch, []mta.Tick, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	ticks := b.pending
	b.pending = nil
	if b.cfg.State == nil {
		return nil, ticks, nil
	}
	batch, err := b.transaction()
	return batch, ticks, err
}

func (b *Belt) transaction() (*state.Batch, error) {
	batch := new(state.Batch)
	if b.full {
		batch.DeleteBucket(bucketMessage)
		batch.DeleteBucket(bucketWindow)
		b.tracker.MarkAll()
		b.meter.MarkAll()
	}
	for _, name := range b.dropped {
		batch.Delete(bucketPlace, name)
	}
	b.dropped = nil
	for name, s := range b.sources {
		v, err := json.Marshal(savedSource{s.place, s.counts, s.first, s.lastLine, s.heard, s.gaps, s.quiet})
		if err != nil {
			return nil, fmt.Errorf("save place of %s: %w", name, err)
		}
		batch.Put(bucketPlace, name, v)
	}
	if err := b.meter.Save(func(k string, v []byte) { batch.Put(bucketCounter, k, v) }); err != nil {
		return nil, err
	}
	for name, p := range b.procs {
		v, err := json.Marshal(p.restarts)
		if err != nil {
			return nil, fmt.Errorf("save restarts of %s: %w", name, err)
		}
		batch.Put(bucketProcess, name, v)
	}
	b.tracker.Flush(func(k string, v []byte) { batch.Put(bucketMessage, k, v) }, func(k string) { batch.Delete(bucketMessage, k) })
	b.meter.Flush(func(k string, v []byte) { batch.Put(bucketWindow, k, v) }, func(k string) { batch.Delete(bucketWindow, k) })
	b.saveJudge(batch)
	b.full = false
	return batch, nil
}

// Restore gives the belt what the state store kept: call it once, before
// the first batch.
func (b *Belt) Restore(ctx context.Context) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	err := b.cfg.State.Each(ctx, bucketPlace, func(name string, v []byte) error {
		var saved savedSource
		if err := json.Unmarshal(v, &saved); err != nil {
			return fmt.Errorf("restore place of %s: %w", name, err)
		}
		s := b.sourceFor(name)
		s.place, s.counts, s.first, s.lastLine = saved.Place, saved.Counts, saved.First, saved.LastLine
		s.heard, s.gaps, s.resumed, s.quiet = saved.Heard, saved.Gaps, true, saved.Quiet
		return nil
	})
	if err == nil {
		err = b.cfg.State.Each(ctx, bucketCounter, b.meter.Load)
	}
	if err == nil {
		err = b.cfg.State.Each(ctx, BucketJudge, b.loadJudge)
	}
	if err == nil {
		err = b.cfg.State.Each(ctx, bucketProcess, func(name string, v []byte) error {
			p := newProcessView()
			b.procs[name] = p
			return json.Unmarshal(v, &p.restarts)
		})
	}
	for _, part := range [...]struct {
		bucket  string
		restore func([][]byte) int
	}{{bucketMessage, b.tracker.Restore}, {bucketWindow, b.meter.Restore}} {
		if err != nil {
			return err
		}
		var values [][]byte
		err = b.cfg.State.Each(ctx, part.bucket, func(_ string, v []byte) error {
			values = append(values, v)
			return nil
		})
		if bad := part.restore(values); bad > 0 {
			b.log.Warn("restore: records that could not be read were left out", "bucket", part.bucket, "records", bad)
		}
	}
	if b.cfg.History != nil {
		b.lastTick = b.cfg.History.Last()
	}
	return err
}
