package tui

import (
	"context"
	"errors"
	"flag"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	tea "charm.land/bubbletea/v2"
	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/txtar"

	"github.com/mtawatch/mtawatch/internal/mta"
	"github.com/mtawatch/mtawatch/internal/say"
	"github.com/mtawatch/mtawatch/internal/view"
)

var update = flag.Bool("update", false, "write the screens that come out as those that are wanted")

// TestScreens compares screens with testdata/NAME.txtar: one file of the
// archive for each.
func TestScreens(t *testing.T) {
	hour := func(q view.ChartQuery) view.Charts { return wave(noon, q) }
	tests := []struct {
		name  string
		make  func() *source
		sizes [][2]int
		keys  []string
	}{
		{"calm", func() *source { s := calm(); s.charts = hour; return s }, [][2]int{{40, 10}, {80, 24}, {200, 60}}, nil},
		{"incident", func() *source { s := incident(); s.charts = hour; return s }, [][2]int{{40, 10}, {80, 24}, {120, 50}}, nil},
		{"gone", func() *source { s := incident(); s.status.Findings = nil; return s }, [][2]int{{80, 24}}, nil},
		{"held", held, [][2]int{{80, 24}}, nil},
		{"queue", incident, [][2]int{{40, 10}, {80, 24}, {132, 30}}, []string{"2"}},
		{"failures", calm, [][2]int{{80, 24}}, []string{"3"}},
		{"connections", calm, [][2]int{{80, 24}}, []string{"4"}},
		{"daemons", calm, [][2]int{{80, 24}}, []string{"5"}},
		{"findings", incident, [][2]int{{80, 24}}, []string{"6"}},
		{"finding", incident, [][2]int{{40, 10}, {80, 32}}, []string{"enter"}},
		{"destination", incident, [][2]int{{80, 24}}, []string{"2", "down", "enter"}},
		{"filter", calm, [][2]int{{80, 24}}, []string{"3", "/", "exnet"}},
		{"help", calm, [][2]int{{80, 40}}, []string{"?"}},
		{"look", func() *source {
			s := calm()
			s.status.Daemon, s.status.Judged, s.status.Instances[0].Failures.Minute = nil, false, nil
			return s
		}, [][2]int{{80, 24}}, nil},
		{"unknown", unseen, [][2]int{{40, 10}, {80, 24}}, nil},
		{"none", func() *source { s := calm(); s.status.Instances = nil; return s }, [][2]int{{80, 24}}, nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var got txtar.Archive
			for _, size := range tt.sizes {
				m := start(t, tt.make(), size[0], size[1])
				press(t, m, tt.keys...)
				fits(t, m)
				got.Files = append(got.Files, txtar.File{Name: itoa(size[0]) + "x" + itoa(size[1]), Data: []byte(shot(m))})
			}
			name := filepath.Join("testdata", tt.name+".txtar")
			if *update {
				if err := os.WriteFile(name, txtar.Format(&got), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(want), string(txtar.Format(&got))); diff != "" {
				t.Errorf("want-, got+ (run with -update to take what came):\n%s", diff)
			}
		})
	}
}

// Who types before the first answer is there gets what was asked for.
func TestEnterBeforeTheAnswer(t *testing.T) {
	for keys, want := range map[string]func(*model) bool{
		"enter":        func(m *model) bool { return m.zoom != nil && m.zoom.key == keyOf(m.told()[0]) },
		"2 enter":      func(m *model) bool { return m.tab == tabQueue && m.zoom != nil },
		"enter esc":    func(m *model) bool { return m.zoom == nil && m.tab == tabSigns },
		"6 enter":      func(m *model) bool { return m.tab == tabFindings && m.zoom != nil },
		"enter 2":      func(m *model) bool { return m.tab == tabQueue && m.zoom == nil },
		"2 enter tab":  func(m *model) bool { return m.tab == tabFailures && m.zoom == nil },
		"down 2 enter": func(m *model) bool { return m.tab == tabQueue && m.zoom != nil },
	} {
		s := incident()
		m := newModel(t.Context(), Config{UTF8: true, Interval: 2 * time.Second, Ask: func(_ context.Context, question func(view.Source) error) error { return question(s) }})
		first := m.Init()
		names := map[string]rune{"enter": tea.KeyEnter, "esc": tea.KeyEscape, "tab": tea.KeyTab, "down": tea.KeyDown}
		for _, k := range strings.Fields(keys) {
			msg := tea.KeyPressMsg{Code: rune(k[0]), Text: k}
			if code, ok := names[k]; ok {
				msg = tea.KeyPressMsg{Code: code}
			}
			if cmd := send(t, m, msg); cmd != nil {
				t.Fatalf("%s: a second question at once", keys)
			}
		}
		run(t, m, first)
		if !want(m) {
			t.Errorf("%s: tab %d, zoom %+v", keys, m.tab, m.zoom)
		}
	}
}

// fits holds every line to the size of the screen.
func fits(t *testing.T, m *model) {
	t.Helper()
	lines := strings.Split(strings.TrimSuffix(shot(m), "\n"), "\n")
	if len(lines) > max(m.height, 4) {
		t.Errorf("%d lines on a screen of %d", len(lines), m.height)
	}
	for _, l := range lines {
		if w := say.Width(l); w > m.width {
			t.Errorf("%d columns on a screen of %d: %q", w, m.width, l)
		}
	}
}

// wave is a past in which figures went up and down within what is normal.
func wave(end time.Time, q view.ChartQuery) view.Charts {
	const n = 60
	step := q.Span / n
	c := view.Charts{From: end.Add(-q.Span), To: end, Step: int(step.Seconds())}
	add := func(id, unit string, middle float64) {
		v := view.Chart{ID: id, Unit: unit, Normal: &view.Range{Low: middle / 2, High: middle * 1.5, Time: end}}
		for i := range n {
			v.Times = append(v.Times, end.Add(-time.Duration(n-1-i)*step).Unix())
			v.Values = append(v.Values, middle+middle/3*math.Sin(float64(i)/5))
			v.Low, v.High = append(v.Low, middle/2), append(v.High, middle*1.5)
		}
		c.Charts = append(c.Charts, v)
	}
	switch q.Sign {
	case mta.SignQueues:
		add("queues", "messages", 20)
		add("queue deferred", "messages", 18)
	case mta.SignFailures:
		add("sent", "recipients a minute", 6)
		add("failed", "recipients a minute", 0.8)
	case mta.SignConnections:
		add("connections", "connections", 5)
	case mta.SignDaemons:
		add("role dispatcher", "processes", 1)
		add("role smtp-server", "processes", 4)
	}
	return c
}

// held is an incident that somebody knows of already.
func held() *source {
	s := incident()
	s.status.Findings[0].Acknowledged = &mta.Acknowledgement{At: noon.Add(-time.Minute), By: "anna", Note: "on it \x1b[2J"}
	s.status.Findings[1].SilencedUntil = noon.Add(time.Hour)
	s.status.Findings = append(s.status.Findings, mta.Finding{ID: "f-14", Code: mta.FindingQueueOldMail, Severity: mta.SeverityWarning, Instance: "postfix-out",
		Title: "mail for example.com waits for 2 days", Since: noon.Add(-time.Hour), Advice: []string{"see why"}})
	return s
}

// unseen is a mail server of which nothing is known.
func unseen() *source {
	s := calm()
	in := &s.status.Instances[0]
	in.Queue = view.QueueStatus{Unknown: "count queue of postfix-out: open /var/spool/postfix/active: permission denied"}
	in.Failures = view.FailureStatus{Window: time.Hour, Unknown: "open /var/log/mail.log: permission denied"}
	in.Connections = view.ConnectionStatus{Unknown: "read sockets: operation not permitted"}
	in.Processes = view.ProcessStatus{Unknown: "read /proc: permission denied"}
	return s
}

// TestUnknownIsNeverZero looks for what must not stand on the screen of a mail server of
// which nothing is known, on any page.
func TestUnknownIsNeverZero(t *testing.T) {
	for _, size := range [][2]int{{40, 10}, {80, 24}, {200, 60}} {
		s := unseen()
		s.queue = view.Queue{Unknown: "not counted", Detail: []view.QueueDetail{{Instance: "postfix-out", Unknown: "not counted"}}}
		s.failures = view.Failures{Unknown: "no log"}
		s.connections, s.processes = view.Connections{Unknown: "no sockets"}, view.Processes{Unknown: "no /proc"}
		m := start(t, s, size[0], size[1])
		for tab := range numTabs {
			press(t, m, itoa(int(tab)+1))
			text := shot(m)
			if !strings.HasPrefix(text, "UNKNOWN") {
				t.Errorf("%v, %s: the head is not UNKNOWN:\n%s", size, tabName(tab), text)
			}
			for _, wrong := range []string{"OK", " 0 ", "is empty", "nothing failed", "no connection", "no process"} {
				if strings.Contains(text, wrong) {
					t.Errorf("%v, %s: shows %q of what is unknown:\n%s", size, tabName(tab), wrong, text)
				}
			}
		}
	}
}

// TestHostileText puts what a sender may write into every text, and holds
// what is drawn to clean text of known width.
func TestHostileText(t *testing.T) {
	const bad = "\x1b[2J\x1b]0;x\x07\u202eevil\u0301\u200d\U0001f4a9\u0e49\u0e49\u0e49\u3042\u3042\r\n\t\u009b31m\xff\u2028\ufe0f\u1161"
	s := incident()
	f := &s.status.Findings[0]
	f.Title, f.Cause, f.Advice, f.Subject = bad, bad, []string{bad}, bad
	f.Evidence[1].Lines = []string{strings.Repeat(bad, 20)}
	in := &s.status.Instances[0]
	in.Queue.Queues[1].Name = bad
	in.Failures.Causes = map[string]int64{bad: 3}
	in.Processes.Missing = []string{bad}
	s.status.Practice = bad
	s.queue.Detail[0].Rows[0].Destination, s.queue.Detail[0].Rows[0].Reason = bad, bad
	s.failures.Rows[0].Destination, s.failures.Rows[0].Reply, s.failures.Rows[0].QueueID = bad, strings.Repeat(bad, 9), bad
	s.processes.Processes[0].Args = []string{bad, bad}
	for _, size := range [][2]int{{1, 1}, {12, 5}, {40, 10}, {80, 24}, {200, 60}} {
		m := start(t, s, size[0], size[1])
		for tab := range numTabs {
			for _, keys := range [][]string{{itoa(int(tab) + 1)}, {"down", "enter"}, {"esc"}, {"?"}, {"?"}} {
				press(t, m, keys...)
				fits(t, m)
				for _, r := range strings.ReplaceAll(shot(m), "\n", "") {
					if say.Hostile(r) || say.RuneWidth(r) == 0 || r >= 0x1f000 {
						t.Fatalf("%v, %s after %q: %U is on the screen", size, tabName(tab), keys, r)
					}
				}
				text := strings.NewReplacer("\x1b[m", "", "\x1b[1m", "", "\x1b[2m", "", "\x1b[7m", "", "\x1b[1;31m", "", "\x1b[33m", "").Replace(m.View().Content)
				if strings.ContainsAny(text, "\x1b\u009b\a") {
					t.Fatalf("%v, %s: a control character that is not ours in %q", size, tabName(tab), text)
				}
			}
		}
	}
}

// TestLostConnection lets the daemon go and come back: what stands there is
// marked as old, and the question is asked again at the interval.
func TestLostConnection(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := calm()
		m := start(t, s, 80, 24)
		m.cfg.Interval = 5 * time.Second
		s.err = errors.New("no mtawatch daemon answers at 192.0.2.1:9725")
		cmd := m.askNow()
		begin := time.Now()
		for range 4 { // answer, wait, answer, wait
			cmd = send(t, m, cmd())
		}
		if got, want := time.Since(begin), 10*time.Second; got != want {
			t.Errorf("asked twice in %s, want %s", got, want)
		}
		send(t, m, cmd())
		text := shot(m)
		if !strings.HasPrefix(text, "UNKNOWN: no answer for 10s: no mtawatch daemon") || !strings.Contains(text, "what stands below is old") {
			t.Errorf("the figures are not marked as old:\n%s", text)
		}
		if strings.Contains(text, "OK") || strings.Contains(text, "no finding is open") {
			t.Errorf("a verdict stands there that nobody knows:\n%s", text)
		}
		s.err = nil
		s.status.Time = noon.Add(time.Minute)
		run(t, m, m.askNow())
		if text := shot(m); !strings.HasPrefix(text, "OK") || !strings.Contains(text, "12:01:00") {
			t.Errorf("did not come back:\n%s", text)
		}
	})
}

// TestNeverAnswered starts where nothing answers.
func TestNeverAnswered(t *testing.T) {
	s := calm()
	s.err = view.Advise(errors.New("no mtawatch daemon answers"), "start it with 'mtawatch run'")
	text := shot(start(t, s, 80, 24))
	if !strings.HasPrefix(text, "UNKNOWN: no answer") || !strings.Contains(text, "to do: start it with 'mtawatch run'") || strings.Contains(text, "OK") {
		t.Errorf("got:\n%s", text)
	}
}

// TestLookIsAskedSeldom holds the wait to 10 s where no daemon runs: a look costs more than an answer.
func TestLookIsAskedSeldom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := calm()
		m := start(t, s, 80, 24)
		s.status.Daemon = nil
		cmd := send(t, m, m.askNow()())
		begin := time.Now()
		if _, ok := cmd().(tick); !ok || time.Since(begin) != 10*time.Second {
			t.Errorf("the next question comes after %s", time.Since(begin))
		}
	})
}

// slow takes a second to list its messages.
type slow struct {
	*source
	listed int
}

func (s *slow) Messages(ctx context.Context, q view.MessageQuery) (view.Messages, error) {
	time.Sleep(time.Second)
	s.listed++
	return s.source.Messages(ctx, q)
}

// TestMessagesAreListedSeldom: the whole queue is read for them.
func TestMessagesAreListedSeldom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &slow{source: incident()}
		m := newModel(t.Context(), Config{UTF8: true, Interval: 2 * time.Second, Ask: func(_ context.Context, question func(view.Source) error) error { return question(s) }})
		run(t, m, m.Init())
		press(t, m, "2", "down", "enter")
		for _, want := range []int{1, 2, 3} {
			for range 20 {
				time.Sleep(2 * time.Second)
				run(t, m, m.askNow())
			}
			if s.listed != want || m.messages == nil {
				t.Errorf("a listing that takes 1 s was asked for %d times in %d s, want %d", s.listed, 40*want, want)
			}
			time.Sleep(15 * time.Second)
			run(t, m, m.askNow())
		}
	})
}

// TestResize draws every page at sizes from nothing to large, one after the
// other.
func TestResize(t *testing.T) {
	s := incident()
	m := start(t, s, 80, 24)
	for tab := range numTabs {
		for _, keys := range []string{itoa(int(tab) + 1), "enter", "?"} {
			press(t, m, keys)
			for _, size := range [][2]int{{0, 0}, {1, 1}, {5, 3}, {20, 6}, {39, 9}, {150, 12}, {300, 100}, {80, 24}} {
				send(t, m, tea.WindowSizeMsg{Width: size[0], Height: size[1]})
				fits(t, m)
			}
		}
		press(t, m, "?", "esc")
	}
}

// TestCursorHolds keeps the cursor on its row when others come before it,
// and what was zoomed into when it goes.
func TestCursorHolds(t *testing.T) {
	s := calm()
	m := start(t, s, 80, 24)
	press(t, m, "2", "down")
	rows := &s.queue.Detail[0].Rows
	*rows = append([]view.QueueRow{{Destination: "new.example", Recipients: 99, Ages: []int64{99, 0, 0, 0}}}, *rows...)
	again(t, m, s, time.Second)
	if !strings.Contains(shot(m), "> example.net") {
		t.Errorf("the cursor left its row:\n%s", shot(m))
	}
	press(t, m, "enter")
	*rows = (*rows)[:1]
	again(t, m, s, time.Second)
	if text := shot(m); !strings.Contains(text, "this is there no more") || !strings.Contains(text, "Connection timed out") {
		t.Errorf("what was looked into is gone:\n%s", text)
	}
}

// TestInstances goes through several mail servers; the one with the worst finding comes first.
func TestInstances(t *testing.T) {
	s := incident()
	first := calm().status.Instances[0]
	first.Name = "postfix-in"
	s.status.Instances = append([]view.InstanceStatus{first}, s.status.Instances...)
	m := start(t, s, 120, 24)
	if !strings.Contains(shot(m), "postfix-out 2 of 2") {
		t.Errorf("want the instance of the finding:\n%s", shot(m))
	}
	press(t, m, "i")
	if text := shot(m); !strings.Contains(text, "postfix-in 1 of 2") || !strings.Contains(text, "12 messages") {
		t.Errorf("want the next instance:\n%s", text)
	}
}

// TestNoFullRepaint runs the program on a terminal of bytes and holds what a
// second answer writes to what has changed.
func TestNoFullRepaint(t *testing.T) {
	s := calm()
	s.charts = func(q view.ChartQuery) view.Charts { return wave(noon, q) }
	answers := make(chan struct{}, 100)
	count := &counter{}
	ctx, cancel := context.WithCancel(t.Context())
	p := tea.NewProgram(newModel(ctx, Config{UTF8: true, Interval: 50 * time.Millisecond, Ask: func(_ context.Context, question func(view.Source) error) error {
		s.status.Time = s.status.Time.Add(time.Second)
		err := question(s)
		answers <- struct{}{}
		return err
	}}), tea.WithContext(ctx), tea.WithInput(nil), tea.WithOutput(count), tea.WithWindowSize(80, 24), tea.WithEnvironment([]string{"TERM=xterm-256color"}))
	done := make(chan error)
	go func() { _, err := p.Run(); done <- err }()
	for range 14 {
		<-answers
	}
	cancel()
	<-done
	whole := count.largest
	if whole < 1000 {
		t.Fatalf("the first frame has %d bytes: nothing was drawn", whole)
	}
	if mean := (count.bytes - whole) / 12; mean > whole/4 {
		t.Errorf("a frame has %d bytes in the mean; the whole screen has %d", mean, whole)
	}
}

// counter counts what is written to it.
type counter struct{ bytes, largest int }

func (c *counter) Write(b []byte) (int, error) {
	c.bytes += len(b)
	c.largest = max(c.largest, len(b))
	return len(b), nil
}
