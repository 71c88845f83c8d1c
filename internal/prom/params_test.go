package prom

import (
	"math"
	"testing"
	"time"
)

func TestParseTime(t *testing.T) {
	for _, tt := range []struct {
		name, in string
		want     time.Time // zero: an error
	}{
		{"seconds", "1795435200", time.Unix(1795435200, 0)},
		{"fraction", "1795435200.781", time.UnixMilli(1795435200781)},
		{"finer than stored", "1795435200.0009", time.UnixMilli(1795435200001)},
		{"exponent", "1.7954352e9", time.Unix(1795435200, 0)},
		{"before 1970", "-0.5", time.UnixMilli(-500)},
		{"RFC 3339", "2026-11-23T12:00:00Z", time.Unix(1795435200, 0)},
		{"RFC 3339 zone", "2026-11-23T13:00:00.25+01:00", time.UnixMilli(1795435200250)},
		{"empty", "", time.Time{}},
		{"words", "yesterday", time.Time{}},
		{"NaN", "NaN", time.Time{}},
		{"Inf", "+Inf", time.Time{}},
		{"huge", "1e300", time.Time{}},
		{"year 9999", "9999-01-01T00:00:00Z", time.Time{}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, err := parseTime(tt.in)
			if tt.want.IsZero() != (err != nil) || err == nil && !got.Equal(tt.want) {
				t.Errorf("got %v, %v; want %v", got, err, tt.want)
			}
		})
	}
}

func TestParseDuration(t *testing.T) {
	for _, tt := range []struct {
		name, in string
		want     time.Duration // -1: an error
	}{
		{"seconds", "15", 15 * time.Second},
		{"fraction", "0.5", 500 * time.Millisecond},
		{"unit", "5m", 5 * time.Minute},
		{"mixed", "1h30m", 90 * time.Minute},
		{"all", "1y1w1d1h1m1s1ms", 373*24*time.Hour + time.Hour + time.Minute + time.Second + time.Millisecond},
		{"ms", "250ms", 250 * time.Millisecond},
		{"empty", "", -1},
		{"wrong order", "30m1h", -1},
		{"twice", "1m1m", -1},
		{"no number", "m", -1},
		{"no unit in the middle", "1h30", -1},
		{"fraction and unit", "1.5h", -1},
		{"unknown", "3 fortnights", -1},
		{"NaN", "nan", -1},
		{"too long", "300y", -1},
		{"far too long", "99999999999999999999y", -1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, err := parseDuration(tt.in)
			if (tt.want == -1) != (err != nil) || err == nil && got != tt.want {
				t.Errorf("got %v, %v; want %v", got, err, tt.want)
			}
		})
	}
}

// Whatever is given, the parsers return, and a time that was read is written
// as the same time.
func FuzzParams(f *testing.F) {
	for _, s := range []string{"", "1795435200.781", "-1e9", "2026-11-23T12:00:00Z", "1h30m", "300y", "9223372036", "0x1p-2", "1ms"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, in string) {
		if at, err := parseTime(in); err == nil {
			s := &stream{}
			s.time(at)
			again, err := parseTime(string(s.b))
			if err != nil || again.UnixMilli() != at.UnixMilli() {
				t.Errorf("%q: %v is written %s and read %v, %v", in, at, s.b, again, err)
			}
		}
		if d, err := parseDuration(in); err == nil && math.Abs(d.Seconds()) > maxSeconds+1 {
			t.Errorf("%q: %v", in, d)
		}
	})
}
