package pipeline

import (
	"context"
	"log/slog"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/mtawatch/mtawatch/internal/adapter"
	"github.com/mtawatch/mtawatch/internal/mta"
)

// TestStoppedChannelIsLookedAtOften: while a channel is known to be stopped
// the server's own files are read every few seconds, and its start is judged
// at once; else they are not read more often.
func TestStoppedChannelIsLookedAtOften(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		var stopped atomic.Bool
		var reads atomic.Int32
		known := []adapter.Adapter{{Name: "imta", Conditions: func(context.Context, adapter.Host, mta.Instance) ([]mta.Condition, error) {
			reads.Add(1)
			if !stopped.Load() {
				return nil, nil
			}
			return []mta.Condition{{Kind: mta.ConditionQueueStopped, Subject: "tcp_local", Text: "the channel tcp_local is stopped"}}, nil
		}}}
		b := New(Config{Adapters: known, Judge: true, Logger: slog.New(slog.DiscardHandler)})
		in := mta.Instance{MTA: "imta", Name: "imta", Running: true, Logs: []mta.LogSource{{Path: "/mail.log_current", Quiet: true}}}
		b.SetInstances([]mta.Instance{in})
		untried := mta.Untried{Messages: 42, Oldest: time.Now()}
		b.SetQueue(mta.Queue{Instance: "imta", Time: time.Now(), Queues: []mta.QueueCount{{Name: "tcp_local", Messages: 42, Untried: &untried}}}, time.Hour)
		g, ctx := errgroup.WithContext(ctx)
		r := &runner{Live: Live{Belt: b, Adapters: known, Logger: slog.New(slog.DiscardHandler)}, group: g}
		g.Go(func() error { return every(ctx, b.cfg.Interval, r.tick) })
		g.Go(func() error { return r.watchConditions(ctx, "imta") })
		told := func(after time.Duration, most int32, want string) {
			t.Helper()
			before := reads.Load()
			toldAfter(t, b, after, mta.FindingQueueNotDraining, want)
			if n := reads.Load() - before; n > most {
				t.Errorf("its files were read %d times in %s, want at most %d", n, after, most)
			}
		}
		told(61*time.Second, 4, "")
		stopped.Store(true)
		told(20*time.Second, 2, "is stopped: 42 messages wait in it")
		stopped.Store(false)
		told(conditionsSoon, 1, "works again since ")
		told(55*time.Second, 3, "works again since ")
		told(20*time.Second, 1, "")
		cancel()
		if err := g.Wait(); err != nil {
			t.Error(err)
		}
	})
}
