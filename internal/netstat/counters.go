package netstat

import (
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/mtawatch/mtawatch/internal/mta"
)

// UnknownCounters is every counter not reported.
func UnknownCounters() mta.ListenerCounters {
	return mta.ListenerCounters{ListenOverflows: -1, ListenDrops: -1, SyncookiesSent: -1, TCPReqQFullDrop: -1, TCPReqQFullDoCookies: -1}
}

// ParseCounters reads the TcpExt line pair of /proc/net/netstat
// (net/ipv4/proc.c of Linux): one line of names, one of values. A counter
// that the kernel does not have stays -1; a text without the pair is an
// error.
func ParseCounters(r io.Reader) (mta.ListenerCounters, error) {
	c := UnknownCounters()
	names, found := "", false
	err := eachLine(r, func(s string) {
		rest, ok := strings.CutPrefix(s, "TcpExt:")
		switch {
		case !ok || found:
		case names == "":
			names = rest
		default:
			found = true
			readPair(&c, names, rest)
		}
	})
	if err != nil {
		return UnknownCounters(), fmt.Errorf("read TCP counters: %w", err)
	}
	if !found {
		return c, fmt.Errorf("read TCP counters: no TcpExt lines")
	}
	return c, nil
}

func readPair(c *mta.ListenerCounters, names, values string) {
	for {
		var name, value string
		name, names = word(names)
		value, values = word(values)
		if name == "" || value == "" {
			return
		}
		var to *int64
		switch name {
		case "ListenOverflows":
			to = &c.ListenOverflows
		case "ListenDrops":
			to = &c.ListenDrops
		case "SyncookiesSent":
			to = &c.SyncookiesSent
		case "TCPReqQFullDrop":
			to = &c.TCPReqQFullDrop
		case "TCPReqQFullDoCookies":
			to = &c.TCPReqQFullDoCookies
		default:
			continue
		}
		if n, err := strconv.ParseInt(value, 10, 64); err == nil && n >= 0 {
			*to = n
		}
	}
}

func word(s string) (first, rest string) {
	s = strings.TrimLeft(s, " ")
	if i := strings.IndexByte(s, ' '); i >= 0 {
		return s[:i], s[i+1:]
	}
	return s, ""
}
