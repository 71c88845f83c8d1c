package postfix

import (
	"testing"

	"github.com/mtawatch/mtawatch/internal/adapter"
	"github.com/mtawatch/mtawatch/internal/adapter/adaptertest"
)

// benchLines is the life of a few messages, in about the mix of a busy relay.
var benchLines = []string{
	"Nov 23 12:00:00 mx1 postfix/smtpd[4101]: connect from mail.example.org[192.0.2.9]",
	"Nov 23 12:00:00 mx1 postfix/smtpd[4101]: 4jYTkz5bXlz3q: client=mail.example.org[192.0.2.9]",
	"Nov 23 12:00:00 mx1 postfix/cleanup[4102]: 4jYTkz5bXlz3q: message-id=<20261123120000.4jYTkz5bXlz3q@mail.example.org>",
	"Nov 23 12:00:00 mx1 postfix/qmgr[812]: 4jYTkz5bXlz3q: from=<sender@example.org>, size=12345, nrcpt=2 (queue active)",
	"Nov 23 12:00:00 mx1 postfix/smtpd[4101]: disconnect from mail.example.org[192.0.2.9] ehlo=1 mail=1 rcpt=2 data=1 quit=1 commands=6",
	"Nov 23 12:00:00 mx1 postfix/smtp[4103]: 4jYTkz5bXlz3q: to=<one@example.net>, relay=mx1.example.net[198.51.100.7]:25, delay=1.2, delays=0.1/0.01/0.5/0.59, dsn=2.0.0, status=sent (250 2.0.0 Ok: queued as 4jYTl05bXlz3r)",
	"Nov 23 12:00:00 mx1 postfix/smtp[4104]: 4jYTkz5bXlz3q: to=<two@example.com>, relay=none, delay=30, delays=0.1/0.01/30/0, dsn=4.4.1, status=deferred (connect to mx.example.com[203.0.113.7]:25: Connection timed out)",
	"Nov 23 12:00:01 mx1 postfix/error[4105]: 4jYTkz5bXmz3q: to=<three@example.com>, relay=none, delay=3600, delays=3599/0.5/0/0.5, dsn=4.4.1, status=deferred (delivery temporarily suspended: connect to mx.example.com[203.0.113.7]:25: Connection timed out)",
	"Nov 23 12:00:01 mx1 postfix/smtp[4103]: 4jYTkz5bXnz3q: to=<four@example.net>, relay=mx1.example.net[198.51.100.7]:25, conn_use=2, delay=0.9, delays=0.1/0.01/0.3/0.49, dsn=5.1.1, status=bounced (host mx1.example.net[198.51.100.7] said: 550 5.1.1 <four@example.net>: Recipient address rejected: User unknown (in reply to RCPT TO command))",
	"Nov 23 12:00:01 mx1 postfix/bounce[4106]: 4jYTkz5bXnz3q: sender non-delivery notification: 4jYTl05bXpz3r",
	"Nov 23 12:00:01 mx1 postfix/qmgr[812]: 4jYTkz5bXnz3q: removed",
	"Nov 23 12:00:01 mx1 postfix/smtpd[4107]: NOQUEUE: reject: RCPT from unknown[192.0.2.66]: 554 5.7.1 <b@example.com>: Relay access denied; from=<a@example.org> to=<b@example.com> proto=ESMTP helo=<mail.example.org>",
}

func BenchmarkParse(b *testing.B) {
	adaptertest.BenchmarkLines(b, newParser(adapter.ParserConfig{}), testRef, benchLines)
}
