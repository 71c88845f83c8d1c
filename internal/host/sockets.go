package host

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"strings"
	"time"

	"github.com/mtawatch/mtawatch/internal/mta"
	"github.com/mtawatch/mtawatch/internal/netstat"
)

// dumpTries is how often a reading is begun anew when the kernel says that
// its table changed under it.
const dumpTries = 3

// The sources of a socket reading, as Connections.Source names them.
const (
	SourceSockDiag = "sock_diag"
	SourceProc     = "/proc/net/tcp"
)

// Sockets gives the inbound side of the TCP socket table of our network
// namespace: all sockets whose local port is one of ports. A port that nobody
// listens on is there with Listening false. Remotes has at most
// DefaultRemotes entries for each port; States and Sources count all. Of
// several listeners on one port the fullest gives AcceptQueue and
// AcceptLimit. Closed is -1: only a CloseWatch knows it.
//
// It asks sock_diag, and where that is refused reads /proc/net/tcp and tcp6,
// in which accept limits are missing (0, said in Unknown). It fails when
// neither can be read. Listener counters that cannot be read are -1.
func (m *Machine) Sockets(ctx context.Context, ports []uint16) (mta.Connections, error) {
	m.socketLock.Lock()
	defer m.socketLock.Unlock()
	ports = sortedPorts(ports)
	c, err := m.readSockets(ctx, ports)
	if err != nil {
		return mta.Connections{}, fmt.Errorf("read socket table: %w", err)
	}
	if c.Counters, err = m.Counters(); err != nil {
		c.Unknown = join(c.Unknown, err.Error())
	}
	return c, nil
}

func (m *Machine) readSockets(ctx context.Context, ports []uint16) (mta.Connections, error) {
	var refused error
	if !m.noNetlink {
		c, err := m.sockets.Read(ctx, ports)
		if err == nil || ctx.Err() != nil {
			return c, err
		}
		refused = err
		m.log.Debug("sockets are read from /proc/net/tcp", "reason", err)
	}
	c, err := m.procSockets(ctx, ports)
	if err != nil {
		return c, errors.Join(refused, err)
	}
	why := "accept queue limits: not in /proc/net/tcp"
	if refused != nil {
		why += " (" + refused.Error() + ")"
	}
	c.Unknown = join(why, c.Unknown)
	return c, nil
}

// A SocketReader reads the socket table by NETLINK_SOCK_DIAG, filtered in the
// kernel by local port. Its zero value is ready; its buffers are reused, so
// one goroutine uses it.
type SocketReader struct {
	diag  diagReader
	table socketTable
}

// Read gives the sockets whose local port is in ports (sorted, each once).
// Counters are not read. A table that changed under each of three readings is
// given as last read, with Unknown saying so.
func (r *SocketReader) Read(ctx context.Context, ports []uint16) (mta.Connections, error) {
	c := mta.Connections{Time: time.Now(), Source: SourceSockDiag, Counters: netstat.UnknownCounters()}
	for try := 1; ; try++ {
		r.table.reset(ports)
		var err error
		if len(ports) > 0 {
			err = r.diag.dump(ctx, ports, r.table.add)
		}
		if errors.Is(err, errInterrupted) && try < dumpTries {
			continue
		}
		if errors.Is(err, errInterrupted) {
			c.Unknown = err.Error()
		} else if err != nil {
			return mta.Connections{}, err
		}
		c.Ports = r.table.finish(DefaultRemotes)
		return c, nil
	}
}

// procSockets reads the text form of the socket table.
func (m *Machine) procSockets(ctx context.Context, ports []uint16) (mta.Connections, error) {
	c := mta.Connections{Time: time.Now(), Source: SourceProc, Counters: netstat.UnknownCounters()}
	t := &m.sockets.table
	t.reset(ports)
	add := func(row netstat.ProcRow) {
		s := diagSocket{state: row.State, port: row.Local.Port(), remote: row.Remote.Addr().As16(), rqueue: uint32(row.RecvQueue)}
		t.add(&s)
	}
	skipped := 0
	for _, name := range []string{"proc/net/tcp", "proc/net/tcp6"} {
		n, err := m.scanProc(ctx, name, add)
		if name == "proc/net/tcp6" && errors.Is(err, fs.ErrNotExist) {
			break // a kernel without IPv6
		}
		if err != nil {
			return mta.Connections{}, err
		}
		skipped += n
	}
	if skipped > 0 {
		c.Unknown = fmt.Sprintf("%d rows of /proc/net/tcp could not be read", skipped)
	}
	c.Ports = t.finish(DefaultRemotes)
	return c, nil
}

func (m *Machine) scanProc(ctx context.Context, name string, fn func(netstat.ProcRow)) (int, error) {
	f, err := m.Open(name)
	if err != nil {
		return 0, err
	}
	defer f.Close()
	read := readerFunc(func(p []byte) (int, error) {
		if err := ctx.Err(); err != nil {
			return 0, err
		}
		return f.Read(p)
	})
	return netstat.ScanProc(read, binary.NativeEndian, fn)
}

type readerFunc func([]byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }

// Counters reads the kernel's cumulative counts of refused or stretched
// handshakes of our network namespace. With an error all are -1.
func (m *Machine) Counters() (mta.ListenerCounters, error) {
	f, err := m.Open("proc/net/netstat")
	if err != nil {
		return netstat.UnknownCounters(), fmt.Errorf("read TCP counters: %w", err)
	}
	defer f.Close()
	return netstat.ParseCounters(f)
}

func join(a, b string) string {
	return strings.Trim(a+"; "+b, "; ")
}

// remoteOf gives the address of a row as our words want it.
func remoteOf(raw [16]byte) netip.Addr { return netip.AddrFrom16(raw).Unmap() }
