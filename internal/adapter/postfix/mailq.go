package postfix

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"iter"
	"strconv"
	"strings"
	"time"

	"github.com/mtawatch/mtawatch/internal/mta"
)

// readMailq reads the text of postqueue -p: a heading, a block of lines for
// each message, and a last line that counts them. A list without that line,
// or with another count, is an error. ref is when the listing was made; zero
// is unknown.
func readMailq(b *bufio.Reader, ref time.Time) iter.Seq2[mta.QueuedMessage, error] {
	return func(yield func(mta.QueuedMessage, error) bool) {
		q := mailq{ref: ref}
		for n := 1; ; n++ {
			line, err := readLine(b)
			if err == io.EOF {
				break
			}
			if err == nil {
				err = q.line(line)
			}
			if err != nil {
				yield(mta.QueuedMessage{}, fmt.Errorf("line %d: %w", n, err))
				return
			}
			if q.ready && !yield(q.take(), nil) {
				return
			}
		}
		if err := q.end(); err != nil {
			yield(mta.QueuedMessage{}, err)
		}
	}
}

// readLine reads one line without its end. A last line without an end counts.
func readLine(b *bufio.Reader) (string, error) {
	var line []byte
	for {
		part, err := b.ReadSlice('\n')
		if len(line)+len(part) > maxListLine {
			return "", fmt.Errorf("%w: longer than %d bytes", errNoList, maxListLine)
		}
		line = append(line, part...)
		switch {
		case err == bufio.ErrBufferFull:
			continue
		case err == io.EOF && len(line) == 0, err != nil && err != io.EOF:
			return "", err
		}
		return strings.TrimRight(string(line), " \t\r\n"), nil
	}
}

// mailq is the state between two lines.
type mailq struct {
	ref    time.Time
	inside bool // between heading and count
	lists  int  // whole lists read
	count  int  // messages of this list
	m      mta.QueuedMessage
	open   bool // m is being read
	done   mta.QueuedMessage
	ready  bool // done holds a message
	reason string
}

func (q *mailq) take() mta.QueuedMessage {
	q.ready = false
	return q.done
}

// finish ends the message that is being read.
func (q *mailq) finish() {
	if q.open {
		q.done, q.ready, q.open = q.m, true, false
		q.m, q.reason = mta.QueuedMessage{}, ""
	}
}

func (q *mailq) line(line string) error {
	text := strings.TrimLeft(line, " \t")
	if text == "" {
		q.finish()
		return nil
	}
	if !q.inside {
		return q.outside(text)
	}
	switch {
	case strings.HasPrefix(line, "-- "):
		return q.summary(line)
	case text[0] == '(' && text[len(text)-1] == ')':
		if !q.open {
			return fmt.Errorf("%w: a reason before its message: %q", errNoList, clip(line))
		}
		q.reason = text[1 : len(text)-1]
	case len(text) < len(line):
		if !q.open {
			return fmt.Errorf("%w: a recipient before its message: %q", errNoList, clip(line))
		}
		if len(q.m.Recipients) == maxRecipients {
			return fmt.Errorf("%w: a message with more than %d recipients", errNoList, maxRecipients)
		}
		q.m.Recipients = append(q.m.Recipients, mta.QueuedRecipient{Address: text, Reason: q.reason})
	default:
		q.finish()
		m, err := parseMailqMessage(line, q.ref)
		if err != nil {
			return err
		}
		q.m, q.open = m, true
		q.count++
	}
	return nil
}

// outside reads a line before the heading or after the count.
func (q *mailq) outside(text string) error {
	switch {
	case strings.HasPrefix(text, "-") && strings.Contains(text, "Queue ID-") && strings.Contains(text, "Sender/Recipient"):
		q.inside, q.count = true, 0
	case text == "Mail queue is empty":
		q.lists++
	case isWarning(text):
	default:
		return fmt.Errorf("%w: %q", errNoList, clip(text))
	}
	return nil
}

// isWarning knows what the tools print on standard error, which is often
// saved along: "postqueue: warning: Mail system is down -- accessing queue
// directly". A fatal error is not one: no list follows.
func isWarning(text string) bool {
	for _, p := range [...]string{"postqueue: warning: ", "mailq: warning: ", "sendmail: warning: "} {
		if strings.HasPrefix(text, p) {
			return true
		}
	}
	return false
}

// summary reads "-- 29 Kbytes in 41 Requests.".
func (q *mailq) summary(line string) error {
	f := strings.Fields(line)
	if len(f) != 6 || f[2] != "Kbytes" || f[3] != "in" || !strings.HasPrefix(f[5], "Request") {
		return fmt.Errorf("%w: %q", errNoList, clip(line))
	}
	n, err := strconv.Atoi(f[4])
	if err != nil {
		return fmt.Errorf("%w: %q", errNoList, clip(line))
	}
	if n != q.count {
		return fmt.Errorf("the listing counts %d messages but holds %d: it was cut or edited", n, q.count)
	}
	q.finish()
	q.inside = false
	q.lists++
	return nil
}

func (q *mailq) end() error {
	switch {
	case q.inside:
		return fmt.Errorf("the listing ends without its last line (-- ... Requests.): %w", io.ErrUnexpectedEOF)
	case q.lists == 0:
		return errNoList
	}
	return nil
}

// parseMailqMessage reads "4jY6FY1kRnz1SCdh* 1106 Mon Nov 23 13:28:01
// alice@lab.example".
func parseMailqMessage(line string, ref time.Time) (mta.QueuedMessage, error) {
	m := mta.QueuedMessage{Queue: "deferred"}
	var f [6]string
	rest := line
	for i := range f {
		rest = strings.TrimLeft(rest, " ")
		f[i], rest, _ = strings.Cut(rest, " ")
	}
	m.QueueID = strings.TrimRight(f[0], "*!#")
	switch mark := f[0][len(m.QueueID):]; {
	case strings.Contains(mark, "*"):
		m.Queue = "active"
	case strings.Contains(mark, "!"):
		m.Queue = "hold"
	}
	size, err := strconv.ParseInt(f[1], 10, 64)
	if err != nil || size < 0 || !isQueueID(m.QueueID) {
		return m, fmt.Errorf("%w: %q", errNoList, clip(line))
	}
	m.Size = size
	m.Arrived, err = listTime(f[2], f[3], f[4], f[5], m.QueueID, ref)
	if err != nil {
		return m, fmt.Errorf("%w: %w: %q", errNoList, err, clip(line))
	}
	m.Sender = senderName(strings.TrimLeft(rest, " "))
	return m, nil
}

// listYear is the year nearest to which a date is taken when neither the
// queue id nor the file tells more.
const listYear = 2026

// listTime reads the time of a listing, "Mon Nov 23 13:28:01", which has
// neither year nor zone. A long queue id holds the true second: it gives
// the year, and the zone where the two differ by a zone's offset. Otherwise
// the time is taken as UTC, in the latest year not after ref (and a day) in
// which the date falls on that weekday; without ref, in the nearest such year
// to listYear.
func listTime(weekday, month, day, clock, id string, ref time.Time) (time.Time, error) {
	t, err := time.Parse("Jan 2 15:04:05", month+" "+day+" "+clock)
	if err != nil {
		return time.Time{}, errors.New("no time")
	}
	in := func(year int) (time.Time, bool) {
		u := time.Date(year, t.Month(), t.Day(), t.Hour(), t.Minute(), t.Second(), 0, time.UTC)
		return u, u.Day() == t.Day() && u.Weekday().String()[:3] == weekday
	}
	const most = 14 * time.Hour // the largest offset of a zone
	if second, ok := longIDSecond(id); ok && second <= maxSecond {
		made := time.Unix(second, 0).UTC()
		for y := made.Year() - 1; y <= made.Year()+1; y++ {
			u, ok := in(y)
			if off := made.Sub(u); ok && off.Abs() <= most {
				return u.Add(off.Round(15 * time.Minute)), nil
			}
		}
		ref = made // a requeued message: it arrived before its id was made
	}
	for n := 0; n <= 28; n++ {
		if !ref.IsZero() {
			if u, ok := in(ref.Year() + 1 - n); ok && !u.After(ref.Add(24*time.Hour)) {
				return u, nil
			}
			continue
		}
		for _, y := range [...]int{listYear - n, listYear + n} {
			if u, ok := in(y); ok {
				return u, nil
			}
		}
	}
	return time.Time{}, errors.New("no year in which this date falls on this weekday")
}
