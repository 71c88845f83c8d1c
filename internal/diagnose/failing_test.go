package diagnose

import (
	"testing"
	"time"

	"github.com/mtawatch/mtawatch/internal/detect"
)

// Five in a row are nothing where a third fails on any day: a host with many
// destinations sees that each week.
func TestRunsOfFailures(t *testing.T) {
	for _, tt := range []struct {
		name     string
		attempts float64
		usual    float64
		window   time.Duration
		want     bool
	}{
		{"five where a third fails", 5, 0.35, 5 * time.Minute, false},
		{"sixteen where a third fails", 16, 0.35, 5 * time.Minute, true},
		{"five where nothing fails", 5, 0.001, 5 * time.Minute, true},
		{"ten in half an hour where a third fails", 10, 0.3, 30 * time.Minute, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			set := detect.New(detect.Config{})
			failed, all := set.Signal("failed", detect.Count), set.Signal("all", detect.Ratio)
			now := onset
			for i := range 6 * 360 * 24 / 10 {
				now = now.Add(10 * time.Second)
				set.Begin(now)
				failed.SetCount(float64(i % 2))
				all.SetRatio(0, 1)
				set.End()
			}
			f := failing{dest: &Destination{Failed: failed}, window: tt.window, failed: tt.attempts, attempts: tt.attempts, usual: tt.usual, known: true}
			if got := f.allFailed(&Instance{FailureRatio: all}); got != tt.want {
				t.Errorf("allFailed = %t, want %t", got, tt.want)
			}
		})
	}
}

// Old mail that is tried again fails beside what gets through as ever, or
// nearly so: some messages fewer than usual are within chance.
func TestRetriesHurtNobody(t *testing.T) {
	for _, tt := range []struct {
		name string
		dest string
		sent int // of about 12 that usually get through in five minutes
		want bool
	}{
		{"as ever", otherDestinations, 12, false},
		{"somewhat fewer, of many small ones", otherDestinations, 6, false},
		{"hardly any, of many small ones", otherDestinations, 1, true},
		{"somewhat fewer, of one", "a.example", 10, false},
		{"few, of one", "a.example", 4, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			set := detect.New(detect.Config{})
			d := &Destination{Name: tt.dest, Attempts: set.Signal("attempts", detect.Count), Ratio: set.Signal("ratio", detect.Ratio)}
			now := onset
			step := func(sent, failed float64) {
				now = now.Add(10 * time.Second)
				set.Begin(now)
				d.Attempts.SetCount(sent + failed)
				d.Ratio.SetRatio(failed, sent+failed)
				set.End()
			}
			for i := range 3 * 8640 {
				step(float64((i*3)%5%2), 0) // eighteen in five minutes
			}
			for i := range 30 {
				sent := 0.0
				if i < tt.sent {
					sent = 1
				}
				step(sent, 2)
			}
			k, n, _ := d.Ratio.Sum(5 * time.Minute)
			f := failing{dest: d, window: 5 * time.Minute, failed: k, attempts: n}
			if got := f.hurts(&Instance{}); got != tt.want {
				want, ok := d.Attempts.Expected(5 * time.Minute)
				t.Errorf("hurts = %t with %v of %v failed (%.1f attempts usual, %t), want %t", got, k, n, want, ok, tt.want)
			}
		})
	}
}
