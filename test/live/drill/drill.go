//go:build linux

package drill

import (
	"slices"
	"time"

	"github.com/mtawatch/mtawatch/internal/mta"
	"github.com/mtawatch/mtawatch/test/live/world"
)

// Drill is one fault, or something harmless that looks like one.
type Drill struct {
	Name string
	Text string // what happens, in one line

	// Codes are the findings of which any one is right; none for a harmless
	// drill, of which nothing above info may be said.
	Codes  []mta.FindingCode
	Reason []mta.Cause // of which any one is right; none: not asked
	// Also are findings that may be told apart without being false.
	Also []mta.FindingCode

	// Limit is how long the finding may take from the first evidence that can
	// be observed. Of a harmless drill it is the length.
	Limit time.Duration

	Postfix world.PostfixConfig
	Syslog  bool         // log by a rsyslogd
	Before  func() error // done before Postfix starts

	// Begin breaks something and says with Scene.Undo how to mend it.
	Begin func(s *Scene) error
	// Evidence reports whether there is by now anything to be seen of it: in
	// the log, the sockets, the queue or the processes. nil: from the beginning.
	Evidence func(s *Scene) (bool, error)
}

// All lists the drills in the order of the scoreboard.
func All() []Drill {
	return slices.Concat(daemonDrills(), remoteDrills(), inboundDrills(), trafficDrills(), monitorDrills())
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
