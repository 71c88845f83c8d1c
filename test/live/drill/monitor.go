//go:build linux

package drill

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"time"

	board "github.com/mtawatch/mtawatch/internal/lab/drill"
	"github.com/mtawatch/mtawatch/internal/mta"
)

func monitorDrills() []Drill {
	return []Drill{
		{
			Name: "log-silent", Text: "rsyslogd is gone: mail flows, and nothing is written of it",
			Codes: []mta.FindingCode{mta.FindingBlindSpot}, Limit: board.InAWhile,
			Syslog: true,
			Begin: func(s *Scene) error {
				s.Undo(func() error { return s.Syslog.Start("") })
				s.Syslog.Halt()
				return nil
			},
		},
		{
			Name: "log-moved", Text: "the log is renamed and nobody tells Postfix: it writes on under another name",
			Codes: []mta.FindingCode{mta.FindingBlindSpot}, Limit: board.InAWhile,
			Begin: func(s *Scene) error {
				away := s.log.File + "-kept" // no name that a rotation gives
				s.Undo(func() error { return os.Rename(away, s.log.File) })
				return os.Rename(s.log.File, away)
			},
		},
		{
			// The clock of the machine cannot be set inside a namespace (a
			// time namespace covers the monotonic clocks only), and is not
			// ours to set. The nearest real thing: a log whose stamps step.
			Name: "clock-step", Text: "the log's stamps step an hour ahead, and back (harmless)",
			Syslog: true, Limit: board.InAWhile,
			Begin: func(s *Scene) error {
				s.Undo(func() error { return s.restamp("") })
				return s.restamp("XXX-1")
			},
		},
		{
			Name: "healthy", Text: "ordinary mail, and mtawatch killed or restarted at random (harmless)",
			Limit: healthyFor(), Begin: restarts,
		},
	}
}

// restamp has rsyslogd write its stamps in another zone. The pause is one of
// milliseconds; what Postfix says in it is lost.
func (s *Scene) restamp(zone string) error {
	s.Syslog.Halt()
	return s.Syslog.Start(zone)
}

// healthyFor is the length of the healthy drill: DRILL_HEALTHY ("1h"), or
// five minutes.
func healthyFor() time.Duration {
	if d, err := time.ParseDuration(os.Getenv("DRILL_HEALTHY")); err == nil && d > 0 {
		return d
	}
	return 5 * time.Minute
}

// restarts ends mtawatch at random moments, half of the times without a
// warning, and starts it again.
func restarts(s *Scene) error {
	seed, _ := strconv.ParseUint(os.Getenv("DRILL_SEED"), 10, 64)
	r := rand.New(rand.NewPCG(seed, 7))
	s.Beside(func(ctx context.Context) {
		for {
			sleep(ctx, 20*time.Second+time.Duration(r.Int64N(int64(100*time.Second))))
			if ctx.Err() != nil {
				return
			}
			if err := s.restartWatcher(r.IntN(2) == 0); err != nil {
				s.Fail(fmt.Errorf("restart mtawatch: %w", err))
				return
			}
			sleep(ctx, time.Duration(r.Int64N(int64(10*time.Second))))
		}
	})
	return nil
}

func (s *Scene) restartWatcher(kill bool) error {
	if kill {
		s.Watcher.Kill()
	} else if err := s.Watcher.Stop(); err != nil {
		return err
	}
	if err := s.Watcher.Start(); err != nil {
		return err
	}
	return s.Watcher.WaitReady()
}
