package netstat

import (
	"encoding/binary"
	"io"
	"net/netip"
	"strings"

	"github.com/mtawatch/mtawatch/internal/mta"
)

// A ProcRow is one socket of /proc/net/tcp or tcp6.
type ProcRow struct {
	Local, Remote netip.AddrPort // IPv4 in IPv6 is unmapped
	State         mta.TCPState   // TCPNewSynRecv is folded into TCPSynRecv
	RecvQueue     int            // bytes to be read; of a listening socket: connections not yet accepted
	SendQueue     int            // bytes not yet acknowledged
}

// ScanProc calls fn for each socket of /proc/net/tcp or /proc/net/tcp6, as
// net/ipv4/tcp_ipv4.c and net/ipv6/tcp_ipv6.c of Linux write them. order is
// the byte order of the machine that wrote the text, for addresses stand
// there as machine words. Rows that cannot be read are counted in skipped.
func ScanProc(r io.Reader, order binary.ByteOrder, fn func(ProcRow)) (skipped int, err error) {
	err = eachLine(r, func(s string) {
		rest, ok := procLine(s)
		if !ok {
			return
		}
		if row, ok := readProc(rest, order); ok {
			fn(row)
		} else {
			skipped++
		}
	})
	return skipped, err
}

// procLine gives what follows "  12: ", the number of the row. From row 10000
// on the number is wider than its column and moves all others, so only the
// colon says where it ends.
func procLine(s string) (string, bool) {
	i := 0
	for i < len(s) && blank(s[i]) {
		i++
	}
	start := i
	for i < len(s) && s[i] >= '0' && s[i] <= '9' {
		i++
	}
	if i == start || i-start > 10 || i+1 >= len(s) || s[i] != ':' || s[i+1] != ' ' {
		return "", false
	}
	return s[i+2:], true
}

// readProc reads "LOCAL:PORT REMOTE:PORT STATE TX:RX ...", all in hex.
func readProc(s string, order binary.ByteOrder) (ProcRow, bool) {
	var row ProcRow
	var ok bool
	if row.Local, s, ok = hexEndpoint(s, order); !ok {
		return row, false
	}
	if row.Remote, s, ok = hexEndpoint(s, order); !ok {
		return row, false
	}
	st, s, ok := hexWord(s, ' ')
	if !ok || st == 0 || st >= uint32(mta.NumTCPStates) {
		return row, false
	}
	if row.State = mta.TCPState(st); row.State == mta.TCPNewSynRecv {
		row.State = mta.TCPSynRecv
	}
	tx, s, ok := hexWord(s, ':')
	if !ok {
		return row, false
	}
	rx, _, ok := hexWord(s, ' ')
	row.SendQueue, row.RecvQueue = int(tx), int(rx)
	return row, ok
}

func hexEndpoint(s string, order binary.ByteOrder) (netip.AddrPort, string, bool) {
	s = strings.TrimLeft(s, " ")
	colon := strings.IndexByte(s, ':')
	if colon != 8 && colon != 32 {
		return netip.AddrPort{}, s, false
	}
	var raw [16]byte
	for i := 0; i < colon; i += 8 {
		w, ok := hex32(s[i : i+8])
		if !ok {
			return netip.AddrPort{}, s, false
		}
		order.PutUint32(raw[i/2:], w)
	}
	addr := netip.AddrFrom4([4]byte(raw[:4]))
	if colon == 32 {
		addr = netip.AddrFrom16(raw).Unmap()
	}
	port, s, ok := hexWord(s[colon+1:], ' ')
	if !ok || port > 65535 {
		return netip.AddrPort{}, s, false
	}
	return netip.AddrPortFrom(addr, uint16(port)), s, true
}

// hexWord reads up to 8 hex digits and the byte after them, which must be
// end unless the text stops there.
func hexWord(s string, end byte) (uint32, string, bool) {
	s = strings.TrimLeft(s, " ")
	i := strings.IndexByte(s, end)
	if i < 0 {
		i = len(s)
	}
	w, ok := hex32(s[:i])
	return w, s[min(i+1, len(s)):], ok
}

func hex32(s string) (uint32, bool) {
	if s == "" || len(s) > 8 {
		return 0, false
	}
	var n uint32
	for i := 0; i < len(s); i++ {
		c := s[i]
		switch {
		case c >= '0' && c <= '9':
			c -= '0'
		case c >= 'A' && c <= 'F':
			c -= 'A' - 10
		case c >= 'a' && c <= 'f':
			c -= 'a' - 10
		default:
			return 0, false
		}
		n = n<<4 | uint32(c)
	}
	return n, true
}
