package smtpserver

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/emersion/go-smtp"

	"github.com/mtawatch/mtawatch/internal/lab/maillog"
	"github.com/mtawatch/mtawatch/internal/lab/queue"
	"github.com/mtawatch/mtawatch/internal/lab/site"
)

const maxHeader = 256 << 10 // a longer one is looked at so far

// accept puts a message into the queue: a file for each channel, and on
// tcp_local for each destination domain (single_sys). Either all of them are on
// the disk when it returns, or none is left.
func (v *Server) accept(s *session, r io.Reader) error {
	head, err := readHeader(r)
	if err != nil {
		return err
	}
	received, messageID := inspect(head)
	added := s.receivedLine()
	now := time.Now()
	id := strings.ToUpper(strconv.FormatInt(now.UnixNano(), 36)) + strconv.FormatInt(int64(os.Getpid()), 36)
	if messageID == "" {
		messageID = "<" + id + "@" + v.site.Practice.Host + ">"
		added += "Message-id: " + messageID + "\r\n"
	}
	envelope := queue.Envelope{Source: s.source, System: s.system(), EnvelopeID: s.notify.EnvelopeID, MessageID: messageID, From: s.from,
		User: s.logUser(), Ret: string(s.notify.Return), Arrived: now}
	if envelope.EnvelopeID == "" {
		envelope.EnvelopeID = "0" + id
	}
	copies := split(s.recipients)
	content := &counted{r: io.MultiReader(strings.NewReader(added), bytes.NewReader(head), r)}
	drafts, envelopes, err := v.write(copies, &envelope, content)
	defer closeAll(drafts)
	if err != nil {
		return err
	}
	// In a loop nobody delivers it before a person has looked.
	entries, err := v.commit(drafts, received >= v.site.Options.MaxReceived)
	if err != nil {
		return err
	}
	v.recordAll(s, copies, entries, &envelope, content.n)
	for i := range entries {
		if !entries[i].Held {
			v.teller.tell(news{entry: entries[i], envelope: envelopes[i], blocks: maillog.Blocks(content.n)})
		}
	}
	return nil
}

// write writes a file for each part of the recipients. Nobody sees them yet.
func (v *Server) write(copies [][]recipient, common *queue.Envelope, content io.Reader) ([]*queue.Draft, []*queue.Envelope, error) {
	var drafts []*queue.Draft
	var envelopes []*queue.Envelope
	for i, c := range copies {
		own := *common
		for _, r := range c {
			own.Recipients = append(own.Recipients, r.Recipient)
		}
		var d *queue.Draft
		var err error
		if i == 0 {
			d, err = v.queue.Write(c[0].channel, &own, content)
		} else {
			d, err = v.queue.Copy(drafts[0], c[0].channel, &own)
		}
		if err != nil {
			return drafts, nil, err
		}
		drafts, envelopes = append(drafts, d), append(envelopes, &own)
	}
	return drafts, envelopes, nil
}

func closeAll(drafts []*queue.Draft) {
	for _, d := range drafts {
		d.Close()
	}
}

// commit puts all files of a message into the queue. When that fails, those
// that are there already are taken back; nobody has been told of them.
func (v *Server) commit(drafts []*queue.Draft, held bool) ([]queue.Entry, error) {
	var entries []queue.Entry
	for _, d := range drafts {
		e, err := d.Commit(held)
		if err != nil {
			for _, e := range entries {
				err = errors.Join(err, v.queue.Remove(e))
			}
			return nil, err
		}
		entries = append(entries, e)
	}
	return entries, nil
}

// recordAll writes an E record for each recipient.
func (v *Server) recordAll(s *session, copies [][]recipient, entries []queue.Entry, e *queue.Envelope, size int64) {
	var records []*maillog.Record
	for i, c := range copies {
		for _, r := range c {
			records = append(records, &maillog.Record{Source: s.source, Dest: r.channel, Code: "E" + s.modifiers(), Blocks: maillog.Blocks(size),
				From: s.from, NoFrom: s.from == "", OrigTo: r.original, To: r.Address, Notary: r.Notify, File: entries[i].Path, EnvelopeID: e.EnvelopeID,
				MessageID: e.MessageID, User: s.logUser(), System: e.System, Transport: s.transport, Application: "SMTP"})
		}
	}
	s.write(records...)
}

// split groups recipients by the file they go into, in the order in which they
// came.
func split(list []recipient) [][]recipient {
	var copies [][]recipient
	at := map[string]int{}
	for _, r := range list {
		key := r.channel
		if r.channel != site.ChannelStore {
			_, domain, _ := strings.Cut(r.Address, "@")
			key += " " + strings.ToLower(domain)
		}
		i, ok := at[key]
		if !ok {
			i = len(copies)
			at[key] = i
			copies = append(copies, nil)
		}
		copies[i] = append(copies[i], r)
	}
	return copies
}

// readHeader reads up to and beyond the end of the header, at most maxHeader.
func readHeader(r io.Reader) ([]byte, error) {
	var head []byte
	buf := make([]byte, 4<<10)
	for len(head) < maxHeader {
		n, err := r.Read(buf)
		from := max(0, len(head)-3)
		head = append(head, buf[:n]...)
		if errors.Is(err, io.EOF) {
			return head, nil
		}
		if err != nil {
			return nil, err
		}
		if bytes.HasPrefix(head, []byte("\r\n")) || bytes.Contains(head[from:], []byte("\r\n\r\n")) {
			break
		}
	}
	return head, nil
}

// inspect counts the Received lines of a header and finds its Message-ID.
func inspect(head []byte) (received int, messageID string) {
	wanted := false // the line before was a Message-ID without a value
	for line := range bytes.Lines(head) {
		line = bytes.TrimRight(line, "\r\n")
		if len(line) == 0 {
			break
		}
		name, value, ok := bytes.Cut(line, []byte(":"))
		switch {
		case line[0] == ' ' || line[0] == '\t':
			if wanted {
				messageID = validID(line)
			}
			wanted = false
		case !ok:
			wanted = false
		default:
			name = bytes.TrimRight(name, " \t")
			if bytes.EqualFold(name, []byte("Received")) {
				received++
			}
			wanted = false
			if messageID == "" && bytes.EqualFold(name, []byte("Message-ID")) {
				messageID = validID(value)
				wanted = len(bytes.TrimSpace(value)) == 0
			}
		}
	}
	return received, messageID
}

// validID gives an id in its brackets; "" for what could be read as more than
// that.
func validID(b []byte) string {
	id := strings.TrimSpace(string(b))
	if len(id) < 3 || len(id) > 500 || id[0] != '<' || id[len(id)-1] != '>' || !printableASCII(id) || strings.ContainsAny(id[1:len(id)-1], "<>,") {
		return ""
	}
	return id
}

// receivedLine is the trace that we leave (RFC 5321, 4.4).
func (s *session) receivedLine() string {
	with := "SMTP"
	if s.esmtp {
		with = "ESMTP"
		if s.secure {
			with += "S"
		}
		if s.user != "" {
			with += "A"
		}
	}
	return fmt.Sprintf("Received: from %s\r\n by %s (Practice Messaging Server) with %s;\r\n %s\r\n", s.system(), s.server.site.Practice.Host, with,
		time.Now().Format("Mon, 02 Jan 2006 15:04:05 -0700"))
}

// counted counts what is read.
type counted struct {
	r io.Reader
	n int64
}

// Read reads on.
func (c *counted) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	c.n += int64(n)
	return n, err
}

var _ smtp.AuthSession = (*session)(nil)
