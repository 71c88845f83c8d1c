package pipeline

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/mtawatch/mtawatch/internal/adapter/all"
	"github.com/mtawatch/mtawatch/internal/mta"
	"github.com/mtawatch/mtawatch/internal/tail"
)

// TestSharedLog: a file to which a syslog daemon puts the lines of two mail
// servers is read for both, in whatever order they were found.
func TestSharedLog(t *testing.T) {
	const text = `Nov 23 12:00:01 mx1 postfix/smtpd[99]: connect from client.example.org[192.0.2.7]
Nov 23 12:00:02 mx1 imta[98]: tcp_local    +            O TCP|192.0.2.1|25|198.51.100.66|1244 SMTP
Nov 23 12:00:03 mx1 imta[98]: tcp_local    ims-ms       E 2 a@example.org rfc822;b@example.com b@ims-ms-daemon
Nov 23 12:00:04 mx1 imta[98]: NEWS of no known kind
Nov 23 12:00:05 mx1 postfix/qmgr[97]: news of no known kind
Nov 23 12:00:06 mx1 sshd[96]: something else
`
	log := mta.LogSource{Kind: mta.LogFile, Path: "/var/log/mail.log"}
	servers := []mta.Instance{{MTA: "postfix", Name: "postfix", Logs: []mta.LogSource{log}}, {MTA: "imta", Name: "imta", Logs: []mta.LogSource{log}}}
	for _, order := range [][]mta.Instance{servers, {servers[1], servers[0]}} {
		b := New(Config{Adapters: all.Adapters()})
		b.SetInstances(order)
		now := time.Date(2026, 11, 23, 12, 0, 10, 0, time.UTC)
		if err := b.Batch(t.Context(), tail.Batch{Source: log.Name(), Text: text, Ref: now, AtEnd: true}); err != nil {
			t.Fatal(err)
		}
		want := LineCounts{Lines: 6, Parsed: 3, Events: 3, Ignored: 1, Unknown: 2}
		if diff := cmp.Diff(want, b.sources[log.Name()].counts); diff != "" {
			t.Errorf("%s first (-want +got):\n%s", order[0].Name, diff)
		}
		wantMetric(t, b, now, 1, "mta_received_messages_total", "imta")
	}
}
