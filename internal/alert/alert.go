// Package alert is the life of a finding. Candidates of each step go in;
// what opened, changed and was resolved comes out. A candidate opens when it
// has held for its Need, and is resolved when it has been gone for its Clear;
// consequences fold into their cause, and of one family one is told.
//
// One incident is one finding with one ID, whatever is learned about it:
//
//   - A stronger reading of its family takes the weaker one's place, and when
//     the stronger one ends first, the weaker takes it back.
//   - A cause that began before its consequence was told, and opens soon after it or
//     began before it, takes the consequence's place: the ID stays, the code becomes that of
//     the cause, and the consequence is listed in Folded. One Changed tells
//     it. Further consequences that were told apart are Resolved with
//     FoldedInto set, and are not kept in Past: they are in Folded.
//   - What was told before its cause began is an incident of its own and stays one, with
//     its ID, its begin and its end. A cause that opens soon after it, and is as severe,
//     has an ID and a begin of its own, and lists it in Folded while both are open.
//   - A consequence that is ready after its cause is listed in Folded and not
//     told; nor is its end. It can raise the cause's severity, never lower it.
//   - What began before its cause ended is no news while the backlog is
//     worked off: it opens by itself only when it outlasts that, or is critical.
//   - What Stays does not pass with its cause: when that one is resolved, it
//     opens by itself in the same step.
//   - While a finding is away and its Clear runs, it says what was seen
//     instead, where Config.Over knows; resolved, it says again what was wrong.
//   - A severity rises at once. It falls when it has been less for a time,
//     and once only: what rose again stays up to the end.
//
// Time is measured along the steps. A gap of more than ten minutes between
// two steps measures nothing, unless the one before was as long, as in a file
// of hourly values; neither does a step back. So a clock that jumps, or an
// hour in which nobody looked, opens and resolves nothing by itself.
package alert

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"github.com/mtawatch/mtawatch/internal/diagnose"
	"github.com/mtawatch/mtawatch/internal/mta"
)

// ChangeKind says what happened to a finding.
type ChangeKind string

// The kinds of change.
const (
	Opened   ChangeKind = "opened"
	Changed  ChangeKind = "changed" // its severity, cause or code
	Resolved ChangeKind = "resolved"
)

// Change is one step in the life of a finding.
type Change struct {
	Kind    ChangeKind  `json:"kind"`
	Time    time.Time   `json:"time"`
	Finding mta.Finding `json:"finding"`
}

// Config sets up a Book. Zero values: 1,000 past findings are kept, and an
// open finding says the same until it is resolved.
type Config struct {
	Past int
	// Over is asked in each step in which an open finding, or a consequence of one, is
	// away. Over of its copy is since when it would be seen to be over. It may rewrite
	// the copy to what was seen instead, and then gives true.
	Over func(*mta.Finding) bool
	// Unseen is asked then, too: whether it cannot be seen now if the finding is over.
	// The time for which it is away counts only from when it can. nil: it always can.
	Unseen func(*mta.Finding) bool
}

// The times by which a Book judges. They are not settings: rules say what
// they need in Need and Clear.
const (
	blip       = 30 * time.Second // an absence this short does not restart the Need clock
	maxGap     = 10 * time.Minute // a longer gap between two steps measures nothing
	foldWithin = 5 * time.Minute  // a cause that opens this soon after its consequence takes its place
	refresh    = time.Minute      // between two calls of Explain while nothing changes
	settle     = time.Minute      // a changed Reason must hold this long
	hurry      = 30 * time.Second // a critical consequence waits no longer for a cause that is pending
	aftermath  = 35 * time.Minute // for so long a consequence outlasts its cause: failures still stand in half-hour windows
	backlog    = 75 * time.Minute // and a level does: Postfix tries again what it put off within 4000 s
	steady     = 5 * time.Minute  // a severity falls no sooner
	grace      = 5 * time.Minute  // after a restart a finding is not resolved sooner: windows must fill first
)

// maxTracked bounds the candidates that are followed at a time; beyond it
// only critical ones are taken up, to twice as many.
const maxTracked = 1000

// maxFolded bounds the consequences that one finding lists.
const maxFolded = 32

// never marks a moment on the Book's own clock that has not come.
const never = time.Duration(-1)

// Book keeps the findings that are open and those that were. One goroutine
// uses it. What it hands out is not changed later and must not be changed.
type Book struct {
	past         int
	over, unseen func(*mta.Finding) bool

	now   time.Time     // of the last step
	clock time.Duration // what was measured along the steps
	gap   time.Duration // between the last two steps

	tracked   []*entry // in the order in which they came
	byKey     map[key]*entry
	incidents []*incident // open, in the order in which they opened
	ended     []mta.Finding
	open      []mta.Finding // what Open gives; nil: to be made anew
	changes   []Change
	retold    bool // in this step
	loaded    bool // since the last step
	stepped   bool
	refused   uint64

	dirty   map[string]bool // records to put; false: to delete
	flushed time.Time       // the last step that was kept
}

// key names a candidate from step to step.
type key struct {
	instance string
	code     mta.FindingCode
	subject  string
}

// New makes an empty Book.
func New(cfg Config) *Book {
	if cfg.Past <= 0 {
		cfg.Past = 1000
	}
	return &Book{past: cfg.Past, over: cfg.Over, unseen: cfg.Unseen, byKey: make(map[key]*entry), dirty: make(map[string]bool)}
}

// Step takes the candidates of one step and gives what changed, ends first.
// Of two candidates with the same instance, code and subject the stronger counts.
func (b *Book) Step(now time.Time, candidates []diagnose.Candidate) []Change {
	b.changes, b.retold = nil, false
	b.tick(now)
	b.gather(candidates)
	b.leave()
	b.enter()
	b.keep()
	b.compact()
	return b.changes
}

// tick moves the Book's own clock on.
func (b *Book) tick(now time.Time) {
	if b.loaded {
		b.settleLoaded()
	}
	b.stepped = true
	if !b.now.IsZero() {
		d := now.Sub(b.now)
		if d > 0 && (d <= maxGap || d <= b.gap) {
			b.clock = min(b.clock+min(d, maxClock), maxClock)
		}
		b.gap = max(d, 0)
	}
	b.now = now
}

// Open lists the open findings, the worst first; consequences are in Folded.
func (b *Book) Open() []mta.Finding {
	if b.open == nil {
		b.open = make([]mta.Finding, 0, len(b.incidents))
		for _, in := range b.incidents {
			if b.under(in) == nil {
				b.open = append(b.open, b.whole(in))
			}
		}
		slices.SortStableFunc(b.open, func(x, y mta.Finding) int {
			return cmp.Or(cmp.Compare(y.Severity, x.Severity), x.Since.Compare(y.Since), strings.Compare(x.ID, y.ID))
		})
	}
	return slices.Clone(b.open)
}

// Retold reports whether, in the last step, a finding that is away began to say
// what was seen instead, or ceased to: no Change in its life, and news for who looks.
func (b *Book) Retold() bool { return b.retold }

// Past lists the resolved findings, newest first.
func (b *Book) Past() []mta.Finding {
	list := slices.Clone(b.ended)
	slices.Reverse(list)
	return list
}

// Refused is how many candidates were not followed because too many were at once.
func (b *Book) Refused() uint64 { return b.refused }
