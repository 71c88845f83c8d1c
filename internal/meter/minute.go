package meter

import "time"

// minute counts the attempts of the last 60 seconds, by the second in which
// they were logged.
type minute struct {
	first   time.Time // of the attempts seen since the start; what came before is not in it
	seconds [60]second
}

type second struct {
	at           int64 // Unix
	sent, failed int64
}

func (m *minute) add(t time.Time, sent bool) {
	if m.first.IsZero() || t.Before(m.first) {
		m.first = t
	}
	at := t.Unix()
	s := &m.seconds[uint64(at)%uint64(len(m.seconds))]
	switch {
	case at < s.at:
		return // more than a minute late
	case at > s.at:
		*s = second{at: at}
	}
	if sent {
		s.sent++
	} else {
		s.failed++
	}
}

// LastMinute counts the attempts of one instance in the 60 seconds up to now.
// They are complete from first on, which is the time of the first attempt
// since the start of this program; it is zero when there was none.
func (m *Meter) LastMinute(name string, now time.Time) (sent, failed int64, first time.Time) {
	in := m.instances[name]
	if in == nil {
		return 0, 0, time.Time{}
	}
	for _, s := range in.minute.seconds {
		if ago := now.Unix() - s.at; ago >= 0 && ago < int64(len(in.minute.seconds)) {
			sent += s.sent
			failed += s.failed
		}
	}
	return sent, failed, in.minute.first
}
