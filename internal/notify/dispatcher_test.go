package notify

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/mtawatch/mtawatch/internal/mta"
)

const (
	info     = mta.SeverityInfo
	warning  = mta.SeverityWarning
	critical = mta.SeverityCritical
)

func finding(id string, s mta.Severity) mta.Finding {
	return mta.Finding{ID: id, Code: mta.FindingQueueGrowing, Severity: s, Title: "queue " + id, Since: time.Unix(1e9, 0).UTC()}
}

// receiver is a channel that notes what it gets; fail says how an attempt ends.
type receiver struct {
	start time.Time
	got   []string
	fail  func(m Message) (bool, error)
	slow  time.Duration
}

func (r *receiver) channel(name string, t Terms) Channel {
	return Channel{Name: name, Terms: t, Send: func(ctx context.Context, m Message) (bool, error) {
		line := fmt.Sprintf("%g %s %s %s", time.Since(r.start).Round(time.Second).Seconds(), m.Event, m.Finding.ID, m.Finding.Severity)
		if r.slow > 0 {
			select {
			case <-ctx.Done():
				r.got = append(r.got, line+" cut off")
				return true, ctx.Err()
			case <-time.After(r.slow):
			}
		}
		if r.fail != nil {
			if retry, err := r.fail(m); err != nil {
				r.got = append(r.got, line+" failed")
				return retry, err
			}
		}
		r.got = append(r.got, line)
		return false, nil
	}}
}

// act is what happens at one second.
type act struct {
	at int
	do func(*Dispatcher)
}

func tell(at int, event, id string, s mta.Severity) act {
	return act{at, func(d *Dispatcher) { d.Tell(Message{Event: event, Finding: finding(id, s)}) }}
}

// play runs one channel through the acts until a second.
func play(t *testing.T, r *receiver, terms Terms, until int, acts ...act) *Dispatcher {
	t.Helper()
	var d *Dispatcher
	synctest.Test(t, func(t *testing.T) {
		r.start = time.Now()
		d = New(Config{Host: "mx.example.org"}, []Channel{r.channel("c", terms)})
		run(t, d, r.start, until, acts)
	})
	return d
}

func run(t *testing.T, d *Dispatcher, start time.Time, until int, acts []act) {
	ctx, stop := context.WithCancel(t.Context())
	for _, o := range d.Outlets() {
		go func() {
			if err := o.Run(ctx); err != nil {
				t.Error(err)
			}
		}()
	}
	for _, a := range append(acts, act{until, func(*Dispatcher) {}}) {
		time.Sleep(time.Until(start.Add(time.Duration(a.at) * time.Second)))
		a.do(d)
		synctest.Wait()
	}
	stop()
	synctest.Wait()
}

func TestOutlet(t *testing.T) {
	down := func(from, to int) func(*receiver) func(Message) (bool, error) {
		return func(r *receiver) func(Message) (bool, error) {
			return func(Message) (bool, error) {
				if s := int(time.Since(r.start).Seconds()); s >= from && s < to {
					return true, errors.New("down")
				}
				return false, nil
			}
		}
	}
	usual := Terms{Min: warning, Delay: time.Minute}
	tests := []struct {
		name  string
		terms Terms
		fail  func(*receiver) func(Message) (bool, error)
		until int
		acts  []act
		want  []string
	}{
		{"critical at once, the end too", usual, nil, 100, []act{tell(10, Opened, "a", critical), tell(50, Resolved, "a", critical)},
			[]string{"10 opened a critical", "50 resolved a critical"}},
		{"a warning after its delay", usual, nil, 100, []act{tell(10, Opened, "a", warning)}, []string{"70 opened a warning"}},
		{"over before it is told", usual, nil, 100, []act{tell(10, Opened, "a", warning), tell(60, Resolved, "a", warning)}, nil},
		{"it becomes critical while it waits", usual, nil, 100, []act{tell(10, Opened, "a", warning), tell(30, Changed, "a", critical)}, []string{"30 opened a critical"}},
		{"a change does not start the delay anew", usual, nil, 100, []act{tell(10, Opened, "a", warning), tell(60, Changed, "a", warning)}, []string{"70 opened a warning"}},
		{"below the least severity", usual, nil, 200, []act{tell(10, Opened, "a", info), tell(20, Resolved, "a", info)}, nil},
		{"above it later", usual, nil, 200, []act{tell(10, Opened, "a", info), tell(50, Changed, "a", critical), tell(60, Changed, "a", info), tell(70, Resolved, "a", info)},
			[]string{"50 opened a critical", "60 changed a info", "70 resolved a info"}},
		{"an end of what was never heard of", usual, nil, 200, []act{tell(10, Resolved, "a", critical)}, nil},
		{"the worst first", Terms{}, nil, 20, []act{{10, func(d *Dispatcher) {
			d.Outlets()[0].mu.Lock() // the loop must not look in between
			o := d.Outlets()[0]
			for _, f := range []mta.Finding{finding("a", info), finding("b", critical), finding("c", warning)} {
				o.stand(nil, f, time.Now())
			}
			o.mu.Unlock()
			d.Tell(Message{Event: Opened, Finding: finding("d", info)})
		}}}, []string{"10 opened b critical", "10 opened c warning", "10 opened a info", "10 opened d info"}},
		{"reminders while it is open", Terms{Min: warning, Repeat: time.Hour}, nil, 10000, []act{tell(0, Opened, "a", critical), tell(8000, Resolved, "a", critical)},
			[]string{"0 opened a critical", "3600 reminder a critical", "7200 reminder a critical", "8000 resolved a critical"}},
		{"refreshing", Terms{Refresh: time.Minute}, nil, 200, []act{tell(0, Opened, "a", critical), tell(90, Changed, "a", warning), tell(170, Resolved, "a", critical)},
			[]string{"0 opened a critical", "60 refresh a critical", "90 changed a warning", "150 refresh a warning", "170 resolved a critical"}},
		{"refused for good", usual, func(*receiver) func(Message) (bool, error) {
			return func(m Message) (bool, error) {
				if m.Event == Opened {
					return false, errors.New("no")
				}
				return false, nil
			}
		}, 500, []act{tell(0, Opened, "a", critical), tell(300, Resolved, "a", critical)}, []string{"0 opened a critical failed"}},
		{"down for the whole life: the end is told", usual, down(0, 90), 300, []act{tell(0, Opened, "a", critical), tell(20, Changed, "a", warning), tell(40, Resolved, "a", warning)}, nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := &receiver{}
			if tt.fail != nil {
				r.fail = tt.fail(r)
			}
			d := play(t, r, tt.terms, tt.until, tt.acts...)
			if strings.HasPrefix(tt.name, "down") {
				downWholeLife(t, r, d)
				return
			}
			if diff := cmp.Diff(tt.want, r.got); diff != "" {
				t.Errorf("sent (-want +got):\n%s", diff)
			}
		})
	}
}

// downWholeLife holds the attempts to growing pauses that are random in part.
func downWholeLife(t *testing.T, r *receiver, d *Dispatcher) {
	t.Helper()
	last := len(r.got) - 1
	if last < 3 || last > 7 || !strings.HasSuffix(r.got[last], "resolved a warning") || slices.ContainsFunc(r.got[:last], func(s string) bool { return !strings.HasSuffix(s, "failed") }) {
		t.Errorf("sent %q, want some failures and then the end", r.got)
	}
	if s := d.States()[0]; s.Failures != 0 || s.Sent != 1 || s.Waiting != 0 {
		t.Errorf("state %+v", s)
	}
}

func TestPauses(t *testing.T) {
	r := &receiver{}
	var at []time.Duration
	later := time.Duration(0)
	r.fail = func(Message) (bool, error) {
		at = append(at, time.Since(r.start))
		if later > 0 {
			return true, fmt.Errorf("wrapped: %w", &RetryAfter{later, errors.New("busy")})
		}
		return true, errors.New("down\nfor user@example.org")
	}
	d := play(t, r, Terms{}, 3600, tell(0, Opened, "a", critical))
	for i := 1; i < len(at); i++ {
		most := min(5*time.Second<<(i-1), 5*time.Minute)
		if pause := at[i] - at[i-1]; pause > most || pause < most*4/5 {
			t.Errorf("pause %d is %s, want %s or a fifth less", i, pause, most)
		}
	}
	if len(at) < 15 {
		t.Errorf("%d attempts in an hour", len(at))
	}
	s := d.States()[0]
	if s.Failures != len(at) || !s.Since.Equal(r.start) || s.Waiting != 1 || strings.Contains(s.Error, "\n") {
		t.Errorf("state %+v", s)
	}
	blind := d.Blind()
	if len(blind) != 1 || blind[0].Source != "notify c" || blind[0].Kind != mta.BlindFailing || blind[0].Advice == "" {
		t.Errorf("blind spots %+v", blind)
	}
	at, later = nil, 20*time.Minute
	play(t, r, Terms{}, 3590, tell(0, Opened, "a", critical))
	if len(at) != 3 || at[1] != 20*time.Minute {
		t.Errorf("attempts at %v though 20 m were asked for", at)
	}
}

func TestTimeout(t *testing.T) {
	r := &receiver{slow: time.Minute}
	play(t, r, Terms{Timeout: 7 * time.Second}, 8, tell(0, Opened, "a", critical))
	if diff := cmp.Diff([]string{"0 opened a critical cut off"}, r.got); diff != "" {
		t.Errorf("sent (-want +got):\n%s", diff)
	}
}

func TestNewsDuringAnAttempt(t *testing.T) {
	r := &receiver{slow: 5 * time.Second}
	play(t, r, Terms{}, 60, tell(0, Opened, "a", critical), tell(2, Changed, "a", warning), tell(7, Resolved, "a", warning))
	if diff := cmp.Diff([]string{"0 opened a critical", "5 changed a warning", "10 resolved a warning"}, r.got); diff != "" {
		t.Errorf("sent (-want +got):\n%s", diff)
	}
}

func TestBefore(t *testing.T) {
	var before []string
	r := &receiver{fail: func(m Message) (bool, error) {
		b := "nothing"
		if m.Before != nil {
			b = m.Before.Severity.String()
		}
		before = append(before, b)
		return false, nil
	}}
	play(t, r, Terms{}, 60, tell(0, Opened, "a", warning), tell(2, Changed, "a", critical), tell(7, Resolved, "a", critical))
	if diff := cmp.Diff([]string{"nothing", "warning", "critical"}, before); diff != "" {
		t.Errorf("told before (-want +got):\n%s", diff)
	}
}

func TestRestart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		disk := map[string]string{}
		keep := func(d *Dispatcher) {
			d.Flush(func(k string, v []byte) { disk[k] = string(v) }, func(k string) { delete(disk, k) })
		}
		r := &receiver{start: time.Now()}
		terms := Terms{Min: warning, Delay: time.Minute, Repeat: time.Hour}
		d := New(Config{}, []Channel{r.channel("c", terms), (&receiver{start: r.start}).channel("gone", terms)})
		run(t, d, r.start, 100, []act{tell(0, Opened, "told", critical), tell(0, Opened, "over", critical), tell(0, Opened, "seen-over", critical),
			tell(5, Opened, "both", critical), tell(6, Resolved, "both", critical), tell(90, Opened, "waiting", warning)})
		keep(d)
		if want := []string{"told/c/over", "told/c/seen-over", "told/c/told", "told/gone/over", "told/gone/seen-over", "told/gone/told"}; !cmp.Equal(want, slices.Sorted(maps.Keys(disk))) {
			t.Errorf("kept %q, want %q", slices.Sorted(maps.Keys(disk)), want)
		}
		r.got = nil
		again := New(Config{}, []Channel{r.channel("c", terms)})
		for k, v := range disk {
			if err := again.Load(k, []byte(v)); err != nil {
				t.Error(err)
			}
		}
		again.Sync([]mta.Finding{finding("told", critical), finding("waiting", warning), finding("new", critical)}, []mta.Finding{finding("over", warning)})
		run(t, again, r.start, 4000, []act{tell(3000, Resolved, "waiting", warning)})
		slices.Sort(r.got[:min(3, len(r.got))])
		want := []string{"100 opened new critical", "100 resolved over warning", "100 resolved seen-over critical",
			"160 opened waiting warning", "3000 resolved waiting warning", "3600 reminder told critical", "3700 reminder new critical"}
		if diff := cmp.Diff(want, r.got); diff != "" {
			t.Errorf("sent after the restart (-want +got):\n%s", diff)
		}
		keep(again)
		if got := slices.Sorted(maps.Keys(disk)); !cmp.Equal([]string{"told/c/new", "told/c/told"}, got) {
			t.Errorf("kept at last %q", got)
		}
	})
}

func TestTooMany(t *testing.T) {
	d := New(Config{}, []Channel{{Name: "c", Send: func(context.Context, Message) (bool, error) { return false, nil }}})
	for i := range maxItems + 50 {
		d.Tell(Message{Event: Opened, Finding: finding(fmt.Sprint(i), warning)})
	}
	d.Tell(Message{Event: Opened, Finding: finding("worse", critical)})
	o := d.Outlets()[0]
	if s := o.State(); len(o.items) != maxItems || s.Dropped != 51 || o.items["worse"] == nil {
		t.Errorf("%d items, state %+v", len(o.items), s)
	}
}

func TestLoadErrors(t *testing.T) {
	d := New(Config{}, nil)
	for _, tt := range []struct{ name, key, value string }{
		{"another kind", "x", "{}"}, {"no finding", "told/c/a", "{}"}, {"another's", "told/c/a", `{"finding":{"id":"b"}}`}, {"no JSON", "told/c/a", "{"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if err := d.Load(tt.key, []byte(tt.value)); err == nil || !strings.HasPrefix(err.Error(), "load told") {
				t.Errorf("got %v", err)
			}
		})
	}
}

func FuzzLoad(f *testing.F) {
	f.Add("told/c/a", `{"finding":{"id":"a","code":"mail-loop","severity":"critical"},"at":"2026-11-02T14:00:00Z"}`)
	f.Fuzz(func(t *testing.T, key, value string) {
		d := New(Config{}, []Channel{{Name: "c", Terms: Terms{Repeat: time.Hour}}})
		if d.Load(key, []byte(value)) != nil {
			return
		}
		d.Sync(nil, nil)
		m, version, _ := d.Outlets()[0].pick(time.Now())
		if strings.HasPrefix(key, "told/c/") && !strings.Contains(key[7:], "/") && (version == 0 || m.Event != Resolved) {
			t.Errorf("an ended finding is not told: %+v", m)
		}
		d.Flush(func(string, []byte) {}, func(string) {})
	})
}

func TestLine(t *testing.T) {
	f := finding("a", critical)
	f.End = f.Since.Add(90 * time.Second)
	for _, tt := range []struct {
		name string
		m    Message
		want string
	}{
		{"opened", Message{Event: Opened, Host: "mx.example.org", Finding: finding("a", warning)}, "WARNING on mx.example.org: queue a"},
		{"resolved", Message{Event: Resolved, Finding: f}, "resolved: CRITICAL: queue a (lasted 1m30s)"},
		{"hostile", Message{Event: Changed, Finding: mta.Finding{Severity: critical, Title: "x\r\ny\x1b[2J\xff\u2028"}}, "changed: CRITICAL: x  y [2J? "},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := Line(tt.m); got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}
