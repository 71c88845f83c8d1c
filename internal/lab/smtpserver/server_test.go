package smtpserver_test

import (
	"bufio"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/mtawatch/mtawatch/internal/certtest"
	"github.com/mtawatch/mtawatch/internal/lab/dispatcher"
	"github.com/mtawatch/mtawatch/internal/lab/labtest"
	"github.com/mtawatch/mtawatch/internal/lab/queue"
	"github.com/mtawatch/mtawatch/internal/lab/site"
	"github.com/mtawatch/mtawatch/internal/lab/smtpserver"
)

// TestMain runs this binary as the program it was started as.
func TestMain(m *testing.M) {
	labtest.Main(m, map[string]labtest.Program{"dispatcher": dispatcher.Main, "tcp_smtp_server": smtpserver.Main})
}

// running is a site with its dispatcher.
type running struct {
	*site.Site
	addr string
	cmd  *exec.Cmd // the dispatcher
}

func start(t *testing.T, s site.Settings) *running {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	port := labtest.FreePort(t)
	s.Binary, s.JobPort = exe, labtest.FreePort(t)
	s.Domains, s.Users = []string{"example.com"}, []string{"alice", "bob"}
	if len(s.Services) == 0 {
		s.Services = []site.Service{{Name: "SMTP", MinProcs: 1}}
	}
	s.Services[0].Ports = []int{port}
	made, err := site.Create(filepath.Join(t.TempDir(), "b"), s)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		said, err := filepath.Glob(filepath.Join(made.LogDir(), "tcp_smtp_server.log-*"))
		if err != nil || len(said) != 1 {
			t.Errorf("logs of the workers: %v, %v", said, err)
			return
		}
		if b, err := os.ReadFile(said[0]); err != nil || strings.Contains(string(b), "panic") || strings.Contains(string(b), "goroutine") {
			t.Errorf("the workers said, %v:\n%s", err, b)
		}
	})
	r := &running{Site: made, addr: fmt.Sprintf("127.0.0.1:%d", port), cmd: labtest.Start(t, made.Program("dispatcher"))}
	labtest.WaitFor(t, "the dispatcher", func() bool {
		c, err := net.Dial("tcp", r.addr)
		if err == nil {
			_ = c.Close()
		}
		return err == nil
	})
	return r
}

// client speaks SMTP as a test wants it.
type client struct {
	net.Conn
	lines *bufio.Reader
}

// dial connects from an address; "" is one of the own networks.
func (r *running) dial(t testing.TB, from string) *client {
	t.Helper()
	c, err := r.connect(from)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

func (r *running) connect(from string) (*client, error) {
	d := net.Dialer{Timeout: 10 * time.Second}
	if from != "" {
		d.LocalAddr = &net.TCPAddr{IP: net.ParseIP(from)}
	}
	c, err := d.Dial("tcp", r.addr)
	if err != nil {
		return nil, err
	}
	return &client{Conn: c, lines: bufio.NewReader(c)}, c.SetDeadline(time.Now().Add(20 * time.Second))
}

// reply reads one whole reply and gives its last line.
func (c *client) reply() (string, error) {
	for {
		line, err := c.lines.ReadString('\n')
		if err != nil {
			return line, err
		}
		if len(line) > 3 && line[3] == ' ' {
			return strings.TrimRight(line, "\r\n"), nil
		}
	}
}

// say sends lines and wants a reply to each, with these beginnings.
func (c *client) say(t testing.TB, pairs ...string) {
	t.Helper()
	for i := 0; i < len(pairs); i += 2 {
		if pairs[i] != "" {
			if _, err := fmt.Fprint(c, pairs[i]+"\r\n"); err != nil {
				t.Fatalf("%q: %v", pairs[i], err)
			}
		}
		got, err := c.reply()
		if err != nil || !strings.HasPrefix(got, pairs[i+1]) {
			t.Fatalf("%q was answered %q, %v; want %q", pairs[i], got, err, pairs[i+1])
		}
	}
}

// log waits until the mail log has a line with all the words.
func (r *running) log(t *testing.T, words ...string) string {
	t.Helper()
	var b []byte
	for end := time.Now().Add(5 * time.Second); time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
		b, _ = os.ReadFile(filepath.Join(r.LogDir(), "mail.log_current"))
		for line := range strings.Lines(string(b)) {
			all := true
			for _, w := range words {
				all = all && strings.Contains(line, w)
			}
			if all {
				return line
			}
		}
	}
	t.Errorf("no line with %q in the log:\n%s", words, b)
	return ""
}

// queued gives the messages of a channel.
func (r *running) queued(t *testing.T, channel string) []*queue.Message {
	t.Helper()
	q := queue.Open(r.Site)
	var list []*queue.Message
	if err := q.Walk(channel, func(e queue.Entry) error {
		m, err := q.Read(e)
		if err != nil {
			return err
		}
		t.Cleanup(func() { _ = m.Close() })
		list = append(list, m)
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	return list
}

// TestLives lets messages come in from many clients while workers live short
// lives: each session ends with 221, each 250 is a queue file.
func TestLives(t *testing.T) {
	r := start(t, site.Settings{Services: []site.Service{{Name: "SMTP", MinProcs: 1, MaxProcs: 3, MinConns: 2, MaxConns: 8,
		MaxLifeTime: time.Second, MaxLifeConns: 25, MaxShutdown: 2}}})
	var wg sync.WaitGroup
	var accepted atomic.Int64
	stop := time.Now().Add(3 * time.Second)
	for range 12 {
		wg.Go(func() {
			for time.Now().Before(stop) {
				c, err := r.connect("127.0.0.2")
				if err != nil {
					t.Errorf("connect: %v", err)
					return
				}
				for _, p := range [][2]string{{"", "220"}, {"EHLO c.example.org", "250"}, {"MAIL FROM:<a@example.org>", "250"}, {"RCPT TO:<alice@example.com>", "250"},
					{"DATA", "354"}, {"Subject: x\r\n\r\nx\r\n.", "250"}, {"QUIT", "221"}} {
					if p[0] != "" {
						_, err = fmt.Fprint(c, p[0]+"\r\n")
					}
					got, rerr := c.reply()
					if err = errors.Join(err, rerr); err != nil || !strings.HasPrefix(got, p[1]) {
						t.Errorf("a session was dropped at %q: %q, %v", p[0], got, err)
						return
					}
					if p[0] != "" && p[1] == "250" && strings.HasPrefix(p[0], "Subject") {
						accepted.Add(1)
					}
				}
				_ = c.Close()
			}
		})
	}
	wg.Wait()
	if n := len(r.queued(t, "ims-ms")); int64(n) != accepted.Load() || n < 50 {
		t.Errorf("%d messages are queued, %d were accepted", n, accepted.Load())
	}
	pids, counts := map[string]bool{}, map[string]int{}
	for end := time.Now().Add(5 * time.Second); time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
		b, err := os.ReadFile(filepath.Join(r.LogDir(), "mail.log_current"))
		if err != nil {
			t.Fatal(err)
		}
		clear(counts)
		for line := range strings.Lines(string(b)) {
			f := strings.Fields(line)
			pid, _, _ := strings.Cut(f[2], ".")
			pids[pid] = true
			counts[f[5]]++
		}
		if counts["O"] == counts["C"] { // the last client is gone before its C is written
			break
		}
	}
	if len(pids) < 4 || int64(counts["EE"]) != accepted.Load() || counts["O"] != counts["C"] {
		t.Errorf("%d processes; records: %v; %d accepted", len(pids), counts, accepted.Load())
	}
}

// TestTLS wants STARTTLS, and the S of its records.
func TestTLS(t *testing.T) {
	cert, key, pool := certtest.Write(t, t.TempDir(), "mail.example.com")
	r := start(t, site.Settings{Certificate: cert, Key: key})
	c := r.dial(t, "")
	c.say(t, "", "220", "EHLO c.example.org", "250", "STARTTLS", "220")
	secure := tls.Client(c.Conn, &tls.Config{RootCAs: pool, ServerName: "mail.example.com"})
	s := &client{Conn: secure, lines: bufio.NewReader(secure)}
	s.say(t, "EHLO c.example.org", "250", "MAIL FROM:<a@example.org>", "250", "RCPT TO:<alice@example.com>", "250", "DATA", "354", "x\r\n.", "250", "WHAT", "500", "QUIT", "221")
	if _, err := s.lines.ReadByte(); !errors.Is(err, io.EOF) {
		t.Errorf("after QUIT: %v", err)
	}
	r.log(t, " EES 1 a@example.org rfc822;alice@example.com ")
	if line := r.log(t, " + ", " C TCP|", fmt.Sprintf("|%d SMTP", c.LocalAddr().(*net.TCPAddr).Port)); !strings.HasSuffix(line, " SMTP\n") {
		t.Errorf("the end of a session with TLS: %q", line)
	}
}
