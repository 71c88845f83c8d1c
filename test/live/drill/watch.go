//go:build linux

package drill

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/mtawatch/mtawatch/internal/mta"
)

// every is how often the watcher is asked while a drill is on.
const every = 200 * time.Millisecond

// sighting is one finding as it was told from outside.
type sighting struct {
	first  time.Time // when we saw it first, by our clock
	last   mta.Finding
	worst  mta.Severity // while it was told by itself
	folded bool         // at the end it is told as another's consequence
}

// watch notes what the watcher tells.
type watch struct {
	s        *Scene
	seen     map[string]*sighting // by ID
	began    time.Time
	evidence time.Time
	found    string // ID of the right finding
	silent   time.Time
	longest  time.Duration // that the watcher did not answer
}

func newWatch(s *Scene) *watch { return &watch{s: s, seen: make(map[string]*sighting)} }

func (w *watch) begin(*Drill) { w.began = time.Now() }

// follow asks again and again until done or the time is up.
func (w *watch) follow(ctx context.Context, limit time.Duration, done func() (bool, error)) error {
	end := time.Now().Add(limit)
	for time.Now().Before(end) {
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := w.s.failure(); err != nil {
			return err
		}
		w.look()
		if ok, err := done(); ok || err != nil {
			return err
		}
		sleep(ctx, every)
	}
	return nil
}

// look asks once. A watcher that does not answer is waited for: some drills
// end it.
func (w *watch) look() {
	open, past, err := w.s.findings()
	now := time.Now()
	if err != nil {
		if w.silent.IsZero() {
			w.silent = now
		}
		w.longest = max(w.longest, now.Sub(w.silent))
		return
	}
	w.silent = time.Time{}
	folded := map[string]bool{}
	for _, f := range slices.Concat(open, past) {
		w.note(f, now)
		for _, c := range f.Folded {
			folded[kind(&c)] = true
		}
	}
	for _, n := range w.seen {
		n.folded = folded[kind(&n.last)]
	}
}

// kind is what makes two tellings the same thing: a consequence has no ID.
func kind(f *mta.Finding) string { return string(f.Code) + "|" + f.Instance + "|" + f.Subject }

func (w *watch) note(f mta.Finding, now time.Time) {
	n := w.seen[f.ID]
	if n == nil {
		n = &sighting{first: now}
		w.seen[f.ID] = n
	}
	n.last = f
	n.worst = max(n.worst, f.Severity)
}

// drill waits for the evidence and for the right finding, and some time
// longer for what is false; a harmless drill is watched for its whole length.
func (w *watch) drill(ctx context.Context, d *Drill, settle time.Duration) error {
	if d.Evidence == nil {
		w.evidence = w.began
	}
	const late = 3 * time.Minute // for a finding that comes after its limit, and for evidence that does not come
	limit := d.Limit + 2*late
	if d.Harmless() {
		limit = d.Limit
	}
	err := w.follow(ctx, limit, func() (bool, error) {
		if err := w.lookForEvidence(d); err != nil {
			return true, err
		}
		if d.Harmless() {
			return false, nil
		}
		w.found = w.right(d)
		over := !w.evidence.IsZero() && time.Since(w.evidence) > d.Limit+late
		return w.found != "" && !w.evidence.IsZero() || over, nil
	})
	if err != nil {
		return err
	}
	if w.evidence.IsZero() {
		return fmt.Errorf("%s: the fault was made, and left no evidence within %s", d.Name, limit)
	}
	if w.longest > 30*time.Second {
		return fmt.Errorf("%s: mtawatch did not answer for %s", d.Name, w.longest.Round(time.Second))
	}
	if d.Harmless() {
		return nil
	}
	return w.follow(ctx, settle, never)
}

func (w *watch) lookForEvidence(d *Drill) error {
	if !w.evidence.IsZero() {
		return nil
	}
	ok, err := d.Evidence(w.s)
	if ok {
		w.evidence = time.Now()
	}
	return err
}

// right gives the first finding of the drill that has one of its codes and
// reasons and is a warning or worse.
func (w *watch) right(d *Drill) string {
	best := ""
	for id, n := range w.seen {
		if n.first.Before(w.began) || n.worst < mta.SeverityWarning || !slices.Contains(d.Codes, n.last.Code) ||
			len(d.Reason) > 0 && !slices.Contains(d.Reason, n.last.Reason) {
			continue
		}
		if best == "" || n.first.Before(w.seen[best].first) {
			best = id
		}
	}
	return best
}

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
	Seconds  float64           `json:"seconds"` // from the evidence until it could be read; -1: never
	Limit    float64           `json:"limit"`   // seconds
	False    []FalseFinding    `json:"false_findings"`
	Passed   bool              `json:"passed"`
	Error    string            `json:"error,omitempty"` // why the drill could not be done
}

// FalseFinding is a warning or worse that the drill does not explain.
type FalseFinding struct {
	Code     mta.FindingCode `json:"code"`
	Severity mta.Severity    `json:"severity"`
	Title    string          `json:"title"`
	Early    bool            `json:"early"` // told before the drill began
}

// row judges what was seen.
func (w *watch) row(d *Drill) Row {
	r := Row{Drill: d.Name, Expected: d.Codes, Began: w.began, Evidence: w.evidence, Seconds: -1, Limit: d.Limit.Seconds(), False: []FalseFinding{}}
	if n := w.seen[w.found]; n != nil {
		f := n.last
		r.Found, r.Reason, r.Severity, r.Title, r.Noticed, r.Seen = f.Code, f.Reason, n.worst, f.Title, f.Noticed, n.first
		r.Seconds = max(0, n.first.Sub(w.evidence).Seconds())
	}
	for id, n := range w.seen {
		early := n.first.Before(w.began)
		expected := !early && (slices.Contains(d.Codes, n.last.Code) || slices.Contains(d.Also, n.last.Code))
		if id != w.found && !n.folded && n.worst >= mta.SeverityWarning && !expected {
			r.False = append(r.False, FalseFinding{n.last.Code, n.worst, n.last.Title, early})
		}
	}
	slices.SortFunc(r.False, func(a, b FalseFinding) int { return strings.Compare(string(a.Code)+a.Title, string(b.Code)+b.Title) })
	inTime := d.Harmless() || w.found != "" && r.Seconds <= r.Limit+every.Seconds()
	r.Passed = inTime && len(r.False) == 0
	return r
}

// Line is the row in one line of text.
func (r *Row) Line() string {
	var b strings.Builder
	switch {
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
