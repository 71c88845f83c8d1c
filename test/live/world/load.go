//go:build linux

package world

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync"
	"time"
)

// Load sends messages from the outside. Zero values: 1 session, no limit of
// the rate, port 25 of the mail server.
type Load struct {
	Target   string // address and port
	Count    int    // messages; 0 sends until the context ends
	Rate     float64
	Sessions int
	PerConn  int                // messages a connection; 0 is 20
	Message  func(i int) Letter // the i-th message
}

// Letter is one message to send.
type Letter struct {
	From string
	To   []string
	Size int // bytes of the body; 0 is 200
}

// Sent counts what a load did.
type Sent struct {
	Accepted int   // messages that the server took
	Refused  int   // messages that it did not
	Lost     int   // connections that broke or were refused
	Last     error // of the last failure
}

// Send runs a load to its end. A server that refuses or breaks off is
// counted, not an error: the load goes on with the next message.
func (b *Box) Send(ctx context.Context, l Load) Sent {
	l.Target = or(l.Target, MTAAddress+":25")
	if l.PerConn == 0 {
		l.PerConn = 20
	}
	work := make(chan int)
	go func() {
		defer close(work)
		start := time.Now()
		for i := 0; l.Count == 0 || i < l.Count; i++ {
			if l.Rate > 0 {
				due := start.Add(time.Duration(float64(i) / l.Rate * float64(time.Second)))
				select {
				case <-ctx.Done():
					return
				case <-time.After(time.Until(due)):
				}
			}
			select {
			case <-ctx.Done():
				return
			case work <- i:
			}
		}
	}()
	var wg sync.WaitGroup
	var mu sync.Mutex
	var total Sent
	for s := range max(l.Sessions, 1) {
		wg.Go(func() {
			n := b.sendAll(l, fmt.Sprintf("10.77.1.%d", 100+s%10), work)
			mu.Lock()
			defer mu.Unlock()
			total.Accepted += n.Accepted
			total.Refused += n.Refused
			total.Lost += n.Lost
			if n.Last != nil {
				total.Last = n.Last
			}
		})
	}
	wg.Wait()
	return total
}

func (b *Box) sendAll(l Load, source string, work <-chan int) (n Sent) {
	var c *Client
	defer func() {
		if c != nil {
			c.Quit()
		}
	}()
	for i := range work {
		for try := 0; ; try++ {
			var err error
			if c == nil {
				c, err = b.Dial(source, l.Target)
			}
			if err == nil {
				err = c.Send(l.Message(i))
			}
			var refused refusal
			switch {
			case err == nil:
				n.Accepted++
			case errors.As(err, &refused) && refused.code() != "421":
				n.Refused++
				n.Last = err
			default: // the connection is of no more use: once more with a new one
				n.Lost++
				n.Last = err
				if c != nil {
					c.Close()
					c = nil
				}
				if try < 20 {
					time.Sleep(time.Duration(try+1) * 20 * time.Millisecond)
					continue
				}
			}
			break
		}
		if c != nil && c.sent >= l.PerConn {
			c.Quit()
			c = nil
		}
	}
	return n
}

// refusal is a reply that is not what the client hoped for.
type refusal string

func (r refusal) Error() string { return "refused: " + string(r) }
func (r refusal) code() string  { return string(r)[:min(3, len(r))] }

// Client is one SMTP session from the outside.
type Client struct {
	conn net.Conn
	r    *bufio.Reader
	sent int
}

// Connect opens a connection from one of the outside's addresses and says
// nothing on it. It succeeds as soon as the kernel has answered, even when no
// server takes the connection.
func (b *Box) Connect(source, target string) (conn net.Conn, err error) {
	err = b.Outside(func() (err error) {
		d := net.Dialer{Timeout: 20 * time.Second, LocalAddr: &net.TCPAddr{IP: net.ParseIP(source)}}
		conn, err = d.Dial("tcp4", target)
		return err
	})
	return conn, err
}

// Dial opens a session from one of the outside's addresses and greets.
func (b *Box) Dial(source, target string) (*Client, error) {
	conn, err := b.Connect(source, target)
	if err != nil {
		return nil, err
	}
	return greet(conn, target)
}

// DialLocal opens a session as a program on the mail server's own host does.
func (b *Box) DialLocal() (*Client, error) {
	const target = "127.0.0.1:25"
	conn, err := net.DialTimeout("tcp4", target, 20*time.Second)
	if err != nil {
		return nil, err
	}
	return greet(conn, target)
}

func greet(conn net.Conn, target string) (c *Client, err error) {
	c = &Client{conn: conn, r: bufio.NewReader(conn)}
	_ = conn.SetDeadline(time.Now().Add(time.Minute))
	if err = c.expect("220"); err == nil {
		err = c.Command("EHLO client.example.com", "250")
	}
	if err != nil {
		conn.Close()
		return nil, fmt.Errorf("greet %s: %w", target, err)
	}
	return c, nil
}

// Command sends one line and expects a reply code.
func (c *Client) Command(line, code string) error {
	_ = c.conn.SetDeadline(time.Now().Add(time.Minute))
	if _, err := c.conn.Write([]byte(line + "\r\n")); err != nil {
		return err
	}
	return c.expect(code)
}

func (c *Client) expect(code string) error {
	for {
		line, err := c.r.ReadString('\n')
		if err != nil {
			return err
		}
		if len(line) > 3 && line[3] == '-' {
			continue
		}
		if !strings.HasPrefix(line, code) {
			return refusal(strings.TrimSpace(line))
		}
		return nil
	}
}

// SendText transmits one message as it stands; no line of it may be a dot.
func (c *Client) SendText(from, to string, text []byte) error {
	for _, step := range []struct{ line, code string }{
		{"MAIL FROM:<" + from + ">", "250"}, {"RCPT TO:<" + to + ">", "250"}, {"DATA", "354"}, {string(text) + ".", "250"},
	} {
		if err := c.Command(step.line, step.code); err != nil {
			return err
		}
	}
	return nil
}

// Send transmits one message.
func (c *Client) Send(l Letter) error {
	c.sent++
	if err := c.Command("MAIL FROM:<"+l.From+">", "250"); err != nil {
		return err
	}
	for _, to := range l.To {
		if err := c.Command("RCPT TO:<"+to+">", "250"); err != nil {
			_ = c.Command("RSET", "250")
			return err
		}
	}
	if err := c.Command("DATA", "354"); err != nil {
		return err
	}
	size := l.Size
	if size == 0 {
		size = 200
	}
	body := strings.Repeat(strings.Repeat("x", 70)+"\r\n", size/72+1)
	return c.Command("From: <"+l.From+">\r\nSubject: load\r\n\r\n"+body+".", "250")
}

// Quit ends the session politely.
func (c *Client) Quit() {
	_ = c.Command("QUIT", "221")
	c.Close()
}

// Close breaks the session off.
func (c *Client) Close() { _ = c.conn.Close() }
