// Package diagnose explains. What detect measured and the facts beside it go
// in as a Case; candidates for findings come out: what is wrong, since when,
// why, by which evidence, what was ruled out, what to do. One file holds one
// finding, or one family of findings that share their reading.
//
// A rule keeps nothing from step to step: what must hold for a time, it says
// in Need and Clear, and alert keeps the time. A rule works from series
// alone; Facts, where they are there, name the culprit.
package diagnose

import (
	"time"

	"github.com/mtawatch/mtawatch/internal/detect"
	"github.com/mtawatch/mtawatch/internal/mta"
)

// Case is all that is known at one step.
type Case struct {
	Now          time.Time
	Instances    []*Instance               // in the order of their names
	Ports        []*Port                   // of all instances, by number
	Logs         []*Log                    // by name
	Overflows    *detect.Signal            // Count: connections refused because an accept queue was full (whole host)
	SYNCookies   *detect.Signal            // Count
	Probes       map[string]*detect.Signal // by name: Gauge, 1 while the probe succeeds, 0 while it fails
	Sources      []mta.SourceCount         // largest first
	SourcesKnown bool
	LogOnly      bool  // all of it was rebuilt from log lines: their silence is no contradiction to what is measured
	Facts        Facts // never nil; NoFacts where only series are known
}

// Instance is one MTA. Any signal may be nil: unknown.
type Instance struct {
	Name string

	Arrivals     *detect.Signal                // Count: messages accepted
	ArrivedBytes *detect.Signal                // Count
	Attempts     *detect.Signal                // Count: delivery attempts, one a recipient
	Sent         *detect.Signal                // Count
	Deferred     *detect.Signal                // Count
	Bounced      *detect.Signal                // Count: bounced or expired
	FailureRatio *detect.Signal                // Ratio: what was not sent of all attempts
	BounceRatio  *detect.Signal                // Ratio
	Causes       [mta.NumCauses]*detect.Signal // Count: attempts that failed, by cause
	Rejects      *detect.Signal                // Count: clients, recipients, messages refused
	RejectCauses [mta.NumCauses]*detect.Signal // Count
	Delay        *detect.Signal                // Gauge: mean seconds from arrival to delivery of what was sent in this step

	Queues       []*Queue       // by name
	Waiting      *detect.Signal // Gauge: messages in all queues but hold
	Destinations []*Destination // by name; "other" is the rest

	Dispatcher    Daemon
	JobController Daemon
	SMTPServers   *detect.Signal // Gauge: processes
	Deliveries    *detect.Signal // Gauge: processes
	ServerAge     *detect.Signal // Gauge: seconds, of the oldest SMTP server
	DiskFree      *detect.Signal // Gauge: bytes free for the queue
	DiskSize      *detect.Signal // Gauge: bytes
	InodesFree    *detect.Signal // Gauge
	Ports         []*Port        // that it listens on
}

// Queue is one queue of an instance: "active", "deferred", a channel.
type Queue struct {
	Name     string
	Messages *detect.Signal // Gauge
	Bytes    *detect.Signal // Gauge
	Oldest   *detect.Signal // Gauge: seconds

	// Of a server that tells them apart: messages that no delivery was tried for, and the age of the oldest.
	Untried, UntriedOldest *detect.Signal // Gauge; Gauge: seconds
}

// Destination is where mail goes: a domain.
type Destination struct {
	Name     string
	Attempts *detect.Signal // Count
	Failed   *detect.Signal // Count
	Deferred *detect.Signal // Count
	Bounced  *detect.Signal // Count
	Ratio    *detect.Signal // Ratio: Failed of Attempts
	Waiting  *detect.Signal // Gauge: recipients in the queue, from the listing
}

// Daemon is a role of which one process must run.
type Daemon struct {
	Role     mta.Role
	Count    *detect.Signal // Gauge: processes
	Restarts *detect.Signal // Count
	Started  time.Time      // of the oldest; zero when unknown
}

// Port is one listening port.
type Port struct {
	Instance    string
	Port        string
	Listening   bool                      // an accept queue is there; meaningful where AcceptQueue or AcceptLimit was ever known
	Opened      *detect.Signal            // Count: new connections
	Current     *detect.Signal            // Gauge: connections in any state but time-wait
	States      map[string]*detect.Signal // Gauge, by state as JSON names it
	Sources     *detect.Signal            // Gauge: distinct addresses
	TopSource   *detect.Signal            // Gauge: connections of the largest
	AcceptQueue *detect.Signal            // Gauge
	AcceptLimit *detect.Signal            // Gauge
	Capacity    float64                   // sessions that the server holds at once there; 0 unknown
}

// Log is one log source.
type Log struct {
	Name  string
	Up    *detect.Signal // Gauge: 1 or 0
	Lines *detect.Signal // Count: of any outcome
	Bad   *detect.Signal // Ratio: unknown and malformed of the MTA's own lines
	Lag   *detect.Signal // Gauge: seconds
}

// Candidate is a finding that a rule would report now, and what must hold
// before it is.
type Candidate struct {
	mta.Finding
	Need  time.Duration // it must hold this long before it opens; 0: at once
	Clear time.Duration // it must be gone this long before it closes
	// Of one family only the strongest is told, by Rank; of equals the one that is open already.
	Family string
	Rank   Rank
	// State is what is said of it in a word, where a code stands for several: when it
	// changes while the finding is open the words are made anew at once.
	State string
	// Stays says that it does not pass with its cause. It is folded all the same; when
	// the cause is closed it stands up at once, and is not taken for what is left of it.
	Stays bool
	// Explains are the codes that may be folded into this one, of those that depend
	// on its code; nil: all of them. A code may stand for more than one thing.
	Explains []mta.FindingCode
	// Explain fills in what costs something to look up: evidence from Facts,
	// what was ruled out, advice. It is called when the finding opens or
	// changes and now and then while it is open, within the step. nil: all is there.
	Explain func(*mta.Finding)
}

// Rank orders the readings of one family.
type Rank uint8

// The ranks, weakest first.
const (
	RankGrowth        Rank = 1 + iota // a level or rate that grew
	RankRatio                         // a share of failures
	RankContradiction                 // what should follow does not: mail arrives and none is tried
	RankDirect                        // the thing itself was seen: a process ended, a probe failed
)

// Rule is the reading of one finding or family.
type Rule struct {
	Codes []mta.FindingCode // that it may report
	Judge func(*Case) []Candidate
	// Over rewrites a finding that is open still, though the rule does not report it
	// any more: what was seen instead, and in the title since when it was and, by its Over, is not. false: nothing was seen that speaks against it.
	// nil: its words stand until it is closed.
	Over func(*Case, *mta.Finding) bool
}
