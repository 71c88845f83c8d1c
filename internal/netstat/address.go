package netstat

import (
	"net/netip"
	"strings"
)

// An endpoint is one address column, taken apart but not yet read.
type endpoint struct {
	host string
	port string
	dot  bool // the BSD way, 192.0.2.1.25; else 192.0.2.1:25
}

// splitEndpoint takes a column apart at its last ':' or '.'. What follows the
// last colon is a port only if it has no dot: 2001:db8::1.25 is written the
// BSD way.
func splitEndpoint(s string) (endpoint, bool) {
	if i := strings.LastIndexByte(s, ':'); i > 0 && i+1 < len(s) && strings.IndexByte(s[i+1:], '.') < 0 {
		return endpoint{host: s[:i], port: s[i+1:]}, true
	}
	if i := strings.LastIndexByte(s, '.'); i > 0 && i+1 < len(s) {
		return endpoint{host: s[:i], port: s[i+1:], dot: true}, true
	}
	return endpoint{}, false
}

// portOf reads a port: a number up to 65535, or a name that portNamed knows.
func portOf(s string) (uint16, bool) {
	n := 0
	for i := 0; i < len(s); i++ {
		c := s[i]
		if c < '0' || c > '9' || i == 5 {
			p := portNamed(s)
			return p, p != 0
		}
		n = n*10 + int(c-'0')
	}
	return uint16(n), len(s) > 0 && n > 0 && n <= 65535
}

// addrOf reads an address without its port: brackets and a zone are dropped,
// IPv4 in IPv6 is unmapped. A lone '*' is the unspecified address, of IPv6 if
// six says so.
func addrOf(host string, six bool) (netip.Addr, bool) {
	if host == "*" {
		if six {
			return netip.IPv6Unspecified(), true
		}
		return netip.IPv4Unspecified(), true
	}
	if i := strings.IndexByte(host, '%'); i >= 0 {
		host = host[:i]
	}
	if len(host) > 1 && host[0] == '[' {
		host = strings.TrimSuffix(host[1:], "]")
	}
	if !addrShaped(host) {
		return netip.Addr{}, false
	}
	a, err := netip.ParseAddr(host)
	if err != nil {
		return netip.Addr{}, false
	}
	return a.Unmap(), true
}

// addrShaped keeps host names from netip.ParseAddr, whose error costs memory.
func addrShaped(s string) bool {
	for i := 0; i < len(s); i++ {
		c := s[i]
		switch {
		case c >= '0' && c <= '9', c == '.', c == ':':
		case c >= 'a' && c <= 'f', c >= 'A' && c <= 'F':
		default:
			return false
		}
	}
	return len(s) > 0
}

// The widths at which tools cut an IPv6 address that is too long for its
// column, unless asked for wide output: net-tools shows address and port in
// 23 characters (lib function addr_do_one of netstat.c), the BSDs and macOS
// show 16 characters of address (inet6print of netstat's inet6.c).
const (
	linuxColumn = 23
	bsdAddress  = 16
)

// cut says whether the address of e may have lost its end to a column width,
// and whether it proves that the listing was made with wide output.
func (e endpoint) cut(s string) (maybe, wide bool) {
	if strings.IndexByte(e.host, ':') < 0 || e.host[0] == '[' {
		return false, false
	}
	if e.dot {
		return len(e.host) == bsdAddress, len(e.host) > bsdAddress
	}
	return len(s) == linuxColumn, len(s) > linuxColumn
}
