package drill

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/mtawatch/mtawatch/internal/mta"
)

// Every is how often the watcher is asked while a drill is on.
const Every = 200 * time.Millisecond

// late is for how long after its limit a finding is still waited for, and for
// evidence that does not come.
const late = 3 * time.Minute

// maxSilence is for how long mtawatch may leave questions unanswered.
const maxSilence = 30 * time.Second

// ErrNoEvidence says that a fault was made and left nothing to be seen.
var ErrNoEvidence = errors.New("the fault was made, and left no evidence")

// Asked is what a Watch asks.
type Asked interface {
	// Findings gives the open findings and those that were.
	Findings(ctx context.Context) (open, past []mta.Finding, err error)
	// Failure gives what went wrong beside the drill, which ends it.
	Failure() error
}

// Watch notes what mtawatch tells while a drill is on.
type Watch struct {
	asked    Asked
	seen     map[string]*sighting // by ID
	began    time.Time
	evidence time.Time
	found    string      // ID of the right finding,
	right    mta.Finding // as it was told when it was found: its code may change with what is known later
	silent   time.Time
	longest  time.Duration // that mtawatch did not answer
}

// sighting is one finding as it was told from outside.
type sighting struct {
	first  time.Time // when we saw it first, by our clock
	last   mta.Finding
	worst  mta.Severity // while it was told by itself
	folded bool         // at the end it is told as another's consequence
}

// NewWatch makes a Watch that has seen nothing.
func NewWatch(a Asked) *Watch { return &Watch{asked: a, seen: make(map[string]*sighting)} }

// Begin marks the beginning of the drill: what was told before is false.
func (w *Watch) Begin() { w.began = time.Now() }

// Follow asks again and again until done or the time is up.
func (w *Watch) Follow(ctx context.Context, limit time.Duration, done func() (bool, error)) error {
	end := time.Now().Add(limit)
	for time.Now().Before(end) {
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := w.asked.Failure(); err != nil {
			return err
		}
		w.look(ctx)
		if ok, err := done(); ok || err != nil {
			return err
		}
		sleep(ctx, Every)
	}
	return nil
}

// Never is an end of Follow that does not come.
func Never() (bool, error) { return false, nil }

// look asks once. A watcher that does not answer is waited for: some drills
// end it.
func (w *Watch) look(ctx context.Context) {
	open, past, err := w.asked.Findings(ctx)
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

func (w *Watch) note(f mta.Finding, now time.Time) {
	n := w.seen[f.ID]
	if n == nil {
		n = &sighting{first: now}
		w.seen[f.ID] = n
	}
	n.last = f
	n.worst = max(n.worst, f.Severity)
}

// Drill waits for the evidence and for the right finding, and some time
// longer for what is false; a harmless drill is watched for its whole length.
// evidence nil: there was some from the beginning.
func (w *Watch) Drill(ctx context.Context, e *Expect, evidence func() (bool, error), settle time.Duration) error {
	if evidence == nil {
		w.evidence = w.began
	}
	limit := e.Limit + 2*late
	if e.Harmless() {
		limit = e.Limit
	}
	err := w.Follow(ctx, limit, func() (bool, error) {
		if err := w.lookForEvidence(evidence); err != nil {
			return true, err
		}
		if e.Harmless() {
			return false, nil
		}
		if w.found == "" {
			if w.found = w.search(e); w.found != "" {
				w.right = w.seen[w.found].last
			}
		}
		over := !w.evidence.IsZero() && time.Since(w.evidence) > e.Limit+late
		return w.found != "" && !w.evidence.IsZero() || over, nil
	})
	if err != nil {
		return err
	}
	if w.evidence.IsZero() {
		return fmt.Errorf("%s: %w within %s", e.Name, ErrNoEvidence, limit)
	}
	if w.longest > maxSilence {
		return fmt.Errorf("%s: mtawatch did not answer for %s", e.Name, w.longest.Round(time.Second))
	}
	if e.Harmless() {
		return nil
	}
	return w.Follow(ctx, settle, Never)
}

func (w *Watch) lookForEvidence(evidence func() (bool, error)) error {
	if !w.evidence.IsZero() {
		return nil
	}
	ok, err := evidence()
	if ok {
		w.evidence = time.Now()
	}
	return err
}

// search gives the first finding of the drill that has one of its codes and
// reasons and is as severe as it must be.
func (w *Watch) search(e *Expect) string {
	least := mta.SeverityWarning
	if e.Least != 0 {
		least = e.Least
	}
	best := ""
	for id, n := range w.seen {
		if n.first.Before(w.began) || n.worst < least || !e.names(&n.last) {
			continue
		}
		if best == "" || n.first.Before(w.seen[best].first) {
			best = id
		}
	}
	return best
}

func sleep(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
	case <-t.C:
	}
}
