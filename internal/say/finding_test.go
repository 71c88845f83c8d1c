package say

import (
	"strings"
	"testing"
	"time"

	"github.com/mtawatch/mtawatch/internal/mta"
	"github.com/mtawatch/mtawatch/internal/view"
)

func TestHeadline(t *testing.T) {
	long := view.Unseen{What: "queue of postfix", Why: "count queue of postfix: count queue in /q: open /q/hold: permission denied"}
	if got, want := unseenText(long), "queue of postfix: open /q/hold: permission denied"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if got := unseenText(view.Unseen{What: "x", Why: strings.Repeat("y ", 200)}); Width(got) > HeadlineWidth {
		t.Errorf("%d columns: %q", Width(got), got)
	}
}

// TestSentence: of what is over and watched only the title says since when.
func TestSentence(t *testing.T) {
	began := time.Date(2026, 11, 2, 14, 0, 0, 0, time.UTC)
	now := began.Add(54 * time.Second)
	f := mta.Finding{Code: mta.FindingDispatcherDown, Severity: mta.SeverityCritical, Title: "the dispatcher is down", Since: began}
	s := &view.Status{Time: now, Verdict: view.VerdictCritical, Findings: []mta.Finding{f}}
	if got, want := Headline(s), "the dispatcher is down, since "+Clock(now, began)+" (54s)"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if got, want := Consequence(now, &f), "dispatcher-down: the dispatcher is down, since "+Clock(now, began); got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	f.Title, f.Over = "the dispatcher was down since 14:00:00; it is back since 14:00:49", began.Add(49*time.Second)
	s.Findings[0] = f
	if got := Headline(s); got != f.Title {
		t.Errorf("got %q, want %q", got, f.Title)
	}
	if got, want := Consequence(now, &f), "dispatcher-down: "+f.Title; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

// TestStoppedProcess: a daemon that is there and stopped does not pass for one that works.
func TestStoppedProcess(t *testing.T) {
	p := view.ProcessStatus{Roles: map[string]int{"dispatcher": 1, "job-controller": 1}, Stopped: []string{"job-controller"}}
	if got, want := Processes(p)[0], "dispatcher 1, job-controller 1 (stopped)"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}
