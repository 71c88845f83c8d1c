package netstat

import (
	"strings"

	"github.com/mtawatch/mtawatch/internal/mta"
)

// maxFields is how many columns of a line are looked at; none of the forms
// has what we need beyond them.
const maxFields = 10

// A line taken apart at blanks.
type fields struct {
	f [maxFields]string
	n int
}

func (f *fields) split(s string) {
	f.n = 0
	for f.n < maxFields {
		i := 0
		for i < len(s) && blank(s[i]) {
			i++
		}
		s = s[i:]
		if s == "" {
			return
		}
		i = 1
		for i < len(s) && !blank(s[i]) {
			i++
		}
		f.f[f.n] = s[:i]
		f.n++
		s = s[i:]
	}
}

func blank(c byte) bool { return c == ' ' || c == '\t' || c == '\r' || c == '\v' || c == '\f' }

func (f *fields) numbers(from, n int) bool {
	if from+n > f.n {
		return false
	}
	for _, s := range f.f[from : from+n] {
		for i := 0; i < len(s); i++ {
			if s[i] < '0' || s[i] > '9' {
				return false
			}
		}
	}
	return true
}

// A rawRow is a line that has the shape of a TCP socket in one of the text
// forms (not /proc), with its columns not yet read.
type rawRow struct {
	local, remote, state string
	six                  bool // the listing says IPv6: a '*' is ::
	format               string
}

// rowOf finds the columns of a socket in a line. known says that the line has
// a state where its form wants one, so that it proves the text a listing;
// without it the line only looks like a TCP row.
func rowOf(f *fields) (r rawRow, known, ok bool) {
	if f.n < 4 {
		return r, false, false
	}
	if stateOf(f.f[0]) != 0 && f.n >= 5 && f.numbers(1, 2) {
		return rawRow{local: f.f[3], remote: f.f[4], state: f.f[0], six: strings.HasPrefix(f.f[3], "*:"), format: FormatSS}, true, true
	}
	if six, tcp := protocol(f.f[0]); tcp {
		return protocolRow(f, six)
	}
	if f.n >= 7 && f.numbers(2, 4) && stateOf(f.f[6]) != 0 {
		six := strings.IndexByte(f.f[0], ':') >= 0
		return rawRow{local: f.f[0], remote: f.f[1], state: f.f[6], six: six, format: FormatSolaris}, true, true
	}
	return r, false, false
}

// protocolRow reads the forms that begin with the protocol: ss with its Netid
// column, netstat with and without its two queue columns.
func protocolRow(f *fields, six bool) (r rawRow, known, ok bool) {
	if stateOf(f.f[1]) != 0 && f.n >= 6 && f.numbers(2, 2) {
		return rawRow{local: f.f[4], remote: f.f[5], state: f.f[1], six: six || strings.HasPrefix(f.f[4], "*:"), format: FormatSS}, true, true
	}
	at, format := 1, FormatWindows
	if f.numbers(1, 2) {
		at, format = 3, FormatLinux
	}
	if f.n < at+2 {
		return r, false, false
	}
	r = rawRow{local: f.f[at], remote: f.f[at+1], six: six, format: format}
	if f.n > at+2 {
		r.state = f.f[at+2]
	}
	if e, split := splitEndpoint(r.local); split && e.dot {
		r.format = FormatBSD
	}
	return r, stateOf(r.state) != 0, true
}

// protocol says whether a word names TCP: tcp, TCP, tcp4, tcp6, and the dual
// tcp46 and tcp64 of the BSDs.
func protocol(s string) (six, ok bool) {
	switch s {
	case "tcp", "TCP", "tcp4":
		return false, true
	case "tcp6", "tcp46", "tcp64", "TCPv6":
		return true, true
	}
	return false, false
}

// heading says which form a line is the heading of, "" for none. A listing
// without a single socket has nothing but its heading.
func heading(s string) (format string, states bool) {
	s = strings.TrimSpace(s)
	states = strings.Contains(s, "tate")
	switch {
	case strings.HasPrefix(s, "sl ") && strings.Contains(s, "local_address") && strings.Contains(s, " st "):
		return FormatProc, true
	case strings.Contains(s, "Local Address:Port"), strings.HasPrefix(s, "State") && strings.Contains(s, "Recv-Q"):
		return FormatSS, states
	case strings.HasPrefix(s, "Proto") && strings.Contains(s, "Recv-Q"):
		return FormatLinux, true
	case strings.HasPrefix(s, "Proto") && strings.Contains(s, "Foreign Address"):
		return FormatWindows, true
	case strings.Contains(s, "Swind") && strings.Contains(s, "Rwind"):
		return FormatSolaris, states
	}
	return "", false
}

// record is what one readable row says.
type record struct {
	mta.Connection
	maybeCut bool
	wide     bool
}

// read reads the columns; false when one of them cannot be read. A socket
// that has no local port yet gives port 0.
func (r rawRow) read() (record, bool) {
	var rec record
	if rec.State = stateOf(r.state); rec.State == 0 {
		return rec, false
	}
	local, ok := splitEndpoint(r.local)
	if !ok {
		return rec, false
	}
	remote, ok := splitEndpoint(r.remote)
	if !ok {
		return rec, false
	}
	if rec.LocalPort, ok = portOf(local.port); !ok && local.port != "*" {
		return rec, false
	}
	six := r.six || strings.IndexByte(local.host, ':') >= 0
	if rec.Remote, ok = addrOf(remote.host, six); !ok {
		return rec, false
	}
	if r.format == FormatLinux || r.format == FormatBSD {
		rec.maybeCut, rec.wide = remote.cut(r.remote)
	}
	return rec, true
}
