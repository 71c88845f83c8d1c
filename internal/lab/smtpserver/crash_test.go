package smtpserver_test

import (
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/mtawatch/mtawatch/internal/lab/site"
)

// send takes one message through; true: it was accepted.
func (r *running) send(id string) bool {
	c, err := r.connect("127.0.0.2")
	if err != nil {
		return false
	}
	defer c.Close()
	for _, p := range []string{"", "EHLO c.example.org", "MAIL FROM:<a@example.org>", "RCPT TO:<alice@example.com>", "DATA", "Message-ID: <" + id + ">\r\n\r\nx\r\n."} {
		if p != "" {
			if _, err := fmt.Fprint(c, p+"\r\n"); err != nil {
				return false
			}
		}
		if got, err := c.reply(); err != nil || got[0] > '3' {
			return false
		}
	}
	return true
}

// workers are the server processes of the site.
func (r *running) workers(t *testing.T) []int {
	t.Helper()
	pids, err := r.Processes("tcp_smtp_server")
	if err != nil {
		t.Fatal(err)
	}
	return pids
}

// TestKilledWorkers kills the servers again and again while mail comes in, and
// wants each message that was accepted in the queue.
func TestKilledWorkers(t *testing.T) {
	r := start(t, site.Settings{Services: []site.Service{{Name: "SMTP", MinProcs: 2, MaxProcs: 4, MinConns: 2}}})
	var accepted sync.Map
	var n atomic.Int64
	var wg sync.WaitGroup
	stop := time.Now().Add(2 * time.Second)
	for range 8 {
		wg.Go(func() {
			for time.Now().Before(stop) {
				id := fmt.Sprintf("m%d@c.example.org", n.Add(1))
				if r.send(id) {
					accepted.Store("<"+id+">", true)
				}
			}
		})
	}
	kills := 0
	for time.Now().Before(stop) {
		time.Sleep(100 * time.Millisecond)
		for _, pid := range r.workers(t) {
			_ = syscall.Kill(pid, syscall.SIGKILL) // one that we started; it may have ended
			kills++
		}
	}
	wg.Wait()
	queued := map[string]int{}
	for _, m := range r.queued(t, "ims-ms") {
		queued[m.MessageID]++
	}
	count := 0
	accepted.Range(func(id, _ any) bool {
		count++
		if queued[id.(string)] != 1 {
			t.Errorf("%v was accepted and is queued %d times", id, queued[id.(string)])
		}
		return true
	})
	if count < 20 || kills < 10 {
		t.Errorf("%d messages accepted, %d processes killed: too few to mean anything", count, kills)
	}
}

// TestDiskFull gives the queue a small file system of its own.
func TestDiskFull(t *testing.T) {
	r := start(t, site.Settings{})
	if err := syscall.Mount("tmpfs", r.QueueDir(), "tmpfs", 0, "size=256k"); err != nil {
		t.Skipf("mount a small file system: %v (as root only)", err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(r.QueueDir(), 0); err != nil {
			t.Error(err)
		}
	})
	c := r.dial(t, "")
	c.say(t, "", "220", "EHLO c.example.org", "250", "MAIL FROM:<a@example.org>", "250", "RCPT TO:<alice@example.com>", "250", "RCPT TO:<x@one.example>", "250",
		"DATA", "354", strings.Repeat(strings.Repeat("x", 70)+"\r\n", 8000)+".", "452 4.3.1 Insufficient system storage",
		// The first copy fits, the second does not: neither stays.
		"MAIL FROM:<a@example.org>", "250", "RCPT TO:<alice@example.com>", "250", "RCPT TO:<x@one.example>", "250",
		"DATA", "354", strings.Repeat(strings.Repeat("x", 70)+"\r\n", 2400)+".", "452 4.3.1 Insufficient system storage")
	if a, b := len(r.queued(t, "ims-ms")), len(r.queued(t, "tcp_local")); a+b != 0 {
		t.Errorf("%d and %d messages are queued", a, b)
	}
	r.log(t, " JE 0 a@example.org rfc822; alice@example.com ", " 452 4.3.1 Insufficient system storage")
	c.say(t, "MAIL FROM:<a@example.org>", "250", "RCPT TO:<alice@example.com>", "250", "DATA", "354", "x\r\n.", "250", "QUIT", "221")
}
