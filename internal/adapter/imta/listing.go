package imta

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"iter"
	"path"
	"strconv"
	"strings"
	"time"

	"github.com/mtawatch/mtawatch/internal/mta"
)

// errNoList says that a text is no listing.
var errNoList = errors.New("not a queue listing of imsimta (qm directory, held, messages, counters or summarize)")

const maxListLine = 64 << 10 // bytes

// readList reads what imsimta qm directory, held, messages, counters and
// summarize print, several after each other too. Where an output only counts
// messages, an entry stands for many (mta.QueuedMessage.Count): of messages by
// destination in the queues "active" and "delayed", of the others by channel.
// An empty text is an error: that is what a command prints that failed.
func readList(r io.Reader) iter.Seq2[mta.QueuedMessage, error] {
	return func(yield func(mta.QueuedMessage, error) bool) {
		sc := bufio.NewScanner(r)
		sc.Buffer(nil, maxListLine)
		l := listing{}
		for n := 1; sc.Scan(); n++ {
			err := l.line(strings.TrimRight(sc.Text(), " \t\r"))
			for _, m := range l.out {
				if !yield(m, nil) {
					return
				}
			}
			l.out = l.out[:0]
			if err != nil {
				yield(mta.QueuedMessage{}, fmt.Errorf("read queue listing: line %d: %w", n, err))
				return
			}
		}
		err := sc.Err()
		if err == nil {
			err = l.end()
		}
		for _, m := range l.out {
			if !yield(m, nil) {
				return
			}
		}
		if err != nil {
			yield(mta.QueuedMessage{}, fmt.Errorf("read queue listing: %w", err))
		}
	}
}

// The forms of output.
type form int

const (
	formNone form = iota
	formMessages
	formDirectory
	formCounters
	formSummary
)

// listing is the state between two lines.
type listing struct {
	form    form
	known   bool // a heading of an output was seen
	zone    *time.Location
	channel string
	rows    bool     // directory: between the two rules
	columns []string // summarize: the words of its heading
	last    *mta.QueuedMessage
	out     []mta.QueuedMessage
}

// line takes one line.
func (l *listing) line(s string) error {
	words := strings.Fields(s)
	if len(words) == 0 {
		return nil
	}
	if l.heading(words) {
		l.known = true
		return nil
	}
	if strings.HasPrefix(words[0], "%") && strings.Contains(words[0], "-E-") {
		return fmt.Errorf("%w: it says %q", errNoList, clip(s))
	}
	switch l.form {
	case formMessages:
		return l.host(words)
	case formDirectory:
		return l.file(s, words)
	case formCounters:
		return l.counter(s, words)
	case formSummary:
		return l.summary(words)
	}
	return l.preface(s, words)
}

// heading takes the lines that begin a table.
func (l *listing) heading(words []string) bool {
	switch {
	case len(words) == 5 && words[0] == "host" && words[1] == "active" && words[3] == "delayed":
		l.form = formMessages
	case words[0] == "Channel:" && len(words) > 1 && !l.rows:
		l.form, l.channel = formDirectory, words[1]
	case len(words) == 4 && words[0] == "Channel" && words[1] == "Messages" && words[2] == "Recipients":
		l.form, l.channel = formCounters, ""
	case len(words) >= 2 && words[0] == "Channel" && words[1] == "Messages":
		l.form, l.columns = formSummary, words
	default:
		return false
	}
	l.flush()
	return true
}

// preface takes what stands before a table: when the listing was made, and
// from what. That is enough for an empty one.
func (l *listing) preface(s string, words []string) error {
	if t, err := time.Parse("Mon, 2 Jan 2006 15:04:05 -0700", strings.Join(words[:min(len(words), 6)], " ")); err == nil {
		_, offset := t.Zone()
		l.zone = time.FixedZone("", offset)
		return nil
	}
	if strings.HasPrefix(s, "Data gathered from ") || isTotal(s) {
		l.known = true
		return nil
	}
	return fmt.Errorf("%w: %q", errNoList, clip(s))
}

func isTotal(s string) bool {
	return strings.HasPrefix(s, "Total size:") || strings.HasPrefix(s, "Grand total size:") || strings.HasPrefix(s, "Total count:") || strings.HasPrefix(s, "Grand total count:")
}

func isRule(s string) bool { return strings.Trim(s, "- \t") == "" }

// host takes "HOST ACTIVE DELAYED".
func (l *listing) host(words []string) error {
	n := len(words)
	if n != 3 && n != 2 {
		return fmt.Errorf("%w: %q", errNoList, clip(strings.Join(words, " ")))
	}
	for i, name := range []string{"active", "delayed"} {
		count, err := strconv.ParseInt(words[n-2+i], 10, 64)
		if err != nil || count < 0 {
			return fmt.Errorf("%w: %s messages %q", errNoList, name, clip(words[n-2+i]))
		}
		if count == 0 {
			continue
		}
		m := mta.QueuedMessage{Queue: name, Size: -1, Count: count}
		if n == 3 {
			m.Recipients = []mta.QueuedRecipient{{Address: "@" + words[0]}}
		}
		l.out = append(l.out, m)
	}
	return nil
}

// file takes a line of qm directory: "1 ZZabc.00 1 24-Feb-1999 11:52:29", or
// without size and time, and the envelope below it.
func (l *listing) file(s string, words []string) error {
	switch {
	case isRule(s):
		l.flush()
		l.rows = !l.rows
		return nil
	case !l.rows && isTotal(s):
		return nil
	case !l.rows: // another listing
		l.form = formNone
		return l.preface(s, words)
	}
	if l.last != nil && l.envelope(words) {
		return nil
	}
	if _, err := strconv.Atoi(words[0]); err != nil || len(words) < 2 {
		return fmt.Errorf("%w: %q", errNoList, clip(s))
	}
	name, ok := parseName(path.Base(words[1]))
	if !ok {
		return fmt.Errorf("%w: %q is no name of a queue file", errNoList, clip(words[1]))
	}
	l.flush()
	m := mta.QueuedMessage{QueueID: name.id, Queue: l.channel, Size: -1, Attempts: name.attempts}
	if name.held && l.channel != holdChannel {
		m.Queue = heldQueue
	}
	rest := words[2:]
	if len(rest)%2 == 1 {
		blocks, err := strconv.ParseInt(rest[0], 10, 64)
		if err != nil || blocks < 0 || blocks > 1<<40 {
			return fmt.Errorf("%w: size %q", errNoList, clip(rest[0]))
		}
		m.Size, rest = blocks*blockSize, rest[1:]
	}
	if len(rest) == 2 {
		t, err := time.Parse("2-Jan-2006 15:04:05", rest[0]+" "+rest[1])
		if err != nil {
			return fmt.Errorf("%w: time %q", errNoList, clip(rest[0]+" "+rest[1]))
		}
		if l.zone != nil { // else nobody knows when that was
			m.Arrived = time.Date(t.Year(), t.Month(), t.Day(), t.Hour(), t.Minute(), t.Second(), 0, l.zone).UTC()
		}
	}
	l.last = &m
	return nil
}

// envelope takes the lines that -envelope adds below a file.
func (l *listing) envelope(words []string) bool {
	value := ""
	if len(words) > 1 {
		value = words[1]
	}
	switch words[0] {
	case "From:":
		l.last.Sender = value
	case "To:":
		l.last.Recipients = append(l.last.Recipients, mta.QueuedRecipient{Address: value})
	default:
		return false
	}
	return true
}

// flush gives the message whose lines are complete.
func (l *listing) flush() {
	if l.last != nil {
		l.out = append(l.out, *l.last)
		l.last = nil
	}
}

// counter takes a line of qm counters: the name of a channel, or below it
// "Stored MESSAGES RECIPIENTS BLOCKS". The other rows tell of the past.
func (l *listing) counter(s string, words []string) error {
	if isRule(s) {
		return nil
	}
	if s[0] != ' ' && s[0] != '\t' {
		l.channel = words[0]
		return nil
	}
	if words[0] != "Stored" {
		return nil
	}
	if l.channel == "" || len(words) < 2 {
		return fmt.Errorf("%w: %q", errNoList, clip(s))
	}
	return l.stored(l.channel, words[1])
}

// stored takes how many messages a channel holds. A counter that was set to
// zero while mail was queued goes below it: one reading does not tell how many there are.
func (l *listing) stored(channel, text string) error {
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		return fmt.Errorf("%w: stored messages %q", errNoList, clip(text))
	}
	if n < 0 {
		return fmt.Errorf("the counter of the channel %s says %d stored messages: it was set to zero while mail was queued, so how many there are is unknown; use `imsimta qm summarize`", clip(channel), n)
	}
	if n > 0 {
		l.out = append(l.out, mta.QueuedMessage{Queue: channel, Size: -1, Count: n})
	}
	return nil
}

// summary takes a line of qm summarize.
func (l *listing) summary(words []string) error {
	if isRule(strings.Join(words, "")) || strings.HasPrefix(words[0], "Total") {
		return nil
	}
	for i, column := range l.columns[:min(len(l.columns), len(words))] {
		name := words[0]
		switch column {
		case "Held":
			name = heldQueue
		case "Messages":
		default:
			continue
		}
		if err := l.stored(name, words[i]); err != nil {
			return err
		}
	}
	if len(words) < 2 {
		return fmt.Errorf("%w: %q", errNoList, clip(words[0]))
	}
	return nil
}

// end says whether the text was a whole listing.
func (l *listing) end() error {
	if l.rows {
		return fmt.Errorf("the listing of the channel %s is cut: %w", clip(l.channel), io.ErrUnexpectedEOF)
	}
	l.flush()
	if !l.known {
		return errNoList
	}
	return nil
}
