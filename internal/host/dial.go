package host

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"time"
)

// Dial opens a stream connection: network "unix" with an absolute path, or
// "tcp" with host:port. Reads and writes end with the error of ctx when ctx
// does. Closing it ends the hold on ctx.
func (m *Machine) Dial(ctx context.Context, network, address string) (io.ReadWriteCloser, error) {
	target := address
	switch {
	case network == "unix" && filepath.IsAbs(address):
		target = m.path(address)
	case network != "tcp":
		return nil, fmt.Errorf("dial %s %s: want unix with an absolute path, or tcp", network, address)
	}
	var d net.Dialer
	c, err := d.DialContext(ctx, network, target)
	if err != nil {
		if cause := context.Cause(ctx); cause != nil {
			err = cause
		}
		return nil, fmt.Errorf("dial %s %s: %w", network, address, err)
	}
	var past = time.Unix(1, 0)
	stop := context.AfterFunc(ctx, func() { c.SetDeadline(past) })
	return &conn{Conn: c, stop: stop, cause: func() error { return context.Cause(ctx) }}, nil
}

// A conn ends its reads and writes when the context that it was dialled with
// does.
type conn struct {
	net.Conn
	stop  func() bool
	cause func() error // why the context ended; nil while it has not
}

func (c *conn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	return n, c.explain(err)
}

func (c *conn) Write(p []byte) (int, error) {
	n, err := c.Conn.Write(p)
	return n, c.explain(err)
}

func (c *conn) explain(err error) error {
	if errors.Is(err, os.ErrDeadlineExceeded) {
		if cause := c.cause(); cause != nil {
			return cause
		}
	}
	return err
}

func (c *conn) Close() error {
	c.stop()
	return c.Conn.Close()
}
