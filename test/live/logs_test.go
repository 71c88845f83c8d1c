//go:build live && linux

package live

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/mtawatch/mtawatch/test/live/world"
)

func startSyslog(t *testing.T) {
	t.Helper()
	l, err := box.Syslog()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(l.Stop)
}

// sendOK sends messages to the host that takes them, by one of our ports.
func sendOK(t *testing.T, port string, n int) {
	t.Helper()
	sent := box.Send(t.Context(), world.Load{Count: n, Target: world.MTAAddress + ":" + port, Message: func(int) world.Letter {
		return world.Letter{From: "alice@ok.example", To: []string{"bob@ok.example"}}
	}})
	if sent.Accepted != n {
		t.Fatalf("Postfix took %d of %d messages: %v", sent.Accepted, n, sent.Last)
	}
}

// deliveries waits until the remote host took so many messages and until the
// watcher counts just as many for each instance named.
func deliveries(t *testing.T, w *world.Watcher, r *world.Remote, want map[string]int) {
	t.Helper()
	total := 0
	for _, n := range want {
		total += n
	}
	same := func() error {
		if got := r.Accepted()["ok"]; got != total {
			return fmt.Errorf("the remote host took %d messages, want %d", got, total)
		}
		m, err := w.Metrics()
		if err != nil {
			return err
		}
		for instance, n := range want {
			if err := wantMetric(m, n, "mta_delivery_attempts_total", "status", "sent", "instance", instance); err != nil {
				return err
			}
		}
		return wantMetric(m, total, "mta_delivery_attempts_total", "status", "sent")
	}
	eventually(t, 30*time.Second, same)
	time.Sleep(time.Second) // what is counted twice is seen now
	if err := same(); err != nil {
		t.Error(err)
	}
}

// TestDebianSyslog watches a Postfix as Debian installs it: rsyslogd writes
// every mail line to two files, and each delivery must count once.
func TestDebianSyslog(t *testing.T) {
	startSyslog(t)
	r := startRemote(t, world.Behaviours()[:1])
	startPostfix(t, world.PostfixConfig{Syslog: true})
	w := startWatcher(t)
	for round := 1; round <= 2; round++ {
		sendOK(t, "25", 15)
		deliveries(t, w, r, map[string]int{"postfix": 15 * round})
		if err := w.Stop(); err != nil {
			t.Fatal(err)
		}
		if err := w.Start(); err != nil {
			t.Fatal(err)
		}
		if err := w.WaitReady(); err != nil {
			t.Fatal(err)
		}
	}
	deliveries(t, w, r, map[string]int{"postfix": 30})
	for _, log := range []string{world.MailLog, world.AllLog} {
		if n, err := world.CountLines([]string{log}, " status=sent "); err != nil || n != 30 {
			t.Errorf("%s has %d deliveries, want 30: %v", log, n, err)
		}
	}
}

// TestShortQueueIDs: ids without a time tell no age, and a count no size;
// the listing does.
func TestShortQueueIDs(t *testing.T) {
	startSyslog(t)
	p := startPostfix(t, world.PostfixConfig{Syslog: true, Main: []string{"enable_long_queue_ids = no"}})
	deferSome(t, p, 3)
	w := startWatcher(t)
	eventually(t, 80*time.Second, func() error {
		var answer struct {
			Messages, Bytes *int64
			Detail          []struct {
				Queues []struct {
					Name            string
					Messages, Bytes int64
					Oldest          time.Time
				}
			}
		}
		raw := runJSON(t, w, []int{0}, &answer, "queue", "--json")
		if answer.Messages == nil || *answer.Messages != 3 || len(answer.Detail) != 1 {
			return fmt.Errorf("want 3 messages of one instance: %s", raw)
		}
		size := int64(-1)
		for _, q := range answer.Detail[0].Queues {
			if q.Name == "deferred" && q.Messages == 3 && time.Since(q.Oldest) < 5*time.Minute {
				size = q.Bytes
			}
		}
		if size < 3*200 {
			return fmt.Errorf("queue deferred has no 3 messages with size and age: %s", raw)
		}
		m, err := w.Metrics()
		if err != nil {
			return err
		}
		if n, ok := m.Sum("mta_queue_bytes", "queue", "deferred"); !ok || int64(n) != size {
			return fmt.Errorf("mta_queue_bytes of deferred: %v (there: %v), want %d", n, ok, size)
		}
		if n, ok := m.Sum("mta_queue_oldest_age_seconds", "queue", "deferred"); !ok || n <= 0 || n > 300 {
			return fmt.Errorf("mta_queue_oldest_age_seconds of deferred: %v (there: %v)", n, ok)
		}
		return nil
	})
}

// TestTwoInstances: two Postfixes with names of their own, whose lines share
// one file or have one each.
func TestTwoInstances(t *testing.T) {
	for _, tt := range []struct {
		name   string
		syslog bool
	}{{"one log file", true}, {"a log file each", false}} {
		t.Run(tt.name, func(t *testing.T) {
			if tt.syslog {
				startSyslog(t)
			}
			r := startRemote(t, world.Behaviours()[:1])
			in := startPostfix(t, world.PostfixConfig{Syslog: tt.syslog})
			out := startPostfix(t, world.PostfixConfig{Name: "postfix-out", Elsewhere: true, Ports: []string{"2525"}, Syslog: tt.syslog})
			w := startWatcher(t)
			sendOK(t, "25", 7)
			sendOK(t, "2525", 12)
			deliveries(t, w, r, map[string]int{"postfix": 7, "postfix-out": 12})
			// To be refused, and to wait in one of the two.
			sent := box.Send(t.Context(), world.Load{Count: 2, Message: func(int) world.Letter {
				return world.Letter{From: "alice@ok.example", To: []string{"bob@[10.77.1.99]"}}
			}})
			if sent.Accepted != 2 {
				t.Fatalf("Postfix took %d of 2 messages: %v", sent.Accepted, sent.Last)
			}
			eventually(t, 30*time.Second, func() error {
				m, err := w.Metrics()
				if err != nil {
					return err
				}
				for p, waiting := range map[*world.Postfix]float64{in: 2, out: 0} {
					if n, ok := m.Sum("mta_processes", "instance", p.Name, "role", "dispatcher"); !ok || n != 1 {
						return fmt.Errorf("%v dispatchers of %s (there: %v), want 1", n, p.Name, ok)
					}
					if n, ok := m.Sum("mta_queue_messages", "queue", "deferred", "instance", p.Name); !ok || n != waiting {
						return fmt.Errorf("%v messages deferred of %s (there: %v), want %v", n, p.Name, ok, waiting)
					}
				}
				return nil
			})
		})
	}
}

// TestLogVanishes moves the log away, where Postfix writes on, and back; and
// then removes it, until Postfix makes a new one. While it is gone that is
// told, and no line counts twice.
func TestLogVanishes(t *testing.T) {
	r := startRemote(t, world.Behaviours()[:1])
	p := startPostfix(t, world.PostfixConfig{})
	w := startWatcher(t)
	count := 0
	more := func() {
		t.Helper()
		sendOK(t, "25", 5)
		count += 5
		deliveries(t, w, r, map[string]int{"postfix": count})
	}
	more()

	away := filepath.Join(filepath.Dir(filepath.Dir(p.Log)), "away.log")
	if err := os.Rename(p.Log, away); err != nil {
		t.Fatal(err)
	}
	more()
	wantBlind(t, w, p.Log, "missing")
	if err := os.Rename(away, p.Log); err != nil {
		t.Fatal(err)
	}
	wantBlind(t, w, p.Log, "")
	more()

	if err := os.Remove(p.Log); err != nil {
		t.Fatal(err)
	}
	wantBlind(t, w, p.Log, "missing")
	if err := p.Reload(); err != nil {
		t.Fatal(err)
	}
	more()
	wantBlind(t, w, p.Log, "")
}
