package channel

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"net/textproto"
	"os"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/mtawatch/mtawatch/internal/lab/maillog"
)

const (
	maxReply      = 16 << 10 // bytes of one reply
	maxReplyLines = 100
	bodyPatience  = 3 // times the reply timeout, for the text of a message to go out
)

// session is an SMTP connection to another site: RFC 5321.
type session struct {
	conn      net.Conn
	in        *bufio.Reader
	timeout   time.Duration
	wanted    string // the domain that it was opened for
	host      host
	transport string
	banner    string
	esmtp     bool
	size, dsn bool
	eightBit  bool
	used      int       // messages
	idle      time.Time // since when
	process   string    // of the log
}

// reply is what the other side answered.
type reply struct {
	code int
	text string // code and all lines, on one
}

func (r reply) ok() bool        { return r.code >= 200 && r.code < 400 }
func (r reply) permanent() bool { return r.code >= 500 }

// status is the enhanced status code of a reply, or one made of its code.
func (r reply) status() string {
	for _, w := range strings.Fields(r.text)[:min(2, len(strings.Fields(r.text)))] {
		if len(w) >= 5 && (w[0] == '2' || w[0] == '4' || w[0] == '5') && w[1] == '.' && strings.Count(w, ".") == 2 {
			return w
		}
	}
	return strconv.Itoa(r.code/100) + ".0.0"
}

// ioError is a connection that failed in mid-session.
type ioError struct {
	during string // "response to RCPT TO"
	err    error
}

// Error is the diagnostic text.
func (e *ioError) Error() string {
	switch {
	case errors.Is(e.err, os.ErrDeadlineExceeded):
		return "Timed out while waiting for " + e.during
	case errors.Is(e.err, syscall.ECONNRESET):
		return "Error reading SMTP packet; connection reset by peer in " + e.during
	case errors.Is(e.err, syscall.EPIPE):
		return "Error writing SMTP packet; broken pipe in " + e.during
	case errors.Is(e.err, errReply):
		return "Error reading SMTP packet; protocol error in " + e.during
	}
	return "Error reading SMTP packet; lost connection in " + e.during
}

var errReply = errors.New("no SMTP reply")

// connectError is a connection that was not made.
type connectError struct {
	host host
	port int
	err  error
}

// Error is the diagnostic text.
func (e *connectError) Error() string {
	text := "Connection failed"
	var no syscall.Errno
	switch {
	case errors.Is(e.err, os.ErrDeadlineExceeded), errors.Is(e.err, context.DeadlineExceeded):
		text = "Connection timed out"
	case errors.As(e.err, &no):
		text = strings.ToUpper(no.Error()[:1]) + no.Error()[1:]
	}
	return fmt.Sprintf("TCP active open: Failed connect() %s:%d  Error: %s", e.host.addr, e.port, text)
}

// dial opens a connection; what follows is greet.
func dial(ctx context.Context, h host, port int, patience, timeout time.Duration) (*session, error) {
	d := net.Dialer{Timeout: patience}
	conn, err := d.DialContext(ctx, "tcp", netip.AddrPortFrom(h.addr, uint16(port)).String())
	if err != nil {
		return nil, &connectError{h, port, err}
	}
	s := &session{conn: conn, in: bufio.NewReader(conn), timeout: timeout, host: h}
	local, ok1 := conn.LocalAddr().(*net.TCPAddr)
	remote, ok2 := conn.RemoteAddr().(*net.TCPAddr)
	if ok1 && ok2 {
		s.transport = maillog.Transport(local.IP.String(), local.Port, remote.IP.String(), remote.Port)
	}
	return s, nil
}

// greet reads the banner and says who we are. A reply that is no welcome is
// the second value; an error is an *ioError.
func (s *session) greet(own string) (reply, error) {
	r, err := s.read("banner")
	if err != nil || r.code != 220 {
		return r, err
	}
	s.banner = strings.TrimSpace(strings.TrimPrefix(r.text, "220"))
	r, err = s.command("EHLO", "EHLO "+own)
	if err != nil {
		return r, err
	}
	if r.permanent() {
		r, err = s.command("HELO", "HELO "+own)
		return r, err
	}
	s.esmtp = r.ok()
	return r, nil
}

// command sends a line and reads the reply.
func (s *session) command(name, line string) (reply, error) {
	if err := s.send(line + "\r\n"); err != nil {
		return reply{}, &ioError{name, err}
	}
	r, err := s.read("response to " + name)
	return r, err
}

func (s *session) send(text string) error {
	if err := s.conn.SetDeadline(time.Now().Add(s.timeout)); err != nil {
		return err
	}
	_, err := io.WriteString(s.conn, text)
	return err
}

// read reads a reply of one line or more, as RFC 5321, 4.2, has it.
func (s *session) read(during string) (reply, error) {
	_ = s.conn.SetDeadline(time.Now().Add(s.timeout))
	r, lines, err := readReply(s.in)
	if err != nil {
		return r, &ioError{during, err}
	}
	if strings.HasSuffix(during, "EHLO") {
		for _, line := range lines[1:] {
			word, _, _ := strings.Cut(strings.ToUpper(line), " ")
			s.size = s.size || word == "SIZE"
			s.dsn = s.dsn || word == "DSN"
			s.eightBit = s.eightBit || word == "8BITMIME"
		}
	}
	return r, nil
}

// readReply reads a reply; lines are its texts without the code.
func readReply(in *bufio.Reader) (r reply, lines []string, err error) {
	var all []string
	for size := 0; ; {
		line, err := in.ReadSlice('\n')
		if errors.Is(err, bufio.ErrBufferFull) || err == nil && len(line) < 4 {
			return r, nil, errReply
		}
		if err != nil {
			return r, nil, err
		}
		text := strings.TrimRight(string(line), "\r\n")
		code, err := strconv.Atoi(text[:min(3, len(text))])
		size += len(text)
		if err != nil || code < 200 || code > 599 || len(text) > 3 && text[3] != ' ' && text[3] != '-' || size > maxReply || len(lines) >= maxReplyLines {
			return r, nil, errReply
		}
		more := len(text) > 3 && text[3] == '-'
		lines = append(lines, text[min(4, len(text)):])
		if len(all) > 0 && len(text) > 3 {
			text = text[4:]
		}
		all = append(all, strings.TrimSpace(clean(text)))
		if !more {
			joined := strings.Join(all, " ")
			if len(all) > 1 && len(joined) > 3 {
				joined = joined[:3] + " " + joined[4:]
			}
			return reply{code, joined}, lines, nil
		}
	}
}

// clean keeps control characters of strangers out of our texts.
func clean(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return '?'
		}
		return r
	}, s)
}

// data sends the text of a message and reads what the other side says to it.
// sent is set once all of it is out.
func (s *session) data(content io.Reader, sent *bool) (reply, error) {
	_ = s.conn.SetDeadline(time.Now().Add(bodyPatience * s.timeout))
	w := bufio.NewWriterSize(s.conn, 32<<10)
	dots := textproto.NewWriter(w).DotWriter()
	_, err := io.Copy(dots, content)
	if err == nil {
		err = dots.Close()
	}
	if err == nil {
		err = w.Flush()
	}
	if err != nil {
		return reply{}, &ioError{"message text", err}
	}
	*sent = true
	return s.read("response to dot terminating message")
}

// tail is the diagnostic of what was said in this session.
func (s *session) tail(said string) string {
	return fmt.Sprintf("dns;%s (%s) (%s) %s", s.host.name, s.transport, s.banner, said)
}

func (s *session) smtpTail(r reply) string { return s.tail("smtp;" + r.text) }

// quit ends it in good manners, without waiting for the answer.
func (s *session) quit() {
	_ = s.conn.SetDeadline(time.Now().Add(time.Second))
	_, _ = io.WriteString(s.conn, "QUIT\r\n")
	_ = s.conn.Close()
}
