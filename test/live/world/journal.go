//go:build linux

package world

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// Journal is a private systemd-journald. Programs inside the world reach it
// as /dev/log, and journalctl reads it, as on a machine of its own.
type Journal struct{ s *service }

// JournalTools lists what Journal needs.
func JournalTools() []Tool {
	return []Tool{{"systemd-journald", "systemd"}, {"journalctl", "systemd"}}
}

// Journal starts a journal that keeps everything in memory.
func (b *Box) Journal() (*Journal, error) {
	const conf = "[Journal]\nStorage=volatile\nRateLimitIntervalSec=0\nRateLimitBurst=0\nReadKMsg=no\nAudit=no\nForwardToSyslog=no\nForwardToWall=no\n"
	err := errors.Join(os.MkdirAll("/run/systemd/journald.conf.d", 0o755), os.MkdirAll("/run/systemd/journal", 0o755), os.MkdirAll("/run/log/journal", 0o755),
		os.WriteFile("/run/systemd/journald.conf.d/world.conf", []byte(conf), 0o644))
	if err != nil {
		return nil, fmt.Errorf("start journal: %w", err)
	}
	s, err := startService(exec.Command(lookTool("systemd-journald")))
	if err != nil {
		return nil, err
	}
	j := &Journal{s}
	err = within(10*time.Second, func() error {
		if _, err := os.Stat("/run/systemd/journal/dev-log"); err != nil {
			return fmt.Errorf("start journal: %w", err)
		}
		return nil
	})
	if err == nil {
		err = errors.Join(os.WriteFile("/dev/log", nil, 0o666), unix.Mount("/run/systemd/journal/dev-log", "/dev/log", "", unix.MS_BIND, ""))
	}
	if err != nil {
		j.Stop()
		return nil, err
	}
	return j, nil
}

// Lines gives the messages of the journal, one a line, as "tag[pid]: text".
func (j *Journal) Lines() ([]byte, error) {
	// SIGRTMIN+1 makes journald write all to disk; --sync would ask systemd.
	_ = j.s.cmd.Process.Signal(syscall.Signal(35))
	return exec.Command("journalctl", "--directory=/run/log/journal", "-q", "-o", "short", "--no-pager").Output()
}

// Stop ends the journal and forgets what it held.
func (j *Journal) Stop() {
	_ = unix.Unmount("/dev/log", unix.MNT_DETACH)
	_ = os.Remove("/dev/log")
	j.s.stop()
	_ = os.RemoveAll("/run/log/journal")
	_ = os.RemoveAll("/run/systemd/journal")
}
