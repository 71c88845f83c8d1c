package meter

import (
	"testing"
	"time"

	"github.com/mtawatch/mtawatch/internal/mta"
)

func TestLastMinute(t *testing.T) {
	m := New()
	if _, _, first := m.LastMinute("postfix", noon); !first.IsZero() {
		t.Errorf("before any attempt it is known since %v", first)
	}
	add := func(at time.Duration, s mta.Status, c mta.Cause) { m.Add(attempt(noon.Add(at), "example.net", s, c)) }
	for i := range 90 { // one sent a second
		add(time.Duration(i)*time.Second, mta.StatusSent, mta.CauseNone)
	}
	add(80*time.Second, mta.StatusDeferred, mta.CauseGreylisted) // late
	add(85*time.Second, mta.StatusBounced, mta.CauseUnknownUser)
	add(20*time.Second, mta.StatusDeferred, mta.CauseGreylisted) // too late to be of the minute
	tests := []struct {
		now          time.Duration // after noon
		sent, failed int64
	}{
		{89 * time.Second, 60, 2},
		{124 * time.Second, 25, 2}, // 35 s after the last one
		{144 * time.Second, 5, 1},
		{149 * time.Second, 0, 0},
		{time.Hour, 0, 0},
	}
	for _, tt := range tests {
		sent, failed, first := m.LastMinute("postfix", noon.Add(tt.now))
		if sent != tt.sent || failed != tt.failed || !first.Equal(noon) {
			t.Errorf("%v: %d sent, %d failed since %v; want %d and %d since %v", tt.now, sent, failed, first, tt.sent, tt.failed, noon)
		}
	}
}
