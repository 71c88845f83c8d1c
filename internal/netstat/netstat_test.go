package netstat

import (
	"encoding/binary"
	"errors"
	"flag"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/txtar"

	"github.com/mtawatch/mtawatch/internal/mta"
)

var update = flag.Bool("update", false, "rewrite the golden files")

func render(res Result) string {
	var b strings.Builder
	fmt.Fprintf(&b, "format %s, skipped %d\n", res.Format, res.Skipped)
	for _, c := range res.Connections {
		fmt.Fprintf(&b, "%d %s %s %d\n", c.LocalPort, c.Remote, c.State, c.Count)
	}
	return b.String()
}

func TestGolden(t *testing.T) {
	names, err := filepath.Glob("testdata/*.txtar")
	if err != nil || len(names) < 10 {
		t.Fatalf("golden files: %v, %v", names, err)
	}
	for _, name := range names {
		t.Run(filepath.Base(name), func(t *testing.T) {
			a, err := txtar.ParseFile(name)
			if err != nil {
				t.Fatal(err)
			}
			res, err := Parse(strings.NewReader(string(a.Files[0].Data)), Options{})
			if err != nil {
				t.Fatal(err)
			}
			got := render(res)
			if *update {
				a.Files = append(a.Files[:1], txtar.File{Name: "want", Data: []byte(got)})
				if err := os.WriteFile(name, txtar.Format(a), 0o644); err != nil {
					t.Fatal(err)
				}
				return
			}
			if diff := cmp.Diff(string(a.Files[1].Data), got); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
			slow, err := Parse(iotest.OneByteReader(strings.NewReader(string(a.Files[0].Data))), Options{})
			if err != nil || render(slow) != got {
				t.Errorf("read byte by byte: %v\n%s", err, render(slow))
			}
			crlf, err := Parse(strings.NewReader(strings.ReplaceAll(string(a.Files[0].Data), "\n", "\r\n")), Options{})
			if err != nil || render(crlf) != got {
				t.Errorf("with CRLF: %v\n%s", err, render(crlf))
			}
		})
	}
}

func TestPorts(t *testing.T) {
	text := "ESTAB 0 0 192.0.2.1:25 192.0.2.9:1\nESTAB 0 0 192.0.2.1:2525 192.0.2.9:1\nLISTEN 0 9 0.0.0.0:25 0.0.0.0:*\n"
	res, err := Parse(strings.NewReader(text), Options{Ports: []uint16{2525}})
	if err != nil {
		t.Fatal(err)
	}
	want := []mta.Connection{{LocalPort: 2525, Remote: netip.MustParseAddr("192.0.2.9"), State: mta.TCPEstablished, Count: 1}}
	if diff := cmp.Diff(want, res.Connections, cmp.Comparer(func(a, b netip.Addr) bool { return a == b })); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

func TestNoListing(t *testing.T) {
	tests := []struct {
		name, text string
		want       error
	}{
		{"empty", "", ErrNoListing},
		{"log", "Nov 23 12:00:00 mx postfix/smtpd[1]: connect from unknown[192.0.2.1]\n", ErrNoListing},
		{"protocols", "tcp\t6\tTCP\t# transmission control protocol\n", ErrNoListing},
		{"services", "smtp\t\t25/tcp\t\tmail\ntcpmux\t1/tcp\n", ErrNoListing},
		{"times", "12:00:01 something happened\n10: else\n", ErrNoListing},
		{"binary", "\x00\xff\xfe\x00tcp\x00", ErrNoListing},
		{"mailq", "Mail queue is empty\n", ErrNoListing},
		{"one state", "Recv-Q Send-Q Local Address:Port Peer Address:Port\n0 0 192.0.2.1:25 192.0.2.9:1\n", ErrNoStates},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			res, err := Parse(strings.NewReader(tt.text), Options{})
			if !errors.Is(err, tt.want) {
				t.Errorf("got %+v, %v, want %v", res, err, tt.want)
			}
		})
	}
}

func TestReadFails(t *testing.T) {
	_, err := Parse(iotest.TimeoutReader(iotest.OneByteReader(strings.NewReader("LISTEN 0 9 *:25 *:*\n"))), Options{})
	if !errors.Is(err, iotest.ErrTimeout) {
		t.Errorf("got %v", err)
	}
}

func TestLongLine(t *testing.T) {
	text := strings.Repeat("x", 3*blockSize) + " LISTEN\nLISTEN 0 9 0.0.0.0:25 0.0.0.0:*\n" + strings.Repeat("y", 2*blockSize)
	res, err := Parse(strings.NewReader(text), Options{})
	if err != nil || len(res.Connections) != 1 || res.Skipped != 0 {
		t.Errorf("got %+v, %v", res, err)
	}
}

func TestScanProcBigEndian(t *testing.T) {
	text := "   0: C0000201:0019 C6336407:C738 01 00000005:00000003 00:00000000 00000000\n   1: junk\n"
	var got []ProcRow
	skipped, err := ScanProc(strings.NewReader(text), binary.BigEndian, func(r ProcRow) { got = append(got, r) })
	want := ProcRow{Local: netip.MustParseAddrPort("192.0.2.1:25"), Remote: netip.MustParseAddrPort("198.51.100.7:51000"),
		State: mta.TCPEstablished, RecvQueue: 3, SendQueue: 5}
	if err != nil || skipped != 1 || len(got) != 1 || got[0] != want {
		t.Errorf("got %+v, skipped %d, %v", got, skipped, err)
	}
}

func TestParseCounters(t *testing.T) {
	tests := []struct {
		name, text string
		want       mta.ListenerCounters
		fails      bool
	}{
		{"all", "TcpExt: SyncookiesSent A ListenOverflows ListenDrops TCPReqQFullDoCookies TCPReqQFullDrop\nTcpExt: 7 9 1 2 3 0\nIpExt: ListenDrops\nIpExt: 99\n",
			mta.ListenerCounters{ListenOverflows: 1, ListenDrops: 2, SyncookiesSent: 7, TCPReqQFullDrop: 0, TCPReqQFullDoCookies: 3}, false},
		{"old kernel", "TcpExt: ListenDrops\nTcpExt: 0\n",
			mta.ListenerCounters{ListenOverflows: -1, ListenDrops: 0, SyncookiesSent: -1, TCPReqQFullDrop: -1, TCPReqQFullDoCookies: -1}, false},
		{"garbage value", "TcpExt: ListenDrops ListenOverflows\nTcpExt: x -5\n", UnknownCounters(), false},
		{"cut", "TcpExt: ListenDrops ListenOverflows\nTcpExt: 4\n",
			mta.ListenerCounters{ListenOverflows: -1, ListenDrops: 4, SyncookiesSent: -1, TCPReqQFullDrop: -1, TCPReqQFullDoCookies: -1}, false},
		{"none", "hello\n", UnknownCounters(), true},
		{"names only", "TcpExt: ListenDrops\n", UnknownCounters(), true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := ParseCounters(strings.NewReader(tt.text))
			if diff := cmp.Diff(tt.want, got); diff != "" || (err != nil) != tt.fails {
				t.Errorf("error %v, -want +got:\n%s", err, diff)
			}
		})
	}
}

// FuzzParse holds that no text makes Parse panic, that each connection that
// comes out is whole, and that rows are never counted twice.
func FuzzParse(f *testing.F) {
	names, _ := filepath.Glob("testdata/*.txtar")
	for _, name := range names {
		a, err := txtar.ParseFile(name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(a.Files[0].Data)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		res, err := Parse(strings.NewReader(string(b)), Options{})
		if err != nil {
			return
		}
		n := res.Skipped
		for _, c := range res.Connections {
			n += c.Count
			if c.Count < 1 || c.State == 0 || c.State.String() == "invalid" || !c.Remote.IsValid() || c.Remote.Is4In6() || c.Remote.Zone() != "" {
				t.Errorf("bad connection %+v", c)
			}
		}
		if lines := strings.Count(string(b), "\n") + 1; n > lines {
			t.Errorf("%d rows from %d lines", n, lines)
		}
		if res.Format == "" {
			t.Error("no format")
		}
	})
}

// FuzzParseCounters holds that a counter is a count or -1.
func FuzzParseCounters(f *testing.F) {
	f.Add("TcpExt: SyncookiesSent ListenDrops\nTcpExt: 7 9\n")
	f.Add("TcpExt: ListenDrops\nTcpExt: -7 99999999999999999999\n")
	f.Fuzz(func(t *testing.T, s string) {
		c, _ := ParseCounters(strings.NewReader(s))
		if min(c.ListenOverflows, c.ListenDrops, c.SyncookiesSent, c.TCPReqQFullDrop, c.TCPReqQFullDoCookies) < -1 {
			t.Errorf("got %+v", c)
		}
	})
}

func BenchmarkParse(b *testing.B) {
	var text strings.Builder
	text.WriteString("tcp        0      0 0.0.0.0:25              0.0.0.0:*               LISTEN\n")
	for i := range 10000 {
		fmt.Fprintf(&text, "tcp        0      0 192.0.2.1:25            198.51.%d.%d:%d      ESTABLISHED\n", i/256%64, i%256, 40000+i%20000)
	}
	s := text.String()
	b.SetBytes(int64(len(s)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Parse(strings.NewReader(s), Options{}); err != nil {
			b.Fatal(err)
		}
	}
}
