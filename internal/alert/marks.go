package alert

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"hash/fnv"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/mtawatch/mtawatch/internal/mta"
)

// Marks are what people said of findings: that they know of one, or do not
// want to hear of some for a time. One goroutine uses it.
type Marks struct {
	acks     map[string]mta.Acknowledgement // by the finding's ID
	silences []mta.Silence                  // the newest last
	dirty    map[string]bool                // records to put; false: to delete
}

// The bounds of Marks.
const (
	maxAcks     = 3000
	maxSilences = 200
)

// ErrTooMany says that there are as many silences as may be.
var ErrTooMany = errors.New("too many silences")

// The records that Marks.Flush hands out, by the beginning of their keys. All are JSON.
const (
	recordAck     = "ack/"     // and the finding's ID
	recordSilence = "silence/" // and the silence's ID
)

// NewMarks makes Marks of nothing.
func NewMarks() *Marks {
	return &Marks{acks: make(map[string]mta.Acknowledgement), dirty: make(map[string]bool)}
}

// Acknowledge notes that a person knows of a finding; a second time replaces the first.
func (m *Marks) Acknowledge(f *mta.Finding, a mta.Acknowledgement) {
	a.Severity = f.Severity
	m.acks[f.ID] = a
	m.dirty[recordAck+f.ID] = true
	for len(m.acks) > maxAcks {
		oldest := f.ID
		for id, o := range m.acks {
			if o.At.Before(m.acks[oldest].At) {
				oldest = id
			}
		}
		m.Unacknowledge(oldest)
	}
}

// Unacknowledge takes it back; false when there is nothing to take back.
func (m *Marks) Unacknowledge(id string) bool {
	_, ok := m.acks[id]
	if ok {
		delete(m.acks, id)
		m.dirty[recordAck+id] = false
	}
	return ok
}

// Silence begins a silence, and gives it its ID and its severity: that of the
// worst finding that is open and meant, or critical when none is.
func (m *Marks) Silence(s mta.Silence, open []mta.Finding) (mta.Silence, error) {
	if len(m.silences) >= maxSilences {
		return s, ErrTooMany
	}
	worst := mta.SeverityNone
	s.Severity = mta.SeverityCritical
	for i := range open {
		if s.Takes(&open[i]) {
			worst = max(worst, open[i].Severity)
		}
	}
	if worst != mta.SeverityNone {
		s.Severity = worst
	}
	h := fnv.New32a()
	_, _ = fmt.Fprintf(h, "%s\x00%s\x00%s", s.Instance, s.Code, s.Subject)
	stem := fmt.Sprintf("%s-%08x", s.At.UTC().Format("20060102T150405Z"), h.Sum32())
	s.ID = stem
	for n := 2; m.find(s.ID) >= 0; n++ {
		s.ID = fmt.Sprintf("%s-%d", stem, n)
	}
	m.silences = append(m.silences, s)
	m.dirty[recordSilence+s.ID] = true
	return s, nil
}

func (m *Marks) find(id string) int {
	return slices.IndexFunc(m.silences, func(s mta.Silence) bool { return s.ID == id })
}

// Unsilence ends a silence; false when there is none of that ID.
func (m *Marks) Unsilence(id string) bool {
	i := m.find(id)
	if i >= 0 {
		m.silences = slices.Delete(m.silences, i, i+1)
		m.dirty[recordSilence+id] = false
	}
	return i >= 0
}

// Expire ends the silences whose time has come; false when there is none.
func (m *Marks) Expire(now time.Time) bool {
	n := len(m.silences)
	m.silences = slices.DeleteFunc(m.silences, func(s mta.Silence) bool {
		over := !now.Before(s.Until)
		if over {
			m.dirty[recordSilence+s.ID] = false
		}
		return over
	})
	return len(m.silences) < n
}

// Silences lists what is silenced, that which ends first first.
func (m *Marks) Silences() []mta.Silence {
	list := slices.Clone(m.silences)
	slices.SortStableFunc(list, func(a, b mta.Silence) int { return cmp.Or(a.Until.Compare(b.Until), strings.Compare(a.ID, b.ID)) })
	return list
}

// Mark writes on copies of findings what people said of them. An open finding
// that has become worse since is not held any more.
func (m *Marks) Mark(list []mta.Finding) []mta.Finding {
	if list == nil {
		return nil
	}
	out := slices.Clone(list)
	for i := range out {
		f := &out[i]
		f.Acknowledged, f.SilencedUntil = nil, time.Time{}
		if a, ok := m.acks[f.ID]; ok && (f.Severity <= a.Severity || !f.End.IsZero()) {
			f.Acknowledged = &a
		}
		for k := range m.silences {
			if s := &m.silences[k]; f.End.IsZero() && s.Takes(f) && s.Until.After(f.SilencedUntil) {
				f.SilencedUntil = s.Until
			}
		}
	}
	return out
}

// Flush hands out what is to be kept and has changed since the last Flush.
func (m *Marks) Flush(put func(key string, value []byte), del func(key string)) {
	for _, k := range slices.Sorted(maps.Keys(m.dirty)) {
		var v any
		if id, ok := strings.CutPrefix(k, recordAck); ok {
			v = m.acks[id]
		} else if i := m.find(strings.TrimPrefix(k, recordSilence)); i >= 0 {
			v = m.silences[i]
		}
		if !m.dirty[k] {
			del(k)
		} else if text, err := json.Marshal(v); err == nil { // the one failure is a year without room in JSON
			put(k, text)
		}
	}
	clear(m.dirty)
}

// Load takes back what Flush gave. A record that cannot be read changes nothing.
func (m *Marks) Load(key string, value []byte) error {
	kind, id, _ := strings.Cut(key, "/")
	switch kind + "/" {
	case recordAck:
		var a mta.Acknowledgement
		if err := json.Unmarshal(value, &a); err != nil {
			return fmt.Errorf("load mark %q: %w", key, err)
		}
		if len(m.acks) < maxAcks {
			m.acks[id] = a
		}
		return nil
	case recordSilence:
		var s mta.Silence
		if err := json.Unmarshal(value, &s); err != nil {
			return fmt.Errorf("load mark %q: %w", key, err)
		}
		if s.ID != id || m.find(id) >= 0 {
			return fmt.Errorf("load mark %q: is not the record of that silence", key)
		}
		if len(m.silences) < maxSilences {
			m.silences = append(m.silences, s)
		}
		return nil
	}
	return fmt.Errorf("load mark %q: no such kind of record", key)
}
