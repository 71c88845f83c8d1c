package pipeline

import (
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/mtawatch/mtawatch/internal/adapter/all"
	"github.com/mtawatch/mtawatch/internal/mta"
)

// TestDaemonLogsComeAndGo: a daemon that starts anew begins a log of another
// name. That is followed from its start, the one before a little longer, and
// then nothing is left of it, not even its place.
func TestDaemonLogsComeAndGo(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"dispatcher.log-1", "dispatcher.log-2"} {
		text := "[23/Nov/2025:12:00:00 +0000] mail dispatcher[4711]: General Error: first words of " + name + "\n"
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	source := func(n string) string { return filepath.Join(dir, "dispatcher.log-"+n) }
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		g, ctx := errgroup.WithContext(ctx)
		present := "1"
		b := New(Config{Adapters: all.Adapters()})
		r := &runner{Live: Live{Belt: b, Logger: slog.New(slog.DiscardHandler), Detect: func(context.Context) ([]mta.Instance, error) {
			return []mta.Instance{{MTA: "imta", Name: "imta", BaseDir: dir, Logs: []mta.LogSource{{Kind: mta.LogFile, Path: source(present), Quiet: true}}}}, nil
		}}, group: g, tails: make(map[string]*follower), lists: map[string]bool{"imta": true}}
		sources := func() (list []string) {
			for _, s := range b.Status(time.Now()).Sources {
				list = append(list, filepath.Base(s.Source)[len("dispatcher.log-"):])
			}
			return list
		}
		look := func(after time.Duration, want ...string) {
			t.Helper()
			time.Sleep(after)
			if err := r.detect(ctx); err != nil {
				t.Fatal(err)
			}
			time.Sleep(2 * time.Second) // of the bubble: the followers have read
			synctest.Wait()
			if got := sources(); !slices.Equal(got, want) {
				t.Errorf("sources %v, want %v", got, want)
			}
		}
		look(0, "1")
		present = "2"
		look(30*time.Second, "1", "2")
		look(time.Minute, "1", "2")
		look(time.Minute, "2")
		if w := (facts{b}).Warnings("imta", time.Time{}); len(w) != 2 {
			t.Errorf("the daemons' words are %v", w)
		}
		if !slices.Equal(b.dropped, []string{source("1")}) {
			t.Errorf("stored places that are to go: %v", b.dropped)
		}
		cancel()
		if err := g.Wait(); err != nil {
			t.Error(err)
		}
	})
}
