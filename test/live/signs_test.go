//go:build live && linux

package live

import (
	"encoding/json"
	"fmt"
	"net/netip"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/mtawatch/mtawatch/test/live/world"
)

// TestFourSigns shows queue, failures, connections and processes of a
// Postfix with traffic, and compares them with postqueue, the log, ss and
// Postfix's own process table.
func TestFourSigns(t *testing.T) {
	list := world.Behaviours()
	startRemote(t, list)
	p := startPostfix(t, world.PostfixConfig{Ports: []string{"smtp", "submission"}})
	w := startWatcher(t)
	sent := box.Send(t.Context(), world.Load{Count: 60, Sessions: 2, Message: func(i int) world.Letter {
		return world.Letter{From: "alice@ok.example", To: []string{"bob@" + list[i%5].Domain()}} // ok, refused, timeout, temp, perm
	}})
	if sent.Accepted != 60 {
		t.Fatalf("Postfix took %d of 60 messages: %v", sent.Accepted, sent.Last)
	}
	eventually(t, time.Minute, func() error { return drained(p) })
	holdConnections(t, map[string]int{"10.77.1.100": 3, "10.77.1.101": 2})

	t.Run("queue", func(t *testing.T) { checkQueue(t, p, w) })
	t.Run("failures", func(t *testing.T) {
		out := string(runJSON(t, w, []int{0}, nil, "failures", "--json"))
		for _, want := range []string{"connect-refused", "connect-timeout", "remote-unavailable", "unknown-user", "refused.example", "perm.example"} {
			if !strings.Contains(out, want) {
				t.Errorf("%s is missing in %s", want, out)
			}
		}
	})
	t.Run("connections", func(t *testing.T) { checkConnections(t, w) })
	t.Run("processes", func(t *testing.T) { checkProcesses(t, p, w) })
	t.Run("status", func(t *testing.T) {
		var v any
		runJSON(t, w, []int{0, 1, 2}, &v, "status", "--json")
	})
	for _, path := range []string{"/api/v1/status", "/api/v1/queue", "/api/v1/failures", "/api/v1/query?query=mta_queue_messages"} {
		t.Run(path, func(t *testing.T) {
			b, err := w.Get(path)
			if err != nil {
				t.Fatal(err)
			}
			if !json.Valid(b) {
				t.Errorf("no JSON: %.300q", b)
			}
		})
	}
}

// holdConnections opens sessions from the outside that stay.
func holdConnections(t *testing.T, from map[string]int) {
	t.Helper()
	for source, n := range from {
		for range n {
			c, err := box.Dial(source, world.MTAAddress+":25")
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(c.Close)
		}
	}
}

// queueAnswer is the fixed part of what "queue --json" prints.
type queueAnswer struct {
	Messages *int64
	Queues   map[string]int64
	Unknown  string
}

func checkQueue(t *testing.T, p *world.Postfix, w *world.Watcher) {
	out, err := p.Command("postqueue", "-j")
	if err != nil {
		t.Fatal(err)
	}
	want := queueAnswer{Queues: map[string]int64{}}
	for line := range strings.Lines(string(out)) {
		var m struct {
			Queue string `json:"queue_name"`
		}
		if err := json.Unmarshal([]byte(line), &m); err != nil {
			t.Fatal(err)
		}
		want.Queues[m.Queue]++
	}
	if want.Queues["deferred"] == 0 {
		t.Fatalf("postqueue shows no deferred mail: %s", out)
	}
	eventually(t, 30*time.Second, func() error {
		var got queueAnswer
		raw := runJSON(t, w, []int{0}, &got, "queue", "--json")
		if got.Messages == nil || *got.Messages != int64(strings.Count(string(out), "\n")) {
			return fmt.Errorf("queue: want %v in %s", want.Queues, raw)
		}
		for name, n := range want.Queues {
			if got.Queues[name] != n {
				return fmt.Errorf("queue %s: want %d in %s", name, n, raw)
			}
		}
		m, err := w.Metrics()
		if err != nil {
			return err
		}
		return wantMetric(m, int(want.Queues["deferred"]), "mta_queue_messages", "queue", "deferred")
	})
}

func checkConnections(t *testing.T, w *world.Watcher) {
	eventually(t, 30*time.Second, func() error {
		out, err := exec.Command("ss", "-Htn", "state", "established", "sport = :25").Output()
		if err != nil {
			return err
		}
		want := map[string]int{}
		for line := range strings.Lines(string(out)) {
			f := strings.Fields(line)
			peer, err := netip.ParseAddrPort(f[len(f)-1])
			if err != nil {
				return fmt.Errorf("read ss: %w", err)
			}
			want[peer.Addr().Unmap().String()]++
		}
		var answer struct {
			Connections []struct {
				LocalPort     int `json:"local_port"`
				Remote, State string
				Count         int
			}
		}
		raw := runJSON(t, w, []int{0}, &answer, "connections", "--json")
		got := map[string]int{}
		for _, c := range answer.Connections {
			if c.LocalPort == 25 && c.State == "established" {
				got[c.Remote] += c.Count
			}
		}
		if want["10.77.1.100"] != 3 || want["10.77.1.101"] != 2 {
			return fmt.Errorf("ss does not see what is held: %s", out)
		}
		if diff := cmp.Diff(got, want); diff != "" {
			return fmt.Errorf("connections (got -, ss +):\n%s%s", diff, raw)
		}
		return nil
	})
}

func checkProcesses(t *testing.T, p *world.Postfix, w *world.Watcher) {
	eventually(t, 30*time.Second, func() error {
		var v any
		raw := runJSON(t, w, []int{0}, &v, "processes", "--json")
		want := map[string][]int{"dispatcher": {p.MasterPID()}, "job-controller": p.Daemons("qmgr"), "smtp-server": p.Daemons("smtpd")}
		for role, pids := range want {
			got := pidsOf(v, role)
			slices.Sort(got)
			slices.Sort(pids)
			if len(pids) == 0 || !slices.Equal(got, pids) {
				return fmt.Errorf("%s: got pids %v, want %v: %s", role, got, pids, raw)
			}
		}
		return nil
	})
}

// pidsOf finds the "pid" of every object of a JSON value whose "role" is
// the given one.
func pidsOf(v any, role string) []int {
	var pids []int
	switch v := v.(type) {
	case []any:
		for _, x := range v {
			pids = append(pids, pidsOf(x, role)...)
		}
	case map[string]any:
		if pid, ok := v["pid"].(float64); ok && v["role"] == role {
			pids = append(pids, int(pid))
		}
		for _, x := range v {
			pids = append(pids, pidsOf(x, role)...)
		}
	}
	return pids
}
