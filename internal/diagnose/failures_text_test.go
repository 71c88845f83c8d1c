package diagnose_test

import (
	"strings"
	"testing"
	"time"

	"github.com/mtawatch/mtawatch/internal/diagnose"
	"github.com/mtawatch/mtawatch/internal/mta"
)

// TestNames breaks worlds of which more is known than series, and looks at
// what a postmaster reads.
func TestNames(t *testing.T) {
	p := teach(t, 2*24*time.Hour)
	hostile := "connect to mx.big.example[192.0.2.7]:25: Connection timed out; `touch /tmp/x` $(id) \x1b[31m"
	for _, tt := range []struct {
		name   string
		harm   func(*world)
		code   mta.FindingCode
		reason mta.Cause
		says   []string // somewhere in it
		never  []string // in the advice
	}{
		{name: "reply is kept as it was logged", harm: func(w *world) {
			w.facts.reply = map[mta.Cause]string{mta.CauseConnectTimeout: hostile}
			w.fail(1, mta.CauseConnectTimeout, "big.example")
		}, code: mta.FindingDestinationTimingOut, reason: mta.CauseConnectTimeout,
			says:  []string{hostile, "4cXk2q1Z3nz9v", "our own resolver answers", "postqueue -s big.example", "do not flush the deferred queue", "mid.example"},
			never: []string{"touch", "$(id)"}},
		{name: "cause of the destination, not of the instance", harm: func(w *world) {
			w.fail(1, mta.CauseTLSFailure, "big.example")
			d := w.dest("wave.example") // fails more often, and is not known to do better
			d.rate, d.fail, d.cause = 0.02, 1, mta.CauseGreylisted
		}, code: mta.FindingDestinationRefusing, reason: mta.CauseTLSFailure, says: []string{"openssl s_client -starttls smtp"}},
		{name: "one mail exchanger of many domains", harm: func(w *world) {
			w.facts.reply = map[mta.Cause]string{mta.CauseConnectTimeout: "connect to mx.hoster.example[192.0.2.9]:25: Connection timed out"}
			w.fail(1, mta.CauseConnectTimeout, "big.example", "mid.example", "third.example")
		}, code: mta.FindingDestinationTimingOut, reason: mta.CauseConnectTimeout, says: []string{"mx.hoster.example"}},
		{name: "names that are commands stay out of commands", harm: func(w *world) {
			w.fail(1, mta.CauseConnectTimeout, "big.example")
			w.dest("big.example").name = "big.example;reboot"
			d := w.dest("big.example;reboot")
			d.fail, d.rate = 0, 0.3
			w.run(8 * time.Hour)
			d.fail, d.cause = 1, mta.CauseConnectTimeout
		}, code: mta.FindingDestinationTimingOut, reason: mta.CauseConnectTimeout, never: []string{"reboot"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := learned(t, p, 21)
			w.facts.named, w.facts.software = true, "postfix"
			tt.harm(w)
			w.run(12 * time.Minute)
			open := w.engine.Open()
			if len(open) != 1 {
				for _, f := range open {
					t.Logf("%s %s %q: %s", f.Severity, f.Code, f.Subject, f.Title)
				}
				t.Fatalf("%d findings are open, want one", len(open))
			}
			f := open[0]
			whole(t, &f)
			if f.Code != tt.code || f.Reason != tt.reason {
				t.Errorf("found %s for %s, want %s for %s", f.Code, f.Reason, tt.code, tt.reason)
			}
			text := fullText(&f)
			for _, s := range tt.says {
				if !strings.Contains(text, s) {
					t.Errorf("does not say %q:\n%s", s, text)
				}
			}
			for _, s := range tt.never {
				if strings.Contains(strings.Join(f.Advice, "\n"), s) {
					t.Errorf("advice says %q:\n%s", s, text)
				}
			}
		})
	}
}

func fullText(f *mta.Finding) string {
	var b strings.Builder
	put := func(list ...string) {
		for _, s := range list {
			b.WriteString(s + "\n")
		}
	}
	put(f.Title, f.Cause, f.Subject)
	for _, e := range f.Evidence {
		put(e.Text)
		put(e.Lines...)
	}
	put(f.RuledOut...)
	put(f.Advice...)
	put(f.Avoid...)
	for _, c := range f.Folded {
		put(c.Title)
	}
	return b.String()
}

// TestOver looks that a finding ends when its harm does, and once.
func TestOver(t *testing.T) {
	p := teach(t, 2*24*time.Hour)
	for _, tt := range []struct {
		name string
		harm func(*world)
		mend func(*world)
		ends time.Duration
	}{
		{"destination", func(w *world) { w.fail(1, mta.CauseConnectTimeout, "big.example") }, func(w *world) { w.fail(0.01, mta.CauseUnknownUser, "big.example") }, 10 * time.Minute},
		{"dns", func(w *world) { w.probe = 0 }, func(w *world) { w.probe = 1 }, 7 * time.Minute},
		{"disk", func(w *world) { w.free, w.refused = 1e6, 1 }, func(w *world) { w.free, w.refused = 50e9, 0 }, 4 * time.Minute},
		{"loop", func(w *world) { w.loops = 0.5 }, func(w *world) { w.loops = 0 }, 15 * time.Minute},
		{"stopped", func(w *world) { w.arrive = 0 }, func(w *world) { w.arrive = 1 }, 4 * time.Minute},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := learned(t, p, 31)
			tt.harm(w)
			w.run(20 * time.Minute)
			if n := len(w.opened()); n != 1 {
				t.Fatalf("%d findings, want one", n)
			}
			tt.mend(w)
			w.run(tt.ends)
			for _, f := range w.engine.Open() {
				t.Errorf("%s is still open: %s", f.Code, f.Title)
			}
			w.run(time.Hour)
			if n := len(w.opened()); n != 1 {
				t.Errorf("%d findings in all, want one", n)
			}
		})
	}
}

// TestNothing gives the rules a case of which nothing is known.
func TestNothing(t *testing.T) {
	c := &diagnose.Case{Now: monday(), Facts: diagnose.NoFacts{}, Instances: []*diagnose.Instance{{}, {Name: "mx",
		Queues:       []*diagnose.Queue{{Name: "active"}, {Name: "hold"}, {Name: "deferred"}},
		Destinations: []*diagnose.Destination{{Name: "other"}, {Name: "big.example"}}, Ports: []*diagnose.Port{{}}}}, Ports: []*diagnose.Port{{}}, Logs: []*diagnose.Log{{}}}
	for _, r := range diagnose.Rules() {
		for _, k := range r.Judge(c) {
			t.Errorf("found %s of nothing: %s", k.Code, k.Title)
		}
	}
}
