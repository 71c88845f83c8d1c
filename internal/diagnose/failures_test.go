package diagnose_test

import (
	"testing"
	"time"

	"github.com/mtawatch/mtawatch/internal/diagnose"
	"github.com/mtawatch/mtawatch/internal/mta"
)

// TestFindings breaks a world that has a past of two days, and looks what is
// told of it. Every case knows series only, unless it names more.
func TestFindings(t *testing.T) {
	p := teach(t, 2*24*time.Hour)
	all := []string{"big.example", "mid.example", "third.example", "other"}
	for _, tt := range []struct {
		name    string
		harm    func(*world)
		lasts   time.Duration // 15 min where it is 0
		within  time.Duration // from its begin to its finding
		code    mta.FindingCode
		reason  mta.Cause
		subject string
		sev     mta.Severity
	}{
		{name: "big destination times out", harm: func(w *world) { w.fail(1, mta.CauseConnectTimeout, "big.example") },
			within: 85 * time.Second, code: mta.FindingDestinationTimingOut, reason: mta.CauseConnectTimeout, subject: "big.example", sev: mta.SeverityWarning},
		{name: "mid-sized destination stalls", harm: func(w *world) { w.fail(1, mta.CauseReplyTimeout, "mid.example") },
			within: 3 * time.Minute, code: mta.FindingDestinationTimingOut, reason: mta.CauseReplyTimeout, subject: "mid.example", sev: mta.SeverityWarning},
		{name: "destination refuses connections", harm: func(w *world) { w.fail(1, mta.CauseConnectRefused, "big.example") },
			within: 85 * time.Second, code: mta.FindingDestinationRefusing, reason: mta.CauseConnectRefused, subject: "big.example", sev: mta.SeverityWarning},
		{name: "half of it refused", harm: func(w *world) { w.fail(0.5, mta.CauseRemoteUnavailable, "big.example") },
			within: 5 * time.Minute, code: mta.FindingDestinationRefusing, reason: mta.CauseRemoteUnavailable, subject: "big.example", sev: mta.SeverityWarning},
		{name: "provider throttles", harm: func(w *world) { w.fail(0.8, mta.CauseRateLimited, "big.example") },
			within: 150 * time.Second, code: mta.FindingProviderThrottling, reason: mta.CauseRateLimited, subject: "big.example", sev: mta.SeverityWarning},
		{name: "blocked at one", harm: func(w *world) { w.fail(0.9, mta.CauseBlocked, "big.example") },
			within: 2 * time.Minute, code: mta.FindingBlocklisted, reason: mta.CauseBlocked, subject: "big.example", sev: mta.SeverityWarning},
		{name: "blocked at many", harm: func(w *world) { w.fail(0.9, mta.CauseBlocked, all...) },
			within: 3 * time.Minute, code: mta.FindingBlocklisted, reason: mta.CauseBlocked, sev: mta.SeverityWarning},
		{name: "all users of one domain gone", harm: func(w *world) { w.fail(1, mta.CauseUnknownUser, "home.example") },
			within: 2 * time.Minute, code: mta.FindingBounceSurge, reason: mta.CauseUnknownUser, subject: "home.example", sev: mta.SeverityWarning},
		{name: "full mailboxes put mail off", harm: func(w *world) { w.fail(1, mta.CauseMailboxFull, "home.example"); w.dest("home.example").bounce = false },
			within: 3 * time.Minute, code: mta.FindingDestinationRefusing, reason: mta.CauseMailboxFull, subject: "home.example", sev: mta.SeverityWarning},
		{name: "dns dead by probe", harm: func(w *world) { w.probe = 0 },
			within: 40 * time.Second, code: mta.FindingOwnDNSDead, reason: mta.CauseDNSFailure, sev: mta.SeverityCritical},
		{name: "dns dead by log", harm: func(w *world) { w.probe = -1; w.fail(1, mta.CauseDNSFailure, append(all, "dead.example")...) },
			within: 80 * time.Second, code: mta.FindingOwnDNSDead, reason: mta.CauseDNSFailure, sev: mta.SeverityCritical},
		{name: "network dead", harm: func(w *world) { w.fail(1, mta.CauseUnreachable, append(all, "home.example")...) },
			within: 80 * time.Second, code: mta.FindingNetworkBroken, reason: mta.CauseUnreachable, sev: mta.SeverityCritical},
		{name: "network mostly dead", harm: func(w *world) { w.fail(1, mta.CauseConnectTimeout, all...) },
			within: 80 * time.Second, code: mta.FindingNetworkBroken, reason: mta.CauseConnectTimeout, sev: mta.SeverityCritical},
		{name: "network partly dead", harm: func(w *world) { w.fail(1, mta.CauseConnectTimeout, all[1:]...) },
			within: 150 * time.Second, code: mta.FindingNetworkBroken, reason: mta.CauseConnectTimeout, sev: mta.SeverityWarning},
		{name: "network and with it the resolver", harm: func(w *world) {
			w.probe = 0
			w.fail(1, mta.CauseDNSFailure, all...)
			w.facts.dns = &mta.Probe{Name: "dns", Target: "192.0.2.53", Text: "send question: network is unreachable"}
		}, within: 80 * time.Second, code: mta.FindingNetworkBroken, sev: mta.SeverityCritical},
		{name: "mailbox store refuses", harm: func(w *world) { w.fail(1, mta.CauseLocalResource, "home.example") },
			within: 2 * time.Minute, code: mta.FindingOwnResourceFailing, reason: mta.CauseLocalResource, sev: mta.SeverityWarning},
		{name: "mailbox store refuses its socket", harm: func(w *world) {
			w.facts.named = true
			w.facts.reply = map[mta.Cause]string{mta.CauseConnectRefused: "connect to mx.example[private/dovecot-lmtp]: Connection refused"}
			w.fail(1, mta.CauseConnectRefused, "home.example")
		}, within: 2 * time.Minute, code: mta.FindingOwnResourceFailing, reason: mta.CauseLocalResource, sev: mta.SeverityWarning},
		{name: "clients refused for our own reasons", harm: func(w *world) { w.refused = 0.8 },
			within: 2 * time.Minute, code: mta.FindingOwnResourceFailing, reason: mta.CauseLocalResource, sev: mta.SeverityWarning},
		{name: "disk full", harm: func(w *world) { w.free = 1e6; w.refused = 1 },
			within: 30 * time.Second, code: mta.FindingDiskFilling, reason: mta.CauseLocalResource, sev: mta.SeverityCritical},
		{name: "disk full in words", harm: func(w *world) {
			w.facts.warnings = []diagnose.Warning{{Time: w.now.Add(12 * time.Minute), Program: "smtpd", Text: "not enough free space in mail queue: 0 bytes < 1.5*message size limit"}}
		}, within: 20 * time.Second, code: mta.FindingDiskFilling, reason: mta.CauseLocalResource, sev: mta.SeverityCritical},
		{name: "disk fills", harm: func(w *world) {
			w.put = func(w *world) { w.free -= 30e6 } // 100 kB for each byte of a day: full in three hours
		}, lasts: 70 * time.Minute, within: 60 * time.Minute, code: mta.FindingDiskFilling, sev: mta.SeverityWarning},
		{name: "deferred queue grows", harm: func(w *world) { w.put = func(w *world) { w.backlog += 5 } },
			lasts: 80 * time.Minute, within: 65 * time.Minute, code: mta.FindingQueueGrowing, subject: "deferred", sev: mta.SeverityWarning},
		{name: "active queue congested", harm: func(w *world) { w.active = 900 },
			lasts: 30 * time.Minute, within: 15 * time.Minute, code: mta.FindingQueueGrowing, subject: "active", sev: mta.SeverityWarning},
		{name: "active queue does not drain", harm: func(w *world) { w.stuck = true; w.active = 60 },
			lasts: 40 * time.Minute, within: 30 * time.Minute, code: mta.FindingQueueNotDraining, subject: "active", sev: mta.SeverityWarning},
		{name: "mail held", harm: func(w *world) { w.held = 400 },
			within: 12 * time.Minute, code: mta.FindingMailHeld, subject: "hold", sev: mta.SeverityWarning},
		{name: "mail stops", harm: func(w *world) { w.arrive = 0 },
			within: 4 * time.Minute, code: mta.FindingMailStopped, sev: mta.SeverityWarning},
		{name: "loop", harm: func(w *world) { w.loops = 0.4 },
			within: 2 * time.Minute, code: mta.FindingMailLoop, reason: mta.CauseLoop, sev: mta.SeverityWarning},
		{name: "burst by series", harm: func(w *world) {
			w.arrive = 4
			for _, n := range all {
				w.dest(n).rate *= 4
			}
			w.fail(0.5, mta.CauseUnknownUser, all...)
		}, within: 3 * time.Minute, code: mta.FindingSenderBurst, reason: mta.CauseUnknownUser, sev: mta.SeverityWarning},
		{name: "burst by name", harm: func(w *world) {
			w.arrive = 1.6
			w.facts.senders = []diagnose.Sender{
				{Kind: "client", Name: "198.51.100.7", Messages: 200, Recipients: 400, Failed: 170, Usual: 1},
				{Kind: "account", Name: "b@home.example", Messages: 200, Recipients: 400, Failed: 170, Usual: 1.5},
				{Kind: "sender", Name: "list@big.example", Messages: 300, Recipients: 300, Usual: 280}}
			w.fail(0.2, mta.CauseUnknownUser, "big.example")
		}, within: 2 * time.Minute, code: mta.FindingSenderBurst, subject: "b@home.example", sev: mta.SeverityWarning},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := learned(t, p, 11)
			began := w.now
			tt.harm(w)
			w.run(max(tt.lasts, 15*time.Minute))
			var told []mta.Finding
			for _, f := range w.opened() {
				t.Logf("%s +%s %s %q (%s) reason=%s since=%s score=%.1f: %s", f.Severity, f.Noticed.Sub(began), f.Code, f.Subject, f.Instance, f.Reason, f.Since.Sub(began), f.Score, f.Title)
				told = append(told, f)
			}
			if len(told) != 1 {
				t.Fatalf("%d findings, want one", len(told))
			}
			f := told[0]
			if f.Code != tt.code || f.Severity != tt.sev {
				t.Errorf("found %s %s, want %s %s", f.Severity, f.Code, tt.sev, tt.code)
			}
			if tt.reason != mta.CauseNone && f.Reason != tt.reason {
				t.Errorf("reason %s, want %s", f.Reason, tt.reason)
			}
			if f.Subject != tt.subject {
				t.Errorf("subject %q, want %q", f.Subject, tt.subject)
			}
			if d := f.Noticed.Sub(began); d > tt.within {
				t.Errorf("noticed after %s, want %s at most", d, tt.within)
			}
			whole(t, &f)
		})
	}
}

// whole checks what every finding must have.
func whole(t *testing.T, f *mta.Finding) {
	t.Helper()
	if f.Title == "" || f.Cause == "" || len(f.Evidence) == 0 || len(f.Advice) == 0 || f.Confidence <= 0 || f.Confidence > 1 || f.Since.IsZero() {
		t.Errorf("not whole: %+v", f)
	}
	if f.Since.After(f.Noticed) {
		t.Errorf("since %s is after %s", f.Since, f.Noticed)
	}
}

// TestHarmless changes a world in ways that hurt nobody.
func TestHarmless(t *testing.T) {
	p := teach(t, 2*24*time.Hour)
	for _, tt := range []struct {
		name   string
		change func(*world)
		lasts  time.Duration
	}{
		{name: "nothing", change: func(*world) {}, lasts: 6 * time.Hour},
		{name: "newsletter", change: func(w *world) {
			w.arrive = 8
			for _, n := range []string{"big.example", "mid.example", "third.example", "other"} {
				w.dest(n).rate *= 8
			}
			w.active, w.backlog = 400, 250
		}},
		{name: "newsletter of a name that does so", change: func(w *world) {
			w.arrive = 3
			w.facts.senders = []diagnose.Sender{{Kind: "account", Name: "news@home.example", Messages: 900, Recipients: 900, Failed: 10, Usual: 700}}
		}},
		{name: "new destination greylists", change: func(w *world) {
			d := w.dest("grey.example")
			d.rate, d.fail, d.cause = 0.1, 1, mta.CauseGreylisted
		}},
		{name: "new destination greylists, by name", change: func(w *world) {
			w.facts.named = true
			d := w.dest("grey.example")
			d.rate, d.fail, d.cause = 0.1, 1, mta.CauseGreylisted
		}},
		{name: "dead domain gets more", change: func(w *world) { w.dest("dead.example").rate = 0.06 }},
		{name: "three attempts at a new domain", change: func(w *world) {
			left := 3
			w.put = func(w *world) {
				if d := w.dest("small.example"); left > 0 {
					left--
					d.rate, d.fail, d.cause = 0.1, 1, mta.CauseConnectTimeout
				} else {
					d.rate = 0
				}
			}
		}},
		{name: "one message to ten recipients at a dead domain", change: func(w *world) {
			at := 0
			w.put = func(w *world) {
				d := w.dest("small.example")
				d.rate, d.fail, d.cause = 0, 1, mta.CauseConnectTimeout
				if at++; at%40 == 1 {
					d.rate = 1
				}
			}
		}, lasts: 12 * time.Minute},
		{name: "thirty bad seconds", change: func(w *world) {
			w.fail(1, mta.CauseConnectTimeout, "big.example")
			n := 0
			w.put = func(w *world) {
				if n++; n == 3 {
					w.fail(0.01, mta.CauseUnknownUser, "big.example")
				}
			}
		}},
		{name: "two questions to the resolver fail", change: func(w *world) {
			w.probe = 0
			n := 0
			w.put = func(w *world) {
				if n++; n == 2 {
					w.probe = 1
				}
			}
		}},
		{name: "a large file comes and goes", change: func(w *world) {
			w.free = 30e9
			n := 0
			w.put = func(w *world) {
				if n++; n == 30 {
					w.free = 50e9
				}
			}
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := learned(t, p, 12)
			began := w.now
			tt.change(w)
			w.run(max(tt.lasts, 40*time.Minute))
			for _, f := range w.opened() {
				t.Errorf("%s +%s %s %q reason=%s score=%.1f: %s", f.Severity, f.Noticed.Sub(began), f.Code, f.Subject, f.Reason, f.Score, f.Title)
			}
		})
	}
}

// TestNewHost breaks a world that has seen no more than half an hour.
func TestNewHost(t *testing.T) {
	for _, tt := range []struct {
		name string
		harm func(*world)
		code mta.FindingCode // "": nothing
	}{
		{"all well", func(*world) {}, ""},
		{"destination dead", func(w *world) { w.fail(1, mta.CauseConnectTimeout, "big.example") }, mta.FindingDestinationTimingOut},
		{"dns dead", func(w *world) { w.probe = 0 }, mta.FindingOwnDNSDead},
		{"dns dead by log", func(w *world) {
			w.probe = -1
			w.fail(1, mta.CauseDNSFailure, "big.example", "mid.example", "third.example", "other", "dead.example")
		}, mta.FindingOwnDNSDead},
		{"network dead", func(w *world) {
			w.fail(1, mta.CauseUnreachable, "big.example", "mid.example", "third.example", "other", "dead.example", "home.example")
		}, mta.FindingNetworkBroken},
		{"disk full", func(w *world) { w.free, w.refused = 1e6, 1 }, mta.FindingDiskFilling},
		{"loop", func(w *world) { w.loops = 0.5 }, mta.FindingMailLoop},
		{"greylisted", func(w *world) { w.fail(1, mta.CauseGreylisted, "big.example") }, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(monday(), 13)
			w.dest("dead.example").fail = 0.1
			w.run(30 * time.Minute)
			began := w.now
			tt.harm(w)
			w.run(20 * time.Minute)
			var codes []mta.FindingCode
			for _, f := range w.opened() {
				t.Logf("%s +%s %s %q reason=%s: %s", f.Severity, f.Noticed.Sub(began), f.Code, f.Subject, f.Reason, f.Title)
				codes = append(codes, f.Code)
			}
			if tt.code == "" && len(codes) > 0 || tt.code != "" && (len(codes) != 1 || codes[0] != tt.code) {
				t.Errorf("found %v, want %q", codes, tt.code)
			}
		})
	}
}
