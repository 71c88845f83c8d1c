package tail

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// exportFields are the journal's fields that a syslog line is made of. The
// cursor and the time of receipt are always given.
const exportFields = "MESSAGE,SYSLOG_IDENTIFIER,SYSLOG_PID,_PID,_COMM,_HOSTNAME,_SOURCE_REALTIME_TIMESTAMP"

// entry is what is kept of one journal entry. Its memory is used again for
// the next one.
type entry struct {
	cursor    []byte // __CURSOR
	received  []byte // __REALTIME_TIMESTAMP, microseconds
	sent      []byte // _SOURCE_REALTIME_TIMESTAMP, microseconds
	host      []byte // _HOSTNAME
	ident     []byte // SYSLOG_IDENTIFIER
	comm      []byte // _COMM
	syslogPID []byte // SYSLOG_PID
	pid       []byte // _PID
	message   []byte // MESSAGE
	cut       bool   // message was longer than kept
	fields    int    // all fields, kept or not
}

// field gives where a field is kept, nil where it is not.
func (e *entry) field(name []byte) *[]byte {
	switch string(name) {
	case "__CURSOR":
		return &e.cursor
	case "__REALTIME_TIMESTAMP":
		return &e.received
	case "_SOURCE_REALTIME_TIMESTAMP":
		return &e.sent
	case "_HOSTNAME":
		return &e.host
	case "SYSLOG_IDENTIFIER":
		return &e.ident
	case "_COMM":
		return &e.comm
	case "SYSLOG_PID":
		return &e.syslogPID
	case "_PID":
		return &e.pid
	case "MESSAGE":
		return &e.message
	}
	return nil
}

// reset empties an entry and keeps its memory.
func (e *entry) reset() {
	for _, f := range []*[]byte{&e.cursor, &e.received, &e.sent, &e.host, &e.ident, &e.comm, &e.syslogPID, &e.pid, &e.message} {
		*f = (*f)[:0]
	}
	e.cut, e.fields = false, 0
}

// What an exportParser expects next.
const (
	exportLine = iota // a field, or the empty line that ends an entry
	exportSize        // eight bytes: the size of a binary value
	exportData        // a binary value
	exportEnd         // the line end after it
)

// maxValue is the largest value that a journal entry can have (its
// DATA_SIZE_MAX is 768 MiB), with room. A larger size is a damaged stream.
const maxValue = 4 << 30

// exportParser reads the Journal Export Format (systemd.io/JOURNAL_EXPORT_FORMATS):
// a field a line as NAME=value, or NAME, a line end, the size as 64 bit
// little-endian, the bytes and a line end; an empty line ends an entry. It is
// fed with whatever arrives and keeps at most max bytes of a value.
type exportParser struct {
	max   int
	state int
	line  []byte  // the unfinished line; at most max+maxName bytes
	over  bool    // it was longer
	size  []byte  // the unfinished size
	left  uint64  // bytes of a binary value still to come
	keep  *[]byte // where they go; nil: nowhere
	e     entry
}

// maxName is more than the longest field name (64) with its "=".
const maxName = 128

// errExport says that a stream is not in the export format.
var errExport = errors.New("not the journal export format")

// feed reads b and calls fn for each entry that ends in it. The entry is
// valid during the call. After an error the parser is of no more use.
func (p *exportParser) feed(b []byte, fn func(*entry) error) error {
	for len(b) > 0 {
		var err error
		switch p.state {
		case exportLine:
			b, err = p.feedLine(b, fn)
		case exportSize:
			b, err = p.feedSize(b)
		case exportData:
			b = p.feedData(b)
		case exportEnd:
			if b[0] != '\n' {
				return fmt.Errorf("%w: no line end after a binary value", errExport)
			}
			b, p.state = b[1:], exportLine
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// feedLine reads up to a line end.
func (p *exportParser) feedLine(b []byte, fn func(*entry) error) ([]byte, error) {
	end := bytes.IndexByte(b, '\n')
	part := b
	if end >= 0 {
		part = b[:end]
	}
	if room := p.max + maxName - len(p.line); len(part) > room {
		part, p.over = part[:room], true
	}
	if end < 0 {
		p.line = append(p.line, part...)
		return nil, nil
	}
	line := part
	if len(p.line) > 0 {
		p.line = append(p.line, part...)
		line = p.line
	}
	err := p.field(line, fn)
	p.line, p.over = p.line[:0], false
	return b[end+1:], err
}

// field takes one line.
func (p *exportParser) field(line []byte, fn func(*entry) error) error {
	if len(line) == 0 {
		if p.e.fields == 0 {
			return nil // several empty lines are as one
		}
		err := fn(&p.e)
		p.e.reset()
		return err
	}
	p.e.fields++
	name, value, text := bytes.Cut(line, []byte("="))
	if !isFieldName(name) {
		return fmt.Errorf("%w: field name %.40q", errExport, name)
	}
	to := p.e.field(name)
	if !text {
		p.state, p.keep, p.size = exportSize, to, p.size[:0]
		if to != nil {
			*to = (*to)[:0]
		}
		return nil
	}
	if to != nil {
		p.e.cut = p.e.cut || p.over || len(value) > p.max
		*to = append((*to)[:0], value[:min(len(value), p.max)]...)
	}
	return nil
}

// isFieldName reports whether a journal field can be called that.
func isFieldName(name []byte) bool {
	for _, c := range name {
		if (c < 'A' || c > 'Z') && (c < '0' || c > '9') && c != '_' {
			return false
		}
	}
	return len(name) > 0 && len(name) <= 64
}

// feedSize reads the size of a binary value.
func (p *exportParser) feedSize(b []byte) ([]byte, error) {
	n := min(8-len(p.size), len(b))
	p.size = append(p.size, b[:n]...)
	if len(p.size) == 8 {
		p.left = binary.LittleEndian.Uint64(p.size)
		if p.left > maxValue {
			return nil, fmt.Errorf("%w: a value of %d bytes", errExport, p.left)
		}
		p.state = exportData
		if p.left == 0 {
			p.state = exportEnd
		}
	}
	return b[n:], nil
}

// feedData reads a binary value.
func (p *exportParser) feedData(b []byte) []byte {
	n := int(min(p.left, uint64(len(b))))
	if p.keep != nil {
		part := b[:n]
		if room := p.max - len(*p.keep); len(part) > room {
			part, p.e.cut = part[:room], true
		}
		*p.keep = append(*p.keep, part...)
	}
	if p.left -= uint64(n); p.left == 0 {
		p.state = exportEnd
	}
	return b[n:]
}

// identity gives what the entry's writer calls itself.
func (e *entry) identity() []byte {
	if len(e.ident) > 0 {
		return e.ident
	}
	return e.comm
}

// appendSyslog appends the entry as a syslog line with an RFC 3339 stamp in
// UTC: "2026-11-23T12:00:00.123456+00:00 host ident[pid]: message". Control
// characters that would end the line become spaces.
func (e *entry) appendSyslog(dst []byte) ([]byte, error) {
	stamp := e.sent
	if len(stamp) == 0 {
		stamp = e.received
	}
	micros, err := strconv.ParseInt(string(stamp), 10, 64)
	if err != nil || micros < 0 || micros > maxMicros {
		return dst, fmt.Errorf("%w: time %.40q", errExport, stamp)
	}
	dst = time.UnixMicro(micros).UTC().AppendFormat(dst, "2006-01-02T15:04:05.000000-07:00")
	dst = append(dst, ' ')
	dst = appendOr(dst, e.host, "localhost")
	dst = append(dst, ' ')
	dst = appendOr(dst, e.identity(), "unknown")
	pid := e.syslogPID
	if len(pid) == 0 {
		pid = e.pid
	}
	if len(pid) > 0 {
		dst = append(dst, '[')
		dst = appendOr(dst, pid, "")
		dst = append(dst, ']')
	}
	dst = append(dst, ": "...)
	dst = appendOr(dst, bytes.TrimRight(e.message, "\r\n"), "")
	return append(dst, '\n'), nil
}

// maxMicros is the last microsecond of the year 9999.
const maxMicros = 253402300799999999

// appendOr appends text, or other where it is empty, on one line.
func appendOr(dst, text []byte, other string) []byte {
	if len(text) == 0 {
		return append(dst, other...)
	}
	from := len(dst)
	dst = append(dst, text...)
	for i, c := range dst[from:] {
		if c == '\n' || c == '\r' || c == 0 {
			dst[from+i] = ' '
		}
	}
	return dst
}

// wants reports whether an identifier is one of those asked for: itself, or
// beginning with one that ends in "/". None asked for are all.
func wants(identifiers []string, ident []byte) bool {
	for _, id := range identifiers {
		if string(ident) == id || strings.HasSuffix(id, "/") && len(ident) > len(id) && string(ident[:len(id)]) == id {
			return true
		}
	}
	return len(identifiers) == 0
}
