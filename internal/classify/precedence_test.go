package classify

import (
	"strings"
	"testing"

	"github.com/mtawatch/mtawatch/internal/mta"
)

func TestPrecedence(t *testing.T) {
	c := New()
	for _, tt := range []struct {
		name, reply, dsn string
		code             int
		want             mta.Cause
	}{
		{"words before 5.7.1", "550 5.7.1 user unknown", "5.7.1", 550, mta.CauseUnknownUser},
		{"words before 4.7.1", "451 4.7.1 greylisted", "4.7.1", 451, mta.CauseGreylisted},
		{"words and code agree", "452 4.2.2 full", "4.2.2", 452, mta.CauseMailboxFull},
		{"blocklist before 5.1.1", "550 5.1.1 blocked using zen.spamhaus.org", "5.1.1", 550, mta.CauseBlocked},
		{"blocked before mailbox unavailable", "550 5.7.1 mailbox unavailable, blocked by policy", "5.7.1", 550, mta.CauseBlocked},
		{"enhanced code before SMTP code", "554 5.2.2 no", "", 0, mta.CauseMailboxFull},
		{"enhanced code given", "no", "5.2.2", 554, mta.CauseMailboxFull},
		{"SMTP code given", "no", "", 421, mta.CauseRemoteUnavailable},
		{"enhanced code without meaning", "no", "5.0.0", 421, mta.CauseRemoteUnavailable},
		{"code in the text before one without meaning", "host mx.example.net[192.0.2.1] said: 550 5.1.1 no", "5.0.0", 0, mta.CauseUnknownUser},
		{"bare 550 after RCPT", "host mx.example.net[192.0.2.1] said: 550 no (in reply to RCPT TO command)", "5.0.0", 550, mta.CauseUnknownUser},
		{"bare 550 after MAIL", "host mx.example.net[192.0.2.1] said: 550 no (in reply to MAIL FROM command)", "5.0.0", 550, mta.CauseBlocked},
		{"suspended, rest known", "delivery temporarily suspended: connect to mx.example.net[192.0.2.1]:25: No route to host", "4.4.1", 0, mta.CauseUnreachable},
		{"suspended, code in the rest", "delivery temporarily suspended: host mx.example.net[192.0.2.1] refused to talk to me: 421 4.3.2 no", "4.3.2", 0, mta.CauseRemoteUnavailable},
		{"suspended, rest unknown", "delivery temporarily suspended: no", "4.4.1", 0, mta.CauseSuspended},
		{"own disk", "452 4.3.1 Insufficient system storage", "4.3.1", 452, mta.CauseLocalResource},
		{"other's disk", "host mx.example.net[192.0.2.1] said: 452 4.3.1 Insufficient system storage", "4.3.1", 452, mta.CauseRemoteUnavailable},
		{"time-out inside a reply", "host mx.example.net[192.0.2.1] said: 450 4.7.1 <bob@example.com>: Recipient address rejected: unverified address: connect to mx2.example.net[192.0.2.2]:25: Connection timed out", "4.7.1", 450, mta.CauseMailboxBusy},
		{"nothing", "", "", 0, mta.CauseNone},
		{"code alone", "", "", 550, mta.CauseUnknownUser},
		{"enhanced code alone", "", "4.2.2", 0, mta.CauseMailboxFull},
		{"nothing fits", "zzz", "", 0, mta.CauseOther},
		{"unknown codes", "zzz", "9.9.9", 999, mta.CauseOther},
		{"negative code", "zzz", "", -5, mta.CauseOther},
		{"success", "250 2.0.0 Ok: queued as 4cXk2q1Z3nz9v", "2.0.0", 250, mta.CauseNone},
		{"case and punctuation", "550 USER_UNKNOWN!", "", 0, mta.CauseUnknownUser},
		{"broken by continuation lines", "550-5.1.1 The mailbox does not 550 5.1.1 exist", "", 0, mta.CauseUnknownUser},
		{"typographic apostrophe", "550 user doesn\u2019t exist", "", 0, mta.CauseUnknownUser},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := c.Cause(tt.reply, tt.dsn, tt.code); got != tt.want {
				n, _ := c.decide(tt.reply, tt.dsn, tt.code)
				by := "no rule"
				if n >= 0 {
					by = Rules()[n].Words
				}
				t.Errorf("Cause(%q, %q, %d) = %v by %q, want %v", tt.reply, tt.dsn, tt.code, got, by, tt.want)
			}
		})
	}
}

// TestNamesDoNotDecide puts telling words into names of hosts, domains and
// people: the cause must stay.
func TestNamesDoNotDecide(t *testing.T) {
	c := New()
	templates := []struct {
		name, text string
		want       mta.Cause
	}{
		{"said", "host HOST[192.0.2.1] said: 550 5.1.1 <USER@HOST> no (in reply to RCPT TO command)", mta.CauseUnknownUser},
		{"said about a user", "host HOST[192.0.2.1] said: 452 4.2.2 USER@HOST no", mta.CauseMailboxFull},
		{"refused to talk", "host HOST[2001:db8::1] refused to talk to me: 421 4.3.2 no", mta.CauseRemoteUnavailable},
		{"connect", "connect to HOST[192.0.2.1]:25: No route to host", mta.CauseUnreachable},
		{"connect, no address", "connect to HOST: Connection refused", mta.CauseConnectRefused},
		{"lost", "lost connection with HOST[192.0.2.1] while sending MAIL FROM", mta.CauseConnectionLost},
		{"conversation", "conversation with HOST[192.0.2.1] timed out while sending DATA command", mta.CauseReplyTimeout},
		{"lookup", "Host or domain name not found. Name service error for name=HOST type=MX: Host not found, try again", mta.CauseDNSFailure},
		{"null MX", "Domain HOST does not accept mail (nullMX)", mta.CauseNoSuchDomain},
		{"loop", "mail for HOST loops back to myself", mta.CauseLoop},
		{"size", "message size 52428800 exceeds size limit 10485760 of server HOST[192.0.2.1]", mta.CauseTooBig},
		{"exim", "H=HOST [192.0.2.1]: Connection timed out", mta.CauseConnectTimeout},
		{"exim reply", "host HOST [192.0.2.1]: SMTP error from remote mail server after RCPT TO:<USER@HOST>: 550 5.1.1 no", mta.CauseUnknownUser},
		{"sendmail", "Deferred: Connection refused by HOST.", mta.CauseConnectRefused},
		{"sendmail, names", "Deferred: Name server: HOST.: host name lookup failure", mta.CauseDNSFailure},
		{"helo", "504 5.5.2 <USER>: Helo command rejected: need fully-qualified hostname", mta.CauseAuthentication},
		{"local part alone", "550 5.1.1 <USER>: no", mta.CauseUnknownUser},
		{"our name in the reply", "421 4.3.2 HOST no", mta.CauseRemoteUnavailable},
		{"URL", "550 5.1.1 no, see http://HOST/USER/unavailable?id=USER@HOST", mta.CauseUnknownUser},
	}
	for _, tt := range templates {
		t.Run(tt.name, func(t *testing.T) {
			for _, host := range []string{"mx.example.net", "mx.timeout.test", "greylist.example.net", "full.example", "spam-blocked.example.org",
				"virus.spf.dkim.test", "user-unknown.mailbox-full.example", "MX.BLACKLIST.EXAMPLE"} {
				for _, user := range []string{"bob", "spam", "greylisted", "user.unknown", "blocked+virus", "dmarc"} {
					text := strings.NewReplacer("HOST", host, "USER", user).Replace(tt.text)
					if got := c.Cause(text, "", 0); got != tt.want {
						t.Errorf("Cause(%q) = %v, want %v", text, got, tt.want)
					}
				}
			}
		})
	}
}

// TestListNames: the name of a blocklist decides where the reply names it, and
// not where it is the host that was talked to.
func TestListNames(t *testing.T) {
	c := New()
	for _, tt := range []struct {
		name, text string
		want       mta.Cause
	}{
		{"in a URL", "host mx.example.net[192.0.2.1] said: 550 5.1.1 see https://www.spamhaus.org/sbl", mta.CauseBlocked},
		{"as a zone", "host mx.example.net[192.0.2.1] said: 550 5.1.1 no (b.barracudacentral.org)", mta.CauseBlocked},
		{"as the host that spoke", "host mx.spamhaus.org[192.0.2.1] said: 550 5.1.1 no", mta.CauseUnknownUser},
		{"as Exim's host", "H=mx.spamhaus.org [192.0.2.1]: Connection timed out", mta.CauseConnectTimeout},
		{"as the host connected to", "connect to mx.spamcop.net[192.0.2.1]:25: Connection refused", mta.CauseConnectRefused},
		{"as a recipient", "host mx.example.net[192.0.2.1] said: 550 5.1.1 <bob@spamhaus.org> no", mta.CauseUnknownUser},
		{"as a looked-up name", "Host or domain name not found. Name service error for name=spamcop.net type=MX: Host not found, try again", mta.CauseDNSFailure},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := c.Cause(tt.text, "", 0); got != tt.want {
				t.Errorf("Cause(%q) = %v, want %v", tt.text, got, tt.want)
			}
		})
	}
}

func TestParse(t *testing.T) {
	for _, tt := range []struct {
		name, reply string
		code        int
		dsn         string
	}{
		{"both", "550 5.1.1 no", 550, "5.1.1"},
		{"code only", "421 mx.example.net busy", 421, ""},
		{"continuation", "550-5.1.1 The account 550 5.1.1 is not there", 550, "5.1.1"},
		{"continuation without enhanced code", "554-example.net (mx001) not available 554 bye", 554, ""},
		{"said", "host mx.example.net[192.0.2.1] said: 451 4.7.1 later (in reply to RCPT TO command)", 451, "4.7.1"},
		{"refused to talk", "host mx.example.net[192.0.2.1] refused to talk to me: 421 4.7.0 no", 421, "4.7.0"},
		{"suspended", "delivery temporarily suspended: host mx.example.net[192.0.2.1] refused to talk to me: 421-4.7.0 no", 421, "4.7.0"},
		{"qmail", "550 sorry, no mailbox here by that name (#5.1.1)", 550, "5.1.1"},
		{"X.400", "#5.1.1 smtp;550 5.1.2 no", 550, "5.1.1"},
		{"X.400 in brackets", "<mx.example.net #5.7.1 smtp;550 no>", 550, "5.7.1"},
		{"diagnostic code", "smtp; 552 5.2.2 full", 552, "5.2.2"},
		{"IronPort", "550 #5.1.0 Address rejected.", 550, "5.1.0"},
		{"exim", "SMTP error from remote mail server after RCPT TO:<bob@example.com>: 550 5.1.1 no", 550, "5.1.1"},
		{"exim pipelined", "SMTP error from remote mail server after pipelined MAIL FROM:<a@example.com> SIZE=2048: 452 no", 452, ""},
		{"long detail", "550 5.7.606 Access denied", 550, "5.7.606"},
		{"sendmail", "Deferred: 450 4.2.0 later", 450, "4.2.0"},
		{"quoted", "Remote Server returned '550 5.1.1 RESOLVER.ADR.RecipNotFound'", 550, "5.1.1"},
		{"enhanced alone", "5.1.1 no", 0, "5.1.1"},
		{"an address is no code", "connect to mx.example.net[4.2.2.1]:25: Connection refused", 0, ""},
		{"a size is no code", "message size 550 exceeds size limit 450 of server mx.example.net[192.0.2.1]", 0, ""},
		{"a version is no code", "Ready 5.6.7.8 of 4.16.55.1", 0, ""},
		{"none", "Connection timed out", 0, ""},
		{"empty", "", 0, ""},
		{"four digits", "5500 x", 0, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if code, dsn := Parse(tt.reply); code != tt.code || dsn != tt.dsn {
				t.Errorf("Parse(%q) = %d, %q, want %d, %q", tt.reply, code, dsn, tt.code, tt.dsn)
			}
		})
	}
}

func TestNoAllocations(t *testing.T) {
	c := New()
	for _, r := range benchReplies {
		if n := testing.AllocsPerRun(100, func() { c.Cause(r.reply, r.dsn, 0) }); n != 0 {
			t.Errorf("%s: %v allocations, want 0", r.name, n)
		}
	}
}

// TestConcurrent uses one Classifier from parallel tests, for the race detector.
func TestConcurrent(t *testing.T) {
	c := New()
	for _, r := range benchReplies {
		t.Run(r.name, func(t *testing.T) {
			t.Parallel()
			if got := c.Cause(r.reply, r.dsn, 0); got == mta.CauseNone {
				t.Errorf("Cause(%q) = none", r.reply)
			}
		})
	}
}

func FuzzCause(f *testing.F) {
	for _, e := range allEntries() {
		f.Add(e.example, "", 0)
	}
	f.Add("550-5.1.1 <\xff@\xfe", "5.1.1", 550)
	f.Add("<<<<@>>>> [::1] #5.", "2.0.0", -1)
	c := New()
	f.Fuzz(func(t *testing.T, reply, dsn string, code int) {
		got := c.Cause(reply, dsn, code)
		if got >= mta.NumCauses {
			t.Errorf("Cause(%q, %q, %d) = %d", reply, dsn, code, got)
		}
		if again := c.Cause(reply, dsn, code); again != got {
			t.Errorf("Cause(%q, %q, %d) = %v, then %v", reply, dsn, code, got, again)
		}
		if got == mta.CauseNone && reply != "" && dsn == "" && code == 0 {
			if in, _ := Parse(reply); in == 0 || in >= 400 {
				if _, d := Parse(reply); !strings.HasPrefix(d, "2") {
					t.Errorf("Cause(%q) = none", reply)
				}
			}
		}
		if in, d := Parse(reply); in != 0 && (in < 200 || in > 599) || d != "" && !strings.Contains(reply, d) {
			t.Errorf("Parse(%q) = %d, %q", reply, in, d)
		}
	})
}
