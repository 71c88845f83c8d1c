// Package tail follows the logs of a mail server: plain files through every
// kind of rotation, and the systemd journal. Old logs, compressed too, can be
// read once.
//
// In come log files, their rotated siblings and a place from an earlier run;
// out go batches of whole lines, each with the place to go on from. What it
// promises: every line that stands in a file or in one of its rotated
// siblings is handed over once and in the order of its file, over renames,
// copytruncate, compression and restarts, as long as the place that came with
// a batch is stored together with the batch's content. A source never ends
// because of its state: what is missing, unreadable or lost is told as a
// blind spot and tried again.
//
// # How a file is known again
//
// By device and inode, by the first bytes of the file (up to 1 KiB, taken from
// what was read) and by the last bytes before the place (up to 256). All three
// are compared whenever the file was modified, and after each read, so a file
// that was truncated and written anew is recognised even when it has grown
// beyond the old place. Less than a whole first line tells nothing: such a
// beginning is read anew whenever the file changes, and before the first lines
// of a file are handed over, what came between it and the one before is looked
// for again. Undetectable is only a file that was replaced in place
// by one with the same bytes at both spots; log lines carry times, so this
// takes an edit by hand that leaves the length as it was.
//
// # Logs that are appended to one file
//
// A source may name what its log becomes (mta.LogSource.Older): last night's piece, and
// the whole to which that is appended. A file that was appended meanwhile is known
// inside the whole by the bytes before the place and by its first bytes. The whole ends,
// for a reader, where the piece that stands beside it begins, so a line is read once
// also while it stands in both. Unlike a rotated file the whole is never taken for new
// where the place is not found in it: better lost, and told, than counted twice.
//
// # What rotation itself loses
//
// With copytruncate, lines written after the copying ended and before the
// truncation exist nowhere: no reader can have them. Rename rotation loses
// nothing. A log emptied without a copy is reported as lost lines, because
// what was written after the last look cannot be known.
//
// # Lines
//
// Lines end with '\n'; a '\r' before it is left to the reader. NUL bytes at
// the start of a line (the hole that a writer without O_APPEND leaves after a
// truncation) are left out; everything else is passed on as it is.
package tail

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/mtawatch/mtawatch/internal/mta"
)

// Where a source without a place begins.
const (
	FromStart = "start" // file: at the start of the current file; journal: one day back
	FromEnd   = "end"   // with what is written from now on
)

// Config is how logs are read. The zero value works.
type Config struct {
	Poll         time.Duration // how often a quiet file is looked at; 0: 250 ms
	MaxLine      int           // bytes of a line that are kept, without its '\n'; 0: 64 KiB
	BatchBytes   int           // bytes read at once; 0: 1 MiB
	From         string        // FromStart or FromEnd, where there is no place; "": FromStart
	StartRotated bool          // where there is no place, read the rotated siblings first
	LateFor      time.Duration // how long a rotated file is watched after its last line; 0: 60 s
	MissingAfter time.Duration // how long a file may be absent after a rotation before it is a blind spot; 0: 10 s
	Journalctl   string        // the journalctl program; "": "journalctl" from PATH
	Logger       *slog.Logger  // nil: says nothing
}

// withDefaults fills in what was left zero.
func (c Config) withDefaults() Config {
	if c.Poll <= 0 {
		c.Poll = 250 * time.Millisecond
	}
	if c.MaxLine <= 0 {
		c.MaxLine = 64 << 10
	}
	if c.BatchBytes <= 0 {
		c.BatchBytes = 1 << 20
	}
	if c.LateFor <= 0 {
		c.LateFor = time.Minute
	}
	if c.MissingAfter <= 0 {
		c.MissingAfter = 10 * time.Second
	}
	if c.Journalctl == "" {
		c.Journalctl = "journalctl"
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	return c
}

// Batch is a run of whole lines of one source.
type Batch struct {
	Source string // mta.LogSource.Name(), or the path in ReadAll
	// Text is whole lines, each ended by '\n'. Nobody else shares its memory
	// and it is never reused. It is empty when only the place has moved.
	Text  string
	Ref   time.Time // at or after the moment when the last line was written: modification time; now for the journal
	Place string    // where to go on after this batch, opaque; store it only together with the batch's content
	Cut   int       // lines longer than Config.MaxLine, of which only the first bytes were kept
	// AtEnd: nothing more to read at this moment. For the journal, which does
	// not tell: the last entry is of the last 2 s, or from after Follow began.
	AtEnd  bool
	Behind int64 // bytes not yet read in this source (compressed files as they lie on disk); 0 for the journal
}

// Sink receives what a follower reads, in one goroutine.
type Sink interface {
	// Batch takes a batch. It may block: the file keeps the data. An error
	// ends the follower.
	Batch(ctx context.Context, b Batch) error
	// Blind tells that the source has a blind spot, or with nil that it is
	// fine again. A spot of kind lost is about the past: it is told once, and
	// how long it is shown is the receiver's matter.
	Blind(source string, spot *mta.BlindSpot)
	// Idle tells at each poll that the source was looked at and has nothing
	// to read. An error ends the follower.
	Idle(ctx context.Context, source string) error
}

// Follow reads a source from a place on (an empty place: see Config.From)
// until ctx ends, and then returns ctx's error. The state of the source never
// ends it, only an error of the sink or a source that says neither file nor
// journal.
func Follow(ctx context.Context, cfg Config, src mta.LogSource, place string, sink Sink) error {
	cfg = cfg.withDefaults()
	if cfg.From != "" && cfg.From != FromStart && cfg.From != FromEnd {
		return fmt.Errorf("follow %s: begin at %q: say %q or %q", src.Name(), cfg.From, FromStart, FromEnd)
	}
	switch {
	case src.Kind == mta.LogJournal:
		return followJournal(ctx, cfg, src, place, sink)
	case src.Kind == mta.LogFile && src.Path != "":
		return followFile(ctx, cfg, src, place, sink)
	}
	return fmt.Errorf("follow log source of kind %q, path %q: give a file with its path, or the journal", src.Kind, src.Path)
}

// pause waits for d or the end of ctx.
func pause(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-t.C:
		return nil
	}
}
