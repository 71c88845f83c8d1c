package jobs_test

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/mtawatch/mtawatch/internal/lab/jobs"
	"github.com/mtawatch/mtawatch/internal/lab/labtest"
	"github.com/mtawatch/mtawatch/internal/lab/site"
	"github.com/mtawatch/mtawatch/internal/lab/world"
)

// receipts takes mail for a remote site and notes each message that it
// answered with 250, by its subject.
type receipts struct{ got chan string }

func (r *receipts) serve(l net.Listener) {
	for {
		conn, err := l.Accept()
		if err != nil {
			return
		}
		go r.session(conn)
	}
}

func (r *receipts) session(conn net.Conn) {
	defer conn.Close()
	in := bufio.NewReader(conn)
	fmt.Fprint(conn, "220 mx.far.example ESMTP\r\n")
	for {
		line, err := in.ReadString('\n')
		if err != nil {
			return
		}
		if !strings.HasPrefix(line, "DATA") {
			fmt.Fprint(conn, "250 2.0.0 Ok\r\n")
			continue
		}
		fmt.Fprint(conn, "354 Go\r\n")
		subject := ""
		for line != ".\r\n" {
			if line, err = in.ReadString('\n'); err != nil {
				return
			}
			if s, ok := strings.CutPrefix(line, "Subject: "); ok {
				subject = strings.TrimSpace(s)
			}
		}
		r.got <- subject
		fmt.Fprint(conn, "250 2.0.0 Taken\r\n")
	}
}

// TestKills kills programs of the back half at random while it delivers:
// every message arrives, in the store exactly once, and what a remote site has
// twice was in the hands of a program that was killed.
func TestKills(t *testing.T) {
	const messages, kills = 600, 25
	b := newBack(t, site.Settings{Backoff: []time.Duration{100 * time.Millisecond}})
	w, err := world.New(world.Config{SMTP: "127.0.0.1:1", NameServer: b.site.Practice.NameServer, RemotePort: b.site.Practice.RemotePort, Host: b.site.Practice.Host,
		Domain: "example.com", Users: []world.User{{Name: "alice"}}, Sites: world.Place([]world.Site{{Name: "far"}})})
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	ready, done := make(chan struct{}), make(chan error, 1)
	go func() { done <- w.Run(ctx, func() { close(ready) }) }()
	<-ready
	defer func() { stop(); <-done }()
	l, err := net.Listen("tcp4", fmt.Sprintf("127.0.0.1:%d", b.site.Practice.RemotePort))
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	r := &receipts{got: make(chan string, 10*messages)}
	go r.serve(l)
	b.start()
	killed := 0
	for i := range messages {
		b.enqueue([]string{"alice@example.com", "x@[127.0.0.1]"}[i%2], fmt.Sprint("m", i))
		if i%(messages/kills) != 0 {
			continue
		}
		b.ask("SYNC")
		switch pids := b.processes([]string{"tcp_smtp_client", "ims_master", "tcp_smtp_client"}[i%3]); {
		case i%5 == 0:
			b.kill()
			b.start()
			killed++
		case len(pids) > 0:
			p, err := os.FindProcess(pids[i%len(pids)])
			if err != nil {
				t.Fatal(err)
			}
			_ = p.Kill()
			killed++
		}
	}
	labtest.WaitFor(b.t, "the queue to drain", func() bool { b.ask("SYNC"); time.Sleep(50 * time.Millisecond); return b.queued() == 0 })
	if n := len(b.mailbox("alice")); n != messages/2 {
		t.Errorf("%d in the store, want %d", n, messages/2)
	}
	copies := map[string]int{}
	for len(r.got) > 0 {
		copies[<-r.got]++
	}
	twice := 0
	for _, n := range copies {
		twice += n - 1
	}
	if len(copies) != messages/2 || twice > killed*jobs.Threads {
		t.Errorf("%d arrived, want %d; %d copies too many after %d kills", len(copies), messages/2, twice, killed)
	}
	t.Logf("%d messages, %d kills: none lost, %d came twice", messages, killed, twice)
}
