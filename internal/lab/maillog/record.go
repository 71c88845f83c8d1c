package maillog

import (
	"strconv"
	"time"

	"github.com/mtawatch/mtawatch/internal/lab/site"
)

// Record is one entry of the log: of a message, or of a connection when Dest
// is "+" (to us) or "-" (by us). What an option leaves out of the log is not
// written, whether it is set or not.
type Record struct {
	Time    time.Time // zero: now
	Node    string
	Process string // of Process
	Source  string // channel
	Dest    string // channel; "" in D, Q, R, J, K, W, Z, V and B records
	Code    string // action and modifiers: "E", "EE", "DS"
	Blocks  int    // of Blocks

	From   string
	NoFrom bool   // the sender is empty: a notification
	OrigTo string // as the sender wrote it, without "rfc822;"
	To     string // as it is now: "user@ims-ms-daemon"; in B records the bad command

	Notary     string // NOTIFY flags of the recipient
	File       string // of the queue
	EnvelopeID string
	MessageID  string // with its brackets; two, joined by a comma, as a notification is made
	User       string // "*" before a name that has logged in
	System     string // where it came from: "helo (name [address])"
	Reason     string
	Diagnostic string // for R, Q, D what the other side said; for J, B our answer

	Transport   string // of Transport
	Application string // "SMTP", "SMTP/wanted/actual"
	QueueTime   time.Duration
}

// Connection says whether it is a record of a connection.
func (r *Record) Connection() bool { return r.Dest == "+" || r.Dest == "-" }

// Process is what the column of LOG_PROCESS holds: the process, the thread
// (session, worker) in it, and the number of the transaction there.
func Process(pid, thread, sequence int) string {
	b := make([]byte, 0, 24)
	b = append(strconv.AppendUint(b, uint64(pid), 16), '.')
	b = append(strconv.AppendUint(b, uint64(thread), 16), '.')
	return string(strconv.AppendInt(b, int64(sequence), 10))
}

// Transport tells of a TCP connection: the local end, then the remote one.
func Transport(localIP string, localPort int, remoteIP string, remotePort int) string {
	return "TCP|" + localIP + "|" + strconv.Itoa(localPort) + "|" + remoteIP + "|" + strconv.Itoa(remotePort)
}

// Blocks is a size in blocks of 1024 bytes, rounded up.
func Blocks(bytes int64) int { return int((bytes + 1023) / 1024) }

// wanted says whether the options want the record at all.
func wanted(o *site.Options, r *Record) bool {
	if !r.Connection() {
		return true
	}
	if len(r.Code) > 0 && r.Code[0] == 'U' {
		return o.LogConnection&site.LogAuth != 0
	}
	return o.LogConnection&site.LogConnections != 0
}

// appendRecord appends the line of a record, with its end.
func appendRecord(b []byte, o *site.Options, r *Record) []byte {
	switch {
	case o.LogFormat == 4:
		b = appendXML(b, o, r)
	case r.Connection():
		b = appendConnection(b, o, r)
	default:
		b = appendMessage(b, o, r)
	}
	return append(b, '\n')
}

// appendHead appends the columns that all records begin with.
func appendHead(b []byte, o *site.Options, r *Record) []byte {
	b = appendTime(b, r.Time)
	b = append(b, ' ')
	if o.LogNode {
		b = appendWord(b, r.Node) // without a name: one blank more
		b = append(b, ' ')
	}
	if o.LogProcess && r.Process != "" {
		b = appendWord(b, r.Process)
		b = append(b, ' ')
	}
	b = appendColumn(b, r.Source)
	b = appendColumn(b, r.Dest)
	return appendWord(b, r.Code)
}

func appendMessage(b []byte, o *site.Options, r *Record) []byte {
	b = appendHead(b, o, r)
	b = append(b, ' ')
	b = strconv.AppendInt(b, int64(r.Blocks), 10)
	b = append(b, ' ')
	if !r.NoFrom {
		b = appendWord(b, r.From) // a notification's is an extra blank
	}
	b = append(b, " rfc822;"...)
	b = appendWord(b, r.OrigTo)
	b = append(b, ' ')
	if r.Code != "" && r.Code[0] == 'B' {
		b = appendText(b, r.To)
	} else {
		b = appendWord(b, r.To)
	}
	b = option(b, o.LogNotary, r.Notary, appendWord)
	b = option(b, o.LogFilename, r.File, appendWord)
	b = option(b, o.LogEnvelopeID, r.EnvelopeID, appendWord)
	b = option(b, o.LogMessageID, r.MessageID, appendWord)
	b = option(b, o.LogUsername, r.User, appendWord)
	b = option(b, o.LogConnection&site.LogSource != 0, r.System, appendText)
	b = option(b, o.LogReason, r.Reason, appendText)
	b = option(b, true, r.Diagnostic, appendText)
	b = option(b, o.LogConnection&site.LogTransport != 0, r.Transport, appendWord)
	return option(b, o.LogConnection&site.LogApplication != 0, r.Application, appendWord)
}

func appendConnection(b []byte, o *site.Options, r *Record) []byte {
	b = appendHead(b, o, r)
	b = option(b, true, r.Transport, appendWord)
	b = option(b, true, r.Application, appendText)
	b = option(b, o.LogUsername, r.User, appendWord)
	return option(b, true, r.Diagnostic, appendText)
}

func option(b []byte, on bool, value string, add func([]byte, string) []byte) []byte {
	if !on || value == "" {
		return b
	}
	return add(append(b, ' '), value)
}

// appendTime writes "28-Feb-2026 11:50:59.10", the local time.
func appendTime(b []byte, t time.Time) []byte {
	return t.Local().AppendFormat(b, "02-Jan-2006 15:04:05.00")
}

// appendColumn writes a channel, twelve wide, and a blank.
func appendColumn(b []byte, name string) []byte {
	start := len(b)
	b = appendWord(b, name)
	for len(b)-start < 12 {
		b = append(b, ' ')
	}
	return append(b, ' ')
}

// appendWord writes a value that must stay one word: what is written by a
// client can neither end the line nor shift its columns.
func appendWord(b []byte, s string) []byte {
	for i := range len(s) {
		switch c := s[i]; {
		case c == ' ':
			b = append(b, '_')
		case c < ' ' || c == 0x7f:
			b = append(b, '?')
		default:
			b = append(b, c)
		}
	}
	return b
}

// appendText writes a value that may have blanks.
func appendText(b []byte, s string) []byte {
	for i := range len(s) {
		c := s[i]
		if c < ' ' || c == 0x7f {
			c = '?'
			if s[i] == '\t' || s[i] == '\n' {
				c = ' '
			}
		}
		b = append(b, c)
	}
	return b
}

// appendXML writes format 4: one element without content, its attributes in
// the order of the text format. It has more fields by default than format 1.
func appendXML(b []byte, o *site.Options, r *Record) []byte {
	element := "<en ts=\""
	if r.Connection() {
		element = "<co ts=\""
	}
	b = append(b, element...)
	b = r.Time.Local().AppendFormat(b, "2006-01-02T15:04:05.00")
	b = append(b, '"')
	if o.LogNode {
		b = attribute(b, "no", r.Node)
	}
	b = attribute(b, "pi", r.Process)
	b = attribute(b, "sc", r.Source)
	if r.Connection() {
		b = attribute(b, "dr", r.Dest)
		b = attribute(b, "ac", r.Code)
		b = attribute(b, "tr", r.Transport)
		b = attribute(b, "ap", r.Application)
		b = attribute(b, "us", r.User)
		b = attribute(b, "di", r.Diagnostic)
		return append(b, "/>"...)
	}
	b = attribute(b, "dc", r.Dest)
	b = attribute(b, "ac", r.Code)
	b = attribute(b, "sz", strconv.Itoa(r.Blocks))
	if !r.NoFrom && r.From != "" {
		b = attribute(b, "so", r.From)
	}
	b = attribute(b, "od", "rfc822;"+r.OrigTo)
	b = attribute(b, "de", r.To)
	b = attribute(b, "rf", r.Notary)
	b = attribute(b, "fi", r.File)
	if o.LogEnvelopeID {
		b = attribute(b, "ei", r.EnvelopeID)
	}
	b = attribute(b, "mi", r.MessageID)
	b = attribute(b, "us", r.User)
	if o.LogConnection&site.LogSource != 0 {
		b = attribute(b, "ss", r.System)
	}
	b = attribute(b, "re", r.Reason)
	b = attribute(b, "di", r.Diagnostic)
	if o.LogConnection&site.LogTransport != 0 {
		b = attribute(b, "tr", r.Transport)
	}
	if o.LogConnection&site.LogApplication != 0 {
		b = attribute(b, "ap", r.Application)
	}
	if r.QueueTime > 0 {
		b = attribute(b, "qt", strconv.FormatFloat(r.QueueTime.Seconds(), 'f', 2, 64))
	}
	return append(b, "/>"...)
}

// attribute writes one that is not empty. Bytes that XML has no place for
// become question marks.
func attribute(b []byte, name, value string) []byte {
	if value == "" {
		return b
	}
	b = append(b, ' ')
	b = append(b, name...)
	b = append(b, '=', '"')
	for _, c := range value { // a byte that is no UTF-8 comes as U+FFFD
		switch {
		case c == '&':
			b = append(b, "&amp;"...)
		case c == '<':
			b = append(b, "&lt;"...)
		case c == '>':
			b = append(b, "&gt;"...)
		case c == '"':
			b = append(b, "&quot;"...)
		case c == '\'':
			b = append(b, "&apos;"...)
		case c == '\t' || c == '\n':
			b = append(b, ' ')
		case c < ' ' || c == 0x7f || c == 0xfffe || c == 0xffff:
			b = append(b, '?')
		default:
			b = append(b, string(c)...)
		}
	}
	return append(b, '"')
}
