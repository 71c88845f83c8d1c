package notice

import (
	"bufio"
	"bytes"
	"crypto/rand"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/emersion/go-message"

	"github.com/mtawatch/mtawatch/internal/lab/jobs"
	"github.com/mtawatch/mtawatch/internal/lab/maillog"
	"github.com/mtawatch/mtawatch/internal/lab/queue"
	"github.com/mtawatch/mtawatch/internal/lab/site"
)

// maxReturned is how much of a message goes back with a notification: a longer
// one comes back as its header.
const maxReturned = 64 << 10

// Kind says what a notification tells.
type Kind int

// Failed tells that mail was not delivered, Delayed that it waits. Delivered
// and Relayed go to those who asked for them: it is in the mailbox, or with
// another site that will not tell of it.
const (
	Failed Kind = iota
	Delayed
	Delivered
	Relayed
)

// of gives a word for each kind, in their order.
func (k Kind) of(words ...string) string { return words[k] }

// Fate is what happened to one recipient.
type Fate struct {
	Recipient  queue.Recipient
	Status     string // enhanced status code: 5.1.1
	Diagnostic string // what the other side, or our program, said
	Remote     string // the host that said it; "" for our own words
}

// Wanted says whether a recipient's sender asked for, or did not refuse, a
// notification of the kind. A message without a sender is itself one: none is
// wanted.
func Wanted(from string, r queue.Recipient, k Kind) bool {
	if from == "" {
		return false
	}
	if r.Notify == "" {
		return k == Failed || k == Delayed
	}
	word := k.of("FAILURE", "DELAY", "SUCCESS", "SUCCESS")
	return slices.Contains(strings.Split(strings.ToUpper(r.Notify), ","), word)
}

// Sender writes notifications into the queue of a site.
type Sender struct {
	site   *site.Site
	queue  *queue.Queue
	log    *maillog.Log
	client *jobs.Client
}

// New gives a Sender.
func New(s *site.Site, log *maillog.Log, client *jobs.Client) *Sender {
	return &Sender{site: s, queue: queue.Open(s), log: log, client: client}
}

// Send tells the sender of a message, from a channel, what happened to the
// recipients. It must have been Wanted for each. When it returns nil the
// notification is safe on the disk; process names the transaction in the log.
func (s *Sender) Send(k Kind, channel, process string, m *queue.Message, fates []Fate) error {
	if len(fates) == 0 || m.From == "" {
		return nil
	}
	id := fmt.Sprintf("<%s@%s>", strings.ToLower(rand.Text()), s.site.Practice.Host)
	var text bytes.Buffer
	if err := s.compose(&text, k, id, m, fates); err != nil {
		return fmt.Errorf("write notification: %w", err)
	}
	size := int64(text.Len())
	env := &queue.Envelope{Source: channel, MessageID: id, Arrived: time.Now(), EnvelopeID: m.EnvelopeID,
		Recipients: []queue.Recipient{{Original: "rfc822;" + m.From, Address: m.From}}}
	e, err := s.queue.Enqueue(site.ChannelProcess, env, &text)
	if err != nil {
		return fmt.Errorf("enqueue notification: %w", err)
	}
	ids := id
	if m.MessageID != "" {
		ids += "," + m.MessageID
	}
	// What cannot be logged is on its way all the same: an error here would tell
	// the sender again, each time. The records of the message itself will say it.
	_ = s.log.Write(&maillog.Record{Process: process, Source: channel, Dest: site.ChannelProcess, Code: "E", Blocks: maillog.Blocks(size),
		NoFrom: true, OrigTo: m.From, To: m.From, File: e.Path, EnvelopeID: m.EnvelopeID, MessageID: ids})
	_ = s.client.Tell(e, env, maillog.Blocks(size)) // it finds the message on the disk otherwise
	return nil
}

// compose writes the report: for people, for programs, and what was sent.
func (s *Sender) compose(w io.Writer, k Kind, id string, m *queue.Message, fates []Fate) error {
	var h message.Header
	h.Set("Date", time.Now().Format(time.RFC1123Z))
	h.Set("From", "Internet Mail Delivery <postmaster@"+s.site.Practice.Host+">")
	h.Set("To", oneLine(m.From, 320))
	h.Set("Subject", "Delivery Notification: Delivery has "+k.of("failed", "been delayed", "been successful", "been relayed"))
	h.Set("Message-ID", id)
	h.Set("Auto-Submitted", "auto-replied")
	h.Set("MIME-Version", "1.0")
	h.SetContentType("multipart/report", map[string]string{"report-type": "delivery-status"})
	mw, err := message.CreateWriter(w, h)
	if err != nil {
		return err
	}
	if err := part(mw, "text/plain", map[string]string{"charset": "utf-8"}, strings.NewReader(s.words(k, m, fates))); err != nil {
		return err
	}
	if err := part(mw, "message/delivery-status", nil, strings.NewReader(s.status(k, m, fates))); err != nil {
		return err
	}
	kind, original := "message/rfc822", m.Content()
	if m.Ret == "HDRS" || m.Size() > maxReturned || k != Failed {
		kind, original = "text/rfc822-headers", header(m.Content())
	}
	if err := part(mw, kind, nil, original); err != nil {
		return err
	}
	return mw.Close()
}

func part(mw *message.Writer, kind string, params map[string]string, r io.Reader) error {
	var h message.Header
	h.SetContentType(kind, params)
	h.Set("Content-Transfer-Encoding", "8bit")
	w, err := mw.CreatePart(h)
	if err != nil {
		return err
	}
	if _, err := io.Copy(w, r); err != nil {
		return err
	}
	return w.Close()
}

// words is the part for people.
func (s *Sender) words(k Kind, m *queue.Message, fates []Fate) string {
	var b strings.Builder
	switch k {
	case Failed:
		b.WriteString("Your message cannot be delivered to the following recipients:\n\n")
	case Delivered:
		b.WriteString("Your message is in the mailboxes of the following recipients:\n\n")
	case Relayed:
		b.WriteString("Your message was taken over by other sites, which do not tell what becomes of it, for the following recipients:\n\n")
	default:
		fmt.Fprintf(&b, "Your message of %s has not been delivered yet to the following recipients.\nIt will be tried again; you need do nothing.\n\n",
			m.Arrived.Format(time.RFC1123Z))
	}
	for _, f := range fates {
		fmt.Fprintf(&b, "  Recipient address: %s\n", oneLine(f.Recipient.Address, 320))
		if f.Diagnostic != "" {
			fmt.Fprintf(&b, "  Reason: %s\n", oneLine(f.Diagnostic, 500))
		}
		if f.Remote != "" {
			fmt.Fprintf(&b, "  Remote system: %s\n", oneLine(f.Remote, 255))
		}
		b.WriteString("\n")
	}
	return b.String()
}

// status is the part for programs: RFC 3464, 2.
func (s *Sender) status(k Kind, m *queue.Message, fates []Fate) string {
	var b strings.Builder
	if m.EnvelopeID != "" {
		fmt.Fprintf(&b, "Original-Envelope-Id: %s\n", oneLine(m.EnvelopeID, 100))
	}
	fmt.Fprintf(&b, "Reporting-MTA: dns;%s\nArrival-Date: %s\n", s.site.Practice.Host, m.Arrived.Format(time.RFC1123Z))
	action := k.of("failed", "delayed", "delivered", "relayed")
	for _, f := range fates {
		fmt.Fprintf(&b, "\nOriginal-Recipient: %s\nFinal-Recipient: rfc822;%s\nAction: %s\nStatus: %s\n", oneLine(f.Recipient.Original, 320),
			oneLine(f.Recipient.Address, 320), action, f.Status)
		if f.Remote != "" {
			fmt.Fprintf(&b, "Remote-MTA: dns;%s\n", oneLine(f.Remote, 255))
			fmt.Fprintf(&b, "Diagnostic-Code: smtp;%s\n", oneLine(f.Diagnostic, 500))
		} else if f.Diagnostic != "" {
			fmt.Fprintf(&b, "Diagnostic-Code: x-local;%s\n", oneLine(f.Diagnostic, 500))
		}
	}
	return b.String()
}

// oneLine keeps what strangers wrote within its line and in bounds.
func oneLine(s string, most int) string {
	s = strings.ToValidUTF8(s[:min(len(s), most)], "?")
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return ' '
		}
		return r
	}, s)
}

// header reads up to the first blank line.
func header(r io.Reader) io.Reader {
	in := bufio.NewReader(io.LimitReader(r, maxReturned))
	var b bytes.Buffer
	for {
		line, err := in.ReadSlice('\n')
		if err != nil && err != bufio.ErrBufferFull || len(bytes.TrimRight(line, "\r\n")) == 0 && err == nil {
			break
		}
		b.Write(line)
	}
	return &b
}
