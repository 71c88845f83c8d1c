package notify

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/mtawatch/mtawatch/internal/mta"
)

func acknowledged(id string, s mta.Severity) mta.Finding {
	f := finding(id, s)
	f.Acknowledged = &mta.Acknowledgement{By: "ann"}
	return f
}

func TestHeld(t *testing.T) {
	mark := func(at int, f mta.Finding) act {
		return act{at, func(d *Dispatcher) { d.Mark([]mta.Finding{f}) }}
	}
	changed := func(at int, f mta.Finding) act {
		return act{at, func(d *Dispatcher) { d.Tell(Message{Event: Changed, Finding: f}) }}
	}
	for _, tt := range []struct {
		name  string
		terms Terms
		acts  []act
		want  []string
	}{
		{"before it was due", Terms{Delay: time.Minute}, []act{tell(0, Opened, "a", warning), mark(30, acknowledged("a", warning)), tell(90, Resolved, "a", warning)}, nil},
		{"no change is told, but its end", Terms{}, []act{tell(0, Opened, "a", warning), mark(30, acknowledged("a", warning)),
			changed(60, acknowledged("a", warning)), tell(90, Resolved, "a", warning)}, []string{"0 opened a warning", "90 resolved a warning"}},
		{"worse is told", Terms{}, []act{tell(0, Opened, "a", warning), mark(30, acknowledged("a", warning)), changed(60, finding("a", critical))},
			[]string{"0 opened a warning", "60 changed a critical"}},
		{"no reminders", Terms{Repeat: 10 * time.Minute}, []act{tell(0, Opened, "a", critical), mark(900, acknowledged("a", critical)), mark(3000, finding("a", critical))},
			[]string{"0 opened a critical", "600 reminder a critical", "3600 reminder a critical"}},
		{"programs are refreshed", Terms{Refresh: 10 * time.Minute}, []act{tell(0, Opened, "a", critical), mark(900, acknowledged("a", critical))},
			[]string{"0 opened a critical", "600 refresh a critical", "900 refresh a critical", "1500 refresh a critical", "2100 refresh a critical",
				"2700 refresh a critical", "3300 refresh a critical", "3900 refresh a critical"}},
		{"silenced from the start, until it ends", Terms{}, []act{changed(0, acknowledged("a", warning)), mark(1800, finding("a", warning))}, []string{"1800 opened a warning"}},
		{"after a restart", Terms{Repeat: 10 * time.Minute}, []act{tell(0, Opened, "a", critical),
			{10, func(d *Dispatcher) { d.Sync([]mta.Finding{acknowledged("a", critical)}, nil) }}}, []string{"0 opened a critical"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := &receiver{}
			d := play(t, r, tt.terms, 4000, tt.acts...)
			if diff := cmp.Diff(r.got, tt.want); diff != "" {
				t.Errorf("(-got +want)\n%s", diff)
			}
			if n := d.States()[0].Waiting; n != 0 {
				t.Errorf("%d wait", n)
			}
		})
	}
}
