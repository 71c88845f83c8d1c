package classify

// Sun Java System and Oracle Communications Messaging Server, PMDF. The
// texts are as commonly seen in logs and returned mail.
var imtaRules = []entry{
	// Looking up where mail goes.
	{dnsFailure, "tcp active open & gethostbyname & try again", "TCP active open: Failed gethostbyname() on mx1.example.net, host not found, try again"},
	{noSuchDomain, "tcp active open & gethostbyname & no such domain", "TCP active open: Failed gethostbyname() on mx1.example.net, no such domain (NXDOMAIN)"},
	{noSuchDomain, "tcp active open & gethostbyname & not found", "TCP active open: Failed gethostbyname() on mx1.example.net, host/domain not found: no address"},
	{noSuchDomain, "tcp active open & gethostbyname & illegal host domain name", "TCP active open: Failed gethostbyname() on mx1.example.net, illegal host/domain name found"},
	{noSuchDomain, "tcp active open & gethostbyname & does not accept mail", "TCP active open: Failed gethostbyname() on example.net, domain does not accept mail (null MX)"},
	{dnsFailure, "tcp active open & gethostbyname", "TCP active open: Failed gethostbyname() on mx1.example.net, errno = 2"},
	{noSuchDomain, "no mx or a records", "No MX or A records found for example.net"},

	// Connections, and what the operating system said.
	{localResource, "tcp active open & too many open files", "TCP active open: Failed socket()    Error: too many open files"},
	{connectTimeout, "tcp active open & timeout", "TCP active open: Failed connect()    Error: timeout"},
	{connectTimeout, "tcp active open & timed out", "TCP active open: Failed connect() 192.0.2.7:25 Error: Connection timed out"},
	{connectRefused, "tcp active open & refused", "TCP active open: Failed connect()    Error: connection refused"},
	{unreachable, "tcp active open & no route", "TCP active open: Failed connect()    Error: no route to host"},
	{unreachable, "tcp active open & unreachable", "TCP active open: Failed connect()    Error: network is unreachable"},
	{unreachable, "tcp active open", "TCP active open: Failed connect()    Error: 5"},
	{noSuchDomain, "illegal host domain name found", "Illegal host/domain name found"},
	{dnsFailure, "temporary error returned by name server", "Temporary error returned by name server: retry"},
	{replyTimeout, "error reading smtp packet & timed out", "Error reading SMTP packet; timed out while waiting for the greeting"},
	{replyTimeout, "error reading smtp packet & timeout", "Error reading SMTP packet; timeout"},
	{connectionLost, "error reading smtp packet", "Error reading SMTP packet; response to dot-stuffed message expected"},
	{connectionLost, "error writing smtp packet", "Error writing SMTP packet"},
	{connectTimeout, "os smtp open & timed out", "Fatal error from smtp_open: os_smtp_open: connection timed out"},
	{connectRefused, "os smtp open & refused", "os_smtp_open: error 4; connection refused"},
	{unreachable, "os smtp open", "Fatal error from smtp_open: os_smtp_open failed"},
	{replyTimeout, "os smtp read & timed out", "os_smtp_read: timed out"},
	{replyTimeout, "os smtp read & timeout", "os_smtp_read: timeout"},
	{connectionLost, "os smtp read", "os_smtp_read: error 104"},
	{connectionLost, "os smtp write", "os_smtp_write: error 32"},
	{replyTimeout, "smtp routine failure from smtpc", "smtp routine failure from SMTPC_OPEN: timeout"},
	{connectionLost, "remote lost connection", "Remote lost connection"},
	{mailboxBusy, "mailbox is busy", "Mailbox is busy"},
	{mailboxFull, "user is over quota temporary", "452 4.2.2 user is over quota, temporary"},
	{unknownUser, "unknown or illegal alias", "550 5.1.1 unknown or illegal alias: bob@example.com"},
	{relayDenied, "relaying not allowed", "550 5.7.1 Relaying not allowed: bob@example.org"},
	{mailboxDisabled, "user inactive", "550 5.2.1 User inactive"},
	{noSuchDomain, "invalid no such domain", "550 5.1.2 invalid/no such domain: example.org"},
	{localResource, "message store & temporarily unavailable", "Message store is temporarily unavailable"},
	{mailboxFull, "over disk quota", "5.2.2 Over disk quota"},
	{loop, "too many received lines", "5.4.6 too many Received: lines, held"},
	{content, "message refused by conversion channel", "message refused by conversion channel"},
	{localResource, "channel stopped", "channel stopped, held"},
	{localResource, "mailbox cannot be written", "Mailbox cannot be written: read-only file system"},
	{localResource, "mailbox cannot be read", "Mailbox cannot be read: permission denied"},
	{mailboxFull, "mailbox is over quota", "Mailbox is over quota"},

	// What waited too long.
	{expired, "undeliverable for & days", "Your message has been enqueued and undeliverable for 7 days"},
}
