// Package inbound joins the connect and disconnect lines of a log into the
// inbound connections that there were: how many at a moment, from how many
// addresses, and how many have ended. Events go in, in the order of the log;
// the state of each port comes out.
//
// A session whose end no line tells is let go after an hour, and when its
// server starts anew. At most MaxSessions are known at a time; more make the
// counts a lower bound. What a log cannot tell, such as half-open
// connections, is not guessed.
package inbound

import (
	"cmp"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/mtawatch/mtawatch/internal/mta"
)

// MaxSessions bounds the sessions that are known at a time.
const MaxSessions = 50_000

// longest is how long a session may be open without a line.
const longest = time.Hour

// Sessions are the inbound connections of all instances. One goroutine uses it.
type Sessions struct {
	open  map[key]session
	ports []*Port // by instance and number
	last  *Port   // of the event before: they come in runs
	swept time.Time
}

// Port is one port of an instance.
type Port struct {
	Instance string
	Number   uint16
	Open     int
	Closed   int64 // sessions that have ended since the log began

	addresses map[netip.Addr]int // sessions by remote address
	changed   bool
	top       int
}

// key is what tells a session from the others: a server process that talks to
// one client at a time, or for one that talks to many the client as well.
type key struct {
	port *Port
	pid  int32
	from netip.AddrPort
}

type session struct {
	from  netip.Addr
	since time.Time
}

// New makes Sessions that know of none.
func New() *Sessions { return &Sessions{open: make(map[key]session)} }

// Add takes one event; those that tell nothing of sessions change nothing.
func (s *Sessions) Add(e *mta.Event, port uint16) {
	switch e.Kind {
	case mta.KindConnect:
		s.begin(e, port)
	case mta.KindDisconnect:
		s.end(e, port)
	case mta.KindWarning:
		if e.Reason == "passed" { // to another process, which tells of it anew
			p := s.port(e.Instance, port)
			k, _ := keyOf(p, e)
			if o, ok := s.open[k]; ok {
				s.remove(k, o)
			}
		}
	case mta.KindDaemon:
		if e.Daemon == mta.RoleDispatcher && (e.Action == mta.ActionStarted || e.Action == mta.ActionStopped) {
			s.clear(func(k key, _ session) bool { return k.port.Instance == e.Instance })
		}
	}
}

func (s *Sessions) begin(e *mta.Event, port uint16) {
	p := s.port(e.Instance, port)
	k, from := keyOf(p, e)
	if o, ok := s.open[k]; ok { // its end was not logged
		s.remove(k, o)
		p.Closed++
	}
	if len(s.open) >= MaxSessions {
		return
	}
	s.open[k] = session{from, e.Time}
	p.Open++
	p.changed = true
	if from.IsValid() {
		p.addresses[from]++
	}
}

// end takes the end of a session. How it ended early is a line of its own
// before the last, so that the second finds none.
func (s *Sessions) end(e *mta.Event, port uint16) {
	p := s.port(e.Instance, port)
	k, _ := keyOf(p, e)
	if o, ok := s.open[k]; ok {
		s.remove(k, o)
		p.Closed++
	}
}

func keyOf(p *Port, e *mta.Event) (key, netip.Addr) {
	from, err := netip.ParseAddr(e.Client.IP)
	if err != nil {
		from = netip.Addr{}
	}
	from = from.Unmap()
	k := key{port: p, pid: e.PID}
	if e.Client.Port != 0 {
		k.from = netip.AddrPortFrom(from, e.Client.Port)
	}
	return k, from
}

func (s *Sessions) remove(k key, o session) {
	delete(s.open, k)
	p := k.port
	p.Open--
	p.changed = true
	if n := p.addresses[o.from]; n > 1 {
		p.addresses[o.from] = n - 1
	} else {
		delete(p.addresses, o.from)
	}
}

func (s *Sessions) clear(which func(key, session) bool) {
	for k, o := range s.open {
		if which(k, o) {
			s.remove(k, o)
			k.port.Closed++
		}
	}
}

func (s *Sessions) port(instance string, number uint16) *Port {
	if p := s.last; p != nil && p.Number == number && p.Instance == instance {
		return p
	}
	for _, p := range s.ports {
		if p.Number == number && p.Instance == instance {
			s.last = p
			return p
		}
	}
	p := &Port{Instance: strings.Clone(instance), Number: number, addresses: make(map[netip.Addr]int)}
	s.ports = append(s.ports, p)
	slices.SortFunc(s.ports, func(a, b *Port) int {
		return cmp.Or(strings.Compare(a.Instance, b.Instance), cmp.Compare(a.Number, b.Number))
	})
	s.last = p
	return p
}

// At gives the ports at a moment, in the order of instance and number. What is too
// old to be open is let go.
func (s *Sessions) At(now time.Time) []*Port {
	if now.Sub(s.swept) > time.Minute || now.Before(s.swept) {
		s.swept = now
		s.clear(func(_ key, o session) bool { return now.Sub(o.since) > longest })
	}
	return s.ports
}

// Forget lets go of every session: lines are missing.
func (s *Sessions) Forget() {
	clear(s.open)
	for _, p := range s.ports {
		clear(p.addresses)
		p.Open, p.changed = 0, true
	}
}

// Sources is how many distinct addresses are connected.
func (p *Port) Sources() int { return len(p.addresses) }

// Top is how many connections the address has that has most.
func (p *Port) Top() int {
	if p.changed {
		p.top, p.changed = 0, false
		for _, n := range p.addresses {
			p.top = max(p.top, n)
		}
	}
	return p.top
}

// Sources appends to dst the connections by address, the largest first, at
// most so many.
func (s *Sessions) Sources(dst []mta.SourceCount, most int) []mta.SourceCount {
	first := len(dst)
	for _, p := range s.ports {
		for a, n := range p.addresses {
			dst = append(dst, mta.SourceCount{Address: a, Port: p.Number, Count: n})
		}
	}
	slices.SortFunc(dst[first:], func(a, b mta.SourceCount) int {
		return cmp.Or(cmp.Compare(b.Count, a.Count), a.Address.Compare(b.Address), cmp.Compare(a.Port, b.Port))
	})
	return dst[:min(len(dst), first+most)]
}
