package history

import (
	"context"
	"errors"
	"fmt"
	"math"
	"runtime/debug"
	"time"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/value"
	"github.com/prometheus/prometheus/storage"
	"github.com/prometheus/prometheus/tsdb"

	"github.com/mtawatch/mtawatch/internal/mta"
)

// Append stores one tick: all samples of one moment, for a series that is
// absent ends with it. Samples that are too old, or that contradict a stored
// one of the same moment, are counted (Dropped) and do not harm the others.
// ErrFull means that there is no space: the tick is lost and the caller goes
// on with the next one. Every two hours of data Append also compacts them,
// which takes some ten milliseconds for a thousand series. Append waits for
// no query, but for those that run when it must open the store anew, and
// when none of the ticks of an hour found a moment without one to compact.
func (s *Store) Append(t mta.Tick) error {
	s.appendMu.Lock()
	defer s.appendMu.Unlock()
	db, err := s.ready()
	if err != nil {
		return err
	}
	var n int64
	err = guard(func() (err error) {
		n, err = s.writer.write(db.AppenderV2(context.Background()), t)
		return err
	})
	if err != nil {
		s.distrust(err)
		return s.describe("store samples", err)
	}
	s.dropped.Add(n)
	s.noteClock(t, n)
	if ms := t.Time.UnixMilli(); ms > s.newest.Load() && len(t.Samples) > 0 {
		s.newest.Store(ms)
	}
	s.compact(db, t.Time)
	return nil
}

// noteClock tells, through Trouble, when a whole tick was dropped: the clock
// stands before what was stored, by more than Config.OutOfOrder.
func (s *Store) noteClock(t mta.Tick, dropped int64) {
	var err error
	if newest := s.Last(); dropped > 0 && dropped == int64(len(t.Samples)) && t.Time.Before(newest) {
		err = fmt.Errorf("the clock stands at %s, but samples up to %s are stored: nothing is stored until then; if the clock was wrong before, stop, move %s away and start again",
			t.Time.Format(time.RFC3339), newest.Format(time.RFC3339), s.dir)
	}
	if s.note(&s.clock, err) {
		s.log.Warn("samples are dropped", "error", err)
	}
}

// ready gives the TSDB, opened anew when it was in trouble.
func (s *Store) ready() (*tsdb.DB, error) {
	s.mu.RLock()
	db, closed := s.db, s.closed
	s.mu.RUnlock()
	switch {
	case closed:
		return nil, fmt.Errorf("store samples: %w", errClosed)
	case db != nil && !s.suspect:
		return db, s.space("store samples", s.cfg.MinFree)
	}
	if err := s.reopen(); err != nil {
		return nil, err
	}
	return s.db, nil // only holders of appendMu change it
}

// distrust is called when a write failed. The log ahead may then end in half
// a record, and at the next start the TSDB would cut off all that follows
// it. So nothing may follow: before the next tick the store is opened anew,
// which cuts the half record off.
func (s *Store) distrust(err error) {
	s.suspect = true
	if !errors.Is(err, errPanic) {
		return
	}
	// A panic may leave locks of the TSDB taken, so that closing it could
	// wait for ever. It is left behind.
	s.mu.Lock()
	defer s.mu.Unlock()
	s.db = nil
	s.note(&s.why, s.describe("store samples", err))
}

// compact moves the oldest two hours from memory into a block when there are
// more than three. What is too old for Retention or too much for MaxBytes is
// removed with that. A failure costs no sample: Trouble tells of it, and it
// is tried again after a minute of data.
func (s *Store) compact(db *tsdb.DB, now time.Time) {
	h := db.Head()
	if h.MinTime() == math.MaxInt64 || h.MaxTime()-h.MinTime() <= blockSize.Milliseconds()/2*3 {
		return
	}
	if s.reading.Load() > 0 && h.MaxTime()-h.MinTime() <= 2*blockSize.Milliseconds() {
		return // the TSDB waits for readers before it frees memory; another tick will find none
	}
	if wait := now.UnixMilli() - s.checked; wait >= 0 && wait < time.Minute.Milliseconds() {
		return
	}
	err := guard(func() error { return frugal(db.Compact) })
	if err != nil {
		s.checked = now.UnixMilli()
		err = s.describe("move time series from memory to disk", err)
		if errors.Is(err, errPanic) {
			s.distrust(err)
		}
	}
	if s.note(&s.trouble, err) {
		s.log.Warn("time series stay in memory for now", "error", err)
	}
}

// frugal runs a compaction in little memory. The TSDB takes some 20 MB of
// buffers for each block that it writes, and they are garbage at once: they
// are collected early and given back, as the next are needed in two hours.
func frugal(compact func(context.Context) error) error {
	before := debug.SetGCPercent(20)
	defer func() {
		debug.SetGCPercent(before)
		debug.FreeOSMemory()
	}()
	return compact(context.Background())
}

// entry is a series that was in the last tick.
type entry struct {
	key    *mta.Series
	labels labels.Labels
	ref    storage.SeriesRef
	tick   uint64
}

// writer puts ticks into an appender. It knows the series of the last tick.
type writer struct {
	series map[*mta.Series]*entry
	last   []*entry // the series of the last tick
	spare  []*entry
	tick   uint64
	time   int64 // of the last tick, Unix milliseconds
	build  labels.ScratchBuilder
}

// reset forgets the series: another TSDB has other references.
func (w *writer) reset() { *w = writer{} }

// write appends and commits one tick. It gives the number of samples that
// were dropped.
func (w *writer) write(app storage.AppenderV2, t mta.Tick) (dropped int64, err error) {
	if w.series == nil {
		w.series = map[*mta.Series]*entry{}
	}
	w.tick++
	now := t.Time.UnixMilli()
	present := w.spare[:0]
	for _, sm := range t.Samples {
		e := w.entry(sm.Series)
		again := e.tick == w.tick
		e.tick = w.tick
		ref, err := app.Append(e.ref, e.labels, 0, now, sm.Value, nil, nil, storage.AOptions{})
		switch {
		case err == nil:
			e.ref = ref
		case isDrop(err):
			dropped++
		default:
			return 0, errors.Join(err, app.Rollback())
		}
		if !again {
			present = append(present, e)
		}
	}
	for _, e := range w.last {
		switch {
		case e.tick == w.tick:
		case now <= w.time: // more of the same moment, or an older one: nothing ends
			present = append(present, e)
		default:
			if _, err := app.Append(e.ref, e.labels, 0, now, math.Float64frombits(value.StaleNaN), nil, nil, storage.AOptions{}); err != nil && !isDrop(err) {
				return 0, errors.Join(err, app.Rollback())
			}
			delete(w.series, e.key)
		}
	}
	clear(w.last)
	w.last, w.spare = present, w.last
	w.time = max(w.time, now)
	return dropped, app.Commit()
}

// entry finds a series by its pointer and makes its labels when it is new.
func (w *writer) entry(sr *mta.Series) *entry {
	if e, ok := w.series[sr]; ok {
		return e
	}
	w.build.Reset()
	w.build.Add(nameLabel, sr.Name)
	for _, l := range sr.Labels {
		if l.Value != "" { // an empty label is no label
			w.build.Add(l.Name, l.Value)
		}
	}
	w.build.Sort()
	e := &entry{key: sr, labels: w.build.Labels()}
	w.series[sr] = e
	return e
}

// isDrop says whether an error is about this one sample.
func isDrop(err error) bool {
	return errors.Is(err, storage.ErrOutOfOrderSample) || errors.Is(err, storage.ErrOutOfBounds) ||
		errors.Is(err, storage.ErrTooOldSample) || errors.Is(err, storage.ErrDuplicateSampleForTimestamp) ||
		errors.Is(err, tsdb.ErrInvalidSample)
}
