package smtpserver_test

import (
	"encoding/base64"
	"fmt"
	"io"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/mtawatch/mtawatch/internal/lab/queue"
	"github.com/mtawatch/mtawatch/internal/lab/site"
)

func contentOf(t *testing.T, m *queue.Message) string {
	t.Helper()
	b, err := io.ReadAll(m.Content())
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// TestMessage follows one message with recipients on two channels.
func TestMessage(t *testing.T) {
	o := site.DefaultOptions()
	o.LogConnection |= site.LogAuth
	r := start(t, site.Settings{Options: o, Passwords: map[string]string{"alice": "secret"}})
	c := r.dial(t, "127.0.1.1")
	plain := base64.StdEncoding.EncodeToString([]byte("\x00alice\x00secret"))
	b64 := func(s string) string { return base64.StdEncoding.EncodeToString([]byte(s)) }
	c.say(t, "", "220 mail.example.com", "EHLO client.example.org", "250", "AUTH PLAIN "+b64("\x00alice\x00wrong"), "535 5.7.8",
		"AUTH LOGIN", "334", b64("alice"), "334", b64("wrong"), "535", "AUTH PLAIN "+plain, "235")
	c.say(t, "MAIL FROM:<alice@example.com> RET=HDRS ENVID=e1", "250", "RCPT TO:<Bob@Example.com> NOTIFY=NEVER", "250", "RCPT TO:<x@one.example>", "250",
		"RCPT TO:<y@two.example> ORCPT=rfc822;z@three.example", "250", "RCPT TO:<z@ONE.example>", "250", "DATA", "354",
		"Message-ID:\r\n <m1@client.example.org>\r\nSubject: x\r\n\r\n..dot\r\n.", "250", "QUIT", "221")

	local := r.queued(t, "ims-ms")
	remote := r.queued(t, "tcp_local")
	if len(local) != 1 || len(remote) != 2 {
		t.Fatalf("%d local and %d remote files; want 1 and 2", len(local), len(remote))
	}
	m := local[0]
	if m.Source != "tcp_auth" || m.From != "alice@example.com" || m.User != "*alice" || m.EnvelopeID != "e1" || m.Ret != "HDRS" || m.MessageID != "<m1@client.example.org>" ||
		m.System != "client.example.org ([127.0.1.1])" || len(m.Recipients) != 1 ||
		m.Recipients[0].Original != "rfc822;Bob@Example.com" || m.Recipients[0].Address != "bob@ims-ms-daemon" || m.Recipients[0].Notify != "NEVER" {
		t.Errorf("envelope: %+v", m.Envelope)
	}
	text := contentOf(t, m)
	if !strings.HasPrefix(text, "Received: from client.example.org ([127.0.1.1])\n by mail.example.com") || !strings.HasSuffix(text, "\nSubject: x\n\n.dot\n") {
		t.Errorf("content: %q", text)
	}
	for _, m := range remote {
		if contentOf(t, m) != text {
			t.Errorf("content of the copy: %q", contentOf(t, m))
		}
	}
	r.log(t, " tcp_auth     ims-ms       EEA 1 alice@example.com rfc822;Bob@Example.com bob@ims-ms-daemon /", "/ims-ms/", " <m1@client.example.org> client.example.org ([127.0.1.1])")
	r.log(t, "tcp_auth     tcp_local    EEA 1 alice@example.com rfc822;z@three.example y@two.example")
	r.log(t, "tcp_local    +            O TCP|127.0.0.1|", "|127.0.1.1|", " SMTP\n")
	r.log(t, " + ", " C TCP|", " SMTP\n")
	r.log(t, " U TCP|", "535 5.7.8 PLAIN")
	r.log(t, " U TCP|", "235 2.7.0 PLAIN")
}

// TestRefusals wants each refusal answered and recorded.
func TestRefusals(t *testing.T) {
	o := site.DefaultOptions()
	o.MaxMessageSize, o.MaxBadCommands = 4096, 2
	r := start(t, site.Settings{Options: o, Denied: []netip.Prefix{netip.MustParsePrefix("127.0.9.0/24")}})
	c := r.dial(t, "127.0.1.1")
	c.say(t, "", "220", "EHLO c.example.org", "250", "HELLO", "501", "MAIL FROM:<a@example.org>", "250",
		"RCPT TO:<x@elsewhere.example>", "550 5.7.1 Relaying not allowed: x@elsewhere.example",
		"RCPT TO:<nobody@example.com>", "550 5.1.1 unknown or illegal alias: nobody@example.com",
		`RCPT TO:<"a b"@example.com>`, "553 5.1.3", "RCPT TO:<../alice@example.com>", "550 5.1.1", "RCPT TO:<bad", "501",
		"DATA", "502", "RCPT TO:<alice@example.com>", "250", "DATA", "354", strings.Repeat("x\r\n", 2000)+".", "552 5.3.4",
		"MAIL FROM:<a@example.org> SIZE=5000", "552", "QUIT", "221")
	r.log(t, "tcp_local                 JE 0 a@example.org rfc822; x@elsewhere.example c.example.org ([127.0.1.1]) 550 5.7.1 Relaying not allowed: x@elsewhere.example")
	r.log(t, " JE 0 a@example.org rfc822; nobody@example.com ", "550 5.1.1 unknown or illegal alias: nobody@example.com")
	r.log(t, "tcp_local                 B 0  rfc822; HELLO 501 5.5.2 Bad command")
	r.log(t, " B 0  rfc822; RCPT TO:<bad 501 5.5.2")
	r.log(t, " JE ", " 552 5.3.4")
	if got := len(r.queued(t, "ims-ms")) + len(r.queued(t, "tcp_local")); got != 0 {
		t.Errorf("%d messages are queued", got)
	}
	denied := r.dial(t, "127.0.9.1")
	denied.say(t, "", "554 5.7.1")
	r.log(t, " + ", " X TCP|", "|127.0.9.1|", "554 5.7.1 access_control")
	inside := r.dial(t, "127.0.0.7")
	inside.say(t, "", "220", "HELO c", "250", "MAIL FROM:<>", "250", "RCPT TO:<x@elsewhere.example>", "250", "DATA", "354", "x\r\n.", "250", "QUIT", "221")
	r.log(t, "tcp_intranet tcp_local    E 1  rfc822;x@elsewhere.example x@elsewhere.example")
}

// TestLoop wants a message that has been everywhere held.
func TestLoop(t *testing.T) {
	o := site.DefaultOptions()
	o.MaxReceived = 5
	r := start(t, site.Settings{Options: o})
	for n, held := range map[int]bool{4: false, 5: true} {
		c := r.dial(t, "")
		c.say(t, "", "220", "EHLO c.example.org", "250", "MAIL FROM:<a@example.org>", "250", "RCPT TO:<alice@example.com>", "250", "DATA", "354",
			strings.Repeat("received: by x\r\n y\r\n", n)+fmt.Sprintf("Message-ID: <m%d@x>\r\n\r\nReceived: no\r\n.", n), "250", "QUIT", "221")
		for _, m := range r.queued(t, "ims-ms") {
			if m.MessageID == fmt.Sprintf("<m%d@x>", n) && m.Entry.Held != held {
				t.Errorf("%d Received lines: held %v, want %v", n, m.Entry.Held, held)
			}
		}
	}
	if got := len(r.queued(t, "ims-ms")); got != 2 {
		t.Errorf("%d messages", got)
	}
}

// TestHostile sends what no client should.
func TestHostile(t *testing.T) {
	r := start(t, site.Settings{CommandTimeout: 500 * time.Millisecond, DataTimeout: time.Second})
	begin := "EHLO c.example.org\r\nMAIL FROM:<a@example.org>\r\nRCPT TO:<alice@example.com>\r\nDATA\r\n"
	for _, tt := range []struct {
		name, send string
		want       string // of the whole conversation
		queued     int
	}{
		{"pipelined", begin + "Subject: x\r\n\r\nx\r\n.\r\nQUIT\r\n", "\r\n221 ", 1},
		{"bare LF is no end", begin + "x\n.\nMAIL FROM:<evil@example.org>\n\r\n.\r\nQUIT\r\n", "\r\n221 ", 1},
		{"NUL and 8 bits", begin + "x\x00\xff\xfe\r\n.\r\nQUIT\r\n", "\r\n221 ", 1},
		{"chunks", "EHLO c\r\nMAIL FROM:<a@example.org>\r\nRCPT TO:<alice@example.com>\r\nBDAT 6\r\nHELLO\nBDAT 4 LAST\r\nRSETQUIT\r\n", "\r\n221 ", 1},
		{"a long line", strings.Repeat("x", 100_000) + "\r\n", "500 ", 0},
		{"a long line of data", begin + strings.Repeat("x", 100_000) + "\r\n.\r\n", "", 0},
		{"NUL in a command", "EHLO \x00\x1b[2J\r\nMAIL FROM:<a\x00@example.org>\r\nRCPT TO:<\x1b[0m@x>\r\n\x00\r\n\xff\xff\xff\xff\r\nQUIT\r\n", "553 5.1.7", 0},
		{"garbage", "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n\r\n\r\n\r\n\r\n\r\n\r\n", "", 0},
		{"slow command", "EHL", "421 4.4.2", 0},
		{"slow data", begin + "Subject: x\r\n", "421 4.4.2 timed out waiting for message data", 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			before := len(r.queued(t, "ims-ms"))
			c := r.dial(t, "127.0.1.1")
			if _, err := io.WriteString(c, tt.send); err != nil && tt.want != "500 " {
				t.Logf("send: %v", err)
			}
			got, err := io.ReadAll(c)
			if err != nil && !strings.Contains(err.Error(), "reset") {
				t.Fatalf("%q, %v", got, err)
			}
			if !strings.Contains(string(got), tt.want) {
				t.Errorf("got %q, want %q in it", got, tt.want)
			}
			if n := len(r.queued(t, "ims-ms")) - before; n != tt.queued {
				t.Errorf("%d messages are queued, want %d", n, tt.queued)
			}
		})
	}
	r.log(t, " C TCP|", "timed out waiting for the client")
	c := r.dial(t, "")
	c.say(t, "", "220", "QUIT", "221")
}
