package imta

import (
	"strings"
	"time"

	"github.com/mtawatch/mtawatch/internal/adapter"
	"github.com/mtawatch/mtawatch/internal/mta"
)

// blockSize is BLOCK_SIZE where a site does not set it: the unit of sizes.
const blockSize = 1024

// event appends what the record means. tag is the program of a syslog header,
// "" in a file of the MTA's own.
func (p *parser) event(dst []mta.Event, tag string) ([]mta.Event, error) {
	r := &p.rec
	if r.ac == "" {
		return dst, adapter.Malformed("code", r.sc)
	}
	if r.sc == "" {
		return dst, adapter.Malformed("channel", r.ac)
	}
	if r.node != "" {
		tag = r.node
	}
	dst, e := mta.Extend(dst)
	e.Time, e.Instance, e.Program, e.PID = r.time, p.instance(tag), r.sc, processID(r.pi)
	if r.connection() {
		err := r.setConnection(e)
		return kept(dst), err
	}
	if !r.hasSize {
		return dst, adapter.Malformed("size", r.ac)
	}
	r.setMessage(e)
	switch r.ac[0] {
	case 'E':
		return r.enqueued(dst)
	case 'D':
		return dequeued(dst, r)
	case 'Q', 'Z', 'R', 'K':
		return r.failed(dst)
	case 'W':
		e.Kind, e.Reason, e.Reply = mta.KindNotification, "delay", r.di
	case 'J':
		r.setReject(e)
	case 'B':
		e.Kind, e.Stage, e.Text, e.To = mta.KindReject, mta.StageOther, r.de, ""
		setDiagnostic(e, r.di)
		e.Relay = mta.Peer{}
	case 'V':
		e.Kind, e.Severity, e.Text = mta.KindWarning, mta.SeverityInfo, r.text()
	default:
		return dst, adapter.ErrUnknownLine
	}
	return dst, nil
}

// kept takes the last event away again when it has no kind.
func kept(dst []mta.Event) []mta.Event {
	if n := len(dst) - 1; n >= 0 && dst[n].Kind == mta.KindNone {
		return dst[:n]
	}
	return dst
}

// setMessage fills what all records of messages have.
func (r *record) setMessage(e *mta.Event) {
	e.QueueID, e.MessageID = r.ids()
	e.From, e.NullSender = r.so, r.noFrom || r.so == "" || r.so == "<>"
	if e.NullSender {
		e.From = ""
	}
	orig := r.od
	if i := strings.IndexByte(orig, ';'); i >= 0 && isTyped(orig) {
		orig = orig[i+1:]
	}
	if e.To = r.de; e.To == "" || e.To == "<>" {
		e.To = orig
	}
	if orig != e.To {
		e.OrigTo = orig
	}
	if r.ss != "" {
		r.setClient(e)
	}
	if r.qt != "" && r.ac[0] != 'E' {
		setDelay(e, r.qt)
	}
}

// ids gives the queue id, the unique part of the file's name, and the message
// id. Where no file is logged the message id stands for it.
func (r *record) ids() (queue, message string) {
	message, _ = cutIDs(r.mi)
	if r.file != "" {
		if id, _, ok := queueFile(r.file); ok {
			return id, message
		}
	}
	return message, message
}

// cutIDs takes "<new>,<original>" apart, and the brackets off.
func cutIDs(mi string) (first, second string) {
	if mi == "" || mi[0] != '<' {
		return mi, ""
	}
	if i := strings.Index(mi, ">,<"); i > 0 {
		return mi[1:i], strings.TrimSuffix(mi[i+len(">,<"):], ">")
	}
	return strings.TrimSuffix(mi[1:], ">"), ""
}

// setDelay reads the queue time: seconds.
func setDelay(e *mta.Event, s string) {
	n, rest, ok := cutNumber(s)
	const longest = 10 * 365 * 24 * 3600
	if !ok || n > longest {
		return
	}
	nsec, rest := fraction(rest)
	if rest != "" {
		return
	}
	e.Delay, e.HasDelay = time.Duration(n)*time.Second+nsec, true
}

// setClient fills the inbound peer of a record that names its source.
func (r *record) setClient(e *mta.Event) {
	setSource(&e.Client, r.ss)
	if r.tr != "" && (r.ac[0] == 'E' || r.ac[0] == 'J' || r.ac[0] == 'B' || r.ac[0] == 'V') {
		setTransport(&e.Client, r.tr)
	}
}

// modified reports whether the code has a modifier. They are a set: their
// order differs between versions, and unknown ones mean nothing here.
func (r *record) modified(m byte) bool { return strings.IndexByte(r.ac[1:], m) >= 0 }

// bySMTP reports whether the code says that the message came by SMTP.
func (r *record) bySMTP() bool { return len(r.ac) > 1 }

// text gives reason and diagnostic, or what there is of them.
func (r *record) text() string {
	if r.di == "" {
		return r.re
	}
	return r.di
}

// enqueued reads an E record.
func (r *record) enqueued(dst []mta.Event) ([]mta.Event, error) {
	n := len(dst) - 1
	e := &dst[n]
	if e.To == "" {
		return dst, adapter.Malformed("recipient", r.sc)
	}
	e.Service, e.Queue = r.dc, r.dc
	e.PerRecipient = true
	e.Size = r.blocks * blockSize
	if r.tr != "" && r.ss == "" {
		setTransport(&e.Client, r.tr)
	}
	if r.modified('S') {
		e.TLS = mta.TLS{Direction: "from"}
		setCipher(&e.TLS, r.ap)
	}
	if strings.HasPrefix(r.us, "*") {
		e.SASLUser = r.us[1:]
	} else if r.modified('A') {
		e.SASLUser = r.us
	}
	switch {
	case r.notification(e):
		dst = appendNotification(dst, r)
	case isInternal(r.sc):
		if e.QueueID == "" {
			return dst[:n], nil // it was counted, and nothing can be joined
		}
		e.Kind = mta.KindQueued
	default:
		e.Kind = mta.KindReceived
	}
	if _, held, _ := queueFile(r.file); held && r.file != "" {
		dst = appendHeld(dst, n)
	}
	return dst, nil
}

// notification reports whether an E record is that of a notification which
// the MTA itself made: its first entry into a queue.
func (r *record) notification(e *mta.Event) bool {
	if !e.NullSender || r.bySMTP() {
		return false
	}
	if _, original := cutIDs(r.mi); original != "" {
		return true
	}
	return isStore(r.sc) || isProcessing(r.dc) && !isInternal(r.sc) && r.ss == ""
}

// appendNotification makes the last event that of the notification, and
// appends its entry into the queue.
func appendNotification(dst []mta.Event, r *record) []mta.Event {
	n := len(dst) - 1
	entry := dst[n]
	entry.Kind = mta.KindQueued
	_, original := cutIDs(r.mi)
	e := &dst[n]
	*e = mta.Event{Time: entry.Time, Instance: entry.Instance, Program: entry.Program, Service: entry.Service, PID: entry.PID,
		Kind: mta.KindNotification, RefID: entry.QueueID, MessageID: original, NullSender: true, To: entry.To, Reason: "queued"}
	if entry.QueueID == "" {
		return dst
	}
	return append(dst, entry)
}

// appendHeld appends that the message of the event at n is held: its file has
// the name of one that is not to be delivered.
func appendHeld(dst []mta.Event, n int) []mta.Event {
	dst, h := mta.Extend(dst)
	e := &dst[n]
	h.Time, h.Instance, h.Program, h.PID = e.Time, e.Instance, e.Program, e.PID
	h.Kind, h.Action, h.QueueID, h.Reason = mta.KindHeld, mta.ActionHeld, e.QueueID, "its file is named .HELD"
	return dst
}

// dequeued reads a D record.
func dequeued(dst []mta.Event, r *record) ([]mta.Event, error) {
	e := &dst[len(dst)-1]
	if e.To == "" {
		return dst, adapter.Malformed("recipient", r.sc)
	}
	e.Size = r.blocks * blockSize
	if isInternal(r.sc) {
		if r.file == "" {
			return dst[:len(dst)-1], nil // the message goes on under the same id
		}
		e.Kind, e.PerRecipient, e.Reason = mta.KindRemoved, true, "moved on"
		return dst, nil
	}
	e.Kind, e.Status = mta.KindDelivery, mta.StatusSent
	if r.modified('S') {
		e.TLS = mta.TLS{Direction: "to"}
		setCipher(&e.TLS, r.ap)
	}
	r.setOutcome(e)
	return dst, nil
}

// setOutcome fills in what an attempt to deliver met.
func (r *record) setOutcome(e *mta.Event) {
	setDiagnostic(e, r.text())
	if r.tr != "" {
		setTransport(&e.Relay, r.tr)
	}
	if r.rm != "" {
		e.Relay.Name = strings.TrimPrefix(r.rm, "dns;")
	}
}

// setLastReply corrects a failure whose reply seems to be one of success: the
// banner before it, which the other side writes too, was made to look like it.
func (r *record) setLastReply(e *mta.Event) {
	const mark = " smtp;"
	e.Code, e.DSN = 0, ""
	if i := strings.LastIndex(r.di, mark); i >= 0 {
		setReply(e, strings.TrimLeft(r.di[i+len(mark):], " "))
	}
	if e.Code/100 == 2 {
		e.Code, e.DSN = 0, ""
	}
}

// failed reads a Q, Z, R or K record. The size in it is how much was
// processed, not that of the message.
func (r *record) failed(dst []mta.Event) ([]mta.Event, error) {
	e := &dst[len(dst)-1]
	if e.To == "" {
		return dst, adapter.Malformed("recipient", r.sc)
	}
	r.setOutcome(e)
	if e.Code/100 == 2 {
		r.setLastReply(e)
	}
	e.Kind = mta.KindDelivery
	switch c := r.ac[0]; {
	case c == 'Q' || c == 'Z':
		e.Status = mta.StatusDeferred
	case expired(e):
		e.Status = mta.StatusExpired
	case c == 'R' || e.Code >= 500 || e.DSN != "" && e.DSN[0] == '5' || strings.HasPrefix(e.Reply, "TCP active open"):
		e.Status = mta.StatusBounced
	default:
		e.Kind, e.PerRecipient, e.Reason = mta.KindRemoved, true, "no notification"
	}
	return dst, nil
}

// expired reports whether a final failure says that the message was too old.
// A reply with a code is of the other side, and tells of something else.
func expired(e *mta.Event) bool {
	if len(e.DSN) > 2 && e.DSN[1:] == ".4.7" {
		return true
	}
	if e.Code != 0 {
		return false
	}
	for _, words := range [...]string{"essage expired", "elivery time e", "queue too long", "undeliverable for "} {
		if strings.Contains(e.Reply, words) {
			return true
		}
	}
	return false
}

// setReject reads a J record.
func (r *record) setReject(e *mta.Event) {
	e.Kind, e.Stage = mta.KindReject, mta.StageRcpt
	if e.To == "" {
		e.Stage = mta.StageOther
		if e.From != "" {
			e.Stage = mta.StageMail
		}
	}
	if r.ss == "" && r.tr != "" {
		setTransport(&e.Client, r.tr)
	}
	s := r.text()
	if at := replyAt(s); at > 0 {
		s = s[at:] // fields without a shape of their own stand before it
	}
	setDiagnostic(e, s)
	e.Relay = mta.Peer{}
}

// setCipher reads "SMTP/TLS-128-RC4".
func setCipher(t *mta.TLS, ap string) {
	i := strings.Index(ap, "/TLS-")
	if i < 0 {
		return
	}
	s := ap[i+len("/TLS-"):]
	if j := strings.IndexAny(s, "/ "); j >= 0 {
		s = s[:j]
	}
	bits, rest := number(s, 4)
	if bits > 0 && len(rest) > 1 && rest[0] == '-' {
		t.Bits, t.Cipher = int16(bits), rest[1:]
	}
}

// internal are the channels that work on mail and pass it on to another.
var internal = [...]string{"process", "reprocess", "conversion", "defragment", "hold", "bitbucket", "filter_discard"}

// isInternal reports whether a channel, or one named after it ("process_bulk"), only
// passes mail on: what it takes was counted before, what it gives is
// delivered by another.
func isInternal(channel string) bool {
	if channel == "" || strings.IndexByte("prcdhbf", channel[0]) < 0 {
		return false
	}
	for _, name := range internal {
		if rest, ok := strings.CutPrefix(channel, name); ok && (rest == "" || rest[0] == '_' || rest[0] == '-') {
			return true
		}
	}
	return false
}

// isProcessing reports whether a channel is one that notifications go through.
func isProcessing(channel string) bool {
	return strings.HasPrefix(channel, "process") || strings.HasPrefix(channel, "reprocess")
}

// isStore reports whether a channel delivers into a message store: what such
// a one enqueues, it made itself.
func isStore(channel string) bool {
	return strings.HasPrefix(channel, "ims-ms") || strings.HasPrefix(channel, "tcp_lmtp")
}
