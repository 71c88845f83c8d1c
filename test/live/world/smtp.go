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
	_ = c.SetDeadline(time.Now().Add(10 * time.Minute))
	r := bufio.NewReader(c)
	say := func(text string) bool {
		time.Sleep(h.slow)
		_, err := c.Write([]byte(text + "\r\n"))
		return err == nil
	}
	if h.stall {
		_, _ = r.ReadByte() // until the client gives up
		return
	}
	if h.greet != "" {
		say(h.greet)
		return
	}
	if !say("220 mx." + h.Domain() + " ESMTP") {
		return
	}
	var from string
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
			reply = or(h.mail, "250 2.1.0 Ok")
		case "RCPT":
			if reply = h.recipient(from + line); reply[0] == '2' {
				recipients++
			}
		case "DATA":
			if h.dropAtData {
				return
			}
			if recipients == 0 {
				reply = "554 5.5.1 Error: no valid recipients"
				break
			}
			if h.data != "" {
				reply = h.data
				break
			}
			if !say("354 End data with <CR><LF>.<CR><LF>") || !readMessage(r) {
				return
			}
			reply = h.endOfMessage()
		case "QUIT":
			say("221 2.0.0 Bye")
			return
		}
		if !say(reply) {
			return
		}
	}
}

func readMessage(r *bufio.Reader) bool {
	for {
		line, err := r.ReadSlice('\n')
		if errors.Is(err, bufio.ErrBufferFull) {
			continue
		}
		if err != nil {
			return false
		}
		if string(line) == ".\r\n" {
			return true
		}
	}
}

// recipient answers one RCPT. A greylisting host refuses a pair until its
// delay has passed since the pair was first seen.
func (h *mailHost) recipient(pair string) string {
	const yes = "250 2.1.5 Ok"
	if h.grey == 0 {
		return or(h.rcpt, yes)
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	first, seen := h.first[pair]
	if !seen {
		h.first[pair] = time.Now()
	}
	if !seen || time.Since(first) < h.grey {
		return h.rcpt
	}
	return yes
}

func (h *mailHost) endOfMessage() string {
	if h.eom != "" {
		return h.eom
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
