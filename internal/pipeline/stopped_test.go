package pipeline

import (
	"context"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/mtawatch/mtawatch/internal/adapter"
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
		known := []adapter.Adapter{{Name: "postfix", Roles: func(_ mta.Instance, list []mta.Process) []mta.Role {
			roles := make([]mta.Role, len(list))
			for i := range list {
				roles[i] = map[string]mta.Role{"master": mta.RoleDispatcher, "qmgr": mta.RoleJobController}[list[i].Name]
			}
			return roles
		}}}
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
		told := func(after time.Duration, want string) (f mta.Finding) {
			t.Helper()
			time.Sleep(after)
			synctest.Wait()
			open, _ := b.Findings()
			if i := slices.IndexFunc(open, func(f mta.Finding) bool { return f.Code == mta.FindingJobControllerDown }); i >= 0 {
				f = open[i]
			}
			if want == "" && f.Title != "" || !strings.Contains(f.Title, want) {
				t.Errorf("%s later %q is told, want %q", after, f.Title, want)
			}
			return f
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
