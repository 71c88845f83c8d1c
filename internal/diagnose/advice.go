package diagnose

import "github.com/mtawatch/mtawatch/internal/mta"

// What a postmaster can do about failing deliveries. Where the software is
// not known the words hold for any mail server.

// noFlush is said where one would be tempted.
const noFlush = "do not flush the deferred queue: every message would be tried at once, fail again and wait longer; retries come by themselves"

// noRetryAll is the same for a server whose job controller keeps the times of retries.
const noRetryAll = "do not restart the Job Controller to have the mail tried at once: it reads the whole queue anew and every destination is hit again; " +
	"retries come by themselves"

// noFlushUnrun is said of a queue that nobody runs.
const noFlushUnrun = "do not flush the queue: it delivers nothing while nobody runs it, and hits every destination at once afterwards"

// advise says what to do about one destination.
func advise(mtaName string, f *failing, m *mta.Finding) {
	dest := typed(f.dest.Name, "DOMAIN")
	if f.dest.Name == otherDestinations {
		dest = "DOMAIN"
	}
	m.Advice = append(m.Advice, "see all its failures and replies: `mtawatch failures`, and what waits: `mtawatch queue`")
	m.Avoid = append(m.Avoid, noFlush)
	switch m.Code {
	case mta.FindingDestinationTimingOut:
		adviseTimeout(f.cause, dest, m)
	case mta.FindingDestinationRefusing:
		adviseRefusal(f.cause, dest, m)
	case mta.FindingProviderThrottling:
		adviseThrottling(mtaName, dest, m)
	case mta.FindingBlocklisted:
		adviseBlocked(m)
	case mta.FindingBounceSurge:
		m.Advice = append(m.Advice, "find out whose mail bounces: `mtawatch failures`; a mailing list with old addresses must be cleaned by its owner",
			"if the addresses are good, tell the postmaster of "+dest+": its directory of users may be broken")
		m.Avoid = append(m.Avoid, "do not send to the same addresses again before it is clear why they bounce: many unknown recipients earn a bad reputation")
		return
	}
	if later := retryOne(mtaName, dest); later != "" {
		m.Advice = append(m.Advice, later)
	}
}

// retryOne says how to try one destination's mail again once it is well.
func retryOne(mtaName, dest string) string {
	switch mtaName {
	case "postfix":
		return "when it is well again, and only then, try its mail alone: `postqueue -s " + dest + "`"
	case "exim":
		return "when it is well again, and only then, try its mail alone: `exim -Rff " + dest + "`"
	case "sendmail":
		return "when it is well again, and only then, try its mail alone: `sendmail -qR" + dest + "`"
	case "opensmtpd":
		return "when it is well again, and only then, let its route be tried: `smtpctl show routes`, `smtpctl resume route ID`"
	}
	return ""
}

func adviseTimeout(cause mta.Cause, dest string, m *mta.Finding) {
	if cause == mta.CauseDNSFailure {
		m.Advice = append(m.Advice, "ask for its names as the mail server does: `dig MX "+dest+"`; then past your resolver: `dig +trace MX "+dest+"`, `dig @1.1.1.1 MX "+dest+"`",
			"if only your resolver fails, empty its cache of that name (`unbound-control flush_zone "+dest+"`, `rndc flushname "+dest+"`)")
		return
	}
	m.Advice = append(m.Advice, "find its mail exchangers and try one from this host: `dig +short MX "+dest+"`, then `nc -vz -w 10 HOST 25`",
		"try from another network: if it answers there, look for a firewall or route between (`mtr -T -P 25 HOST`); else it is down, and mail waits until it is back")
	switch cause {
	case mta.CauseReplyTimeout, mta.CauseConnectionLost:
		m.Advice = append(m.Advice, "the connection is made and then stalls: suspect a packet size (MTU) or a firewall that changes SMTP; watch one session: `tcpdump -ni any port 25 and host HOST`")
	case mta.CauseUnreachable:
		m.Advice = append(m.Advice, "see the route: `ip route get ADDRESS`; if only IPv6 addresses are unreachable, this host has no working IPv6")
	}
}

func adviseRefusal(cause mta.Cause, dest string, m *mta.Finding) {
	switch cause {
	case mta.CauseConnectRefused:
		m.Advice = append(m.Advice, "try its port: `dig +short MX "+dest+"`, then `nc -vz HOST 25`; refused means that no mail server listens there or a firewall rejects us")
	case mta.CauseTLSFailure:
		m.Advice = append(m.Advice, "try the handshake: `openssl s_client -starttls smtp -connect HOST:25 -servername HOST`; compare with your TLS policy for "+dest+" (DANE, MTA-STS, a policy map)",
			"see that the clock is right (`timedatectl`) and the CA certificates are fresh")
	case mta.CauseAuthentication:
		m.Advice = append(m.Advice, "check who you say you are: `dig +short TXT YOURDOMAIN` (SPF), `dig +short TXT _dmarc.YOURDOMAIN`, `dig -x YOUR_ADDRESS` (PTR) and that the HELO name resolves to it; see that mail is DKIM-signed")
	case mta.CauseRelayDenied:
		m.Advice = append(m.Advice, "see where the mail goes: an old MX, transport or relay entry for "+dest+", or a smarthost whose login is no longer taken")
	case mta.CauseContent:
		m.Advice = append(m.Advice, "look at one of the refused messages and at who sends it; a compromised account or a bad template is the usual reason")
	case mta.CauseNoSuchDomain:
		m.Advice = append(m.Advice, "ask for the domain: `dig MX "+dest+"`, `whois "+dest+"`: it may have expired; mail to it is returned to its senders")
	case mta.CauseMailboxFull, mta.CauseMailboxBusy, mta.CauseMailboxDisabled:
		m.Advice = append(m.Advice, "see whose mailboxes they are; a few people's are theirs to empty, those of a whole domain are for postmaster@"+dest+", from another network",
			"tell the senders if it lasts: what is still refused when its time in the queue ends is returned to them")
	default:
		m.Advice = append(m.Advice, "read the reply: it names the reason, often with a page of the provider; then write to postmaster@"+dest+" from another network")
	}
}

func adviseThrottling(mtaName, dest string, m *mta.Finding) {
	m.Advice = append(m.Advice, "find out who sends so much there: `mtawatch failures`, `mtawatch queue`; newsletters should go slowly and by their own address")
	if mtaName == "postfix" {
		m.Advice = append(m.Advice, "send more slowly there: a transport of its own in master.cf with `-o slow_destination_concurrency_limit=2`, `slow_destination_rate_delay = 1s`, and `"+dest+" slow:` in transport_maps (`postmap`, `postfix reload`)")
	} else {
		m.Advice = append(m.Advice, "send more slowly there: fewer connections at a time and a pause between messages for this destination")
	}
	m.Advice = append(m.Advice, "see your standing with the provider (its postmaster pages), and that SPF, DKIM and DMARC are right")
	m.Avoid = append(m.Avoid, "do not raise the number of connections: it makes the provider slow you further")
}

func adviseBlocked(m *mta.Finding) {
	m.Advice = append(m.Advice, "read the reply: it names the list or the provider's form for removal",
		"find out why before you ask for removal: who sends more than usual (`mtawatch status`), mail that is not yours in the queue (`mtawatch queue`), forwarding of spam",
		"look the sending address up: `dig +short D.C.B.A.zen.spamhaus.org` for A.B.C.D, from a resolver of your own",
		"when the reason is gone, ask for removal; it takes hours, and mail that is only deferred waits for it")
	m.Avoid = append(m.Avoid, "do not change the sending address to get around the block: the new one is blocked too, and looks like a spammer's")
}
