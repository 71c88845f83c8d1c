// Package history keeps the time series. In come ticks: all samples of one
// moment. Out come answers to PromQL queries, series and raw points. It is
// the only package that knows the Prometheus TSDB and its query engine; how
// both are used follows their Go documentation.
//
// Promised: a tick that Append acknowledged survives kill -9 of this process.
// After a loss of power the samples of the last seconds may be missing, as
// the log ahead of the blocks is flushed by the kernel and not by us. A
// series that is absent from a tick ends there: a query does not show its
// old value as the present one. A full disk costs the ticks that it lasts
// and nothing else: Append gives ErrFull, queries go on, and the store
// recovers by itself.
//
// One process uses a folder at a time; the lock of package state stands for
// both stores.
package history

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/promql/parser"
	"github.com/prometheus/prometheus/tsdb"
	"github.com/prometheus/prometheus/util/compression"
)

// nameLabel is the label that holds the name of a series.
const nameLabel = "__name__"

// Config says how a store is kept. The zero value is good.
type Config struct {
	// Retention is how long samples are kept, counted from the newest block.
	// Zero is 35 days.
	Retention time.Duration
	// MaxBytes bounds the blocks on the disk; the oldest go first. Zero is no
	// bound. The newest two to three hours are not in blocks and not counted.
	MaxBytes int64
	// OutOfOrder is how much older than the newest sample a sample may be.
	// Zero is one hour; negative is none.
	OutOfOrder time.Duration
	// MinFree is the space that is left to others on the file system: with
	// less, Append gives ErrFull and touches nothing. Zero is 2 MiB.
	MinFree int64
	// Timeout bounds one query. Zero is 30 seconds.
	Timeout time.Duration
	// MaxSamples bounds the samples that one query holds in memory, 16 bytes
	// each and more. Zero is 2 million.
	MaxSamples int
	// Logger gets the warnings of the TSDB. Nil is nowhere.
	Logger *slog.Logger
}

// Store is an open time-series store. Append is for one caller at a time
// (others wait); the reading methods may run at any time.
type Store struct {
	dir    string
	cfg    Config
	log    *slog.Logger
	engine *promql.Engine
	parser parser.Parser

	dropped atomic.Int64
	newest  atomic.Int64 // Unix milliseconds; math.MinInt64 when empty

	appendMu sync.Mutex // one appender; also held by whoever replaces db
	writer   writer
	suspect  bool  // the log on the disk may end in half a record
	checked  int64 // data time of the last compaction that failed, Unix milliseconds

	// Readers hold mu while they use db, up to Config.Timeout. Append takes it
	// for writing only to replace db.
	mu     sync.RWMutex
	db     *tsdb.DB // nil while it cannot be opened
	closed bool

	reading atomic.Int32  // readers that use db now
	slots   chan struct{} // one for each PromQL query that runs

	// noteMu is held for moments only, and last of all the locks.
	noteMu  sync.Mutex
	why     error // why db is nil
	trouble error // of the last compaction
	clock   error // why the last tick was dropped whole
}

// maxQueries is how many PromQL queries run at once; more wait. A dashboard
// sends dozens, and each may hold Config.MaxSamples.
const maxQueries = 4

// Open opens the store in the folder dir and makes it when it does not exist.
// With a full disk it succeeds all the same, so that the watch can begin:
// Append and the queries then give ErrFull until there is space.
func Open(dir string, cfg Config) (*Store, error) {
	if cfg.Retention <= 0 {
		cfg.Retention = 35 * 24 * time.Hour
	}
	if cfg.OutOfOrder == 0 {
		cfg.OutOfOrder = time.Hour
	}
	if cfg.MinFree <= 0 {
		cfg.MinFree = 2 << 20
	}
	if cfg.Timeout <= 0 {
		cfg.Timeout = 30 * time.Second
	}
	if cfg.MaxSamples <= 0 {
		cfg.MaxSamples = 2_000_000
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	s := &Store{dir: dir, cfg: cfg, log: slog.New(warnings{cfg.Logger.Handler()}), parser: parser.NewParser(parser.Options{}), slots: make(chan struct{}, maxQueries)}
	s.engine = promql.NewEngine(promql.EngineOpts{
		Logger:               s.log,
		MaxSamples:           cfg.MaxSamples,
		Timeout:              cfg.Timeout,
		LookbackDelta:        5 * time.Minute, // Prometheus's own
		EnableAtModifier:     true,
		EnableNegativeOffset: true,
		Parser:               s.parser,
		NoStepSubqueryIntervalFn: func(int64) int64 {
			return time.Minute.Milliseconds()
		},
	})
	s.newest.Store(math.MinInt64)
	s.appendMu.Lock()
	defer s.appendMu.Unlock()
	if err := s.reopen(); err != nil && !errors.Is(err, ErrFull) {
		return nil, err
	}
	return s, nil
}

// options are sized for hundreds to some thousand series. The TSDB's own
// clockwork is off: it writes chunks from goroutines of its own and panics
// there when the disk is full. Append runs the compactions instead, where a
// panic can be caught.
func (s *Store) options() *tsdb.Options {
	o := tsdb.DefaultOptions()
	o.RetentionDuration = s.cfg.Retention.Milliseconds()
	o.MaxBytes = s.cfg.MaxBytes
	o.OutOfOrderTimeWindow = max(s.cfg.OutOfOrder, 0).Milliseconds()
	o.MinBlockDuration = blockSize.Milliseconds()
	o.MaxBlockDuration = 27 * blockSize.Milliseconds()
	o.NoLockfile = true
	o.WALCompression = compression.Snappy
	o.WALSegmentSize = 4 << 20
	o.WALReplayConcurrency = 1
	o.StripeSize = 512
	o.HeadChunksWriteBufferSize = 64 << 10
	o.MaxBlockChunkSegmentSize = 4 << 20 // this much is claimed ahead, even for a small block
	o.BlockReloadInterval = math.MaxInt64
	return o
}

// blockSize is the span of the smallest block. The newest samples, up to one
// and a half of it, are in memory and in the log ahead.
const blockSize = 2 * time.Hour

// reopen closes the TSDB when it is open and opens it anew. The caller holds
// appendMu. When there is no space to open it, an open one stays as it is.
func (s *Store) reopen() error {
	if err := s.spaceToOpen(); err != nil {
		s.note(&s.why, err)
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return errClosed
	}
	if s.db != nil {
		if err := guard(s.db.Close); err != nil {
			s.log.Warn("close the time-series store to open it anew", "error", err)
		}
		s.db = nil
	}
	s.writer.reset()
	var db *tsdb.DB
	err := guard(func() (err error) {
		db, err = tsdb.Open(s.dir, s.log, nil, s.options(), nil)
		return err
	})
	if err != nil {
		err = s.describe("open time-series store", err)
		s.note(&s.why, err)
		return err
	}
	db.DisableCompactions()
	s.db, s.suspect = db, false
	s.note(&s.why, nil)
	if t := newestOf(db); t > s.newest.Load() {
		s.newest.Store(t)
	}
	return nil
}

func newestOf(db *tsdb.DB) int64 {
	t := db.Head().MaxTime() // MinInt64 when empty
	if o := db.Head().MaxOOOTime(); o > t {
		t = o
	}
	for _, b := range db.Blocks() {
		t = max(t, b.MaxTime()-1) // the end of a block is not in it
	}
	return t
}

// spaceToOpen says whether the log ahead can be read in: the chunks that are
// made of it are written to the disk, and the TSDB panics when they cannot
// be. They are not larger than the log.
func (s *Store) spaceToOpen() error {
	if err := os.MkdirAll(s.dir, 0o700); err != nil {
		return s.describe("make the folder of the time-series store", err)
	}
	need := s.cfg.MinFree
	for _, name := range []string{"wal", "wbl"} {
		entries, err := os.ReadDir(filepath.Join(s.dir, name))
		if err != nil {
			continue // a new store has none; Open tells of any other trouble
		}
		for _, e := range entries {
			if info, err := e.Info(); err == nil {
				need += info.Size()
			}
		}
	}
	return s.space("open time-series store", need)
}

// Last gives the time of the newest sample; zero when there is none.
func (s *Store) Last() time.Time {
	t := s.newest.Load()
	if t == math.MinInt64 {
		return time.Time{}
	}
	return time.UnixMilli(t)
}

// Dropped counts the samples that were not stored because they came too late
// or contradict a stored one of the same moment, since Open.
func (s *Store) Dropped() int64 { return s.dropped.Load() }

// Trouble tells why the store cannot be read, why the last tick was dropped
// whole, or why the last attempt to move samples from memory into blocks
// failed; nil when all is well.
func (s *Store) Trouble() error {
	s.mu.RLock()
	open := s.db != nil
	s.mu.RUnlock()
	s.noteMu.Lock()
	defer s.noteMu.Unlock()
	if !open {
		return s.why
	}
	return errors.Join(s.clock, s.trouble)
}

// note sets one of the errors that noteMu guards. News is an error where
// there was none.
func (s *Store) note(where *error, err error) (news bool) {
	s.noteMu.Lock()
	defer s.noteMu.Unlock()
	news = err != nil && *where == nil
	*where = err
	return news
}

// Close ends the store. What was acknowledged is stored already.
func (s *Store) Close() error {
	s.appendMu.Lock()
	defer s.appendMu.Unlock()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
	s.note(&s.why, errClosed)
	db := s.db
	s.db = nil
	if db == nil {
		return nil
	}
	if err := guard(db.Close); err != nil {
		return s.describe("close time-series store", err)
	}
	return nil
}

// use runs fn with the open TSDB, which is not replaced meanwhile.
func (s *Store) use(fn func(*tsdb.DB) error) error {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if s.db == nil {
		s.noteMu.Lock()
		defer s.noteMu.Unlock()
		return fmt.Errorf("read time series: %w", s.why)
	}
	s.reading.Add(1)
	defer s.reading.Add(-1)
	return guard(func() error { return fn(s.db) })
}

// warnings passes on what is a warning or worse: at lower levels the TSDB
// tells of its daily work.
type warnings struct{ slog.Handler }

func (w warnings) Enabled(ctx context.Context, l slog.Level) bool {
	return l >= slog.LevelWarn && w.Handler.Enabled(ctx, l)
}

func (w warnings) WithAttrs(a []slog.Attr) slog.Handler { return warnings{w.Handler.WithAttrs(a)} }

func (w warnings) WithGroup(name string) slog.Handler { return warnings{w.Handler.WithGroup(name)} }
