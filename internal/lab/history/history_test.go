package history

import (
	"math"
	"path/filepath"
	"testing"
	"time"

	"github.com/mtawatch/mtawatch/internal/lab/stage"
	"github.com/mtawatch/mtawatch/internal/lab/world"
	"github.com/mtawatch/mtawatch/internal/mta"
	"github.com/mtawatch/mtawatch/internal/pipeline"
	"github.com/mtawatch/mtawatch/internal/state"
)

func aStage(t testing.TB) *stage.Stage {
	t.Helper()
	s, err := stage.New(stage.Config{Base: filepath.Join(t.TempDir(), "mta"), Binary: "/bin/true"})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// TestReadings holds the past to the mail of the world: the rate, the hours,
// and a queue that stays as it is.
func TestReadings(t *testing.T) {
	now := time.Date(2026, 3, 9, 12, 0, 0, 0, time.Local)
	cfg := Config{Stage: aStage(t), Days: 7, Rate: 1.5, Now: now}
	var first, last mta.Reading
	var previous time.Time
	queue, steps, most := 0.0, 0, 0.0
	received := map[int]float64{} // by hour
	before := 0.0
	for r := range Readings(cfg) {
		if !previous.IsZero() && r.Time.Sub(previous) != Step {
			t.Fatalf("a step of %s", r.Time.Sub(previous))
		}
		previous = r.Time
		if steps == 0 {
			first = mta.Reading{Tick: mta.Tick{Time: r.Time, Samples: append([]mta.Sample(nil), r.Samples...)}}
		}
		q := value(r, "mta_queue_messages", "tcp_local")
		queue += q
		most = max(most, q)
		n := value(r, "mta_received_messages_total", "")
		received[r.Time.Hour()] += n - before
		before = n
		steps++
		last = r
	}
	if want := int(7 * 24 * time.Hour / Step); steps < want-2 || steps > want {
		t.Errorf("%d steps, want about %d", steps, want)
	}
	total := value(last, "mta_received_messages_total", "") - value(first, "mta_received_messages_total", "")
	// Strays are refused; some that go out come back.
	if got := total / (7 * 24 * 3600); math.Abs(got-1.5) > 0.1 {
		t.Errorf("%.3f letters a second were received, want about 1.5", got)
	}
	if received[3]*2 > received[11] {
		t.Errorf("%.0f letters at night, %.0f before noon", received[3], received[11])
	}
	if mean := queue / float64(steps); mean < 0.2 || mean > 20 || most > 60 {
		t.Errorf("%.1f messages wait in the mean, %.0f at most", mean, most)
	}
}

func value(r mta.Reading, name, label string) float64 {
	for _, s := range r.Samples {
		if s.Series.Name != name {
			continue
		}
		if n := len(s.Series.Labels); label == "" || s.Series.Labels[n-1].Value == label {
			return s.Value
		}
	}
	return math.NaN()
}

func TestMake(t *testing.T) {
	dir := t.TempDir()
	done := 0.0
	cfg := Config{Stage: aStage(t), Days: 1, Rate: 1, Day: world.Flat, Now: time.Now(), Progress: func(p float64) { done = p }}
	if err := Make(t.Context(), dir, cfg); err != nil {
		t.Fatal(err)
	}
	if done != 1 {
		t.Errorf("progress ended at %g", done)
	}
	db, err := state.Open(filepath.Join(dir, stateFile), state.Config{})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if text, ok, err := db.Get(t.Context(), pipeline.BucketPractice, pipeline.PracticeText); err != nil || !ok || len(text) == 0 {
		t.Errorf("the store does not say that it is for practice: %q %v", text, err)
	}
	n := 0
	if err := db.Each(t.Context(), pipeline.BucketJudge, func(string, []byte) error { n++; return nil }); err != nil || n == 0 {
		t.Errorf("%d entries were learned, %v", n, err)
	}
}

func BenchmarkMakeDay(b *testing.B) {
	s := aStage(b)
	for b.Loop() {
		if err := Make(b.Context(), b.TempDir(), Config{Stage: s, Days: 1, Rate: 1.2, Now: time.Now()}); err != nil {
			b.Fatal(err)
		}
	}
}
