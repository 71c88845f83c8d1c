//go:build linux

package world

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	lab "github.com/mtawatch/mtawatch/internal/lab/world"
)

// Crowd gives n addresses of the outside that no host or ordinary client
// has. n is at most 500.
func Crowd(n int) []string {
	list := make([]string, n)
	a := netip.MustParseAddr("10.77.2.2")
	for i := range list {
		list[i] = a.String()
		a = a.Next()
	}
	return list
}

// Flood opens connections to port 25 at a steady rate, from each source in
// turn, keeps each for a while and says nothing on it. It runs until the
// context ends and gives the number opened.
func (b *Box) Flood(ctx context.Context, sources []string, rate float64, keep time.Duration) int {
	var wg sync.WaitGroup
	var opened atomic.Int64
	every := time.NewTicker(time.Duration(float64(time.Second) / rate))
	defer every.Stop()
	for i := 0; ; i++ {
		select {
		case <-ctx.Done():
			wg.Wait()
			return int(opened.Load())
		case <-every.C:
		}
		wg.Go(func() {
			c, err := b.Connect(sources[i%len(sources)], MTAAddress+":25")
			if err != nil {
				return
			}
			opened.Add(1)
			pause(ctx, keep)
			c.Close()
		})
	}
}

// Hold opens n connections to port 25, the sources in turn, and keeps them.
// When greeted is true it waits for the server's first word on each. It fails
// at the first that cannot be opened; those before it are closed.
func (b *Box) Hold(n int, sources []string, greeted bool) (release func(), err error) {
	var open []net.Conn
	release = func() {
		for _, c := range open {
			_ = c.Close()
		}
	}
	for i := range n {
		c, err := b.Connect(sources[i%len(sources)], MTAAddress+":25")
		if err != nil {
			release()
			return nil, err
		}
		open = append(open, c)
	}
	for _, c := range open {
		if !greeted {
			break
		}
		_ = c.SetReadDeadline(time.Now().Add(time.Minute))
		if _, err := c.Read(make([]byte, 512)); err != nil {
			release()
			return nil, fmt.Errorf("wait for greeting: %w", err)
		}
	}
	return release, nil
}

// Loris keeps n clients at work that each send one byte every few seconds,
// and come back when the server has hung up, until the context ends.
func (b *Box) Loris(ctx context.Context, n int, sources []string) {
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() {
			for ctx.Err() == nil {
				b.loris(ctx, sources[i%len(sources)])
				pause(ctx, time.Second)
			}
		})
	}
	wg.Wait()
}

func (b *Box) loris(ctx context.Context, source string) {
	c, err := b.Connect(source, MTAAddress+":25")
	if err != nil {
		return
	}
	defer c.Close()
	gone := make(chan struct{})
	go func() {
		_, _ = io.Copy(io.Discard, c)
		close(gone)
	}()
	for {
		select {
		case <-gone:
			return
		case <-ctx.Done():
			return
		case <-time.After(4 * time.Second):
		}
		if _, err := c.Write([]byte("E")); err != nil {
			return
		}
	}
}

// SYNFlood sends connection requests to port 25 from made-up addresses that
// nobody has (198.51.100.0/24), and never answers. It needs root.
func (b *Box) SYNFlood(ctx context.Context, rate float64) error {
	fd := -1
	err := b.Outside(func() (err error) {
		if fd, err = unix.Socket(unix.AF_INET, unix.SOCK_RAW, unix.IPPROTO_RAW); err != nil {
			err = fmt.Errorf("open raw socket: %w", err)
		}
		return err
	})
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	to := netip.AddrPortFrom(netip.MustParseAddr(MTAAddress), 25)
	every := time.NewTicker(time.Duration(float64(time.Second) / rate))
	defer every.Stop()
	for i := uint32(0); ; i++ {
		select {
		case <-ctx.Done():
			return nil
		case <-every.C:
		}
		p := lab.SYN(netip.AddrPortFrom(netip.AddrFrom4([4]byte{198, 51, 100, byte(1 + i%250)}), uint16(1024+i%60000)), to, i)
		if err := unix.Sendto(fd, p, 0, &unix.SockaddrInet4{Addr: to.Addr().As4()}); err != nil && !errors.Is(err, unix.ENOBUFS) {
			return fmt.Errorf("send SYN: %w", err)
		}
	}
}

func pause(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}
