package syslog

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

var ref = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

func at(t *testing.T, s string) time.Time {
	t.Helper()
	v, err := time.Parse(time.RFC3339Nano, s)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func TestParse(t *testing.T) {
	const msg = "4jYTkz5bXlz3q: removed"
	tests := []struct {
		name, line, time string
		host, tag        string
		pid              int32
		message          string
	}{
		{"rfc3164", "Nov 23 11:00:00 mx1 postfix/qmgr[812]: " + msg, "2026-11-23T11:00:00Z", "mx1", "postfix/qmgr", 812, msg},
		{"rfc3164 day of one digit", "Nov  3 11:00:00 mx1 postfix/qmgr[812]: " + msg, "2026-11-03T11:00:00Z", "mx1", "postfix/qmgr", 812, msg},
		{"rfc3164 unpadded day", "Nov 3 11:00:00 mx1 postfix/qmgr[812]: " + msg, "2026-11-03T11:00:00Z", "mx1", "postfix/qmgr", 812, msg},
		{"priority", "<22>Nov 23 11:00:00 mx1 postfix/qmgr[812]: " + msg, "2026-11-23T11:00:00Z", "mx1", "postfix/qmgr", 812, msg},
		{"year", "Nov 23 2024 11:00:00 mx1 postfix/qmgr[812]: " + msg, "2024-11-23T11:00:00Z", "mx1", "postfix/qmgr", 812, msg},
		{"fraction", "Nov 23 11:00:00.000001 mx1 postfix/qmgr[812]: " + msg, "2026-11-23T11:00:00.000001Z", "mx1", "postfix/qmgr", 812, msg},
		{"no host", "Nov 23 11:00:00 postfix/qmgr[812]: " + msg, "2026-11-23T11:00:00Z", "", "postfix/qmgr", 812, msg},
		{"no host, no pid", "Nov 23 11:00:00 postfix/qmgr: " + msg, "2026-11-23T11:00:00Z", "", "postfix/qmgr", 0, msg},
		{"no pid", "Nov 23 11:00:00 mx1 rsyslogd-2.x: " + msg, "2026-11-23T11:00:00Z", "mx1", "rsyslogd-2.x", 0, msg},
		{"no tag", "Nov 23 11:00:00 mx1 last message repeated 3 times", "2026-11-23T11:00:00Z", "mx1", "", 0, "last message repeated 3 times"},
		{"IPv6 host", "Nov 23 11:00:00 2001:db8::1 a.b-c/d[1]: x", "2026-11-23T11:00:00Z", "2001:db8::1", "a.b-c/d", 1, "x"},
		{"empty message", "Nov 23 11:00:00 mx1 a[1]:", "2026-11-23T11:00:00Z", "mx1", "a", 1, ""},
		{"bracket in message", "Nov 23 11:00:00 mx1 a: x[1]: y", "2026-11-23T11:00:00Z", "mx1", "a", 0, "x[1]: y"},
		{"cut pid", "Nov 23 11:00:00 mx1 a[12", "2026-11-23T11:00:00Z", "mx1", "", 0, "a[12"},
		{"huge pid", "Nov 23 11:00:00 mx1 a[99999999999]: x", "2026-11-23T11:00:00Z", "mx1", "", 0, "a[99999999999]: x"},
		{"Solaris", "Nov 23 11:00:00 mx1 postfix/qmgr[812]: [ID 197553 mail.info] " + msg, "2026-11-23T11:00:00Z", "mx1", "postfix/qmgr", 812, msg},
		{"BSD before host", "Nov 23 11:00:00 <mail.info> mx1 postfix/qmgr[812]: " + msg, "2026-11-23T11:00:00Z", "mx1", "postfix/qmgr", 812, msg},
		{"BSD before tag", "Nov 23 11:00:00 mx1 <2.6> postfix/qmgr[812]: " + msg, "2026-11-23T11:00:00Z", "mx1", "postfix/qmgr", 812, msg},
		{"AIX", "Nov 23 11:00:00 mx1 mail:info postfix/qmgr[812]: " + msg, "2026-11-23T11:00:00Z", "mx1", "postfix/qmgr", 812, msg},
		{"rfc3339", "2026-11-23T12:00:00.123456+01:00 mx1 postfix/qmgr[812]: " + msg, "2026-11-23T12:00:00.123456+01:00", "mx1", "postfix/qmgr", 812, msg},
		{"rfc3339 without fraction", "2026-11-23T12:00:00-03:30 mx1 a[1]: x", "2026-11-23T12:00:00-03:30", "mx1", "a", 1, "x"},
		{"ISO zone without colon", "2026-11-23T12:00:00+0100 mx1 a[1]: x", "2026-11-23T12:00:00+01:00", "mx1", "a", 1, "x"},
		{"ISO no zone", "2026-11-23T12:00:00 mx1 a[1]: x", "2026-11-23T12:00:00Z", "mx1", "a", 1, "x"},
		{"ISO blank", "2026-11-23 12:00:00.5 mx1 a[1]: x", "2026-11-23T12:00:00.5Z", "mx1", "a", 1, "x"},
		{"more than nanoseconds", "2026-11-23T12:00:00.1234567899Z mx1 a[1]: x", "2026-11-23T12:00:00.123456789Z", "mx1", "a", 1, "x"},
		{"rfc5424", "<22>1 2026-11-23T12:00:00Z mx1 postfix/qmgr 812 - - " + msg, "2026-11-23T12:00:00Z", "mx1", "postfix/qmgr", 812, msg},
		{"rfc5424 nils", "<22>1 2026-11-23T12:00:00Z - - - - - x", "2026-11-23T12:00:00Z", "", "", 0, "x"},
		{"rfc5424 data", `<22>1 2026-11-23T12:00:00Z mx1 a 1 id [x y="]\""][z] ` + "\ufeffx", "2026-11-23T12:00:00Z", "mx1", "a", 1, "x"},
		{"rfc5424 no message", "<22>1 2026-11-23T12:00:00Z mx1 a 1 - -", "2026-11-23T12:00:00Z", "mx1", "a", 1, ""},
		{"rfc5424 odd pid", "<22>1 2026-11-23T12:00:00Z mx1 a x1 - - x", "2026-11-23T12:00:00Z", "mx1", "a", 0, "x"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			want := Header{at(t, tt.time), tt.host, tt.tag, tt.pid, tt.message}
			r := New(Config{})
			for range 2 { // the second time from what the Reader remembers
				var got Header
				if !r.Parse(&got, tt.line, ref) {
					t.Fatalf("Parse(%q) reports false", tt.line)
				}
				if d := cmp.Diff(want, got); d != "" {
					t.Errorf("Parse(%q) (-want +got):\n%s", tt.line, d)
				}
			}
		})
	}
}

func TestParseNot(t *testing.T) {
	for _, line := range []string{"", " ", "-- no stamp --", "Nov", "Nov 23", "Nov 23 12:00:00", "Nov 23 12:00:0x mx1 a: x",
		"Nox 23 12:00:00 mx1 a: x", "Nov 00 12:00:00 mx1 a: x", "Nov 31 12:00:00 mx1 a: x", "Nov 23 24:00:00 mx1 a: x",
		"Nov 23 12:60:00 mx1 a: x", "2026-13-01T12:00:00Z mx1 a: x", "2026-02-29T12:00:00Z mx1 a: x",
		"2026-11-23T12:00:00Q mx1 a: x", "2026-11-23T12:00:00+2500 mx1 a: x", "2026-11-23T12:00:00Z", "<22>1 ",
		"<22>1 2026-11-23T12:00:00Z mx1 a 1 - [x", "<22>", "<2222>Nov 23 12:00:00 mx1 a: x"} {
		var h Header
		if New(Config{}).Parse(&h, line, ref) {
			t.Errorf("Parse(%q) gives %+v, want none", line, h)
		}
	}
}

func TestYearFromReference(t *testing.T) {
	tests := []struct{ name, stamp, ref, want string }{
		{"same day", "Nov 23 11:00:00", "2026-11-23T12:00:00Z", "2026-11-23T11:00:00Z"},
		{"within a day after", "Nov 24 11:00:00", "2026-11-23T12:00:00Z", "2026-11-24T11:00:00Z"},
		{"more than a day after", "Nov 24 12:00:01", "2026-11-23T12:00:00Z", "2025-11-24T12:00:01Z"},
		{"December read in January", "Dec 31 23:00:00", "2027-01-01T00:10:00Z", "2026-12-31T23:00:00Z"},
		{"January read on 31 December", "Jan  1 00:00:05", "2026-12-31T23:59:59Z", "2027-01-01T00:00:05Z"},
		{"leap day", "Feb 29 12:00:00", "2026-11-23T12:00:00Z", "2024-02-29T12:00:00Z"},
		{"leap day before a century", "Feb 29 12:00:00", "2103-11-23T12:00:00Z", "2096-02-29T12:00:00Z"},
		{"same stamp, later reference", "Dec 31 23:00:00", "2028-01-01T00:10:00Z", "2027-12-31T23:00:00Z"},
		{"same stamp, earlier reference", "Dec 31 23:00:00", "2027-12-30T22:00:00Z", "2026-12-31T23:00:00Z"},
	}
	r := New(Config{}) // one for all: what it remembers must not leak
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var h Header
			if !r.Parse(&h, tt.stamp+" mx1 a: x", at(t, tt.ref)) {
				t.Fatal("no header")
			}
			if want := at(t, tt.want); !h.Time.Equal(want) {
				t.Errorf("%s read at %s gives %v, want %v", tt.stamp, tt.ref, h.Time, want)
			}
		})
	}
}

func TestYearFromConfig(t *testing.T) {
	r := New(Config{Year: 2023})
	for _, tt := range []struct{ stamp, want string }{
		{"Dec 30 10:00:00", "2023-12-30T10:00:00Z"},
		{"Jan  1 00:00:00", "2024-01-01T00:00:00Z"},
		{"Dec 31 23:59:59", "2023-12-31T23:59:59Z"},
		{"Feb 29 00:00:00", "2024-02-29T00:00:00Z"},
		{"Jul 29 00:00:00", "2024-07-29T00:00:00Z"},
		{"Dec 29 00:00:00", "2024-12-29T00:00:00Z"},
		{"Jan  2 00:00:00", "2025-01-02T00:00:00Z"},
	} {
		var h Header
		if !r.Parse(&h, tt.stamp+" mx1 a: x", ref) {
			t.Fatalf("%s: no header", tt.stamp)
		}
		if want := at(t, tt.want); !h.Time.Equal(want) {
			t.Errorf("%s gives %v, want %v", tt.stamp, h.Time, want)
		}
	}
}

func TestLocation(t *testing.T) {
	loc, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		t.Skip("no time zone data:", err)
	}
	r := New(Config{Location: loc})
	for _, tt := range []struct{ name, stamp, want string }{
		{"winter", "Nov 23 11:00:00", "2026-11-23T11:00:00+01:00"},
		{"summer", "Jul 23 11:00:00", "2026-07-23T11:00:00+02:00"},
		{"skipped by summer time", "Mar 29 02:30:00", "2026-03-29T03:30:00+02:00"},
		{"ISO without zone", "2026-07-23T11:00:00.5", "2026-07-23T11:00:00.5+02:00"},
		{"ISO with the own zone", "2026-07-23T11:00:00+02:00", "2026-07-23T11:00:00+02:00"},
		{"ISO with another zone", "2026-07-23T11:00:00+05:00", "2026-07-23T11:00:00+05:00"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var h Header
			if !r.Parse(&h, tt.stamp+" mx1 a: x", ref) {
				t.Fatal("no header")
			}
			if got := h.Time.Format(time.RFC3339Nano); got != tt.want {
				t.Errorf("got %s, want %s", got, tt.want)
			}
		})
	}
}

func TestNoAllocations(t *testing.T) {
	r := New(Config{})
	lines := []string{
		"Nov 23 11:00:00 mx1 postfix/qmgr[812]: x", "Nov 23 11:00:01 mx2 postfix/smtp[813]: x",
		"2026-11-23T12:00:00.123456+01:00 mx1 postfix/qmgr[812]: x", "2026-11-23T12:00:01 mx1 postfix/qmgr[812]: x",
		"<22>1 2026-11-23T12:00:00Z mx1 postfix/qmgr 812 - - x",
	}
	n := testing.AllocsPerRun(100, func() {
		var h Header
		for _, l := range lines {
			if !r.Parse(&h, l, ref) {
				t.Fatal(l)
			}
		}
	})
	if n != 0 {
		t.Errorf("%v allocations for %d lines, want 0", n, len(lines))
	}
}

func FuzzHeader(f *testing.F) {
	f.Add("Nov 23 11:00:00 mx1 postfix/qmgr[812]: x")
	f.Add("Feb 29 2024 11:00:00.5 <mail.info> mx1 mail:info a: [ID 1 mail.info] x")
	f.Add("2026-11-23T12:00:00.123456+01:00 mx1 a[1]: x")
	f.Add("<22>1 2026-11-23T12:00:00Z mx1 a 1 - [x y=\"\\\"\"] \ufeffx")
	f.Fuzz(func(t *testing.T, line string) {
		fresh, used := New(Config{}), New(Config{})
		var a, b, c Header
		okA := fresh.Parse(&a, line, ref)
		used.Parse(&b, "Nov 23 11:00:00 mx1 postfix/qmgr[812]: x", ref)
		used.Parse(&b, line, ref)
		okC := used.Parse(&c, line, ref)
		if okA != okC {
			t.Fatalf("%v at first, then %v", okA, okC)
		}
		if !okA {
			return
		}
		if a != c && (!a.Time.Equal(c.Time) || a.Host != c.Host || a.Tag != c.Tag || a.PID != c.PID || a.Message != c.Message) {
			t.Errorf("%+v at first, then %+v", a, c)
		}
		if a.Time.IsZero() || a.PID < 0 {
			t.Errorf("%+v", a)
		}
		for _, s := range []string{a.Host, a.Tag, a.Message} {
			if !strings.Contains(line, s) {
				t.Errorf("%q is no part of the line", s)
			}
		}
	})
}

func BenchmarkParse(b *testing.B) {
	for _, bb := range []struct{ name, line string }{
		{"rfc3164", "Nov 23 11:00:00 mx1 postfix/qmgr[812]: x"},
		{"rfc3339", "2026-11-23T12:00:00.123456+01:00 mx1 postfix/qmgr[812]: x"},
		{"rfc5424", "<22>1 2026-11-23T12:00:00.123456+01:00 mx1 postfix/qmgr 812 - - x"},
	} {
		b.Run(bb.name, func(b *testing.B) {
			b.ReportAllocs()
			r := New(Config{})
			var h Header
			for b.Loop() {
				if !r.Parse(&h, bb.line, ref) {
					b.Fatal("no header")
				}
			}
		})
	}
}
