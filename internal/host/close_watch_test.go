package host

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"os"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"github.com/mtawatch/mtawatch/internal/mta"
)

// session opens a connection, has it accepted, and closes both ends.
func session(t *testing.T, l net.Listener, from, to string) {
	t.Helper()
	c := dialFrom(t, from, to)
	s := accept(t, l)
	c.Close()
	s.Close()
}

func watchClosed(t *testing.T, ports ...uint16) *CloseWatch {
	t.Helper()
	w, err := OpenCloseWatch(ports)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { w.Close() })
	return w
}

// drainUntil adds up Drains until n connections of the first port are there.
func drainUntil(t *testing.T, w *CloseWatch, n int64) (sum Closed) {
	t.Helper()
	var recent int64
	remotes := map[netip.Addr]int{}
	eventually(t, "closed connections", func() bool {
		c, err := w.Drain()
		if err != nil || c.Lost {
			t.Fatalf("lost %v, %v", c.Lost, err)
		}
		recent += c.Ports[0].Recent
		for _, r := range c.Ports[0].Remotes {
			remotes[r.Remote] += r.Count
		}
		sum = c
		return recent >= n
	})
	sum.Ports[0].Recent = recent
	sum.Ports[0].Remotes = nil
	for a, n := range remotes {
		sum.Ports[0].Remotes = append(sum.Ports[0].Remotes, mta.Connection{Remote: a, Count: n})
	}
	return sum
}

func testCloseWatch(t *testing.T) {
	four := listen(t, "tcp4", "0.0.0.0:2525")
	six := listen(t, "tcp6", "[::1]:2525")
	dual := listen(t, "tcp", "[::]:2587")
	w := watchClosed(t, 2525, 2587, 4000)
	for range 40 {
		session(t, four, "127.0.0.2", "127.0.0.1:2525")
	}
	for range 10 {
		session(t, six, "::1", "[::1]:2525")
		session(t, dual, "127.0.0.3", "127.0.0.1:2587")
	}
	got := drainUntil(t, w, 50)
	if p := got.Ports[0]; p.Total != 50 || p.Recent != 50 || got.Since.IsZero() || got.Ports[2].Total != 0 {
		t.Errorf("got %+v", got)
	}
	count := map[string]int{}
	for _, r := range got.Ports[0].Remotes {
		count[r.Remote.String()] = r.Count
	}
	if diff := gocmp.Diff(map[string]int{"127.0.0.2": 40, "::1": 10}, count); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	eventually(t, "the dual port", func() bool {
		c, err := w.Drain()
		if err != nil {
			t.Fatal(err)
		}
		return c.Ports[1].Total == 10
	})
	// A listener that is closed is no connection.
	four.Close()
	session(t, six, "::1", "[::1]:2525")
	if got := drainUntil(t, w, 1); got.Ports[0].Total != 51 {
		t.Errorf("after a listener closed: %+v", got)
	}
}

func TestCloseWatchRoot(t *testing.T) {
	if inNamespace(t, 0) {
		testCloseWatch(t)
	}
}

func TestCloseWatchUnprivileged(t *testing.T) {
	if !inNamespace(t, 65534) {
		return
	}
	if os.Getuid() != 65534 {
		t.Fatalf("uid is %d", os.Getuid())
	}
	testCloseWatch(t)
	// The other readings that need no privilege.
	c := sockets(t, New(Config{}), 2525)
	if c.Source != SourceSockDiag || c.Unknown != "" {
		t.Errorf("source %q, unknown %q", c.Source, c.Unknown)
	}
}

func TestCloseWatchLoss(t *testing.T) {
	if !inNamespace(t, 0) {
		return
	}
	l := listen(t, "tcp4", "127.0.0.1:2525")
	w := watchClosed(t, 2525)
	if err := unix.SetsockoptInt(w.fd, unix.SOL_SOCKET, unix.SO_RCVBUF, 4096); err != nil {
		t.Fatal(err)
	}
	other := watchClosed(t, 2525)
	for range 100 {
		session(t, l, "127.0.0.2", "127.0.0.1:2525")
	}
	drainUntil(t, other, 100)
	c, err := w.Drain()
	if err != nil || !c.Lost || c.Ports[0].Total != -1 || c.Ports[0].Recent != -1 {
		t.Fatalf("got %+v, %v", c, err)
	}
	since := c.Since
	session(t, l, "127.0.0.2", "127.0.0.1:2525")
	if c = drainUntil(t, w, 1); c.Ports[0].Total != 1 || !c.Since.Equal(since) {
		t.Errorf("after the loss: %+v", c)
	}
}

func TestCloseWatchManyPorts(t *testing.T) {
	if !inNamespace(t, 0) {
		return
	}
	for _, n := range []int{maxFilterPorts, maxFilterPorts + 1} {
		ports := make([]uint16, n)
		for i := range ports {
			ports[i] = uint16(2000 + 2*i)
		}
		last := ports[n-1]
		to := netip.AddrPortFrom(netip.MustParseAddr("127.0.0.1"), last).String()
		l := listen(t, "tcp4", to)
		neighbour := listen(t, "tcp4", "127.0.0.1:2001")
		w := watchClosed(t, ports...)
		session(t, neighbour, "127.0.0.2", "127.0.0.1:2001")
		session(t, l, "127.0.0.2", to)
		eventually(t, "the last port", func() bool {
			c, err := w.Drain()
			if err != nil {
				t.Fatal(err)
			}
			return c.Ports[n-1].Total == 1
		})
		neighbour.Close()
		l.Close()
	}
}

func TestCloseWatchRun(t *testing.T) {
	if !inNamespace(t, 0) {
		return
	}
	l := listen(t, "tcp4", "127.0.0.1:2525")
	w := watchClosed(t, 2525)
	for _, end := range []string{"context", "close"} {
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		ended := make(chan error, 1)
		go func() { ended <- w.Run(ctx) }()
		session(t, l, "127.0.0.2", "127.0.0.1:2525")
		eventually(t, "Run reads", func() bool {
			w.lock.Lock()
			defer w.lock.Unlock()
			return w.recent[0] > 0
		})
		if _, err := w.Drain(); err != nil {
			t.Fatal(err)
		}
		if end == "context" {
			cancel()
			if err := <-ended; !errors.Is(err, context.Canceled) {
				t.Errorf("Run: %v", err)
			}
			continue
		}
		w.Close()
		if err := <-ended; !errors.Is(err, ErrClosed) {
			t.Errorf("Run: %v", err)
		}
	}
	if _, err := w.Drain(); !errors.Is(err, ErrClosed) {
		t.Errorf("Drain: %v", err)
	}
	if err := w.Run(t.Context()); !errors.Is(err, ErrClosed) {
		t.Errorf("Run: %v", err)
	}
}
