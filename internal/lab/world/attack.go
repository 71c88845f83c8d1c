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
func Crowd(n int) []string {
	list := make([]string, n)
	a := netip.MustParseAddr("127.66.0.1")
	for i := range list {
		list[i] = a.String()
		a = a.Next()
	}
	return list
}

// Flood opens connections to the MTA at a steady rate, from each source in
// turn, keeps each for a while and says nothing on it. It runs until ctx ends
// and gives the number opened.
func (w *World) Flood(ctx context.Context, sources []string, rate float64, keep time.Duration) int {
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
			c, err := w.Connect(ctx, sources[i%len(sources)], false)
			if err != nil {
				return
			}
			opened.Add(1)
			pause(ctx, keep)
			c.Close()
		})
	}
}

// Hold opens n connections to the MTA, the sources in turn, waits for the
// greeting on each, and keeps them until release is called.
func (w *World) Hold(ctx context.Context, n int, sources []string) (release func(), err error) {
	var open []net.Conn
	release = func() {
		for _, c := range open {
			_ = c.Close()
		}
	}
	for i := range n {
		c, err := w.Connect(ctx, sources[i%len(sources)], false)
		if err != nil {
			release()
			return nil, err
		}
		open = append(open, c)
	}
	for _, c := range open {
		_ = c.SetReadDeadline(time.Now().Add(replyTime))
		if _, err := c.Read(make([]byte, 512)); err != nil {
			release()
			return nil, fmt.Errorf("wait for greeting: %w", err)
		}
	}
	return release, nil
}

// SYNFlood sends connection requests to the MTA from made-up addresses
// (198.51.100.0/24) that answer nothing. It needs the right to open raw
// sockets, and a route to those addresses; neither is there outside a network
// namespace of one's own.
func (w *World) SYNFlood(ctx context.Context, rate float64) error {
	to, err := netip.ParseAddrPort(w.cfg.SMTP)
	if err != nil {
		return err
	}
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.IPPROTO_RAW)
	if err != nil {
		return fmt.Errorf("open raw socket: %w", err)
	}
	defer unix.Close(fd)
	every := time.NewTicker(time.Duration(float64(time.Second) / rate))
	defer every.Stop()
	for i := uint32(0); ; i++ {
		select {
		case <-ctx.Done():
			return nil
		case <-every.C:
		}
		p := SYN(netip.AddrPortFrom(netip.AddrFrom4([4]byte{198, 51, 100, byte(1 + i%250)}), uint16(1024+i%60000)), to, i)
		if err := unix.Sendto(fd, p, 0, &unix.SockaddrInet4{Addr: to.Addr().As4()}); err != nil && !errors.Is(err, unix.ENOBUFS) {
			return fmt.Errorf("send SYN: %w", err)
		}
	}
}

// SYN makes an IPv4 packet (RFC 791) with a TCP segment (RFC 9293) that asks
// for a connection.
func SYN(from, to netip.AddrPort, seq uint32) []byte {
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
