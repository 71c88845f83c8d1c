package diagnose

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/mtawatch/mtawatch/internal/detect"
	"github.com/mtawatch/mtawatch/internal/mta"
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

// TestPutOffDoesNotBounce: what is said of full mailboxes agrees with what
// became of the mail, and no figure within its normal range is evidence.
func TestPutOffDoesNotBounce(t *testing.T) {
	for _, tt := range []struct {
		name             string
		deferred, bounce float64 // a step
		code             mta.FindingCode
		words, never     string
	}{
		{"put off", 1, 0, mta.FindingDestinationRefusing, "is put off: ", "bounce"},
		{"returned", 0, 1, mta.FindingBounceSurge, "bounces: ", "put off"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			set := detect.New(detect.Config{})
			d := &Destination{Name: "full.example", Attempts: set.Signal("attempts", detect.Count), Failed: set.Signal("failed", detect.Count),
				Deferred: set.Signal("deferred", detect.Count), Bounced: set.Signal("bounced", detect.Count),
				Ratio: set.Signal("ratio", detect.Ratio), Waiting: set.Signal("waiting", detect.Gauge)}
			in := &Instance{Name: "imta", Destinations: []*Destination{d}, Attempts: set.Signal("all", detect.Count)}
			in.Causes[mta.CauseMailboxFull] = set.Signal("full", detect.Count)
			now := onset
			step := func(sent, deferred, bounced float64) {
				now = now.Add(10 * time.Second)
				set.Begin(now)
				d.Attempts.SetCount(sent + deferred + bounced)
				d.Failed.SetCount(deferred + bounced)
				d.Deferred.SetCount(deferred)
				d.Bounced.SetCount(bounced)
				d.Ratio.SetRatio(deferred+bounced, sent+deferred+bounced)
				d.Waiting.SetGauge(20)
				in.Attempts.SetCount(10)
				in.Causes[mta.CauseMailboxFull].SetCount(1)
				set.End()
			}
			for i := range 2 * 8640 {
				step(float64(i%2), float64((i+1)%2)*tt.deferred, float64((i+1)%2)*tt.bounce)
			}
			for range 30 {
				step(0, tt.deferred, tt.bounce)
			}
			f := failing{dest: d, window: 5 * time.Minute, failed: 30, attempts: 30, usual: 0.5, known: true, cause: mta.CauseMailboxFull}
			c := &Case{Now: now, Instances: []*Instance{in}, Facts: NoFacts{}}
			k, ok := destinationFails(c, in, &f)
			if !ok || k.Code != tt.code || !strings.Contains(k.Title, tt.words) {
				t.Fatalf("%t: %s %q, want %s", ok, k.Code, k.Title, tt.code)
			}
			k.Explain(&k.Finding)
			for _, s := range slices.Concat([]string{k.Title, k.Cause}, k.Advice, k.Avoid) {
				if strings.Contains(s, tt.never) {
					t.Errorf("told: %s", s)
				}
			}
			if len(k.Evidence) == 0 {
				t.Error("there is no evidence")
			}
			for i := range k.Evidence {
				if e := &k.Evidence[i]; !beyond(e) {
					t.Errorf("%s: %v is within %v to %v", e.Text, *e.Value, *e.Low, *e.High)
				}
			}
		})
	}
}
