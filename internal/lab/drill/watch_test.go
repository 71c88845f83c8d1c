package drill

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/mtawatch/mtawatch/internal/mta"
)

// told is an mtawatch that tells what a test lets it tell, and when.
type told struct {
	start time.Time
	open  []telling
}

type telling struct {
	after, until time.Duration
	finding      mta.Finding
}

func (a *told) Findings(context.Context) (open, past []mta.Finding, err error) {
	at := time.Since(a.start)
	for _, t := range a.open {
		switch {
		case at < t.after:
		case t.until > 0 && at >= t.until:
			past = append(past, t.finding)
		default:
			open = append(open, t.finding)
		}
	}
	return open, past, nil
}

func (a *told) Failure() error { return nil }

func finding(id string, code mta.FindingCode, s mta.Severity, folded ...mta.Finding) mta.Finding {
	return mta.Finding{ID: id, Code: code, Severity: s, Title: id, Folded: folded}
}

func about(subject string) mta.Finding {
	f := finding("a", mta.FindingDispatcherDown, mta.SeverityCritical)
	f.Subject = subject
	return f
}

func TestWatch(t *testing.T) {
	down := finding("a", mta.FindingDispatcherDown, mta.SeverityCritical)
	stopped := finding("b", mta.FindingMailStopped, mta.SeverityWarning)
	folding := finding("a", mta.FindingDispatcherDown, mta.SeverityCritical, stopped)
	expect := Expect{Name: "x", Codes: []mta.FindingCode{mta.FindingDispatcherDown}, Limit: 2 * time.Second}
	const warm = 5 * time.Second
	for _, c := range []struct {
		name   string
		expect Expect
		told   []telling
		passed bool
		found  mta.FindingCode
		false  []mta.FindingCode
	}{
		{"in time", expect, []telling{{after: warm + time.Second, finding: down}}, true, mta.FindingDispatcherDown, nil},
		{"too late", expect, []telling{{after: warm + 5*time.Second, finding: down}}, false, mta.FindingDispatcherDown, nil},
		{"never", expect, nil, false, "", nil},
		{"told before it began", expect, []telling{{after: time.Second, finding: down}}, false, "", []mta.FindingCode{mta.FindingDispatcherDown}},
		{"another one too", expect, []telling{{after: warm + time.Second, finding: down}, {after: warm + 3*time.Second, finding: stopped}},
			false, mta.FindingDispatcherDown, []mta.FindingCode{mta.FindingMailStopped}},
		{"a consequence that is folded", expect, []telling{{after: warm + time.Second, finding: folding}, {after: warm + 2*time.Second, until: warm + 3*time.Second, finding: stopped}},
			true, mta.FindingDispatcherDown, nil},
		{"of something else", Expect{Name: "x", Codes: expect.Codes, About: "north", Limit: expect.Limit},
			[]telling{{after: warm + time.Second, finding: about("south.example")}}, false, "", []mta.FindingCode{mta.FindingDispatcherDown}},
		{"of the right thing", Expect{Name: "x", Codes: expect.Codes, About: "north", Limit: expect.Limit},
			[]telling{{after: warm + time.Second, finding: about("north.example")}}, true, mta.FindingDispatcherDown, nil},
		{"only info", expect, []telling{{after: warm + time.Second, finding: finding("a", mta.FindingDispatcherDown, mta.SeverityInfo)}}, false, "", nil},
		{"harmless", Expect{Name: "y", Limit: 20 * time.Second}, []telling{{after: warm, finding: finding("c", mta.FindingQueueGrowing, mta.SeverityInfo)}}, true, "", nil},
		{"a harmless one that pages", Expect{Name: "y", Limit: 20 * time.Second}, []telling{{after: warm + time.Second, finding: stopped}},
			false, "", []mta.FindingCode{mta.FindingMailStopped}},
		{"expected beside it", Expect{Name: "x", Codes: expect.Codes, Also: []mta.FindingCode{mta.FindingMailStopped}, Limit: expect.Limit},
			[]telling{{after: warm + time.Second, finding: down}, {after: warm + time.Second, finding: stopped}}, true, mta.FindingDispatcherDown, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := NewWatch(&told{start: time.Now(), open: c.told})
				if err := w.Follow(t.Context(), warm, Never); err != nil {
					t.Fatal(err)
				}
				w.Begin()
				if err := w.Drill(t.Context(), &c.expect, nil, 10*time.Second); err != nil {
					t.Fatal(err)
				}
				r := w.Row(&c.expect)
				var wrong []mta.FindingCode
				for _, f := range r.False {
					wrong = append(wrong, f.Code)
				}
				if r.Passed != c.passed || r.Found != c.found || !slices.Equal(wrong, c.false) {
					t.Errorf("%s\npassed %t, found %q, false %v; want %t, %q, %v", r.Line(), r.Passed, r.Found, wrong, c.passed, c.found, c.false)
				}
			})
		})
	}
}

// TestNoEvidence: a fault that cannot be seen is an error and no row.
func TestNoEvidence(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := NewWatch(&told{start: time.Now()})
		w.Begin()
		e := Expect{Name: "x", Codes: []mta.FindingCode{mta.FindingDispatcherDown}, Limit: time.Second}
		err := w.Drill(t.Context(), &e, func() (bool, error) { return false, nil }, time.Second)
		if !errors.Is(err, ErrNoEvidence) {
			t.Errorf("got %v", err)
		}
	})
}

// TestSeconds: the time counts from the evidence, not from the beginning.
func TestSeconds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		w := NewWatch(&told{start: start, open: []telling{{after: 9 * time.Second, finding: finding("a", mta.FindingBlocklisted, mta.SeverityWarning)}}})
		w.Begin()
		e := Expect{Name: "x", Codes: []mta.FindingCode{mta.FindingBlocklisted}, Limit: 5 * time.Second}
		if err := w.Drill(t.Context(), &e, func() (bool, error) { return time.Since(start) >= 6*time.Second, nil }, time.Second); err != nil {
			t.Fatal(err)
		}
		if r := w.Row(&e); !r.Passed || r.Seconds < 2.5 || r.Seconds > 3.5 {
			t.Errorf("%+v", r)
		}
	})
}

func TestScore(t *testing.T) {
	for _, c := range []struct {
		row  Row
		want string
	}{
		{Row{Drill: "a", Expected: []mta.FindingCode{"x", "y"}, Found: "y", Seconds: 1.5, Passed: true},
			`{"drill":"a","expected":"y","found":"y","seconds":1.5,"false_findings":0,"passed":true}`},
		{Row{Drill: "a", Expected: []mta.FindingCode{"x"}, Seconds: -1}, `{"drill":"a","expected":"x","found":null,"seconds":null,"false_findings":0,"passed":false}`},
		{Row{Drill: "a", Seconds: -1, Passed: true}, `{"drill":"a","expected":null,"found":null,"seconds":null,"false_findings":0,"passed":true}`},
		{Row{Drill: "a", Seconds: -1, False: []FalseFinding{{Code: "z"}}}, `{"drill":"a","expected":null,"found":"z","seconds":null,"false_findings":1,"passed":false}`},
		{Row{Drill: "a", Expected: []mta.FindingCode{"x"}, NotRun: "no root"}, `{"drill":"a","expected":"x","found":null,"seconds":null,"false_findings":0,"passed":false,"not_run":"no root"}`},
	} {
		got, err := json.Marshal(c.row.Score())
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(c.want, string(got)); diff != "" {
			t.Error(diff)
		}
	}
}

func TestDrills(t *testing.T) {
	known := mta.FindingCodes()
	quick := 0
	seen := map[string]bool{}
	for _, d := range All() {
		if seen[d.Name] || d.Name == "" || d.Text == "" || d.Limit == 0 || d.Begin == nil {
			t.Errorf("drill %+v", d.Expect)
		}
		seen[d.Name] = true
		if d.Quick {
			quick++
		}
		for _, code := range slices.Concat(d.Codes, d.Also) {
			if !slices.Contains(known, code) {
				t.Errorf("%s expects %q, which is no finding", d.Name, code)
			}
		}
		if d.Harmless() != strings.Contains(d.Text, "harmless") {
			t.Errorf("%s: its text and its codes do not agree on whether it is harmless", d.Name)
		}
		if got, ok := Find(d.Name); !ok || got.Name != d.Name {
			t.Errorf("%s is not found", d.Name)
		}
	}
	if quick < 4 {
		t.Errorf("%d quick drills", quick)
	}
}

func TestMend(t *testing.T) {
	s := &Scene{}
	s.ctx, s.cancel = context.WithCancel(t.Context())
	defer s.cancel()
	var order []string
	s.Undo(func() error { order = append(order, "first"); return nil })
	s.Undo(func() error { order = append(order, "second"); return errors.New("no") })
	ended := false
	s.Beside(func(ctx context.Context) { <-ctx.Done(); ended = true })
	if err := s.Mend(); err == nil || !ended || !slices.Equal(order, []string{"second", "first"}) {
		t.Errorf("mend: %v, ended %t, %v", err, ended, order)
	}
	if err := s.Mend(); err != nil {
		t.Errorf("a second mend: %v", err)
	}
}

func TestQuietAround(t *testing.T) {
	at := time.Date(2026, 3, 4, 1, 0, 0, 0, time.UTC)
	day := quietAround(at)
	for _, c := range []struct {
		after time.Duration
		quiet bool
	}{{0, true}, {time.Hour, true}, {-time.Hour, true}, {3 * time.Hour, false}, {-3 * time.Hour, false}, {-48 * time.Hour, true}, {-37 * time.Hour, false}} {
		if got := day(at.Add(c.after)) < 0.1; got != c.quiet {
			t.Errorf("after %s: quiet %t", c.after, got)
		}
	}
}
