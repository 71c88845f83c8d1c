package alert

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/mtawatch/mtawatch/internal/diagnose"
	"github.com/mtawatch/mtawatch/internal/mta"
)

func stays(c *diagnose.Candidate) { c.Stays = true }

// TestStays: what does not pass with its cause is listed under it while it is
// open, and stands up by itself in the step in which that is resolved.
func TestStays(t *testing.T) {
	onDNS := needs(mta.FindingOwnDNSDead)
	dns := span{0, 50, cand("own-dns-dead", critical, 0, 30)}
	tests := []struct {
		name  string
		steps []int
		spans []span
		want  []string
	}{
		{"it began after its cause", every(10, 0, 200), []span{dns, {20, 900, cand("queue-not-draining/x", info, 10, 30, onDNS, stays)}},
			[]string{"0 opened own-dns-dead critical since 0", "90 resolved own-dns-dead critical since 0 end 60 +queue-not-draining until 60",
				"90 opened queue-not-draining/x info since 20"}},
		{"it was told before, and its cause took its place", every(10, 0, 200), []span{{10, 60, cand("own-dns-dead", critical, 0, 30, since(-3))}, {0, 900, cand("queue-not-draining/x", info, 0, 30, onDNS, stays)}},
			[]string{"0 opened queue-not-draining/x info since 0", "10 changed own-dns-dead critical since -3 +queue-not-draining",
				"100 resolved own-dns-dead critical since -3 end 70 +queue-not-draining until 70", "100 opened queue-not-draining/x info since 0"}},
		{"it began after its cause ended", every(10, 0, 200), []span{dns, {70, 900, cand("queue-not-draining/x", info, 0, 30, onDNS, stays)}},
			[]string{"0 opened own-dns-dead critical since 0", "90 resolved own-dns-dead critical since 0 end 60 +queue-not-draining until 60", "90 opened queue-not-draining/x info since 70"}},
		{"it ended with its cause", every(10, 0, 200), []span{dns, {20, 50, cand("queue-not-draining/x", info, 0, 30, onDNS, stays)}},
			[]string{"0 opened own-dns-dead critical since 0", "90 resolved own-dns-dead critical since 0 end 60 +queue-not-draining until 60"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) { check(t, New(Config{}), tt.spans, tt.steps, tt.want) })
	}
}

// titled makes a candidate with a title, and a state that is its first word.
func titled(title string) func(*diagnose.Candidate) {
	return func(c *diagnose.Candidate) { c.Title, c.State = title, strings.Fields(title)[0] }
}

// TestWhatIsAwaySaysSo: while an open finding is away it tells what was seen
// instead, as do consequences; back, or resolved, it tells what was wrong.
func TestWhatIsAwaySaysSo(t *testing.T) {
	back := true
	b := New(Config{Over: func(f *mta.Finding) bool {
		if back {
			f.Title = "back: " + f.Title
		}
		return back
	}})
	down := cand("dispatcher-down", critical, 0, 15, titled("down"))
	jobs := cand("job-controller-down", critical, 0, 15, titled("jobs down"), needs(mta.FindingDispatcherDown))
	step := func(second int, list ...diagnose.Candidate) (lead, folded string) {
		t.Helper()
		b.Step(at(second), list)
		open := b.Open()
		if len(open) != 1 || len(open[0].Folded) != 1 {
			t.Fatalf("at %d s: %d open, want one with a consequence", second, len(open))
		}
		for _, f := range []mta.Finding{open[0], open[0].Folded[0]} {
			if f.Over.IsZero() == strings.HasPrefix(f.Title, "back") || f.Over.After(at(second)) {
				t.Errorf("at %d s %q is over since %s", second, f.Title, f.Over)
			}
		}
		if since := at(14); second >= 14 && second <= 20 && !open[0].Over.Equal(since) {
			t.Errorf("at %d s it is over since %s, want %s: before, nothing was seen", second, open[0].Over, since)
		}
		return open[0].Title, open[0].Folded[0].Title
	}
	before := []string{"down", "jobs down"}
	for _, s := range []struct {
		second       int
		here         []diagnose.Candidate
		seen         bool
		lead, folded string
	}{
		{0, []diagnose.Candidate{down, jobs}, true, "down", "jobs down"},
		{10, []diagnose.Candidate{down}, true, "down", "back: jobs down"},
		{12, []diagnose.Candidate{jobs}, false, "down", "jobs down"}, // nothing was seen
		{14, nil, true, "back: down", "back: jobs down"},
		{20, nil, false, "back: down", "back: jobs down"}, // what was seen last
		{22, []diagnose.Candidate{down}, true, "down", "back: jobs down"},
		{24, []diagnose.Candidate{jobs}, true, "back: down", "jobs down"},
	} {
		back = s.seen
		lead, folded := step(s.second, s.here...)
		if d := cmp.Diff([]string{s.lead, s.folded}, []string{lead, folded}); d != "" {
			t.Errorf("at %d s (-want +got):\n%s", s.second, d)
		}
		if now := []string{lead, folded}; b.Retold() == slices.Equal(now, before) {
			t.Errorf("at %d s retold: %t, from %q to %q", s.second, b.Retold(), before, now)
		} else {
			before = now
		}
	}
	kept := map[string]string{}
	b.Flush(func(k string, v []byte) { kept[k] = string(v) }, func(string) {})
	for k, v := range kept {
		if strings.Contains(v, "back: ") {
			t.Errorf("%s is kept as %s", k, v)
		}
	}
	changes := b.Step(at(60), nil)
	if len(changes) != 1 || changes[0].Kind != Resolved || changes[0].Finding.Title != "down" || !changes[0].Finding.Over.IsZero() || b.Past()[0].Title != "down" {
		t.Errorf("at the end %+v", changes)
	}
}

// TestAnotherStateIsToldAtOnce: no minute with the words of a state that is over.
func TestAnotherStateIsToldAtOnce(t *testing.T) {
	b := New(Config{})
	for _, s := range []struct {
		second     int
		here, want string
	}{{0, "down 1", "down 1"}, {10, "down 2", "down 1"}, {20, "replaced", "replaced"}, {30, "hangs 4", "hangs 4"}, {40, "hangs 5", "hangs 4"}, {90, "hangs 6", "hangs 6"}} {
		b.Step(at(s.second), []diagnose.Candidate{cand("dispatcher-down", critical, 0, 15, titled(s.here))})
		if got := b.Open()[0].Title; got != s.want {
			t.Errorf("at %d s %q, want %q", s.second, got, s.want)
		}
	}
}

// TestConsequenceIsBroughtUpToDate: what is listed under a cause tells what is, not what was.
func TestConsequenceIsBroughtUpToDate(t *testing.T) {
	b := New(Config{})
	lead := cand("job-controller-down", critical, 0, 15)
	for _, s := range []struct {
		second     int
		here, want string
	}{{0, "stopped: 0 wait", "stopped: 0 wait"}, {30, "stopped: 9 wait", "stopped: 0 wait"}, {60, "stopped: 20 wait", "stopped: 20 wait"}} {
		b.Step(at(s.second), []diagnose.Candidate{lead, cand("queue-not-draining/x", info, 0, 60, titled(s.here), needs(mta.FindingJobControllerDown))})
		if f := b.Open()[0].Folded[0]; f.Title != s.want || !f.Since.Equal(at(0)) || !f.Noticed.Equal(at(0)) {
			t.Errorf("at %d s %q since %s, noticed %s; want %q since %s", s.second, f.Title, f.Since, f.Noticed, s.want, at(0))
		}
	}
}
