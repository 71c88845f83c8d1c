package cli_test

import (
	"bytes"
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/bcrypt"

	"github.com/mtawatch/mtawatch/internal/api"
	"github.com/mtawatch/mtawatch/internal/cli"
	"github.com/mtawatch/mtawatch/internal/mta"
	"github.com/mtawatch/mtawatch/internal/view"
)

// actor notes what it is asked to do.
type actor struct {
	asked any
	said  *mta.Acknowledgement // before
	list  []mta.Silence
	err   error
}

func (a *actor) Acknowledge(_ context.Context, q view.Acknowledge) (view.Acknowledged, error) {
	a.asked = q
	return view.Acknowledged{Finding: goneFinding(), Before: a.said}, a.err
}
func (a *actor) Unacknowledge(_ context.Context, id string) error { a.asked = id; return a.err }
func (a *actor) Silence(_ context.Context, s mta.Silence) (mta.Silence, error) {
	a.asked = s
	s.ID, s.Severity = "s-1", mta.SeverityWarning
	return s, a.err
}
func (a *actor) Unsilence(_ context.Context, id string) error { a.asked = id; return a.err }
func (a *actor) Silences(context.Context) (view.Silences, error) {
	return view.Silences{Time: noon, Silences: a.list}, a.err
}

// do runs a command against an actor.
func do(t *testing.T, a *actor, in string, args ...string) (status int, out string) {
	t.Helper()
	var b bytes.Buffer
	deps := cli.Deps{Client: func(string) view.Source { return &source{} }, Actor: func(string) view.Actor { return a }}
	status = cli.Run(t.Context(), deps, append([]string{"mtawatch"}, args...), strings.NewReader(in), &b, &b)
	return status, b.String()
}

func TestActing(t *testing.T) {
	a := &actor{}
	if status, out := do(t, a, "", "findings", "ack", "f-12", "--note", "on it", "--by", "ann", "--server", "x"); status != 0 || !strings.Contains(out, "acknowledged: the job controller") {
		t.Errorf("ack: %d %s", status, out)
	}
	if want := (view.Acknowledge{ID: "f-12", Note: "on it", By: "ann"}); a.asked != want {
		t.Errorf("asked %+v", a.asked)
	}
	if status, out := do(t, a, "", "findings", "ack", "f-12", "--json"); status != 0 || !strings.HasPrefix(out, `{"id":"f-12"`) {
		t.Errorf("ack --json: %d %s", status, out)
	}
	if status, out := do(t, a, "", "findings", "unack", "f-12"); status != 0 || a.asked != "f-12" || out != "taken back: f-12 is not acknowledged any more\n" {
		t.Errorf("unack: %d, %v: %s", status, a.asked, out)
	}
	status, out := do(t, a, "", "silence", "blocklisted", "--for", "3d", "--subject", "example.net", "--by", "ann")
	s, _ := a.asked.(mta.Silence)
	if d := time.Until(s.Until); status != 0 || s.Code != mta.FindingBlocklisted || s.Subject != "example.net" || d < 71*time.Hour || d > 72*time.Hour ||
		!strings.Contains(out, "blocklisted, example.net up to WARNING") || !strings.Contains(out, "mtawatch unsilence s-1") {
		t.Errorf("silence: %d %s, asked %+v", status, out, s)
	}
	if status, out := do(t, a, "", "unsilence", "s-1"); status != 0 || a.asked != "s-1" || out != "silence s-1 has ended\n" {
		t.Errorf("unsilence: %d, %v: %s", status, a.asked, out)
	}
	if status, out := do(t, a, "", "silences"); status != 0 || out != "nothing is silenced\n" {
		t.Errorf("silences: %d %s", status, out)
	}
	a.list = []mta.Silence{{ID: "s-1", Instance: "postfix", Until: noon.Add(time.Hour), By: "ann\x1b[2J", Note: "moving", Severity: mta.SeverityCritical}}
	if status, out := do(t, a, "", "silences"); status != 0 || !strings.Contains(out, "postfix up to CRITICAL") || strings.Contains(out, "\x1b") {
		t.Errorf("silences: %d %s", status, out)
	}
	for _, args := range []string{"findings ack", "findings ack a b", "silence nonsense", "silence blocklisted --for soon", "silence blocklisted --for 0s", "unsilence", "silences x"} {
		a.asked = nil
		if status, _ := do(t, a, "", strings.Fields(args)...); status != 2 || a.asked != nil {
			t.Errorf("%s: %d, asked %v", args, status, a.asked)
		}
	}
	a.err = fmt.Errorf("acknowledge: %w", view.ErrNone)
	if status, out := do(t, a, "", "findings", "ack", "x"); status != 2 || !strings.Contains(out, "to do: 'mtawatch findings' lists") {
		t.Errorf("ack of none: %d %s", status, out)
	}
	a.err = fmt.Errorf("%w at x", api.ErrNoDaemon)
	if status, out := do(t, a, "", "silence", "blocklisted"); status != 2 || !strings.Contains(out, "no mtawatch daemon answers") {
		t.Errorf("without a daemon: %d %s", status, out)
	}
}

// TestAckAgain: who acknowledges what somebody knows of already is told so.
func TestAckAgain(t *testing.T) {
	tests := []struct{ name, args, note, want string }{
		{"the note stays", "", "on \x1b[2Jit", "acknowledged already (by ann at 2026-11-23 12:00: on ?[2Jit); the note stays: the job"},
		{"a new note", "--note moved", "on it", "acknowledged already (by ann at 2026-11-23 12:00: on it); the note is replaced: the job"},
		{"without a note", "", "", "acknowledged already (by ann at 2026-11-23 12:00): the job"},
	}
	for _, tt := range tests {
		a := &actor{said: &mta.Acknowledgement{At: noon, By: "ann", Note: tt.note, Severity: mta.SeverityCritical}}
		if status, out := do(t, a, "", strings.Fields("findings ack f-12 "+tt.args)...); status != 0 || !strings.HasPrefix(out, tt.want) {
			t.Errorf("%s: %d %s", tt.name, status, out)
		}
	}
	a := &actor{said: &mta.Acknowledgement{At: noon, Severity: mta.SeverityWarning}}
	if _, out := do(t, a, "", "findings", "ack", "f-12"); !strings.HasPrefix(out, "acknowledged anew, for it has become worse (before 2026-11-23 12:00): the job") {
		t.Error(out)
	}
}

func TestKnownFindingSaysSo(t *testing.T) {
	f := goneFinding()
	f.Acknowledged = &mta.Acknowledgement{At: noon, By: "ann", Note: "on \x1b[2Jit"}
	f.SilencedUntil = noon.Add(time.Hour)
	s := &source{status: wholeStatus()}
	s.status.Findings = []mta.Finding{f}
	for _, args := range [][]string{{"findings", "f-12"}, {"status"}} {
		_, out, _ := run(t, s, args...)
		if !strings.Contains(out, "by ann: on") || !strings.Contains(out, "; silenced until ") || strings.Contains(out, "\x1b[2J") {
			t.Errorf("%v: %s", args, out)
		}
	}
}

func TestHashPassword(t *testing.T) {
	status, out := do(t, &actor{}, "correct horse\n", "hash-password")
	if err := bcrypt.CompareHashAndPassword([]byte(strings.TrimSpace(out)), []byte("correct horse")); status != 0 || err != nil {
		t.Errorf("%d %s: %v", status, out, err)
	}
	for _, in := range []string{"", "short", strings.Repeat("x", 73)} {
		if status, out := do(t, &actor{}, in, "hash-password"); status != 2 || !strings.Contains(out, "8 to 72 bytes") {
			t.Errorf("%q: %d %s", in, status, out)
		}
	}
}
