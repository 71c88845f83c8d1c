//go:build linux

package world

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync"
	"time"

	lab "github.com/mtawatch/mtawatch/internal/lab/world"
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
	if l.Target == "" {
		l.Target = MTAAddress + ":25"
	}
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
			var refused lab.Refusal
			switch {
			case err == nil:
				n.Accepted++
			case errors.As(err, &refused) && refused.Code() != "421":
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

// Client is one SMTP session from the outside.
type Client struct {
	*lab.Session
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
	return greet(conn)
}

// DialLocal opens a session as a program on the mail server's own host does.
func (b *Box) DialLocal() (*Client, error) {
	const target = "127.0.0.1:25"
	conn, err := net.DialTimeout("tcp4", target, 20*time.Second)
	if err != nil {
		return nil, err
	}
	return greet(conn)
}

func greet(conn net.Conn) (*Client, error) {
	s, err := lab.Greet(conn, "client.example.com")
	if err != nil {
		return nil, err
	}
	return &Client{Session: s}, nil
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
