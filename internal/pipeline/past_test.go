package pipeline

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/mtawatch/mtawatch/internal/adapter/all"
	"github.com/mtawatch/mtawatch/internal/judge"
	"github.com/mtawatch/mtawatch/internal/mta"
	"github.com/mtawatch/mtawatch/internal/tail"
)

// replayed is what the readings of a past told.
type replayed struct {
	belt  *Belt
	times []time.Time
	at    map[time.Time]map[string]float64
	top   map[time.Time]int // connections of the largest source
}

// newReplay gives a belt that reads old logs, and keeps their readings.
func newReplay(t *testing.T) *replayed {
	t.Helper()
	r := &replayed{at: make(map[time.Time]map[string]float64), top: make(map[time.Time]int)}
	r.belt = New(Config{Location: time.UTC, Adapters: all.Adapters(), Replay: true, Past: func(m mta.Reading, _ *judge.Engine) {
		values := make(map[string]float64)
		for _, s := range m.Samples {
			values[s.Series.Key()] = s.Value
		}
		r.times = append(r.times, m.Time)
		r.at[m.Time] = values
		if len(m.Sources) > 0 {
			r.top[m.Time] = m.Sources[0].Count
		}
	}})
	r.belt.Expect(logPath, "postfix")
	return r
}

func (r *replayed) read(t *testing.T, lines ...string) {
	t.Helper()
	if err := r.belt.Batch(ctx, tail.Batch{Source: logPath, Text: strings.Join(lines, "")}); err != nil {
		t.Fatal(err)
	}
}

// logged is a line at so long after noon.
func logged(after time.Duration, text string) string {
	return noon.Add(after).Format("2006-01-02T15:04:05.000000-07:00") + " mx1 postfix/" + text + "\n"
}

func TestPastIsRebuilt(t *testing.T) {
	r := newReplay(t)
	begin := 2 * time.Hour // the queue is known by then
	r.read(t, logged(0, "qmgr[12]: A1B2C3D4E7: removed"))
	for i := range 24 { // a line every five minutes
		r.read(t, logged(time.Duration(i+1)*5*time.Minute, "qmgr[12]: A1B2C3D4E7: removed"))
	}
	r.read(t,
		logged(begin+time.Second, "smtpd[10]: connect from a.example.org[192.0.2.1]"),
		logged(begin+time.Second, "smtpd[11]: connect from a.example.org[192.0.2.1]"),
		logged(begin+time.Second, "submission/smtpd[12]: connect from b.example.org[2001:db8::1]"),
		logged(begin+2*time.Second, "smtpd[10]: A1B2C3D4E5: client=a.example.org[192.0.2.1]"),
		logged(begin+2*time.Second, "cleanup[13]: A1B2C3D4E5: message-id=<m1@example.org>"),
		logged(begin+2*time.Second, "qmgr[14]: A1B2C3D4E5: from=<a@example.org>, size=1000, nrcpt=1 (queue active)"),
		logged(begin+12*time.Second, "smtp[15]: A1B2C3D4E5: to=<b@example.net>, relay=none, delay=10, delays=0/0/10/0, dsn=4.4.1, status=deferred (connect to mx.example.net[192.0.2.7]:25: Connection timed out)"),
		logged(begin+13*time.Second, "smtpd[10]: disconnect from a.example.org[192.0.2.1]"),
		logged(begin+21*time.Second, "master[9]: warning: process /usr/lib/postfix/sbin/qmgr pid 14 killed by signal 9"),
		logged(begin+31*time.Second, "qmgr[16]: A1B2C3D4E5: removed"),
		logged(begin+51*time.Second, "qmgr[16]: A1B2C3D4E6: removed"))
	r.belt.EndPast()
	type key = map[string]float64
	keys := []string{`mta_queue_messages{instance="postfix",queue="active"}`, `mta_queue_messages{instance="postfix",queue="deferred"}`,
		`mta_queue_oldest_age_seconds{instance="postfix",queue="deferred"}`, `mta_inbound_connections{instance="postfix",port="25",state="established"}`,
		`mta_inbound_connections{instance="postfix",port="587",state="established"}`, `mta_inbound_sources{instance="postfix",port="25"}`,
		`mta_inbound_top_source_connections{instance="postfix",port="25"}`, `mta_inbound_closed_total{instance="postfix",port="25"}`,
		`mta_process_restarts_total{instance="postfix",role="job-controller"}`, `mta_received_messages_total{instance="postfix"}`,
		`mtawatch_log_lines_total{source="` + logPath + `",outcome="parsed"}`}
	tests := []struct {
		name  string
		after time.Duration
		want  []float64 // by keys; -1: absent
		top   int
	}{
		{"before the queue is known", time.Hour, []float64{-1, -1, -1, -1, -1, -1, -1, -1, 0, -1, 12}, 0},
		{"nothing happened yet", begin, []float64{0, 0, 0, -1, -1, -1, -1, -1, 0, -1, 24}, 0},
		{"a message comes in", begin + 10*time.Second, []float64{1, 0, 0, 2, 1, 1, 2, 0, 0, 1, 31}, 2},
		{"it waits", begin + 20*time.Second, []float64{0, 1, 18, 1, 1, 1, 1, 1, 0, 1, 33}, 1},
		{"the job controller dies", begin + 30*time.Second, []float64{0, 1, 28, 1, 1, 1, 1, 1, 1, 1, 34}, 1},
		{"it is gone", begin + 40*time.Second, []float64{0, 0, 0, 1, 1, 1, 1, 1, 1, 1, 35}, 1},
		{"the end", begin + 60*time.Second, []float64{0, 0, 0, 1, 1, 1, 1, 1, 1, 1, 36}, 1},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			at := noon.Add(tt.after)
			got := r.at[at]
			if got == nil {
				t.Fatal("there is no reading")
			}
			want := key{}
			for i, k := range keys {
				if tt.want[i] >= 0 {
					want[k] = tt.want[i]
				}
			}
			have := key{}
			for _, k := range keys {
				if v, ok := got[k]; ok {
					have[k] = v
				}
			}
			if d := cmp.Diff(want, have); d != "" {
				t.Errorf("(-want +got):\n%s", d)
			}
			if r.top[at] != tt.top {
				t.Errorf("the largest source has %d connections, want %d", r.top[at], tt.top)
			}
		})
	}
	for i := 1; i < len(r.times); i++ {
		if d := r.times[i].Sub(r.times[i-1]); d != 10*time.Second {
			t.Fatalf("between %s and the next reading lie %s", r.times[i-1], d)
		}
	}
}

func TestPastOfWhichNothingIsKnown(t *testing.T) {
	stopped := "master[9]: terminating on signal 15"
	tests := []struct {
		name    string
		gaps    []time.Duration // between lines
		last    string          // the line before the last gap
		missing bool            // lines are missing in the last gap
		known   time.Duration   // of the last gap
	}{
		{"a minute", []time.Duration{time.Minute}, "", false, time.Minute},
		{"within the hour", []time.Duration{time.Minute, 50 * time.Minute}, "", false, 50 * time.Minute},
		{"a busy log is silent", []time.Duration{time.Second, time.Second, 5 * time.Hour}, "", false, time.Hour},
		{"a quiet log is as quiet as ever", []time.Duration{40 * time.Minute, 50 * time.Minute, 2 * time.Hour}, "", false, 2 * time.Hour},
		{"two days", []time.Duration{50 * time.Minute, 2 * time.Hour, 5 * time.Hour, 12 * time.Hour, 48 * time.Hour}, "", false, 24 * time.Hour},
		{"after an orderly end", []time.Duration{time.Minute, 30 * time.Minute}, stopped, false, 0},
		{"lines are missing", []time.Duration{time.Minute, 5 * time.Minute}, "", true, 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := newReplay(t)
			at := time.Duration(0)
			r.read(t, logged(at, "qmgr[1]: A1B2C3D4E5: removed"))
			for i, g := range tt.gaps {
				last := i == len(tt.gaps)-1
				if last && tt.last != "" {
					r.read(t, logged(at, tt.last))
				}
				if last && tt.missing {
					r.belt.Missing(logPath)
				}
				at += g
				r.read(t, logged(at, "qmgr[1]: A1B2C3D4E5: removed"))
			}
			begin, end := noon.Add(at-tt.gaps[len(tt.gaps)-1]), noon.Add(at)
			known := time.Duration(0)
			for _, x := range r.times {
				if x.After(begin) && x.Before(end) {
					known += 10 * time.Second
				}
			}
			if d := tt.known - known; d > 10*time.Second || d < -10*time.Second {
				t.Errorf("%s of the gap are known, want %s", known, tt.known)
			}
		})
	}
}
