// Package judge is the belt from the samples on: readings go in, step by
// step; what opened, changed and was resolved comes out. The live host, old
// logs and series from a file run the same Engine.
package judge

import (
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
	set  *detect.Set
	book *alert.Book
}

// New makes an Engine that has seen nothing.
func New(cfg Config) *Engine {
	return &Engine{set: detect.New(detect.Config{Location: cfg.Location, Step: cfg.Step}), book: alert.New(cfg.Alert)}
}

// Step judges one moment. A reading that is not after the last is dropped.
func (e *Engine) Step(r mta.Reading) []alert.Change { return nil }

// Open lists the open findings, the worst first.
func (e *Engine) Open() []mta.Finding { return e.book.Open() }

// Past lists the resolved findings, newest first.
func (e *Engine) Past() []mta.Finding { return e.book.Past() }

// Learned is how much past the normal ranges are learned from.
func (e *Engine) Learned() time.Duration { return e.set.Learned() }

// Normal gives the normal range of a series now, by its key; ok is false
// while none is known. A counter's range is in events a minute.
func (e *Engine) Normal(series string) (b mta.Baseline, ok bool) { return mta.Baseline{}, false }

// Anomalies lists the series that are not what they normally are, most rare first.
func (e *Engine) Anomalies() []mta.Anomaly { return nil }

// Scores calls yield with the score, 0 to 1, of each generic gauge that had a value in the last step.
func (e *Engine) Scores(yield func(series *mta.Series, score float64) bool) {}

// Flush hands out what is to be kept and has changed since the last Flush.
func (e *Engine) Flush(put func(key string, value []byte), del func(key string)) {}

// Load takes back what Flush gave; what was learned is merged with what the
// Engine has learned itself.
func (e *Engine) Load(key string, value []byte) error { return nil }
