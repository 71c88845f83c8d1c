package world

import (
	"bufio"
	"cmp"
	"context"
	"encoding/base64"
	"fmt"
	"net"
	"strings"
	"time"
)

// User is an account of the MTA.
type User struct {
	Name     string // the local part
	Password string
}

// Client says how a session with the MTA is opened. The zero value comes from
// 127.0.0.1 and says client.example.
type Client struct {
	Source string // the address that it comes from
	Submit bool   // to the submission port, where there is one
	User   *User  // authenticates as this user; nil does not
	Helo   string
}

// Session is one SMTP session with the MTA.
type Session struct {
	conn net.Conn
	in   *bufio.Reader
}

// Refusal is a reply that is not what the client hoped for.
type Refusal string

// Error gives the reply.
func (r Refusal) Error() string { return "refused: " + string(r) }

// Code gives the reply code.
func (r Refusal) Code() string { return string(r[:min(3, len(r))]) }

const (
	connectTime = 20 * time.Second
	replyTime   = time.Minute
)

// Connect opens a connection to the MTA from an address and says nothing on
// it. It succeeds as soon as the kernel has answered.
func (w *World) Connect(ctx context.Context, source string, submit bool) (net.Conn, error) {
	target := w.cfg.SMTP
	if submit && w.cfg.Submission != "" {
		target = w.cfg.Submission
	}
	d := net.Dialer{Timeout: connectTime}
	if source != "" {
		d.LocalAddr = &net.TCPAddr{IP: net.ParseIP(source)}
	}
	return d.DialContext(ctx, "tcp4", target)
}

// Dial opens a session, greets, and authenticates where that is asked for.
func (w *World) Dial(ctx context.Context, c Client) (*Session, error) {
	conn, err := w.Connect(ctx, c.Source, c.Submit)
	if err != nil {
		return nil, err
	}
	s, err := Greet(conn, cmp.Or(c.Helo, "client.example"))
	if err != nil || c.User == nil {
		return s, err
	}
	plain := base64.StdEncoding.EncodeToString([]byte("\x00" + c.User.Name + "\x00" + c.User.Password))
	if err := s.Command("AUTH PLAIN "+plain, "235"); err != nil {
		s.Close()
		return nil, fmt.Errorf("greet %s: %w", conn.RemoteAddr(), err)
	}
	return s, nil
}

// Greet begins a session on a connection, whose owner it becomes.
func Greet(conn net.Conn, helo string) (*Session, error) {
	s := &Session{conn: conn, in: bufio.NewReader(conn)}
	_ = conn.SetDeadline(time.Now().Add(replyTime))
	err := s.expect("220")
	if err == nil {
		err = s.Command("EHLO "+helo, "250")
	}
	if err != nil {
		s.Close()
		return nil, fmt.Errorf("greet %s: %w", conn.RemoteAddr(), err)
	}
	return s, nil
}

// Command sends one line and expects a reply code.
func (s *Session) Command(line, code string) error {
	_ = s.conn.SetDeadline(time.Now().Add(replyTime))
	if _, err := s.conn.Write([]byte(line + "\r\n")); err != nil {
		return err
	}
	return s.expect(code)
}

func (s *Session) expect(code string) error {
	for {
		line, err := s.in.ReadString('\n')
		if err != nil {
			return err
		}
		if len(line) > 3 && line[3] == '-' {
			continue
		}
		if !strings.HasPrefix(line, code) {
			return Refusal(strings.TrimSpace(line))
		}
		return nil
	}
}

// SendText transmits one message as it stands; no line of it may be a dot.
// Recipients that are refused are left out; none left is an error.
func (s *Session) SendText(from string, to []string, text []byte) error {
	if err := s.Command("MAIL FROM:<"+from+">", "250"); err != nil {
		return err
	}
	taken := 0
	var last error
	for _, a := range to {
		if err := s.Command("RCPT TO:<"+a+">", "250"); err != nil {
			last = err
			continue
		}
		taken++
	}
	if taken == 0 {
		_ = s.Command("RSET", "250")
		return last
	}
	if err := s.Command("DATA", "354"); err != nil {
		return err
	}
	return s.Command(string(text)+".", "250")
}

// Send transmits one letter.
func (s *Session) Send(l Letter) error { return s.SendText(l.From, l.To, l.text()) }

// Quit ends the session politely.
func (s *Session) Quit() {
	_ = s.Command("QUIT", "221")
	s.Close()
}

// Close breaks the session off.
func (s *Session) Close() { _ = s.conn.Close() }

// Letter is one message.
type Letter struct {
	From    string
	To      []string
	Subject string
	Size    int // bytes of the body, about; 0 is 200
}

// text gives the message with its header, lines ended by CRLF.
func (l *Letter) text() []byte {
	now := time.Now()
	var b strings.Builder
	fmt.Fprintf(&b, "From: <%s>\r\nTo: <%s>\r\nSubject: %s\r\nDate: %s\r\nMessage-ID: <%d.%s>\r\n\r\n", l.From, strings.Join(l.To, ">, <"),
		cmp.Or(l.Subject, "practice"), now.Format(time.RFC1123Z), now.UnixNano(), strings.ReplaceAll(cmp.Or(l.From, "daemon@practice.example"), " ", ""))
	const line = "This letter is practice; it is of no use to anyone.\r\n"
	for range max(1, cmp.Or(l.Size, 200)/len(line)) {
		b.WriteString(line)
	}
	return []byte(b.String())
}
