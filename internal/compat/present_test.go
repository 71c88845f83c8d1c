package compat_test

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/mtawatch/mtawatch/internal/compat"
	"github.com/mtawatch/mtawatch/internal/mta"
)

func own(name string, v float64, pairs ...string) mta.Sample {
	s := &mta.Series{Name: name}
	for i := 0; i+1 < len(pairs); i += 2 {
		s.Labels = append(s.Labels, mta.Label{Name: pairs[i], Value: pairs[i+1]})
	}
	return mta.Sample{Series: s, Value: v}
}

func listing(now time.Time, messages ...mta.QueuedMessage) *compat.Listing {
	l := compat.NewListing(now)
	for _, m := range messages {
		l.Add(m)
	}
	return l
}

// TestPresent shows the queue and its sources: what is not known of every
// instance is absent, not a part and not zero.
func TestPresent(t *testing.T) {
	now := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	in := mta.Instance{MTA: "postfix", Name: "postfix", QueueDir: "/var/spool/postfix", Logs: []mta.LogSource{{Kind: mta.LogFile, Path: "/var/log/mail.log"}}}
	out := mta.Instance{MTA: "postfix", Name: "postfix-out", QueueDir: "/var/spool/postfix-out"}
	foreign := mta.Instance{MTA: "exim", Name: "exim", Logs: []mta.LogSource{{Kind: mta.LogFile, Path: "/var/log/exim4/mainlog"}}}
	counted := []mta.Sample{
		own("mta_queue_messages", 3, "instance", "postfix", "queue", "deferred"),
		own("mta_queue_messages", 1, "instance", "postfix", "queue", "corrupt"),
		own("mta_queue_messages", 9, "instance", "exim", "queue", "deferred"),
	}
	both := append(counted, own("mta_queue_messages", 4, "instance", "postfix-out", "queue", "deferred"))
	old := mta.QueuedMessage{Queue: "deferred", Arrived: now.Add(-50 * time.Second), Size: 2000}
	unsized := mta.QueuedMessage{Queue: "hold", Arrived: now.Add(time.Second), Size: -1}
	odd := mta.QueuedMessage{Queue: "corrupt", Size: 10}
	tests := []struct {
		name      string
		instances []mta.Instance
		own       []mta.Sample
		listings  map[string]*compat.Listing
		want      map[string]float64 // all that is not zero, without buckets
		absent    string
	}{
		{"nothing known", []mta.Instance{in}, nil, nil, map[string]float64{}, "postfix_"},
		{"no Postfix", []mta.Instance{foreign}, counted, nil, map[string]float64{}, "postfix_"},
		{"counted", []mta.Instance{in, foreign}, counted, nil, map[string]float64{`postfix_showq_queue_depth{queue="deferred"}`: 3}, "postfix_showq_message"},
		{"one of two counted", []mta.Instance{in, out}, counted, nil, map[string]float64{}, "postfix_showq"},
		{"both counted", []mta.Instance{in, out}, both, nil, map[string]float64{`postfix_showq_queue_depth{queue="deferred"}`: 7}, "postfix_showq_message"},
		{"listed", []mta.Instance{in}, nil, map[string]*compat.Listing{"postfix": listing(now, old, unsized, odd)}, map[string]float64{
			`postfix_showq_message_age_seconds_count{queue="deferred"}`: 1, `postfix_showq_message_age_seconds_sum{queue="deferred"}`: 50,
			`postfix_showq_message_size_bytes_count{queue="deferred"}`: 1, `postfix_showq_message_size_bytes_sum{queue="deferred"}`: 2000,
			`postfix_showq_message_age_seconds_count{queue="hold"}`: 1, `postfix_showq_message_size_bytes_count{queue="other"}`: 1,
			`postfix_showq_message_size_bytes_sum{queue="other"}`: 10, `postfix_up{path="/var/spool/postfix/public/showq"}`: 1,
		}, "postfix_showq_queue_depth"},
		{"one of two listed", []mta.Instance{in, out}, nil, map[string]*compat.Listing{"postfix": listing(now, old), "postfix-out": nil},
			map[string]float64{`postfix_up{path="/var/spool/postfix/public/showq"}`: 1}, "postfix_showq"},
		{"logs", []mta.Instance{in, foreign}, []mta.Sample{
			own("mtawatch_source_up", 1, "source", "/var/log/mail.log"), own("mtawatch_source_up", 1, "source", "/var/log/exim4/mainlog"),
			own("mtawatch_log_lines_total", 5, "source", "/var/log/mail.log", "outcome", "unknown"),
			own("mtawatch_log_lines_total", 2, "source", "/var/log/mail.log", "outcome", "malformed"),
			own("mtawatch_log_lines_total", 90, "source", "/var/log/mail.log", "outcome", "parsed"),
			own("mtawatch_log_lines_total", 7, "source", "/var/log/exim4/mainlog", "outcome", "unknown"),
		}, nil, map[string]float64{`postfix_up{path="/var/log/mail.log"}`: 1, `postfix_unsupported_log_entries_total{service=""}`: 7}, "postfix_showq"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			x := compat.New()
			for name, l := range tt.listings {
				x.SetListing(name, l, now.Add(time.Minute))
			}
			got := map[string]float64{}
			for k, v := range values(x.Present(nil, tt.instances, tt.own, now)) {
				if strings.HasPrefix(k, tt.absent) {
					t.Errorf("%s is there", k)
				}
				if v != 0 && !strings.Contains(k, "_bucket{") {
					got[k] = v
				}
			}
			if d := cmp.Diff(tt.want, got); d != "" {
				t.Errorf("(-want +got):\n%s", d)
			}
		})
	}
}

// A failed listing, and one that is too old, is told by postfix_up, and the
// last good one is not shown as the present.
func TestListingFails(t *testing.T) {
	now := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	in := []mta.Instance{{MTA: "postfix", Name: "postfix", QueueDir: "/var/spool/postfix"}}
	x := compat.New()
	x.SetListing("postfix", listing(now), now.Add(time.Minute))
	if got := values(x.Present(nil, in, nil, now)); len(got) != 5*(9+2+8+2)+1 || got[`postfix_up{path="/var/spool/postfix/public/showq"}`] != 1 {
		t.Errorf("an empty queue gives %d series", len(got))
	}
	want := map[string]float64{`postfix_up{path="/var/spool/postfix/public/showq"}`: 0}
	if d := cmp.Diff(want, values(x.Present(nil, in, nil, now.Add(time.Minute)))); d != "" {
		t.Errorf("too old (-want +got):\n%s", d)
	}
	x.SetListing("postfix", nil, now.Add(time.Minute))
	if d := cmp.Diff(want, values(x.Present(nil, in, nil, now))); d != "" {
		t.Errorf("failed (-want +got):\n%s", d)
	}
}
