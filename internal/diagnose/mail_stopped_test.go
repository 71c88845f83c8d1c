package diagnose

import (
	"testing"
	"time"

	"github.com/mtawatch/mtawatch/internal/detect"
)

// Where little comes in at all hours of a day, none for a while is no stop;
// where all was well an hour ago it is.
func TestStopOnAQuietDay(t *testing.T) {
	for _, tt := range []struct {
		name   string
		every  int // steps between two messages in the last three hours
		silent time.Duration
		want   bool
	}{
		{"a day like any other", 5, 20 * time.Minute, true},
		{"a holiday", 30, 20 * time.Minute, false},
		{"a holiday, silent for long", 30, 2*time.Hour + 30*time.Minute, true},
		{"all was well before two hours of silence", 5, 2 * time.Hour, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			set := detect.New(detect.Config{})
			g := set.Signal("arrivals", detect.Count)
			now := onset
			feed := func(d time.Duration, every int) {
				for i := range int(d / (10 * time.Second)) {
					now = now.Add(10 * time.Second)
					n := 0.0
					if every > 0 && i%every == 0 {
						n = 1
					}
					set.Begin(now)
					g.SetCount(n)
					set.End()
				}
			}
			feed(72*time.Hour, 5)
			set.Incident(true) // it learns no more: a holiday is one day among many
			feed(3*time.Hour-tt.silent, tt.every)
			feed(tt.silent, 0)
			want, ok := g.Expected(tt.silent)
			if !ok || want < 14 {
				t.Fatalf("%.1f messages expected, %t", want, ok)
			}
			if got := plentiful(&Instance{Arrivals: g}, tt.silent, 0, want); got != tt.want {
				t.Errorf("plentiful = %t, want %t", got, tt.want)
			}
		})
	}
}
