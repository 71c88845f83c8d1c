package imta

import (
	"testing"
	"time"

	"github.com/mtawatch/mtawatch/internal/adapter"
	"github.com/mtawatch/mtawatch/internal/adapter/adaptertest"
)

// benchLines are the lives of a few messages, in about the mix of a busy
// relay, in each format.
var benchLines = map[string][]string{
	"format 1": {
		"28-Feb-2026 11:50:59.10 1f625.4.0 tcp_local    +            O TCP|192.0.2.1|25|198.51.100.66|1244 SMTP",
		"28-Feb-2026 11:50:59.31 1f625.4.1 tcp_local    ims-ms       EE 12 sender@example.org rfc822;one@example.com one@ims-ms-daemon /opt/base/data/queue/ims-ms/003/ZZf0s4g0G2Zt0.00 <0JE500C0371HRJ00@mail.example.org> mail.example.org (mail.example.org [198.51.100.66])",
		"28-Feb-2026 11:50:59.34 1f625.4.1 tcp_local    tcp_intranet EE 12 sender@example.org rfc822;two@example.net two@example.net /opt/base/data/queue/tcp_intranet/001/ZZf0s4g0G2Zt2.00 <0JE500C0371HRJ00@mail.example.org> mail.example.org (mail.example.org [198.51.100.66])",
		"28-Feb-2026 11:50:59.51 501d.b.9 ims-ms                    D 12 sender@example.org rfc822;one@example.com one@ims-ms-daemon /opt/base/data/queue/ims-ms/003/ZZf0s4g0G2Zt0.00 <0JE500C0371HRJ00@mail.example.org>",
		"28-Feb-2026 11:50:59.66 409f.3.1 tcp_intranet              DE 12 sender@example.org rfc822;two@example.net two@example.net /opt/base/data/queue/tcp_intranet/001/ZZf0s4g0G2Zt2.00 <0JE500C0371HRJ00@mail.example.org> mx1.example.net dns;mx1.example.net (TCP|192.0.2.1|2788|203.0.113.66|25) (mx1.example.net ESMTP ready at Sat, 28 Feb 2026 11:50:59 +0100) smtp;250 2.1.5 <two@example.net>... Recipient ok",
		"28-Feb-2026 11:51:00.02 409f.4.1 tcp_local                 Q 0 sender@example.org rfc822;three@example.net three@example.net /opt/base/data/queue/tcp_local/004/ZYf0s4g0G2Zt4.01 <0JE500C0371HRJ01@mail.example.org> TCP active open: Failed connect() 203.0.113.7:25  Error: connection timed out",
		"28-Feb-2026 11:51:00.20 1f625.5.2 tcp_local                 JE 0 spam@example.net rfc822;nobody@example.com nobody@example.com 550 5.1.1 unknown or illegal alias: nobody@example.com",
		"28-Feb-2026 11:51:01.66 1f625.4.0 tcp_local    +            C TCP|192.0.2.1|25|198.51.100.66|1244 SMTP",
	},
	"format 4": {
		`<co ts="2026-02-28T11:50:59.10" pi="1f625.4.0" sc="tcp_local" dr="+" ac="O" tr="TCP|192.0.2.1|25|198.51.100.66|1244" ap="SMTP"/>`,
		`<en ts="2026-02-28T11:50:59.31" pi="1f625.4.1" sc="tcp_local" dc="ims-ms" ac="EE" sz="12" so="sender@example.org" od="rfc822;one@example.com" de="one@ims-ms-daemon" fi="/opt/base/data/queue/ims-ms/003/ZZf0s4g0G2Zt0.00" mi="&lt;0JE500C0371HRJ00@mail.example.org&gt;" ss="mail.example.org (mail.example.org [198.51.100.66])"/>`,
		`<en ts="2026-02-28T11:50:59.51" pi="501d.b.9" sc="ims-ms" dc="" ac="D" sz="12" so="sender@example.org" od="rfc822;one@example.com" de="one@ims-ms-daemon" fi="/opt/base/data/queue/ims-ms/003/ZZf0s4g0G2Zt0.00" mi="&lt;0JE500C0371HRJ00@mail.example.org&gt;" qt="0"/>`,
		`<en ts="2026-02-28T11:50:59.66" pi="409f.3.1" sc="tcp_intranet" dc="" ac="DE" sz="12" so="sender@example.org" od="rfc822;two@example.net" de="two@example.net" fi="/opt/base/data/queue/tcp_intranet/001/ZZf0s4g0G2Zt2.00" mi="&lt;0JE500C0371HRJ00@mail.example.org&gt;" di="dns;mx1.example.net (TCP|192.0.2.1|2788|203.0.113.66|25) (mx1.example.net ESMTP ready) smtp;250 2.1.5 &lt;two@example.net&gt;... Recipient ok" qt="1"/>`,
		`<en ts="2026-02-28T11:51:00.02" pi="409f.4.1" sc="tcp_local" dc="" ac="Q" sz="0" so="sender@example.org" od="rfc822;three@example.net" de="three@example.net" fi="/opt/base/data/queue/tcp_local/004/ZYf0s4g0G2Zt4.01" mi="&lt;0JE500C0371HRJ01@mail.example.org&gt;" di="TCP active open: Failed connect() 203.0.113.7:25  Error: connection timed out" qt="300"/>`,
		`<co ts="2026-02-28T11:51:01.66" pi="1f625.4.0" sc="tcp_local" dr="+" ac="C" tr="TCP|192.0.2.1|25|198.51.100.66|1244" ap="SMTP"/>`,
	},
	"format 5": {
		`{"co":{"ts":"2026-02-28T11:50:59.10","pi":"1f625.4.0","sc":"tcp_local","dr":"+","ac":"O","tr":"TCP|192.0.2.1|25|198.51.100.66|1244","ap":"SMTP"}}`,
		`{"en":{"ts":"2026-02-28T11:50:59.31","pi":"1f625.4.1","sc":"tcp_local","dc":"ims-ms","ac":"EE","sz":"12","so":"sender@example.org","od":"rfc822;one@example.com","de":"one@ims-ms-daemon","fi":"/opt/base/data/queue/ims-ms/003/ZZf0s4g0G2Zt0.00","mi":"<0JE500C0371HRJ00@mail.example.org>","ss":"mail.example.org (mail.example.org [198.51.100.66])"}}`,
		`{"en":{"ts":"2026-02-28T11:50:59.66","pi":"409f.3.1","sc":"tcp_intranet","ac":"DE","sz":"12","so":"sender@example.org","od":"rfc822;two@example.net","de":"two@example.net","fi":"/opt/base/data/queue/tcp_intranet/001/ZZf0s4g0G2Zt2.00","mi":"<0JE500C0371HRJ00@mail.example.org>","di":"dns;mx1.example.net (TCP|192.0.2.1|2788|203.0.113.66|25) (mx1.example.net ESMTP ready) smtp;250 2.1.5 <two@example.net>... Recipient ok","qt":"1"}}`,
		`{"en":{"ts":"2026-02-28T11:51:00.02","pi":"409f.4.1","sc":"tcp_local","ac":"Q","sz":"0","so":"sender@example.org","od":"rfc822;three@example.net","de":"three@example.net","fi":"\/opt\/base\/data\/queue\/tcp_local\/004\/ZYf0s4g0G2Zt4.01","mi":"<0JE500C0371HRJ01@mail.example.org>","di":"TCP active open: Failed connect() 203.0.113.7:25  Error: connection timed out","qt":"300"}}`,
	},
}

func BenchmarkParse(b *testing.B) {
	ref := time.Date(2026, 2, 28, 12, 0, 0, 0, time.UTC)
	for _, name := range []string{"format 1", "format 4", "format 5"} {
		b.Run(name, func(b *testing.B) {
			adaptertest.BenchmarkLines(b, newParser(adapter.ParserConfig{}), ref, benchLines[name])
		})
	}
}
