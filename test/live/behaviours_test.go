//go:build live && linux

package live

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/mtawatch/mtawatch/test/live/world"
)

// outcome is how one delivery attempt ended.
type outcome struct{ Status, Cause string }

// TestPostfixRemoteBehaviours sends mail to hosts with every behaviour
// through a real Postfix that retries within seconds, watched from the start,
// and holds what "parse" and the running watcher tell against the log.
func TestPostfixRemoteBehaviours(t *testing.T) {
	list := world.Behaviours()
	startRemote(t, list)
	p := startPostfix(t, world.PostfixConfig{FastRetry: true, Main: []string{"smtp_helo_timeout = 4s"}})
	w := startWatcher(t)

	each := world.Number(t, "LIVE_EACH", 5)
	sent := box.Send(t.Context(), world.Load{Count: each * len(list), Sessions: 4, Message: func(i int) world.Letter {
		v := list[i%len(list)]
		return world.Letter{From: "alice@ok.example", To: []string{fmt.Sprintf("user%d@%s", i/len(list), v.Domain())}}
	}})
	if sent.Accepted != each*len(list) {
		t.Fatalf("Postfix took %d of %d messages: %v", sent.Accepted, each*len(list), sent.Last)
	}
	// Until every host was tried, every greylisted message has gone and the
	// refused ones were retried: then deliveries by error(8) are in the log too.
	eventually(t, 60*time.Second, func() error {
		for _, v := range list {
			if n, err := p.Lines("@"+v.Domain()+">", " status="); err != nil {
				return err
			} else if n == 0 {
				return fmt.Errorf("no delivery to %s yet", v.Domain())
			}
		}
		gone, err := p.Lines("@grey.example>", "status=sent")
		if err != nil {
			return err
		}
		suspended, err := p.Lines("delivery temporarily suspended")
		if err == nil && (gone < each || suspended == 0) {
			err = fmt.Errorf("%d of %d greylisted messages gone, %d suspended deliveries", gone, each, suspended)
		}
		return err
	})
	if err := p.Stop(); err != nil {
		t.Fatal(err)
	}

	got := parsedOutcomes(t, w, p.Log, list)
	t.Run("parse counts each status as grep does", func(t *testing.T) {
		for _, status := range []string{"sent", "deferred", "bounced", "expired"} {
			want, err := p.Lines(" status=" + status + " ")
			if err != nil {
				t.Fatal(err)
			}
			n := 0
			for o, k := range got {
				if o.Status == status {
					n += k
				}
			}
			t.Logf("status=%s: parse %d, grep %d", status, n, want)
			if n != want {
				t.Errorf("%d deliveries %s, the log has %d", n, status, want)
			}
		}
	})
	t.Logf("attempts by status and cause: %v", got)
	t.Run("the running watcher counts the same", func(t *testing.T) {
		eventually(t, 30*time.Second, func() error { return sameAttempts(w, got) })
	})
}

// parsedOutcomes runs parse over the log, checks the cause of each delivery
// against the behaviour of its domain, and counts the outcomes.
func parsedOutcomes(t *testing.T, w *world.Watcher, log string, list []world.Behaviour) map[outcome]int {
	t.Helper()
	stdout, stderr, code, err := w.Run("parse", "--mta", "postfix", log)
	if err != nil || code != 0 {
		t.Fatalf("parse: exit status %d, %v: %s", code, err, stderr)
	}
	total := map[outcome]int{}
	seen := map[string]int{}
	s := bufio.NewScanner(bytes.NewReader(stdout))
	s.Buffer(nil, 1<<20)
	for s.Scan() {
		var e struct{ Kind, To, Status, Cause, Reply, Text, Program string }
		if err := json.Unmarshal(s.Bytes(), &e); err != nil {
			t.Fatalf("parse printed %q: %v", s.Text(), err)
		}
		switch e.Kind {
		case "unknown", "malformed":
			t.Errorf("%s line: %s", e.Kind, e.Text)
		case "delivery":
			total[outcome{e.Status, e.Cause}]++
			_, domain, _ := strings.Cut(e.To, "@")
			i := slices.IndexFunc(list, func(v world.Behaviour) bool { return v.Domain() == domain })
			if i < 0 {
				t.Errorf("delivery to %q, which nobody sent", e.To)
				continue
			}
			seen[domain]++
			want := outcome{list[i].Status, list[i].Cause}
			if want.Status == "sent" && e.Status == "sent" {
				want.Cause = ""
			} else if want.Status == "sent" && want.Cause != "" {
				want.Status = "deferred" // greylisted first, sent at last
			}
			if diff := cmp.Diff(outcome{e.Status, e.Cause}, want); diff != "" {
				t.Errorf("%s by %s, %q (got -, want +):\n%s", e.To, e.Program, e.Reply, diff)
			}
		}
	}
	for _, v := range list {
		if seen[v.Domain()] == 0 {
			t.Errorf("no delivery to %s", v.Domain())
		}
	}
	return total
}

// sameAttempts compares mta_delivery_attempts_total with counted outcomes.
func sameAttempts(w *world.Watcher, want map[outcome]int) error {
	m, err := w.Metrics()
	if err != nil {
		return err
	}
	got := map[outcome]int{}
	for _, s := range m {
		if s.Name == "mta_delivery_attempts_total" && s.Value != 0 {
			cause := s.Labels["cause"]
			if s.Labels["status"] == "sent" && cause == "none" {
				cause = ""
			}
			got[outcome{s.Labels["status"], cause}] += int(s.Value)
		}
	}
	if maps.Equal(got, want) {
		return nil
	}
	return fmt.Errorf("delivery attempts (got -, want +):\n%s", cmp.Diff(got, want))
}
