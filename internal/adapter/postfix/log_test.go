package postfix

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
	return adaptertest.LogLines(t, "testdata/*.txtar")
}

func TestParseAllocatesNothing(t *testing.T) {
	adaptertest.CheckAllocations(t, newParser(adapter.ParserConfig{}), testRef, goldenLines(t))
}

// TestParseCut cuts every line at every byte: neither a panic, nor a status,
// number or queue id that the whole line does not have.
func TestParseCut(t *testing.T) {
	adaptertest.CheckCut(t, newParser(adapter.ParserConfig{}), testRef, goldenLines(t), checkCut)
}

func checkCut(t *testing.T, line string, e *mta.Event, whole []mta.Event) {
	t.Helper()
	if len(whole) == 0 {
		t.Errorf("%q gives a %v, the whole line nothing", line, e.Kind)
		return
	}
	w := &whole[0]
	if e.Kind == mta.KindAuth && len(whole) > 1 {
		w = &whole[1]
	}
	if e.Severity != 0 && e.Kind == mta.KindWarning && e.Severity == w.Severity && strings.HasSuffix(line, e.Text) {
		return // a warning with what is left of its text
	}
	if e.Kind != w.Kind || e.Status != w.Status || e.QueueID != w.QueueID || !e.Time.Equal(w.Time) || e.PID != w.PID {
		t.Errorf("%q gives %v %v %s, the whole line %v %v %s", line, e.Kind, e.Status, e.QueueID, w.Kind, w.Status, w.QueueID)
	}
	if e.Size != w.Size || e.Recipients != w.Recipients || e.Delay != w.Delay || e.Delays != w.Delays {
		t.Errorf("%q gives other numbers than the whole line", line)
	}
	if e.Code != w.Code && e.Code != 0 || e.DSN != w.DSN && e.DSN != "" {
		t.Errorf("%q gives codes %d %s, the whole line %d %s", line, e.Code, e.DSN, w.Code, w.DSN)
	}
	if !strings.HasPrefix(w.MessageID, e.MessageID) { // one without brackets has no end to be seen
		t.Errorf("%q gives message id %q, the whole line %q", line, e.MessageID, w.MessageID)
	}
	for _, s := range [][2]string{{e.From, w.From}, {e.To, w.To}, {e.Client.IP, w.Client.IP}, {e.Client.Name, w.Client.Name},
		{e.Relay.IP, w.Relay.IP}, {e.Relay.Name, w.Relay.Name}, {e.Client.HELO, w.Client.HELO}} {
		if s[0] != s[1] && s[0] != "" {
			t.Errorf("%q gives %q, the whole line %q", line, s[0], s[1])
		}
	}
}

func TestParseAppends(t *testing.T) {
	adaptertest.CheckAppends(t, newParser(adapter.ParserConfig{}), testRef, benchLines[0], benchLines[1])
}

func FuzzParse(f *testing.F) {
	for _, l := range goldenLines(f) {
		f.Add(l)
	}
	f.Fuzz(func(t *testing.T, line string) {
		adaptertest.CheckUsed(t, Adapter, adapter.Line{Text: line, Ref: testRef}, benchLines[5])
	})
}

// TestLogNames reads lines under another name as those of the instance, but
// leaves a name to the instance whose own it is.
func TestLogNames(t *testing.T) {
	line := adapter.Line{Text: "2026-11-23T12:00:00+00:00 mx1 amavis-out/smtp[1]: A1B2C3D4E5: to=<b@example.net>, relay=none, delay=1, delays=0/0/1/0, dsn=2.0.0, status=sent (ok)"}
	own := mta.Instance{Name: "postfix", LogNames: []string{"amavis-out"}}
	for _, tt := range []struct {
		name      string
		instances []mta.Instance
		want      string
	}{
		{"alias", []mta.Instance{own}, "postfix"},
		{"another's own name", []mta.Instance{own, {Name: "amavis-out"}}, "amavis-out"},
		{"not ours", []mta.Instance{{Name: "postfix"}}, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p := newParser(adapter.ParserConfig{Instances: tt.instances})
			for range 2 { // the second time from the kept tag
				events, err := p.Parse(nil, line)
				got := ""
				if len(events) == 1 {
					got = events[0].Instance
				}
				if err != nil || got != tt.want {
					t.Errorf("instance %q, error %v; want %q", got, err, tt.want)
				}
			}
		})
	}
}
