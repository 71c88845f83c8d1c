package jobs

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/mtawatch/mtawatch/internal/lab/queue"
)

func told(id, host string, attempts int) Told {
	return Told{Name: "tcp_local/000/" + queue.Name(attempts, id, "00"), Host: host, Recipients: 1, Blocks: 1, Attempts: attempts}
}

// TestCacheTurns: destinations take turns, each its oldest first, and one that
// is slow leaves room for the others.
func TestCacheTurns(t *testing.T) {
	now := time.Unix(1e9, 0)
	c := newChannelCache("tcp_local", nil)
	for i := range 3 {
		c.add(told(fmt.Sprint("a", i), "a.example", 0), now, now)
	}
	c.add(told("b0", "b.example", 0), now, now)
	if c.add(told("b0", "b.example", 3), now, now) {
		t.Error("a known message was added")
	}
	var got []string
	for m := c.next(); m != nil; m = c.next() {
		got = append(got, m.id)
	}
	if want := []string{"a0", "b0", "a1", "a2"}; !cmp.Equal(got, want) {
		t.Errorf("order %v, want %v", got, want)
	}
	for i := range 2 * hostLimit {
		c.add(told(fmt.Sprint("c", i), "c.example", 0), now, now)
	}
	n := 0
	var last *message
	for m := c.next(); m != nil; m = c.next() {
		n++
		last = m
	}
	if n != hostLimit {
		t.Errorf("%d at once to one host, want %d", n, hostLimit)
	}
	c.drop(last)
	if m := c.next(); m == nil || c.next() != nil {
		t.Error("room for one was not used for one")
	}
}

// TestCacheDelays: what failed comes back when it is due, under its new name.
func TestCacheDelays(t *testing.T) {
	now := time.Unix(1e9, 0)
	c := newChannelCache("tcp_local", []time.Duration{time.Minute, time.Hour})
	c.add(told("a", "a.example", 0), now, now)
	m := c.next()
	later := now.Add(c.delay(1))
	c.again(m, "tcp_local/000/"+queue.Name(1, "a", "01"), later, now)
	if c.next() != nil || c.dests["a.example"].waiting != 1 || c.nextDue() != later {
		t.Error("it was not kept back")
	}
	c.wake(later, false)
	if m = c.next(); m == nil || m.attempts != 1 || !strings.HasSuffix(m.name, "ZYa.01") {
		t.Errorf("%+v", m)
	}
	c.again(m, m.name, later.Add(time.Hour), later)
	c.wake(later, true)
	if m = c.next(); m == nil {
		t.Fatal("what is urgent was kept back")
	}
	c.drop(m)
	if len(c.messages)+len(c.dests)+len(c.heap)+c.ready != 0 {
		t.Errorf("something is left: %+v", c)
	}
	for attempts, want := range []time.Duration{0, time.Minute, time.Hour, time.Hour} {
		for range 50 {
			if d := c.delay(attempts); d < want-want/10 || d > want+want/10+1 {
				t.Errorf("delay(%d) = %v", attempts, d)
			}
		}
	}
}

func TestCounters(t *testing.T) {
	var k Counters
	k.Stored.add(1, 3, 2)
	k.result(Result{State: Later, Delivered: 1, Delayed: 1, Failed: 1, Blocks: 2}, true)
	k.result(Result{State: Busy, Delayed: 1}, false)
	k.result(Result{State: Done, Delivered: 1, Blocks: 2, InQueue: time.Minute}, false)
	want := Counters{Delivered: Count{1, 3, 2}, Attempted: Count{1, 1, 2}, Failed: Count{1, 1, 2}, QueueTime: time.Minute}
	if diff := cmp.Diff(want, k); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	back, err := parseCounters(k.text())
	if diff := cmp.Diff(k, back); diff != "" || err != nil {
		t.Errorf("%v\n%s", err, diff)
	}
}

// FuzzTold and FuzzResult: what is taken from a stranger names a file in the
// queue, and goes over the line again as it came.
func FuzzTold(f *testing.F) {
	f.Add(strings.TrimSuffix(told("a", "a.example", 0).line(), "\n"))
	f.Add("T\ttcp_local/../x/ZZa.00\t\t\t1\t1\t0")
	f.Fuzz(func(t *testing.T, line string) {
		v, err := parseTold(line)
		if err != nil {
			return
		}
		if !validName(v.Name) || slices.Contains(strings.Split(v.Name, "/"), "..") {
			t.Errorf("name %q", v.Name)
		}
		if strings.ContainsAny(line, "\r\n") {
			return
		}
		back, err := parseTold(strings.TrimSuffix(v.line(), "\n"))
		if len(line) < 200 && (err != nil || back != v) {
			t.Errorf("%+v came back as %+v, %v", v, back, err)
		}
	})
}

// FuzzResult is the same for what channel programs say.
func FuzzResult(f *testing.F) {
	f.Add(strings.TrimSuffix(Result{State: Later, Name: "ims-ms/ZZa.00", Now: "ims-ms/ZYa.01", Delayed: 1}.line(), "\n"))
	f.Fuzz(func(t *testing.T, line string) {
		v, err := parseResult(line)
		if err != nil {
			return
		}
		back, err := parseResult(strings.TrimSuffix(v.line(), "\n"))
		if len(line) < 200 && !strings.ContainsAny(line, "\r\n") && (err != nil || back != v) {
			t.Errorf("%+v came back as %+v, %v", v, back, err)
		}
	})
}
