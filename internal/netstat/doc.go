// Package netstat reads saved socket listings: text goes in, and inbound TCP
// connections counted by local port, remote address and state come out. It
// also reads the two texts of /proc/net that the socket table falls back to.
//
// Read are netstat of Linux (net-tools, busybox), of the BSDs, macOS, AIX and
// HP-UX, of Solaris and of Windows; ss of iproute2; and /proc/net/tcp and
// tcp6 of Linux. The form is found from the rows themselves, so listings with
// and without their headings, and with leading chatter, read alike.
//
// Promised: a row that is one of a TCP socket but cannot be read is counted
// in Skipped and never guessed at; an IPv6 address that the tool may have cut
// to its column counts as unreadable; text that is no listing is ErrNoListing,
// never an empty result. Memory is bounded whatever the input. Package
// netstat is pure.
package netstat

import (
	"errors"

	"github.com/mtawatch/mtawatch/internal/mta"
)

// ErrNoListing says that a text has no row and no heading of a socket
// listing.
var ErrNoListing = errors.New("no socket listing: give the output of ss -tan, of netstat -an (Linux, BSD, macOS, Solaris, AIX, Windows), or /proc/net/tcp")

// ErrNoStates says that a listing leaves the state of its sockets out, as ss
// does when it is asked for one state only.
var ErrNoStates = errors.New("listing without states: give the output of ss -tan")

// Options says what to keep of a listing.
type Options struct {
	// Ports are the local ports to keep. None: the ports that the listing
	// shows in state LISTEN; where it shows none, all.
	Ports []uint16
}

// Result is what a listing holds.
type Result struct {
	// Connections counts by local port, remote address and state: most
	// sockets first, then by address, state and port. A row in state listen
	// has the unspecified address (0.0.0.0 or ::) as its remote.
	Connections []mta.Connection
	// Skipped counts rows of TCP sockets that could not be read: host names
	// instead of addresses, cut addresses, unknown port names or states.
	Skipped int
	// Format names the form of the first row or heading: "ss",
	// "/proc/net/tcp", "Linux netstat", "BSD netstat", "Solaris netstat",
	// "Windows netstat".
	Format string
}

// The names of the forms, as Result.Format gives them.
const (
	FormatSS      = "ss"
	FormatProc    = "/proc/net/tcp"
	FormatLinux   = "Linux netstat"
	FormatBSD     = "BSD netstat"
	FormatSolaris = "Solaris netstat"
	FormatWindows = "Windows netstat"
)

// maxRows bounds the distinct (port, remote, state) that Parse holds; rows
// beyond it are counted as skipped. A full table takes about 60 MB.
const maxRows = 1 << 20
