package alert_test

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/mtawatch/mtawatch/internal/alert"
	"github.com/mtawatch/mtawatch/internal/mta"
)

func found(id string, code mta.FindingCode, s mta.Severity) mta.Finding {
	return mta.Finding{ID: id, Code: code, Severity: s, Instance: "postfix", Subject: "example.net"}
}

// held tells of each finding whether people are left alone.
func held(m *alert.Marks, list ...mta.Finding) string {
	text := ""
	for _, f := range m.Mark(list) {
		switch {
		case f.Acknowledged != nil && !f.SilencedUntil.IsZero():
			text += "b"
		case f.Acknowledged != nil:
			text += "a"
		case !f.SilencedUntil.IsZero():
			text += "s"
		default:
			text += "-"
		}
	}
	return text
}

func TestMarks(t *testing.T) {
	m := alert.NewMarks()
	at := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	one, two := found("1", mta.FindingQueueGrowing, mta.SeverityWarning), found("2", mta.FindingBlocklisted, mta.SeverityWarning)
	worse := found("1", mta.FindingQueueGrowing, mta.SeverityCritical)
	m.Acknowledge(&one, mta.Acknowledgement{At: at, By: "ann", Note: "on it"})
	if got := held(m, one, two, worse); got != "a--" {
		t.Errorf("after one was acknowledged: %s", got)
	}
	over := worse
	over.End = at
	if got := held(m, over); got != "a" {
		t.Errorf("after its end: %s", got)
	}
	s, err := m.Silence(mta.Silence{Code: mta.FindingBlocklisted, Until: at.Add(time.Hour), At: at, By: "ann"}, []mta.Finding{one, two})
	if err != nil || s.ID == "" || s.Severity != mta.SeverityWarning {
		t.Fatalf("%+v, %v", s, err)
	}
	loud := found("3", mta.FindingBlocklisted, mta.SeverityCritical)
	if got := held(m, one, two, loud); got != "as-" {
		t.Errorf("silenced: %s", got)
	}
	ahead, err := m.Silence(mta.Silence{Instance: "postfix", Subject: "example.net", Until: at.Add(2 * time.Hour), At: at}, nil)
	if err != nil || ahead.Severity != mta.SeverityCritical || held(m, one, two, loud) != "bss" {
		t.Errorf("silenced ahead: %+v, %v: %s", ahead, err, held(m, one, two, loud))
	}
	if list := m.Silences(); len(list) != 2 || list[0].ID != s.ID {
		t.Errorf("silences: %+v", list)
	}
	if m.Expire(at.Add(time.Hour-time.Second)) || !m.Expire(at.Add(time.Hour)) || len(m.Silences()) != 1 {
		t.Errorf("after an hour: %+v", m.Silences())
	}
	if !m.Unsilence(ahead.ID) || m.Unsilence(ahead.ID) || !m.Unacknowledge("1") || m.Unacknowledge("1") || held(m, one, two, loud) != "---" {
		t.Errorf("after all was taken back: %s", held(m, one, two, loud))
	}
}

// What is kept comes back; what was taken back does not.
func TestMarksAreKept(t *testing.T) {
	kept := map[string][]byte{}
	keep := func(m *alert.Marks) {
		m.Flush(func(k string, v []byte) { kept[k] = v }, func(k string) { delete(kept, k) })
	}
	m := alert.NewMarks()
	at := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	one, two := found("1", mta.FindingQueueGrowing, mta.SeverityWarning), found("2", mta.FindingBlocklisted, mta.SeverityWarning)
	m.Acknowledge(&one, mta.Acknowledgement{At: at, By: "ann", Note: "on <it>"})
	m.Acknowledge(&two, mta.Acknowledgement{At: at})
	gone, _ := m.Silence(mta.Silence{Code: mta.FindingMailLoop, Until: at.Add(time.Hour), At: at}, nil)
	stays, _ := m.Silence(mta.Silence{Code: mta.FindingMailLoop, Until: at.Add(2 * time.Hour), At: at}, nil)
	if gone.ID == stays.ID {
		t.Errorf("two silences are named %s", gone.ID)
	}
	keep(m)
	m.Unacknowledge("2")
	m.Unsilence(gone.ID)
	keep(m)
	back := alert.NewMarks()
	for k, v := range kept {
		if err := back.Load(k, v); err != nil {
			t.Error(err)
		}
	}
	if diff := cmp.Diff(back.Mark([]mta.Finding{one, two}), m.Mark([]mta.Finding{one, two})); diff != "" {
		t.Errorf("(-got +want)\n%s", diff)
	}
	if diff := cmp.Diff(back.Silences(), m.Silences()); diff != "" {
		t.Errorf("(-got +want)\n%s", diff)
	}
	for _, k := range []string{"", "ack/1", "silence/1", "other/1"} {
		if err := back.Load(k, []byte("{")); err == nil {
			t.Errorf("a broken record %q was taken", k)
		}
	}
}

func TestMarksAreBounded(t *testing.T) {
	m := alert.NewMarks()
	at := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	n := 0
	for i := range 5000 {
		f := found(fmt.Sprint(i), mta.FindingMailLoop, mta.SeverityWarning)
		m.Acknowledge(&f, mta.Acknowledgement{At: at.Add(time.Duration(i) * time.Second)})
	}
	m.Flush(func(string, []byte) { n++ }, func(string) {})
	if n > 3000 {
		t.Errorf("%d acknowledgements are kept", n)
	}
	var err error
	for range 201 {
		_, err = m.Silence(mta.Silence{Code: mta.FindingMailLoop, Until: at, At: at}, nil)
	}
	if !errors.Is(err, alert.ErrTooMany) {
		t.Errorf("the 201st silence: %v", err)
	}
}
