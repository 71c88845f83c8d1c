package classify

// Mail filters and gateways: Proofpoint, Mimecast, Barracuda, Cisco IronPort,
// Symantec MessageLabs, Cloudmark, Sophos, SpamAssassin, Rspamd, Amavis,
// ClamAV, Trend Micro and others. The texts are as commonly seen in their
// replies.
var filterRules = []entry{
	// Proofpoint.
	{blocked, "/ipcheck proofpoint", "550 5.7.0 Local Policy Violation - see https://ipcheck.proofpoint.com/?ip=192.0.2.1"},
	{blocked, "/support proofpoint com dnsbllookup", "550 5.7.0 Refused - see https://support.proofpoint.com/dnsbl-lookup.cgi?ip=192.0.2.1"},
	{blocked, "_pdr0001", "554 Blocked - see the notes (PDR0001)"},
	{rateLimited, "too many sessions opened", "421 too many sessions opened"},
	{rateLimited, "server limit on concurrent sessions", "421 4.3.2 server limit on concurrent sessions reached"},
	{blocked, "sender rejected by recipient", "550 5.7.1 Sender rejected by recipient policy"},

	// Mimecast. Its "internal resources" text is its greylisting.
	{greylisted, "internal resources are temporarily unavailable", "451 Internal resources are temporarily unavailable - https://community.mimecast.com/docs/DOC-1369#451 [x.uk1]"},
	{greylisted, "internal resource is temporarily unavailable", "451 Internal resource is temporarily unavailable [x.us32]"},
	{greylisted, "internal resource temporarily unavailable", "451 Internal resource temporarily unavailable"},
	{blocked, "poor reputation sender", "550 csi.mimecast.org Poor Reputation Sender. - https://community.mimecast.com/docs/DOC-1369#550 [x.uk1]"},
	{blocked, "local ct ip reputation", "550 Local CT IP Reputation - (reject)"},
	{blocked, "rejected by headerbased ! antispoofing", "550 Rejected by header-based Blocked Senders - block policy for Header From"},
	{blocked, "rejected by header based ! antispoofing", "550 Rejected by header based Manually Blocked Senders"},
	{blocked, "administrative prohibition envelope blocked", "550 Administrative prohibition envelope blocked"},
	{blocked, "envelope blocked", "550 Envelope blocked - User Entry"},
	{authentication, "sender invalid envelope rejected", "550 SPF Sender Invalid - envelope rejected"},
	{blocked, "envelope rejected", "550 Envelope rejected - block policy for envelope from address"},
	{authentication, "antispoofing policy", "550 Rejected by header-based Anti-Spoofing policy: alice@example.net"},
	{mailboxDisabled, "account inbounds disabled", "451 Account inbounds disabled"},
	{relayDenied, "account outbounds disabled", "451 Account outbounds disabled"},
	{rateLimited, "account service is temporarily unavailable", "451 Account service is temporarily unavailable"},
	{rateLimited, "exceeding outbound thread limit", "550 Exceeding outbound thread limit"},
	{blocked, "ip temporarily blacklisted", "451 IP temporarily blacklisted"},
	{blocked, "sender address blocked", "421 Sender address blocked"},
	{mailboxBusy, "recipient temporarily unavailable", "451 Recipient temporarily unavailable"},
	{remoteUnavailable, "unable to process connection at this time", "421 Unable to process connection at this time"},
	{remoteUnavailable, "unable to process an email at this time", "451 Unable to process an email at this time"},
	{relayDenied, "open relay not allowed", "451 Open relay not allowed"},
	{content, "content examination policy", "550 Message bounced due to Content Examination Policy"},
	{blocked, "host network not allowed", "554 Host network not allowed"},
	{content, "email rejected due to security policies", "554 Email rejected due to security policies"},
	{tlsFailure, "this route requires", "553 This route requires encryption (TLS)"},
	{tooBig, "maximum email size exceeded", "554 Maximum email size exceeded"},

	// Barracuda.
	{blocked, "barracuda reputation", "554 Service unavailable; Client host [mx.example.net] refused using Barracuda Reputation"},
	{blocked, "/barracudacentral", "550 see http://www.barracudacentral.org/reputation?pr=1&ip=192.0.2.1"},
	{blocked, "/barracudanetworks com reputation", "554 refused. http://www.barracudanetworks.com/reputation/?pr=1&ip=192.0.2.1"},
	{blocked, "permanent failure for one or more recipients & _blocked_", "550 permanent failure for one or more recipients (bob@example.com:blocked)"},
	{mailboxFull, "permanent failure for one or more recipients & quota", "550 permanent failure for one or more recipients (bob@example.com:550 over quota)"},
	{unknownUser, "permanent failure for one or more recipients", "550 permanent failure for one or more recipients (bob@example.com:550 5.1.1 ...)"},
	{content, "message rejected due to content restrictions", "554 Message rejected due to content restrictions"},
	{rateLimited, "rate limited & barracuda", "421 Rate limited by Barracuda"},

	// Cisco IronPort.
	{blocked, "sending mtas poor reputation", "554-mx1.example.com 554 Your access to this mail system has been rejected due to the sending MTA's poor reputation. If you believe that this failure is in error, please contact the intended recipient via alternate means."},
	{rateLimited, "too many connections from your host", "421 #4.4.5 Too many connections from your host."},
	{rateLimited, "too many connections to this host", "421 #4.4.5 Too many connections to this host."},
	{rateLimited, "too many recipients received this hour", "452 #4.x.2 Too many recipients received this hour"},
	{rateLimited, "too many recipients received from the sender", "452 4.3.0 Too many recipients received from the sender"},
	{blocked, "sender reputation", "550 5.7.1 rejected by sender reputation service"},

	// Symantec MessageLabs, Broadcom.
	{blocked, "connection rejected by policy", "501 Connection rejected by policy [7.7] 20806, please visit www.example.com/support for more details about this error message."},
	{greylisted, "please try again later & /messagelabs", "450 Requested action aborted [7.2] 30415, please try again later, visit www.messagelabs.com/support"},
	{unknownUser, "invalid recipient & /messagelabs", "550 Invalid recipient bob@example.com www.messagelabs.com/support"},
	{blocked, "requested action aborted & please visit", "501 Requested action aborted [7.7], please visit the support page"},
	{blocked, "requested action not taken & bad reputation", "554 Requested action not taken, bad reputation"},

	// Cloudmark, Rackspace.
	{blocked, "client host rejected abuse", "550 5.7.1 Client host rejected: Abuse. See http://csi.example.net/reset-request/?ip=192.0.2.1"},
	{blocked, "/csi cloudmark", "554 5.7.1 See http://csi.cloudmark.com/reset-request/?ip=192.0.2.1"},
	{blocked, "cloudmark sender intelligence", "554 Connection refused. Rating of Cloudmark Sender Intelligence (CSI). IB103"},
	{content, "_cmae", "550 5.7.1 Message refused. CMAE_Analysis v=2.4"},
	{content, "_amxr", "552 5.2.0 abc123 Message refused (AMXR)"},

	// Others.
	{content, "content filter rejection", "554 5.7.0 Content filter rejection"},
	{blocked, "messagesniffer", "550 5.7.1 refused by MessageSniffer"},
	{content, "sophos & spam", "550 5.7.1 Sophos: message is spam"},
	{blocked, "trend micro & reputation", "550 5.7.1 Refused: Trend Micro Email Reputation Service"},
	{blocked, "/mailabuse com", "550 Service unavailable; see http://www.mail-abuse.com/cgi-bin/lookup?ip=192.0.2.1"},
	{blocked, "/ers trendmicro", "550 5.7.1 Mail from 192.0.2.1 refused, see http://ers.trendmicro.com/"},
	{content, "symantec & virus", "554 5.7.1 Symantec: virus found"},
	{content, "blocked by spamassassin", "550 5.7.1 Blocked by SpamAssassin"},
	{content, "gtube", "554 5.7.1 Gtube pattern"},
	{content, "reject & id & spam", "554 5.7.0 Reject, id=12345-01 - spam"},
	{content, "reject & id & infected", "554 5.7.0 Reject, id=12345-01 - INFECTED: Eicar-Signature"},
	{content, "banned contents", "554 5.7.0 Reject, id=12345-01 - BANNED contents: .exe"},
	{content, "reject & _banned_", "554 5.7.0 Reject, id=12345-01 - BANNED: .exe,name.exe"},
	{localResource, "clamd & unavailable ! said", "451 4.7.1 clamd unavailable"},
	{blocked, "rejected by enduser", "550 5.7.1 Rejected by end-user policy"},
	{blocked, "mail rejected by windows live", "550 SC-009 Mail rejected by Windows Live Hotmail for policy reasons."},
}
