package app

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"sync"
	"time"

	"github.com/mtawatch/mtawatch/internal/adapter"
	"github.com/mtawatch/mtawatch/internal/config"
	"github.com/mtawatch/mtawatch/internal/history"
	"github.com/mtawatch/mtawatch/internal/judge"
	"github.com/mtawatch/mtawatch/internal/mta"
	"github.com/mtawatch/mtawatch/internal/pipeline"
	"github.com/mtawatch/mtawatch/internal/state"
	"github.com/mtawatch/mtawatch/internal/tail"
	"github.com/mtawatch/mtawatch/internal/view"
)

// bucketImport is where the state store keeps, by source, which files an
// import reads. What its belt keeps lies in buckets of its own beside it.
const bucketImport = "import"

// importer reads, once for each log, the rotated pieces that are there at
// the first start. The live watch reads the log itself from its start: the
// pieces are planned before it is opened, so that no line belongs to both.
//
// It has a belt of its own. What that counts never reaches the live counters; it goes to the
// history as the past of the series, and what its engine learned to the live engine.
type importer struct {
	cfg      config.Config
	location *time.Location
	adapters []adapter.Adapter
	db       *state.DB
	series   *history.Store
	live     *pipeline.Belt
	log      *slog.Logger
	turn     chan struct{} // one import at a time

	mu    sync.Mutex
	views []*view.Import
}

func newImporter(cfg config.Config, loc *time.Location, adapters []adapter.Adapter, db *state.DB, series *history.Store, live *pipeline.Belt, log *slog.Logger) *importer {
	return &importer{cfg: cfg, location: loc, adapters: adapters, db: db, series: series, live: live, log: log, turn: make(chan struct{}, 1)}
}

// importPlan is what the store keeps of one import.
type importPlan struct {
	Planned  time.Time `json:"planned"`
	Files    []string  `json:"files"` // names of content, oldest first
	Finished bool      `json:"finished,omitempty"`
}

// running gives the imports that are under way.
func (im *importer) running() []view.Import {
	if im == nil {
		return nil // a look imports nothing
	}
	im.mu.Lock()
	defer im.mu.Unlock()
	var list []view.Import
	for _, v := range im.views {
		list = append(list, *v)
	}
	return list
}

// plan decides what is to be imported of a log that is about to be followed
// from a place, and gives what does it; nil when there is nothing.
func (im *importer) plan(ctx context.Context, src mta.LogSource, instances []mta.Instance, place string) func(context.Context) {
	if !im.cfg.Import || src.Kind != mta.LogFile {
		return nil
	}
	p, known, err := im.load(ctx, src)
	if err == nil && !known {
		if place != "" {
			return nil // it was watched before there was an import
		}
		if p, err = im.list(src); err == nil {
			err = im.save(ctx, src, p, nil)
		}
	}
	if err != nil {
		im.log.Warn("plan import of rotated logs", "source", src.Name(), "error", err)
		return nil
	}
	if p.Finished || len(p.Files) == 0 {
		return nil
	}
	var of []mta.Instance
	for _, in := range instances {
		if slices.ContainsFunc(in.Logs, func(l mta.LogSource) bool { return l.Name() == src.Name() }) {
			in.Logs = []mta.LogSource{src}
			of = append(of, in)
		}
	}
	return func(ctx context.Context) {
		select {
		case im.turn <- struct{}{}:
			defer func() { <-im.turn }()
		case <-ctx.Done():
			return
		}
		if err := im.run(ctx, src, of, p); err != nil && ctx.Err() == nil {
			im.log.Error("import of rotated logs", "source", src.Name(), "error", err, "advice", "it goes on at the next start")
		}
	}
}

func (im *importer) load(ctx context.Context, src mta.LogSource) (p importPlan, known bool, err error) {
	v, known, err := im.db.Get(ctx, bucketImport, src.Name())
	if err == nil && known {
		err = json.Unmarshal(v, &p)
	}
	if err != nil {
		err = fmt.Errorf("read plan of import: %w", err)
	}
	return p, known, err
}

func (im *importer) save(ctx context.Context, src mta.LogSource, p importPlan, b *state.Batch) error {
	v, err := json.Marshal(p)
	if err != nil {
		return fmt.Errorf("save plan of import: %w", err)
	}
	if b == nil {
		b = new(state.Batch)
	}
	b.Put(bucketImport, src.Name(), v)
	return im.db.Commit(ctx, b)
}

// list names the rotated pieces of a log that are young enough.
func (im *importer) list(src mta.LogSource) (importPlan, error) {
	p := importPlan{Planned: time.Now()}
	pieces, err := tail.Pieces(src)
	for _, f := range pieces {
		if time.Since(f.Mod) <= im.cfg.Retention && !slices.Contains(p.Files, f.Name) && f.Name != "" {
			p.Files = append(p.Files, f.Name)
		}
	}
	switch {
	case err == nil || errors.Is(err, os.ErrNotExist):
	case pieces == nil:
		return p, err
	default:
		im.log.Warn("not every rotated log is imported", "source", src.Name(), "error", err)
	}
	return p, nil
}

// importRun is one import at work.
type importRun struct {
	im    *importer
	src   mta.LogSource
	store within
	belt  *pipeline.Belt
	fill  *history.BackFill
	view  *view.Import
	done  []string  // files that are read, by name of content
	at    time.Time // of the newest reading
	begin int64     // view.Done when the present file was begun
	size  int64     // of the present file
	bad   error     // why the history takes no more

	parser adapter.Parser // of the log
}

// run reads what is left of a plan.
func (im *importer) run(ctx context.Context, src mta.LogSource, instances []mta.Instance, p importPlan) error {
	r := &importRun{im: im, src: src, store: within{im.db, bucketImport + "/" + src.Name() + "/"}, view: &view.Import{Source: src.Name(), Files: len(p.Files)}}
	r.belt = pipeline.New(pipeline.Config{Interval: im.cfg.Interval, Location: im.location, State: r.store, Adapters: im.adapters,
		Judge: true, Replay: true, Past: r.reading})
	if err := r.belt.Restore(ctx); err != nil {
		return fmt.Errorf("go on with import: %w", err)
	}
	if place := r.belt.Place(src.Name()); place != "" {
		if err := json.Unmarshal([]byte(place), &r.done); err != nil {
			return fmt.Errorf("go on with import: read place: %w", err)
		}
	}
	r.belt.SetInstances(instances)
	r.parser = parserOf(im.adapters, instances, src.Name(), im.location)
	r.fill = im.series.BackFillBefore(p.Planned) // what was written by then and rotated is older than all that the live watch has
	im.show(r.view, true)
	defer im.show(r.view, false)
	began := time.Now()
	im.log.Info("importing rotated logs", "source", src.Name(), "files", len(p.Files), "done", len(r.done))
	if err := r.files(ctx, p.Files); err != nil {
		return errors.Join(err, r.fill.Flush())
	}
	if err := r.finish(ctx); err != nil {
		return err
	}
	im.log.Info("rotated logs are imported", "source", src.Name(), "files", len(p.Files), "learned_from", im.live.Learned().Round(time.Minute), "took", time.Since(began).Round(time.Millisecond))
	return nil
}

func (im *importer) show(v *view.Import, on bool) {
	im.mu.Lock()
	defer im.mu.Unlock()
	im.views = slices.DeleteFunc(im.views, func(x *view.Import) bool { return x == v })
	if on {
		im.views = append(im.views, v)
	}
}

// files reads the files of a plan that are not read yet, and stores after each
// what came of it. A file that is gone or cannot be read is left out.
func (r *importRun) files(ctx context.Context, plan []string) error {
	for _, name := range plan {
		if slices.Contains(r.done, name) {
			continue
		}
		piece, found, left := r.find(name, plan)
		piece, left = r.young(piece, left)
		r.im.mu.Lock()
		r.view.FilesDone, r.view.File, r.begin = len(r.done), piece.Path, r.view.Done
		r.view.Total = r.view.Done + left
		r.im.mu.Unlock()
		if !found {
			r.im.log.Warn("a rotated log is gone before it was imported", "source", r.src.Name())
			r.belt.Missing(r.src.Name())
		} else if err := tail.ReadPiece(ctx, tail.Config{BatchBytes: 256 << 10}, piece, r); err != nil {
			if ctx.Err() != nil {
				return ctx.Err()
			}
			r.im.log.Warn("a rotated log could not be imported whole", "file", piece.Path, "error", err)
			r.belt.Missing(r.src.Name())
		}
		r.done = append(r.done, name)
		if err := r.checkpoint(ctx); err != nil {
			return err
		}
		r.im.mu.Lock()
		r.view.Done = r.begin + r.size
		r.im.mu.Unlock()
		r.im.log.Info("imported", "file", piece.Path, "until", r.at)
	}
	return nil
}

// find gives where a piece is now, and how many bytes it and those after it in
// the plan have.
func (r *importRun) find(name string, plan []string) (at tail.Piece, found bool, left int64) {
	for _, n := range plan {
		if slices.Contains(r.done, n) {
			continue
		}
		p, ok, err := tail.FindPiece(r.src, n)
		if err != nil {
			r.im.log.Warn("list rotated logs", "source", r.src.Name(), "error", err)
			break
		}
		if left += p.Size; n == name {
			at, found = p, ok
		}
	}
	r.size = at.Size
	return at, found, left
}

// young leaves out of a piece that holds years what is older than the history
// keeps. left is how many bytes are to be read.
func (r *importRun) young(p tail.Piece, left int64) (tail.Piece, int64) {
	var events []mta.Event
	begin := time.Now().Add(-r.im.cfg.Retention)
	young, skipped, err := p.Young(func(line string) (older, tells bool) {
		var err error
		if events, err = r.parser.Parse(events[:0], adapter.Line{Text: line, Ref: p.Mod}); err != nil || len(events) == 0 {
			return false, false
		}
		return events[0].Time.Before(begin), true
	})
	if err != nil { // reading it tells more
		return p, left
	}
	r.size = young.Size
	return young, left - skipped
}

// checkpoint stores what is read up to the end of a file. The history comes
// first: after a kill between the two the file is read again, and gives the same samples.
func (r *importRun) checkpoint(ctx context.Context) error {
	if r.bad == nil {
		r.bad = r.fill.Flush()
	}
	place, err := json.Marshal(r.done)
	if err != nil {
		return fmt.Errorf("save place of import: %w", err)
	}
	if err := r.belt.Batch(ctx, tail.Batch{Source: r.src.Name(), Place: string(place)}); err != nil {
		return err
	}
	return r.belt.Tick(ctx, r.at)
}

// finish hands over what was learned and forgets the rest. What the live
// engine took over is stored before the import counts as done: adopting it twice does no harm.
func (r *importRun) finish(ctx context.Context) error {
	r.belt.EndPast()
	if err := r.checkpoint(ctx); err != nil {
		return err
	}
	if err := errors.Join(r.bad, r.fill.Close()); err != nil {
		r.im.log.Error("the past of the series is not whole", "error", err, "advice", "make space below the data directory")
	}
	learned := make(map[string][]byte)
	if err := r.store.Each(ctx, pipeline.BucketJudge, func(k string, v []byte) error { learned[k] = v; return nil }); err != nil {
		return err
	}
	if err := r.im.present(ctx); err != nil {
		return err
	}
	err := r.im.live.Adopt(func(put func(string, []byte), _ func(string)) {
		for k, v := range learned {
			put(k, v)
		}
	})
	if err != nil {
		r.im.log.Warn("some of what the past taught could not be taken over", "error", err)
	}
	if err := r.im.live.Tick(ctx, time.Now()); err != nil {
		return err
	}
	done := new(state.Batch)
	for _, bucket := range pipeline.Buckets() {
		done.DeleteBucket(r.store.prefix + bucket)
	}
	return r.im.save(ctx, r.src, importPlan{Finished: true, Planned: time.Now()}, done)
}

// present waits until the live engine has judged the present: what it takes
// over before its first step it would not store. A source that never comes to its end is not waited for long.
func (im *importer) present(ctx context.Context) error {
	for tries := 0; !im.live.CaughtUp() && tries < 600; tries++ {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(100 * time.Millisecond):
		}
	}
	return im.live.Tick(ctx, time.Now())
}

// Batch takes lines of a file.
func (r *importRun) Batch(ctx context.Context, b tail.Batch) error {
	place := r.belt.Place(r.src.Name()) // moves at the end of a file only
	b.Source, b.Place, b.AtEnd = r.src.Name(), place, false
	if err := r.belt.Batch(ctx, b); err != nil {
		return err
	}
	r.im.mu.Lock()
	defer r.im.mu.Unlock()
	r.view.Done = min(r.view.Done+int64(len(b.Text)), r.begin+r.size)
	r.view.Until = r.at
	return nil
}

// Blind is never called for old logs.
func (r *importRun) Blind(string, *mta.BlindSpot) {}

// Idle is never called for old logs.
func (r *importRun) Idle(context.Context, string) error { return nil }

// reading back-fills the history.
func (r *importRun) reading(m mta.Reading, _ *judge.Engine) {
	r.at = m.Time
	if r.bad == nil && time.Since(m.Time) < r.im.cfg.Retention {
		r.bad = r.fill.Append(m.Tick)
	}
}

// within is a store whose buckets have names of their own.
type within struct {
	db     *state.DB
	prefix string
}

// Commit stores a batch in the buckets.
func (w within) Commit(ctx context.Context, b *state.Batch) error {
	b.Within(w.prefix)
	return w.db.Commit(ctx, b)
}

// Each calls fn for each key of a bucket.
func (w within) Each(ctx context.Context, bucket string, fn func(key string, value []byte) error) error {
	return w.db.Each(ctx, w.prefix+bucket, fn)
}
