package meter

import (
	"cmp"
	"encoding/json"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/mtawatch/mtawatch/internal/track"
)

// SenderKind says by what a sender is known.
type SenderKind uint8

// The kinds of sender.
const (
	SenderAccount SenderKind = iota // the SASL user
	SenderClient                    // the address of the client
	SenderAddress                   // the envelope sender
)

// Sender is who had mail accepted in a window.
type Sender struct {
	Kind       SenderKind
	Name       string // as logged: hostile text
	Messages   int64
	Recipients int64
	Failed     int64   // attempts of its mail that did not succeed
	Usual      float64 // messages in as long a window, by its habit of some weeks; -1 while that is not known
}

// Bounds of what is kept of senders.
const (
	maxSenders   = 1500          // of one instance
	keptSenders  = 300           // whose habit is stored
	senderSlots  = 12            // of five minutes: the longest window is an hour
	senderMemory = 7 * 24        // hours over which a habit fades to 1/e
	habitNeeds   = 6 * time.Hour // before that a habit is not known
)

// senders are the busiest senders of one instance: what each sent in the
// last hour, and how much it sends in an ordinary one. When the table is full
// the quarter that sends least, now and by habit, goes.
type senders struct {
	byKey map[senderKey]*senderRow
	since time.Time // when counting began
	now   time.Time // the newest event
	saved int64     // the hour of which the habits were stored last
}

type senderKey struct {
	kind SenderKind
	name string
}

type senderRow struct {
	cells [senderSlots]senderCell
	hour  int64   // since 1970, in which count is
	count float64 // messages in this hour
	habit float64 // messages an hour, faded
}

type senderCell struct {
	slot                         int64
	messages, recipients, failed int32
}

func newSenders() senders { return senders{byKey: make(map[senderKey]*senderRow)} }

// hourOf numbers the hours since 1970.
func hourOf(t time.Time) int64 { return t.Unix() / 3600 }

func (s *senders) received(f *track.Fact) {
	s.see(f.Event.Time)
	for _, k := range keysOf(f) {
		if k.name == "" {
			continue
		}
		r := s.row(k)
		r.roll(hourOf(f.Event.Time))
		r.count++
		c := r.cell(slotOf(f.Event.Time))
		c.messages++
		c.recipients += max(1, f.Event.Recipients)
	}
}

// recipient counts one more recipient of a message that was received before.
func (s *senders) recipient(f *track.Fact) {
	for _, k := range keysOf(f) {
		if r := s.byKey[k]; r != nil && k.name != "" {
			r.cell(slotOf(f.Event.Time)).recipients++
		}
	}
}

func (s *senders) failed(f *track.Fact) {
	s.see(f.Event.Time)
	for _, k := range keysOf(f) {
		if r := s.byKey[k]; r != nil && k.name != "" {
			r.cell(slotOf(f.Event.Time)).failed++
		}
	}
}

func (s *senders) see(t time.Time) {
	if s.since.IsZero() {
		s.since = t
	}
	if t.After(s.now) {
		s.now = t
	}
}

func keysOf(f *track.Fact) [3]senderKey {
	return [3]senderKey{{SenderAccount, f.Account}, {SenderClient, f.Client}, {SenderAddress, f.Event.From}}
}

func (s *senders) row(k senderKey) *senderRow {
	r := s.byKey[k]
	if r == nil {
		if len(s.byKey) >= maxSenders {
			s.prune()
		}
		k.name = strings.Clone(k.name)
		r = &senderRow{hour: hourOf(s.now)}
		s.byKey[k] = r
	}
	return r
}

// roll closes the hours that are over.
func (r *senderRow) roll(hour int64) {
	if hour <= r.hour {
		return
	}
	const keep = 1 - 1.0/senderMemory
	r.habit = r.habit*keep + r.count*(1-keep)
	r.habit *= math.Pow(keep, float64(hour-r.hour-1))
	r.hour, r.count = hour, 0
}

func (r *senderRow) cell(slot int64) *senderCell {
	c := &r.cells[uint64(slot)%senderSlots]
	if slot > c.slot {
		*c = senderCell{slot: slot}
	}
	return c
}

func (r *senderRow) sum(first int64) (t senderCell) {
	for _, c := range r.cells {
		if c.slot >= first {
			t.messages += c.messages
			t.recipients += c.recipients
			t.failed += c.failed
		}
	}
	return t
}

func (s *senders) prune() {
	type weighed struct {
		key    senderKey
		weight float64
	}
	list := make([]weighed, 0, len(s.byKey))
	for k, r := range s.byKey {
		r.roll(hourOf(s.now))
		list = append(list, weighed{k, r.habit*senderMemory + float64(r.sum(slotOf(s.now)-senderSlots).messages)})
	}
	slices.SortFunc(list, func(a, b weighed) int {
		return cmp.Or(cmp.Compare(a.weight, b.weight), cmp.Compare(a.key.kind, b.key.kind), strings.Compare(a.key.name, b.key.name))
	})
	for _, x := range list[:len(list)/4] {
		delete(s.byKey, x.key)
	}
}

// Senders gives who had mail accepted by an instance since a moment, at most an hour
// ago: the busiest, most messages first, at most so many.
func (m *Meter) Senders(instance string, since time.Time, most int) []Sender {
	in := m.instances[instance]
	if in == nil {
		return nil
	}
	s := &in.senders
	window := s.now.Sub(since)
	known := s.now.Sub(s.since)
	// A habit that had little time to form is not yet at its level.
	formed := 1 - math.Exp(-known.Hours()/senderMemory)
	list := make([]Sender, 0, most)
	for k, r := range s.byKey {
		c := r.sum(slotOf(since))
		if c.messages == 0 || most <= 0 || len(list) == most && int64(c.messages) < list[most-1].Messages {
			continue
		}
		r.roll(hourOf(s.now))
		x := Sender{Kind: k.kind, Name: k.name, Messages: int64(c.messages), Recipients: int64(c.recipients), Failed: int64(c.failed), Usual: -1}
		if known >= habitNeeds {
			x.Usual = r.habit / formed * window.Hours()
		}
		// Few of very many are among the busiest: they are put in their places at once.
		i, _ := slices.BinarySearchFunc(list, x, busier)
		if i == most {
			continue
		}
		if len(list) == most {
			list = list[:most-1]
		}
		list = slices.Insert(list, i, x)
	}
	return list
}

// busier orders senders, most messages first.
func busier(a, b Sender) int {
	return cmp.Or(cmp.Compare(b.Messages, a.Messages), cmp.Compare(a.Kind, b.Kind), strings.Compare(a.Name, b.Name))
}

// savedSenders is the durable form of the habits.
type savedSenders struct {
	Since  time.Time     `json:"since"`
	Habits []savedSender `json:"habits"`
}

type savedSender struct {
	Kind  SenderKind `json:"k"`
	Name  string     `json:"n"`
	Hour  int64      `json:"h"`
	Habit float64    `json:"u"`
}

// save gives the habits once an hour; nil when they were stored already.
func (s *senders) save() *savedSenders {
	hour := hourOf(s.now)
	if s.now.IsZero() || hour == s.saved {
		return nil
	}
	s.saved = hour
	out := &savedSenders{Since: s.since}
	for k, r := range s.byKey {
		r.roll(hour)
		if r.habit > 0 {
			out.Habits = append(out.Habits, savedSender{k.kind, k.name, r.hour, r.habit})
		}
	}
	slices.SortFunc(out.Habits, func(a, b savedSender) int {
		return cmp.Or(cmp.Compare(b.Habit, a.Habit), cmp.Compare(a.Kind, b.Kind), strings.Compare(a.Name, b.Name))
	})
	out.Habits = out.Habits[:min(len(out.Habits), keptSenders)]
	return out
}

func (s *senders) load(w *savedSenders) {
	s.since = w.Since
	for _, h := range w.Habits[:min(len(w.Habits), keptSenders)] {
		if h.Kind <= SenderAddress && h.Habit > 0 && !math.IsInf(h.Habit, 0) {
			s.byKey[senderKey{h.Kind, h.Name}] = &senderRow{hour: h.Hour, habit: h.Habit}
		}
	}
}

// flushSenders hands out the habits of one instance.
func (in *instance) flushSenders(put func(key string, value []byte)) {
	saved := in.senders.save()
	if saved == nil {
		return
	}
	if v, err := json.Marshal(savedWindow{Instance: in.name, Senders: saved}); err == nil { // strings and numbers always encode
		put("senders/"+in.name, v)
	}
}
