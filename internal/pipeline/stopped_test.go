package pipeline

import (
	"context"
	"log/slog"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/mtawatch/mtawatch/internal/mta"
)

// TestStoppedDaemonIsLookedAt: a daemon that was seen stopped is looked at
// again every two seconds, so that it is told soon, and since it was first seen so.
func TestStoppedDaemonIsLookedAt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		began := time.Now()
		process := func(pid, parent int, name, state string) mta.Process {
			return mta.Process{PID: pid, PPID: parent, Name: name, State: state, Start: began}
		}
		known := byName()
		b := New(Config{Adapters: known, Judge: true, Logger: slog.New(slog.DiscardHandler)})
		b.SetInstances([]mta.Instance{{MTA: "postfix", Name: "postfix", Running: true}})
		m := new(table)
		master := process(10, 1, "master", "S")
		m.set(master, process(11, 10, "qmgr", "S"))
		g, ctx := errgroup.WithContext(ctx)
		r := &runner{Live: Live{Belt: b, Machine: m, Adapters: known, Logger: slog.New(slog.DiscardHandler)}, group: g}
		g.Go(func() error {
			return every(ctx, b.cfg.Interval, func(ctx context.Context) error {
				err := r.tick(ctx)
				r.readProcesses(ctx, b.Instances()) // just too late for it
				return err
			})
		})
		g.Go(func() error { return every(ctx, missedEvery, r.lookForMissed) })
		told := func(after time.Duration, want string) mta.Finding {
			t.Helper()
			return toldAfter(t, b, after, mta.FindingJobControllerDown, want)
		}
		told(31*time.Second, "")
		m.set(master, process(11, 10, "qmgr", "T")) // read 9 s later
		told(12*time.Second, "")
		f := told(8*time.Second, "is stopped")
		if seen := began.Add(40 * time.Second); f.Since.Before(seen) || f.Since.After(seen.Add(missedEvery)) {
			t.Errorf("since %s, first seen %s", f.Since, seen)
		}
		if s := b.Status(time.Now()).Instances[0].Processes; !slices.Equal(s.Stopped, []string{"job-controller"}) || len(s.Missing) > 0 {
			t.Errorf("stopped %q, missing %q", s.Stopped, s.Missing)
		}
		m.set(master, process(11, 10, "qmgr", "S"))
		told(3*time.Second, "no trouble is seen")
		if s := b.Status(time.Now()).Instances[0].Processes; len(s.Stopped) > 0 {
			t.Errorf("it goes on, and stopped is %q", s.Stopped)
		}
		cancel()
		if err := g.Wait(); err != nil {
			t.Error(err)
		}
	})
}
