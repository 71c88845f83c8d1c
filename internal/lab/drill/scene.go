package drill

import (
	"bytes"
	"context"
	"fmt"
	"strings"
	"sync"

	"github.com/mtawatch/mtawatch/internal/lab/stage"
	"github.com/mtawatch/mtawatch/internal/lab/watched"
	"github.com/mtawatch/mtawatch/internal/lab/world"
	"github.com/mtawatch/mtawatch/internal/mta"
)

// Scene is where a drill happens: a practice MTA with ordinary mail, and an
// mtawatch that knows two weeks of it.
type Scene struct {
	Mending
	Trouble

	Stage   *stage.Stage
	World   *world.World
	Watcher *watched.Watcher

	ctx    context.Context // of all that goes on beside
	cancel context.CancelFunc
	beside sync.WaitGroup
	log    Log
}

// Beside runs f until the drill is over.
func (s *Scene) Beside(f func(ctx context.Context)) { s.During(s.ctx, f) }

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

// imsimta runs a verb of the MTA's own command.
func (s *Scene) imsimta(args ...string) error {
	var out bytes.Buffer
	if err := s.Stage.Command(&out, "imsimta", args...).Run(); err != nil {
		return fmt.Errorf("run imsimta %s: %w: %s", strings.Join(args, " "), err, bytes.TrimSpace(out.Bytes()))
	}
	return nil
}

// logged makes an Evidence of a text in the log since the beginning.
func logged(text string) func(*Scene) (bool, error) {
	return func(s *Scene) (bool, error) { return s.log.Has(text) }
}

// tcpState makes an Evidence of that many sockets of the SMTP port in a state,
// as Sockets has it.
func tcpState(state string, atLeast int) func(*Scene) (bool, error) {
	return func(s *Scene) (bool, error) {
		n, err := Sockets("/proc/net/tcp", s.Stage.Ports.SMTP, state)
		return n >= atLeast, err
	}
}
