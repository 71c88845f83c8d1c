package detect

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/mtawatch/mtawatch/internal/baseline"
)

// The records that Flush hands out:
//
//	set           the Set's own: the incident
//	d<day>/<name> the hours of one day of a signal (baseline.AppendDay)
//	now/<name>    the hour that a signal is in
const (
	keySet = "set"
	keyNow = "now/"
)

const keepVersion = 1

// keepEvery is how often the present hour is handed out.
const keepEvery = 5 * time.Minute

// keeping is what of a signal has changed since the last Flush.
type keeping struct {
	days  []baseline.Day
	nowAt time.Time // when the present hour was handed out last
}

func (k *keeping) day(d baseline.Day) {
	for _, have := range k.days {
		if have == d {
			return
		}
	}
	k.days = append(k.days, d)
}

func dayKey(d baseline.Day, name string) string {
	return "d" + strconv.Itoa(int(d)) + "/" + name
}

// Flush hands out what is to be kept and has changed since the last Flush.
// Value is only valid during the call of put. Calling it often is cheap: the
// present hour of a signal is handed out every five minutes at most.
func (s *Set) Flush(put func(key string, value []byte), del func(key string)) {
	var buf []byte
	for _, key := range s.gone {
		del(key)
	}
	s.gone = s.gone[:0]
	if s.dirty {
		s.dirty = false
		put(keySet, s.incident.append(nil))
	}
	for name, g := range s.signals {
		for _, d := range g.kept.days {
			if text, ok := g.past.AppendDay(append(buf[:0], byte(g.kind)), d); ok {
				buf = text
				put(dayKey(d, name), text)
			} else {
				del(dayKey(d, name))
			}
		}
		g.kept.days = g.kept.days[:0]
		if g.active && g.cur.used && s.now.Sub(g.kept.nowAt) >= keepEvery {
			g.kept.nowAt = s.now
			buf = g.appendNow(buf[:0])
			put(keyNow+name, buf)
		}
	}
}

// forget hands back all records of a signal.
func (g *Signal) forget() {
	g.past.Forget(math.MaxInt32, func(d baseline.Day) { g.set.gone = append(g.set.gone, dayKey(d, g.name)) })
	g.set.gone = append(g.set.gone, keyNow+g.name)
	g.kept.days = nil
	g.cur.reset()
	g.reset()
	g.learned, g.judging, g.trailAt = 0, false, math.MinInt32
}

// curFresh reports whether the hour that is gathered is younger than that.
func (g *Signal) curFresh(oldest baseline.Hour) bool { return g.cur.used && g.cur.hour >= oldest }

// Load takes back what Flush gave. It merges: hours that the signal has
// itself stay, so that an import can be joined to what was watched since. A
// record that cannot be read is an error and changes nothing. What is loaded
// before the first Begin is taken to be kept already, and is not handed out
// again by Flush; what is loaded later is.
func (s *Set) Load(key string, value []byte) error {
	var err error
	switch {
	case key == keySet:
		err = s.loadIncident(value)
	case strings.HasPrefix(key, keyNow):
		err = s.loadNow(key[len(keyNow):], value)
	default:
		err = s.loadDay(key, value)
	}
	if err != nil {
		return fmt.Errorf("load record %.80q: %w", key, err)
	}
	return nil
}

var errRecord = errors.New("not a record of detection")

// loading gives the signal that a record is of, without keeping a new one yet.
func (s *Set) loading(name string, kind Kind) (*Signal, error) {
	if kind > Ratio {
		return nil, errRecord
	}
	g := s.signals[name]
	if g == nil {
		return newSignal(s, strings.Clone(name), kind), nil
	}
	if g.kind != kind {
		return nil, fmt.Errorf("%w of this kind", errRecord)
	}
	return g, nil
}

func (s *Set) loadDay(key string, value []byte) error {
	number, name, ok := strings.Cut(strings.TrimPrefix(key, "d"), "/")
	d, err := strconv.ParseInt(number, 10, 32)
	if !ok || err != nil || key[0] != 'd' || len(value) < 1 {
		return errRecord
	}
	g, err := s.loading(name, Kind(value[0]))
	if err != nil {
		return err
	}
	err = baseline.ReadDay(value[1:], baseline.Day(d), pastKind[g.kind], layouts[g.kind].size, func(r baseline.Record) {
		if _, ok := g.past.Find(r.Hour); ok {
			return
		}
		g.past.Put(r)
		s.saw(r.Hour, r.Cover)
		if !s.now.IsZero() {
			g.kept.day(r.Hour.Day())
		}
	})
	if err != nil {
		return err
	}
	g.loaded()
	return nil
}

// loaded lets what was loaded be used.
func (g *Signal) loaded() {
	g.set.signals[g.name] = g
	g.trailAt = math.MinInt32
	if g.active {
		g.set.queue = append(g.set.queue, g)
	}
}

func (i *incident) append(b []byte) []byte {
	b = append(b, keepVersion)
	for _, t := range [...]time.Time{i.since, i.end} {
		n := int64(0)
		if !t.IsZero() {
			n = t.Unix()
		}
		b = binary.LittleEndian.AppendUint64(b, uint64(n))
	}
	return b
}

func (s *Set) loadIncident(b []byte) error {
	if len(b) != 17 || b[0] != keepVersion {
		return errRecord
	}
	if s.incident.open || !s.incident.since.IsZero() {
		return nil // this Set knows newer
	}
	read := func(b []byte) time.Time {
		n := int64(binary.LittleEndian.Uint64(b))
		if n <= 0 || n > 1<<40 {
			return time.Time{}
		}
		return time.Unix(n, 0)
	}
	s.incident.since, s.incident.end = read(b[1:]), read(b[9:])
	return nil
}
