// Package alert is the life of a finding. Candidates of each step go in;
// what opened, changed and was resolved comes out. A candidate opens when it
// has held for its Need, and is resolved when it has been gone for its Clear;
// consequences fold into their cause, and of one family one is told.
package alert

import (
	"time"

	"github.com/mtawatch/mtawatch/internal/diagnose"
	"github.com/mtawatch/mtawatch/internal/mta"
)

// ChangeKind says what happened to a finding.
type ChangeKind string

// The kinds of change.
const (
	Opened   ChangeKind = "opened"
	Changed  ChangeKind = "changed" // its severity, cause or code
	Resolved ChangeKind = "resolved"
)

// Change is one step in the life of a finding.
type Change struct {
	Kind    ChangeKind  `json:"kind"`
	Time    time.Time   `json:"time"`
	Finding mta.Finding `json:"finding"`
}

// Config sets up a Book. Zero values: 1,000 past findings are kept.
type Config struct {
	Past int
}

// Book keeps the findings that are open and those that were. One goroutine uses it.
type Book struct{ cfg Config }

// New makes an empty Book.
func New(cfg Config) *Book { return &Book{cfg: cfg} }

// Step takes the candidates of one step and gives what changed.
func (b *Book) Step(now time.Time, candidates []diagnose.Candidate) []Change { return nil }

// Open lists the open findings, the worst first; consequences are in Folded.
func (b *Book) Open() []mta.Finding { return nil }

// Past lists the resolved findings, newest first.
func (b *Book) Past() []mta.Finding { return nil }

// Flush hands out what is to be kept and has changed since the last Flush.
func (b *Book) Flush(put func(key string, value []byte), del func(key string)) {}

// Load takes back what Flush gave.
func (b *Book) Load(key string, value []byte) error { return nil }
