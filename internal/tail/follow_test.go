package tail

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/mtawatch/mtawatch/internal/mta"
)

// run follows a file in a synctest bubble until stop.
func run(t *testing.T, cfg Config, path, place string, s *store) (stop func()) {
	return runInto(t, cfg, path, place, s)
}

// runInto is run for any sink.
func runInto(t *testing.T, cfg Config, path, place string, s Sink) (stop func()) {
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- Follow(ctx, cfg, mta.LogSource{Kind: mta.LogFile, Path: path}, place, s) }()
	return func() {
		cancel()
		if err := <-ended; !errors.Is(err, context.Canceled) {
			t.Errorf("follower ended: %v", err)
		}
	}
}

// letPass lets time pass in a synctest bubble, until the follower waits again.
func letPass(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

func TestBlindSpots(t *testing.T) {
	tests := []struct {
		name  string
		make  func(t *testing.T, path string)
		mend  func(path string) error
		kind  mta.BlindKind
		words string
	}{
		{name: "missing", make: func(*testing.T, string) {}, mend: func(string) error { return nil }, kind: mta.BlindMissing, words: "is not there"},
		{name: "missing directory", make: func(_ *testing.T, path string) { os.Remove(filepath.Dir(path)) },
			mend: func(path string) error { return os.Mkdir(filepath.Dir(path), 0o700) }, kind: mta.BlindMissing, words: "is not there"},
		{name: "directory", make: func(t *testing.T, path string) { os.Mkdir(path, 0o700) }, mend: os.Remove, kind: mta.BlindUnreadable, words: "is a directory"},
		{name: "FIFO", make: func(t *testing.T, path string) {
			if err := syscall.Mkfifo(path, 0o600); err != nil {
				t.Fatal(err)
			}
		}, mend: os.Remove, kind: mta.BlindUnreadable, words: "named pipe"},
		{name: "link in a circle", make: func(t *testing.T, path string) { os.Symlink(path, path) }, mend: os.Remove, kind: mta.BlindUnreadable, words: "too many"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				path := filepath.Join(t.TempDir(), "log", "mail.log")
				if err := os.Mkdir(filepath.Dir(path), 0o700); err != nil {
					t.Fatal(err)
				}
				tt.make(t, path)
				s := &store{}
				stop := run(t, Config{}, path, "", s)
				letPass(time.Minute)
				if diff := cmp.Diff([]mta.BlindKind{tt.kind}, s.kinds()); diff != "" {
					t.Fatalf("blind spots -want +got:\n%s", diff)
				}
				s.mu.Lock()
				b, idle := s.spots[0], s.idle
				s.mu.Unlock()
				if !strings.Contains(b.Text, tt.words) || b.Advice == "" || b.Source != path {
					t.Errorf("blind spot says %+v", b)
				}
				if idle > 0 {
					t.Error("told idle while blind")
				}
				if err := tt.mend(path); err != nil {
					t.Fatal(err)
				}
				writeFile(t, path, "a\nb\n")
				letPass(time.Second)
				stop()
				if diff := cmp.Diff([]string{"a", "b"}, s.lines); diff != "" || s.fine != 1 || s.idle == 0 {
					t.Errorf("told fine %d times, idle %d times; lines -want +got:\n%s", s.fine, s.idle, diff)
				}
			})
		})
	}
}

func TestFileVanishesAndReturns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "mail.log")
		writeFile(t, path, "a\n")
		s := &store{}
		stop := run(t, Config{}, path, "", s)
		letPass(time.Second)
		os.Remove(path)
		letPass(5 * time.Second)
		if ks := s.kinds(); len(ks) != 0 {
			t.Errorf("blind at once: %v", ks)
		}
		letPass(time.Minute)
		if diff := cmp.Diff([]mta.BlindKind{mta.BlindMissing}, s.kinds()); diff != "" {
			t.Errorf("blind spots -want +got:\n%s", diff)
		}
		writeFile(t, path, "b\n")
		letPass(10 * time.Second)
		stop()
		if diff := cmp.Diff([]string{"a", "b"}, s.lines); diff != "" || s.fine != 1 {
			t.Errorf("told fine %d times; lines -want +got:\n%s", s.fine, diff)
		}
	})
}

func TestLateLineInOldFile(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "mail.log")
		writeFile(t, path, "a\n")
		old, err := os.OpenFile(path, os.O_APPEND|os.O_WRONLY, 0)
		if err != nil {
			t.Fatal(err)
		}
		defer old.Close()
		s := &store{}
		stop := run(t, Config{}, path, "", s)
		letPass(time.Second)
		os.Rename(path, path+".1")
		writeFile(t, path, "b\n")
		letPass(10 * time.Second)
		old.WriteString("late 1\n")
		letPass(time.Second)
		// The same over a restart, with the line written while it is down.
		stop()
		old.WriteString("late 2\n")
		stop = run(t, Config{}, path, s.place, s)
		letPass(time.Second)
		stop()
		if diff := cmp.Diff([]string{"a", "b", "late 1", "late 2"}, s.lines); diff != "" || len(s.spots) > 0 {
			t.Errorf("blind spots %v; lines -want +got:\n%s", s.spots, diff)
		}
	})
}

func TestLost(t *testing.T) {
	tests := []struct {
		name   string
		while  func(t *testing.T, path string) // done while the follower is down
		live   func(t *testing.T, path string) // done while it runs
		place  string
		want   []string
		spotty string
	}{
		{name: "rotated away", while: func(t *testing.T, path string) {
			os.Remove(path)
			writeFile(t, path+".1", "c\n")
			writeFile(t, path, "d\n")
		}, want: []string{"a", "b", "c", "d"}, spotty: "rotated away unread"},
		{name: "emptied without a copy", live: func(t *testing.T, path string) {
			writeFile(t, path, "c\n")
		}, want: []string{"a", "b", "c"}, spotty: "no rotated copy"},
		{name: "written anew beyond the place", live: func(t *testing.T, path string) {
			writeFile(t, path, "c\nd\ne\nf\n")
		}, want: []string{"a", "b", "c", "d", "e", "f"}, spotty: "no rotated copy"},
		{name: "bad place", place: "{", want: []string{"a", "b", "a", "b"}, spotty: "cannot be read"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				path := filepath.Join(t.TempDir(), "mail.log")
				writeFile(t, path, "a\nb\n")
				s := &store{}
				stop := run(t, Config{}, path, "", s)
				letPass(time.Second)
				if tt.live != nil {
					tt.live(t, path)
					letPass(time.Second)
				}
				stop()
				if tt.while != nil {
					tt.while(t, path)
				}
				if tt.place != "" {
					s.place = tt.place
				}
				stop = run(t, Config{}, path, s.place, s)
				letPass(10 * time.Second)
				stop()
				if diff := cmp.Diff(tt.want, s.lines); diff != "" {
					t.Errorf("lines -want +got:\n%s", diff)
				}
				if len(s.spots) != 1 || s.spots[0].Kind != mta.BlindLost || !strings.Contains(s.spots[0].Text, tt.spotty) {
					t.Errorf("blind spots %+v, want one that says %q", s.spots, tt.spotty)
				}
			})
		})
	}
}

func TestFromEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "mail.log")
		writeFile(t, path, "a\nb\nhalf")
		s := &store{}
		stop := run(t, Config{From: FromEnd}, path, "", s)
		letPass(time.Second)
		f, err := os.OpenFile(path, os.O_APPEND|os.O_WRONLY, 0)
		if err != nil {
			t.Fatal(err)
		}
		f.WriteString(" whole\nc\n")
		f.Close()
		letPass(time.Second)
		stop()
		if diff := cmp.Diff([]string{"half whole", "c"}, s.lines); diff != "" {
			t.Errorf("lines -want +got:\n%s", diff)
		}
		if !s.last.AtEnd || s.last.Behind != 0 {
			t.Errorf("last batch: at end %t, %d behind", s.last.AtEnd, s.last.Behind)
		}
	})
}

// hotWriter writes numbered lines as fast as it can while rotate is called
// between two of them, 20 times. The follower runs beside it in real time.
func hotWriter(t *testing.T, rotate func(path string, n int, f *os.File) *os.File) {
	path := filepath.Join(t.TempDir(), "mail.log")
	open := func() *os.File {
		f, err := os.OpenFile(path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
		if err != nil {
			t.Fatal(err)
		}
		return f
	}
	const total = 200_000
	s := &store{}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	s.onIdle = func() {
		if len(s.lines) >= total {
			cancel()
		}
	}
	ended := make(chan error, 1)
	f := open()
	go func() {
		ended <- Follow(ctx, Config{Poll: 5 * time.Millisecond}, mta.LogSource{Kind: mta.LogFile, Path: path}, "", s)
	}()
	var want []string
	for i := range total {
		line := fmt.Sprintf("2026-11-23T12:00:00 mail postfix/smtp[1]: line %d", i)
		want = append(want, line)
		if _, err := f.WriteString(line + "\n"); err != nil {
			t.Fatal(err)
		}
		if i%(total/20) == total/40 {
			f = rotate(path, i/(total/20), f)
		}
	}
	f.Close()
	deadline := time.AfterFunc(time.Minute, cancel)
	defer deadline.Stop()
	<-ended
	slices.Sort(want)
	got := slices.Sorted(slices.Values(s.lines))
	if !slices.Equal(got, want) || !slices.IsSortedFunc(s.lines, func(a, b string) int { return len(a) - len(b) }) {
		t.Errorf("%d lines of %d: %s", len(got), len(want), firstDiff(got, want))
	}
	for _, b := range s.spots {
		t.Errorf("blind spot %s: %s", b.Kind, b.Text)
	}
}

func TestRenameUnderHotWriter(t *testing.T) {
	hotWriter(t, func(path string, n int, f *os.File) *os.File {
		if err := os.Rename(path, fmt.Sprintf("%s-%08d", path, 20260101+n)); err != nil {
			t.Fatal(err)
		}
		fmt.Fprint(f, "") // the writer still holds the old file
		f.Close()
		f, err := os.OpenFile(path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
		if err != nil {
			t.Fatal(err)
		}
		return f
	})
}

// The writer is still while the file is copied and truncated: what is written
// in between no rotation keeps.
func TestCopytruncateUnderHotWriter(t *testing.T) {
	hotWriter(t, func(path string, n int, f *os.File) *os.File {
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		writeFile(t, fmt.Sprintf("%s-%08d", path, 20260101+n), string(data))
		if err := os.Truncate(path, 0); err != nil {
			t.Fatal(err)
		}
		return f
	})
}

func FuzzPlace(f *testing.F) {
	f.Add("")
	f.Add("{}")
	f.Add(`{"v":1,"path":"/x","at":{"path":"/x","dev":1,"ino":2,"head":3,"head_sum":"00","tail":3,"tail_sum":"00","off":3}}`)
	f.Add(`{"v":1,"at":{"off":-1}}`)
	f.Add(`{"v":1,"cursor":"s=1"}`)
	f.Fuzz(func(t *testing.T, text string) {
		p, err := parsePlace(text)
		if err != nil {
			return
		}
		again, err := parsePlace(p.String())
		if err != nil {
			t.Fatalf("place %q becomes %q: %v", text, p, err)
		}
		if diff := cmp.Diff(p, again); diff != "" {
			t.Fatalf("place changes when stored: %s", diff)
		}
	})
}

// TestCopyBegun starts while a copytruncate has made its copy and not yet
// filled it: the lines are read from the log, and not again from the copy.
func TestCopyBegun(t *testing.T) {
	dir := t.TempDir()
	log := filepath.Join(dir, "mail.log")
	lines := func(from, to int) (s string) {
		for i := from; i < to; i++ {
			s += fmt.Sprintf("line %06d\n", i)
		}
		return s
	}
	write := func(name, text string) {
		t.Helper()
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write(log, lines(0, 50))
	write(log+".1", "")
	f := &follower{cfg: Config{StartRotated: true}.withDefaults(), src: mta.LogSource{Kind: mta.LogFile, Path: log}}
	defer f.closeAll()
	var got strings.Builder
	f.sink = takes(func(b Batch) { got.WriteString(b.Text) })
	if !f.begin() || len(f.chain) != 1 {
		t.Fatalf("the chain has %d files after the first, want 1: the copy and the log", len(f.chain))
	}
	write(log+".1", lines(0, 30)+"lin") // the copy goes on
	for range 20 {
		if _, err := f.step(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if got.String() != lines(0, 50) {
		t.Errorf("got %q", got.String())
	}
}

// takes is a sink of batches alone.
type takes func(Batch)

func (f takes) Batch(_ context.Context, b Batch) error { f(b); return nil }
func (takes) Blind(string, *mta.BlindSpot)             {}
func (takes) Idle(context.Context, string) error       { return nil }
