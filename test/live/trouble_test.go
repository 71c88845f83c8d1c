//go:build live && linux

package live

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/mtawatch/mtawatch/test/live/world"
)

// TestDaemonDown kills Postfix's two central daemons and shows that their
// absence is told, and their return.
func TestDaemonDown(t *testing.T) {
	p := startPostfix(t, world.PostfixConfig{})
	w := startWatcher(t)
	running := func(role string, n int) {
		t.Helper()
		eventually(t, 30*time.Second, func() error {
			m, err := w.Metrics()
			if err != nil {
				return err
			}
			if _, ok := m.Sum("mta_processes", "role", role); !ok {
				return fmt.Errorf("mta_processes of %s is absent", role)
			}
			return wantMetric(m, n, "mta_processes", "role", role)
		})
	}
	running("dispatcher", 1)
	running("job-controller", 1)
	// Postfix's master does not replace a killed qmgr before mail arrives.
	for _, pid := range p.Daemons("qmgr") {
		_ = syscall.Kill(pid, syscall.SIGKILL)
	}
	running("job-controller", 0)
	running("dispatcher", 1)

	_ = syscall.Kill(p.MasterPID(), syscall.SIGKILL)
	running("dispatcher", 0)
	out, stderr, code, err := w.Run("status")
	if err != nil {
		t.Fatalf("status: %v: %s", err, stderr)
	}
	if first, _, _ := strings.Cut(string(out), "\n"); code != 2 || !strings.Contains(first, "the dispatcher of postfix is not running") {
		t.Errorf("status does not say that the dispatcher is gone (exit status %d, want 2): %s", code, out)
	}
	if err := p.Start(); err != nil {
		t.Fatal(err)
	}
	running("dispatcher", 1)
	running("job-controller", 1)
}

// TestQueueUnknown watches without any rights a Postfix that is down: then
// nothing tells what is in the queue, and that must be said.
func TestQueueUnknown(t *testing.T) {
	p := startPostfix(t, world.PostfixConfig{})
	deferSome(t, p, 3)
	if err := p.Stop(); err != nil {
		t.Fatal(err)
	}
	w := newWatcher(t)
	w.Nobody = true
	if err := w.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(w.Kill)
	if err := w.WaitReady(); err != nil {
		t.Fatal(err)
	}
	eventually(t, 30*time.Second, func() error {
		out, _, code, err := w.Run("queue", "--json")
		if err != nil {
			return err
		}
		if !bytes.Contains(out, []byte(`"unknown"`)) {
			return fmt.Errorf("no reason for an unknown queue (exit status %d): %s", code, out)
		}
		return nil
	})
	m, err := w.Metrics()
	if err != nil {
		t.Fatal(err)
	}
	if n, ok := m.Sum("mta_queue_messages", "queue", "deferred"); ok {
		t.Errorf("an unread queue is shown as %v messages", n)
	}
}

// deferSome puts n messages into the deferred queue, where they stay.
func deferSome(t *testing.T, p *world.Postfix, n int) {
	t.Helper()
	before, err := p.Command("postqueue", "-j")
	if err != nil {
		t.Fatal(err)
	}
	// Nothing answers there: no remote host is started.
	sent := box.Send(t.Context(), world.Load{Count: n, Message: func(int) world.Letter {
		return world.Letter{From: "alice@[10.77.1.11]", To: []string{"bob@[10.77.1.11]"}}
	}})
	if sent.Accepted != n {
		t.Fatalf("Postfix took %d of %d messages: %v", sent.Accepted, n, sent.Last)
	}
	eventually(t, 30*time.Second, func() error {
		after, err := p.Command("postqueue", "-j")
		const mark = `"queue_name": "deferred"`
		if got := strings.Count(string(after), mark) - strings.Count(string(before), mark); err == nil && got != n {
			err = fmt.Errorf("%d more deferred messages, want %d", got, n)
		}
		return err
	})
}

// TestShowqHangs puts something in the place of Postfix's queue lister that
// never answers, or answers nonsense. The watcher must go on, and must not
// tell of an empty queue.
func TestShowqHangs(t *testing.T) {
	for _, tt := range []struct {
		name   string
		answer func(net.Conn)
	}{
		{"never answers", func(c net.Conn) { _, _ = io.Copy(io.Discard, c) }},
		{"answers nonsense", func(c net.Conn) { _, _ = c.Write(bytes.Repeat([]byte("\x00\xff<html>"), 1000)) }},
		{"breaks off", func(c net.Conn) {
			_, _ = c.Write([]byte("protocol\x00mail_queue_list_protocol\x00\x00queue_name\x00deferred\x00queue_"))
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p := startPostfix(t, world.PostfixConfig{})
			deferSome(t, p, 3)
			impostor(t, filepath.Join(p.QueueDir, "public", "showq"), tt.answer)
			w := startWatcher(t)
			deferred := func(n int) {
				t.Helper()
				eventually(t, 30*time.Second, func() error {
					m, err := w.Metrics()
					if err != nil {
						return err
					}
					return wantMetric(m, n, "mta_queue_messages", "queue", "deferred")
				})
			}
			deferred(3)
			out, stderr, code, err := w.Run("queue", "--json")
			if err != nil {
				t.Fatalf("queue: %v: %s", err, stderr)
			}
			var got queueAnswer
			if err := json.Unmarshal(out, &got); err != nil {
				t.Errorf("queue: %v (exit status %d): %s%s", err, code, out, stderr)
			} else if code != 0 || got.Messages == nil || *got.Messages != 3 || got.Queues["deferred"] != 3 {
				t.Errorf("queue does not count 3 messages (exit status %d): %s", code, out)
			}
			if err := os.Rename(filepath.Join(p.QueueDir, "public", "showq.real"), filepath.Join(p.QueueDir, "public", "showq")); err != nil {
				t.Fatal(err)
			}
			deferSome(t, p, 2)
			deferred(5)
		})
	}
}

// impostor listens in place of a socket, which moves to NAME.real.
func impostor(t *testing.T, socket string, answer func(net.Conn)) {
	t.Helper()
	if err := os.Rename(socket, socket+".real"); err != nil {
		t.Fatal(err)
	}
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: socket, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	l.SetUnlinkOnClose(false) // the real one stands there by then
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				answer(c)
			}()
		}
	}()
}

// TestJournal watches a Postfix that logs to the journal, over a kill of the
// watcher.
func TestJournal(t *testing.T) {
	j := startJournal(t)
	startRemote(t, world.Behaviours()[:1])
	startPostfix(t, world.PostfixConfig{Syslog: true})
	w := startWatcher(t)
	sentInJournal := func() int {
		t.Helper()
		text, err := j.Lines()
		if err != nil {
			t.Fatal(err)
		}
		return strings.Count(string(text), " status=sent ")
	}
	for round := 1; round <= 3; round++ {
		sent := box.Send(t.Context(), world.Load{Count: 20, Message: func(int) world.Letter {
			return world.Letter{From: "alice@ok.example", To: []string{"bob@ok.example"}}
		}})
		if sent.Accepted != 20 {
			t.Fatalf("Postfix took %d of 20 messages: %v", sent.Accepted, sent.Last)
		}
		eventually(t, 30*time.Second, func() error {
			if n := sentInJournal(); n != 20*round {
				return fmt.Errorf("the journal has %d deliveries, want %d", n, 20*round)
			}
			m, err := w.Metrics()
			if err != nil {
				return err
			}
			return wantMetric(m, 20*round, "mta_delivery_attempts_total", "status", "sent")
		})
		w.Kill()
		if err := w.Start(); err != nil {
			t.Fatal(err)
		}
		if err := w.WaitReady(); err != nil {
			t.Fatal(err)
		}
	}
}

// TestTrace finds one message in the rotated and compressed pieces of the
// log, by queue id and by recipient.
func TestTrace(t *testing.T) {
	startRemote(t, world.Behaviours()[:1])
	p := startPostfix(t, world.PostfixConfig{})
	w := newWatcher(t)
	letter := func(i int) world.Letter {
		return world.Letter{From: "alice@ok.example", To: []string{fmt.Sprintf("user%d@ok.example", i)}}
	}
	for _, rotate := range []func() error{p.RotateOwn, p.RotateRename, p.RotateRename} {
		if sent := box.Send(t.Context(), world.Load{Count: 5, Message: letter}); sent.Accepted != 5 {
			t.Fatalf("Postfix took %d of 5 messages: %v", sent.Accepted, sent.Last)
		}
		eventually(t, 30*time.Second, func() error { return drained(p) })
		if err := rotate(); err != nil {
			t.Fatal(err)
		}
	}
	if err := p.Stop(); err != nil {
		t.Fatal(err)
	}
	var id string
	err := world.EachLine(p.LogPieces(), func(line string) {
		if f := strings.Fields(line); strings.Contains(line, "to=<user3@ok.example>") && id == "" {
			id = strings.TrimSuffix(f[5], ":")
		}
	})
	if err != nil || id == "" {
		t.Fatalf("no message to user3 in the log: %v", err)
	}
	for _, asked := range []string{id, "user3@ok.example"} {
		out, stderr, code, err := w.Run("trace", asked, "--json")
		if err != nil || code != 0 {
			t.Errorf("trace %s: exit status %d, %v: %s", asked, code, err, stderr)
		} else if !bytes.Contains(out, []byte(id)) {
			t.Errorf("trace %s does not show %s: %s", asked, id, out)
		}
	}
}
