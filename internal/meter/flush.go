package meter

import (
	"encoding/json"
	"strconv"
	"time"

	"github.com/mtawatch/mtawatch/internal/mta"
)

// savedWindow is the durable form of one slot, failure row or reject row.
type savedWindow struct {
	Instance    string     `json:"instance"`
	Slot        *savedSlot `json:"slot,omitempty"`
	Destination string     `json:"destination,omitempty"`
	Stage       *mta.Stage `json:"stage,omitempty"`
	Class       int        `json:"class,omitempty"`
	Cause       mta.Cause  `json:"cause,omitempty"`
	Cells       []cell     `json:"cells,omitempty"`
	First       time.Time  `json:"first,omitzero"`
	Last        time.Time  `json:"last,omitzero"`
	Reply       string     `json:"reply,omitempty"`
	DSN         string     `json:"dsn,omitempty"`
	Code        int16      `json:"code,omitempty"`
	Relay       string     `json:"relay,omitempty"`
	QueueID     string     `json:"queue_id,omitempty"`

	Senders *savedSenders `json:"senders,omitempty"`
}

// Flush hands out what changed in the last day's window since the last
// Flush: slots, failure rows and reject rows.
func (m *Meter) Flush(put func(key string, value []byte), del func(key string)) {
	emit := func(key string, w savedWindow) {
		if v, err := json.Marshal(w); err == nil { // strings and numbers always encode
			put(key, v)
		}
	}
	for name, in := range m.instances {
		in.flushSenders(put)
		for i := range in.ring.slots {
			if s := &in.ring.slots[i]; s.dirty {
				s.dirty = false
				saved := s.save()
				emit("slot/"+name+"/"+strconv.Itoa(i), savedWindow{Instance: name, Slot: &saved})
			}
		}
		for k, r := range in.rejects {
			if r.dirty {
				r.dirty = false
				w := r.save(name)
				w.Stage, w.Class, w.Cause = &k.stage, k.class, k.cause
				emit("reject/"+name+"/"+k.stage.String()+"/"+classNames[k.class]+"/"+k.cause.String(), w)
			}
		}
	}
	for _, k := range m.failures.deleted {
		if m.failures.rows[k] == nil {
			del(k.String())
		}
	}
	m.failures.deleted = m.failures.deleted[:0]
	for k, r := range m.failures.rows {
		if r.dirty {
			r.dirty, r.stored = false, true
			w := r.save(k.instance)
			w.Destination, w.Cause = k.destination, k.cause
			emit(k.String(), w)
		}
	}
}

// MarkAll makes the next Flush hand out everything, for a store that has
// lost what it was given before.
func (m *Meter) MarkAll() {
	m.failures.deleted = m.failures.deleted[:0]
	for _, r := range m.failures.rows {
		r.dirty = true
	}
	for _, in := range m.instances {
		in.senders.saved = 0
		for i := range in.ring.slots {
			in.ring.slots[i].dirty = in.ring.slots[i].id != 0
		}
		for _, r := range in.rejects {
			r.dirty = true
		}
	}
}

// Restore takes back the values that Flush handed out, before the first Add,
// in any order. It counts those that could not be read.
func (m *Meter) Restore(values [][]byte) (bad int) {
	for _, v := range values {
		var w savedWindow
		if json.Unmarshal(v, &w) != nil || w.Instance == "" {
			bad++
			continue
		}
		in := m.of(w.Instance)
		switch {
		case w.Senders != nil:
			in.senders.load(w.Senders)
		case w.Slot != nil:
			in.ring.load(*w.Slot)
		case w.Stage != nil && w.Class >= 0 && w.Class < numClasses:
			in.rejects[rejectKey{*w.Stage, w.Class, w.Cause}] = w.row()
		case w.Destination != "":
			r := w.row()
			r.rowKey, r.stored = rowKey{in.name, w.Destination, w.Cause}, true
			m.failures.rows[r.rowKey] = r
		default:
			bad++
		}
	}
	return bad
}

func (r *row) save(instance string) savedWindow {
	return savedWindow{Instance: instance, Cells: r.cells, First: r.first, Last: r.last,
		Reply: string(r.reply), DSN: r.dsn, Code: r.code, Relay: r.relay, QueueID: string(r.queueID)}
}

func (w *savedWindow) row() *row {
	return &row{cells: w.Cells, first: w.First, last: w.Last, reply: []byte(w.Reply), dsn: w.DSN, code: w.Code, relay: w.Relay, queueID: []byte(w.QueueID)}
}

// String gives the key under which the row is stored.
func (k rowKey) String() string {
	return "row/" + k.instance + "/" + k.destination + "/" + k.cause.String()
}
