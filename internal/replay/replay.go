// Package replay judges old logs. Log files go in, rotated and compressed
// ones too; every incident that a watch at the time would have reported comes
// out, with the course of the four signs, as a Report and as a page.
//
// It is the belt of the live watch over past time: the clock is the data's. What
// is measured while mtawatch watches is rebuilt from the lines; of time that the logs do
// not tell of nothing is said.
package replay

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"time"

	"github.com/mtawatch/mtawatch/internal/adapter"
	"github.com/mtawatch/mtawatch/internal/alert"
	"github.com/mtawatch/mtawatch/internal/judge"
	"github.com/mtawatch/mtawatch/internal/mta"
	"github.com/mtawatch/mtawatch/internal/pipeline"
	"github.com/mtawatch/mtawatch/internal/tail"
	"github.com/mtawatch/mtawatch/internal/view"
)

// Config sets up a replay. Adapter is needed. Zero values: stamps and calendar in UTC, years
// from the files' modification times, steps of 10 s, all of the time.
type Config struct {
	Adapter  adapter.Adapter
	Location *time.Location
	Year     int           // of the first stamp without one
	Step     time.Duration // between two judgements, of the data's time
	// From and To bound what is reported. What is before From is read all the
	// same: what is normal is learned from it.
	From, To time.Time
	Progress func(view.Progress)
	Logger   *slog.Logger
}

// Report is what came out.
type Report struct {
	Begin     time.Time          `json:"begin,omitzero"` // of what is reported
	End       time.Time          `json:"end,omitzero"`
	Step      time.Duration      `json:"step_ns"`
	Learned   time.Duration      `json:"learned_from_ns"` // how much time the normal ranges are learned from
	Files     []string           `json:"files"`           // oldest first
	Unread    []string           `json:"unread,omitempty"`
	Notes     []string           `json:"notes,omitempty"` // what does not fit together
	Bytes     int64              `json:"bytes"`           // decompressed
	Sources   []view.SourceState `json:"sources"`         // with lines that were not understood
	Unknown   []Span             `json:"unknown,omitempty"`
	Incidents []mta.Finding      `json:"incidents"` // by their beginning; End is zero where one was open at the end

	chart    chart
	location *time.Location
}

// Span is a stretch of time.
type Span struct {
	Begin time.Time `json:"begin"`
	End   time.Time `json:"end"`
}

// maxIncidents bounds the incidents of one report.
const maxIncidents = 20_000

// errEnough ends the reading at Config.To.
var errEnough = errors.New("enough")

// run is the state of one Run.
type run struct {
	cfg    Config
	belt   *pipeline.Belt
	report *Report
	found  map[string]mta.Finding
	last   time.Time // of the newest reading
	state  view.Progress
	begin  int64 // state.Done when the present file was begun
	size   int64 // of the present file, on disk
	done   bool  // Config.To is passed
	source string
	fresh  bool // no line of the present log has been read
}

// Run reads logs, oldest first, and judges them. A log that cannot be read is
// named in the report and the rest goes on.
func Run(ctx context.Context, cfg Config, paths []string) (*Report, error) {
	if cfg.Location == nil {
		cfg.Location = time.UTC
	}
	if cfg.Step <= 0 {
		cfg.Step = 10 * time.Second
	}
	if cfg.Progress == nil {
		cfg.Progress = func(view.Progress) {}
	}
	r := &run{cfg: cfg, found: make(map[string]mta.Finding),
		report: &Report{Step: cfg.Step, Files: []string{}, Incidents: []mta.Finding{}, location: cfg.Location, chart: newChart(cfg.Step)}}
	r.belt = pipeline.New(pipeline.Config{Interval: cfg.Step, Location: cfg.Location, Year: cfg.Year, Adapters: []adapter.Adapter{cfg.Adapter},
		MaxMessages: 500_000, Judge: true, Replay: true, Past: r.reading, Found: r.changed, Logger: cfg.Logger})
	sorted, err := tail.InTimeOrder(paths)
	if err != nil {
		r.report.Unread = append(r.report.Unread, err.Error())
	}
	for _, p := range sorted {
		if info, err := os.Stat(p); err == nil {
			r.state.Total += info.Size()
		}
	}
	if err := r.files(ctx, sorted); err != nil {
		return nil, err
	}
	r.finish()
	return r.report, nil
}

// files reads the logs one after the other.
func (r *run) files(ctx context.Context, sorted []string) error {
	before := int64(-1)
	for _, path := range sorted {
		log, number := tail.LogOf(path)
		if r.fresh = log != r.source; r.fresh {
			r.source = log
			r.belt.Expect(log, r.cfg.Adapter.Name)
		} else if before >= 0 && before-max(number, 0) > 1 {
			r.belt.Missing(log)
			r.report.Notes = append(r.report.Notes, fmt.Sprintf("between number %d and %s logs are missing: nothing is known of their time", before, path))
		}
		before = number
		if info, err := os.Stat(path); err == nil {
			r.size = info.Size()
		}
		r.state.What, r.begin = path, r.state.Done
		err := tail.ReadAll(ctx, tail.Config{BatchBytes: 256 << 10}, []string{path}, sink{r})
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if errors.Is(err, errEnough) {
			r.report.Files = append(r.report.Files, path)
			return nil
		}
		if err != nil {
			r.report.Unread = append(r.report.Unread, err.Error())
		} else {
			r.report.Files = append(r.report.Files, path)
		}
		r.state.Done = r.begin + r.size
		r.cfg.Progress(r.state)
	}
	return nil
}

// sink gives the belt what is read, as one source for all siblings of a log.
type sink struct{ r *run }

// Batch takes lines.
func (s sink) Batch(ctx context.Context, b tail.Batch) error {
	r := s.r
	r.report.Bytes += int64(len(b.Text))
	// The end of a file is not the end of what is past, and nothing is kept of where it was.
	b.Source, b.Place, b.AtEnd = r.source, "", false
	if err := r.belt.Batch(ctx, b); err != nil {
		return err
	}
	r.state.Done = min(r.state.Done+int64(len(b.Text)), r.begin+r.size)
	r.cfg.Progress(r.state)
	if r.done {
		return errEnough
	}
	return nil
}

// Blind is never called for old logs.
func (s sink) Blind(string, *mta.BlindSpot) {}

// Idle is never called for old logs.
func (s sink) Idle(context.Context, string) error { return nil }

// reading takes one step of the belt.
func (r *run) reading(m mta.Reading, e *judge.Engine) {
	before := r.last
	r.last = m.Time
	if !r.cfg.To.IsZero() && m.Time.After(r.cfg.To) {
		r.done = true
		return
	}
	shown := r.cfg.From.IsZero() || !m.Time.Before(r.cfg.From)
	if shown && r.report.Begin.IsZero() {
		r.report.Begin = m.Time.Add(-r.cfg.Step)
	}
	if gap := m.Time.Sub(before); shown && !before.IsZero() && gap > 3*r.cfg.Step && len(r.report.Unknown) < maxIncidents {
		r.report.Unknown = append(r.report.Unknown, Span{latest(before, r.report.Begin), m.Time})
	}
	r.report.chart.add(&m, e, shown)
	if shown {
		r.report.End = m.Time
	}
}

// changed takes what opened, changed and was resolved.
func (r *run) changed(list []alert.Change) {
	for _, c := range list {
		f := c.Finding
		key := cmp.Or(f.ID, fmt.Sprint(f.Code, "|", f.Instance, "|", f.Subject, "|", f.Since.UnixNano()))
		if f.FoldedInto != "" { // found to be part of another
			delete(r.found, key)
			continue
		}
		old, known := r.found[key]
		if !known && len(r.found) >= maxIncidents {
			continue
		}
		if known && f.Severity < old.Severity {
			f.Severity = old.Severity // the worst that it was
		}
		r.found[key] = f
	}
}

// finish completes the report.
func (r *run) finish() {
	r.belt.EndPast()
	r.report.Learned = r.belt.Learned()
	r.report.Sources = r.belt.Status(r.last).Sources
	for _, f := range r.found {
		outside := !r.cfg.To.IsZero() && f.Since.After(r.cfg.To) || !r.cfg.From.IsZero() && !f.End.IsZero() && f.End.Before(r.cfg.From)
		if !outside {
			r.report.Incidents = append(r.report.Incidents, f)
		}
	}
	slices.SortFunc(r.report.Incidents, func(a, b mta.Finding) int {
		return cmp.Or(a.Since.Compare(b.Since), a.Noticed.Compare(b.Noticed), cmp.Compare(a.Code, b.Code), cmp.Compare(a.Subject, b.Subject))
	})
	r.overlaps()
}

// overlaps notes logs of which one was written while the other was: lines
// that come late are counted at the time of the later log.
func (r *run) overlaps() {
	logs := make(map[string]bool)
	for _, f := range r.report.Files {
		log, _ := tail.LogOf(f)
		logs[log] = true
	}
	if len(logs) > 1 {
		r.report.Notes = append(r.report.Notes, fmt.Sprintf("%d different logs were read one after the other: where they overlap in time, the later-named ones are counted and not judged", len(logs)))
	}
}

func latest(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}
