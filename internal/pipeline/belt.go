package pipeline

import (
	"errors"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/mtawatch/mtawatch/internal/adapter"
	"github.com/mtawatch/mtawatch/internal/alert"
	"github.com/mtawatch/mtawatch/internal/classify"
	"github.com/mtawatch/mtawatch/internal/diagnose"
	"github.com/mtawatch/mtawatch/internal/judge"
	"github.com/mtawatch/mtawatch/internal/meter"
	"github.com/mtawatch/mtawatch/internal/mta"
	"github.com/mtawatch/mtawatch/internal/qshape"
	"github.com/mtawatch/mtawatch/internal/track"
)

// Config sets up a Belt. Zero values: a tick of 10 s, stamps without a zone
// read as UTC, no stores (a look at the machine keeps nothing).
type Config struct {
	Interval    time.Duration
	Location    *time.Location
	Year        int // year of the first stamp that carries none; 0: from the file's time
	MaxMessages int // open messages that track remembers
	Silence     Silence
	State       StateStore
	History     HistoryStore
	Logger      *slog.Logger
	Adapters    []adapter.Adapter
	Judge       bool                 // judge each tick: what is normal, what is wrong
	Retold      func()               // an open finding says something else; it must not call the belt. nil: nobody wants to know
	Found       func([]alert.Change) // gets what opened, changed and was resolved, of past time too; it must not call the belt. nil: none
	Replay      bool                 // only old logs are read: what is measured otherwise is counted from them
	// Past gets what is known of each past step once it is judged, and the engine that judged it (nil
	// without Judge) to be asked only. It must not keep the samples nor call the belt. nil: none.
	Past    func(mta.Reading, *judge.Engine)
	Observe func(track.Fact) // gets every fact once it is counted; it must not call the belt. nil: none
}

// Belt runs the stages over what the sources bring. Its methods may be called
// from several goroutines; one lock keeps the order of each source's lines.
type Belt struct {
	cfg     Config
	log     *slog.Logger
	commits sync.Mutex // held over a whole commit; taken before mu
	mu      sync.Mutex
	started time.Time

	tracker *track.Tracker
	meter   *meter.Meter
	sources map[string]*source
	dropped []string // sources whose places are still stored

	instances []mta.Instance
	queues    map[string]reading      // by instance
	shapes    map[string]*QueueTable  // by instance
	conns     mta.Connections         //
	procs     map[string]*processView // by instance
	procTime  time.Time
	procErr   string

	pending   []mta.Tick // ticks not yet handed to history
	rebalance time.Time
	gauges    gaugeSeries
	full      bool      // the next commit must hand over everything
	failed    time.Time // when the last commit failed; zero when it did not
	storeBad  *mta.BlindSpot
	clockBad  *mta.BlindSpot
	events    []mta.Event // reused from line to line
	lastTick  time.Time

	judgement judgement
	elsewhere map[string][]mta.BlindSpot    // what others cannot see or reach, by who says so
	warnings  map[string][]diagnose.Warning // by instance, oldest first; bounded
	disks     map[string]mta.Disk           // by instance
	states    map[string]conditions         // by instance

	past         *past            // of what logs that are read late tell; nil when nobody wants to know
	news         bool             // an event was counted since the last past tick
	storedPast   time.Time        // the last past tick that history was given
	closedBefore map[uint16]int64 // connections that ended before the live watch began, by port
}

// QueueTable is the last listing of one instance's queue.
type QueueTable struct {
	Time   time.Time    // when the listing was read
	Table  qshape.Table // by destination and age
	Counts mta.Queue    // by queue, with bytes and oldest
	Until  time.Time    // how long it may stand for now
	Failed string       // why there is no newer one
	Since  time.Time    // Failed: since when
	// Untried is when the oldest message without an attempt came, by queue.
	// It means nothing for a server whose listing does not tell attempts.
	Untried Arrivals
}

// Arrivals are moments by queue.
type Arrivals map[string]time.Time

// Untried takes a message of a listing in, when nobody has tried it.
func (a Arrivals) Untried(m *mta.QueuedMessage) {
	if at := a[m.Queue]; m.Attempts == 0 && !m.Arrived.IsZero() && (at.IsZero() || m.Arrived.Before(at)) {
		a[m.Queue] = m.Arrived
	}
}

// Listed makes the table of a listing that began at a moment and may stand
// for now for a time; err is why there is none.
func Listed(began time.Time, valid time.Duration, table qshape.Table, counts mta.Queue, untried Arrivals, err error) QueueTable {
	t := QueueTable{Time: began, Until: began.Add(valid), Table: table, Counts: counts, Untried: untried}
	if err != nil {
		t.Failed = err.Error()
	}
	return t
}

// ErrStore says that a commit to a store failed; what was to be committed
// stays in memory and is committed again.
var ErrStore = errors.New("store")

// New makes a Belt that has seen nothing. Restore gives it what a store kept.
func New(cfg Config) *Belt {
	if cfg.Interval <= 0 {
		cfg.Interval = 10 * time.Second
	}
	if cfg.Silence.Least <= 0 {
		cfg.Silence.Least = 10 * time.Minute
	}
	if cfg.Silence.Most <= 0 {
		cfg.Silence.Most = 24 * time.Hour
	}
	if cfg.Location == nil {
		cfg.Location = time.UTC
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	b := &Belt{
		cfg:     cfg,
		log:     cfg.Logger,
		tracker: track.New(track.Config{MaxMessages: cfg.MaxMessages}, classify.New()),
		meter:   meter.New(),
		sources: make(map[string]*source),
		queues:  make(map[string]reading),
		shapes:  make(map[string]*QueueTable),
		procs:   make(map[string]*processView),
		gauges:  newGaugeSeries(),

		elsewhere: make(map[string][]mta.BlindSpot),
		warnings:  make(map[string][]diagnose.Warning),
		disks:     make(map[string]mta.Disk),
		states:    make(map[string]conditions),

		closedBefore: make(map[uint16]int64),
	}
	if cfg.History != nil || cfg.Judge || cfg.Replay {
		b.past = newPast()
	}
	b.startJudge()
	return b
}

// SetInstances tells the belt which MTA instances it watches. Series of a
// new instance are present from the next tick on.
func (b *Belt) SetInstances(list []mta.Instance) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.instances = list
	for _, in := range list {
		b.meter.Instance(in.Name)
		if b.procs[in.Name] == nil {
			b.procs[in.Name] = newProcessView()
		}
		for i := range in.Logs {
			b.sourceFor(in.Logs[i].Name()).adopt(in, &in.Logs[i])
		}
	}
	for name, s := range b.sources {
		s.parser = nil             // made anew with the instances that are known now
		if s.quiet && !s.adopted { // of an earlier run: its name came with a daemon that is gone
			delete(b.sources, name)
			b.dropped = append(b.dropped, name)
		}
	}
}

// reading is a queue count and how long it may stand for now.
type reading struct {
	mta.Queue
	until time.Time
}

// SetQueue takes the count of one instance's queues, which counts as the
// present one for a time.
func (b *Belt) SetQueue(q mta.Queue, valid time.Duration) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.queues[q.Instance] = reading{q, q.Time.Add(valid)}
}

// completed fills what a count could not tell, bytes and oldest, from the
// last listing while that stands for now.
func (b *Belt) completed(instance string, queues []mta.QueueCount, now time.Time) []mta.QueueCount {
	t := b.shapes[instance]
	if t == nil || now.After(t.Until) {
		return queues
	}
	queues = slices.Clone(queues)
	for i := range queues {
		q := &queues[i]
		if u := q.Untried; u != nil && u.Messages > 0 && u.Oldest.IsZero() {
			q.Untried = &mta.Untried{Messages: u.Messages, Oldest: t.Untried[q.Name]}
		}
		for _, l := range t.Counts.Queues {
			if l.Name != q.Name || q.Messages == 0 || l.Messages == 0 {
				continue
			}
			if q.Bytes == mta.UnknownBytes {
				q.Bytes = l.Bytes
			}
			if q.Oldest.IsZero() {
				q.Oldest = l.Oldest
			}
		}
	}
	return queues
}

// Instances lists the MTA instances that are watched.
func (b *Belt) Instances() []mta.Instance {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.instances
}

// SetQueueTable takes a listing of one instance's queue. A failed one keeps
// the last good table, with the reason.
func (b *Belt) SetQueueTable(instance string, t QueueTable) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if old := b.shapes[instance]; t.Failed != "" {
		t.Since = t.Time
		if old != nil && old.Failed != "" {
			t.Since = old.Since
		}
		if old != nil {
			t.Time, t.Table, t.Counts, t.Until, t.Untried = old.Time, old.Table, old.Counts, old.Until, old.Untried
		}
	}
	b.shapes[instance] = &t
}

// SetConnections takes the inbound sockets.
func (b *Belt) SetConnections(c mta.Connections) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.conns = c
}
