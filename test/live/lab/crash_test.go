//go:build live && linux

package lab

import (
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/mtawatch/mtawatch/internal/lab/queue"
	"github.com/mtawatch/mtawatch/internal/lab/site"
	"github.com/mtawatch/mtawatch/test/live/world"
)

// roles are those who are killed.
var roles = []string{"dispatcher", "tcp_smtp_server", "job_controller", "tcp_smtp_client", "ims_master", "return"}

// run is what happened.
type run struct {
	*mta
	binary   string
	mu       sync.Mutex
	accepted map[string]bool // copies: MESSAGE RECIPIENT
	unknown  map[string]bool // the answer to the text never came
	killed   map[string][]time.Time
}

// TestKills kills processes of every kind at random while mail goes through:
// what was answered with 250 is delivered or queued, in the store exactly
// once, and a copy too many at the other site came because its client was
// killed in mid-delivery.
func TestKills(t *testing.T) {
	messages := world.Number(t, "LIVE_MESSAGES", 2000)
	kills := world.Number(t, "LIVE_KILLS", messages/100)
	binary := build(t)
	m := start(t, site.Settings{Binary: binary, Backoff: []time.Duration{200 * time.Millisecond, 500 * time.Millisecond}, Day: time.Hour, Notices: []float64{1000}})
	m.serveNames()
	l, err := net.Listen("tcp4", fmt.Sprintf("127.0.0.1:%d", m.site.Practice.RemotePort))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	s := &sink{taken: map[string][]time.Time{}}
	go s.serve(l)
	r := &run{mta: m, binary: binary, accepted: map[string]bool{}, unknown: map[string]bool{}, killed: map[string][]time.Time{}}

	begin := time.Now()
	var sent atomic.Int64
	done := make(chan struct{})
	go func() { defer close(done); r.sendAll(messages, &sent) }()
	r.killAll(kills, messages, &sent)
	<-done
	t.Logf("%d accepted copies in %v; killed: %s", len(r.accepted), time.Since(begin).Round(time.Millisecond), r.kills())
	r.drain()
	r.account(s)
	r.readLog()
}

// readLog lets mtawatch read the log that the killed processes wrote: each
// line is whole.
func (r *run) readLog() {
	r.t.Helper()
	var pieces []string
	for _, name := range []string{"mail.log", "mail.log_yesterday", "mail.log_current"} {
		name = filepath.Join(r.site.LogDir(), name)
		if _, err := os.Stat(name); err == nil {
			pieces = append(pieces, name)
		}
	}
	out, err := exec.Command(r.binary, append([]string{"parse", "--mta", "imta", "--count"}, pieces...)...).CombinedOutput()
	text := strings.TrimSpace(string(out))
	r.t.Logf("the log: %s", text)
	if err != nil || !strings.HasSuffix(text, " unknown=0 malformed=0") {
		r.t.Errorf("mtawatch parse: %v", err)
	}
}

// sendAll sends until so many messages were accepted.
func (r *run) sendAll(messages int, sent *atomic.Int64) {
	var next atomic.Int64
	var wg sync.WaitGroup
	for range 8 {
		wg.Add(1)
		go func() {
			defer wg.Done()
			c := &sender{address: fmt.Sprintf("127.0.0.1:%d", r.port())}
			defer c.close()
			for sent.Load() < int64(messages) && r.ctx.Err() == nil {
				n := int(next.Add(1))
				id := fmt.Sprintf("m%d", n)
				var to []string
				switch n % 3 {
				case 0:
					to = []string{"x@far.example"}
				case 1:
					to = []string{fmt.Sprintf("user%d@example.com", n%users)}
				default:
					to = []string{fmt.Sprintf("user%d@example.com", n%users), "y@far.example"}
				}
				err := c.send(id, to)
				r.mu.Lock()
				for _, a := range to {
					if err == nil {
						r.accepted[id+" "+a] = true
					} else {
						r.unknown[id+" "+a] = true
					}
				}
				r.mu.Unlock()
				if err == nil {
					sent.Add(1)
				} else {
					time.Sleep(20 * time.Millisecond)
				}
			}
		}()
	}
	wg.Wait()
}

func (r *run) port() int { return r.site.Services[0].Ports[0] }

// killAll kills, spread over the messages.
func (r *run) killAll(kills, messages int, sent *atomic.Int64) {
	for i := range kills {
		for sent.Load() < int64(i*messages/kills) {
			time.Sleep(time.Millisecond)
		}
		for !r.kill(roles[i%len(roles)]) && sent.Load() < int64(messages) {
			time.Sleep(5 * time.Millisecond)
		}
	}
}

// kill kills a process of a role, if there is one. The return job, which is
// soon done, is started for it.
func (r *run) kill(role string) bool {
	if role == "return" {
		cmd := exec.Command(r.site.Program(role))
		if err := cmd.Start(); err != nil {
			r.t.Error(err)
			return false
		}
		time.Sleep(rand.N(60 * time.Millisecond))
		r.note(role)
		err := cmd.Process.Kill()
		_ = cmd.Wait()
		return err == nil
	}
	pids := r.processes(role)
	if len(pids) == 0 {
		return false
	}
	p, err := os.FindProcess(pids[rand.N(len(pids))])
	if err != nil || p.Kill() != nil {
		return false
	}
	r.note(role)
	return true
}

func (r *run) note(role string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.killed[role] = append(r.killed[role], time.Now())
}

func (r *run) kills() string {
	var list []string
	sum := 0
	for _, role := range roles {
		list = append(list, fmt.Sprintf("%s %d", role, len(r.killed[role])))
		sum += len(r.killed[role])
	}
	return fmt.Sprintf("%d (%s)", sum, strings.Join(list, ", "))
}

// queued gives the copies that are in the queue.
func (r *run) queued() map[string]bool {
	r.t.Helper()
	there := map[string]bool{}
	channels, err := r.queue.Channels()
	if err != nil {
		r.t.Fatal(err)
	}
	for _, c := range channels {
		err := r.queue.Walk(c, func(e queue.Entry) error {
			m, err := r.queue.Read(e)
			if os.IsNotExist(err) || err != nil && strings.Contains(err.Error(), "no such file") {
				return nil
			}
			if err != nil {
				return err
			}
			defer m.Close()
			id, _, _ := strings.Cut(strings.TrimPrefix(m.MessageID, "<"), "@")
			for _, rcpt := range m.Recipients {
				there[id+" "+strings.TrimPrefix(rcpt.Original, "rfc822;")] = true
			}
			return nil
		})
		if err != nil {
			r.t.Fatal(err)
		}
	}
	return there
}

// drain lets the queue run empty, for a while.
func (r *run) drain() {
	begin := time.Now()
	left := 0
	for time.Since(begin) < time.Minute {
		if err := r.imsimta("cache", "-sync"); err != nil {
			r.t.Log(err)
		}
		if left = len(r.queued()); left == 0 {
			break
		}
		time.Sleep(100 * time.Millisecond)
	}
	r.t.Logf("%d copies queued after %v", left, time.Since(begin).Round(time.Millisecond))
}

// stored gives how often each copy is in the store.
func (r *run) stored() map[string]int {
	r.t.Helper()
	counts := map[string]int{}
	list, err := filepath.Glob(filepath.Join(r.site.StoreDir(), "*", "Maildir", "new", "*"))
	if err != nil {
		r.t.Fatal(err)
	}
	for _, name := range list {
		text, err := os.ReadFile(name)
		if err != nil {
			r.t.Fatal(err)
		}
		_, id, _ := strings.Cut(string(text), "\nSubject: ")
		id, _, _ = strings.Cut(id, "\n")
		_, to, _ := strings.Cut(string(text), "\nDelivered-To: ")
		to, _, _ = strings.Cut(to, "@") // in the store a recipient is user@ims-ms-daemon
		counts[id+" "+to+"@example.com"]++
	}
	return counts
}

// account looks for every copy.
func (r *run) account(s *sink) {
	r.t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	queued, stored, records := r.queued(), r.stored(), r.dequeued()
	lost, late, twiceStored := 0, 0, 0
	for c := range r.accepted {
		switch {
		case stored[c] > 0 || len(s.taken[c]) > 0:
		case queued[c]:
			late++
		default:
			lost++
			if lost <= 10 {
				r.t.Errorf("lost: %s", c)
			}
		}
	}
	for c, n := range stored {
		if n > 1 {
			twiceStored++
			r.t.Errorf("%s is %d times in the store", c, n)
		}
	}
	copies, withRecord, without := 0, 0, 0
	for c, times := range s.taken {
		for i := 1; i < len(times); i++ {
			copies++
			if records[c] >= len(times) {
				withRecord++
			} else {
				without++
			}
			if !r.between("tcp_smtp_client", times[i-1], times[i]) {
				r.t.Errorf("%s came again after %v, and no tcp_smtp_client was killed meanwhile", c, times[i].Sub(times[i-1]))
			}
		}
	}
	r.t.Logf("%d accepted copies: %d lost, %d still queued; %d twice in the store; %d copies too many at the other site: %d after the D record, %d before it",
		len(r.accepted), lost, late, twiceStored, copies, withRecord, without)
	for c := range r.accepted {
		if (stored[c] > 0 || len(s.taken[c]) > 0) && records[c] == 0 && !queued[c] {
			r.t.Errorf("%s was delivered and the log has no D record", c)
			break
		}
	}
}

// between says whether a process of a role was killed in a span of time.
func (r *run) between(role string, from, to time.Time) bool {
	return slices.ContainsFunc(r.killed[role], func(k time.Time) bool {
		return k.After(from.Add(-100*time.Millisecond)) && k.Before(to)
	})
}

// dequeued counts the D records of each copy.
func (r *run) dequeued() map[string]int {
	r.t.Helper()
	counts := map[string]int{}
	for _, line := range r.log() {
		f := strings.Fields(line)
		i := slices.IndexFunc(f, func(w string) bool { return w == "D" || w == "DE" })
		if i < 0 {
			continue
		}
		to, id := "", ""
		for _, w := range f[i:] {
			if a, ok := strings.CutPrefix(w, "rfc822;"); ok {
				to = a
			}
			if a, ok := strings.CutSuffix(w, "@client.example.com>"); ok {
				id = strings.TrimPrefix(a, "<")
			}
		}
		counts[id+" "+to]++
	}
	return counts
}
