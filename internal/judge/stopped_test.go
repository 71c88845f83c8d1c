package judge

import (
	"strings"
	"testing"
	"time"

	"github.com/mtawatch/mtawatch/internal/mta"
)

// TestStoppedJobControllerSince: a job controller that a signal has stopped is told
// since the first look that saw it so, or since mail waits that nothing was tried after.
func TestStoppedJobControllerSince(t *testing.T) {
	const (
		attempts = `mta_delivery_attempts_total{instance="imta",status="sent"}`
		untried  = `mta_queue_untried_messages{instance="imta",queue="tcp_local"}`
		age      = `mta_queue_untried_oldest_age_seconds{instance="imta",queue="tcp_local"}`
	)
	for _, tt := range []struct {
		name    string
		waits   time.Duration // the oldest untried mail at the step before the stop is seen; 0: none
		stopped bool          // its channel is
		since   time.Duration // before that is seen
	}{
		{"nothing waits", 0, false, 0},
		{"mail waits", 6 * time.Second, false, 6 * time.Second},
		{"mail waits since the step of the last attempt", 14 * time.Second, false, 14 * time.Second},
		{"older mail waits than the last attempt", time.Hour, false, 10 * time.Second},
		{"it waits in a stopped channel", time.Hour, true, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			h, f := newChannels(t)
			if tt.stopped {
				f.states = []mta.Condition{{Kind: mta.ConditionQueueStopped, Subject: "tcp_local", Since: h.now.Add(-time.Hour), Text: "the channel tcp_local is stopped"}}
			}
			h.set(attempts, 100)
			for range 6 {
				h.set(attempts, h.values[attempts]+5)
				h.step(step)
			}
			for i := range f.procs {
				if f.procs[i].Role == mta.RoleJobController {
					f.procs[i].State = "T"
				}
			}
			if tt.waits > 0 {
				h.set(untried, 1)
				h.set(age, tt.waits.Seconds())
			}
			h.step(step)
			seen := h.now
			h.glance(2 * time.Second)
			for _, m := range h.e.Open() {
				if m.Code == mta.FindingJobControllerDown {
					t.Errorf("%s after one look", m.Title)
				}
			}
			h.set(age, (tt.waits + step).Seconds())
			h.step(8 * time.Second)
			for _, m := range h.e.Open() {
				if m.Code == mta.FindingJobControllerDown {
					if late := m.Since.Sub(seen.Add(-tt.since)); late > 0 || late < -2*time.Second {
						t.Errorf("since %s, want %s", m.Since, seen.Add(-tt.since))
					}
					if advice := strings.Join(m.Advice, "\n"); !strings.Contains(advice, "kill -CONT") || strings.Contains(advice, "start-msg") {
						t.Errorf("it is there, and to be let go on: %s", advice)
					}
					return
				}
			}
			t.Errorf("not told: %+v", h.e.Open())
		})
	}
}
