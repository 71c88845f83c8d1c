package app

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"sync"

	"github.com/mtawatch/mtawatch/internal/host"
	"github.com/mtawatch/mtawatch/internal/mta"
)

// sockets is the machine with the count of closed connections joined to each
// reading of the socket table, so that connections shorter than the interval
// are seen too.
type sockets struct {
	*host.Machine
	log *slog.Logger

	mu    sync.Mutex
	ports []uint16
	watch *host.CloseWatch
	bad   bool // the kernel does not give it
	lost  bool // it gave it with gaps since the last reading
	total map[uint16]int64

	opened chan *host.CloseWatch // the watch that run empties next
}

func newSockets(m *host.Machine, log *slog.Logger) *sockets {
	return &sockets{Machine: m, log: log, total: make(map[uint16]int64), opened: make(chan *host.CloseWatch, 1)}
}

// Sockets reads the socket table and adds how many connections have closed
// on each port since the first reading; -1 once that is not known for sure.
func (s *sockets) Sockets(ctx context.Context, ports []uint16) (mta.Connections, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.open(ports)
	s.drain()
	lost := s.lost
	s.lost = false
	c, err := s.Machine.Sockets(ctx, ports)
	if err != nil {
		return c, err
	}
	for i := range c.Ports {
		p := &c.Ports[i]
		if p.Closed = -1; s.watch != nil && !s.bad && !lost {
			p.Closed = s.total[p.Port]
		}
	}
	return c, nil
}

// open begins the watch, and begins anew when the ports change.
func (s *sockets) open(ports []uint16) {
	if slices.Equal(ports, s.ports) && (s.watch != nil || s.bad) {
		return
	}
	if s.watch != nil {
		s.drain()
		s.closeWatch()
	}
	s.ports = slices.Clone(ports)
	if len(ports) == 0 {
		return
	}
	w, err := host.OpenCloseWatch(ports)
	if err != nil {
		s.log.Warn("closed connections are not counted", "error", err)
		s.bad = true
		return
	}
	s.watch = w
	select {
	case <-s.opened: // one that run never took
	default:
	}
	s.opened <- w
}

// run empties the kernel's buffer as connections close, until ctx ends.
// Without it the buffer must hold a whole interval, and without privileges it
// is small.
func (s *sockets) run(ctx context.Context) error {
	for {
		select {
		case <-ctx.Done():
			return nil
		case w := <-s.opened:
			if err := w.Run(ctx); err != nil && ctx.Err() == nil && !errors.Is(err, host.ErrClosed) {
				s.log.Warn("closed connections are read only at each interval", "error", err)
			}
		}
	}
}

func (s *sockets) drain() {
	if s.watch == nil {
		return
	}
	closed, err := s.watch.Drain()
	if err != nil {
		s.log.Warn("closed connections are no longer counted", "error", err)
		s.bad = true
		return
	}
	s.add(closed)
}

func (s *sockets) closeWatch() {
	if err := s.watch.Close(); err != nil {
		s.log.Debug("close connection watch", "error", err)
	}
	s.watch = nil
}

// Close ends the watch.
func (s *sockets) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.watch != nil {
		s.closeWatch()
	}
	return nil
}

// add joins what was counted since the last reading. After a loss the totals
// begin anew, as a counter does after a restart.
func (s *sockets) add(c host.Closed) {
	if c.Lost {
		s.log.Warn("the kernel told of more closed connections than could be read; their count begins anew")
		clear(s.total)
		s.lost = true
		return
	}
	for _, p := range c.Ports {
		s.total[p.Port] += p.Recent
	}
}
