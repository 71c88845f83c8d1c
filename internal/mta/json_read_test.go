package mta_test

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/mtawatch/mtawatch/internal/mta"
)

func TestEventJSONRoundTrip(t *testing.T) {
	at := time.Date(2026, 11, 23, 12, 0, 0, 123456000, time.FixedZone("", 3600))
	tests := []struct {
		name string
		e    mta.Event
	}{
		{"delivery", mta.Event{Time: at, Instance: "postfix", Program: "smtp", PID: 4711, Kind: mta.KindDelivery, QueueID: "4cXk2q1Z3nz9v",
			To: "b@example.net", From: "a@example.org", Relay: mta.Peer{Name: "mx1.example.net", IP: "192.0.2.7", Port: 25},
			Status: mta.StatusDeferred, Cause: mta.CauseConnectTimeout, DSN: "4.4.1", Code: 451, Reply: "later \x1b[m", Size: 3,
			HasDelay: true, Delay: 31200 * time.Millisecond, Delays: [4]time.Duration{100 * time.Millisecond, 10 * time.Millisecond, 31100 * time.Millisecond}, NumDelays: 4,
			TLS: mta.TLS{Version: "TLSv1.3", Cipher: "TLS_AES_256_GCM_SHA384", Bits: 256, Trust: "Verified", Direction: "to"}}},
		{"delivery without delay", mta.Event{Time: at, Instance: "postfix", Program: "local", Kind: mta.KindDelivery, QueueID: "A1", Status: mta.StatusSent, Relay: mta.Peer{Path: "local"}}},
		{"reject", mta.Event{Time: at, Instance: "postfix", Program: "smtpd", Kind: mta.KindReject, Stage: mta.StageRcpt, Cause: mta.CauseRelayDenied,
			Client: mta.Peer{IP: "2001:db8::1", HELO: "x"}, Code: 554, DSN: "5.7.1", Reply: "Relay access denied", NullSender: true}},
		{"auth", mta.Event{Time: at, Instance: "postfix", Program: "smtpd", Kind: mta.KindAuth, Status: mta.StatusFailed, SASLMethod: "PLAIN", SASLUser: "u"}},
		{"daemon", mta.Event{Time: at, Instance: "postfix", Program: "master", Kind: mta.KindDaemon, Daemon: mta.RoleDispatcher, Action: mta.ActionStarted, Severity: mta.SeverityWarning, Text: "t", Recipients: 2}},
		{"notification", mta.Event{Time: at, Instance: "postfix", Program: "bounce", Kind: mta.KindNotification, QueueID: "A", RefID: "B", Reason: "bounce", MessageID: "x@y", OrigTo: "z"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			b, err := json.Marshal(tt.e)
			if err != nil {
				t.Fatal(err)
			}
			var got mta.Event
			if err := json.Unmarshal(b, &got); err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff(tt.e, got); d != "" {
				t.Errorf("(-want +got):\n%s", d)
			}
		})
	}
}

func TestEventJSONRefuses(t *testing.T) {
	for _, s := range []string{`{"kind":"never"}`, `{"delays":[1,2,3,4,5]}`, `{"time":"noon"}`, `[]`} {
		var e mta.Event
		if err := json.Unmarshal([]byte(s), &e); err == nil {
			t.Errorf("%s: no error", s)
		}
	}
}
