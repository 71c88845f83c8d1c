//go:build live && linux

package live

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/mtawatch/mtawatch/test/live/world"
)

// box is the world that all tests of this program share, one after another.
// Only TestMain writes it, before any test runs.
var box *world.Box

func TestMain(m *testing.M) {
	setup := world.Setup{Tools: append(world.JournalTools(), append(world.ExporterTools(), world.SyslogTools()...)...), Prepare: prepare}
	os.Exit(world.Run(setup, func(b *world.Box) int {
		box = b
		return m.Run()
	}))
}

// prepare builds the binary under test. Where that fails the world is made
// all the same, and every test that needs the binary fails with the reason.
func prepare(shared string) error {
	if err := world.Build(shared); err != nil {
		return os.WriteFile(filepath.Join(shared, "build-error"), []byte(err.Error()), 0o644)
	}
	return nil
}

func startPostfix(t *testing.T, c world.PostfixConfig) *world.Postfix {
	t.Helper()
	p, err := box.Postfix(c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := p.Remove(); err != nil {
			t.Errorf("remove postfix: %v", err)
		}
		if t.Failed() && p.Log != "" {
			keep(t, p.LogPieces()...)
		}
	})
	return p
}

func startJournal(t *testing.T) *world.Journal {
	t.Helper()
	j, err := box.Journal()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(j.Stop)
	return j
}

func startRemote(t *testing.T, list []world.Behaviour) *world.Remote {
	t.Helper()
	r, err := box.Remote(list)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(r.Stop)
	return r
}

// newWatcher prepares the binary under test, not started.
func newWatcher(t *testing.T, args ...string) *world.Watcher {
	t.Helper()
	if why, err := os.ReadFile(filepath.Join(box.Shared, "build-error")); err == nil {
		t.Fatalf("%s", why)
	}
	w, err := box.Watcher(args...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("mtawatch said:\n%s", w.Log())
			keep(t, w.LogFile)
		}
	})
	return w
}

func startWatcher(t *testing.T, args ...string) *world.Watcher {
	t.Helper()
	w := newWatcher(t, args...)
	if err := w.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := w.Stop(); err != nil {
			t.Error(err)
		}
	})
	if err := w.WaitReady(); err != nil {
		t.Fatal(err)
	}
	return w
}

// keep copies files of a failed test to the directory named in LIVE_KEEP:
// the world's own are gone with it.
func keep(t *testing.T, files ...string) {
	dir := os.Getenv("LIVE_KEEP")
	if dir == "" {
		return
	}
	for _, name := range files {
		b, err := os.ReadFile(name)
		if err == nil {
			err = os.WriteFile(filepath.Join(dir, t.Name()+"-"+filepath.Base(name)), b, 0o644)
		}
		if err != nil {
			t.Logf("keep %s: %v", name, err)
		}
	}
}

// runJSON runs a command that must succeed with one of the given statuses
// and print one JSON value.
func runJSON(t *testing.T, w *world.Watcher, codes []int, into any, args ...string) []byte {
	t.Helper()
	out, stderr, code, err := w.Run(args...)
	if err != nil {
		t.Fatalf("mtawatch %v: %v: %s", args, err, stderr)
	}
	ok := false
	for _, c := range codes {
		ok = ok || c == code
	}
	if !ok {
		t.Fatalf("mtawatch %v: exit status %d, want one of %v: %s%s", args, code, codes, out, stderr)
	}
	if into != nil {
		if err := json.Unmarshal(out, into); err != nil {
			t.Fatalf("mtawatch %v: %v in %.500q", args, err, out)
		}
	}
	return out
}

// eventually asks until there is no error, and fails with the last one when
// three times the limit has passed: a slow machine is no fault. The limit
// only bounds a failing test.
func eventually(t *testing.T, limit time.Duration, ask func() error) {
	t.Helper()
	limit *= 3
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	defer cancel()
	for {
		err := ask()
		if err == nil {
			return
		}
		select {
		case <-ctx.Done():
			t.Fatalf("within %s: %v", limit, err)
		case <-time.After(100 * time.Millisecond):
		}
	}
}

// wantMetric compares one sum of /metrics with a count.
func wantMetric(m world.Metrics, want int, name string, labels ...string) error {
	got, ok := m.Sum(name, labels...)
	if !ok && want != 0 {
		return fmt.Errorf("%s%v is absent, want %d", name, labels, want)
	}
	if int(got) != want {
		return fmt.Errorf("%s%v = %v, want %d", name, labels, got, want)
	}
	return nil
}
