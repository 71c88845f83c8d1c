package host

import (
	"cmp"
	"slices"

	"github.com/mtawatch/mtawatch/internal/mta"
)

// DefaultRemotes bounds PortTable.Remotes.
const DefaultRemotes = 1000

// keepSources is how many sources a socketTable keeps room for between
// readings; after a larger reading its memory is given back.
const keepSources = 1 << 16

// A socketTable counts the sockets of one reading by port, remote address and
// state. Its memory is bounded by the kernel's own table.
type socketTable struct {
	ports   []uint16 // sorted
	tables  []mta.PortTable
	index   map[sourceKey]int32
	sources []source
	order   []int32
}

// sourceKey has no padding, so that it is hashed as one piece.
type sourceKey struct {
	remote [16]byte
	port   uint16
}

type source struct {
	key    sourceKey
	total  int32
	states [mta.NumTCPStates]int32
}

func (t *socketTable) reset(ports []uint16) {
	t.ports = ports
	t.tables = make([]mta.PortTable, len(ports))
	for i, p := range ports {
		t.tables[i] = mta.PortTable{Port: p, Closed: -1}
	}
	if t.index == nil || len(t.sources) > keepSources {
		t.index, t.sources, t.order = map[sourceKey]int32{}, nil, nil
	}
	clear(t.index)
	t.sources = t.sources[:0]
}

// add counts one socket; sockets of other ports are left out.
func (t *socketTable) add(s *diagSocket) {
	i, ok := t.find(s.port)
	if !ok {
		return
	}
	p := &t.tables[i]
	p.States[s.state]++
	if s.state == mta.TCPListen {
		addListener(p, int(s.rqueue), int(s.wqueue))
		return
	}
	key := sourceKey{remote: s.remote, port: s.port}
	at, ok := t.index[key]
	if !ok {
		at = int32(len(t.sources))
		t.index[key] = at
		t.sources = append(t.sources, source{key: key})
		p.Sources++
	}
	t.sources[at].total++
	t.sources[at].states[s.state]++
}

// addListener notes a listening socket. Where several listen on one port
// (IPv4 and IPv6, several addresses, SO_REUSEPORT) the fullest speaks for
// them, for it is the one that turns clients away.
func addListener(p *mta.PortTable, queue, limit int) {
	fuller := queue*max(p.AcceptLimit, 1) > p.AcceptQueue*max(limit, 1)
	if !p.Listening || fuller || queue == p.AcceptQueue && limit < p.AcceptLimit {
		p.AcceptQueue, p.AcceptLimit = queue, limit
	}
	p.Listening = true
}

func (t *socketTable) find(port uint16) (int, bool) {
	if len(t.ports) > 8 {
		return slices.BinarySearch(t.ports, port)
	}
	for i, p := range t.ports {
		if p == port {
			return i, true
		}
	}
	return 0, false
}

// finish gives the tables, with the largest sources of each port.
func (t *socketTable) finish(remotes int) []mta.PortTable {
	t.order = t.order[:0]
	for i := range t.sources {
		t.order = append(t.order, int32(i))
	}
	larger := func(a, b int32) int {
		x, y := &t.sources[a], &t.sources[b]
		return cmp.Or(cmp.Compare(x.key.port, y.key.port), cmp.Compare(y.total, x.total),
			remoteOf(x.key.remote).Compare(remoteOf(y.key.remote)))
	}
	slices.SortFunc(t.order, larger)
	for _, i := range t.order {
		s := &t.sources[i]
		at, _ := t.find(s.key.port)
		p := &t.tables[at]
		if len(p.Remotes) >= remotes {
			continue
		}
		if p.Remotes == nil {
			p.Remotes = make([]mta.Connection, 0, min(p.Sources+p.Sources/2+1, remotes))
		}
		addr := remoteOf(s.key.remote)
		for state, n := range s.states {
			if n > 0 && len(p.Remotes) < remotes {
				p.Remotes = append(p.Remotes, mta.Connection{LocalPort: s.key.port, Remote: addr, State: mta.TCPState(state), Count: int(n)})
			}
		}
	}
	return t.tables
}
