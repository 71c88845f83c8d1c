package world

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"
)

// Crowd gives n addresses that no site or ordinary client has; at most 60,000.
func Crowd(n int) []string { return Addresses(netip.MustParseAddr("127.66.0.1"), n) }

// Addresses gives n addresses that follow each other.
func Addresses(first netip.Addr, n int) []string {
	list := make([]string, n)
	for i, a := 0, first; i < n; i, a = i+1, a.Next() {
		list[i] = a.String()
	}
	return list
}

// Connect opens a connection to the mail server from an address.
type Connect = func(source string) (net.Conn, error)

func (w *World) connect(ctx context.Context) Connect {
	return func(source string) (net.Conn, error) { return w.Connect(ctx, source, false) }
}

// Flood opens connections to the MTA as the function Flood does.
func (w *World) Flood(ctx context.Context, sources []string, rate float64, keep time.Duration) int {
	return Flood(ctx, w.connect(ctx), sources, rate, keep)
}

// Hold opens n connections to the MTA as the function Hold does, and waits for
// the greeting on each.
func (w *World) Hold(ctx context.Context, n int, sources []string) (release func(), err error) {
	return Hold(w.connect(ctx), n, sources, true)
}

// SYNFlood sends connection requests to the MTA as SendSYNs does. It needs the
// right to open raw sockets, and a route to those addresses; neither is there
// outside a network namespace of one's own.
func (w *World) SYNFlood(ctx context.Context, rate float64) error {
	to, err := netip.ParseAddrPort(w.cfg.SMTP)
	if err != nil {
		return err
	}
	fd, err := RawSocket()
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	return SendSYNs(ctx, fd, to, rate)
}

// Flood opens connections at a steady rate, from each source in turn, keeps
// each for a while and says nothing on it. It runs until ctx ends and gives the
// number opened.
func Flood(ctx context.Context, connect Connect, sources []string, rate float64, keep time.Duration) int {
	var wg sync.WaitGroup
	var opened atomic.Int64
	every := time.NewTicker(time.Duration(float64(time.Second) / rate))
	defer every.Stop()
	for i := 0; ; i++ {
		select {
		case <-ctx.Done():
			wg.Wait()
			return int(opened.Load())
		case <-every.C:
		}
		wg.Go(func() {
			c, err := connect(sources[i%len(sources)])
			if err != nil {
				return
			}
			opened.Add(1)
			pause(ctx, keep)
			c.Close()
		})
	}
}

// Hold opens n connections, the sources in turn, and keeps them until release
// is called. When greeted is true it waits for the server's first word on each.
// It fails at the first that cannot be opened; those before it are closed.
func Hold(connect Connect, n int, sources []string, greeted bool) (release func(), err error) {
	var open []net.Conn
	release = func() {
		for _, c := range open {
			_ = c.Close()
		}
	}
	for i := range n {
		c, err := connect(sources[i%len(sources)])
		if err != nil {
			release()
			return nil, err
		}
		open = append(open, c)
	}
	for _, c := range open {
		if !greeted {
			break
		}
		_ = c.SetReadDeadline(time.Now().Add(replyTime))
		if _, err := c.Read(make([]byte, 512)); err != nil {
			release()
			return nil, fmt.Errorf("wait for greeting: %w", err)
		}
	}
	return release, nil
}

// RawSocket opens a socket for whole IPv4 packets, raw(7).
func RawSocket() (fd int, err error) {
	fd, err = unix.Socket(unix.AF_INET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.IPPROTO_RAW)
	if err != nil {
		return -1, fmt.Errorf("open raw socket: %w", err)
	}
	return fd, nil
}

// SendSYNs sends connection requests by a raw socket at a steady rate, from
// made-up addresses that nobody has (198.51.100.0/24), and never answers. It
// runs until ctx ends.
func SendSYNs(ctx context.Context, fd int, to netip.AddrPort, rate float64) error {
	every := time.NewTicker(time.Duration(float64(time.Second) / rate))
	defer every.Stop()
	for i := uint32(0); ; i++ {
		select {
		case <-ctx.Done():
			return nil
		case <-every.C:
		}
		p := syn(netip.AddrPortFrom(netip.AddrFrom4([4]byte{198, 51, 100, byte(1 + i%250)}), uint16(1024+i%60000)), to, i)
		if err := unix.Sendto(fd, p, 0, &unix.SockaddrInet4{Addr: to.Addr().As4()}); err != nil && !errors.Is(err, unix.ENOBUFS) {
			return fmt.Errorf("send SYN: %w", err)
		}
	}
}

// syn makes an IPv4 packet (RFC 791) with a TCP segment (RFC 9293) that asks
// for a connection.
func syn(from, to netip.AddrPort, seq uint32) []byte {
	p := make([]byte, 40)
	p[0], p[8], p[9] = 0x45, 64, unix.IPPROTO_TCP
	binary.BigEndian.PutUint16(p[2:], 40)
	src, dst := from.Addr().As4(), to.Addr().As4()
	copy(p[12:], src[:])
	copy(p[16:], dst[:])
	t := p[20:]
	binary.BigEndian.PutUint16(t, from.Port())
	binary.BigEndian.PutUint16(t[2:], to.Port())
	binary.BigEndian.PutUint32(t[4:], seq*2654435761)
	t[12], t[13] = 5<<4, 2
	binary.BigEndian.PutUint16(t[14:], 64240)
	pseudo := append(append([]byte{}, p[12:20]...), 0, unix.IPPROTO_TCP, 0, 20)
	binary.BigEndian.PutUint16(t[16:], checksum(append(pseudo, t...)))
	return p // the kernel fills in the checksum of the IPv4 header
}

// checksum is that of RFC 1071, over an even number of bytes.
func checksum(b []byte) uint16 {
	var sum uint32
	for i := 0; i+1 < len(b); i += 2 {
		sum += uint32(binary.BigEndian.Uint16(b[i:]))
	}
	for sum>>16 != 0 {
		sum = sum&0xffff + sum>>16
	}
	return ^uint16(sum)
}
