package world

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// remote is the host of one site. Its manner may be changed while it serves.
type remote struct {
	world *World
	site  *Site

	mu       sync.Mutex
	manner   Manner
	mode     mode
	listener net.Listener // of modeOpen
	deaf     []int        // descriptors of modeDeaf: the listening socket and what fills it
	accepted int
	first    map[string]time.Time // greylisting: when a pair of sender and recipient was first seen
	minute   time.Time            // in which taken were taken
	taken    int
	sessions sync.WaitGroup
}

// mode is what the kernel does with a connection.
type mode int

const (
	modeNone mode = iota
	modeOpen
	modeClosed
	modeDeaf
)

// maxPairs bounds what greylisting remembers.
const maxPairs = 4096

// tick is how often a site looks whether its cycle has turned.
const tick = 250 * time.Millisecond

// run keeps the host as its manner says until ctx ends.
func (r *remote) run(ctx context.Context) error {
	defer r.shut()
	t := time.NewTicker(tick)
	defer t.Stop()
	for {
		if err := r.settle(ctx, time.Now()); err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return nil
		case <-t.C:
		}
	}
}

// settle opens or closes the port as the manner of the moment asks.
func (r *remote) settle(ctx context.Context, now time.Time) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	m, want := r.manner.Now(now), modeOpen
	switch {
	case m.Closed:
		want = modeClosed
	case m.Deaf:
		want = modeDeaf
	}
	if want == r.mode {
		return nil
	}
	r.release()
	switch want {
	case modeOpen:
		l, err := net.Listen("tcp4", r.address())
		if err != nil {
			return fmt.Errorf("open remote site %s: %w", r.site.Name, err)
		}
		r.listener = l
		r.sessions.Go(func() { r.serve(ctx, l) })
	case modeDeaf:
		fds, err := listenDeaf(r.address())
		if err != nil {
			return fmt.Errorf("open remote site %s: %w", r.site.Name, err)
		}
		r.deaf = fds
	}
	r.mode = want
	return nil
}

func (r *remote) address() string {
	return net.JoinHostPort(r.site.address, fmt.Sprint(r.world.cfg.RemotePort))
}

// release closes what stands open; r.mu is held.
func (r *remote) release() {
	if r.listener != nil {
		_ = r.listener.Close()
		r.listener = nil
	}
	for _, fd := range r.deaf {
		_ = unix.Close(fd)
	}
	r.deaf = nil
}

func (r *remote) shut() {
	r.mu.Lock()
	r.release()
	r.mode = modeNone
	r.mu.Unlock()
	r.sessions.Wait()
}

func (r *remote) serve(ctx context.Context, l net.Listener) {
	for {
		c, err := l.Accept()
		if err != nil {
			return
		}
		r.sessions.Go(func() {
			stop := context.AfterFunc(ctx, func() { _ = c.Close() })
			defer stop()
			r.session(ctx, c)
		})
	}
}

// set gives the host another manner, from the next session on.
func (r *remote) set(m Manner) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.manner = m
	r.first = nil
}

func (r *remote) mannerNow() Manner {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.manner.Now(time.Now())
}

// listenDeaf gives a listening socket that completes no connection: its
// accept queue is kept full, so that the kernel drops each request as a dead
// host or a filter would. The other descriptors are what fills it.
func listenDeaf(address string) (fds []int, err error) {
	defer func() {
		if err != nil {
			for _, fd := range fds {
				_ = unix.Close(fd)
			}
			fds = nil
		}
	}()
	ap, err := netip.ParseAddrPort(address)
	if err != nil {
		return nil, err
	}
	sa := &unix.SockaddrInet4{Port: int(ap.Port()), Addr: ap.Addr().As4()}
	const backlog = 1 // the kernel lets one more wait than is asked for
	listening, err := stream()
	if err != nil {
		return nil, err
	}
	fds = append(fds, listening)
	_ = unix.SetsockoptInt(listening, unix.SOL_SOCKET, unix.SO_REUSEADDR, 1) // else an old connection may be in the way
	if err := unix.Bind(listening, sa); err != nil {
		return fds, fmt.Errorf("bind %s: %w", address, err)
	}
	if err := unix.Listen(listening, backlog); err != nil {
		return fds, fmt.Errorf("listen on %s: %w", address, err)
	}
	for range backlog + 1 {
		fd, err := stream()
		if err != nil {
			return fds, err
		}
		fds = append(fds, fd)
		if err := unix.Connect(fd, sa); err != nil && !errors.Is(err, syscall.EINPROGRESS) {
			return fds, fmt.Errorf("fill %s: %w", address, err)
		}
	}
	return fds, nil
}

func stream() (int, error) {
	return unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
}
