//go:build live && linux

package live

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/mtawatch/mtawatch/test/live/world"
)

// queued is the line by which Postfix says that a message is in its queue.
var queued = regexp.MustCompile(`qmgr\[\d+\]: ([0-9A-Za-z]+): from=<.*\(queue active\)`)

// TestRotationAndKill runs a load while the log is rotated in every way and
// the watcher is killed again and again: in the end it must have counted
// every line of every piece once.
func TestRotationAndKill(t *testing.T) {
	messages := world.Number(t, "LIVE_MESSAGES", 5000)
	rotations, kills := world.Number(t, "LIVE_ROTATIONS", 20), world.Number(t, "LIVE_KILLS", 50)
	seed := uint64(world.Number(t, "LIVE_SEED", 1))
	r := rand.New(rand.NewPCG(seed, seed))

	remote := startRemote(t, world.Behaviours()[:2]) // ok and refused
	p := startPostfix(t, world.PostfixConfig{FastScan: true})
	w := newWatcher(t)
	if err := w.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(w.Kill)
	// Counting begins with the first place that is stored; what is rotated away
	// before that is read as history. So there is one before the first kill.
	eventually(t, time.Minute, func() error {
		m, err := w.Metrics()
		if n, _ := m.Sum("mtawatch_log_lines_total"); err == nil && n == 0 {
			err = errors.New("no line of the log has been read")
		}
		return err
	})
	if err := errors.Join(w.Stop(), w.Start()); err != nil {
		t.Fatal(err)
	}

	// The load lasts as long as the kills do, or as Postfix needs.
	seconds := max(float64(kills)*1.3, float64(messages)/400)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	loaded := make(chan world.Sent, 1)
	go func() {
		loaded <- box.Send(ctx, world.Load{Count: messages, Rate: float64(messages) / seconds, Sessions: 8, PerConn: 100,
			Message: func(i int) world.Letter {
				domain := "ok.example"
				if i%50 == 0 {
					domain = "refused.example"
				}
				return world.Letter{From: "alice@ok.example", To: []string{fmt.Sprintf("user%d@%s", i%1000, domain)}}
			}})
	}()
	disturb(t, p, w, r, time.Duration(seconds*float64(time.Second)), rotations, kills)
	sent := <-loaded
	t.Logf("%d messages taken, %d lost connections, %d log pieces", sent.Accepted, sent.Lost, len(p.LogPieces()))
	if sent.Accepted < messages*99/100 {
		t.Fatalf("Postfix took only %d of %d messages: %v", sent.Accepted, messages, sent.Last)
	}
	eventually(t, 2*time.Minute, func() error { return drained(p) })
	if err := p.Stop(); err != nil {
		t.Fatal(err)
	}
	if err := w.WaitReady(); err != nil {
		t.Fatal(err)
	}
	// The rotations themselves must not have lost a line.
	if logged, err := p.Lines("status=sent"); err != nil || logged != remote.Accepted()["ok"] {
		t.Errorf("the log has %d deliveries, the remote host took %d messages: %v", logged, remote.Accepted()["ok"], err)
	}
	compareWithPieces(t, p, w)
}

// disturb spreads rotations and kills over a span of time, in random order.
func disturb(t *testing.T, p *world.Postfix, w *world.Watcher, r *rand.Rand, span time.Duration, rotations, kills int) {
	t.Helper()
	acts := make([]func() error, 0, rotations+kills)
	for i := range rotations {
		switch {
		case i%10 == 9:
			acts = append(acts, p.RotateOwn)
		case i%2 == 0:
			acts = append(acts, p.RotateRename)
		default:
			acts = append(acts, p.RotateCopy)
		}
	}
	for range kills {
		acts = append(acts, func() error {
			w.Kill()
			return w.Start()
		})
	}
	r.Shuffle(len(acts), func(i, j int) { acts[i], acts[j] = acts[j], acts[i] })
	start := time.Now()
	for i, act := range acts {
		due := start.Add(time.Duration(float64(i)+r.Float64()) * span / time.Duration(len(acts)))
		time.Sleep(time.Until(due))
		if w.Ended() {
			t.Fatalf("the watcher ended by itself: %s", w.Log())
		}
		if err := act(); err != nil {
			t.Fatal(err)
		}
	}
}

// drained says whether nothing but deferred mail is left.
func drained(p *world.Postfix) error {
	out, err := p.Command("postqueue", "-j")
	if err != nil {
		return err
	}
	if n := strings.Count(string(out), `"queue_name": "active"`) + strings.Count(string(out), `"queue_name": "incoming"`); n > 0 {
		return fmt.Errorf("%d messages still on their way", n)
	}
	return nil
}

// compareWithPieces holds the final counters against all pieces of the log.
func compareWithPieces(t *testing.T, p *world.Postfix, w *world.Watcher) {
	t.Helper()
	status := map[string]int{}
	ids := map[string]bool{}
	lines := 0
	err := world.EachLine(p.LogPieces(), func(line string) {
		lines++
		if _, rest, ok := strings.Cut(line, " status="); ok {
			s, _, _ := strings.Cut(rest, " ")
			status[s]++
		}
		if m := queued.FindStringSubmatch(line); m != nil {
			ids[m[1]] = true
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("the log has %d lines, %d messages, deliveries %v", lines, len(ids), status)
	same := func() error {
		m, err := w.Metrics()
		if err != nil {
			return err
		}
		if err := wantMetric(m, lines, "mtawatch_log_lines_total"); err != nil {
			return err
		}
		for s, n := range status {
			if err := wantMetric(m, n, "mta_delivery_attempts_total", "status", s); err != nil {
				return err
			}
		}
		return wantMetric(m, len(ids), "mta_received_messages_total")
	}
	eventually(t, time.Minute, same)
	time.Sleep(3 * time.Second) // what counts on beyond the truth is seen now
	if err := same(); err != nil {
		t.Error(err)
	}
}
