package drill

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/mtawatch/mtawatch/internal/mta"
)

// Row is one line of the scoreboard.
type Row struct {
	Drill    string            `json:"drill"`
	Expected []mta.FindingCode `json:"expected"` // any of them; none: harmless
	Began    time.Time         `json:"began"`
	Evidence time.Time         `json:"evidence"`         // when there was first anything to be seen
	Noticed  time.Time         `json:"noticed,omitzero"` // by mtawatch's own word
	Seen     time.Time         `json:"seen,omitzero"`    // when it could be read from the API
	Found    mta.FindingCode   `json:"found,omitempty"`
	Reason   mta.Cause         `json:"reason,omitempty"`
	Severity mta.Severity      `json:"severity,omitempty"`
	Title    string            `json:"title,omitempty"`
	Folded   []mta.FindingCode `json:"folded,omitempty"` // its consequences, told with it
	Seconds  float64           `json:"seconds"`          // from the evidence until it could be read; -1: never
	Limit    float64           `json:"limit"`            // seconds
	False    []FalseFinding    `json:"false_findings"`
	Passed   bool              `json:"passed"`
	Error    string            `json:"error,omitempty"`   // why the drill could not be done
	NotRun   string            `json:"not_run,omitempty"` // what this machine or user lacks for it
}

// FalseFinding is a warning or worse that the drill does not explain.
type FalseFinding struct {
	Code     mta.FindingCode `json:"code"`
	Severity mta.Severity    `json:"severity"`
	Title    string          `json:"title"`
	Early    bool            `json:"early"` // told before the drill began
}

// Row judges what was seen.
func (w *Watch) Row(e *Expect) Row {
	r := Row{Drill: e.Name, Expected: e.Codes, Began: w.began, Evidence: w.evidence, Seconds: -1, Limit: e.Limit.Seconds(), False: []FalseFinding{}}
	if n := w.seen[w.found]; n != nil {
		f := n.last
		r.Found, r.Reason, r.Severity, r.Title, r.Noticed, r.Seen = w.right.Code, w.right.Reason, n.worst, w.right.Title, f.Noticed, n.first
		r.Seconds = max(0, n.first.Sub(w.evidence).Seconds())
		for _, c := range f.Folded {
			if !slices.Contains(r.Folded, c.Code) {
				r.Folded = append(r.Folded, c.Code)
			}
		}
	}
	for id, n := range w.seen {
		early := n.first.Before(w.began)
		expected := !early && (e.names(&n.last) || slices.Contains(e.Also, n.last.Code))
		if id != w.found && !n.folded && n.worst >= mta.SeverityWarning && !expected {
			r.False = append(r.False, FalseFinding{n.last.Code, n.worst, n.last.Title, early})
		}
	}
	slices.SortFunc(r.False, func(a, b FalseFinding) int { return strings.Compare(string(a.Code)+a.Title, string(b.Code)+b.Title) })
	inTime := e.Harmless() || w.found != "" && r.Seconds <= r.Limit+Every.Seconds()
	r.Passed = inTime && len(r.False) == 0
	return r
}

// Line is the row in one line of text.
func (r *Row) Line() string {
	var b strings.Builder
	switch {
	case r.NotRun != "":
		return "not run: " + r.NotRun
	case r.Error != "":
		return "ERROR: " + r.Error
	case r.Found != "":
		fmt.Fprintf(&b, "%s (%s) after %.1f s of %.0f: %s", r.Found, r.Severity, r.Seconds, r.Limit, r.Title)
	case len(r.Expected) > 0:
		b.WriteString("MISSED")
	default:
		b.WriteString("nothing, rightly")
	}
	for _, f := range r.False {
		fmt.Fprintf(&b, "; FALSE %s (%s): %s", f.Code, f.Severity, f.Title)
	}
	return b.String()
}

// Score is a row as the scoreboard's JSON has it.
type Score struct {
	Drill    string           `json:"drill"`
	Expected *mta.FindingCode `json:"expected"` // null: harmless
	Found    *mta.FindingCode `json:"found"`    // null: nothing above info
	Seconds  *float64         `json:"seconds"`  // from the first evidence; null: nothing was found
	False    int              `json:"false_findings"`
	Passed   bool             `json:"passed"`
	Error    string           `json:"error,omitempty"`
	NotRun   string           `json:"not_run,omitempty"`
}

// Score gives the row in short. When another code of those that are right was
// found, it is what was expected.
func (r *Row) Score() Score {
	s := Score{Drill: r.Drill, False: len(r.False), Passed: r.Passed, Error: r.Error, NotRun: r.NotRun}
	if len(r.Expected) > 0 {
		s.Expected = &r.Expected[0]
	}
	if r.Found != "" {
		s.Found, s.Seconds = &r.Found, &r.Seconds
		s.Expected = &r.Found
	} else if len(r.False) > 0 {
		s.Found = &r.False[0].Code
	}
	return s
}
