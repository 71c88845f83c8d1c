package mta

import (
	"strconv"
	"time"
	"unicode/utf8"
)

// AppendJSON appends the event as one JSON object, fields in the order of
// the vocabulary, without a line end. A delivery always has all its fields;
// other kinds leave out what the line did not give. Bytes that are not valid
// UTF-8 become U+FFFD.
func (e *Event) AppendJSON(dst []byte) []byte {
	o := object{b: append(dst, '{')}
	o.time("time", e.Time)
	o.text("instance", e.Instance)
	o.text("program", e.Program)
	if e.PID != 0 {
		o.int("pid", int64(e.PID))
	}
	o.always("kind", e.Kind.String())
	if e.Kind == KindDelivery {
		e.appendDelivery(&o)
	} else {
		e.appendOther(&o)
	}
	return append(o.b, '}')
}

// MarshalJSON is AppendJSON for encoding/json.
func (e Event) MarshalJSON() ([]byte, error) { return e.AppendJSON(nil), nil }

func (e *Event) appendDelivery(o *object) {
	o.always("queue_id", e.QueueID)
	o.text("message_id", e.MessageID)
	o.always("to", e.To)
	o.always("orig_to", e.OrigTo)
	o.always("from", e.From)
	o.flag("null_sender", e.NullSender)
	o.peer("client", e.Client)
	o.key("relay")
	if e.Relay.IsZero() {
		o.b = append(o.b, "null"...)
	} else {
		o.peerValue(e.Relay)
	}
	o.always("status", e.Status.String())
	o.always("cause", e.Cause.String())
	o.always("dsn", e.DSN)
	o.int("code", int64(e.Code))
	o.always("reply", e.Reply)
	o.delays(e)
	if e.Size != 0 {
		o.int("size", e.Size)
	}
	o.tls(e.TLS)
}

func (e *Event) appendOther(o *object) {
	o.text("queue_id", e.QueueID)
	o.text("ref_id", e.RefID)
	o.text("message_id", e.MessageID)
	if e.From != "" || e.NullSender {
		o.always("from", e.From)
	}
	o.flag("null_sender", e.NullSender)
	o.text("to", e.To)
	o.text("orig_to", e.OrigTo)
	o.peer("client", e.Client)
	o.peer("relay", e.Relay)
	o.text("status", e.Status.String())
	o.text("stage", e.Stage.String())
	o.text("cause", e.Cause.String())
	o.text("dsn", e.DSN)
	if e.Code != 0 {
		o.int("code", int64(e.Code))
	}
	o.text("reply", e.Reply)
	if e.HasDelay {
		o.delays(e)
	}
	if e.Size != 0 {
		o.int("size", e.Size)
	}
	if e.Recipients != 0 {
		o.int("recipients", int64(e.Recipients))
	}
	o.text("reason", e.Reason)
	o.text("sasl_method", e.SASLMethod)
	o.text("sasl_user", e.SASLUser)
	o.tls(e.TLS)
	o.text("daemon", e.Daemon.String())
	o.text("action", e.Action.String())
	o.text("severity", e.Severity.String())
	o.text("text", e.Text)
}

// object appends the members of one JSON object.
type object struct{ b []byte }

func (o *object) key(name string) {
	if o.b[len(o.b)-1] != '{' {
		o.b = append(o.b, ',')
	}
	o.b = append(o.b, '"')
	o.b = append(o.b, name...)
	o.b = append(o.b, '"', ':')
}

func (o *object) always(name, v string) { o.key(name); o.b = AppendJSONString(o.b, v) }

func (o *object) text(name, v string) {
	if v != "" {
		o.always(name, v)
	}
}

func (o *object) flag(name string, v bool) {
	if v {
		o.key(name)
		o.b = append(o.b, "true"...)
	}
}

func (o *object) int(name string, v int64) { o.key(name); o.b = strconv.AppendInt(o.b, v, 10) }

func (o *object) time(name string, t time.Time) {
	o.key(name)
	o.b = append(o.b, '"')
	o.b = t.AppendFormat(o.b, time.RFC3339Nano)
	o.b = append(o.b, '"')
}

func (o *object) peer(name string, p Peer) {
	if !p.IsZero() {
		o.key(name)
		o.peerValue(p)
	}
}

func (o *object) peerValue(p Peer) {
	q := object{b: append(o.b, '{')}
	q.text("name", p.Name)
	q.text("ip", p.IP)
	if p.Port != 0 {
		q.int("port", int64(p.Port))
	}
	q.text("helo", p.HELO)
	q.text("path", p.Path)
	o.b = append(q.b, '}')
}

func (o *object) tls(t TLS) {
	if t.IsZero() {
		return
	}
	o.key("tls")
	q := object{b: append(o.b, '{')}
	q.text("version", t.Version)
	q.text("cipher", t.Cipher)
	if t.Bits != 0 {
		q.int("bits", int64(t.Bits))
	}
	q.text("trust", t.Trust)
	q.text("direction", t.Direction)
	o.b = append(q.b, '}')
}

// delays gives seconds, as exact as the log: no digit is invented, and what
// the log does not tell is null.
func (o *object) delays(e *Event) {
	if !e.HasDelay {
		o.key("delay")
		o.b = append(o.b, "null"...)
		return
	}
	o.key("delay")
	o.b = strconv.AppendFloat(o.b, e.Delay.Seconds(), 'f', -1, 64)
	o.key("delays")
	o.b = append(o.b, '[')
	for i, d := range e.Delays[:e.NumDelays] {
		if i > 0 {
			o.b = append(o.b, ',')
		}
		o.b = strconv.AppendFloat(o.b, d.Seconds(), 'f', -1, 64)
	}
	o.b = append(o.b, ']')
}

// AppendJSONString appends s as a JSON string. Control characters are
// escaped; bytes that are not valid UTF-8 become U+FFFD.
func AppendJSONString(b []byte, s string) []byte {
	const hex = "0123456789abcdef"
	b = append(b, '"')
	start := 0
	for i := 0; i < len(s); {
		c := s[i]
		if c >= ' ' && c != '"' && c != '\\' && c < 0x7f {
			i++
			continue
		}
		if c >= utf8.RuneSelf {
			r, n := utf8.DecodeRuneInString(s[i:])
			if r != utf8.RuneError && (r < 0x80 || r > 0x9f) && r != '\u2028' && r != '\u2029' {
				i += n
				continue
			}
			b = append(b, s[start:i]...)
			if r == utf8.RuneError {
				b = append(b, "\ufffd"...)
			} else {
				b = append(b, '\\', 'u', hex[r>>12], hex[r>>8&15], hex[r>>4&15], hex[r&15])
			}
			i += n
			start = i
			continue
		}
		b = append(b, s[start:i]...)
		switch c {
		case '"', '\\':
			b = append(b, '\\', c)
		case '\n':
			b = append(b, '\\', 'n')
		case '\r':
			b = append(b, '\\', 'r')
		case '\t':
			b = append(b, '\\', 't')
		default:
			b = append(b, '\\', 'u', '0', '0', hex[c>>4], hex[c&15])
		}
		i++
		start = i
	}
	b = append(b, s[start:]...)
	return append(b, '"')
}
