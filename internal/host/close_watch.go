package host

import (
	"cmp"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"github.com/mtawatch/mtawatch/internal/mta"
)

const (
	// closeBuffer is the receive buffer that a watch asks for, in bytes. It
	// is granted to CAP_NET_ADMIN only; others get what net.core.rmem_max
	// allows, some 300 messages where that has its default.
	closeBuffer = 16 << 20
	// maxClosedSources bounds the distinct addresses of one Drain.
	maxClosedSources = 1 << 16
	// maxClosedRemotes bounds ClosedPort.Remotes.
	maxClosedRemotes = 100
	// maxFilterPorts is how many ports fit in the short jumps of a socket
	// filter; a watch of more ports gets every message and chooses itself.
	maxFilterPorts = 200
	// closeBatch is how long Run lets messages gather.
	closeBatch = 10 * time.Millisecond
)

// A CloseWatch counts the TCP connections that end, those too that are
// shorter than the time between two readings of the socket table. The kernel
// sends one message for each full socket that it destroys (multicast groups
// SKNLGRP_INET_TCP_DESTROY and SKNLGRP_INET6_TCP_DESTROY, Linux 4.2); no
// privilege is needed. A handshake that is never completed gives none; a
// connection in TIME_WAIT has given its message when it entered that state.
//
// Drain alone suffices when it is called before the receive buffer is full;
// with Run beside it the buffer is emptied all the time.
type CloseWatch struct {
	fd, wake int

	lock    sync.Mutex
	ports   []uint16
	buf     []byte
	since   time.Time
	lost    bool
	total   []int64 // by index in ports, since w.since
	recent  []int64 // since the last Drain
	sources map[sourceKey]int32
	running bool
	closed  bool
}

// Closed is what a CloseWatch counted.
type Closed struct {
	Since time.Time    // when the totals began: the opening, or the last loss
	Lost  bool         // messages were lost since the last Drain: the counts are unknown
	Ports []ClosedPort // in the order of the port numbers
}

// ClosedPort is the part of one local port. After a loss the counts of that
// Drain are -1 and the total begins anew at 0.
type ClosedPort struct {
	Port    uint16
	Total   int64            // connections that ended since Closed.Since; -1 unknown
	Recent  int64            // connections that ended since the last Drain; -1 unknown
	Sources int              // distinct remote addresses among them, at most 65,536 over all ports
	Remotes []mta.Connection // the 100 largest of them, state close
}

// OpenCloseWatch begins to count, for the network namespace of the calling
// thread. Close it after use.
func OpenCloseWatch(ports []uint16) (*CloseWatch, error) {
	w := &CloseWatch{fd: -1, wake: -1, ports: sortedPorts(ports), buf: make([]byte, 8<<10), since: time.Now(), sources: map[sourceKey]int32{}}
	w.total, w.recent = make([]int64, len(w.ports)), make([]int64, len(w.ports))
	if err := w.open(); err != nil {
		w.free()
		return nil, fmt.Errorf("watch closed connections: %w", err)
	}
	return w, nil
}

func (w *CloseWatch) open() (err error) {
	if w.wake, err = unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK); err != nil {
		return err
	}
	w.fd, err = unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, unix.NETLINK_SOCK_DIAG)
	if err != nil {
		return err
	}
	if unix.SetsockoptInt(w.fd, unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, closeBuffer) != nil {
		// What we get without the privilege is less but of use.
		_ = unix.SetsockoptInt(w.fd, unix.SOL_SOCKET, unix.SO_RCVBUF, closeBuffer)
	}
	if filter := closeFilter(w.ports); filter != nil {
		prog := unix.SockFprog{Len: uint16(len(filter)), Filter: &filter[0]}
		if err := unix.SetsockoptSockFprog(w.fd, unix.SOL_SOCKET, unix.SO_ATTACH_FILTER, &prog); err != nil {
			return fmt.Errorf("attach filter: %w", err)
		}
	}
	if err := unix.Bind(w.fd, &unix.SockaddrNetlink{Family: unix.AF_NETLINK}); err != nil {
		return err
	}
	if err := unix.SetsockoptInt(w.fd, unix.SOL_NETLINK, unix.NETLINK_ADD_MEMBERSHIP, unix.SKNLGRP_INET_TCP_DESTROY); err != nil {
		return fmt.Errorf("join group: %w", err)
	}
	err = unix.SetsockoptInt(w.fd, unix.SOL_NETLINK, unix.NETLINK_ADD_MEMBERSHIP, unix.SKNLGRP_INET6_TCP_DESTROY)
	if err != nil && !errors.Is(err, unix.ENOENT) && !errors.Is(err, unix.EINVAL) {
		return fmt.Errorf("join group for IPv6: %w", err)
	}
	return nil
}

// closeFilter makes a socket filter that passes messages of the given local
// ports (sorted): load the 16 bits at the port of inet_diag_msg, compare, pass
// whole or drop. Nil: no filter.
func closeFilter(ports []uint16) []unix.SockFilter {
	n := len(ports)
	if n > maxFilterPorts {
		return nil
	}
	f := make([]unix.SockFilter, 0, n+3)
	f = append(f, unix.SockFilter{Code: unix.BPF_LD | unix.BPF_H | unix.BPF_ABS, K: unix.SizeofNlMsghdr + 4})
	for i, p := range ports {
		f = append(f, unix.SockFilter{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, K: uint32(p), Jt: uint8(n - i)})
	}
	return append(f,
		unix.SockFilter{Code: unix.BPF_RET | unix.BPF_K, K: 0},
		unix.SockFilter{Code: unix.BPF_RET | unix.BPF_K, K: 1 << 18})
}

// Run empties the kernel's buffer as messages come, until ctx ends (its
// error) or the watch is closed (ErrClosed).
func (w *CloseWatch) Run(ctx context.Context) error {
	if err := w.enter(); err != nil {
		return err
	}
	defer w.leave()
	stop := context.AfterFunc(ctx, func() {
		w.lock.Lock()
		defer w.lock.Unlock()
		w.signal()
	})
	defer stop()
	for {
		set := []unix.PollFd{{Fd: int32(w.wake), Events: unix.POLLIN}, {Fd: int32(w.fd), Events: unix.POLLIN}}
		_, err := unix.Poll(set, -1)
		if err != nil && err != unix.EINTR {
			return fmt.Errorf("watch closed connections: %w", err)
		}
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		var count [8]byte
		_, _ = unix.Read(w.wake, count[:]) // EAGAIN: nobody woke us
		w.lock.Lock()
		closed := w.closed
		if !closed {
			err = w.read()
		}
		w.lock.Unlock()
		if closed {
			return ErrClosed
		}
		if err != nil && err != unix.EINTR {
			return err
		}
		// Only the wake-up ends this pause; what comes meanwhile is buffered.
		_, _ = unix.Poll(set[:1], int(closeBatch.Milliseconds()))
	}
}

func (w *CloseWatch) enter() error {
	w.lock.Lock()
	defer w.lock.Unlock()
	switch {
	case w.closed:
		return ErrClosed
	case w.running:
		return errors.New("watch closed connections: another Run is under way")
	}
	w.running = true
	return nil
}

func (w *CloseWatch) leave() {
	w.lock.Lock()
	defer w.lock.Unlock()
	w.running = false
	if w.closed {
		w.free()
	}
}

// Drain gives what has ended so far. It does not block.
func (w *CloseWatch) Drain() (Closed, error) {
	w.lock.Lock()
	defer w.lock.Unlock()
	if w.closed {
		return Closed{}, ErrClosed
	}
	if err := w.read(); err != nil {
		return Closed{}, err
	}
	if w.lost {
		w.since = time.Now()
		clear(w.total)
	}
	c := Closed{Since: w.since, Lost: w.lost, Ports: make([]ClosedPort, len(w.ports))}
	for i, p := range w.ports {
		c.Ports[i] = ClosedPort{Port: p, Total: w.total[i], Recent: w.recent[i]}
		if w.lost {
			c.Ports[i].Total, c.Ports[i].Recent = -1, -1
		}
	}
	w.remotes(c.Ports)
	clear(w.recent)
	clear(w.sources)
	w.lost = false
	return c, nil
}

// remotes fills in the sources; after a loss, those that are known.
func (w *CloseWatch) remotes(ports []ClosedPort) {
	for k, n := range w.sources {
		i, _ := slices.BinarySearch(w.ports, k.port)
		p := &ports[i]
		p.Sources++
		p.Remotes = append(p.Remotes, mta.Connection{LocalPort: k.port, Remote: remoteOf(k.remote), State: mta.TCPClose, Count: int(n)})
	}
	for i := range ports {
		p := &ports[i]
		slices.SortFunc(p.Remotes, func(a, b mta.Connection) int {
			return cmp.Or(cmp.Compare(b.Count, a.Count), a.Remote.Compare(b.Remote))
		})
		p.Remotes = slices.Clone(p.Remotes[:min(len(p.Remotes), maxClosedRemotes)])
	}
}

// read takes all messages that wait. The lock is held.
func (w *CloseWatch) read() error {
	for {
		n, err := unix.Read(w.fd, w.buf)
		switch err {
		case nil:
			w.count(w.buf[:n])
		case unix.EINTR:
		case unix.EAGAIN:
			return nil
		case unix.ENOBUFS:
			w.lost = true
		default:
			return fmt.Errorf("read closed connections: %w", err)
		}
	}
}

// count counts the messages of one datagram. One that cannot be read is a
// loss, for it may have been of our ports.
func (w *CloseWatch) count(b []byte) {
	for len(b) > 0 {
		var s diagSocket
		if len(b) < unix.SizeofNlMsghdr+diagMessageSize || !s.parse(b[unix.SizeofNlMsghdr:]) {
			w.lost = true
			return
		}
		size := int(binary.NativeEndian.Uint32(b))
		connected := binary.BigEndian.Uint16(b[unix.SizeofNlMsghdr+6:]) != 0
		b = b[min(max(size+3, unix.SizeofNlMsghdr)&^3, len(b)):]
		i, mine := slices.BinarySearch(w.ports, s.port)
		if !mine || !connected { // without a remote port: it listened
			continue
		}
		w.total[i]++
		w.recent[i]++
		key := sourceKey{remote: s.remote, port: s.port}
		if _, ok := w.sources[key]; ok || len(w.sources) < maxClosedSources {
			w.sources[key]++
		}
	}
}

func (w *CloseWatch) signal() {
	if w.wake < 0 {
		return
	}
	var one [8]byte
	binary.NativeEndian.PutUint64(one[:], 1)
	_, _ = unix.Write(w.wake, one[:])
}

func (w *CloseWatch) free() {
	for _, fd := range []*int{&w.fd, &w.wake} {
		if *fd >= 0 {
			unix.Close(*fd)
			*fd = -1
		}
	}
}

// Close ends the watch; a Run under way ends with ErrClosed.
func (w *CloseWatch) Close() error {
	w.lock.Lock()
	defer w.lock.Unlock()
	w.closed = true
	if w.running {
		w.signal()
	} else {
		w.free()
	}
	return nil
}
