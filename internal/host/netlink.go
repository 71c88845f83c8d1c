package host

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"time"

	"golang.org/x/sys/unix"

	"github.com/mtawatch/mtawatch/internal/mta"
)

// The sock_diag protocol, from include/uapi/linux/{netlink,inet_diag}.h.
// Numbers are in the machine's byte order, ports and addresses in the
// network's.
const (
	diagMessageSize = 72 // struct inet_diag_msg
	socketIdentity  = 48 // struct inet_diag_sockid
	allFamilies     = 18 // TCPDIAG_GETSOCK, the older request: struct inet_diag_req
	attrBytecode    = 1  // INET_DIAG_REQ_BYTECODE
	opJump          = 1  // INET_DIAG_BC_JMP
	opPortGE        = 2  // INET_DIAG_BC_S_GE
	opPortLE        = 3  // INET_DIAG_BC_S_LE
	allStates       = 1<<mta.NumTCPStates - 2
)

// maxRanges is how many ranges of ports fit into one filter, whose jumps and
// whose attribute have 16 bits. A request for more is filtered here.
const maxRanges = 3000

// dumpPatience is how long the kernel may take for one answer.
const dumpPatience = 10 * time.Second

// errInterrupted says that the kernel's table changed so much during a dump
// that rows may be missing or doubled.
var errInterrupted = errors.New("the socket table changed while it was read")

// errRefused says that sock_diag is not to be had here.
var errRefused = errors.New("sock_diag refused")

// A diagSocket is one row of a dump.
type diagSocket struct {
	state  mta.TCPState
	port   uint16
	remote [16]byte // IPv4 as IPv4 in IPv6
	rqueue uint32   // listening: connections not yet accepted
	wqueue uint32   // listening: the backlog
}

// A diagReader asks NETLINK_SOCK_DIAG. Its buffers are reused.
type diagReader struct {
	request []byte
	buf     []byte
	seq     uint32
	kind    uint16 // of the request under way, and so of its rows
	newOnly bool   // the older request was refused
}

// dump calls fn for each TCP socket whose local port is in ports (sorted).
func (d *diagReader) dump(ctx context.Context, ports []uint16, fn func(*diagSocket)) error {
	if d.buf == nil {
		d.buf = make([]byte, 64<<10) // the kernel fills at most 32 KiB at once
	}
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.NETLINK_SOCK_DIAG)
	if err != nil {
		return fmt.Errorf("%w: open: %w", errRefused, err)
	}
	defer unix.Close(fd)
	wait := dumpPatience
	if t, ok := ctx.Deadline(); ok {
		wait = max(min(wait, time.Until(t)), time.Millisecond)
	}
	tv := unix.NsecToTimeval(int64(wait))
	if err := unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &tv); err != nil {
		return fmt.Errorf("set socket timeout: %w", err)
	}
	filter := portFilter(ports)
	// The older request takes both families in one walk over the kernel's
	// hash table, which costs more than the few rows that pass the filter. A
	// kernel refuses it before any row.
	if !d.newOnly {
		err := d.ask(ctx, fd, unix.AF_UNSPEC, filter, fn)
		if !errors.Is(err, errRefused) {
			return err
		}
		d.newOnly = true
	}
	if err := d.ask(ctx, fd, unix.AF_INET, filter, fn); err != nil {
		return err
	}
	err = d.ask(ctx, fd, unix.AF_INET6, filter, fn)
	if errors.Is(err, unix.ENOENT) {
		return nil // a kernel without IPv6
	}
	return err
}

// ask sends one request, with the older form for AF_UNSPEC, and reads its
// answer.
func (d *diagReader) ask(ctx context.Context, fd int, family byte, filter []byte, fn func(*diagSocket)) error {
	d.seq++
	d.kind = unix.SOCK_DIAG_BY_FAMILY
	if family == unix.AF_UNSPEC {
		d.kind = allFamilies
	}
	d.request = appendRequest(d.request[:0], d.kind, family, d.seq, filter)
	if err := unix.Sendto(fd, d.request, 0, &unix.SockaddrNetlink{Family: unix.AF_NETLINK}); err != nil {
		return fmt.Errorf("%w: send: %w", errRefused, err)
	}
	begun := false
	err := d.receive(ctx, fd, func(s *diagSocket) {
		begun = true
		fn(s)
	})
	if begun && errors.Is(err, errRefused) {
		// Asking in another way would count what is there twice.
		return fmt.Errorf("read sock_diag: ended early: %w", err)
	}
	return err
}

// receive reads the answer to one request to its end.
func (d *diagReader) receive(ctx context.Context, fd int, fn func(*diagSocket)) error {
	interrupted := false
	for {
		if err := ctx.Err(); err != nil {
			return err
		}
		n, err := unix.Read(fd, d.buf)
		switch {
		case err == unix.EINTR:
			continue
		case err == unix.EAGAIN:
			if err := ctx.Err(); err != nil {
				return err
			}
			return fmt.Errorf("read sock_diag: no answer: %w", context.DeadlineExceeded)
		case err != nil:
			return fmt.Errorf("read sock_diag: %w", err)
		}
		done, odd, err := eachMessage(d.buf[:n], d.kind, d.seq, fn)
		interrupted = interrupted || odd
		if err != nil {
			return err
		}
		if done && interrupted {
			return errInterrupted
		}
		if done {
			return nil
		}
	}
}

// eachMessage takes one datagram apart: struct nlmsghdr (length, type, flags,
// sequence number, port) and what it heads, aligned to 4 bytes. rows is the
// type of a message that is a socket.
func eachMessage(b []byte, rows uint16, seq uint32, fn func(*diagSocket)) (done, interrupted bool, err error) {
	var s diagSocket
	for len(b) > 0 {
		if len(b) < unix.SizeofNlMsghdr {
			return false, interrupted, errors.New("read sock_diag: cut message")
		}
		size := int(binary.NativeEndian.Uint32(b))
		kind := binary.NativeEndian.Uint16(b[4:])
		flags := binary.NativeEndian.Uint16(b[6:])
		if size < unix.SizeofNlMsghdr || size > len(b) {
			return false, interrupted, fmt.Errorf("read sock_diag: message of %d bytes in %d", size, len(b))
		}
		body := b[unix.SizeofNlMsghdr:size]
		mine := binary.NativeEndian.Uint32(b[8:]) == seq
		b = b[min((size+3)&^3, len(b)):]
		if !mine {
			continue
		}
		interrupted = interrupted || flags&unix.NLM_F_DUMP_INTR != 0
		switch kind {
		case unix.NLMSG_DONE:
			return true, interrupted, messageError(body)
		case unix.NLMSG_ERROR:
			if err := messageError(body); err != nil {
				return false, interrupted, err
			}
		case rows:
			if !s.parse(body) {
				return false, interrupted, fmt.Errorf("read sock_diag: row of %d bytes", len(body))
			}
			fn(&s)
		}
	}
	return false, interrupted, nil
}

// messageError reads the negative errno that begins an error or the end of a
// dump.
func messageError(body []byte) error {
	if len(body) < 4 {
		return nil
	}
	n := int32(binary.NativeEndian.Uint32(body))
	if n >= 0 {
		return nil
	}
	return fmt.Errorf("%w: %w", errRefused, unix.Errno(-n))
}

// parse reads struct inet_diag_msg.
func (s *diagSocket) parse(b []byte) bool {
	if len(b) < diagMessageSize {
		return false
	}
	s.state = mta.TCPState(b[1])
	if s.state == mta.TCPNewSynRecv {
		s.state = mta.TCPSynRecv
	}
	s.port = binary.BigEndian.Uint16(b[4:])
	if b[0] == unix.AF_INET {
		s.remote = [16]byte{10: 0xff, 11: 0xff}
		copy(s.remote[12:], b[24:28])
	} else {
		copy(s.remote[:], b[24:40])
	}
	s.rqueue = binary.NativeEndian.Uint32(b[56:])
	s.wqueue = binary.NativeEndian.Uint32(b[60:])
	return s.state > 0 && s.state < mta.NumTCPStates
}

// appendRequest makes a request for all TCP sockets, of a family or (the
// older kind) of both, in every state, that pass the filter.
func appendRequest(b []byte, kind uint16, family byte, seq uint32, filter []byte) []byte {
	start := len(b)
	b = append(b, 0, 0, 0, 0) // the length, below
	b = binary.NativeEndian.AppendUint16(b, kind)
	b = binary.NativeEndian.AppendUint16(b, unix.NLM_F_REQUEST|unix.NLM_F_DUMP)
	b = binary.NativeEndian.AppendUint32(b, seq)
	b = append(b, 0, 0, 0, 0) // our address, which the kernel knows
	if kind == allFamilies {
		b = append(b, family, 0, 0, 0)
		b = append(b, make([]byte, socketIdentity)...) // any socket
		b = binary.NativeEndian.AppendUint32(b, allStates)
		b = append(b, 0, 0, 0, 0)
	} else {
		b = append(b, family, unix.IPPROTO_TCP, 0, 0)
		b = binary.NativeEndian.AppendUint32(b, allStates)
		b = append(b, make([]byte, socketIdentity)...)
	}
	if len(filter) > 0 {
		b = binary.NativeEndian.AppendUint16(b, uint16(4+len(filter)))
		b = binary.NativeEndian.AppendUint16(b, attrBytecode)
		b = append(b, filter...)
	}
	binary.NativeEndian.PutUint32(b[start:], uint32(len(b)-start))
	return b
}

// portFilter makes the program that the kernel runs on each socket
// (inet_diag_bc_run of net/ipv4/inet_diag.c): for each range of ports, if the
// local port is at least its first and at most its last, jump to the end,
// which accepts; else go on to the next; past the last range jump beyond the
// end, which rejects. It uses none but the oldest operations. Nil: no filter.
func portFilter(ports []uint16) []byte {
	ranges := portRanges(ports)
	if len(ranges) == 0 || len(ranges) > maxRanges {
		return nil
	}
	const block = 20 // 8 for each comparison with its port, 4 for the jump
	total := len(ranges) * block
	op := func(b []byte, code, yes byte, no int) []byte {
		return binary.NativeEndian.AppendUint16(append(b, code, yes), uint16(no))
	}
	b := make([]byte, 0, total)
	for i, r := range ranges {
		left := total - i*block // from here to the end
		next := block
		if i == len(ranges)-1 {
			next = left + 4
		}
		b = op(b, opPortGE, 8, next)
		b = op(b, 0, 0, int(r[0]))
		b = op(b, opPortLE, 8, next-8)
		b = op(b, 0, 0, int(r[1]))
		b = op(b, opJump, 4, left-16)
	}
	return b
}

// portRanges joins sorted ports that follow each other.
func portRanges(ports []uint16) [][2]uint16 {
	var ranges [][2]uint16
	for _, p := range ports {
		if n := len(ranges); n > 0 && p-ranges[n-1][1] <= 1 {
			ranges[n-1][1] = p
			continue
		}
		ranges = append(ranges, [2]uint16{p, p})
	}
	return ranges
}

// sortedPorts gives the ports once each, in order.
func sortedPorts(ports []uint16) []uint16 {
	return slices.Compact(slices.Sorted(slices.Values(ports)))
}
