//go:build linux

package world

import (
	"io"
	"net"
)

// closeWriter is a connection of which one half can be closed.
type closeWriter interface {
	net.Conn
	CloseWrite() error
}

// Forward joins every connection to l with a new one to an address, until l
// is closed. A Unix socket in the shared directory joins inside and outside.
func Forward(l net.Listener, network, address string) {
	for {
		c, err := l.Accept()
		if err != nil {
			return
		}
		go func() {
			defer c.Close()
			to, err := net.Dial(network, address)
			if err != nil {
				return
			}
			defer to.Close()
			go pass(to, c)
			pass(c, to)
		}()
	}
}

// pass copies until the end of one side and tells the other.
func pass(to, from net.Conn) {
	_, _ = io.Copy(to, from)
	if half, ok := to.(closeWriter); ok {
		_ = half.CloseWrite()
	}
}
