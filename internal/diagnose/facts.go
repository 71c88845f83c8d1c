package diagnose

import (
	"time"

	"github.com/mtawatch/mtawatch/internal/mta"
)

// Facts is what no series carries: names, texts, lines. A part that is not
// known gives nothing; that is never read as "none". Answers are copies.
type Facts interface {
	// Failures gives the attempts that failed since a moment, by destination and cause, most first.
	Failures(instance string, since time.Time) []Failure
	// Senders gives who had mail accepted since a moment, most messages first; bounded.
	Senders(instance string, since time.Time) []Sender
	// Warnings gives what the MTA itself complained of since a moment, newest last; bounded.
	Warnings(instance string, since time.Time) []Warning
	// Processes gives the instance's processes with their roles.
	Processes(instance string) []mta.RoleProcess
	// Exit tells how and when the last process of a role ended; zero when none was seen to.
	Exit(instance string, role mta.Role) Exit
	// Queued gives the queue by destination, from the last listing.
	Queued(instance string) []Queued
	// MTA names the software and its version: "postfix", "3.7.11".
	MTA(instance string) (name, version string)
	// Probe gives the last outcome of a probe; ok is false when it never ran.
	Probe(name string) (p mta.Probe, ok bool)
	// Reach asks for the reachability of a destination's mail exchanger and gives the last
	// answer; ok is false while there is none, or where asking is switched off. It may be
	// asked at each step: the asking itself is done elsewhere, and rarely.
	Reach(destination string) (p mta.Probe, ok bool)
	// Blind lists what mtawatch cannot see.
	Blind() []mta.BlindSpot
	// Limit gives a configured limit of the MTA by name ("process_limit" of a port's
	// service, "queue_lifetime" and "server_lifetime" in seconds); ok is false when it is not known.
	Limit(instance, name string) (v float64, ok bool)
	// Conditions gives what the MTA's own files tell of its state beyond queue, log and processes.
	Conditions(instance string) []mta.Condition
	// Looked reports whether those files were read lately, all of them: what Conditions does not name is not so.
	Looked(instance string) bool
}

// Failure is one cause at one destination.
type Failure struct {
	Destination string
	Cause       mta.Cause
	Count       int64
	Sent        int64 // to the same destination in the same time
	First, Last time.Time
	Reply       string // the last one, as logged: hostile text
	Relay       string
	QueueID     string
}

// Sender is who gave us mail.
type Sender struct {
	Kind       string // "account" (SASL user), "client" (address), "sender" (envelope)
	Name       string
	Messages   int64
	Recipients int64
	Failed     int64   // of the deliveries
	Usual      float64 // messages in the same time on an ordinary day; -1 unknown
}

// Warning is one complaint in the MTA's own log.
type Warning struct {
	Time     time.Time
	Program  string
	Severity mta.Severity
	Text     string // without the header
}

// Exit is the end of one process.
type Exit struct {
	PID  int
	Time time.Time
	Text string // as the MTA logged it ("killed by signal 9"), "" when it did not
}

// Queued is one destination's share of the queue.
type Queued struct {
	Destination string
	Recipients  int64
	Young       int64 // recipients that wait for less than an hour
	Oldest      time.Time
	Reason      string // the last one
}

// NoFacts knows nothing.
type NoFacts struct{}

// Failures gives nothing.
func (NoFacts) Failures(string, time.Time) []Failure { return nil }

// Senders gives nothing.
func (NoFacts) Senders(string, time.Time) []Sender { return nil }

// Warnings gives nothing.
func (NoFacts) Warnings(string, time.Time) []Warning { return nil }

// Processes gives nothing.
func (NoFacts) Processes(string) []mta.RoleProcess { return nil }

// Exit gives nothing.
func (NoFacts) Exit(string, mta.Role) Exit { return Exit{} }

// Queued gives nothing.
func (NoFacts) Queued(string) []Queued { return nil }

// MTA gives nothing.
func (NoFacts) MTA(string) (string, string) { return "", "" }

// Probe gives nothing.
func (NoFacts) Probe(string) (mta.Probe, bool) { return mta.Probe{}, false }

// Reach gives nothing.
func (NoFacts) Reach(string) (mta.Probe, bool) { return mta.Probe{}, false }

// Blind gives nothing.
func (NoFacts) Blind() []mta.BlindSpot { return nil }

// Conditions gives nothing.
func (NoFacts) Conditions(string) []mta.Condition { return nil }

// Looked gives false.
func (NoFacts) Looked(string) bool { return false }

// Limit gives nothing.
func (NoFacts) Limit(string, string) (float64, bool) { return 0, false }
