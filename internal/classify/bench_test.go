package classify

import "testing"

var benchReplies = []struct{ name, reply, dsn string }{
	{"connect", "connect to mx1.example.net[192.0.2.7]:25: Connection timed out", "4.4.1"},
	{"reply", "host mx1.example.net[192.0.2.7] said: 450 4.2.0 <bob@example.com>: Recipient address rejected: Greylisted (in reply to RCPT TO)", "4.2.0"},
	{"long", "host gmail-smtp-in.example.net[192.0.2.7] said: 550-5.1.1 The email account that you tried to reach does not exist. Please try 550-5.1.1 double-checking the recipient's email address for typos or 550-5.1.1 unnecessary spaces. Learn more at 550 5.1.1  https://support.example.net/mail/?p=Unknown x1-20020a05 - gsmtp (in reply to RCPT TO command)", "5.1.1"},
	{"code only", "550 5.1.1 zzz", "5.1.1"},
}

func BenchmarkCause(b *testing.B) {
	c := New()
	for _, r := range benchReplies {
		b.Run(r.name, func(b *testing.B) {
			b.SetBytes(int64(len(r.reply)))
			b.ReportAllocs()
			for b.Loop() {
				c.Cause(r.reply, r.dsn, 0)
			}
		})
	}
}

func BenchmarkNew(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		New()
	}
}
