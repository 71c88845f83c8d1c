package syslog_test

import (
	"math/rand"
	"testing"
	"time"

	"github.com/mtawatch/mtawatch/internal/syslog"
)

// TestHours reads stamps near the turns of clocks and years with a Reader
// that has read others before, and with a new one for each: what was read
// before makes no difference.
func TestHours(t *testing.T) {
	forms := []struct{ name, layout string }{
		{"BSD", "Jan _2 15:04:05 "},
		{"BSD with fraction", "Jan _2 15:04:05.000 "},
		{"ISO", "2006-01-02T15:04:05.000000-07:00 "},
		{"ISO, UTC", "2006-01-02T15:04:05Z "},
		{"ISO without zone", "2006-01-02 15:04:05.000 "},
	}
	turns := []time.Time{
		time.Date(2026, 3, 29, 1, 0, 0, 0, time.UTC), // Berlin, spring
		time.Date(2026, 10, 25, 1, 0, 0, 0, time.UTC),
		time.Date(2026, 4, 4, 15, 0, 0, 0, time.UTC), // Lord Howe: half an hour
		time.Date(2026, 10, 3, 15, 30, 0, 0, time.UTC),
		time.Date(2025, 12, 31, 23, 30, 0, 0, time.UTC),
		time.Date(2024, 2, 29, 12, 0, 0, 0, time.UTC),
	}
	for _, zone := range []string{"UTC", "Europe/Berlin", "Australia/Lord_Howe", "America/St_Johns"} {
		loc, err := time.LoadLocation(zone)
		if err != nil {
			t.Skip("no time zones on this machine")
		}
		r := rand.New(rand.NewSource(1))
		warm := syslog.New(syslog.Config{Location: loc})
		for range 6_000 {
			form := forms[r.Intn(len(forms))]
			turn := turns[r.Intn(len(turns))]
			at := turn.Add(time.Duration(r.Intn(4*60*60)-2*60*60) * time.Second)
			ref := at.Add([]time.Duration{0, time.Minute, 24 * time.Hour, 364 * 24 * time.Hour, -23 * time.Hour, -25 * time.Hour}[r.Intn(6)] +
				time.Duration(r.Intn(7200)-3600)*time.Second)
			line := at.In(loc).Format(form.layout) + "mx1 a[1]: b"
			if r.Intn(50) == 0 { // a leap second
				i := len(at.In(loc).Format(form.layout[:len("Jan _2 15:04:")]))
				if form.layout[0] == '2' {
					i = len("2006-01-02T15:04:")
				}
				line = line[:i] + "60" + line[i+2:]
			}
			var got, want syslog.Header
			gotOK := warm.Parse(&got, line, ref)
			wantOK := syslog.New(syslog.Config{Location: loc}).Parse(&want, line, ref)
			if gotOK != wantOK || !got.Time.Equal(want.Time) || got.Time.String() != want.Time.String() {
				t.Fatalf("%s, %s: %q at %s gave %v, a new Reader gives %v", zone, form.name, line, ref, got.Time, want.Time)
			}
		}
	}
}

// TestHoursOverTheYear follows stamps without a year through three turns of
// the year, the last second of each a leap second.
func TestHoursOverTheYear(t *testing.T) {
	r := syslog.New(syslog.Config{Year: 2024})
	at := time.Date(2024, 1, 1, 0, 0, 0, 0, time.UTC)
	for at.Year() < 2027 {
		text, want := at.Format("Jan _2 15:04:05 "), at
		if at.Month() == 12 && at.Day() == 31 && at.Hour() == 23 && at.Minute() >= 53 {
			text, want = "Dec 31 23:59:60 ", at.Truncate(time.Hour).Add(time.Hour)
		}
		var h syslog.Header
		if !r.Parse(&h, text+"mx1 a[1]: b", time.Time{}) || !h.Time.Equal(want) {
			t.Fatalf("%q gave %s, want %s", text, h.Time, want)
		}
		at = at.Add(7 * time.Minute)
	}
}
