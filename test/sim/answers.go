package sim

import (
	"strconv"
	"strings"

	"github.com/mtawatch/mtawatch/internal/mta"
)

// store is where local mail is delivered.
const store = "private/dovecot-lmtp"

// answer is what the log says of a fate.
type answer struct {
	dsn   string
	reply string
	local string // of the own mail store, where it differs
	away  bool   // there was no session
}

// answers are the texts by cause: those of Postfix itself, and replies as they are common.
var answers = [mta.NumCauses]answer{
	mta.CauseNone:              {dsn: "2.0.0", reply: "250 2.0.0 Ok: queued as %id", local: "250 2.0.0 <%to> %id Saved"},
	mta.CauseDNSFailure:        {dsn: "4.4.3", reply: "Host or domain name not found. Name service error for name=%domain type=MX: Host not found, try again", away: true},
	mta.CauseConnectTimeout:    {dsn: "4.4.1", reply: "connect to %host:25: Connection timed out", away: true},
	mta.CauseConnectRefused:    {dsn: "4.4.1", reply: "connect to %host:25: Connection refused", away: true},
	mta.CauseUnreachable:       {dsn: "4.4.1", reply: "connect to %host:25: Network is unreachable", away: true},
	mta.CauseRemoteUnavailable: {dsn: "4.3.0", reply: "host %host said: 451 4.3.0 Temporary system problem. Try again later (in reply to end of DATA command)"},
	mta.CauseRateLimited:       {dsn: "4.7.1", reply: "host %host said: 451 4.7.1 You are sending too fast, slow down (in reply to RCPT TO command)"},
	mta.CauseGreylisted:        {dsn: "4.2.0", reply: "host %host said: 450 4.2.0 <%to>: Recipient address rejected: Greylisted, please try again in 5 minutes (in reply to RCPT TO command)"},
	mta.CauseBlocked:           {dsn: "5.7.1", reply: "host %host said: 554 5.7.1 Service unavailable; Client host [192.0.2.1] blocked using bl.example.net (in reply to RCPT TO command)"},
	mta.CauseContent:           {dsn: "5.7.1", reply: "host %host said: 550 5.7.1 Message rejected: it looks like spam (in reply to end of DATA command)"},
	mta.CauseUnknownUser:       {dsn: "5.1.1", reply: "host %host said: 550 5.1.1 <%to>: Recipient address rejected: User unknown (in reply to RCPT TO command)"},
	mta.CauseMailboxFull:       {dsn: "4.2.2", reply: "host %host said: 452 4.2.2 <%to> Mailbox is full / Quota exceeded (in reply to RCPT TO command)"},
	mta.CauseLocalResource:     {dsn: "4.4.1", reply: "connect to %host: Connection refused", away: true},
	mta.CauseLoop:              {dsn: "5.4.6", reply: "host %host said: 554 5.4.6 Too many hops (in reply to end of DATA command)"},
}

// refusalTexts are what smtpd logs of a refusal, after "reject: ".
var refusalTexts = [numRefusals]string{
	refuseUser:   "RCPT from unknown[%ip]: 550 5.1.1 <%to>: Recipient address rejected: User unknown in local recipient table; from=<x@example.org> to=<%to> proto=ESMTP helo=<mail.example.org>",
	refuseListed: "RCPT from unknown[%ip]: 554 5.7.1 Service unavailable; Client host [%ip] blocked using bl.example.net; from=<x@example.org> to=<%to> proto=ESMTP helo=<mail.example.org>",
	refuseRelay:  "RCPT from unknown[%ip]: 554 5.7.1 <x@example.net>: Relay access denied; from=<x@example.org> to=<x@example.net> proto=ESMTP helo=<mail.example.org>",
	refuseName:   "RCPT from unknown[%ip]: 450 4.7.25 Client host rejected: cannot find your hostname, [%ip]; from=<x@example.org> to=<%to> proto=ESMTP helo=<mail.example.org>",
	refuseDisk:   "MAIL from unknown[%ip]: 452 4.3.1 Insufficient system storage; from=<x@example.org> proto=ESMTP helo=<mail.example.org>",
}

// text fills an answer in for one message.
func (a answer) text(x *destination, m *message) answer {
	host := "mx1." + x.name + "[" + x.ip() + "]"
	if x.local {
		host = "mx1.example.com[" + store + "]"
		if a.local != "" {
			a.reply = a.local
		}
	}
	a.reply = strings.NewReplacer("%to", m.to, "%domain", x.name, "%host", host, "%id", m.id).Replace(a.reply)
	return a
}

// ip is the address of the destination's mail exchanger.
func (x *destination) ip() string {
	sum := 0
	for _, c := range []byte(x.name) {
		sum = sum*31 + int(c)
	}
	return "203.0.113." + strconv.Itoa(1+(sum&0xffff)%250)
}
