package mta

import "time"

// Event is what one log line tells, in our words. Which fields are filled
// depends on Kind; a field that the line does not give keeps its zero value,
// which never means "measured as zero".
//
// The strings are sub-strings of the log line. Keep one beyond the batch that
// it came in only through strings.Clone, else the whole batch stays in memory.
type Event struct {
	Time     time.Time // as exact as the log gives
	Instance string    // the MTA instance (for syslog: the name before the first slash)
	Program  string    // which of the MTA's programs: "smtp", "qmgr"
	Service  string    // the service that the program runs as, where the line names it: "submission"; not in the JSON
	PID      int32
	Kind     Kind
	Status   Status
	Cause    Cause // set by classify, never by a parser
	Stage    Stage
	Severity Severity
	Action   Action

	QueueID string
	// Queue, of received and queued: which of the server's queues (channels)
	// took the message, where it has one for each; Program handed it in. Of
	// other kinds the message is in the queue that Program names. Not in the JSON.
	Queue      string
	RefID      string // notification: the queue id of the notification itself
	MessageID  string // without angle brackets
	From       string // envelope sender; "" with NullSender for <>
	NullSender bool
	To         string // envelope recipient
	OrigTo     string // the recipient before aliasing, when it differs
	Client     Peer   // inbound peer
	Relay      Peer   // outbound peer

	DSN   string // enhanced status code, RFC 3463
	Code  int16  // SMTP reply code; 0 when there is none
	Reply string // the text as logged

	Delay     time.Duration    // since the message arrived
	Delays    [4]time.Duration // in the MTA's own order; the adapter's doc.go says what each means
	NumDelays uint8            // how many of Delays the line gives
	HasDelay  bool             // Delay was given

	Size       int64 // bytes
	Recipients int32
	// PerRecipient, of received, queued and removed: the log has such a line for each
	// recipient and none for the message's end, which is that of its last
	// recipient. Queued under an id that is not known is mail that was counted
	// before and moves on: from a channel that only works on it. Not in the JSON.
	PerRecipient bool
	Reason       string // disconnect: quit, lost, timeout, dropped; removed, held, notification: why
	Command      string // disconnect: the word as logged that Stage stands for, "STARTTLS"; not in the JSON

	SASLMethod string
	SASLUser   string
	TLS        TLS

	Daemon Role   // daemon events: what the daemon does for the server
	Text   string // warning, daemon and statistics events
}

// Peer is the other end of a connection.
type Peer struct {
	Name string // host name; "" when unknown
	IP   string // as logged, without brackets or an IPv6: prefix
	Port uint16
	HELO string
	Path string // unix socket, pipe or transport name instead of an address
}

// IsZero reports whether nothing is known of the peer.
func (p Peer) IsZero() bool { return p == Peer{} }

// TLS is the summary of one TLS session.
type TLS struct {
	Version   string // "TLSv1.3"
	Cipher    string
	Bits      int16
	Trust     string // "Anonymous", "Untrusted", "Trusted", "Verified"
	Direction string // "from" (inbound) or "to" (outbound)

	// Not in the JSON.
	AlgorithmBits int16 // what the cipher could use; Bits is what it does use
	Reused        bool  // an established session was used again
}

// IsZero reports whether there was no TLS summary.
func (t TLS) IsZero() bool { return t == TLS{} }

// Extend lengthens dst by one zero Event and gives a pointer to it, so that a
// parser fills the event in place instead of copying it.
func Extend(dst []Event) ([]Event, *Event) {
	if len(dst) < cap(dst) {
		dst = dst[:len(dst)+1]
		e := &dst[len(dst)-1]
		*e = Event{}
		return dst, e
	}
	dst = append(dst, Event{})
	return dst, &dst[len(dst)-1]
}
