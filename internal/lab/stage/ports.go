package stage

import (
	"fmt"
	"io"
	"net"
)

// Ports are where a practice MTA and its world listen, on loopback.
type Ports struct {
	SMTP   int // 2525
	Submit int // 2587
	Jobs   int // 27442: the Job Controller
	Names  int // 5354: the name server
	Remote int // 2526: the remote sites
}

// usualPorts are those of a lab that is alone.
func usualPorts() Ports {
	return Ports{SMTP: 2525, Submit: 2587, Jobs: 27442, Names: 5354, Remote: 2526}
}

// fill replaces each port that is 0 by the usual one, or by the next that is
// free, and gives what keeps them from other labs of this machine.
func (p *Ports) fill() (held []io.Closer, err error) {
	usual := usualPorts()
	taken := map[int]bool{p.SMTP: true, p.Submit: true, p.Jobs: true, p.Names: true, p.Remote: true}
	for _, v := range [...]struct {
		port  *int
		usual int
	}{{&p.SMTP, usual.SMTP}, {&p.Submit, usual.Submit}, {&p.Jobs, usual.Jobs}, {&p.Names, usual.Names}, {&p.Remote, usual.Remote}} {
		if *v.port != 0 {
			continue
		}
		for try := v.usual; *v.port == 0; try += 10 {
			if try > 65535 {
				return held, fmt.Errorf("find a free port from %d on: there is none", v.usual)
			}
			if taken[try] {
				continue
			}
			if c := hold(try); c != nil {
				held = append(held, c)
				*v.port, taken[try] = try, true
			}
		}
	}
	return held, nil
}

// FreePort gives the first port from one on that may be bound, and what keeps
// other labs from it until it is closed.
func FreePort(from int) (int, io.Closer, error) {
	for port := from; port <= 65535; port++ {
		if c := hold(port); c != nil {
			return port, c, nil
		}
	}
	return 0, nil, fmt.Errorf("find a free port from %d on: there is none", from)
}

// hold keeps a free port from other labs, for who binds it does so only later:
// each has its mark, a name in the kernel that ends with its process. nil when
// the port is not free.
func hold(port int) io.Closer {
	mark, err := net.Listen("unix", fmt.Sprintf("@mtawatch-lab-port-%d", port))
	if err != nil {
		return nil
	}
	if !free(port) {
		_ = mark.Close()
		return nil
	}
	return mark
}

// free reports whether a port of every loopback address may be bound, for
// connections and for packets.
func free(port int) bool {
	for _, host := range [...]string{"127.0.0.1", "127.20.0.10"} {
		address := fmt.Sprintf("%s:%d", host, port)
		l, err := net.Listen("tcp4", address)
		if err != nil {
			return false
		}
		l.Close()
		c, err := net.ListenPacket("udp4", address)
		if err != nil {
			return false
		}
		_ = c.Close()
	}
	return true
}
