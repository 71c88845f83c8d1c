//go:build linux

package drill

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os/exec"
	"syscall"
	"time"

	board "github.com/mtawatch/mtawatch/internal/lab/drill"
	"github.com/mtawatch/mtawatch/internal/mta"
)

func daemonDrills() []Drill {
	return []Drill{
		{
			Name: "dispatcher-killed", Text: "SIGKILL to master; no log line",
			Codes: []mta.FindingCode{mta.FindingDispatcherDown}, Limit: board.AtOnce,
			Also:  []mta.FindingCode{mta.FindingJobControllerDown},
			Begin: killMaster,
		},
		{
			Name: "dispatcher-stopped", Text: "SIGSTOP to master: it runs and does nothing",
			Codes: []mta.FindingCode{mta.FindingDispatcherDown}, Limit: board.InAWhile,
			Begin: func(s *Scene) error { return s.Stop(s.Postfix.MasterPID()) },
		},
		{
			Name: "qmgr-killed", Text: "SIGKILL to qmgr; master starts another when mail comes",
			Codes: []mta.FindingCode{mta.FindingJobControllerDown}, Limit: board.AtOnce,
			Begin: func(s *Scene) error { return board.Signal(syscall.SIGKILL, s.Postfix.Daemons("qmgr")...) },
		},
		{
			Name: "qmgr-stopped", Text: "SIGSTOP to qmgr; no log line at all, mail is taken and stays",
			Codes: []mta.FindingCode{mta.FindingJobControllerDown, mta.FindingQueueNotDraining}, Limit: board.InAWhile,
			Begin: func(s *Scene) error { return s.Stop(s.Postfix.Daemons("qmgr")...) },
		},
		{
			Name: "qmgr-cannot-start", Text: "a bad parameter in master.cf and a reload: qmgr ends at each start",
			Codes: []mta.FindingCode{mta.FindingJobControllerDown, mta.FindingDaemonFlapping}, Limit: board.Soon,
			Begin: breakQmgr, Evidence: logged("bad command startup -- throttling"),
		},
		{
			Name: "second-instance", Text: "a second master on the same queue is refused by the lock (harmless)",
			Limit: board.Soon, Begin: secondMaster,
		},
		{
			Name: "reload", Text: "postfix reload, three times (harmless)",
			Limit: 90 * time.Second, Begin: reloads,
		},
		{
			Name: "restart", Text: "postfix stop by the administrator, and start at the end: told at once, and over",
			Codes: []mta.FindingCode{mta.FindingDispatcherDown}, Limit: board.AtOnce,
			Also: []mta.FindingCode{mta.FindingJobControllerDown},
			Begin: func(s *Scene) error {
				s.Undo(s.Postfix.Start)
				return s.Postfix.Stop()
			},
		},
	}
}

// killMaster ends master as a crash would. Postfix is started again when its
// children have gone: while one of them still has a client, it listens too.
func killMaster(s *Scene) error {
	if err := board.Signal(syscall.SIGKILL, s.Postfix.MasterPID()); err != nil {
		return err
	}
	s.Undo(func() error {
		if s.Postfix.MasterPID() != 0 {
			return errors.New("master runs again, and nobody started it")
		}
		return s.Postfix.Start()
	})
	return nil
}

// breakQmgr makes qmgr end at each start. A reload alone does not end the
// running one, which reads no parameters again.
func breakQmgr(s *Scene) error {
	const bad = "qmgr/unix/qmgr_message_active_limit"
	if _, err := s.Postfix.Command("postconf", "-P", bad+"=many"); err != nil {
		return err
	}
	s.Undo(func() error {
		_, err := s.Postfix.Command("postconf", "-PX", bad)
		return errors.Join(err, s.Postfix.Reload())
	})
	return s.Postfix.Reload()
}

// secondMaster starts another master beside the running one and expects
// Postfix's own lock to refuse it.
func secondMaster(s *Scene) error {
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	first := s.Postfix.MasterPID()
	cmd := exec.CommandContext(ctx, "/usr/lib/postfix/sbin/master", "-d", "-c", s.Postfix.ConfigDir)
	out, err := cmd.CombinedOutput()
	var exit *exec.ExitError
	if !errors.As(err, &exit) || ctx.Err() != nil || s.Postfix.MasterPID() != first {
		return fmt.Errorf("start a second master: it was not refused: %w: %s", err, bytes.TrimSpace(out))
	}
	return nil
}

func reloads(s *Scene) error {
	s.Beside(func(ctx context.Context) {
		for range 3 {
			_ = s.Postfix.Reload()
			select {
			case <-ctx.Done():
			case <-time.After(20 * time.Second):
			}
		}
	})
	return nil
}
