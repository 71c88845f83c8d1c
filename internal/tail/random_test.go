package tail

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/klauspost/compress/gzip"

	"github.com/mtawatch/mtawatch/internal/mta"
)

// errCrash ends a follower in the middle of a batch: it was received and is
// not stored.
var errCrash = errors.New("crash")

// store is a sink that keeps lines and the place together, as the product does.
type store struct {
	mu     sync.Mutex
	lines  []string
	place  string
	spots  []mta.BlindSpot
	fine   int
	idle   int
	cut    int
	last   Batch
	log    *slog.Logger
	crash  int // fails at this batch from now; 0: never
	onIdle func()
}

func (s *store) Batch(_ context.Context, b Batch) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.crash > 0 {
		if s.crash--; s.crash == 0 {
			return errCrash
		}
	}
	if s.log != nil {
		s.log.Debug("batch", "text", b.Text[:min(len(b.Text), 12)], "place", b.Place)
	}
	if b.Text != "" && !strings.HasSuffix(b.Text, "\n") {
		return fmt.Errorf("batch without a whole last line: %q", b.Text)
	}
	for line := range strings.Lines(b.Text) {
		s.lines = append(s.lines, strings.TrimSuffix(line, "\n"))
	}
	s.place, s.last = b.Place, b
	s.cut += b.Cut
	return nil
}

func (s *store) Blind(_ string, spot *mta.BlindSpot) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if spot == nil {
		s.fine++
		return
	}
	s.spots = append(s.spots, *spot)
}

func (s *store) Idle(context.Context, string) error {
	s.mu.Lock()
	s.idle++
	s.mu.Unlock()
	if s.onIdle != nil {
		s.onIdle()
	}
	return nil
}

// kinds gives the kinds of blind spots told.
func (s *store) kinds() []mta.BlindKind {
	s.mu.Lock()
	defer s.mu.Unlock()
	var ks []mta.BlindKind
	for _, b := range s.spots {
		ks = append(ks, b.Kind)
	}
	return ks
}

// world is a log, its writer, its rotation and a follower that may be down.
type world struct {
	t      *testing.T
	r      *rand.Rand
	path   string
	older  []string // of the source
	done   int      // bytes of yesterday's piece that are appended already
	cfg    Config
	w      *os.File
	n      int
	want   []string
	s      *store
	cancel context.CancelFunc
	ended  chan error
	trace  []string
	log    bytes.Buffer
}

func newWorld(t *testing.T, seed int64) *world {
	w := &world{t: t, r: rand.New(rand.NewSource(seed)), path: filepath.Join(t.TempDir(), "mail.log"), s: &store{}}
	w.cfg = Config{Poll: 100 * time.Millisecond, BatchBytes: 300, StartRotated: true}
	w.cfg.Logger = slog.New(slog.NewTextHandler(&w.log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	w.s.log = w.cfg.Logger
	w.reopen()
	return w
}

func (w *world) must(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatalf("%v; done: %v", err, w.trace)
	}
}

func (w *world) reopen() {
	if w.w != nil {
		w.w.Close()
	}
	f, err := os.OpenFile(w.path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	w.must(err)
	w.w = f
}

func (w *world) start() {
	crash := 0
	if w.r.Intn(2) == 0 {
		crash = 1 + w.r.Intn(20)
	}
	w.follow(crash)
}

// follow starts a follower that crashes at a batch to come; 0: never.
func (w *world) follow(crash int) {
	ctx, cancel := context.WithCancel(w.t.Context())
	w.cancel, w.ended = cancel, make(chan error, 1)
	w.s.crash = crash
	place, ended := w.s.place, w.ended
	go func() {
		ended <- Follow(ctx, w.cfg, mta.LogSource{Kind: mta.LogFile, Path: w.path, Older: w.older}, place, w.s)
	}()
}

func (w *world) stop() {
	if w.cancel == nil {
		return
	}
	w.cancel()
	if err := <-w.ended; !errors.Is(err, context.Canceled) && !errors.Is(err, errCrash) {
		w.t.Fatalf("follower ended: %v; done: %v", err, w.trace)
	}
	w.cancel = nil
}

// write writes whole lines, at times in two pieces with a pause between.
func (w *world) write() {
	for range 1 + w.r.Intn(25) {
		w.n++
		line := fmt.Sprintf("line %06d %s", w.n, strings.Repeat("x", w.r.Intn(60)))
		w.want = append(w.want, line)
		if w.r.Intn(10) == 0 {
			at := w.r.Intn(len(line))
			_, err := w.w.WriteString(line[:at])
			w.must(err)
			w.sleep()
			_, err = w.w.WriteString(line[at:] + "\n")
			w.must(err)
			continue
		}
		_, err := w.w.WriteString(line + "\n")
		w.must(err)
	}
}

// sleep lets the follower work for up to some polls.
func (w *world) sleep() {
	time.Sleep(time.Duration(w.r.Int63n(int64(6 * w.cfg.Poll))))
}

// shift makes room for a new .1.
func (w *world) shift() {
	for i := 60; i >= 1; i-- {
		for _, ext := range []string{"", ".gz"} {
			old := fmt.Sprintf("%s.%d%s", w.path, i, ext)
			if _, err := os.Stat(old); err == nil {
				w.must(os.Rename(old, fmt.Sprintf("%s.%d%s", w.path, i+1, ext)))
			}
		}
	}
}

// rename rotates by renaming; the writer reopens at once or goes on in the
// old file for a while.
func (w *world) rename() {
	w.shift()
	w.must(os.Rename(w.path, w.path+".1"))
	switch w.r.Intn(4) {
	case 0: // logrotate's create, and a writer that is told late
		w.must(os.WriteFile(w.path, nil, 0o600))
		w.write()
		w.sleep()
		w.write()
	case 1: // no create: the path is empty for a while
		w.write()
		w.sleep()
	}
	w.reopen()
}

// copytruncate rotates by copying and truncating, with no line between.
func (w *world) copytruncate() {
	w.shift()
	data, err := os.ReadFile(w.path)
	w.must(err)
	half := w.r.Intn(len(data) + 1)
	w.must(os.WriteFile(w.path+".1", data[:half], 0o600))
	if w.r.Intn(3) == 0 {
		w.sleep()
	}
	w.must(os.WriteFile(w.path+".1", data, 0o600))
	if w.r.Intn(3) == 0 {
		w.sleep()
	}
	w.must(os.Truncate(w.path, 0))
}

// compress packs one of the rotated files.
func (w *world) compress() {
	for i := 1 + w.r.Intn(3); i < 60; i++ {
		name := fmt.Sprintf("%s.%d", w.path, i)
		if _, err := os.Stat(name); err == nil {
			gzipFile(w.t, name, func() {
				if w.r.Intn(2) == 0 {
					w.sleep()
				}
			})
			return
		}
	}
}

// gzipFile does what gzip does, with a pause before the plain file goes.
func gzipFile(t *testing.T, name string, pause func()) {
	t.Helper()
	st, err := os.Stat(name)
	if err != nil {
		t.Fatal(err)
	}
	in, err := os.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	out, err := os.Create(name + ".gz")
	if err != nil {
		t.Fatal(err)
	}
	z := gzip.NewWriter(out)
	if _, err := io.Copy(z, in); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(z.Close(), out.Close(), os.Chtimes(name+".gz", st.ModTime(), st.ModTime())); err != nil {
		t.Fatal(err)
	}
	pause()
	if err := os.Remove(name); err != nil {
		t.Fatal(err)
	}
}

// do does one random thing.
func (w *world) do() {
	w.one([]string{"write", "write", "write", "sleep", "sleep", "rename", "copytruncate", "compress", "restart", "stop", "start"})
}

// one does one of the named things.
func (w *world) one(names []string) {
	name := names[w.r.Intn(len(names))]
	w.trace = append(w.trace, name)
	w.cfg.Logger.Debug("do", "name", name, "lines", w.n)
	switch name {
	case "write":
		w.write()
	case "sleep":
		w.sleep()
	case "rename":
		w.rename()
	case "copytruncate":
		w.copytruncate()
	case "compress":
		w.compress()
	case "night":
		w.night()
	case "restart":
		w.stop()
		w.start()
	case "stop":
		w.stop()
	case "start":
		if w.cancel == nil {
			w.start()
		}
	}
}

// check lets the follower finish and compares.
func (w *world) check(seed int64) {
	w.stop()
	w.follow(0)
	time.Sleep(10 * time.Minute)
	w.stop()
	if !slices.Equal(w.s.lines, w.want) {
		w.t.Errorf("seed %d: %d lines written, %d seen: %s; done: %v", seed, len(w.want), len(w.s.lines), firstDiff(w.s.lines, w.want), w.trace)
	}
	if len(w.s.spots) > 0 {
		for _, b := range w.s.spots {
			if b.Kind != mta.BlindMissing {
				w.t.Errorf("seed %d: blind spot %s: %s; done: %v", seed, b.Kind, b.Text, w.trace)
			}
		}
	}
	if w.t.Failed() {
		w.t.Log(w.log.String())
	}
	w.w.Close()
}

func firstDiff(got, want []string) string {
	for i := range want {
		if i >= len(got) {
			return fmt.Sprintf("ends before %q", want[i])
		}
		if got[i] != want[i] {
			return fmt.Sprintf("at %d got %q, want %q", i, got[i], want[i])
		}
	}
	return fmt.Sprintf("too much from %q on", got[len(want)])
}

// TestRandomSchedule writes, rotates both ways, compresses, crashes and
// restarts at random: every line is seen once, in order.
func TestRandomSchedule(t *testing.T) {
	seeds := 120
	if testing.Short() {
		seeds = 25
	}
	for seed := range seeds {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t, int64(seed))
			w.start()
			for range 40 {
				w.do()
			}
			w.check(int64(seed))
		})
		if t.Failed() {
			return
		}
	}
}
