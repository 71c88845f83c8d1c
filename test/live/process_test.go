//go:build live && linux

package live

import (
	"fmt"
	"net"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/mtawatch/mtawatch/test/live/world"
)

// TestOrphans kills the master while a client is connected, and starts
// Postfix again: the old session goes on, served by a process that no master
// is above, and that must be told.
func TestOrphans(t *testing.T) {
	p := startPostfix(t, world.PostfixConfig{})
	w := startWatcher(t)
	client, err := box.Dial("10.77.1.100", world.MTAAddress+":25")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	old := p.Daemons("smtpd")
	if len(old) != 1 {
		t.Fatalf("smtpd of the session: %v", old)
	}
	if err := syscall.Kill(p.MasterPID(), syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	eventually(t, 20*time.Second, func() error {
		if pid := p.MasterPID(); pid != 0 {
			return fmt.Errorf("master %d still runs", pid)
		}
		return nil
	})
	if err := p.Start(); err != nil {
		t.Fatal(err)
	}
	serveOneMore(t)
	eventually(t, 30*time.Second, func() error { return serversApart(t, p, w, old) })
	for _, command := range []string{"processes", "status"} {
		out, stderr, _, err := w.Run(command)
		if err != nil {
			t.Fatalf("%s: %v: %s", command, err, stderr)
		}
		if !strings.Contains(string(out), " left over from an earlier start") {
			t.Errorf("%s does not tell of the process left over: %s", command, out)
		}
	}
	_ = client.Command("QUIT", "221")
}

// serveOneMore opens connections until the new master has answered one. The
// old SMTP server still listens too, and accepts nothing more: Postfix sets
// SO_REUSEPORT (inet_listen.c), so the kernel gives each listener its share of
// the new connections by a hash of addresses and ports, and those of the old
// one wait for ever. One connection alone would be a toss of a coin.
func serveOneMore(t *testing.T) {
	t.Helper()
	var open []net.Conn
	for i := range 20 {
		c, err := box.Connect(fmt.Sprintf("10.77.1.%d", 101+i), world.MTAAddress+":25")
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { c.Close() })
		open = append(open, c)
	}
	eventually(t, 30*time.Second, func() error {
		for _, c := range open {
			_ = c.SetReadDeadline(time.Now().Add(10 * time.Millisecond))
			if n, _ := c.Read(make([]byte, 512)); n > 0 {
				return nil
			}
		}
		return fmt.Errorf("none of %d connections was greeted", len(open))
	})
}

// serversApart compares the SMTP servers that mtawatch calls left over with
// the old ones, and the others with those below the master.
func serversApart(t *testing.T, p *world.Postfix, w *world.Watcher, old []int) error {
	t.Helper()
	var answer struct {
		Processes []struct {
			PID    int
			Role   string
			Orphan bool
		}
	}
	raw := runJSON(t, w, []int{0}, &answer, "processes", "--json")
	left, ours := []int{}, []int{}
	for _, q := range answer.Processes {
		if q.Role == "smtp-server" && q.Orphan {
			left = append(left, q.PID)
		} else if q.Role == "smtp-server" {
			ours = append(ours, q.PID)
		}
	}
	now := p.Daemons("smtpd")
	slices.Sort(now)
	slices.Sort(ours)
	if !slices.Equal(left, old) || len(now) == 0 || !slices.Equal(ours, now) {
		return fmt.Errorf("left over %v, want %v; others %v, want %v: %s", left, old, ours, now, raw)
	}
	return nil
}
