package drill

import (
	"slices"
	"strings"
	"time"

	"github.com/mtawatch/mtawatch/internal/lab/site"
	"github.com/mtawatch/mtawatch/internal/lab/stage"
	"github.com/mtawatch/mtawatch/internal/mta"
)

// Expect says what of a drill is right.
type Expect struct {
	Name string

	// Codes are the findings of which any one is right, the usual first; none
	// for a harmless drill, of which nothing above info may be said.
	Codes []mta.FindingCode
	// Least is how severe the finding must be at least; 0 is a warning.
	Least  mta.Severity
	Reason []mta.Cause // of which any one is right; none: not asked
	// About is in the subject of the right finding, so that nothing is right by
	// accident that was said of something else. "": not asked.
	About string
	// Also are findings that may be told apart without being false.
	Also []mta.FindingCode

	// Limit is how long the finding may take from the first evidence that can
	// be observed. Of a harmless drill it is the length.
	Limit time.Duration
}

// names reports whether a finding is one of those that are right, were it as
// severe as it must be.
func (e *Expect) names(f *mta.Finding) bool {
	return slices.Contains(e.Codes, f.Code) && strings.Contains(f.Subject, e.About) && (len(e.Reason) == 0 || slices.Contains(e.Reason, f.Reason))
}

// Harmless reports whether nothing above info may be said of it.
func (e *Expect) Harmless() bool { return len(e.Codes) == 0 }

// Drill is one fault, or something harmless that looks like one.
type Drill struct {
	Expect
	Text  string // what happens, in one line
	Quick bool   // of the few that every test run does

	Needs  Needs
	Rate   float64                 // of ordinary mail; 0 is the usual
	Day    func(time.Time) float64 // nil: every moment is alike
	Adjust func(*site.Settings)    // how the MTA is made; nil: as usual
	// Prepare is done when the MTA's directory stands and nothing runs yet; nil nothing.
	Prepare func(*stage.Stage) error

	// Begin breaks something and says with Scene.Undo how to mend it.
	Begin func(s *Scene) error
	// Evidence reports whether there is by now anything to be seen of it: in
	// the log, the sockets, the queue or the processes. nil: from the beginning.
	Evidence func(s *Scene) (bool, error)
}

// Needs says what a drill needs of the machine beyond an ordinary user's rights.
type Needs int

// What a drill may need.
const (
	NeedsNothing Needs = iota
	NeedsNetwork       // a network namespace of its own
	NeedsMount         // a mount namespace of its own
)

// Lengths of the drills. What the kernel tells at once must be told at once;
// what fills up or fails by and by, within a minute or three.
const (
	AtOnce   = 2 * time.Second
	Soon     = time.Minute
	InAWhile = 3 * time.Minute
)

// All lists the drills in the order of the scoreboard.
func All() []Drill {
	return slices.Concat(daemonDrills(), remoteDrills(), inboundDrills(), trafficDrills(), serverDrills())
}

// Find gives the drill of that name.
func Find(name string) (Drill, bool) {
	for _, d := range All() {
		if d.Name == name {
			return d, true
		}
	}
	return Drill{}, false
}
