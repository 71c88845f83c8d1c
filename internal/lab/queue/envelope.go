package queue

import (
	"bytes"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// Recipient is one recipient of a message.
type Recipient struct {
	Original string // as the sender gave it, in the form rfc822;b@example.com; "": from Address
	Address  string // where it goes now
	Notify   string // the sender's NOTIFY (RFC 3461), "" when not given: NEVER, or of SUCCESS,FAILURE,DELAY

	place int64 // of its f record in the file
}

// Envelope is what is known of a message beside its text.
type Envelope struct {
	Source     string // the channel that enqueued it
	System     string // the host that it came from: HELO-name (name [address])
	EnvelopeID string // the sender's ENVID, or ours
	MessageID  string // <id> of the header
	From       string // the envelope sender; "": a notification
	User       string // who enqueued it
	Ret        string // the sender's RET: FULL, HDRS or ""
	Recipients []Recipient
	Arrived    time.Time
}

const (
	boundaryStart = "Boundary_(ID_"
	doneLetter    = 'x'
	maxEnvelope   = 16 << 20 // bytes; more is no file of ours
)

// errFormat is behind every error about a file that is no queue file, or only
// a part of one.
var errFormat = errors.New("not a whole queue file")

// appendEnvelope writes the records, one a line, letter;value, and the
// boundary line behind them. The layout is that of the PMDF queue file; n
// (NOTIFY), r (RET) and t (arrival, seconds since 1970) are ours, and so is x: an f
// of a recipient that is done. A value that
// holds the end of a line is refused: it could forge a record.
func appendEnvelope(b []byte, e *Envelope, boundary string) ([]byte, error) {
	record := func(letter byte, v string) {
		if v != "" {
			b = append(append(append(b, letter, ';'), v...), '\n')
		}
	}
	values := []string{e.Source, e.System, e.EnvelopeID, e.MessageID, e.From, e.User, e.Ret}
	for _, r := range e.Recipients {
		values = append(values, r.Original, r.Address, r.Notify)
	}
	for _, v := range values {
		if strings.ContainsAny(v, "\r\n\x00") {
			return b, fmt.Errorf("write envelope: a line end in %q", v)
		}
	}
	record('u', e.User)
	record('c', e.Source)
	record('s', e.System)
	record('i', e.EnvelopeID)
	record('h', e.MessageID)
	record('r', e.Ret)
	record('t', strconv.FormatFloat(float64(e.Arrived.UnixMilli())/1000, 'f', 3, 64))
	b = append(append(append(b, "m;"...), e.From...), '\n')
	for _, r := range e.Recipients {
		if r.Address == "" {
			return b, errors.New("write envelope: a recipient without an address")
		}
		kind, original, ok := strings.Cut(r.Original, ";")
		if !ok {
			kind, original = "rfc822", r.Original
		}
		if original == "" {
			original = r.Address
		}
		record('n', r.Notify)
		record('j', kind)
		b = append(append(append(b, "f;"...), original...), '\n')
		b = append(append(b, r.Address...), '\n')
	}
	return append(append(b, boundary...), '\n'), nil
}

// parseEnvelope reads the records up to the boundary line. n is where that
// line begins; more says that text is too short to tell.
func parseEnvelope(text []byte) (e *Envelope, boundary string, n int, more bool, err error) {
	e = &Envelope{}
	var next Recipient
	wantAddress := false
	for n < len(text) {
		end := bytes.IndexByte(text[n:], '\n')
		if end < 0 {
			return nil, "", 0, true, nil
		}
		line := string(text[n : n+end])
		switch {
		case wantAddress:
			next.Address = line
			if line == "" {
				return nil, "", 0, false, fmt.Errorf("read envelope: an empty recipient: %w", errFormat)
			}
			if next.place >= 0 {
				e.Recipients = append(e.Recipients, next)
			}
			next, wantAddress = Recipient{}, false
		case strings.HasPrefix(line, boundaryStart):
			if len(e.Recipients) == 0 {
				return nil, "", 0, false, fmt.Errorf("read envelope: no recipient: %w", errFormat)
			}
			return e, line, n, false, nil
		case len(line) < 2 || line[1] != ';':
			return nil, "", 0, false, fmt.Errorf("read envelope: a line that is no record: %w", errFormat)
		default:
			if wantAddress = line[0] == 'f' || line[0] == doneLetter; wantAddress {
				next.place = int64(n)
			}
			e.set(&next, line[0], line[2:])
		}
		n += end + 1
	}
	return nil, "", 0, true, nil
}

// set takes one record; those of other letters are passed over.
func (e *Envelope) set(next *Recipient, letter byte, v string) {
	switch letter {
	case 'u':
		e.User = v
	case 'c':
		e.Source = v
	case 's':
		e.System = v
	case 'i':
		e.EnvelopeID = v
	case 'h':
		e.MessageID = v
	case 'r':
		e.Ret = v
	case 'm':
		e.From = v
	case 't':
		if s, err := strconv.ParseFloat(v, 64); err == nil && s > 0 && s < 1<<40 {
			e.Arrived = time.UnixMilli(int64(s * 1000))
		}
	case 'n':
		next.Notify = v
	case 'j':
		next.Original = v + ";"
	case doneLetter:
		next.place = -1
	case 'f':
		if next.Original == "" {
			next.Original = "rfc822;"
		}
		next.Original += v
	}
}

// Broken says whether an error is that of a file that is no whole queue file.
func Broken(err error) bool { return errors.Is(err, errFormat) }
