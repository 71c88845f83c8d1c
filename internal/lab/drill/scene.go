package drill

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"

	"github.com/mtawatch/mtawatch/internal/lab/stage"
	"github.com/mtawatch/mtawatch/internal/lab/watched"
	"github.com/mtawatch/mtawatch/internal/lab/world"
	"github.com/mtawatch/mtawatch/internal/mta"
)

// Scene is where a drill happens: a practice MTA with ordinary mail, and an
// mtawatch that knows two weeks of it.
type Scene struct {
	Mending

	Stage   *stage.Stage
	World   *world.World
	Watcher *watched.Watcher

	ctx    context.Context // of all that goes on beside
	cancel context.CancelFunc
	beside sync.WaitGroup
	mark   int64 // length of the log when the drill began

	mu     sync.Mutex
	failed error // what went wrong beside
}

// Beside runs f until the drill is over.
func (s *Scene) Beside(f func(ctx context.Context)) { s.During(s.ctx, f) }

// fail tells that something beside the drill went wrong.
func (s *Scene) fail(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.failed = errors.Join(s.failed, err)
}

// Failure gives what went wrong beside the drill.
func (s *Scene) Failure() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.failed
}

// Findings asks the watcher for all that it found.
func (s *Scene) Findings(ctx context.Context) (open, past []mta.Finding, err error) {
	f, err := s.Watcher.Findings(ctx)
	return f.Open, f.Past, err
}

// pids gives the processes of a program of this MTA.
func (s *Scene) pids(program string) ([]int, error) {
	pids, err := s.Stage.Site.Processes(program)
	if err != nil {
		return nil, err
	}
	if len(pids) == 0 {
		return nil, fmt.Errorf("no %s of %s runs", program, s.Stage.Site.Base)
	}
	return pids, nil
}

// signal sends a signal to processes; none is an error.
func signal(sig syscall.Signal, pids ...int) error {
	if len(pids) == 0 {
		return errors.New("no such process runs")
	}
	for _, pid := range pids {
		if err := syscall.Kill(pid, sig); err != nil {
			return fmt.Errorf("signal %d: %w", pid, err)
		}
	}
	return nil
}

// imsimta runs a verb of the MTA's own command.
func (s *Scene) imsimta(args ...string) error {
	var out bytes.Buffer
	if err := s.Stage.Command(&out, "imsimta", args...).Run(); err != nil {
		return fmt.Errorf("run imsimta %s: %w: %s", strings.Join(args, " "), err, bytes.TrimSpace(out.Bytes()))
	}
	return nil
}

// logFile is the MTA's log.
func (s *Scene) logFile() string { return filepath.Join(s.Stage.Site.LogDir(), "mail.log_current") }

// markLog remembers how long the log is: logged looks at what comes after.
func (s *Scene) markLog() {
	if fi, err := os.Stat(s.logFile()); err == nil {
		s.mark = fi.Size()
	}
}

// logged makes an Evidence of a text in the log since the beginning.
func logged(text string) func(*Scene) (bool, error) {
	return func(s *Scene) (bool, error) {
		f, err := os.Open(s.logFile())
		if err != nil {
			return false, err
		}
		defer f.Close()
		fi, err := f.Stat()
		if err != nil || fi.Size() <= s.mark {
			return false, err
		}
		b := make([]byte, fi.Size()-s.mark)
		n, err := f.ReadAt(b, s.mark)
		if n < len(b) && err != nil {
			return false, err
		}
		return bytes.Contains(b, []byte(text)), nil
	}
}

// tcpState makes an Evidence of that many sockets of the SMTP port in a state,
// as the kernel numbers them (include/net/tcp_states.h).
func tcpState(state string, atLeast int) func(*Scene) (bool, error) {
	return func(s *Scene) (bool, error) {
		b, err := os.ReadFile("/proc/net/tcp")
		if err != nil {
			return false, err
		}
		port := fmt.Sprintf(":%04X", s.Stage.Ports.SMTP)
		n := 0
		for line := range strings.Lines(string(b)) {
			_, rest, _ := strings.Cut(line, ": ")
			if f := strings.Fields(rest); len(f) > 2 && strings.HasSuffix(f[0], port) && f[2] == state {
				n++
			}
		}
		return n >= atLeast, nil
	}
}
