//go:build live && linux

package lab

import (
	"bufio"
	"fmt"
	"math/rand/v2"
	"net"
	"strings"
	"sync"
	"time"
)

// sink is the exchanger of far.example. It notes when it answered 250 to which
// message, for which recipient.
type sink struct {
	mu    sync.Mutex
	taken map[string][]time.Time // by copy: MESSAGE RECIPIENT
}

func (s *sink) serve(l net.Listener) {
	for {
		conn, err := l.Accept()
		if err != nil {
			return
		}
		go s.session(conn)
	}
}

func (s *sink) session(conn net.Conn) {
	defer conn.Close()
	in := bufio.NewReader(conn)
	fmt.Fprint(conn, "220 mx.far.example ESMTP\r\n")
	var to []string
	for {
		line, err := in.ReadString('\n')
		if err != nil {
			return
		}
		reply := "250 2.0.0 Ok"
		switch verb, rest, _ := strings.Cut(strings.TrimSpace(line), " "); verb {
		case "MAIL":
			to = nil
		case "RCPT":
			_, a, _ := strings.Cut(rest, "<")
			a, _, _ = strings.Cut(a, ">")
			to = append(to, a)
		case "DATA":
			fmt.Fprint(conn, "354 Go on\r\n")
			id := ""
			for line != ".\r\n" {
				if line, err = in.ReadString('\n'); err != nil {
					return
				}
				if v, ok := strings.CutPrefix(line, "Subject: "); ok && id == "" {
					id = strings.TrimSpace(v)
				}
			}
			s.mu.Lock()
			for _, a := range to {
				s.taken[id+" "+a] = append(s.taken[id+" "+a], time.Now())
			}
			s.mu.Unlock()
			time.Sleep(rand.N(10 * time.Millisecond)) // who is killed now does not know that it was taken
		case "QUIT":
			fmt.Fprint(conn, "221 2.0.0 Bye\r\n")
			return
		}
		if _, err := fmt.Fprint(conn, reply+"\r\n"); err != nil {
			return
		}
	}
}

// sender is an SMTP client that sends one message after the other.
type sender struct {
	address string
	conn    net.Conn
	in      *bufio.Reader
}

func (s *sender) connect() error {
	conn, err := net.DialTimeout("tcp", s.address, 5*time.Second)
	if err != nil {
		return err
	}
	s.conn, s.in = conn, bufio.NewReader(conn)
	if err := s.expect("220"); err != nil {
		return err
	}
	return s.say("EHLO client.example.com", "250")
}

func (s *sender) close() {
	if s.conn != nil {
		_ = s.conn.Close()
		s.conn = nil
	}
}

func (s *sender) say(line, code string) error {
	_ = s.conn.SetDeadline(time.Now().Add(20 * time.Second))
	if _, err := fmt.Fprint(s.conn, line+"\r\n"); err != nil {
		return err
	}
	return s.expect(code)
}

func (s *sender) expect(code string) error {
	_ = s.conn.SetDeadline(time.Now().Add(20 * time.Second))
	for {
		line, err := s.in.ReadString('\n')
		if err != nil {
			return err
		}
		if !strings.HasPrefix(line, code) {
			return fmt.Errorf("%q in place of %s", strings.TrimSpace(line), code)
		}
		if len(line) > 3 && line[3] == ' ' {
			return nil
		}
	}
}

// send sends a message; nil is a 250 for it.
func (s *sender) send(id string, to []string) error {
	if s.conn == nil {
		if err := s.connect(); err != nil {
			s.close()
			return err
		}
	}
	err := s.say("MAIL FROM:<user0@example.com>", "250")
	for _, a := range to {
		if err == nil {
			err = s.say("RCPT TO:<"+a+">", "250")
		}
	}
	if err == nil {
		err = s.say("DATA", "354")
	}
	if err == nil {
		err = s.say(fmt.Sprintf("From: user0@example.com\r\nTo: %s\r\nSubject: %s\r\nMessage-ID: <%s@client.example.com>\r\n\r\n%s.", to[0], id, id, strings.Repeat("Some text of a message.\r\n", 40)), "250")
	}
	if err != nil {
		s.close()
	}
	return err
}
