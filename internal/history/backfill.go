package history

import (
	"context"
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/prometheus/prometheus/tsdb"

	"github.com/mtawatch/mtawatch/internal/mta"
)

// BackFill writes old ticks into the store, in blocks of one UTC day. A
// BackFill is for one caller; Append to the store may go on meanwhile.
type BackFill struct {
	store   *Store
	writer  writer
	day     time.Time
	block   *tsdb.BlockWriter // of day; nil before the first tick
	before  int64             // Unix milliseconds; later samples are the live store's
	dropped int64
}

// BackFill begins to write old ticks. Ticks that are not older than the
// newest two to three hours of the store, which are still in memory, are
// dropped: the live watch has them.
func (s *Store) BackFill() (*BackFill, error) {
	b := &BackFill{store: s, before: math.MaxInt64}
	err := s.use(func(db *tsdb.DB) error {
		b.before = min(db.Head().MinTime(), db.Head().MinOOOTime())
		return nil
	})
	if err != nil {
		return nil, err
	}
	return b, nil
}

// BackFillBefore is BackFill for a caller who knows that the live watch has
// stored nothing from before a moment: only later ticks are dropped. After the store
// was opened anew that cannot be told from what is in memory.
func (s *Store) BackFillBefore(t time.Time) *BackFill {
	return &BackFill{store: s, before: t.UnixMilli()}
}

// Append takes one tick. The days must come in order, the ticks of a day
// nearly so.
func (b *BackFill) Append(t mta.Tick) error {
	if t.Time.UnixMilli() >= b.before {
		b.dropped += int64(len(t.Samples))
		return nil
	}
	day := t.Time.UTC().Truncate(24 * time.Hour)
	if day.Before(b.day) {
		return fmt.Errorf("back-fill %s: it comes after %s; give the days in order", day.Format(time.DateOnly), b.day.Format(time.DateOnly))
	}
	if b.block != nil && day.After(b.day) {
		if err := b.flush(); err != nil {
			return err
		}
	}
	if b.block == nil {
		if err := b.store.space("back-fill", b.store.cfg.MinFree); err != nil {
			return err
		}
		w, err := tsdb.NewBlockWriter(b.store.log, b.store.dir, (24 * time.Hour).Milliseconds())
		if err != nil {
			return b.store.describe("back-fill", err)
		}
		b.block, b.day = w, day
		b.writer.reset()
	}
	n, err := b.writer.write(b.block.AppenderV2(context.Background()), t)
	b.dropped += n
	if err != nil {
		return b.store.describe("back-fill", err)
	}
	return nil
}

// Flush writes what was appended since the last block, so that a process that
// ends now loses none of it. More of the same day may follow.
func (b *BackFill) Flush() error {
	if b.block == nil {
		return nil
	}
	return b.flush()
}

// flush writes the block of the day. Its name appears when it is whole.
func (b *BackFill) flush() error {
	w := b.block
	b.block = nil
	err := guard(func() error {
		_, err := w.Flush(context.Background())
		return err
	})
	if err = errors.Join(err, guard(w.Close)); err != nil {
		return b.store.describe("back-fill "+b.day.Format(time.DateOnly), err)
	}
	return nil
}

// Dropped counts the samples that were not taken.
func (b *BackFill) Dropped() int64 { return b.dropped }

// Close writes the last day and opens the store anew, so that the days can be
// read.
func (b *BackFill) Close() error {
	if b.block != nil {
		if err := b.flush(); err != nil {
			return err
		}
	}
	b.store.appendMu.Lock()
	defer b.store.appendMu.Unlock()
	return b.store.reopen()
}
