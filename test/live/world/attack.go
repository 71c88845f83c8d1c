//go:build linux

package world

import (
	"context"
	"io"
	"net"
	"net/netip"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	lab "github.com/mtawatch/mtawatch/internal/lab/world"
)

// Crowd gives n addresses of the outside that no host or ordinary client
// has. n is at most 500.
func Crowd(n int) []string {
	return lab.Addresses(netip.MustParseAddr("10.77.2.2"), n)
}

func (b *Box) connect(source string) (net.Conn, error) { return b.Connect(source, MTAAddress+":25") }

// Flood opens connections to port 25 at a steady rate, from each source in
// turn, keeps each for a while and says nothing on it. It runs until the
// context ends and gives the number opened.
func (b *Box) Flood(ctx context.Context, sources []string, rate float64, keep time.Duration) int {
	return lab.Flood(ctx, b.connect, sources, rate, keep)
}

// Hold opens n connections to port 25, the sources in turn, and keeps them.
// When greeted is true it waits for the server's first word on each. It fails
// at the first that cannot be opened; those before it are closed.
func (b *Box) Hold(n int, sources []string, greeted bool) (release func(), err error) {
	return lab.Hold(b.connect, n, sources, greeted)
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
	c, err := b.connect(source)
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
		fd, err = lab.RawSocket()
		return err
	})
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	return lab.SendSYNs(ctx, fd, netip.AddrPortFrom(netip.MustParseAddr(MTAAddress), 25), rate)
}

func pause(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}
