package imta

import (
	"strings"
	"testing"
	"time"

	"github.com/mtawatch/mtawatch/internal/adapter"
	"github.com/mtawatch/mtawatch/internal/adapter/adaptertest"
	"github.com/mtawatch/mtawatch/internal/mta"
)

var testRef = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

// goldenLines gives every line of the goldens.
func goldenLines(t testing.TB) []string {
	t.Helper()
	return adaptertest.LogLines(t, "testdata/log-*.txtar")
}

// TestParseAllocatesNothing lets values with escapes pass: they cost a piece of
// memory in some hundred lines.
func TestParseAllocatesNothing(t *testing.T) {
	adaptertest.CheckAllocations(t, newParser(adapter.ParserConfig{}), testRef, goldenLines(t))
}

// TestParseCut cuts every line at every byte: neither a panic, nor a status,
// number or time that the whole line does not have.
func TestParseCut(t *testing.T) {
	adaptertest.CheckCut(t, newParser(adapter.ParserConfig{}), testRef, goldenLines(t), checkCut)
}

// checkCut compares what a cut line tells with what the whole line tells. A
// format without marks around its fields cannot show that the last one was
// cut: texts, addresses and ids may be shorter, and what follows them is missing.
func checkCut(t *testing.T, line string, e *mta.Event, whole []mta.Event) {
	t.Helper()
	if len(whole) == 0 {
		return // a line of others
	}
	w := &whole[0]
	if !e.Time.Equal(w.Time) || e.PID != w.PID || e.Program != w.Program {
		t.Errorf("%q gives %v, %d, %s, the whole line %v, %d, %s", line, e.Time, e.PID, e.Program, w.Time, w.PID, w.Program)
	}
	if e.Kind == mta.KindDelivery && w.Kind == mta.KindDelivery && e.Status != w.Status && w.Status != mta.StatusExpired {
		t.Errorf("%q gives %v, the whole line %v", line, e.Status, w.Status)
	}
	if e.Kind == mta.KindDelivery && w.Kind != mta.KindDelivery || e.Kind == mta.KindAuth && w.Kind != mta.KindAuth {
		t.Errorf("%q gives a %v, the whole line a %v", line, e.Kind, w.Kind)
	}
	if e.Size != w.Size && w.Size != 0 && e.Size != 0 || e.HasDelay && !w.HasDelay {
		t.Errorf("%q gives other numbers than the whole line", line)
	}
	if e.Code != w.Code && e.Code != 0 || e.DSN != w.DSN && e.DSN != "" {
		t.Errorf("%q gives codes %d %s, the whole line %d %s", line, e.Code, e.DSN, w.Code, w.DSN)
	}
	if e.To == "" && e.Client.IsZero() {
		return // cut in the sender
	}
	for _, s := range [][2]string{{e.From, w.From}, {e.Client.Name, w.Client.Name}, {e.Client.IP, w.Client.IP}, {e.Relay.IP, w.Relay.IP}} {
		if !strings.HasPrefix(s[1], s[0]) {
			t.Errorf("%q gives %q, the whole line %q", line, s[0], s[1])
		}
	}
}

// TestStamps reads stamps around the turns of the clock with a parser that
// has read others and with a new one: what was read before makes no difference.
func TestStamps(t *testing.T) {
	loc, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		t.Skip("no time zones on this machine")
	}
	warm := stamps{loc: loc}
	for _, begin := range []time.Time{
		time.Date(2026, 3, 29, 0, 0, 0, 0, time.UTC), time.Date(2026, 10, 25, 0, 0, 0, 0, time.UTC), time.Date(2027, 1, 1, 0, 0, 0, 0, time.UTC),
	} {
		for i := -7200; i < 4*7200; i += 97 {
			wall := begin.Add(time.Duration(i)*time.Second + 660*time.Millisecond)
			want := time.Date(wall.Year(), wall.Month(), wall.Day(), wall.Hour(), wall.Minute(), wall.Second(), wall.Nanosecond(), loc)
			var a, b, c time.Time
			_, ok1 := warm.cutShort(&a, wall.Format("02-Jan-2006 15:04:05.00 "))
			_, ok2 := warm.cutISO(&b, wall.Format("2006-01-02T15:04:05.00"))
			cold := stamps{loc: loc}
			_, ok3 := cold.cutShort(&c, strings.ToUpper(wall.Format("02-Jan-2006 15:04:05.00 ")))
			if !ok1 || !ok2 || !ok3 || !a.Equal(want) || !b.Equal(want) || !c.Equal(want) {
				t.Fatalf("%s gives %v %v %v, want %v", wall, a, b, c, want)
			}
		}
	}
}

func TestParseAppends(t *testing.T) {
	lines := benchLines["format 1"]
	adaptertest.CheckAppends(t, newParser(adapter.ParserConfig{}), testRef, lines[0], lines[1])
}

// TestUnescapedStays reads many lines with escapes: what was given for the
// first stays what it was.
func TestUnescapedStays(t *testing.T) {
	p := newParser(adapter.ParserConfig{})
	line := func(user string) adapter.Line {
		return adapter.Line{Text: `<en ts="2026-10-06T00:24:03.66" sc="tcp_local" dc="ims-ms" ac="E" sz="2" so="` + user + `&amp;co@example.org" de="b@ims-ms-daemon"/>`}
	}
	var kept []mta.Event
	var err error
	for i := range 3000 {
		if kept, err = p.Parse(kept, line(strings.Repeat("x", i%60)+"y")); err != nil {
			t.Fatal(err)
		}
	}
	for i, e := range kept {
		if want := strings.Repeat("x", i%60) + "y&co@example.org"; e.From != want {
			t.Fatalf("event %d has the sender %q, want %q", i, e.From, want)
		}
	}
}

// TestWhatAnEventIsCounted checks what the JSON of a golden does not show.
func TestWhatAnEventIsCounted(t *testing.T) {
	p := newParser(adapter.ParserConfig{})
	for _, tt := range []struct {
		name, line   string
		perRecipient bool
		service      string
		queue        string
	}{
		{"connect", "28-Feb-2026 11:50:59.10 tcp_submit   +            O TCP|192.0.2.1|587|198.51.100.66|1244 SMTP", false, "587", ""},
		{"connect, odd port", "28-Feb-2026 11:50:59.10 tcp_submit   +            O TCP|192.0.2.1|5x7|198.51.100.66|1244 SMTP", false, "", ""},
		{"received", "16-Feb-2026 14:54:13.72 tcp_local    ims-ms       E 1 a@example.org rfc822;b@example.com b@ims-ms-daemon", true, "ims-ms", "ims-ms"},
		{"queued", "16-Feb-2026 14:54:13.72 process      ims-ms       E 1 a@example.org rfc822;b@example.com b@ims-ms-daemon <m1@host.example>", true, "ims-ms", "ims-ms"},
		{"removed", "16-Feb-2026 14:54:13.72 process                   D 1 a@example.org rfc822;b@example.com b@example.com /q/process/ZZ0abc.00", true, "", ""},
		{"removed, not told", "16-Feb-2026 14:54:13.72 tcp_local                 K 1 a@example.org rfc822;b@example.com b@example.com", true, "", ""},
		{"delivery", "16-Feb-2026 14:54:13.72 ims-ms                    D 1 a@example.org rfc822;b@example.com b@ims-ms-daemon", false, "", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			events, err := p.Parse(nil, adapter.Line{Text: tt.line, Ref: testRef})
			if err != nil || len(events) != 1 {
				t.Fatalf("%d events, %v", len(events), err)
			}
			if e := events[0]; e.PerRecipient != tt.perRecipient || e.Queue != tt.queue || e.Service != tt.service {
				t.Errorf("per recipient %v, queue %q, service %q; want %v, %q, %q", e.PerRecipient, e.Queue, e.Service, tt.perRecipient, tt.queue, tt.service)
			}
		})
	}
}

func FuzzParseText(f *testing.F) {
	fuzzLines(f, func(s string) bool { return digit(s[0]) && !strings.Contains(s, " 13:") })
}
func FuzzParseCounted(f *testing.F) {
	fuzzLines(f, func(s string) bool { return strings.Contains(s, " 13:") || strings.Contains(s, "4:SMTP") })
}
func FuzzParseXML(f *testing.F)  { fuzzLines(f, func(s string) bool { return s[0] == '<' }) }
func FuzzParseJSON(f *testing.F) { fuzzLines(f, func(s string) bool { return s[0] == '{' }) }
func FuzzParseNSLOG(f *testing.F) {
	fuzzLines(f, func(s string) bool { return s[0] == '[' || len(s) > 2 && s[2] == '/' })
}
func FuzzParseSyslog(f *testing.F) {
	fuzzLines(f, func(s string) bool { return !digit(s[0]) && s[0] != '<' && s[0] != '{' })
}

// fuzzLines fuzzes with the lines of the goldens that one format has.
func fuzzLines(f *testing.F, of func(line string) bool) {
	n := 0
	for _, l := range goldenLines(f) {
		if l != "" && of(l) {
			f.Add(l)
			n++
		}
	}
	if n < 3 {
		f.Fatalf("found %d lines to begin with", n)
	}
	f.Fuzz(func(t *testing.T, line string) { checkLine(t, line) })
}

// checkLine reads a line with a new parser and with one that has read others.
func checkLine(t *testing.T, line string) {
	in := adapter.Line{Text: line, Ref: testRef}
	for _, e := range adaptertest.CheckUsed(t, Adapter, in, benchLines["format 1"][4], benchLines["format 4"][3], benchLines["format 5"][3]) {
		if e.Kind == mta.KindDelivery && e.To == "" {
			t.Error("delivery without recipient")
		}
		if e.Kind == mta.KindDelivery && e.Status != mta.StatusSent && e.Code/100 == 2 {
			t.Errorf("a failure with the reply %d", e.Code)
		}
		if e.Size < 0 || e.Delay < 0 || e.PID < 0 || e.NullSender != (e.From == "") && e.Kind == mta.KindDelivery {
			t.Errorf("impossible values: %+v", e)
		}
	}
}
