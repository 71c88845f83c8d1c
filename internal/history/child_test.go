package history

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/mtawatch/mtawatch/internal/childtest"
	"github.com/mtawatch/mtawatch/internal/mta"
)

// many makes series whose values change in a way that does not compress to
// nothing.
func many(n int) []mta.Sample {
	out := make([]mta.Sample, n)
	for i := range out {
		out[i].Series = queue(fmt.Sprintf("q%d", i))
	}
	return out
}

func set(samples []mta.Sample, n int) {
	for i := range samples {
		samples[i].Value = float64(n) + float64(i)/1000
	}
}

// TestKill kills an appending process several times. Every tick that the
// process had announced must be there whole.
func TestKill(t *testing.T) {
	if dir := childtest.Dir(); dir != "" {
		appendForever(t, dir)
		return
	}
	dir := t.TempDir()
	var last int
	for range 5 {
		last = childtest.Kill(t, dir, 300)
		s := open(t, dir, Config{})
		wholeUpTo(t, s, last)
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if last < 1400 {
		t.Fatalf("only %d ticks were seen", last)
	}
}

// wholeUpTo checks that each of 50 series has each tick from 0 to last.
func wholeUpTo(t *testing.T, s *Store, last int) {
	t.Helper()
	for i := range 50 {
		got := values(t, s, fmt.Sprintf("q%d", i))
		for n := 0; n <= last; n++ {
			if v, ok := got[10*n]; !ok || v != float64(n)+float64(i)/1000 {
				t.Fatalf("series %d, tick %d of %d: %v %v", i, n, last, v, ok)
			}
		}
	}
}

func appendForever(t *testing.T, dir string) {
	s := open(t, dir, Config{})
	samples := many(50)
	next := 0
	if last := s.Last(); !last.IsZero() {
		next = int(last.Sub(noon())/(10*time.Second)) + 1
	}
	for n := next; ; n++ {
		set(samples, n)
		add(t, s, noon().Add(time.Duration(n)*10*time.Second), samples...)
		if _, err := fmt.Println(n); err != nil {
			return // our reader is gone
		}
	}
}

// TestTornLog cuts the log ahead at every place where a kill may cut it: what
// is before stays readable and new ticks are stored.
func TestTornLog(t *testing.T) {
	for _, cut := range []int64{1, 3, 7, 20, 100, 1000} {
		t.Run(fmt.Sprint(cut), func(t *testing.T) {
			dir := t.TempDir()
			s := open(t, dir, Config{})
			samples := many(50)
			for n := range 20 {
				set(samples, n)
				add(t, s, noon().Add(time.Duration(n)*10*time.Second), samples...)
			}
			segments, err := filepath.Glob(filepath.Join(dir, "wal", "0*"))
			if err != nil || len(segments) == 0 {
				t.Fatal(segments, err)
			}
			log := segments[len(segments)-1]
			whole, err := os.ReadFile(log) // before Close rounds it up
			if err != nil {
				t.Fatal(err)
			}
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
			for _, name := range []string{"chunks_head", "wal"} {
				if err := os.RemoveAll(filepath.Join(dir, name)); err != nil {
					t.Fatal(err)
				}
			}
			if err := os.MkdirAll(filepath.Dir(log), 0o700); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(log, whole[:int64(len(whole))-cut], 0o600); err != nil {
				t.Fatal(err)
			}
			s = open(t, dir, Config{})
			kept := int(s.Last().Sub(noon())/(10*time.Second)) + 1
			if kept < 15 || kept > 19 {
				t.Errorf("%d of 20 ticks are left", kept)
			}
			for n := kept; n < 25; n++ {
				set(samples, n)
				add(t, s, noon().Add(time.Duration(n)*10*time.Second), samples...)
			}
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
			wholeUpTo(t, open(t, dir, Config{}), 24)
		})
	}
}

// TestFull fills a real small file system under the store, at several moments
// of its work.
func TestFull(t *testing.T) {
	if dir := childtest.Dir(); dir != "" {
		// Nearly two hours between full disks: each second round meets a
		// compaction.
		t.Run("guarded", func(t *testing.T) {
			fillDisk(t, mountSmall(t, dir, "a", "16m"), filling{cfg: Config{MinFree: 256 << 10}, series: 50, ticks: 700})
		})
		// Without the guard every byte of the disk is used: the writes of the
		// TSDB itself fail, in the middle of a tick that needs many pages.
		t.Run("unguarded", func(t *testing.T) {
			fillDisk(t, mountSmall(t, dir, "b", "64m"), filling{cfg: Config{MinFree: 1}, series: 4000, ticks: 40, torn: true})
		})
		t.Run("open", func(t *testing.T) { openFull(t, mountSmall(t, dir, "c", "16m")) })
		return
	}
	childtest.OwnMounts(t)
}

func mountSmall(t *testing.T, dir, name, size string) string {
	t.Helper()
	dir = filepath.Join(dir, name)
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size="+size); err != nil {
		t.Fatal(err)
	}
	return dir
}

type filling struct {
	cfg    Config
	series int
	ticks  int  // with space, and again without, each round
	torn   bool // the TSDB itself must meet the end of the disk
}

// recorder appends ticks and keeps which of them were acknowledged.
type recorder struct {
	store   *Store
	samples []mta.Sample
	next    int
	stored  map[int]bool
	torn    int // ticks in which a write of the TSDB failed
}

func (r *recorder) step() error {
	n := r.next
	r.next++
	set(r.samples, n)
	err := r.store.Append(mta.Tick{Time: noon().Add(time.Duration(n) * 10 * time.Second), Samples: r.samples})
	if err == nil {
		r.stored[n] = true
	}
	if errors.Is(err, syscall.ENOSPC) {
		r.torn++
	}
	return err
}

// steps takes n ticks. Full says whether the disk is full.
func (r *recorder) steps(t *testing.T, n int, full bool) {
	t.Helper()
	failed := 0
	for range n {
		err := r.step()
		if err == nil {
			continue
		}
		if failed++; failed == 1 {
			t.Log(err)
		}
		if !full || !errors.Is(err, ErrFull) {
			t.Fatalf("disk full %v: got %v", full, err)
		}
	}
	if full && failed == 0 {
		t.Error("the disk was not full")
	}
}

func fillDisk(t *testing.T, dir string, f filling) {
	f.cfg.Logger = slog.New(slog.NewTextHandler(t.Output(), nil))
	data, ballast := filepath.Join(dir, "data"), filepath.Join(dir, "ballast")
	r := &recorder{store: open(t, data, f.cfg), samples: many(f.series), stored: map[int]bool{}}
	// The spare space decides where in its work the store meets the end.
	for round, spare := range []int64{0, 4 << 10, 8 << 10, 20 << 10, 40 << 10, 100 << 10} {
		r.steps(t, f.ticks, false)
		childtest.Fill(t, ballast, spare)
		r.steps(t, f.ticks, true)
		if _, err := r.store.Query(t.Context(), `sum(rate(mta_queue_messages[5m]))`, r.store.Last()); err != nil {
			t.Errorf("round %d: query on a full disk: %v", round, err)
		}
		if err := os.Remove(ballast); err != nil {
			t.Fatal(err)
		}
		r.steps(t, 1, false)
		checkStored(t, r.store, r.stored)
		if round%2 == 1 {
			if err := r.store.Close(); err != nil {
				t.Fatal(err)
			}
			r.store = open(t, data, f.cfg)
			checkStored(t, r.store, r.stored)
		}
	}
	if f.torn && r.torn == 0 {
		t.Error("no write of the TSDB failed")
	}
	t.Logf("%d ticks are stored, %d writes of the TSDB failed", len(r.stored), r.torn)
}

func checkStored(t *testing.T, s *Store, stored map[int]bool) {
	t.Helper()
	for _, i := range []int{0, 17, 49} {
		got := values(t, s, fmt.Sprintf("q%d", i))
		for n := range stored {
			if v, ok := got[10*n]; !ok || v != float64(n)+float64(i)/1000 {
				t.Fatalf("series %d, tick %d: %v %v; it was acknowledged", i, n, v, ok)
			}
		}
	}
}

// openFull opens a store on a full disk: it begins to work when there is
// space.
func openFull(t *testing.T, dir string) {
	data, ballast := filepath.Join(dir, "data"), filepath.Join(dir, "ballast")
	s := open(t, data, Config{})
	samples := many(50)
	for n := range 10 {
		set(samples, n)
		add(t, s, noon().Add(time.Duration(n)*10*time.Second), samples...)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	childtest.Fill(t, ballast, 0)
	s = open(t, data, Config{})
	if err := s.Trouble(); !errors.Is(err, ErrFull) {
		t.Errorf("Trouble: got %v", err)
	}
	if _, err := s.Query(t.Context(), `x`, noon()); !errors.Is(err, ErrFull) {
		t.Errorf("query: got %v", err)
	}
	set(samples, 10)
	tick := mta.Tick{Time: noon().Add(100 * time.Second), Samples: samples}
	if err := s.Append(tick); !errors.Is(err, ErrFull) {
		t.Errorf("append: got %v", err)
	}
	if err := os.Remove(ballast); err != nil {
		t.Fatal(err)
	}
	if err := s.Append(tick); err != nil {
		t.Fatal(err)
	}
	wholeUpTo(t, s, 10)
}
