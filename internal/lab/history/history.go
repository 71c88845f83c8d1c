package history

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"os"
	"path/filepath"
	"time"

	"github.com/mtawatch/mtawatch/internal/history"
	"github.com/mtawatch/mtawatch/internal/lab/stage"
	"github.com/mtawatch/mtawatch/internal/lab/world"
	"github.com/mtawatch/mtawatch/internal/mta"
	"github.com/mtawatch/mtawatch/internal/pipeline"
	"github.com/mtawatch/mtawatch/internal/state"
)

// Step is the watcher's interval.
const Step = 10 * time.Second

// stateFile is the watcher's store of state in its data directory.
const stateFile = "state.db"

// seriesDir is its store of series there.
const seriesDir = "series"

// Config says what the past was like. Stage, Days and Now are required.
type Config struct {
	Stage *stage.Stage
	Days  int                     // of the past
	Rate  float64                 // letters a second, in the mean
	Day   func(time.Time) float64 // how it varied; nil is world.Day
	Now   time.Time               // when the past ends
	// Series keeps the figures too, one a minute, so that charts have a past;
	// it takes some seconds more.
	Series bool
	// Progress is told the part that is done, 0 to 1; nil is nobody.
	Progress func(float64)
}

// Make makes a data directory in which the ordinary mail of a practice MTA has
// been learned. What the directory knew before is lost.
func Make(ctx context.Context, dataDir string, cfg Config) (err error) {
	defer func() {
		if err != nil {
			err = fmt.Errorf("make the past: %w", err)
		}
	}()
	if err := os.MkdirAll(dataDir, 0o700); err != nil {
		return err
	}
	for _, suffix := range [...]string{"", "-wal", "-shm"} {
		if err := os.RemoveAll(filepath.Join(dataDir, stateFile+suffix)); err != nil {
			return err
		}
	}
	db, err := state.Open(filepath.Join(dataDir, stateFile), state.Config{})
	if err != nil {
		return err
	}
	readings, done, err := kept(Readings(cfg), dataDir, cfg)
	if err == nil {
		err = pipeline.Learn(ctx, db, pipeline.Config{Interval: Step, Location: time.Local}, readings)
		if derr := done(); err == nil {
			err = derr
		}
	}
	if err == nil {
		b := new(state.Batch)
		b.Put(pipeline.BucketPractice, pipeline.PracticeText, fmt.Appendf(nil,
			"what is normal was not learned here: mtawatch lab made %d days of ordinary mail, up to %s", cfg.Days, cfg.Now.Format(time.RFC3339)))
		err = db.Commit(ctx, b)
	}
	if cerr := db.Close(); err == nil {
		err = cerr
	}
	return err
}

// kept passes readings on and stores their figures where the configuration
// asks for that. What was stored before is lost either way. done ends it.
func kept(readings iter.Seq[mta.Reading], dataDir string, cfg Config) (passed iter.Seq[mta.Reading], done func() error, err error) {
	dir := filepath.Join(dataDir, seriesDir)
	if err := os.RemoveAll(dir); err != nil {
		return nil, nil, err
	}
	if !cfg.Series {
		return readings, func() error { return nil }, nil
	}
	store, err := history.Open(dir, history.Config{})
	if err != nil {
		return nil, nil, err
	}
	past := store.BackFillBefore(cfg.Now)
	var failed error
	passed = func(yield func(mta.Reading) bool) {
		for r := range readings {
			if failed == nil && r.Time.Truncate(time.Minute).Equal(r.Time.Truncate(Step)) {
				failed = past.Append(r.Tick)
			}
			if !yield(r) {
				return
			}
		}
	}
	return passed, func() error { return errors.Join(failed, past.Close(), store.Close()) }, nil
}

// Readings gives the readings that a watcher would have had.
func Readings(cfg Config) iter.Seq[mta.Reading] {
	if cfg.Day == nil {
		cfg.Day = world.Day
	}
	return func(yield func(mta.Reading) bool) {
		m := newModel(cfg)
		end := cfg.Now.Add(-Step)
		total := end.Sub(m.start)
		for at, i := m.start, 0; at.Before(end); at, i = at.Add(Step), i+1 {
			if !yield(m.step(at)) {
				return
			}
			if cfg.Progress != nil && i%1000 == 0 {
				cfg.Progress(float64(at.Sub(m.start)) / float64(total))
			}
		}
		if cfg.Progress != nil {
			cfg.Progress(1)
		}
	}
}
