package netstat

import "github.com/mtawatch/mtawatch/internal/mta"

// stateOf maps the name of a TCP state to ours, as the tools of all systems
// write it: RFC 9293 words with '_' or '-', the short forms of ss (misc/ss.c
// of iproute2), SYN_RCVD of the BSDs and HP-UX, SYN_RECEIVED of Solaris and
// Windows, LISTENING of Windows. A socket that is bound or idle and nothing
// more (Solaris IDLE, BOUND) is closed. Zero: no such state.
func stateOf(s string) mta.TCPState {
	switch s {
	case "ESTAB", "ESTABLISHED":
		return mta.TCPEstablished
	case "SYN-SENT", "SYN_SENT":
		return mta.TCPSynSent
	case "SYN-RECV", "SYN_RECV", "SYN_RCVD", "SYN_RECEIVED", "SYN_RECD", "NEW-SYN-RECV", "NEW_SYN_RECV":
		return mta.TCPSynRecv
	case "FIN-WAIT-1", "FIN_WAIT1", "FIN_WAIT_1":
		return mta.TCPFinWait1
	case "FIN-WAIT-2", "FIN_WAIT2", "FIN_WAIT_2":
		return mta.TCPFinWait2
	case "TIME-WAIT", "TIME_WAIT":
		return mta.TCPTimeWait
	case "UNCONN", "CLOSE", "CLOSED", "IDLE", "BOUND":
		return mta.TCPClose
	case "CLOSE-WAIT", "CLOSE_WAIT":
		return mta.TCPCloseWait
	case "LAST-ACK", "LAST_ACK":
		return mta.TCPLastAck
	case "LISTEN", "LISTENING":
		return mta.TCPListen
	case "CLOSING":
		return mta.TCPClosing
	}
	return 0
}

// portNamed gives the port that a service name stands for: those that an MTA
// listens on, and the common neighbours that a listing made without -n shows.
// The names are those of the IANA registry and of the usual /etc/services.
// Zero: not known here.
func portNamed(s string) uint16 {
	switch s {
	case "smtp", "mail":
		return 25
	case "submission", "msa":
		return 587
	case "smtps", "submissions", "urd", "ssmtp":
		return 465
	case "lmtp":
		return 24
	case "ssh":
		return 22
	case "domain":
		return 53
	case "http", "www":
		return 80
	case "pop3", "pop-3":
		return 110
	case "sunrpc":
		return 111
	case "imap", "imap2", "imap4":
		return 143
	case "https":
		return 443
	case "imaps":
		return 993
	case "pop3s":
		return 995
	case "mysql":
		return 3306
	case "postgresql", "postgres":
		return 5432
	}
	return 0
}
