package pipeline

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/mtawatch/mtawatch/internal/adapter"
	"github.com/mtawatch/mtawatch/internal/mta"
	"github.com/mtawatch/mtawatch/internal/tail"
)

// source is one log: its parser, its place and how it is doing.
type source struct {
	name      string
	mta       string // the adapter that reads it
	instances []mta.Instance
	parser    adapter.Parser
	place     string

	counts    LineCounts
	unknown   lastLines
	malformed lastLines
	behind    int64
	atEnd     bool           // has been at the end since the start
	first     time.Time      // stamp of the first event read: nothing is known before it
	lastLine  time.Time      // stamp of the newest line
	lost      *mta.BlindSpot // lines that were never read; shown for a day
	heard     time.Time      // when lines came last
	gaps      gapHabit
	silence   Silence
	resumed   bool  // nothing was heard since the restart
	recent    share // of lines that were not understood
	blind     *mta.BlindSpot
	next      time.Time // the next tick of this source's time while it catches up
	habit     gapHabit  // of its own time, while it catches up
	missing   bool      // lines are missing before those that come
	quiet     bool      // mta.LogSource.Quiet
	adopted   bool      // an instance logs to it, now or earlier in this run
}

// LineCounts is what became of a source's lines. They add up: Lines is all.
type LineCounts struct {
	Lines     int64 `json:"lines"`
	Parsed    int64 `json:"parsed"` // lines that gave events
	Events    int64 `json:"events"`
	Ignored   int64 `json:"ignored"`
	Unknown   int64 `json:"unknown"`
	Malformed int64 `json:"malformed"`
}

// keptLines is how many unknown and malformed lines are kept for people to
// see.
const keptLines = 5

// lastLines keeps the last few lines.
type lastLines struct{ lines []string }

func (l *lastLines) add(s string) {
	s = strings.Clone(s[:min(len(s), 500)])
	if len(l.lines) == keptLines {
		copy(l.lines, l.lines[1:])
		l.lines = l.lines[:keptLines-1]
	}
	l.lines = append(l.lines, s)
}

func (s *source) adopt(in mta.Instance, l *mta.LogSource) {
	s.mta, s.quiet, s.adopted = in.MTA, l.Quiet, true
	for i := range s.instances {
		if s.instances[i].Name == in.Name {
			s.instances[i] = in
			return
		}
	}
	s.instances = append(s.instances, in)
}

func (b *Belt) sourceFor(name string) *source {
	s := b.sources[name]
	if s == nil {
		s = &source{name: name, silence: b.cfg.Silence}
		b.sources[name] = s
	}
	return s
}

// Batch takes a run of lines of one source through the stages. It returns
// when they are counted; the place is stored with the counts at the next
// commit. It is the backpressure: while it works, the source waits.
func (b *Belt) Batch(ctx context.Context, t tail.Batch) error {
	due, err := b.take(t)
	if err != nil || !due {
		return err
	}
	if err := b.commit(ctx); err != nil {
		b.log.Debug("commit while catching up", "error", err) // said by storeFailed; the next one tries again
	}
	return nil
}

// take counts a batch and reports whether a commit is due.
func (b *Belt) take(t tail.Batch) (bool, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	s := b.sourceFor(t.Source)
	if s.parser == nil {
		p, err := b.newParser(s)
		if err != nil {
			return false, err
		}
		s.parser = p
	}
	parsed := s.counts.Parsed
	for text := t.Text; text != ""; {
		line := text
		if i := strings.IndexByte(text, '\n'); i >= 0 {
			line, text = text[:i], text[i+1:]
		} else {
			text = ""
		}
		b.line(s, adapter.Line{Text: strings.TrimSuffix(line, "\r"), Ref: t.Ref})
	}
	first := s.place == "" && t.Place != ""
	s.place = t.Place
	s.behind = t.Behind
	s.atEnd = s.atEnd || t.AtEnd
	if s.counts.Parsed > parsed {
		s.heardAt(t.Ref)
	}
	// The first place is stored at once: without one the next start begins at the
	// present log, and what was rotated meanwhile is history that nobody counts.
	return (first || len(b.pending) >= maxPending) && time.Since(b.failed) > retryStore, nil
}

// maxPending bounds the ticks of past time that wait for a commit.
const maxPending = 1024

// retryStore is how long catching up goes on after a commit that failed
// before it tries the next: a full disk is not to be asked at every batch.
const retryStore = 5 * time.Second

// ahead is how much later than its file a stamp may be. A later one is
// wrong: it counts, at the time of its file, and must not move our own clock.
const ahead = 5 * time.Minute

func (b *Belt) newParser(s *source) (adapter.Parser, error) {
	var list []adapter.Parser
	for i := range b.cfg.Adapters {
		a := &b.cfg.Adapters[i]
		var own []mta.Instance
		for _, in := range s.instances {
			if in.MTA == a.Name {
				own = append(own, in)
			}
		}
		if a.Name == s.mta || len(own) > 0 {
			list = append(list, a.Parser(adapter.ParserConfig{Instances: own, Location: b.cfg.Location, Year: b.cfg.Year}))
		}
	}
	if len(list) > 0 {
		return adapter.Shared(list), nil
	}
	return nil, fmt.Errorf("read %s: no adapter for MTA %q", s.name, s.mta)
}

// line takes one line through parse, track, classify and count.
func (b *Belt) line(s *source, l adapter.Line) {
	s.counts.Lines++
	events, err := s.parser.Parse(b.events[:0], l)
	b.events = events
	if err != nil {
		s.bad(l.Text, err)
		return
	}
	if len(events) == 0 {
		s.counts.Ignored++
		return
	}
	s.recent.add(false)
	for i := range events {
		e := &events[i]
		if !l.Ref.IsZero() && e.Time.Sub(l.Ref) > ahead {
			s.malformed.add("stamp in the future, counted as of " + l.Ref.Format(time.RFC3339) + ": " + l.Text)
			e.Time = l.Ref
		}
		if s.first.IsZero() {
			s.first = e.Time
		}
		if l.Ref.IsZero() || !e.Time.After(l.Ref) {
			b.catchUp(s, e.Time)
		}
		if e.Time.After(s.lastLine) {
			s.lastLine = e.Time
		}
		f := b.tracker.Apply(e)
		b.meter.Add(f)
		if e.Kind == mta.KindWarning || e.Kind == mta.KindDaemon {
			b.warn(e)
		}
		if b.past != nil && !s.atEnd && !s.quiet {
			b.news = true
			b.pastEvent(s.first, e)
		}
		if b.cfg.Observe != nil {
			b.cfg.Observe(f)
		}
	}
	s.counts.Parsed++ // after the ticks before it are closed
	s.counts.Events += int64(len(events))
}

// bad counts and keeps a line that gave no events but an error.
func (s *source) bad(text string, err error) {
	s.recent.add(true)
	if errors.Is(err, adapter.ErrUnknownLine) {
		s.counts.Unknown++
		s.unknown.add(text)
		return
	}
	s.counts.Malformed++
	s.malformed.add(text)
}

// Blind takes word from tail that a source cannot be read, or can again.
func (b *Belt) Blind(name string, spot *mta.BlindSpot) {
	b.mu.Lock()
	defer b.mu.Unlock()
	s := b.sourceFor(name)
	if spot != nil && spot.Kind == mta.BlindLost {
		b.log.Warn("log lines were lost", "source", name, "problem", spot.Text)
		s.lost = spot
		return
	}
	if spot != nil && s.blind == nil {
		b.log.Warn("log source", "source", name, "problem", spot.Text, "advice", spot.Advice)
	} else if spot == nil && s.blind != nil {
		b.log.Info("log source is read again", "source", name)
	}
	s.blind = spot
	if spot != nil {
		s.atEnd = true // nothing to wait for
	}
}

// Place gives where a source goes on; "" when it has never been read.
func (b *Belt) Place(name string) string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.sourceFor(name).place
}

// Idle takes word from tail that a source has nothing more to read now.
func (b *Belt) Idle(_ context.Context, name string) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	s := b.sourceFor(name)
	s.atEnd, s.behind = true, 0
	return nil
}

// DropSource forgets a source that nobody writes any more and nobody follows.
func (b *Belt) DropSource(name string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.sources[name] != nil {
		delete(b.sources, name)
		b.dropped = append(b.dropped, name)
	}
}

// sourceNames gives the sources in order.
func (b *Belt) sourceNames() []string {
	list := make([]string, 0, len(b.sources))
	for n := range b.sources {
		list = append(list, n)
	}
	slices.Sort(list)
	return list
}
