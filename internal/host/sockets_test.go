package host

import (
	"cmp"
	"context"
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"github.com/mtawatch/mtawatch/internal/mta"
	"github.com/mtawatch/mtawatch/internal/netstat"
)

var sameAddr = gocmp.Comparer(func(a, b netip.Addr) bool { return a == b })

// flat gives all remotes of a reading in the order of netstat.Parse.
func flat(c mta.Connections) []mta.Connection {
	list := []mta.Connection{}
	for _, p := range c.Ports {
		list = append(list, p.Remotes...)
	}
	slices.SortFunc(list, func(a, b mta.Connection) int {
		return cmp.Or(cmp.Compare(b.Count, a.Count), a.Remote.Compare(b.Remote), cmp.Compare(a.State, b.State), cmp.Compare(a.LocalPort, b.LocalPort))
	})
	return list
}

func sockets(t *testing.T, m *Machine, ports ...uint16) mta.Connections {
	t.Helper()
	c, err := m.Sockets(t.Context(), ports)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// busyPorts makes sockets of many kinds on ports 25 and 587.
func busyPorts(t *testing.T) {
	four := listen(t, "tcp4", "0.0.0.0:25")
	dual := listen(t, "tcp", "[::]:587")
	listen(t, "tcp4", "127.0.0.1:8025") // not asked for
	for range 3 {
		dialFrom(t, "127.0.0.2", "127.0.0.1:25")
		accept(t, four)
	}
	dialFrom(t, "127.0.0.3", "127.0.0.1:8025")
	closeWait := dialFrom(t, "127.0.0.3", "127.0.0.1:25")
	accept(t, four)
	closeWait.Close()
	dialFrom(t, "127.0.0.4", "127.0.0.1:25")
	accept(t, four)
	gone := dialFrom(t, "127.0.0.5", "127.0.0.1:25")
	accept(t, four).Close() // our end first: TIME_WAIT is ours
	gone.Close()
	dialFrom(t, "127.0.0.6", "127.0.0.1:25") // waits to be accepted
	dialFrom(t, "127.0.0.7", "127.0.0.1:587")
	accept(t, dual)
	dialFrom(t, "::1", "[::1]:587") // waits to be accepted
}

// busyTables is what a reading of busyPorts must give.
func busyTables(limit int) []mta.PortTable {
	count := func(remote string, port uint16, state mta.TCPState, n int) mta.Connection {
		return mta.Connection{LocalPort: port, Remote: netip.MustParseAddr(remote), State: state, Count: n}
	}
	tables := []mta.PortTable{
		{Port: 25, Listening: true, AcceptQueue: 1, AcceptLimit: limit, Sources: 5, Closed: -1, Remotes: []mta.Connection{
			count("127.0.0.2", 25, mta.TCPEstablished, 3), count("127.0.0.3", 25, mta.TCPCloseWait, 1),
			count("127.0.0.4", 25, mta.TCPEstablished, 1), count("127.0.0.5", 25, mta.TCPTimeWait, 1), count("127.0.0.6", 25, mta.TCPEstablished, 1)}},
		{Port: 587, Listening: true, AcceptQueue: 1, AcceptLimit: limit, Sources: 2, Closed: -1, Remotes: []mta.Connection{
			count("127.0.0.7", 587, mta.TCPEstablished, 1), count("::1", 587, mta.TCPEstablished, 1)}},
		{Port: 2525, Closed: -1},
	}
	tables[0].States = [mta.NumTCPStates]int32{mta.TCPEstablished: 5, mta.TCPCloseWait: 1, mta.TCPTimeWait: 1, mta.TCPListen: 1}
	tables[1].States = [mta.NumTCPStates]int32{mta.TCPEstablished: 2, mta.TCPListen: 1}
	return tables
}

func TestSocketsLive(t *testing.T) {
	if !inNamespace(t, 0) {
		return
	}
	busyPorts(t)
	b, err := os.ReadFile("/proc/sys/net/core/somaxconn")
	if err != nil {
		t.Fatal(err)
	}
	limit, err := strconv.Atoi(strings.TrimSpace(string(b)))
	if err != nil {
		t.Fatal(err)
	}
	oneWalk, twoWalks, text := New(Config{}), New(Config{}), New(Config{NoNetlink: true})
	twoWalks.sockets.diag.newOnly = true
	tests := []struct {
		name, source, unknown string
		machine               *Machine
		limit                 int
	}{
		{"one walk", SourceSockDiag, "", oneWalk, limit},
		{"two walks", SourceSockDiag, "", twoWalks, limit},
		{"text", SourceProc, "accept queue limits: not in /proc/net/tcp", text, 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var c mta.Connections
			eventually(t, "CLOSE_WAIT and TIME_WAIT", func() bool {
				c = sockets(t, tt.machine, 587, 25, 2525, 25)
				return c.Ports[0].States[mta.TCPCloseWait] == 1 && c.Ports[0].States[mta.TCPTimeWait] == 1 && c.Ports[0].AcceptQueue+c.Ports[1].AcceptQueue == 2
			})
			if diff := gocmp.Diff(busyTables(tt.limit), c.Ports, sameAddr); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
			if c.Source != tt.source || c.Unknown != tt.unknown || c.Time.IsZero() || c.Counters.ListenDrops != 0 {
				t.Errorf("got source %q, unknown %q, counters %+v", c.Source, c.Unknown, c.Counters)
			}
		})
	}
	if oneWalk.sockets.diag.newOnly {
		t.Error("the older request was refused")
	}
	for _, tool := range [][]string{{"ss", "-tan"}, {"ss", "-anH"}, {"netstat", "-antW"}, {"cat", "/proc/net/tcp", "/proc/net/tcp6"}} {
		t.Run(tool[0], func(t *testing.T) {
			res, err := netstat.Parse(strings.NewReader(command(t, "", tool[0], tool[1:]...)), netstat.Options{Ports: []uint16{25, 587}})
			if err != nil || res.Skipped != 0 {
				t.Errorf("skipped %d, %v", res.Skipped, err)
			}
			res.Connections = slices.DeleteFunc(res.Connections, func(c mta.Connection) bool { return c.State == mta.TCPListen })
			if diff := gocmp.Diff(flat(mta.Connections{Ports: busyTables(0)}), res.Connections, sameAddr); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}

func TestSynRecvLive(t *testing.T) {
	if !inNamespace(t, 0) {
		return
	}
	listen(t, "tcp4", "0.0.0.0:25")
	listen(t, "tcp6", "[::]:25")
	command(t, "table inet t {\n chain i {\n type filter hook input priority 0;\n tcp sport 25 tcp flags & (syn|ack) == (syn|ack) drop\n }\n}\n", "nft", "-f", "-")
	for i := range 80 {
		domain, to := unix.AF_INET, unix.Sockaddr(&unix.SockaddrInet4{Port: 25, Addr: [4]byte{127, 0, 0, 1}})
		if i%4 == 0 {
			domain, to = unix.AF_INET6, &unix.SockaddrInet6{Port: 25, Addr: [16]byte{15: 1}}
		}
		fd, err := unix.Socket(domain, unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { unix.Close(fd) })
		if err := unix.Connect(fd, to); err != unix.EINPROGRESS {
			t.Fatal(err)
		}
	}
	for _, m := range []*Machine{New(Config{}), New(Config{NoNetlink: true})} {
		var c mta.Connections
		eventually(t, "80 half-open", func() bool {
			c = sockets(t, m, 25)
			return c.Ports[0].States[mta.TCPSynRecv] == 80
		})
		want := []mta.Connection{{LocalPort: 25, Remote: netip.MustParseAddr("127.0.0.1"), State: mta.TCPSynRecv, Count: 60},
			{LocalPort: 25, Remote: netip.MustParseAddr("::1"), State: mta.TCPSynRecv, Count: 20}}
		if diff := gocmp.Diff(want, c.Ports[0].Remotes, sameAddr); diff != "" {
			t.Errorf("%s: -want +got:\n%s", c.Source, diff)
		}
	}
}

func TestAcceptOverflowLive(t *testing.T) {
	if !inNamespace(t, 0) {
		return
	}
	listen(t, "tcp6", "[::1]:25") // an idle neighbour with a larger backlog
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fd)
	if err := unix.Bind(fd, &unix.SockaddrInet4{Port: 25}); err != nil {
		t.Fatal(err)
	}
	if err := unix.Listen(fd, 2); err != nil {
		t.Fatal(err)
	}
	before := sockets(t, New(Config{}), 25)
	for range 8 {
		c, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
		if err != nil {
			t.Fatal(err)
		}
		defer unix.Close(c)
		_ = unix.Connect(c, &unix.SockaddrInet4{Port: 25, Addr: [4]byte{127, 0, 0, 1}})
	}
	var after mta.Connections
	eventually(t, "a full accept queue", func() bool {
		after = sockets(t, New(Config{}), 25)
		return after.Ports[0].AcceptQueue == 3 && after.Counters.ListenOverflows > 0
	})
	if before.Ports[0].AcceptQueue != 0 || before.Counters.ListenOverflows != 0 || after.Ports[0].AcceptLimit != 2 {
		t.Errorf("before %+v, after %+v", before, after)
	}
	if after.Counters.ListenDrops < after.Counters.ListenOverflows || after.Counters.SyncookiesSent < 0 || after.Counters.TCPReqQFullDrop < 0 || after.Counters.TCPReqQFullDoCookies < 0 {
		t.Errorf("counters %+v", after.Counters)
	}
}

// TestPortFilterLive has the kernel run filters of many shapes: each port of a
// set must pass, and no other.
func TestPortFilterLive(t *testing.T) {
	if !inNamespace(t, 0) {
		return
	}
	listening := []uint16{25, 26, 28, 465, 587, 5999, 6000, 65535}
	for _, p := range listening {
		listen(t, "tcp4", fmt.Sprintf("127.0.0.1:%d", p))
	}
	every := func(first, step, n int) (list []uint16) {
		for i := range n {
			list = append(list, uint16(first+i*step))
		}
		return list
	}
	tests := []struct {
		name  string
		ports []uint16
	}{
		{"one", []uint16{25}}, {"last port", []uint16{65535}}, {"two ranges", []uint16{25, 26, 28}}, {"none of them", []uint16{1, 2, 77}},
		{"mail", []uint16{25, 465, 587}}, {"odd to 5999", every(1, 2, maxRanges)}, {"more than a filter holds", every(1, 2, maxRanges+1)},
		{"all", every(1, 1, 65535)}, {"nothing", nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var got, second, want []uint16
			var d diagReader
			if err := d.dump(t.Context(), tt.ports, func(s *diagSocket) { got = append(got, s.port) }); err != nil {
				t.Fatal(err)
			}
			d.newOnly = true // a kernel that refuses the older request
			if err := d.dump(t.Context(), tt.ports, func(s *diagSocket) { second = append(second, s.port) }); err != nil {
				t.Fatal(err)
			}
			for _, p := range listening {
				if slices.Contains(tt.ports, p) || portFilter(tt.ports) == nil {
					want = append(want, p)
				}
			}
			for _, list := range [][]uint16{got, second} {
				slices.Sort(list)
				if diff := gocmp.Diff(want, list); diff != "" {
					t.Errorf("-want +got:\n%s", diff)
				}
			}
		})
	}
}

func TestSocketsFallBack(t *testing.T) {
	root := t.TempDir()
	dir := filepath.Join(root, "proc/net")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	m := New(Config{Root: root, NoNetlink: true})
	if c, err := m.Sockets(t.Context(), []uint16{25}); err == nil {
		t.Errorf("no table at all: got %+v", c)
	}
	row := "   0: 00000000:0019 00000000:0000 0A 00000000:00000007 00:00000000 00000000 0 0 1\n10000: 010200C0:0019 076433C6:C738 01 00000000:00000000 00:00000000 00000000 0 0 1\nbad\n   9: bad\n"
	if err := os.WriteFile(filepath.Join(dir, "tcp"), []byte(row), 0o644); err != nil {
		t.Fatal(err)
	}
	c := sockets(t, m, 25)
	p := c.Ports[0]
	if !p.Listening || p.AcceptQueue != 7 || p.Sources != 1 || p.Remotes[0].Count != 1 || c.Counters != netstat.UnknownCounters() {
		t.Errorf("got %+v", c)
	}
	for _, s := range []string{"1 rows", "accept queue limits", "TCP counters"} {
		if !strings.Contains(c.Unknown, s) {
			t.Errorf("unknown %q does not tell %q", c.Unknown, s)
		}
	}
}

func TestTableBounds(t *testing.T) {
	var table socketTable
	table.reset([]uint16{25})
	for i := range 3000 {
		s := diagSocket{state: mta.TCPEstablished, port: 25, remote: netip.AddrFrom4([4]byte{192, 0, 2 + byte(i>>8), byte(i)}).As16()}
		table.add(&s)
		if i%2 == 1 {
			s.state = mta.TCPSynRecv
			table.add(&s)
		}
	}
	p := table.finish(1000)[0]
	if p.Sources != 3000 || len(p.Remotes) != 1000 || p.States[mta.TCPEstablished] != 3000 || p.States[mta.TCPSynRecv] != 1500 {
		t.Fatalf("sources %d, remotes %d, states %v", p.Sources, len(p.Remotes), p.States)
	}
	for i, c := range p.Remotes {
		if want := netip.AddrFrom4([4]byte{192, 0, 2 + byte((i/2*2+1)>>8), byte(i/2*2 + 1)}); c.Remote != want {
			t.Fatalf("remote %d is %v, want %v", i, c, want)
		}
	}
}

func TestAddListener(t *testing.T) {
	tests := []struct {
		name         string
		rows         [][2]int
		queue, limit int
	}{
		{"one", [][2]int{{0, 100}}, 0, 100},
		{"fullest by share", [][2]int{{50, 4096}, {3, 2}}, 3, 2},
		{"fullest first", [][2]int{{3, 2}, {50, 4096}}, 3, 2},
		{"all idle: smallest", [][2]int{{0, 100}, {0, 5}, {0, 4096}}, 0, 5},
		{"limit not known", [][2]int{{0, 0}, {9, 0}, {3, 0}}, 9, 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var p mta.PortTable
			for _, r := range tt.rows {
				addListener(&p, r[0], r[1])
			}
			if p.AcceptQueue != tt.queue || p.AcceptLimit != tt.limit || !p.Listening {
				t.Errorf("got %d of %d", p.AcceptQueue, p.AcceptLimit)
			}
		})
	}
}

func TestSocketsContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := New(Config{}).Sockets(ctx, []uint16{25}); err == nil {
		t.Error("no error")
	}
}

// FuzzEachMessage holds that no answer makes the reader panic or loop.
func FuzzEachMessage(f *testing.F) {
	f.Add(append(appendRequest(nil, unix.SOCK_DIAG_BY_FAMILY, unix.AF_INET, 1, portFilter([]uint16{25})), make([]byte, 100)...))
	f.Add([]byte{20, 0, 0, 0, 3, 0, 2, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0})
	f.Fuzz(func(t *testing.T, b []byte) {
		rows := 0
		_, _, _ = eachMessage(b, unix.SOCK_DIAG_BY_FAMILY, 1, func(s *diagSocket) {
			if rows++; s.state == 0 || s.state >= mta.NumTCPStates || rows > len(b) {
				t.Errorf("row %+v", s)
			}
		})
		w := CloseWatch{ports: []uint16{25}, total: make([]int64, 1), recent: make([]int64, 1), sources: map[sourceKey]int32{}}
		w.count(b)
	})
}

func BenchmarkSockets(b *testing.B) {
	// Below the ports that the kernel gives to clients, else one of ours may
	// get the same.
	const port = 24925
	l, err := net.Listen("tcp4", fmt.Sprintf("127.0.0.1:%d", port))
	if err != nil {
		b.Fatal(err)
	}
	defer l.Close()
	for i := range 2000 {
		d := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 1, byte(i>>8), byte(i))}}
		c, err := d.Dial("tcp4", l.Addr().String())
		if err != nil {
			b.Fatal(err)
		}
		defer c.Close()
		s, err := l.Accept()
		if err != nil {
			b.Fatal(err)
		}
		defer s.Close()
	}
	m := New(Config{})
	b.ReportAllocs()
	for b.Loop() {
		c, err := m.Sockets(b.Context(), []uint16{port})
		if err != nil {
			b.Fatal(err)
		}
		if p := c.Ports[0]; p.Sources != 2000 || p.States[mta.TCPEstablished] != 2000 {
			b.Fatalf("%d sources, states %v, %s", p.Sources, p.States, c.Unknown)
		}
	}
}
