package detect

import (
	"testing"
	"time"
)

// What was normal in this hour is what the signal itself says; and of hours
// that are over it is known too, but not of those before the first.
func TestHabitIsRange(t *testing.T) {
	_, g, _, _ := taught(3, 9, 3600)
	other := New(Config{})
	gauge := other.Signal("y", Gauge)
	src := newSource(4, 600, 0.1)
	run(other, monday, 9*24*time.Hour, time.Minute, func(now time.Time) { gauge.SetGauge(float64(src.count(now, 60, 1))) })
	for _, g := range []*Signal{g, gauge} {
		h, want := g.Habit(), g.Range()
		at := g.set.now.Add(-time.Duration(g.set.elapsed / 2 * float64(time.Second)))
		got := h.At(at)
		got.Time = want.Time
		if got != want {
			t.Errorf("%s: habit %+v, range %+v", g.name, got, want)
		}
		if b := h.At(at.Add(-3 * 24 * time.Hour)); b.LearnedFrom == 0 || b.Low > b.Middle || b.Middle > b.High || b.High == 0 {
			t.Errorf("%s: three days ago %+v", g.name, b)
		}
		if b := h.At(at.Add(-20 * 24 * time.Hour)); b.LearnedFrom != 0 {
			t.Errorf("%s: before it began %+v", g.name, b)
		}
	}
	if h := New(Config{}).Signal("z", Count).Habit(); h != nil || h.At(monday).LearnedFrom != 0 {
		t.Error("something is known of nothing")
	}
}

// What an older habit worked out is taken over, but for hours that had not
// begun then.
func TestHabitRecall(t *testing.T) {
	set, g, src, end := taught(3, 9, 3600)
	old := g.Habit()
	old.At(end.Add(30 * time.Minute))
	old.At(end.Add(-24 * time.Hour))
	run(set, end, 2*time.Hour, step10, func(now time.Time) { g.SetCount(src.count(now, 10, 1)) })
	h, fresh := g.Habit(), g.Habit()
	h.Recall(old)
	if len(h.hours) != 2 {
		t.Errorf("%d hours were taken over", len(h.hours))
	}
	for _, d := range []time.Duration{-24 * time.Hour, -time.Hour, 0, time.Hour} {
		if got, want := h.At(end.Add(d)), fresh.At(end.Add(d)); got != want {
			t.Errorf("%s: %+v, anew %+v", d, got, want)
		}
	}
}

func BenchmarkHabit14Days(b *testing.B) {
	_, g, _, end := taught(3, 35, 3600)
	for b.Loop() {
		h := g.Habit()
		for i := range 1344 {
			h.At(end.Add(-time.Duration(i) * 15 * time.Minute))
		}
	}
}
