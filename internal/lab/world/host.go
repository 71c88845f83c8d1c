package world

import (
	"bufio"
	"cmp"
	"context"
	"errors"
	"net"
	"strings"
	"sync"
	"time"
)

// Host is what a remote mail host says and remembers, whatever it listens on.
// Its manner may be changed while it serves.
type Host struct {
	name string
	mta  string
	dial func(ctx context.Context) (*Session, error)

	mu       sync.Mutex
	manner   Manner
	accepted int
	first    map[string]time.Time // greylisting: when a pair of sender and recipient was first seen
	minute   time.Time            // in which taken were taken
	taken    int
	forwards sync.WaitGroup
}

// NewHost makes a host of a name. It forwards by what dial opens: sessions
// with the MTA, whose own name is mta.
func NewHost(name string, m Manner, mta string, dial func(ctx context.Context) (*Session, error)) *Host {
	return &Host{name: name, mta: mta, dial: dial, manner: m}
}

// Set gives the host another manner, from the next session on.
func (h *Host) Set(m Manner) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.manner = m
	h.first = nil
}

// Accepted gives how many messages the host has taken.
func (h *Host) Accepted() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.accepted
}

func (h *Host) mannerNow() Manner {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.manner.Now(time.Now())
}

// sessionTime bounds one session of a remote host.
const sessionTime = 10 * time.Minute

// Serve speaks the server's side of SMTP (RFC 5321) as the manner says, until
// the session ends, and closes c. What a mailbox forwards goes on until ctx ends.
func (h *Host) Serve(ctx context.Context, c net.Conn) {
	defer c.Close()
	m := h.mannerNow()
	_ = c.SetDeadline(time.Now().Add(sessionTime))
	in := bufio.NewReader(c)
	say := func(text string) bool {
		pause(ctx, m.Slow)
		_, err := c.Write([]byte(text + "\r\n"))
		return err == nil
	}
	if m.Mute {
		_, _ = in.ReadByte() // until the client gives up
		return
	}
	if m.Greet != "" {
		say(m.Greet)
		return
	}
	if !say("220 " + h.name + " ESMTP") {
		return
	}
	var e envelope
	for {
		line, err := in.ReadString('\n')
		if err != nil {
			return
		}
		verb, _, _ := strings.Cut(strings.ToUpper(strings.TrimSpace(line)), " ")
		reply := "250 2.0.0 Ok"
		switch verb {
		case "EHLO":
			reply = "250-" + h.name + "\r\n250-PIPELINING\r\n250-SIZE 50000000\r\n250-8BITMIME\r\n250-ENHANCEDSTATUSCODES\r\n250 DSN"
		case "MAIL":
			e = envelope{from: address(line)}
			reply = cmp.Or(m.Mail, "250 2.1.0 Ok")
		case "RCPT":
			if reply = h.recipient(&m, e.from, address(line), time.Now()); reply[0] == '2' {
				e.to = append(e.to, address(line))
			}
		case "DATA":
			if m.Drop {
				return
			}
			if reply = h.data(ctx, &m, &e, in, say); reply == "" {
				return
			}
		case "QUIT":
			say("221 2.0.0 Bye")
			return
		}
		if !say(reply) || reply[:3] == "421" {
			return
		}
	}
}

// envelope is what a client has said of the message to come.
type envelope struct {
	from string
	to   []string
}

// data answers DATA, and takes the message when it may come. "" ends the session.
func (h *Host) data(ctx context.Context, m *Manner, e *envelope, in *bufio.Reader, say func(string) bool) string {
	switch {
	case len(e.to) == 0:
		return "554 5.5.1 Error: no valid recipients"
	case m.Data != "":
		return m.Data
	}
	if !say("354 End data with <CR><LF>.<CR><LF>") {
		return ""
	}
	text, ok := readMessage(in)
	if !ok {
		return ""
	}
	if m.End != "" {
		return m.End
	}
	h.mu.Lock()
	h.accepted++
	h.mu.Unlock()
	if m.Forward != "" {
		from, to := e.from, e.to[0]
		h.forwards.Go(func() { h.sendOn(ctx, from, to, m.Forward, text) })
	}
	return "250 2.0.0 Ok: queued"
}

// maxPairs bounds what greylisting remembers.
const maxPairs = 4096

// maxKept bounds what a host keeps of a message, in bytes.
const maxKept = 64 << 10

// readMessage gives a message without the final dot, cut after maxKept.
func readMessage(in *bufio.Reader) (text []byte, ok bool) {
	for {
		line, err := in.ReadSlice('\n')
		if err != nil && !errors.Is(err, bufio.ErrBufferFull) {
			return nil, false
		}
		if err == nil && string(line) == ".\r\n" {
			return text, true
		}
		if len(text) < maxKept {
			text = append(text, line...)
		}
	}
}

// unknownUser begins the names that no site knows.
const unknownUser = "nobody"

// recipient answers one RCPT. A greylisting site refuses a pair until it is
// old enough; a throttling one takes so many messages in a minute.
func (h *Host) recipient(m *Manner, from, to string, now time.Time) string {
	const yes = "250 2.1.5 Ok"
	if strings.HasPrefix(to, unknownUser) {
		return replyUnknown
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	switch {
	case m.Grey > 0:
		if h.first == nil || len(h.first) >= maxPairs {
			h.first = make(map[string]time.Time)
		}
		pair := from + " " + to
		seen, known := h.first[pair]
		if !known {
			h.first[pair] = now
		}
		if !known || now.Sub(seen) < m.Grey {
			return m.Rcpt
		}
		return yes
	case m.PerMin > 0:
		if start := now.Truncate(time.Minute); !start.Equal(h.minute) {
			h.minute, h.taken = start, 0
		}
		if h.taken++; h.taken > m.PerMin {
			return m.Rcpt
		}
		return yes
	}
	return cmp.Or(m.Rcpt, yes)
}

// sendOn does what a forwarding mailbox does: the message comes back to the
// MTA half a second later, for the same user elsewhere.
func (h *Host) sendOn(ctx context.Context, from, to, domain string, text []byte) {
	pause(ctx, 500*time.Millisecond)
	user, _, _ := strings.Cut(to, "@")
	c, err := h.dial(ctx)
	if err != nil {
		return
	}
	defer c.Quit()
	text = append([]byte("Received: from "+h.mta+" by "+h.name+"; "+time.Now().Format(time.RFC1123Z)+"\r\n"), text...)
	_ = c.SendText(from, []string{user + "@" + domain}, text)
}

// address gives what stands between the angle brackets of a command.
func address(line string) string {
	_, a, _ := strings.Cut(line, "<")
	a, _, _ = strings.Cut(a, ">")
	return a
}

// pause waits, or until ctx ends.
func pause(ctx context.Context, d time.Duration) {
	if d <= 0 {
		return
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
	case <-t.C:
	}
}
