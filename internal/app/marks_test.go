package app

import (
	"bufio"
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/mtawatch/mtawatch/internal/childtest"
	"github.com/mtawatch/mtawatch/internal/feed"
	"github.com/mtawatch/mtawatch/internal/mta"
	"github.com/mtawatch/mtawatch/internal/notify"
	"github.com/mtawatch/mtawatch/internal/pipeline"
	"github.com/mtawatch/mtawatch/internal/state"
	"github.com/mtawatch/mtawatch/internal/view"
)

// troubled gives a marker over a belt with an open finding: the dispatcher is gone.
func troubled(t *testing.T, dir string) (*marker, mta.Finding) {
	t.Helper()
	db, err := state.Open(filepath.Join(dir, "state.db"), state.Config{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	belt := pipeline.New(pipeline.Config{Interval: 10 * time.Second, State: db, Judge: true, Location: time.UTC})
	if err := belt.Restore(t.Context()); err != nil {
		t.Fatal(err)
	}
	now := time.Now()
	in := mta.Instance{MTA: "postfix", Name: "postfix", Running: true}
	belt.SetInstances([]mta.Instance{in})
	start := now.Add(-time.Hour)
	for i := range 12 {
		at := now.Add(time.Duration(i) * 10 * time.Second)
		var list []mta.RoleProcess
		if i < 2 {
			list = []mta.RoleProcess{{Process: mta.Process{PID: 4, Name: "master", Start: start}, Role: mta.RoleDispatcher, Instance: "postfix"}}
		}
		belt.SetProcesses(at, map[string][]mta.RoleProcess{"postfix": list}, "")
		if err := belt.Tick(t.Context(), at); err != nil {
			t.Fatal(err)
		}
	}
	m, err := newMarker(t.Context(), belt, db)
	if err != nil {
		t.Fatal(err)
	}
	open, _ := m.findings()
	if len(open) == 0 {
		t.Fatal("nothing is wrong")
	}
	return m, open[0]
}

func TestMarker(t *testing.T) {
	ctx := t.Context()
	m, f := troubled(t, t.TempDir())
	tell := &teller{mark: m, out: notify.New(notify.Config{}, nil), feed: feed.New(feed.Config{}), eyes: make(chan struct{}, 1)}
	m.changed = tell.marked
	l, err := tell.feed.Join()
	if err != nil {
		t.Fatal(err)
	}
	got, err := m.Acknowledge(ctx, view.Acknowledge{ID: f.ID, By: "ann\x1b[31m", Note: "on it"})
	if err != nil || got.ID != f.ID || got.Acknowledged.By != "ann [31m" || got.Acknowledged.Severity != f.Severity {
		t.Fatalf("%+v, %v", got.Acknowledged, err)
	}
	if again, err := m.Acknowledge(ctx, view.Acknowledge{ID: f.ID, By: "bob"}); err != nil || got.Before != nil ||
		again.Before == nil || again.Before.By != "ann [31m" || again.Acknowledged.By != "bob" || again.Acknowledged.Note != "on it" {
		t.Errorf("acknowledged again: %+v, before %+v and %+v, %v", again.Acknowledged, got.Before, again.Before, err)
	}
	if again, err := m.Acknowledge(ctx, view.Acknowledge{ID: f.ID, By: "ann\x1b[31m", Note: "on it"}); err != nil || again.Before.Note != "on it" {
		t.Errorf("with a note: %+v, before %+v, %v", again.Acknowledged, again.Before, err)
	}
	if e := <-l.Events(); e.Change.Kind != view.ChangeMarked || e.Change.Finding.Acknowledged == nil {
		t.Errorf("open pages were told %+v", e.Change)
	}
	src := &Source{belt: m.belt, marks: m}
	if list, err := src.Findings(ctx, view.FindingQuery{}); err != nil || !list.Open[0].Held() {
		t.Errorf("findings: %+v, %v", list.Open, err)
	}
	if err := m.Unacknowledge(ctx, f.ID); err != nil {
		t.Error(err)
	}
	s, err := m.Silence(ctx, mta.Silence{Code: f.Code, Until: time.Now().Add(time.Hour)})
	if open, _ := m.findings(); err != nil || s.ID == "" || !open[0].Held() || open[0].Acknowledged != nil {
		t.Errorf("%+v, %v: %+v", s, err, open)
	}
	if err := m.expire(ctx, time.Now()); err != nil {
		t.Error(err)
	}
	if list, _ := m.Silences(ctx); len(list.Silences) != 1 {
		t.Errorf("silences: %+v", list)
	}
	if err := m.expire(ctx, s.Until); err != nil {
		t.Error(err)
	}
	if open, _ := m.findings(); open[0].Held() {
		t.Errorf("after its end: %+v", open[0])
	}
	far := time.Now().Add(500 * 24 * time.Hour)
	for _, s := range []mta.Silence{{Until: time.Now().Add(time.Hour)}, {Code: "x", Until: time.Now().Add(time.Hour)}, {Code: f.Code}, {Code: f.Code, Until: far},
		{Subject: strings.Repeat("x", 501), Until: time.Now().Add(time.Hour)}} {
		if _, err := m.Silence(ctx, s); !errors.Is(err, view.ErrQuestion) {
			t.Errorf("%+v: %v", s, err)
		}
	}
	if _, err := m.Acknowledge(ctx, view.Acknowledge{ID: f.ID, Note: strings.Repeat("x", 1001)}); !errors.Is(err, view.ErrQuestion) {
		t.Error(err)
	}
	for _, err := range []error{m.Unsilence(ctx, "x"), m.Unacknowledge(ctx, "x"), func() error { _, err := m.Acknowledge(ctx, view.Acknowledge{ID: "x"}); return err }()} {
		if !errors.Is(err, view.ErrNone) {
			t.Error(err)
		}
	}
}

// What was acknowledged holds after a kill: it was stored before the answer.
func TestMarksOutliveAKill(t *testing.T) {
	ctx := context.Background()
	if dir := childtest.Dir(); dir != "" {
		m, f := troubled(t, dir)
		if _, err := m.Acknowledge(ctx, view.Acknowledge{ID: f.ID, By: "ann"}); err != nil {
			t.Fatal(err)
		}
		if _, err := m.Silence(ctx, mta.Silence{Code: f.Code, Until: time.Now().Add(time.Hour)}); err != nil {
			t.Fatal(err)
		}
		_, _ = os.Stdout.WriteString("done " + f.ID + "\n")
		select {}
	}
	dir := t.TempDir()
	cmd := childtest.Command(t, dir)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	id := ""
	for scan := bufio.NewScanner(out); id == "" && scan.Scan(); {
		if text, ok := strings.CutPrefix(scan.Text(), "done "); ok {
			id = text
		}
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait() // says that it was killed
	db, err := state.Open(filepath.Join(dir, "state.db"), state.Config{})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	belt := pipeline.New(pipeline.Config{Interval: 10 * time.Second, State: db, Judge: true, Location: time.UTC})
	if err := belt.Restore(ctx); err != nil {
		t.Fatal(err)
	}
	m, err := newMarker(ctx, belt, db)
	if err != nil {
		t.Fatal(err)
	}
	open, _ := m.findings()
	if len(open) == 0 || open[0].ID != id || open[0].Acknowledged == nil || open[0].Acknowledged.By != "ann" || open[0].SilencedUntil.IsZero() {
		t.Errorf("after the kill of %q: %+v", id, open)
	}
}

// An open page hears of a finding, and sees the status with it, without
// waiting for the next interval.
func TestOpenPageIsToldAtOnce(t *testing.T) {
	m, f := troubled(t, t.TempDir())
	tell := &teller{belt: m.belt, mark: m, db: m.db, out: notify.New(notify.Config{}, nil), feed: feed.New(feed.Config{}), eyes: make(chan struct{}, 1),
		news: make(chan struct{}, 1), unsaved: make(map[string][]byte)}
	src := sourceOf(t)
	store := openSeries(t)
	src.belt, src.marks, src.series = m.belt, m, store
	l, err := tell.feed.Join()
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
	defer cancel()
	ended := make(chan error, 2)
	go func() { ended <- tell.run(ctx) }()
	go func() { ended <- tell.show(src, time.Hour)(ctx) }()
	var opened, shown bool
	for e := range l.Events() {
		opened = opened || e.Change != nil && e.Change.Kind == "opened" && e.Change.Finding.ID == f.ID
		shown = shown || e.Status != nil && len(e.Status.Findings) > 0
		if opened && shown {
			cancel()
		}
	}
	if !opened || !shown {
		t.Errorf("within two seconds: finding %t, status %t", opened, shown)
	}
	for range cap(ended) {
		if err := <-ended; err != nil {
			t.Error(err)
		}
	}
}

// Who closes the page at the moment of a click has said it all the same; and
// what could not be stored is stored later.
func TestWhatIsSaidIsKept(t *testing.T) {
	dir := t.TempDir()
	m, f := troubled(t, dir)
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := m.Acknowledge(gone, view.Acknowledge{ID: f.ID, Note: "first"}); err != nil {
		t.Fatal(err)
	}
	if err := m.db.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := m.Acknowledge(t.Context(), view.Acknowledge{ID: f.ID, Note: "second"}); err == nil {
		t.Fatal("stored in a closed file")
	}
	kept := func(want string) {
		t.Helper()
		db, err := state.Open(filepath.Join(dir, "state.db"), state.Config{})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = db.Close() })
		m.db = db
		n, err := newMarker(t.Context(), m.belt, db)
		if err != nil {
			t.Fatal(err)
		}
		if open, _ := n.findings(); open[0].Acknowledged == nil || open[0].Acknowledged.Note != want {
			t.Errorf("kept: %+v, want the note %q", open[0].Acknowledged, want)
		}
	}
	kept("first")
	if err := m.expire(t.Context(), time.Now()); err != nil {
		t.Fatal(err)
	}
	if err := m.db.Close(); err != nil {
		t.Fatal(err)
	}
	kept("second")
}
