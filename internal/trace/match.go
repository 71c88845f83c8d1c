package trace

import (
	"maps"
	"slices"
	"strings"
	"time"
	"unsafe"

	"github.com/mtawatch/mtawatch/internal/mta"
	"github.com/mtawatch/mtawatch/internal/view"
)

// matcher decides whether an event names what is looked for.
type matcher struct {
	text    string // without angle brackets
	lower   string
	fold    bool   // addresses and Message-IDs: letters match in either case
	folded  []byte // room for a chunk in lower case, used again
	queueID bool   // the text has the shape of a queue id
}

func newMatcher(text string) matcher {
	text = strings.TrimSpace(text)
	text = strings.TrimSuffix(strings.TrimPrefix(text, "<"), ">")
	m := matcher{text: text, lower: strings.ToLower(text), fold: strings.Contains(text, "@")}
	m.queueID = len(text) >= 5 && len(text) <= 24
	for i := 0; i < len(text); i++ {
		c := text[i]
		m.queueID = m.queueID && (c >= '0' && c <= '9' || c >= 'A' && c <= 'Z' || c >= 'a' && c <= 'z' || c == '-' || c == '.')
	}
	return m
}

// event reports whether the event names the text: as its queue id, or in
// its Message-ID or one of its addresses.
func (m *matcher) event(e *mta.Event) bool {
	if e.QueueID == m.text || e.RefID == m.text {
		return true
	}
	return m.in(e.MessageID) || m.in(e.From) || m.in(e.To) || m.in(e.OrigTo) || m.in(e.SASLUser)
}

func (m *matcher) in(s string) bool {
	if m.fold {
		return len(s) >= len(m.lower) && strings.Contains(strings.ToLower(s), m.lower)
	}
	return strings.Contains(s, m.text)
}

// find calls f for each line of the chunk that has the text, in order, with
// where the line begins.
func (m *matcher) find(chunk string, f func(begin int, line string) error) error {
	hay, needle := chunk, m.text
	if m.fold {
		m.folded = appendLower(m.folded[:0], chunk)
		// Only looked at until the next call, which writes the room anew.
		hay, needle = unsafe.String(unsafe.SliceData(m.folded), len(m.folded)), string(appendLower(nil, m.text))
	}
	for from := 0; ; {
		i := strings.Index(hay[from:], needle)
		if i < 0 {
			return nil
		}
		i += from
		begin := strings.LastIndexByte(chunk[:i], '\n') + 1
		end := len(chunk)
		if j := strings.IndexByte(chunk[i:], '\n'); j >= 0 {
			end = i + j
		}
		if err := f(begin, chunk[begin:end]); err != nil {
			return err
		}
		if end >= len(chunk) {
			return nil
		}
		from = end + 1
	}
}

// appendLower appends s with its ASCII letters in lower case; the length
// stays, so that places in it are those of s.
func appendLower(b []byte, s string) []byte {
	b = append(b, s...)
	for i, c := range b {
		if c-'A' < 26 {
			b[i] = c + 'a' - 'A'
		}
	}
	return b
}

// segment is the life of one message under its queue id.
type segment struct {
	hit      bool // an event of this life names what is looked for
	over     bool // the message has left; the next event under the id is another's
	origin   bool // its origin line was seen
	queued   bool // an event was seen that only follows the origin
	first    time.Time
	waiting  []view.TraceStep // their strings are their own
	bytes    int              // of waiting
	cut      bool             // more steps came than may wait
	messages int
}

// Bounds of the steps kept of messages that may yet turn out to be the ones
// looked for.
const (
	maxWaiting      = 1000     // of one message
	maxWaitingBytes = 64 << 20 // of all
)

// sameLife is how long after a message's first line its origin line may come:
// two programs write the same log, and cleanup may be before smtpd.
const sameLife = 10 * time.Second

// begins reports whether the event begins another message than the life
// before it.
func (s *segment) begins(e *mta.Event) bool {
	if s.over {
		return true
	}
	if e.Kind != mta.KindOrigin || s.first.IsZero() {
		return false
	}
	after := e.Time.Sub(s.first)
	return s.origin || s.queued || after > sameLife || after < -sameLife
}

// forget drops the steps that wait.
func (r *run) forget(s *segment) {
	r.waiting -= s.bytes
	s.waiting, s.bytes = nil, 0
}

// wait keeps a step of a life of which it is not known whether it was asked
// for. It is copied, for its text is part of a whole chunk of the log.
func (r *run) wait(s *segment, step view.TraceStep) {
	size := 2*len(step.Text) + int(unsafe.Sizeof(step))
	if len(s.waiting) >= maxWaiting || r.waiting+size > maxWaitingBytes {
		s.cut = true
		return
	}
	step.Text = strings.Clone(step.Text)
	cloneStrings(&step.Event)
	s.waiting = append(s.waiting, step)
	s.bytes += size
	r.waiting += size
}

// cloneStrings gives every string of the event memory of its own.
func cloneStrings(e *mta.Event) {
	for _, s := range []*string{&e.Instance, &e.Program, &e.Service, &e.Queue, &e.QueueID, &e.RefID, &e.MessageID, &e.From, &e.To, &e.OrigTo,
		&e.Client.Name, &e.Client.IP, &e.Client.HELO, &e.Client.Path, &e.Relay.Name, &e.Relay.IP, &e.Relay.HELO, &e.Relay.Path,
		&e.DSN, &e.Reply, &e.Reason, &e.Command, &e.SASLMethod, &e.SASLUser, &e.TLS.Version, &e.TLS.Cipher, &e.TLS.Trust, &e.TLS.Direction, &e.Text} {
		*s = strings.Clone(*s)
	}
}

// lookupID takes the lines that hold the queue id looked for.
func (r *run) lookupID(f *file, chunk string) error {
	r.sum.Lines += int64(strings.Count(chunk, "\n"))
	exact := r.want
	exact.fold = false
	return exact.find(chunk, func(_ int, line string) error {
		for _, e := range f.parse(line) {
			if e.QueueID == r.want.text || e.RefID == r.want.text {
				if err := r.take(f, line, e); err != nil {
					return err
				}
			}
		}
		return nil
	})
}

// learn notes the queue ids of the lines that name the text.
func (r *run) learn(f *file, chunk string) error {
	r.sum.Lines += int64(strings.Count(chunk, "\n"))
	return r.want.find(chunk, func(_ int, line string) error {
		events := f.parse(line)
		for i := range events {
			e := &events[i]
			if e.QueueID == "" && (e.Kind == mta.KindDelivery || e.Kind == mta.KindReceived) && r.want.event(e) {
				if err := r.alone(f, line, *e); err != nil {
					return err
				}
			}
			if e.QueueID == "" || !r.want.event(e) {
				continue
			}
			k := key{e.Instance, e.QueueID}
			if r.ids[k] != nil {
				continue
			}
			if len(r.ids) >= r.q.Limit {
				r.sum.Limited = true
				continue
			}
			r.ids[key{strings.Clone(k.instance), strings.Clone(k.id)}] = &segment{}
		}
		return nil
	})
}

// collector gives the function of the second pass: few ids are searched for
// as text, many by parsing every line.
func (r *run) collector() chunkFunc {
	if len(r.ids) > 4 {
		return func(f *file, chunk string) error {
			return lines(chunk, func(line string) error { return r.collect(f, line) })
		}
	}
	var finders []matcher
	for k := range r.ids {
		finders = append(finders, matcher{text: k.id})
	}
	return func(f *file, chunk string) error {
		found := make(map[int]string)
		for i := range finders {
			if err := finders[i].find(chunk, func(begin int, line string) error { found[begin] = line; return nil }); err != nil {
				return err
			}
		}
		for _, begin := range slices.Sorted(maps.Keys(found)) {
			if err := r.collect(f, found[begin]); err != nil {
				return err
			}
		}
		return nil
	}
}

func (r *run) collect(f *file, line string) error {
	for _, e := range f.parse(line) {
		if e.QueueID == "" || r.ids[key{e.Instance, e.QueueID}] == nil {
			continue
		}
		if err := r.take(f, line, e); err != nil {
			return err
		}
	}
	return nil
}

// take puts an event into the life of its message, and hands the life out as
// soon as it is known to be one that was asked for.
func (r *run) take(f *file, line string, e mta.Event) error {
	k := key{e.Instance, e.QueueID}
	s := r.ids[k]
	if s == nil {
		s = &segment{}
		r.ids[key{strings.Clone(k.instance), strings.Clone(k.id)}] = s
	}
	if s.begins(&e) {
		r.forget(s)
		*s = segment{messages: s.messages}
	}
	if s.first.IsZero() {
		s.first = e.Time
	}
	s.origin = s.origin || e.Kind == mta.KindOrigin
	s.queued = s.queued || e.Kind != mta.KindOrigin && e.Kind != mta.KindMessage
	if r.Annotate != nil {
		r.Annotate(&e)
	}
	step := view.TraceStep{Source: f.path, Text: line, Event: e}
	if !s.hit && (r.want.event(&e)) {
		s.hit = true
		s.messages++
		r.sum.Limited = r.sum.Limited || s.cut
		for _, w := range s.waiting {
			if err := r.give(w); err != nil {
				return err
			}
		}
		r.forget(s)
	}
	s.over = e.Kind == mta.KindRemoved
	switch {
	case s.hit:
		return r.give(step)
	case s.over:
		r.forget(s) // it was another message
	default:
		r.wait(s, step)
	}
	return nil
}

// alone hands out an event that no id joins with others.
func (r *run) alone(f *file, line string, e mta.Event) error {
	if r.single >= r.q.Limit {
		r.sum.Limited = true
		return nil
	}
	r.single++
	if r.Annotate != nil {
		r.Annotate(&e)
	}
	return r.give(view.TraceStep{Source: f.path, Text: line, Event: e})
}

func (r *run) give(s view.TraceStep) error {
	if !r.q.Since.IsZero() && s.Event.Time.Before(r.q.Since) {
		return nil
	}
	r.sum.Steps++
	if !r.yield(s) {
		r.ended = true
		return errEnough
	}
	return nil
}
