package cli_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/mtawatch/mtawatch/internal/cli"
	"github.com/mtawatch/mtawatch/internal/mta"
	"github.com/mtawatch/mtawatch/internal/view"
)

func (s *source) Own(_ context.Context, q view.OwnQuery) (view.Own, error) {
	s.asked = q
	if s.own == nil {
		return view.Own{Time: noon, Instances: []view.OwnInstance{}, Unknown: "postfix: it has no tools that count by themselves"}, s.err
	}
	return *s.own, s.err
}

func ownAnswer() *view.Own {
	first := int64(11)
	own := []mta.OwnChannel{{Channel: "tcp_local", Received: &mta.OwnCount{Messages: 20, Recipients: 21, Blocks: 44}, Stored: &mta.OwnCount{Messages: -4, Recipients: -4, Blocks: -362},
		Delivered: &mta.OwnCount{Messages: 12, Recipients: 13, Blocks: 30}, FirstTime: &first}}
	exact := []view.ChannelRow{{Channel: "ims-ms", Stored: number(1)},
		{Channel: "tcp_local", Received: &view.Volume{Messages: 20, Recipients: 21}, Stored: number(7), Delivered: &view.Volume{Messages: 13, Recipients: 14}, FirstTime: 12},
		{Channel: "process", Stored: number(0)}}
	second := int64(12)
	own = append(own, mta.OwnChannel{Channel: "tcp_failed", Delivered: &mta.OwnCount{Messages: 12, Recipients: 12}, FirstTime: &second})
	exact = append(exact, view.ChannelRow{Channel: "tcp_failed", Delivered: &view.Volume{Messages: 12, Recipients: 12}, FirstTime: 10, Failed: 2})
	return &view.Own{Time: noon, Instances: []view.OwnInstance{
		{Instance: "imta", At: noon, OwnView: mta.OwnView{CountersBy: "`imsimta qm counters show`"}, Channels: view.CompareOwn(own, exact), ExactSince: noon.Add(-time.Hour)},
		{Instance: "imta-b", At: noon, OwnView: mta.OwnView{CountersBy: "`imsimta qm counters show`", CountersMissing: true}},
		{Instance: "imta-c", At: noon, OwnView: mta.OwnView{WaitingBy: "`imsimta qm messages l`", Waiting: []mta.OwnWaiting{{Channel: "l", Destination: "bad\x1b[31m.example", Active: 3, Delayed: 4}, {Channel: "l", Active: 5}}}}}}
}

func TestQueueOwn(t *testing.T) {
	tests := []struct {
		name string
		args string
		own  *view.Own
		code int
		want []string
	}{
		{"counters", "queue counters --own", ownAnswer(), 0, []string{"does not tell; it loses", "EXACT counts from its log since 11:00:00", "ims-ms ", "the mail server has no counters of it",
			"Received 20 20 21 21 44", "Stored -4 7 -11 -4 - -362 below zero", "Delivered 12 13 -1 13 14 -1 30 (11 first time; exact 12, off by -1)",
			"Delivered 12 12 12 12 0 (12 first time; exact 10)", "they differ in tcp_local; in what is stored", "below zero in tcp_local", "imta-b: no counters, which is not zero"}},
		{"waiting", "queue messages --own", ownAnswer(), 0, []string{"l bad?[31m.example 3 4", "l - 5 0", "8 active, 4 delayed"}},
		{"nothing to ask", "queue messages --own", nil, 3, []string{"UNKNOWN: postfix: it has no tools"}},
		{"json", "queue counters --own --json", ownAnswer(), 0, []string{`"differs":["stored","delivered","first_time"],"negative":["stored"]`, `"counters_missing":true`}},
		{"no single message", "queue messages --own --id x", ownAnswer(), 2, []string{"shows no single one"}},
		{"saved and asked", "queue counters --own --from x", ownAnswer(), 2, []string{"give one of the two"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := &source{own: tt.own}
			var out strings.Builder
			code := cli.Run(t.Context(), cli.Deps{Client: func(string) view.Source { return s }}, append([]string{"mtawatch"}, strings.Fields(tt.args)...), strings.NewReader(""), &out, &out)
			got := strings.Join(strings.Fields(out.String()), " ")
			if code != tt.code {
				t.Errorf("status %d, want %d", code, tt.code)
			}
			for _, w := range tt.want {
				if !strings.Contains(got, strings.TrimSpace(w)) {
					t.Errorf("%q is missing in\n%s", w, out.String())
				}
			}
			if strings.Contains(got, "process") && !strings.Contains(tt.args, "json") {
				t.Errorf("a channel that never did anything:\n%s", out.String())
			}
		})
	}
}
