package cli

import (
	"bytes"
	"io"
	"strings"
	"testing"
	"time"
)

// benchLog is lines of the kinds that make up most of a Postfix log.
const benchLog = `Nov 23 12:00:00 mail postfix/smtpd[100]: connect from client.example.org[192.0.2.10]
Nov 23 12:00:00 mail postfix/smtpd[100]: 4F1A2B3C4D: client=client.example.org[192.0.2.10]
Nov 23 12:00:00 mail postfix/cleanup[101]: 4F1A2B3C4D: message-id=<20261123120000.4F1A2B3C4D@client.example.org>
Nov 23 12:00:01 mail postfix/qmgr[102]: 4F1A2B3C4D: from=<newsletter@client.example.org>, size=12345, nrcpt=1 (queue active)
Nov 23 12:00:01 mail postfix/smtpd[100]: disconnect from client.example.org[192.0.2.10] ehlo=1 mail=1 rcpt=1 data=1 quit=1 commands=5
Nov 23 12:00:31 mail postfix/smtp[4711]: 4F1A2B3C4D: to=<somebody@example.net>, relay=none, delay=31, delays=0.1/0.01/31/0, dsn=4.4.1, status=deferred (connect to mx1.example.net[192.0.2.7]:25: Connection timed out)
Nov 23 12:00:40 mail postfix/smtp[4711]: 4F1A2B3C4D: to=<somebody@example.net>, relay=mx1.example.net[192.0.2.7]:25, delay=1.5, delays=0.1/0.01/1/0.39, dsn=2.0.0, status=sent (250 2.0.0 Ok: queued as 4F1A2B3C4D)
Nov 23 12:00:40 mail postfix/qmgr[102]: 4F1A2B3C4D: removed
`

func BenchmarkParse(b *testing.B) {
	log := []byte(strings.Repeat(benchLog, 16<<20/len(benchLog)))
	for _, tt := range []struct {
		name  string
		count bool
	}{{"count", true}, {"json", false}} {
		b.Run(tt.name, func(b *testing.B) {
			b.SetBytes(int64(len(log)))
			b.ReportAllocs()
			for b.Loop() {
				p, err := newParsing(&tool{out: newPrinter(io.Discard)}, parseFlags{mta: "postfix", year: 2026, count: tt.count})
				if err != nil {
					b.Fatal(err)
				}
				if err := p.readAll(bytes.NewReader(log), "log", time.Now()); err != nil {
					b.Fatal(err)
				}
				if p.unknown+p.garbled+p.ignored > 0 || p.found == 0 {
					b.Fatalf("not all lines gave events: %+v", p)
				}
			}
		})
	}
}
