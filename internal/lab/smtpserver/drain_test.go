package smtpserver_test

import (
	"bufio"
	"crypto/tls"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/mtawatch/mtawatch/internal/certtest"
	"github.com/mtawatch/mtawatch/internal/lab/site"
)

// gone waits until a process has ended.
func gone(t *testing.T, pid int, patience time.Duration) {
	t.Helper()
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
		// A zombie has no command line: its dispatcher may not have waited for it.
		if b, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid)); err != nil || len(b) == 0 {
			return
		}
	}
	t.Errorf("process %d is there after %s", pid, patience)
}

// TestTerminatedWorker wants an operator's SIGTERM to end a server soon: 421
// to who says nothing or goes on for ever, while the message that is coming in
// is taken. A client that comes meanwhile goes to another.
func TestTerminatedWorker(t *testing.T) {
	cert, key, pool := certtest.Write(t, t.TempDir(), "mail.example.com")
	r := start(t, site.Settings{Certificate: cert, Key: key, Services: []site.Service{{Name: "SMTP", MinProcs: 1, MaxProcs: 1}}})
	silent, sending, secure := r.dial(t, ""), r.dial(t, ""), r.dial(t, "")
	silent.say(t, "", "220", "EHLO c.example.org", "250", "MAIL FROM:<a@example.org>", "250")
	sending.say(t, "", "220", "EHLO c.example.org", "250", "MAIL FROM:<a@example.org>", "250", "RCPT TO:<alice@example.com>", "250", "DATA", "354")
	secure.say(t, "", "220", "EHLO c.example.org", "250", "STARTTLS", "220")
	under := tls.Client(secure.Conn, &tls.Config{RootCAs: pool, ServerName: "mail.example.com"})
	s := &client{Conn: under, lines: bufio.NewReader(under)}
	s.say(t, "EHLO c.example.org", "250")
	worker := r.workers(t)[0]
	if err := syscall.Kill(worker, syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	silent.say(t, "", "421 4.3.2")
	if b, err := silent.lines.ReadByte(); err == nil {
		t.Errorf("after 421: %q", b)
	}
	if b, err := s.lines.ReadByte(); err == nil {
		t.Errorf("with TLS: %q", b)
	}
	next := r.dial(t, "")
	next.say(t, "", "220", "QUIT", "221")
	sending.say(t, "Subject: late\r\n\r\nx\r\n.", "250", "", "421 4.3.2")
	gone(t, worker, 5*time.Second)
	if n := len(r.queued(t, "ims-ms")); n != 1 {
		t.Errorf("%d messages are queued", n)
	}
	r.log(t, " C TCP|", "SMTP closed: 421 4.3.2 Service shutting down")
	logs, err := filepath.Glob(filepath.Join(r.LogDir(), "dispatcher.log-*"))
	if err != nil || len(logs) != 1 {
		t.Fatal(logs, err)
	}
	said := ""
	for end := time.Now().Add(5 * time.Second); time.Now().Before(end) && !strings.Contains(said, "exited "); time.Sleep(10 * time.Millisecond) {
		b, err := os.ReadFile(logs[0])
		if err != nil {
			t.Fatal(err)
		}
		said = string(b)
	}
	if !strings.Contains(said, "exited normally (its own wish)") || strings.Contains(said, "abnormally") {
		t.Errorf("the dispatcher's log:\n%s", said)
	}
}

// TestOrphansEnd wants servers without a dispatcher to end, whatever their
// clients do: one says NOOP for ever, one never comes to the end of its
// message.
func TestOrphansEnd(t *testing.T) {
	r := start(t, site.Settings{CommandTimeout: 400 * time.Millisecond, DataTimeout: 800 * time.Millisecond})
	noop, dripping := r.dial(t, ""), r.dial(t, "")
	noop.say(t, "", "220", "EHLO c.example.org", "250")
	dripping.say(t, "", "220", "EHLO c.example.org", "250", "MAIL FROM:<a@example.org>", "250", "RCPT TO:<alice@example.com>", "250")
	worker := r.workers(t)[0]
	if err := r.cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_, _ = fmt.Fprint(dripping, "BDAT 100\r\n")
	begin, answers, last := time.Now(), 0, ""
	for time.Since(begin) < 10*time.Second {
		_, _ = fmt.Fprint(dripping, "x")
		_, _ = fmt.Fprint(noop, "NOOP\r\n")
		reply, err := noop.reply()
		if err != nil {
			break
		}
		answers, last = answers+1, reply
		time.Sleep(20 * time.Millisecond)
	}
	if answers < 10 || !strings.HasPrefix(last, "421 4.3.2") {
		t.Errorf("%d answers, the last %q", answers, last)
	}
	for end := time.Now().Add(5 * time.Second); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		if _, err := fmt.Fprint(dripping, "x"); err != nil {
			break
		}
	}
	gone(t, worker, 5*time.Second)
	if n := len(r.queued(t, "ims-ms")); n != 0 {
		t.Errorf("%d messages are queued", n)
	}
}

// TestSecondSignal wants the dispatcher to wait for its clients after a first
// SIGTERM, and to end them in good manners after a second.
func TestSecondSignal(t *testing.T) {
	r := start(t, site.Settings{})
	c := r.dial(t, "")
	c.say(t, "", "220", "EHLO c.example.org", "250")
	worker := r.workers(t)[0]
	if err := r.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	for end := time.Now().Add(5 * time.Second); time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
		k, err := r.connect("")
		if err != nil {
			break // the port is closed
		}
		_ = k.Close()
	}
	c.say(t, "NOOP", "250")
	if err := r.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	c.say(t, "", "421 4.3.2")
	gone(t, worker, 5*time.Second)
	gone(t, r.cmd.Process.Pid, 5*time.Second)
}
