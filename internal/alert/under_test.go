package alert

import (
	"testing"
	"time"

	"github.com/mtawatch/mtawatch/internal/diagnose"
	"github.com/mtawatch/mtawatch/internal/mta"
)

// TestWhatWasToldBeforeItsCauseBegan: it keeps its ID, its begin and its end,
// and is listed under the cause while both are open.
func TestWhatWasToldBeforeItsCauseBegan(t *testing.T) {
	onJobs := needs(mta.FindingJobControllerDown)
	jobs := func(from, to int) span { return span{from, to, cand("job-controller-down", critical, 0, 15)} }
	tests := []struct {
		name  string
		steps []int
		spans []span
		want  []string
	}{
		{"it ends first", every(10, 0, 300), []span{{0, 60, cand("queue-not-draining/x", warning, 0, 60, onJobs, stays)}, jobs(50, 200)},
			[]string{"0 opened queue-not-draining/x warning since 0", "50 opened job-controller-down critical since 50 +queue-not-draining",
				"130 resolved queue-not-draining/x warning since 0 end 70", "230 resolved job-controller-down critical since 50 end 210"}},
		{"its cause ends first", every(10, 0, 300), []span{{0, 190, cand("queue-not-draining/x", warning, 0, 60, onJobs, stays)}, jobs(50, 100)},
			[]string{"0 opened queue-not-draining/x warning since 0", "50 opened job-controller-down critical since 50 +queue-not-draining",
				"130 resolved job-controller-down critical since 50 end 110", "260 resolved queue-not-draining/x warning since 0 end 200"}},
		{"what becomes worse meanwhile is told once its cause has ended", every(10, 0, 200), []span{{0, 70, cand("queue-not-draining/x", warning, 0, 60, onJobs)},
			{80, 900, cand("queue-not-draining/x", critical, 0, 60, onJobs)}, jobs(50, 100)},
			[]string{"0 opened queue-not-draining/x warning since 0", "50 opened job-controller-down critical since 50 +queue-not-draining",
				"130 resolved job-controller-down critical since 50 end 110", "130 changed queue-not-draining/x critical since 0"}},
		{"what is worse than its cause stands beside it", every(10, 0, 100), []span{{0, 900, cand("mail-stopped", critical, 0, 60, needs(mta.FindingQueueGrowing))}, {50, 900, cand("queue-growing", warning, 0, 15)}},
			[]string{"0 opened mail-stopped critical since 0", "50 opened queue-growing warning since 50"}},
		{"a new consequence goes to the cause", every(10, 0, 100), []span{{0, 900, cand("queue-growing", warning, 0, 60, onJobs)}, jobs(50, 900),
			{70, 900, cand("queue-old-mail", warning, 0, 60, needs(mta.FindingJobControllerDown, mta.FindingQueueGrowing))}},
			[]string{"0 opened queue-growing warning since 0", "50 opened job-controller-down critical since 50 +queue-growing"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) { check(t, New(Config{}), tt.spans, tt.steps, tt.want) })
	}
}

// TestListedUnderItsCause: one is open, and lists all; the ID of the other is its own.
func TestListedUnderItsCause(t *testing.T) {
	b := New(Config{})
	queue := cand("queue-growing", warning, 0, 60, needs(mta.FindingJobControllerDown))
	jobs := cand("job-controller-down", critical, 0, 15)
	old := cand("queue-old-mail", warning, 0, 60, needs(mta.FindingQueueGrowing))
	b.Step(at(0), []diagnose.Candidate{queue})
	b.Step(at(10), []diagnose.Candidate{queue, old})
	id := b.Open()[0].ID
	b.Step(at(50), []diagnose.Candidate{queue, old, jobs})
	open := b.Open()
	if len(open) != 1 || open[0].Code != mta.FindingJobControllerDown || open[0].ID == id || len(open[0].Folded) != 2 {
		t.Fatalf("open: %+v, want the job controller with two consequences", open)
	}
	if f := open[0].Folded[0]; f.ID != id || !f.Since.Equal(at(0)) || !f.Noticed.Equal(at(0)) || len(f.Folded) != 0 {
		t.Errorf("listed under it: %+v", f)
	}
	if f := open[0].Folded[1]; f.Code != mta.FindingQueueOldMail {
		t.Errorf("listed second: %+v", f)
	}

	kept := New(Config{}) // after a restart it is the same
	b.Flush(func(k string, v []byte) {
		if err := kept.Load(k, v); err != nil {
			t.Error(err)
		}
	}, func(string) {})
	for _, s := range []int{60, 70} {
		kept.Step(at(s), []diagnose.Candidate{queue, old, jobs})
	}
	if open := kept.Open(); len(open) != 1 || len(open[0].Folded) != 2 || open[0].Folded[0].ID != id {
		t.Errorf("after a restart: %+v", open)
	}

	for s := 80; s <= 80+int(grace/time.Second); s += 10 {
		b.Step(at(s), []diagnose.Candidate{jobs})
	}
	past := b.Past()
	if len(past) != 1 || past[0].ID != id || !past[0].End.Equal(at(80)) || past[0].FoldedInto != "" {
		t.Errorf("past: %+v, want the queue until %s", past, at(80))
	}
}
