package scoreboard

import (
	"bytes"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/mtawatch/mtawatch/internal/mta"
	"github.com/mtawatch/mtawatch/test/sim"
)

var noon = time.Date(2026, 10, 20, 12, 0, 0, 0, time.UTC)

func at(minutes int) time.Time { return noon.Add(time.Duration(minutes) * time.Minute) }

// finding is one that is told at a minute, of a change that began at another.
func finding(minute, since int, code mta.FindingCode, reason mta.Cause) state {
	return state{at(minute), mta.Finding{ID: "1", Code: code, Severity: mta.SeverityWarning, Since: at(since), Reason: reason}}
}

func TestAssign(t *testing.T) {
	const times, grows = mta.FindingDestinationTimingOut, mta.FindingQueueGrowing
	for _, tc := range []struct {
		name   string
		states []state
		want   tally // of the fields that are compared below
		falses int
	}{
		{"right", []state{finding(3, 1, times, mta.CauseConnectTimeout)}, tally{incidents: 1}, 0},
		{"wrong cause", []state{finding(3, 0, times, mta.CauseBlocked)}, tally{incidents: 1, wrongCause: 1}, 0},
		{"right in the end", []state{finding(3, 0, mta.FindingNetworkBroken, 0), finding(5, 0, times, mta.CauseConnectTimeout)}, tally{incidents: 1}, 0},
		{"wrong code", []state{finding(3, 0, mta.FindingBlocklisted, mta.CauseConnectTimeout)}, tally{incidents: 1, wrongCode: 1}, 0},
		{"only what is true as well", []state{finding(3, 0, grows, mta.CauseConnectTimeout)}, tally{incidents: 1, missed: 1}, 0},
		{"too late", []state{finding(72, 0, times, mta.CauseConnectTimeout)}, tally{incidents: 1, missed: 1}, 0},
		{"before it began", []state{finding(-1, -1, times, mta.CauseConnectTimeout)}, tally{incidents: 1, missed: 1}, 1},
		{"with a harmless change", []state{finding(305, 300, grows, 0)}, tally{incidents: 1, missed: 1}, 1},
		{"tolerated", []state{finding(605, 600, grows, 0)}, tally{incidents: 1, missed: 1}, 0},
		{"long after", []state{finding(200, 200, grows, 0)}, tally{incidents: 1, missed: 1}, 1},
	} {
		t.Run(tc.name, func(t *testing.T) {
			h := host{outcomes: []outcome{
				{Incident: sim.Incident{Kind: sim.DestinationTimesOut, Begin: noon, End: at(60)}, touched: 50},
				{Incident: sim.Incident{Kind: sim.Newsletter, Begin: at(300), End: at(330)}},
				{Incident: sim.Incident{Kind: sim.LevelShift, Begin: at(600), End: at(900)}},
			}}
			h.assign(tc.states)
			h.tolerate()
			var got tally
			for i := range h.outcomes {
				got.add(&h.outcomes[i])
			}
			if got.incidents != tc.want.incidents || got.missed != tc.want.missed || got.wrongCode != tc.want.wrongCode || got.wrongCause != tc.want.wrongCause {
				t.Errorf("got %+v, want %+v", got, tc.want)
			}
			if len(h.false) != tc.falses {
				t.Errorf("%d false findings, want %d", len(h.false), tc.falses)
			}
			if tc.name == "right" && (got.delays[0] != 3*time.Minute || got.errors[0] != time.Minute) {
				t.Errorf("delay %s, since off by %s", got.delays[0], got.errors[0])
			}
		})
	}
}

// What touched next to nothing is not held against anyone.
func TestFaint(t *testing.T) {
	var got tally
	got.add(&outcome{Incident: sim.Incident{Kind: sim.DestinationTimesOut}, touched: faint - 1})
	got.add(&outcome{Incident: sim.Incident{Kind: sim.DestinationTimesOut}, touched: faint})
	got.add(&outcome{Incident: sim.Incident{Kind: sim.DispatcherDead}})
	if got.faint != 1 || got.missed != 2 {
		t.Errorf("%d too faint, %d missed, want 1 and 2", got.faint, got.missed)
	}
}

// cpu is the one column that the machine decides.
var cpu = regexp.MustCompile(`\| [0-9.]+ \| [0-9]+ \|\n`)

func TestBoardIsTheSameAgain(t *testing.T) {
	board := func() string {
		var b bytes.Buffer
		Run(Config{Rates: []float64{0.5}, Histories: []int{1}, Kinds: []sim.Kind{sim.ControllerDead, sim.Gap}}).Print(&b, true)
		return cpu.ReplaceAllString(b.String(), "")
	}
	first := board()
	if second := board(); first != second {
		t.Errorf("two boards of one seed differ:\n%s\n%s", first, second)
	}
	for _, want := range []string{"| 0.5/s | 1 d | 1 |", "| controller-dead | 1 |"} {
		if !strings.Contains(first, want) {
			t.Errorf("no %q in the board:\n%s", want, first)
		}
	}
}
