package channel

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/mtawatch/mtawatch/internal/classify"
	"github.com/mtawatch/mtawatch/internal/lab/jobs"
	"github.com/mtawatch/mtawatch/internal/lab/labtest"
	"github.com/mtawatch/mtawatch/internal/lab/queue"
	"github.com/mtawatch/mtawatch/internal/lab/site"
	"github.com/mtawatch/mtawatch/internal/lab/world"
	"github.com/mtawatch/mtawatch/internal/mta"
)

func testSite(t testing.TB, s site.Settings) *site.Site {
	t.Helper()
	s.JobPort = labtest.FreePort(t)
	if s.RemotePort == 0 {
		s.RemotePort = labtest.FreePort(t)
	}
	s.Users = append(s.Users, "alice", "bob")
	got, err := site.Create(filepath.Join(t.TempDir(), "base"), s)
	if err != nil {
		t.Fatal(err)
	}
	return got
}

// testProgram is a channel program in this process; its complaints end up in
// the test's log.
func testProgram(t testing.TB, s *site.Site, channel string) *program {
	t.Helper()
	var complaints bytes.Buffer
	p := newProgram(s, channel, &complaints)
	t.Cleanup(func() {
		if complaints.Len() > 0 {
			t.Logf("complaints:\n%s", complaints.String())
		}
	})
	return p
}

func enqueue(t testing.TB, p *program, from string, to ...string) queue.Entry {
	t.Helper()
	e := &queue.Envelope{Source: "tcp_intranet", From: from, MessageID: "<m1@example.com>", Arrived: time.Now()}
	for _, a := range to {
		e.Recipients = append(e.Recipients, queue.Recipient{Original: "rfc822;" + a, Address: a})
	}
	entry, err := p.queue.Enqueue(p.channel, e, strings.NewReader("From: a@example.com\nSubject: test\nMessage-ID: <m1@example.com>\n\nbody\n.dot\n"))
	if err != nil {
		t.Fatal(err)
	}
	return entry
}

// logLines gives the lines of mail.log_current since the last call.
func logLines(t testing.TB, s *site.Site) []string {
	t.Helper()
	name := filepath.Join(s.LogDir(), "mail.log_current")
	text, err := os.ReadFile(name)
	if err != nil && !os.IsNotExist(err) {
		t.Fatal(err)
	}
	if err := os.Truncate(name, 0); err != nil && !os.IsNotExist(err) {
		t.Fatal(err)
	}
	return strings.Split(strings.TrimRight(string(text), "\n"), "\n")
}

func count(t testing.TB, p *program, channel string) (n int) {
	t.Helper()
	if err := p.queue.Walk(channel, func(queue.Entry) error { n++; return nil }); err != nil {
		t.Fatal(err)
	}
	return n
}

// startWorld runs remote sites and a name server until the test ends.
func startWorld(t testing.TB, s *site.Site, sites []world.Site) *world.World {
	t.Helper()
	w, err := world.New(world.Config{SMTP: "127.0.0.1:1", NameServer: s.Practice.NameServer, RemotePort: s.Practice.RemotePort,
		Host: s.Practice.Host, Domain: "example.com", Users: []world.User{{Name: "alice"}}, Sites: sites})
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	ready, done := make(chan struct{}), make(chan error, 1)
	go func() { done <- w.Run(ctx, func() { close(ready) }) }()
	select {
	case <-ready:
	case err := <-done:
		t.Fatal(err)
	}
	t.Cleanup(func() { stop(); <-done })
	return w
}

// TestCauses sends to sites of every habit. What the log says of each must be
// what the classifier names right.
func TestCauses(t *testing.T) {
	s := testSite(t, site.Settings{NameServer: fmt.Sprintf("127.0.0.1:%d", labtest.FreePort(t)), ConnectTimeout: 300 * time.Millisecond, ReplyTimeout: 300 * time.Millisecond})
	tests := []struct {
		site  world.Site
		code  string
		cause mta.Cause
		text  string // of the line
	}{
		{world.Site{Name: "fine"}, "DE", mta.CauseNone, " smtp;250 "},
		{world.Site{Name: "closed", Manner: world.Manner{Closed: true}}, "Q", mta.CauseConnectRefused, " 0 a@example.com rfc822;x@closed.example x@closed.example"},
		{world.Site{Name: "deaf", Manner: world.Manner{Deaf: true}}, "Q", mta.CauseConnectTimeout, "Error: Connection timed out"},
		{world.Site{Name: "mute", Manner: world.Manner{Mute: true}}, "Q", mta.CauseReplyTimeout, "dns;"},
		{world.Site{Name: "gone", Manner: world.Manner{Gone: true}}, "R", mta.CauseNoSuchDomain, "NXDOMAIN"},
		{world.Site{Name: "grey", Manner: world.Manner{Rcpt: "451 4.7.1 Greylisted, please try again in a minute"}}, "QE", mta.CauseGreylisted, "smtp;451 4.7.1"},
		{world.Site{Name: "busy", Manner: world.Manner{Rcpt: "421 4.7.28 Our system has detected an unusual rate of mail from your address; please slow down"}}, "QE", mta.CauseRateLimited, "(TCP|127.0.0.1|"},
		{world.Site{Name: "full", Manner: world.Manner{Rcpt: "452 4.2.2 The mailbox is over its quota, please try again later"}}, "QE", mta.CauseMailboxFull, "452"},
		{world.Site{Name: "who", Manner: world.Manner{Rcpt: "550 5.1.1 User unknown"}}, "RE", mta.CauseUnknownUser, "smtp;550 5.1.1 User unknown"},
		{world.Site{Name: "spam", Manner: world.Manner{End: "554 5.7.1 Message rejected as spam by content scanning"}}, "RE", mta.CauseContent, " 1 a@example.com"},
		{world.Site{Name: "list", Manner: world.Manner{Greet: "554 5.7.1 Service unavailable; client host [192.0.2.1] blocked using bl.example"}}, "R", mta.CauseBlocked, "554"},
	}
	var sites []world.Site
	for _, tt := range tests {
		sites = append(sites, tt.site)
	}
	startWorld(t, s, world.Place(sites))
	c := classify.New()
	for _, tt := range tests {
		t.Run(tt.site.Name, func(t *testing.T) {
			p := testProgram(t, s, site.ChannelInternet)
			client := newSMTPClient(p)
			p.deliver = client.deliver
			e := enqueue(t, p, "a@example.com", "x@"+tt.site.Name+".example")
			r := p.one(context.Background(), 1, e.Name())
			client.end()
			line := messageLine(t, logLines(t, s), tt.code)
			if !strings.Contains(line, tt.text) {
				t.Errorf("%q lacks %q", line, tt.text)
			}
			_, tail, _ := strings.Cut(line, "<m1@example.com> ")
			if got := c.Cause(tail, "", 0); got != tt.cause {
				t.Errorf("%q is classified as %v, want %v", tail, got, tt.cause)
			}
			switch tt.code[0] {
			case 'D', 'R':
				if r.State != jobs.Done || count(t, p, p.channel) != 0 {
					t.Errorf("result %c, %d left in the queue", r.State, count(t, p, p.channel))
				}
			default:
				now, err := p.queue.Stat(r.Now)
				if r.State != jobs.Later || err != nil || now.Attempts != 1 {
					t.Errorf("result %+v, %+v, %v", r, now, err)
				}
				_ = p.queue.Remove(now)
			}
		})
	}
	if n := count(t, testProgram(t, s, site.ChannelProcess), site.ChannelProcess); n != 4 {
		t.Errorf("%d notifications, want those of the 4 that failed for good", n)
	}
}

// messageLine finds the one line about the message.
func messageLine(t *testing.T, lines []string, code string) string {
	t.Helper()
	for _, line := range lines {
		if strings.Contains(line, " "+code+" ") && strings.Contains(line, "rfc822;x@") {
			return line
		}
	}
	t.Fatalf("no line with code %s in:\n%s", code, strings.Join(lines, "\n"))
	return ""
}

// TestNames asks a name server that fails, one that says nothing, and none.
func TestNames(t *testing.T) {
	s := testSite(t, site.Settings{NameServer: fmt.Sprintf("127.0.0.1:%d", labtest.FreePort(t))})
	w := startWorld(t, s, world.Place([]world.Site{{Name: "fine"}}))
	c := classify.New()
	for _, tt := range []struct {
		name string
		mode world.NameMode
	}{{"failing", world.NamesFailing}, {"silent", world.NamesSilent}} {
		t.Run(tt.name, func(t *testing.T) {
			w.Names(tt.mode)
			r := &resolver{server: s.Practice.NameServer}
			ctx, stop := context.WithTimeout(context.Background(), 100*time.Millisecond)
			defer stop()
			_, err := r.lookup(ctx, "fine.example")
			if err == nil {
				t.Fatal("an answer")
			}
			if got := c.Cause(err.Error(), "", 0); got != mta.CauseDNSFailure {
				t.Errorf("%q is classified as %v", err, got)
			}
		})
	}
	r := &resolver{server: "127.0.0.1:1"}
	if _, err := r.lookup(context.Background(), "fine.example"); err == nil || c.Cause(err.Error(), "", 0) != mta.CauseDNSFailure {
		t.Errorf("without a name server: %v, %v", err, c.Cause(err.Error(), "", 0))
	}
	for _, text := range []string{"domain does not accept mail (null MX)", "no such domain (NXDOMAIN)", "no address", "bad address literal", "no domain name"} {
		e := &lookupError{"none.example", true, "5.1.2", text}
		if got := c.Cause(e.Error(), "", 0); got != mta.CauseNoSuchDomain {
			t.Errorf("%q is classified as %v", e, got)
		}
	}
	lost := &session{host: host{name: "mx.example.net"}}
	for want, list := range map[mta.Cause][]error{
		mta.CauseConnectionLost: {&ioError{"response to DATA", io.EOF}, &ioError{"x", syscall.ECONNRESET}, &ioError{"x", syscall.EPIPE}},
		mta.CauseReplyTimeout:   {&ioError{"response to dot terminating message", os.ErrDeadlineExceeded}},
		mta.CauseProtocolError:  {&ioError{"banner", errReply}},
		mta.CauseUnreachable:    {&connectError{host{}, 25, syscall.EHOSTUNREACH}, &connectError{host{}, 25, syscall.ENETUNREACH}},
	} {
		for _, err := range list {
			if got := c.Cause(lost.tail(err.Error()), "", 0); got != want {
				t.Errorf("%q is classified as %v, want %v", err, got, want)
			}
		}
	}
}

// TestReuse sends several messages: they go over one connection, whole, and
// the connection records say so.
func TestReuse(t *testing.T) {
	s := testSite(t, site.Settings{NameServer: fmt.Sprintf("127.0.0.1:%d", labtest.FreePort(t))})
	startWorld(t, s, world.Place([]world.Site{{Name: "fine"}}))
	p := testProgram(t, s, site.ChannelInternet)
	client := newSMTPClient(p)
	p.deliver = client.deliver
	for range 5 {
		if r := p.one(context.Background(), 1, enqueue(t, p, "a@example.com", "x@fine.example", "y@fine.example").Name()); r.Delivered != 2 {
			t.Fatalf("result %+v", r)
		}
	}
	client.end()
	text := strings.Join(logLines(t, s), "\n")
	for part, want := range map[string]int{"-            O TCP|": 1, "-            C TCP|": 1, " DE 1 a@example.com ": 10} {
		if got := strings.Count(text, part); got != want {
			t.Errorf("%d of %q, want %d, in:\n%s", got, part, want, text)
		}
	}
}

func TestStore(t *testing.T) {
	s := testSite(t, site.Settings{})
	p := testProgram(t, s, site.ChannelStore)
	p.deliver = (&store{site: s}).deliver
	home := filepath.Join(s.StoreDir(), "bob")
	deliver := func(to ...string) (jobs.Result, string) {
		t.Helper()
		r := p.one(context.Background(), 1, enqueue(t, p, "x@example.net", to...).Name())
		return r, strings.Join(logLines(t, s), "\n")
	}
	r, text := deliver("bob@example.com", "nobody@example.com")
	if r.State != jobs.Done || r.Delivered != 1 || r.Failed != 1 || !strings.Contains(text, " D 1 x@example.net rfc822;bob@example.com bob@ims-ms-daemon") ||
		!strings.Contains(text, " R 0 x@example.net rfc822;nobody@example.com nobody@ims-ms-daemon") || !strings.Contains(text, "process      E") {
		t.Errorf("%+v\n%s", r, text)
	}
	list, err := filepath.Glob(filepath.Join(home, "Maildir", "new", "*"))
	if err != nil || len(list) != 1 {
		t.Fatal(list, err)
	}
	mail, err := os.ReadFile(list[0])
	if err != nil || !strings.HasPrefix(string(mail), "Return-Path: <x@example.net>\nDelivered-To: bob@example.com\nFrom: a@example.com\n") || !strings.HasSuffix(string(mail), "\nbody\n.dot\n") {
		t.Errorf("%q, %v", mail, err)
	}
	for _, tt := range []struct {
		file, text, want string
		cause            mta.Cause
	}{{"lock", "", "Mailbox is busy", mta.CauseMailboxBusy}, {"quota", "100\n", "Mailbox is over quota", mta.CauseMailboxFull}} {
		name := filepath.Join(home, tt.file)
		if err := os.WriteFile(name, []byte(tt.text), 0o600); err != nil {
			t.Fatal(err)
		}
		r, text := deliver("bob@example.com", "alice@example.com")
		if r.State != jobs.Later || r.Delivered != 1 || r.Delayed != 1 || !strings.Contains(text, " Z 1 x@example.net rfc822;bob@example.com bob@ims-ms-daemon") || !strings.HasSuffix(strings.Split(text, "\n")[0], tt.want) {
			t.Errorf("%s: %+v\n%s", tt.file, r, text)
		}
		if got := classify.New().Cause(tt.want, "", 0); got != tt.cause {
			t.Errorf("%q is classified as %v, want %v", tt.want, got, tt.cause)
		}
		if err := os.Remove(name); err != nil {
			t.Fatal(err)
		}
		// Once the mailbox is free only the one who waits gets it.
		r = p.one(context.Background(), 1, r.Now)
		if r.State != jobs.Done || r.Delivered != 1 {
			t.Errorf("%s: %+v", tt.file, r)
		}
		_ = logLines(t, s)
	}
}

// TestStoreOnce: a program that was killed after the delivery, before it could
// take the message out of the queue, delivers nothing twice.
func TestStoreOnce(t *testing.T) {
	s := testSite(t, site.Settings{})
	p := testProgram(t, s, site.ChannelStore)
	st := &store{site: s}
	m, err := p.queue.Lock(enqueue(t, p, "x@example.net", "bob@example.com"))
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	for range 2 {
		if o := st.deliver(context.Background(), &attempt{Message: m}); o[0].kind != delivered {
			t.Errorf("%+v", o)
		}
	}
	if list, _ := filepath.Glob(filepath.Join(s.StoreDir(), "bob", "Maildir", "*", "*")); len(list) != 1 {
		t.Errorf("the mailbox has %q", list)
	}
}

// TestProcess follows a notification into the store; a second failure, of the
// notification itself, makes none.
func TestProcess(t *testing.T) {
	s := testSite(t, site.Settings{})
	st := testProgram(t, s, site.ChannelStore)
	st.deliver = (&store{site: s}).deliver
	pr := testProgram(t, s, site.ChannelProcess)
	pr.deliver = pr.pass
	for _, from := range []string{"alice@example.com", "nobody2@example.com"} {
		st.one(context.Background(), 1, enqueue(t, st, from, "nobody@example.com").Name())
		for _, p := range []*program{pr, st} {
			err := p.queue.Walk(p.channel, func(e queue.Entry) error {
				if r := p.one(context.Background(), 1, e.Name()); r.State != jobs.Done {
					t.Errorf("%s: %+v", p.channel, r)
				}
				return nil
			})
			if err != nil {
				t.Fatal(err)
			}
		}
	}
	if n := count(t, pr, site.ChannelProcess) + count(t, pr, site.ChannelStore); n != 0 {
		t.Errorf("%d messages are left", n)
	}
	list, _ := filepath.Glob(filepath.Join(s.StoreDir(), "alice", "Maildir", "new", "*"))
	if len(list) != 1 {
		t.Fatalf("alice has %q", list)
	}
	text, err := os.ReadFile(list[0])
	if err != nil {
		t.Fatal(err)
	}
	for _, part := range []string{"Return-Path: <>\n", "report-type=delivery-status", "Content-Type: message/delivery-status", "Final-Recipient: rfc822;nobody@example.com\n",
		"Action: failed\n", "Status: 5.1.1\n", "Content-Type: message/rfc822", "Subject: test\n"} {
		if !bytes.Contains(text, []byte(part)) {
			t.Errorf("no %q in:\n%s", part, text)
		}
	}
}

// TestSuccess tells who asked for it, and nobody else, that mail arrived.
func TestSuccess(t *testing.T) {
	s := testSite(t, site.Settings{})
	p := testProgram(t, s, site.ChannelStore)
	p.deliver = (&store{site: s}).deliver
	e := &queue.Envelope{From: "alice@example.com", MessageID: "<m1@example.com>", Arrived: time.Now(), Recipients: []queue.Recipient{
		{Original: "rfc822;bob@example.com", Address: "bob@example.com", Notify: "SUCCESS,FAILURE"}, {Original: "rfc822;alice@example.com", Address: "alice@example.com", Notify: "FAILURE"}}}
	entry, err := p.queue.Enqueue(p.channel, e, strings.NewReader("Subject: test\n\nbody\n"))
	if err != nil {
		t.Fatal(err)
	}
	if r := p.one(context.Background(), 1, entry.Name()); r.Delivered != 2 {
		t.Fatalf("%+v", r)
	}
	var texts []string
	err = p.queue.Walk(site.ChannelProcess, func(e queue.Entry) error {
		text, err := os.ReadFile(e.Path)
		texts = append(texts, string(text))
		return err
	})
	if err != nil || len(texts) != 1 || !strings.Contains(texts[0], "Action: delivered\nStatus: 2.0.0\n") || strings.Contains(texts[0], "rfc822;alice@example.com\nAction") {
		t.Errorf("%d notifications: %s, %v", len(texts), texts, err)
	}
	if got := xtext("a+b=c d@example.com"); got != "a+2Bb+3Dc+20d@example.com" {
		t.Errorf("xtext gives %q", got)
	}
}

// FuzzReply: a stranger's reply is read in bounds, and becomes one line of the log.
func FuzzReply(f *testing.F) {
	f.Add([]byte("250-mx.example.net\r\n250-SIZE 1000\r\n250 DSN\r\n"))
	f.Add([]byte("550 5.1.1 \x1b[2J no\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		s := session{in: newReader(text)}
		r, _, err := readReply(s.in)
		if err != nil && err != io.EOF && err != errReply {
			t.Fatal(err)
		}
		if len(r.text) > maxReply+100 || strings.ContainsAny(r.text, "\r\n\x00\x1b") {
			t.Errorf("reply %q", r.text)
		}
		_ = r.status()
	})
}

func newReader(text []byte) *bufio.Reader { return bufio.NewReader(bytes.NewReader(text)) }
