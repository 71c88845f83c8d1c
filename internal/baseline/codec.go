package baseline

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
)

const dayVersion = 1

// AppendDay appends the hours of one day in a form for keeping:
//
//	version, kind, bytes of extra, then for each hour: hour of day, minutes
//	seen (128 added when marked), A, B of shares only (IEEE 754, 4 bytes, little endian), extra
//
// ok is false when no hour of that day is kept.
func (s *Series) AppendDay(dst []byte, d Day) (out []byte, ok bool) {
	i, _ := s.Find(Hour(d) * 24)
	start := len(dst)
	dst = append(dst, dayVersion, byte(s.kind), byte(s.stride))
	for ; i < len(s.hours) && s.hours[i].Day() == d; i++ {
		dst = append(dst, byte(s.hours[i].Of()), s.meta[i])
		dst = binary.LittleEndian.AppendUint32(dst, math.Float32bits(s.a[i]))
		if s.kind == Share {
			dst = binary.LittleEndian.AppendUint32(dst, math.Float32bits(s.b[i]))
		}
		dst = append(dst, s.extra[i*s.stride:(i+1)*s.stride]...)
		ok = true
	}
	if !ok {
		return dst[:start], false
	}
	return dst, true
}

var errDay = errors.New("not a day of hours")

// ReadDay checks a day that AppendDay gave and calls yield with its hours.
// An error leaves yield uncalled. Extra is part of the text.
func ReadDay(text []byte, d Day, kind Kind, extra int, yield func(Record)) error {
	if len(text) < 3 || d < -1<<20 || d > 1<<20 {
		return fmt.Errorf("read day: %w", errDay)
	}
	if text[0] != dayVersion {
		return fmt.Errorf("read day: version %d is not known to this program", text[0])
	}
	if text[1] != byte(kind) || int(text[2]) != extra {
		return fmt.Errorf("read day: %w of this kind", errDay)
	}
	size := 6 + extra
	if kind == Share {
		size += 4
	}
	text = text[3:]
	if len(text)%size != 0 || len(text)/size > 24 {
		return fmt.Errorf("read day: %w", errDay)
	}
	for rest := text; len(rest) > 0; rest = rest[size:] {
		if _, err := readHour(rest[:size], d, kind); err != nil {
			return err
		}
	}
	for rest := text; len(rest) > 0; rest = rest[size:] {
		r, _ := readHour(rest[:size], d, kind)
		yield(r)
	}
	return nil
}

func readHour(t []byte, d Day, kind Kind) (Record, error) {
	r := Record{Hour: Hour(d)*24 + Hour(t[0]), Cover: t[1] &^ marked, Marked: t[1]&marked != 0}
	r.A = math.Float32frombits(binary.LittleEndian.Uint32(t[2:]))
	t0, cover := t[0], r.Cover
	t = t[6:]
	if kind == Share {
		r.B = math.Float32frombits(binary.LittleEndian.Uint32(t))
		t = t[4:]
	}
	r.Extra = t
	finite := func(v float32) bool { return v-v == 0 }
	switch {
	case t0 > 23 || cover == 0 || cover > 60 || !finite(r.A) || !finite(r.B),
		kind == Events && r.A < 0,
		kind == Share && (r.A < 0 || r.B < r.A):
		return Record{}, fmt.Errorf("read day: %w: a value out of range", errDay)
	}
	return r, nil
}
