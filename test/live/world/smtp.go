//go:build linux

package world

import (
	"bufio"
	"errors"
	"net"
	"strings"
	"time"
)

// session speaks SMTP (RFC 5321) as the behaviour says.
func (h *mailHost) session(c net.Conn) {
	defer c.Close()
	m := h.mannerNow()
	_ = c.SetDeadline(time.Now().Add(10 * time.Minute))
	r := bufio.NewReader(c)
	say := func(text string) bool {
		time.Sleep(m.Slow)
		_, err := c.Write([]byte(text + "\r\n"))
		return err == nil
	}
	if m.Stall {
		_, _ = r.ReadByte() // until the client gives up
		return
	}
	if m.Greet != "" {
		say(m.Greet)
		return
	}
	if !say("220 mx." + h.Domain() + " ESMTP") {
		return
	}
	var from, to string
	recipients := 0
	for {
		line, err := r.ReadString('\n')
		if err != nil {
			return
		}
		verb, _, _ := strings.Cut(strings.ToUpper(strings.TrimSpace(line)), " ")
		reply := "250 2.0.0 Ok"
		switch verb {
		case "EHLO":
			reply = "250-mx." + h.Domain() + "\r\n250-PIPELINING\r\n250-SIZE 50000000\r\n250-8BITMIME\r\n250-ENHANCEDSTATUSCODES\r\n250 DSN"
		case "MAIL":
			from, recipients = line, 0
			reply = or(m.Mail, "250 2.1.0 Ok")
		case "RCPT":
			if reply = h.recipient(&m, from+line); reply[0] == '2' {
				recipients++
				to = line
			}
		case "DATA":
			if m.DropAtData {
				return
			}
			if recipients == 0 {
				reply = "554 5.5.1 Error: no valid recipients"
				break
			}
			if m.Data != "" {
				reply = m.Data
				break
			}
			if !say("354 End data with <CR><LF>.<CR><LF>") {
				return
			}
			text, ok := readMessage(r)
			if !ok {
				return
			}
			if reply = h.endOfMessage(&m); m.Forward != "" && reply[0] == '2' {
				go h.sendOn(from, to, m.Forward, text)
			}
		case "QUIT":
			say("221 2.0.0 Bye")
			return
		}
		if !say(reply) {
			return
		}
	}
}

// readMessage gives a message without the final dot, cut after 64 KiB.
func readMessage(r *bufio.Reader) (text []byte, ok bool) {
	for {
		line, err := r.ReadSlice('\n')
		if err != nil && !errors.Is(err, bufio.ErrBufferFull) {
			return nil, false
		}
		if err == nil && string(line) == ".\r\n" {
			return text, true
		}
		if len(text) < 1<<16 {
			text = append(text, line...)
		}
	}
}

// sendOn does what a forwarding mailbox does: the message comes back to the
// mail server half a second later, for the same user elsewhere.
func (h *mailHost) sendOn(mailLine, rcptLine, domain string, text []byte) {
	time.Sleep(500 * time.Millisecond)
	user, _, _ := strings.Cut(address(rcptLine), "@")
	c, err := h.box.Dial(h.Address, MTAAddress+":25")
	if err != nil {
		return
	}
	defer c.Quit()
	text = append([]byte("Received: from mta.example.com by mx."+h.Domain()+"\r\n"), text...)
	_ = c.SendText(address(mailLine), user+"@"+domain, text)
}

// address gives what stands between the angle brackets of a command.
func address(line string) string {
	_, a, _ := strings.Cut(line, "<")
	a, _, _ = strings.Cut(a, ">")
	return a
}

// recipient answers one RCPT. No host knows a user whose name begins with nobody. A greylisting host refuses a pair until its
// delay has passed since the pair was first seen.
func (h *mailHost) recipient(m *Manner, pair string) string {
	const yes = "250 2.1.5 Ok"
	if strings.Contains(pair, "TO:<nobody") {
		return "550 5.1.1 User unknown"
	}
	if m.Grey == 0 {
		return or(m.RCPT, yes)
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	first, seen := h.first[pair]
	if !seen {
		h.first[pair] = time.Now()
	}
	if !seen || time.Since(first) < m.Grey {
		return m.RCPT
	}
	return yes
}

func (h *mailHost) endOfMessage(m *Manner) string {
	if m.EOM != "" {
		return m.EOM
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.accepted++
	return "250 2.0.0 Ok: queued"
}

func or(a, b string) string {
	if a != "" {
		return a
	}
	return b
}
