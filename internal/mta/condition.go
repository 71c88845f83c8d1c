package mta

import "time"

// Condition is a state of the mail server that its own files tell of, and that
// is neither a count nor a log line.
type Condition struct {
	Kind    ConditionKind `json:"kind"`
	Subject string        `json:"subject,omitempty"` // a channel, a file
	Since   time.Time     `json:"since,omitzero"`    // zero when unknown
	Text    string        `json:"text"`              // in words
	Lines   []string      `json:"lines,omitempty"`   // as the files have them: hostile text
}

// ConditionKind says what state it is.
type ConditionKind string

// The kinds of condition.
const (
	// ConditionReturnJobMissed: the nightly job that returns undeliverable
	// mail and rotates the log has not run for longer than a day.
	ConditionReturnJobMissed ConditionKind = "return-job-missed"
	// ConditionDaemonComplains: the log of a daemon that is empty while all is
	// well has something in it.
	ConditionDaemonComplains ConditionKind = "daemon-complains"
	// ConditionQueueStopped: an operator has stopped a queue (channel); its
	// mail waits until it is started again.
	ConditionQueueStopped ConditionKind = "queue-stopped"
)
