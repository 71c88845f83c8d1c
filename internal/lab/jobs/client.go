package jobs

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"github.com/mtawatch/mtawatch/internal/lab/queue"
	"github.com/mtawatch/mtawatch/internal/lab/site"
)

const (
	tellTimeout = time.Second     // an enqueuer's client waits for its answer
	againAfter  = time.Second     // a controller that did not answer is asked again
	askTimeout  = 2 * time.Minute // a synchronisation reads the whole queue
)

// Address is where the controller of a site listens.
func Address(s *site.Site) string {
	return net.JoinHostPort(s.Jobs.Address, strconv.Itoa(s.Jobs.TCPPort))
}

// Client tells a controller, over one connection that is opened when there is
// something to tell. Any number of goroutines may use it.
type Client struct {
	site *site.Site

	mu   sync.Mutex
	conn net.Conn
	down time.Time // when the controller did not answer
}

// NewClient gives a client of the site's controller. It opens nothing.
func NewClient(s *site.Site) *Client { return &Client{site: s} }

// Tell tells of a message that was enqueued. An error is no reason to refuse
// the message: the controller finds it at its next look at the disk.
func (c *Client) Tell(e queue.Entry, env *queue.Envelope, blocks int) error {
	t := Told{Name: e.Name(), Source: env.Source, Host: HostOf(e.Channel, env), Recipients: len(env.Recipients), Blocks: blocks, Attempts: e.Attempts}
	return c.send(t.line())
}

// Rejected tells that recipients were refused who would have gone to the channel.
func (c *Client) Rejected(channel string, recipients int) error {
	return c.send(fields("J", channel, strconv.Itoa(recipients)))
}

func (c *Client) send(line string) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	reused := c.conn != nil
	err := c.write(line)
	if err != nil && reused {
		err = c.write(line) // the controller may have been started anew
	}
	if err != nil {
		return fmt.Errorf("tell job controller: %w", err)
	}
	return nil
}

var errDown = errors.New("no answer a moment ago")

func (c *Client) write(line string) error {
	if c.conn != nil && closed(c.conn) {
		_ = c.conn.Close()
		c.conn = nil
	}
	if c.conn == nil {
		if time.Since(c.down) < againAfter {
			return errDown
		}
		conn, err := net.DialTimeout("tcp", Address(c.site), tellTimeout)
		if err != nil {
			// A refusal costs no time, and to wait after one would lose what is
			// enqueued while the controller, which reads the disk once, starts.
			if !errors.Is(err, unix.ECONNREFUSED) {
				c.down = time.Now()
			}
			return err
		}
		c.conn = conn
	}
	_ = c.conn.SetWriteDeadline(time.Now().Add(tellTimeout))
	if _, err := c.conn.Write([]byte(line)); err != nil {
		_ = c.conn.Close()
		c.conn = nil
		return err
	}
	return nil
}

// closed says whether the other end is gone: the first write after that would
// still succeed. The controller never sends to an enqueuer, so that whatever
// there is to read is the end.
func closed(conn net.Conn) bool {
	c, ok := conn.(*net.TCPConn)
	if !ok {
		return true
	}
	raw, err := c.SyscallConn()
	if err != nil {
		return true
	}
	gone := false
	err = raw.Control(func(fd uintptr) {
		var b [1]byte
		_, _, err := unix.Recvfrom(int(fd), b[:], unix.MSG_PEEK|unix.MSG_DONTWAIT)
		gone = !errors.Is(err, unix.EAGAIN)
	})
	return err != nil || gone
}

// Close ends the connection.
func (c *Client) Close() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.conn == nil {
		return nil
	}
	err := c.conn.Close()
	c.conn = nil
	return err
}

// Tell tells the controller of a site of one message, whose envelope is read
// from its file.
func Tell(ctx context.Context, s *site.Site, e queue.Entry) error {
	m, err := queue.Open(s).Read(e)
	if err != nil {
		return err
	}
	defer m.Close()
	t := Told{Name: e.Name(), Host: HostOf(e.Channel, &m.Envelope), Recipients: len(m.Recipients), Blocks: m.Blocks(), Attempts: e.Attempts}
	d := net.Dialer{Timeout: tellTimeout}
	conn, err := d.DialContext(ctx, "tcp", Address(s))
	if err != nil {
		return fmt.Errorf("tell job controller: %w", err)
	}
	defer conn.Close()
	_ = conn.SetWriteDeadline(time.Now().Add(tellTimeout))
	if _, err := conn.Write([]byte(t.line())); err != nil {
		return fmt.Errorf("tell job controller: %w", err)
	}
	return nil
}

// ErrNotRunning is behind the error of Ask when no controller listens.
var ErrNotRunning = errors.New("the job controller is not running")

// Ask sends a command and gives the lines of its answer.
func Ask(ctx context.Context, s *site.Site, command ...string) ([]string, error) {
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", Address(s))
	if err != nil {
		return nil, fmt.Errorf("ask for %s: %w: %w", command[0], ErrNotRunning, err)
	}
	defer conn.Close()
	if deadline, ok := ctx.Deadline(); ok {
		_ = conn.SetDeadline(deadline)
	}
	if _, err := conn.Write([]byte(fields(command...))); err != nil {
		return nil, fmt.Errorf("ask for %s: %w", command[0], err)
	}
	var lines []string
	in := bufio.NewScanner(conn)
	for in.Scan() {
		line := in.Text()
		if line == "." {
			return lines, nil
		}
		if text, ok := strings.CutPrefix(line, "-ERR "); ok {
			return nil, fmt.Errorf("ask for %s: %s", command[0], text)
		}
		lines = append(lines, line)
	}
	if err := in.Err(); err != nil {
		return nil, fmt.Errorf("ask for %s: %w", command[0], err)
	}
	return nil, fmt.Errorf("ask for %s: the job controller ended in mid-answer", command[0])
}
