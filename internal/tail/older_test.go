package tail

import (
	"errors"
	"fmt"

	"io/fs"
	"math/rand"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/mtawatch/mtawatch/internal/mta"
)

// nightWorld is a log that is rotated as the return job of the imta MTA does.
func nightWorld(t *testing.T, seed int64) *world {
	w := newWorld(t, seed)
	w.must(os.Remove(w.path))
	w.path += "_current"
	w.older = []string{"mail.log_yesterday", "mail.log"}
	w.reopen()
	return w
}

func (w *world) yesterday() string { return strings.TrimSuffix(w.path, "_current") + "_yesterday" }
func (w *world) whole() string     { return strings.TrimSuffix(w.path, "_current") }

// night appends yesterday's piece to the whole, in parts and at times with
// pauses or a killed job between them, renames the current one and begins a new one.
func (w *world) night() {
	data, err := os.ReadFile(w.yesterday())
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		w.must(err)
	}
	if err == nil {
		to, err := os.OpenFile(w.whole(), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
		w.must(err)
		defer to.Close()
		for data = data[w.done:]; len(data) > 0; {
			n := min(len(data), 1+w.r.Intn(2000))
			_, err := to.Write(data[:n])
			w.must(err)
			data, w.done = data[n:], w.done+n
			w.between()
			if w.r.Intn(10) == 0 {
				return // killed; the next night goes on with it
			}
		}
	}
	w.between()
	w.done = 0
	w.must(os.Rename(w.path, w.yesterday()))
	if w.r.Intn(3) == 0 {
		w.sleep()
	}
	w.reopen()
}

// between is what happens while the job works: nothing, mail, a pause, or an
// end of the follower.
func (w *world) between() {
	switch w.r.Intn(8) {
	case 0:
		w.write()
	case 1:
		w.sleep()
	case 2:
		w.stop()
	case 3:
		if w.cancel == nil {
			w.start()
		}
	}
}

// TestRandomNights writes, rotates every now and then, crashes and restarts
// at random, over one night and over many: every line is seen once, in order.
func TestRandomNights(t *testing.T) {
	seeds := 60
	if testing.Short() {
		seeds = 15
	}
	for seed := range seeds {
		synctest.Test(t, func(t *testing.T) {
			w := nightWorld(t, int64(seed))
			for range rand.New(rand.NewSource(int64(seed))).Intn(3) { // days before the first start
				w.write()
				w.night()
			}
			if w.cancel == nil {
				w.start()
			}
			for range 40 {
				w.one([]string{"write", "write", "write", "sleep", "sleep", "night", "night", "restart", "stop", "start"})
			}
			w.check(int64(seed))
		})
		if t.Failed() {
			return
		}
	}
}

// TestNightsBeforeTheStart: without StartRotated what was rotated before the
// first start is left to others, also when it is found inside the whole later.
func TestNightsBeforeTheStart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := nightWorld(t, 1)
		w.cfg.StartRotated = false
		for range 3 {
			w.write()
			w.night()
		}
		w.stop()
		// A follower of those nights may have read something before it was stopped, or not.
		w.want, w.s.lines, w.s.place, w.s.spots = nil, nil, "", nil
		w.follow(0)
		time.Sleep(time.Minute) // the current piece is empty so far
		w.write()
		time.Sleep(time.Minute)
		w.stop()
		for range 3 {
			data, err := os.ReadFile(w.yesterday()) // a night without surprises
			w.must(err)
			appendFile(t, w.whole(), string(data[w.done:]))
			w.done = 0
			w.must(os.Rename(w.path, w.yesterday()))
			w.reopen()
			w.write()
		}
		w.check(1)
	})
}

func appendFile(t *testing.T, path, text string) {
	t.Helper()
	f, err := os.OpenFile(path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err == nil {
		_, err = f.WriteString(text)
		err = errors.Join(err, f.Close())
	}
	if err != nil {
		t.Fatal(err)
	}
}

// TestNoCurrentPiece: between the rename and the first line of the day there
// may be no current piece, for hours: that is no blind spot.
func TestNoCurrentPiece(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := nightWorld(t, 2)
		w.write()
		w.follow(0)
		time.Sleep(time.Second)
		w.must(os.Rename(w.path, w.yesterday()))
		time.Sleep(3 * time.Hour)
		if k := w.s.kinds(); len(k) > 0 {
			t.Errorf("blind spots %v", k)
		}
		w.stop()
		w.follow(0)
		time.Sleep(3 * time.Hour)
		if k := w.s.kinds(); len(k) > 0 {
			t.Errorf("blind spots after a restart %v", k)
		}
		w.reopen()
		w.write()
		w.check(2)
	})
}

// TestQuietSource: a log that comes only with something to tell is no blind
// spot while it is not there, and all of it is read when it comes.
func TestQuietSource(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "imta")
		s := &store{}
		ended := make(chan error, 1)
		go func() {
			ended <- Follow(t.Context(), Config{}, mta.LogSource{Kind: mta.LogFile, Path: path, Quiet: true}, "", s)
		}()
		time.Sleep(time.Hour)
		synctest.Wait()
		if len(s.spots) > 0 || s.idle == 0 {
			t.Errorf("blind %v, looked at %d times", s.spots, s.idle)
		}
		writeFile(t, path, "trouble\n")
		time.Sleep(time.Minute)
		synctest.Wait()
		if !slices.Equal(s.lines, []string{"trouble"}) {
			t.Errorf("lines %q", s.lines)
		}
	})
}

// TestFindMark looks for pieces in a whole that is larger than what is read
// at once, at its start, its end and across the seams.
func TestFindMark(t *testing.T) {
	path := filepath.Join(t.TempDir(), "mail.log")
	var text strings.Builder
	r := rand.New(rand.NewSource(1))
	var starts []int
	for i := 0; text.Len() < 3*searchChunk+17; i++ {
		starts = append(starts, text.Len())
		fmt.Fprintf(&text, "line %06d %s\n", i, strings.Repeat("y", r.Intn(200)))
	}
	all := text.String()
	writeFile(t, path, all)
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	size := int64(len(all))
	markAt := func(begin, end int) mark {
		piece := all[begin:]
		head := piece[:min(len(piece), headLen)]
		tail := all[max(begin, end-tailLen):end]
		return mark{Head: len(head), HeadSum: sum([]byte(head)), Tail: len(tail), TailSum: sum([]byte(tail)), Off: int64(end - begin)}
	}
	for range 40 {
		i := r.Intn(len(starts) - 20)
		j := i + r.Intn(len(starts)-20-i)
		if got := findMark(f, size, markAt(starts[i], starts[j])); got != int64(starts[j]) {
			t.Fatalf("mark of %d..%d found at %d", starts[i], starts[j], got)
		}
		m := markAt(starts[i], starts[j])
		m.Tail, m.TailSum = 0, ""
		if got := findMark(f, size, m); got != int64(starts[j]) {
			t.Fatalf("mark of %d..%d without a tail found at %d", starts[i], starts[j], got)
		}
		m = markAt(starts[i], starts[j])
		if m.HeadSum = sum([]byte("other")); findMark(f, size, m) >= 0 {
			t.Fatal("a mark with another head was found")
		}
	}
}

// TestBoundary: what stands at the end of the whole and at the start of the
// piece that is being appended is read once.
func TestBoundary(t *testing.T) {
	old := strings.Repeat("an older line\n", 200000)
	piece := "line 1\nline 2\nline 3\n" + strings.Repeat("more of it\n", 200000)
	tests := []struct {
		name, whole, piece string
		want               int
	}{
		{"nothing appended", old, piece, len(old)},
		{"half a line", old + "lin", piece, len(old)},
		{"a line and a half", old + "line 1\nlin", piece, len(old)},
		{"much of it", old + piece[:2000000], piece, len(old)},
		{"all of it", old + piece, piece, len(old)},
		{"the first piece ever", piece[:30], piece, 0},
		{"no piece", old, "", len(old)},
		{"no whole", "", piece, 0},
		{"another line that begins so", old + "line 1\nline 4\n", piece, len(old) + 14},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := boundary(strings.NewReader(tt.whole), int64(len(tt.whole)), strings.NewReader(tt.piece), int64(len(tt.piece)))
			if got != int64(tt.want) {
				t.Errorf("ends at %d, want %d", got, tt.want)
			}
		})
	}
}

func TestRotatedOf(t *testing.T) {
	dir := t.TempDir()
	want := []string{"mail.log.2.gz", "mail.log.1", "mail.log", "mail.log_yesterday", "mail.log_current"}
	for _, n := range append(want, "mail.log_other", "mail.log_current.swp", "connection.log") {
		writeFile(t, filepath.Join(dir, n), n+"\n")
	}
	got, err := RotatedOf(mta.LogSource{Path: filepath.Join(dir, "mail.log_current"), Older: []string{"mail.log_yesterday", "mail.log"}})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(paths(dir, want), got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

// TestInTimeOrderOfDays: the whole was written last night after yesterday's
// piece, and is older all the same.
func TestInTimeOrderOfDays(t *testing.T) {
	dir := t.TempDir()
	want := []string{"mail.log.1", "mail.log", "mail.log_yesterday", "mail.log_current"}
	at := time.Date(2026, 11, 23, 0, 0, 0, 0, time.UTC)
	for i, n := range want {
		writeFile(t, filepath.Join(dir, n), n+"\n")
		if n == "mail.log" {
			i += 2
		}
		if err := os.Chtimes(filepath.Join(dir, n), at, at.Add(time.Duration(i)*time.Second)); err != nil {
			t.Fatal(err)
		}
	}
	got, err := InTimeOrder(paths(dir, []string{"mail.log_current", "mail.log", "mail.log_yesterday", "mail.log.1"}))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(paths(dir, want), got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	if log, n := LogOf(filepath.Join(dir, "mail.log_current")); log != filepath.Join(dir, "mail.log") || n != -1 {
		t.Errorf("LogOf gives %s, %d", log, n)
	}
}
