package tail

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand"
	"os"
	"path/filepath"
	"slices"
	"sort"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/mtawatch/mtawatch/internal/mta"
)

// race is a log whose writer, rotation and follower run at the same time, sixty
// times as fast as in life: what the random schedules, in which one of them
// acts at a time, cannot show.
type race struct {
	t    *testing.T
	r    *rand.Rand
	path string
	cfg  Config
	s    *store
	log  bytes.Buffer // what the follower says

	mu    sync.Mutex // of the writer
	w     *os.File
	lines int

	kept  int    // lines that are stored
	place string // and the place behind them

	dated  int
	behind sync.WaitGroup // compressions
	cancel context.CancelFunc
	ended  chan error
}

// racePoll is how often a follower looks, which all other times are measured by.
const racePoll = 4 * time.Millisecond

// raceLines is how many lines one race has.
const raceLines = 1500

func newRace(t *testing.T, seed int64) *race {
	x := &race{t: t, r: rand.New(rand.NewSource(seed)), path: filepath.Join(t.TempDir(), "mail.log"), s: &store{}}
	x.cfg = Config{Poll: racePoll, StartRotated: true, LateFor: 10 * time.Second, MissingAfter: 40 * racePoll}
	if x.r.Intn(2) == 0 {
		x.cfg.BatchBytes = 500
	}
	x.cfg.Logger = slog.New(slog.NewTextHandler(&x.log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	x.s.log = x.cfg.Logger
	return x
}

func (x *race) must(err error) {
	if err != nil {
		x.t.Helper()
		x.t.Error(err)
	}
}

func (x *race) nap(most time.Duration) { time.Sleep(time.Duration(x.r.Int63n(int64(most)))) }

// write writes one line.
func (x *race) write() {
	x.mu.Lock()
	defer x.mu.Unlock()
	_, err := fmt.Fprintf(x.w, "line %07d %s\n", x.lines, strings.Repeat("x", x.lines*7919%80))
	x.must(err)
	x.lines++
}

// reopen has the writer go on in what lies at the path.
func (x *race) reopen() {
	f, err := os.OpenFile(x.path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	x.must(err)
	x.mu.Lock()
	old := x.w
	x.w = f
	x.mu.Unlock()
	if old != nil {
		old.Close()
	}
}

// shift makes room for a new .1.
func (x *race) shift() {
	names, err := filepath.Glob(x.path + ".*")
	x.must(err)
	var numbers []int
	for _, name := range names {
		if n := number(strings.TrimPrefix(name, x.path+".")); n >= 0 {
			numbers = append(numbers, int(n))
		}
	}
	sort.Sort(sort.Reverse(sort.IntSlice(numbers)))
	for _, n := range numbers {
		x.must(os.Rename(fmt.Sprintf("%s.%d", x.path, n), fmt.Sprintf("%s.%d", x.path, n+1)))
	}
}

// rename rotates as logrotate does by itself; the writer hears of it late.
func (x *race) rename() {
	x.shift()
	x.must(os.Rename(x.path, x.path+".1"))
	x.nap(4 * racePoll)
	x.reopen()
}

// date rotates to a dated name, which is compressed a little later. The order of
// numbered and dated pieces is that of their times, and the clock of the
// file system goes on every 4 ms or so only.
func (x *race) date() {
	time.Sleep(10 * time.Millisecond)
	defer time.Sleep(10 * time.Millisecond)
	x.dated++
	name := fmt.Sprintf("%s.20261127-%06d", x.path, x.dated)
	x.must(os.Rename(x.path, name))
	x.reopen()
	x.behind.Go(func() {
		time.Sleep(4 * racePoll)
		gzipFile(x.t, name, func() {})
	})
}

// copytruncate copies in pieces and truncates, while the writer waits.
func (x *race) copytruncate() {
	x.shift()
	x.mu.Lock()
	defer x.mu.Unlock()
	x.nap(4 * racePoll)
	data, err := os.ReadFile(x.path)
	x.must(err)
	to, err := os.OpenFile(x.path+".1", os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	x.must(err)
	for len(data) > 0 {
		n := min(len(data), 1+x.r.Intn(32<<10))
		_, err := to.Write(data[:n])
		x.must(err)
		data = data[n:]
		if x.r.Intn(4) == 0 {
			x.nap(racePoll)
		}
	}
	x.must(errors.Join(to.Close(), os.Truncate(x.path, 0)))
}

// follow starts the follower where it was; one in three crashes soon.
func (x *race) follow(mayCrash bool) {
	ctx, cancel := context.WithCancel(x.t.Context())
	x.cancel, x.ended, x.s.crash = cancel, make(chan error, 1), 0
	if mayCrash && x.r.Intn(3) == 0 {
		x.s.crash = 1 + x.r.Intn(6)
	}
	place, ended := x.s.place, x.ended
	go func() { ended <- Follow(ctx, x.cfg, mta.LogSource{Kind: mta.LogFile, Path: x.path}, place, x.s) }()
}

// kill stops the follower. One time in two, nothing was stored since long.
func (x *race) kill() {
	x.stop()
	if x.r.Intn(2) == 0 {
		x.kept, x.place = len(x.s.lines), x.s.place
	}
	x.s.lines, x.s.place = x.s.lines[:x.kept], x.place
}

func (x *race) stop() {
	x.cancel()
	if err := <-x.ended; !errors.Is(err, context.Canceled) && !errors.Is(err, errCrash) {
		x.t.Errorf("follower ended: %v", err)
	}
}

// run writes, rotates and restarts until all lines are written.
func (x *race) run() {
	x.reopen()
	x.follow(true)
	written := make(chan bool)
	gap := time.Duration(x.r.Int63n(int64(2 * time.Millisecond)))
	go func() {
		defer close(written)
		for i := range raceLines {
			x.write()
			if i%10 == 0 {
				time.Sleep(gap)
			}
		}
	}()
	for busy := true; busy; {
		select {
		case <-written:
			busy = false
		case <-time.After(time.Duration(x.r.Int63n(int64(8 * racePoll)))):
		}
		switch k := x.r.Intn(70); {
		case k < 50:
			x.kill()
			x.follow(true)
		case k < 60:
			x.rename()
		case k < 68:
			x.copytruncate()
		default:
			x.date()
		}
	}
	x.behind.Wait()
	x.kill()
}

// end lets the follower come to the end and gives the numbers of the lines seen.
func (x *race) end() []int {
	x.follow(false)
	for deadline := time.Now().Add(30 * time.Second); time.Now().Before(deadline); time.Sleep(5 * racePoll) {
		x.s.mu.Lock()
		n := len(x.s.lines)
		x.s.mu.Unlock()
		if n >= raceLines {
			break
		}
	}
	time.Sleep(20 * racePoll) // what comes twice comes now
	x.stop()
	x.w.Close()
	var seen []int
	for _, line := range x.s.lines {
		n, err := strconv.Atoi(strings.Fields(line + " . .")[1])
		x.must(err)
		seen = append(seen, n)
	}
	slices.Sort(seen)
	return seen
}

// TestRaces writes, rotates in three ways and kills the follower, all at once:
// every line is seen once. MTAWATCH_RACES says how many races are run.
func TestRaces(t *testing.T) {
	races := 24
	if n, err := strconv.Atoi(os.Getenv("MTAWATCH_RACES")); err == nil {
		races = n
	}
	want := make([]int, raceLines)
	for i := range want {
		want[i] = i
	}
	for seed := range races {
		t.Run(strconv.Itoa(seed), func(t *testing.T) {
			t.Parallel()
			x := newRace(t, int64(seed))
			x.run()
			if seen := x.end(); !slices.Equal(seen, want) {
				missing := slices.DeleteFunc(slices.Clone(want), func(n int) bool { return slices.Contains(seen, n) })
				t.Errorf("%d of %d lines seen, without %v", len(seen), raceLines, missing)
			}
			for _, spot := range x.s.spots {
				if spot.Kind != mta.BlindMissing {
					t.Errorf("blind spot %s: %s", spot.Kind, spot.Text)
				}
			}
			if t.Failed() {
				t.Log(x.log.String())
			}
		})
	}
}
