package mta

import (
	"net/netip"
	"time"
)

// TCPState is the state of a TCP socket, with the kernel's numbers.
type TCPState uint8

// The states of include/net/tcp_states.h. Linux reports a half-open inbound
// connection as TCPNewSynRecv in a dump; adapters and host fold it into
// TCPSynRecv.
const (
	TCPEstablished TCPState = 1 + iota
	TCPSynSent
	TCPSynRecv
	TCPFinWait1
	TCPFinWait2
	TCPTimeWait
	TCPClose
	TCPCloseWait
	TCPLastAck
	TCPListen
	TCPClosing
	TCPNewSynRecv
	NumTCPStates
)

var tcpStateNames = [NumTCPStates]string{"", "established", "syn-sent", "syn-recv", "fin-wait-1", "fin-wait-2", "time-wait",
	"close", "close-wait", "last-ack", "listen", "closing", "syn-recv"}

// String gives the name used in JSON and labels.
func (s TCPState) String() string { return nameOf(tcpStateNames[:], uint8(s)) }

// MarshalText gives the name used in JSON.
func (s TCPState) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// UnmarshalText reads the name; an unknown one is an error.
func (s *TCPState) UnmarshalText(b []byte) error {
	return fromName(tcpStateNames[:], (*uint8)(s), "TCP state", b)
}

// Connection counts the sockets of one remote address in one state.
type Connection struct {
	LocalPort uint16     `json:"local_port"`
	Remote    netip.Addr `json:"remote"` // IPv4-mapped addresses are unmapped
	State     TCPState   `json:"state"`
	Count     int        `json:"count"`
}

// Connections is the inbound side of the socket table at one moment: only
// the listening ports that were asked for.
type Connections struct {
	Time     time.Time        `json:"time"`
	Ports    []PortTable      `json:"ports"`
	Counters ListenerCounters `json:"counters"`
	Source   string           `json:"source"`            // "sock_diag" or "/proc/net/tcp"
	Unknown  string           `json:"unknown,omitempty"` // why nothing, or not all, is known
}

// PortTable is what the socket table holds for one local port.
type PortTable struct {
	Port        uint16              `json:"port"`
	Listening   bool                `json:"listening"`
	AcceptQueue int                 `json:"accept_queue"` // connections that no process has accepted yet
	AcceptLimit int                 `json:"accept_limit"` // the backlog; 0 when not listening
	States      [NumTCPStates]int32 `json:"-"`
	Sources     int                 `json:"sources"` // distinct remote addresses
	Remotes     []Connection        `json:"remotes"` // by remote and state, largest remote first; bounded
	Closed      int64               `json:"closed"`  // connections that ended since the watch began (cumulative); -1 unknown
}

// ListenerCounters are the kernel's cumulative counts of refused or
// stretched handshakes (TcpExt in /proc/net/netstat), for the whole network
// namespace. -1 means that the kernel does not report it.
type ListenerCounters struct {
	ListenOverflows      int64 `json:"listen_overflows"`
	ListenDrops          int64 `json:"listen_drops"`
	SyncookiesSent       int64 `json:"syncookies_sent"`
	TCPReqQFullDrop      int64 `json:"tcp_req_q_full_drop"`
	TCPReqQFullDoCookies int64 `json:"tcp_req_q_full_do_cookies"`
}
