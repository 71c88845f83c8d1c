package cli

import (
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/mtawatch/mtawatch/internal/mta"
	"github.com/mtawatch/mtawatch/internal/view"
)

// TestChanges goes through an incident and a lost daemon, and compares the
// lines that come of each status.
func TestChanges(t *testing.T) {
	at := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	finding := func(id string, s mta.Severity) mta.Finding {
		return mta.Finding{ID: id, Code: mta.FindingQueueGrowing, Severity: s, Title: "title \x1b[2J" + id, Since: at}
	}
	status := func(v view.Verdict, list ...mta.Finding) *view.Status {
		return &view.Status{Time: at, Verdict: v, Judged: true, Findings: list}
	}
	a, b := finding("a", mta.SeverityWarning), finding("b", mta.SeverityWarning)
	worse := finding("a", mta.SeverityCritical)
	lost := errors.New("no daemon\nanswers")
	open := unanswered(status(view.VerdictCritical, worse))
	tests := []struct {
		name     string
		last, is *view.Status
		err      error
		want     []string
	}{
		{"first", nil, status(view.VerdictOK), nil, []string{"verdict"}},
		{"same", status(view.VerdictOK), status(view.VerdictOK), nil, nil},
		{"opened", status(view.VerdictOK), status(view.VerdictWarning, a), nil, []string{"verdict", "opened title ?[2Ja"}},
		{"second", status(view.VerdictWarning, a), status(view.VerdictWarning, a, b), nil, []string{"opened title ?[2Jb"}},
		{"worse", status(view.VerdictWarning, a), status(view.VerdictCritical, worse), nil, []string{"verdict", "changed title ?[2Ja"}},
		{"resolved", status(view.VerdictWarning, a, b), status(view.VerdictWarning, b), nil, []string{"resolved title ?[2Ja"}},
		{"lost", status(view.VerdictCritical, worse), &open, lost, []string{"verdict no daemon"}},
		{"still lost", &open, &open, lost, nil},
		{"back", &open, status(view.VerdictCritical, worse), nil, []string{"verdict"}},
		{"back, and over", &open, status(view.VerdictOK), nil, []string{"verdict", "resolved title ?[2Ja"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var got []string
			for _, c := range changes(tt.last, tt.is, tt.err) {
				line := c.Event
				if c.Event != "verdict" || tt.err != nil {
					line += " " + c.Text
				}
				got = append(got, line)
				if c.Verdict != tt.is.Verdict || (c.Finding == nil) != (c.Event == "verdict") {
					t.Errorf("%+v does not fit the status", c)
				}
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("want-, got+:\n%s", diff)
			}
		})
	}
}

func TestSpeaksUTF8(t *testing.T) {
	for _, tt := range []struct {
		env  []string
		want bool
	}{{nil, false}, {[]string{"LANG", "C"}, false}, {[]string{"LANG", "en_GB.UTF-8"}, true}, {[]string{"LC_ALL", "C", "LANG", "en_GB.UTF-8"}, false}, {[]string{"LC_CTYPE", "C.utf8"}, true}} {
		get := func(name string) string {
			if i := slices.Index(tt.env, name); i >= 0 {
				return tt.env[i+1]
			}
			return ""
		}
		if got := speaksUTF8(get); got != tt.want {
			t.Errorf("%q: got %v, want %v", tt.env, got, tt.want)
		}
	}
}
