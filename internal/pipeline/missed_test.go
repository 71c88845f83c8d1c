package pipeline

import (
	"context"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/mtawatch/mtawatch/internal/adapter"
	"github.com/mtawatch/mtawatch/internal/mta"
)

// table is a machine of which a test says what runs on it.
type table struct {
	Machine
	mu    sync.Mutex
	list  []mta.Process
	reads int
}

func (m *table) Processes(context.Context) ([]mta.Process, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.reads++
	return append([]mta.Process(nil), m.list...), nil
}

func (m *table) set(list ...mta.Process) (reads int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.list = list
	return m.reads
}

// byName is a mail server of a master and a qmgr.
func byName() []adapter.Adapter {
	return []adapter.Adapter{{Name: "postfix", Roles: func(_ mta.Instance, list []mta.Process) []mta.Role {
		roles := make([]mta.Role, len(list))
		for i := range list {
			roles[i] = map[string]mta.Role{"master": mta.RoleDispatcher, "qmgr": mta.RoleJobController}[list[i].Name]
		}
		return roles
	}}}
}

// toldAfter lets time pass in a synctest bubble, holds the title of the open finding
// of a code ("" where there is none) to what is wanted, and gives the finding.
func toldAfter(t *testing.T, b *Belt, after time.Duration, code mta.FindingCode, want string) (f mta.Finding) {
	t.Helper()
	time.Sleep(after)
	synctest.Wait()
	open, _ := b.Findings()
	if i := slices.IndexFunc(open, func(f mta.Finding) bool { return f.Code == code }); i >= 0 {
		f = open[i]
	}
	if want == "" && f.Title != "" || !strings.Contains(f.Title, want) {
		t.Errorf("%s later %q is told, want %q", after, f.Title, want)
	}
	return f
}

// TestMissedDaemonIsLookedFor: while a finding says that a daemon is down its
// return is seen within two seconds, and else processes are not read more often.
func TestMissedDaemonIsLookedFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		process := func(pid, parent int, name string) mta.Process {
			return mta.Process{PID: pid, PPID: parent, Name: name, State: "S", Start: time.Now()}
		}
		known := byName()
		retold := 0
		b := New(Config{Adapters: known, Judge: true, Retold: func() { retold++ }, Logger: slog.New(slog.DiscardHandler)})
		b.SetInstances([]mta.Instance{{MTA: "postfix", Name: "postfix", Running: true}})
		m := new(table)
		master, qmgr := process(10, 1, "master"), process(11, 10, "qmgr")
		m.set(master, qmgr)
		g, ctx := errgroup.WithContext(ctx)
		r := &runner{Live: Live{Belt: b, Machine: m, Adapters: known, Logger: slog.New(slog.DiscardHandler)}, group: g}
		g.Go(func() error {
			return every(ctx, b.cfg.Interval, func(ctx context.Context) error {
				r.readProcesses(ctx, b.Instances())
				return r.tick(ctx)
			})
		})
		g.Go(func() error { return every(ctx, missedEvery, r.lookForMissed) })
		told := func(after time.Duration, want string) {
			t.Helper()
			toldAfter(t, b, after, mta.FindingJobControllerDown, want)
		}
		told(35*time.Second, "")
		if n := m.set(master); n != 4 {
			t.Errorf("processes were read %d times in 35 s, want each 10 s", n)
		}
		b.Exited(qmgr.PID, time.Now())
		b.Glance(time.Now())
		told(12*time.Second, "is down")
		m.set(master, process(20, 10, "qmgr"))
		told(3*time.Second, "is back since "+time.Now().Format("15:04:05"))
		told(12*time.Second, "is back since ")
		told(5*time.Second, "")
		if retold != 1 {
			t.Errorf("pages were told %d times, want once: when it was back", retold)
		}
		cancel()
		if err := g.Wait(); err != nil {
			t.Error(err)
		}
	})
}
