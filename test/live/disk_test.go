//go:build live && linux

package live

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/mtawatch/mtawatch/test/live/world"
)

// TestStoreFull fills the disk below the store while the watcher runs: it
// must go on counting and say what it cannot keep, store again when there is
// room, and know every count after a kill.
func TestStoreFull(t *testing.T) {
	r := startRemote(t, world.Behaviours()[:1])
	startPostfix(t, world.PostfixConfig{})
	w := newWatcher(t)
	if err := os.MkdirAll(w.DataDir, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := unix.Mount("tmpfs", w.DataDir, "tmpfs", 0, "mode=0755,size=6m"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = unix.Unmount(w.DataDir, unix.MNT_DETACH) })
	if err := w.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { w.Kill() })
	if err := w.WaitReady(); err != nil {
		t.Fatal(err)
	}
	sendOK(t, "25", 5)
	deliveries(t, w, r, map[string]int{"postfix": 5})

	filler := filepath.Join(w.DataDir, "filler")
	fill(t, filler)
	sendOK(t, "25", 200)
	deliveries(t, w, r, map[string]int{"postfix": 205})
	wantBlind(t, w, "store", "failing")
	sendOK(t, "25", 5)
	deliveries(t, w, r, map[string]int{"postfix": 210})
	if w.Ended() {
		t.Fatalf("the watcher ended: %s", w.Log())
	}

	if err := os.Remove(filler); err != nil {
		t.Fatal(err)
	}
	wantBlind(t, w, "store", "")
	sendOK(t, "25", 5)
	deliveries(t, w, r, map[string]int{"postfix": 215})
	w.Kill()
	if err := w.Start(); err != nil {
		t.Fatal(err)
	}
	if err := w.WaitReady(); err != nil {
		t.Fatal(err)
	}
	deliveries(t, w, r, map[string]int{"postfix": 215})
}

// fill writes until the disk is full.
func fill(t *testing.T, name string) {
	t.Helper()
	f, err := os.Create(name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	block := make([]byte, 4096)
	for err == nil {
		_, err = f.Write(block)
	}
	if !errors.Is(err, syscall.ENOSPC) {
		t.Fatal(err)
	}
}

// wantBlind waits for the blind spot of one source to be of a kind; "" for
// none.
func wantBlind(t *testing.T, w *world.Watcher, source, kind string) {
	t.Helper()
	eventually(t, time.Minute, func() error {
		b, err := w.Get("/api/v1/status")
		if err != nil {
			return err
		}
		var answer struct {
			Blind []struct{ Source, Kind string } `json:"blind_spots"`
		}
		if err := json.Unmarshal(b, &answer); err != nil {
			return err
		}
		got := ""
		for _, s := range answer.Blind {
			if s.Source == source {
				got = s.Kind
			}
		}
		if got != kind {
			return fmt.Errorf("blind spot of %s: %q, want %q: %s", source, got, kind, b)
		}
		return nil
	})
}
