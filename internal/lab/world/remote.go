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

// remote is the host of one site, on its address.
type remote struct {
	*Host
	world *World
	site  *Site

	lock     sync.Mutex
	mode     mode
	listener net.Listener // of modeOpen
	deaf     []int        // descriptors of modeDeaf: the listening socket and what fills it
	sessions sync.WaitGroup
}

func newRemote(w *World, s *Site) *remote {
	r := &remote{world: w, site: s}
	r.Host = NewHost("mx."+s.Domain(), s.Manner, w.cfg.Host, func(ctx context.Context) (*Session, error) {
		return w.Dial(ctx, Client{Source: s.address, Submit: true, User: w.forwarder()})
	})
	return r
}

// mode is what the kernel does with a connection.
type mode int

const (
	modeNone mode = iota
	modeOpen
	modeClosed
	modeDeaf
)

// tick is how often a site looks whether its cycle has turned.
const tick = 250 * time.Millisecond

// run keeps the host as its manner says until ctx ends.
func (r *remote) run(ctx context.Context) error {
	defer r.shut()
	t := time.NewTicker(tick)
	defer t.Stop()
	for {
		if err := r.settle(ctx); err != nil {
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
func (r *remote) settle(ctx context.Context) error {
	r.lock.Lock()
	defer r.lock.Unlock()
	m, want := r.mannerNow(), modeOpen
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

// release closes what stands open; r.lock is held.
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
	r.lock.Lock()
	r.release()
	r.mode = modeNone
	r.lock.Unlock()
	r.sessions.Wait()
	r.forwards.Wait()
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
			r.Serve(ctx, c)
		})
	}
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
