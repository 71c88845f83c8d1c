package world

import (
	"bufio"
	"context"
	"errors"
	"net"
	"strings"
	"time"
)

// sessionTime bounds one session of a remote site.
const sessionTime = 10 * time.Minute

// session speaks the server's side of SMTP (RFC 5321) as the manner says.
func (r *remote) session(ctx context.Context, c net.Conn) {
	defer c.Close()
	m := r.mannerNow()
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
	if !say("220 mx." + r.site.Domain() + " ESMTP") {
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
			reply = "250-mx." + r.site.Domain() + "\r\n250-PIPELINING\r\n250-SIZE 50000000\r\n250-8BITMIME\r\n250-ENHANCEDSTATUSCODES\r\n250 DSN"
		case "MAIL":
			e = envelope{from: address(line)}
			reply = or(m.Mail, "250 2.1.0 Ok")
		case "RCPT":
			if reply = r.recipient(&m, e.from, address(line), time.Now()); reply[0] == '2' {
				e.to = append(e.to, address(line))
			}
		case "DATA":
			if reply = r.data(ctx, &m, &e, in, say); reply == "" {
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
func (r *remote) data(ctx context.Context, m *Manner, e *envelope, in *bufio.Reader, say func(string) bool) string {
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
	r.mu.Lock()
	r.accepted++
	r.mu.Unlock()
	if m.Forward != "" {
		from, to := e.from, e.to[0]
		r.sessions.Go(func() { r.sendOn(ctx, from, to, m.Forward, text) })
	}
	return "250 2.0.0 Ok: queued"
}

// maxKept bounds what a site keeps of a message, in bytes.
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
func (r *remote) recipient(m *Manner, from, to string, now time.Time) string {
	const yes = "250 2.1.5 Ok"
	if strings.HasPrefix(to, unknownUser) {
		return replyUnknown
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	switch {
	case m.Grey > 0:
		if r.first == nil || len(r.first) >= maxPairs {
			r.first = make(map[string]time.Time)
		}
		pair := from + " " + to
		seen, known := r.first[pair]
		if !known {
			r.first[pair] = now
		}
		if !known || now.Sub(seen) < m.Grey {
			return m.Rcpt
		}
		return yes
	case m.PerMin > 0:
		if start := now.Truncate(time.Minute); !start.Equal(r.minute) {
			r.minute, r.taken = start, 0
		}
		if r.taken++; r.taken > m.PerMin {
			return m.Rcpt
		}
		return yes
	}
	return or(m.Rcpt, yes)
}

// sendOn does what a forwarding mailbox does: the message comes back to the
// MTA half a second later, for the same user elsewhere.
func (r *remote) sendOn(ctx context.Context, from, to, domain string, text []byte) {
	pause(ctx, 500*time.Millisecond)
	user, _, _ := strings.Cut(to, "@")
	c, err := r.world.Dial(ctx, Client{Source: r.site.address, Submit: true, User: r.world.forwarder()})
	if err != nil {
		return
	}
	defer c.Quit()
	text = append([]byte("Received: from "+r.world.cfg.Host+" by mx."+r.site.Domain()+"; "+time.Now().Format(time.RFC1123Z)+"\r\n"), text...)
	_ = c.SendText(from, []string{user + "@" + domain}, text)
}

// address gives what stands between the angle brackets of a command.
func address(line string) string {
	_, a, _ := strings.Cut(line, "<")
	a, _, _ = strings.Cut(a, ">")
	return a
}

func or(a, b string) string {
	if a != "" {
		return a
	}
	return b
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
