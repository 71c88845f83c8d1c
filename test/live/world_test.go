//go:build live && linux

package live

import (
	"fmt"
	"net"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/mtawatch/mtawatch/test/live/world"
)

// The world itself: without it being right, no other test here says anything.

func TestWorldIsSealed(t *testing.T) {
	for _, to := range []string{"192.0.2.1:25", "198.51.100.1:53"} {
		c, err := net.DialTimeout("tcp", to, time.Second)
		if err == nil {
			c.Close()
			t.Errorf("connected to %s: the world leaks", to)
		}
	}
	// The addresses of every interface, without the loopback and our own.
	out, err := exec.Command("ip", "-o", "-4", "addr").Output()
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(out)) {
		if !strings.Contains(line, "127.0.0.1/8") && !strings.Contains(line, world.MTAAddress+"/24") {
			t.Errorf("unexpected address: %s", line)
		}
	}
}

// TestWorldBehaviours shows that each remote host makes a real Postfix log
// the outcome that its behaviour stands for.
func TestWorldBehaviours(t *testing.T) {
	list := world.Behaviours()
	r := startRemote(t, list)
	p := startPostfix(t, world.PostfixConfig{FastRetry: true, Main: []string{"smtp_helo_timeout = 6s"}})
	sent := box.Send(t.Context(), world.Load{Count: len(list), Message: func(i int) world.Letter {
		return world.Letter{From: "alice@ok.example", To: []string{"bob@" + list[i].Domain()}}
	}})
	if sent.Accepted != len(list) {
		t.Fatalf("Postfix took %d of %d messages: %v", sent.Accepted, len(list), sent.Last)
	}
	for _, v := range list {
		t.Run(v.Name, func(t *testing.T) {
			eventually(t, 60*time.Second, func() error {
				n, err := p.Lines("to=<bob@"+v.Domain()+">", "status="+v.Status)
				if err == nil && n == 0 {
					err = fmt.Errorf("no line with status=%s for %s", v.Status, v.Domain())
				}
				return err
			})
		})
	}
	n, err := p.Lines("to=<bob@grey.example>", "status=deferred")
	if err != nil || n == 0 {
		t.Errorf("greylisting did not defer first: %d lines, %v", n, err)
	}
	if got := r.Accepted()["slow"]; got != 1 {
		t.Errorf("the slow host took %d messages, want 1", got)
	}
}

func TestWorldRotations(t *testing.T) {
	startRemote(t, world.Behaviours()[:1])
	p := startPostfix(t, world.PostfixConfig{})
	total := 0
	letter := func(int) world.Letter { return world.Letter{From: "a@ok.example", To: []string{"b@ok.example"}} }
	for _, rotation := range []struct {
		name string
		f    func() error
	}{{"rename", p.RotateRename}, {"copy", p.RotateCopy}, {"own", p.RotateOwn}, {"copy again", p.RotateCopy}, {"rename again", p.RotateRename}} {
		total += box.Send(t.Context(), world.Load{Count: 5, Message: letter}).Accepted
		if err := rotation.f(); err != nil {
			t.Fatalf("%s: %v", rotation.name, err)
		}
	}
	total += box.Send(t.Context(), world.Load{Count: 5, Message: letter}).Accepted
	eventually(t, 30*time.Second, func() error {
		n, err := p.Lines("status=sent")
		if err == nil && n != total {
			err = fmt.Errorf("%d lines with status=sent in %d pieces, want %d", n, len(p.LogPieces()), total)
		}
		return err
	})
	if n := len(p.LogPieces()); n != 6 {
		t.Errorf("%d log pieces, want 6: %v", n, p.LogPieces())
	}
}

func TestWorldJournal(t *testing.T) {
	j := startJournal(t)
	startRemote(t, world.Behaviours()[:1])
	startPostfix(t, world.PostfixConfig{Syslog: true})
	sent := box.Send(t.Context(), world.Load{Count: 10, Message: func(int) world.Letter {
		return world.Letter{From: "a@ok.example", To: []string{"b@ok.example"}}
	}})
	if sent.Accepted != 10 {
		t.Fatalf("Postfix took %d of 10 messages: %v", sent.Accepted, sent.Last)
	}
	eventually(t, 30*time.Second, func() error {
		text, err := j.Lines()
		if n := strings.Count(string(text), " status=sent "); err == nil && n != 10 {
			err = fmt.Errorf("the journal has %d deliveries, want 10: %s", n, text)
		}
		return err
	})
}
