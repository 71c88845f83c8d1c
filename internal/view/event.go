package view

import (
	"time"

	"github.com/mtawatch/mtawatch/internal/mta"
)

// Event is what an open page is told: exactly one member is set.
type Event struct {
	Hello  *Hello
	Change *Change
	Status *Status
}

// The names of events.
const (
	EventHello   = "hello"
	EventFinding = "finding"
	EventStatus  = "status"
)

// Hello is the first event: who speaks, and what the listener may do.
type Hello struct {
	Version  string        `json:"version"`
	Role     Role          `json:"role"`
	Interval time.Duration `json:"interval_ns"` // between two statuses
}

// Change is one step in the life of a finding.
type Change struct {
	Kind    string      `json:"kind"` // one of the Change kinds
	Time    time.Time   `json:"time"`
	Finding mta.Finding `json:"finding"`
}

// ChangeMarked is the kind of a change by a person: a finding was
// acknowledged or silenced, or is no more. The others are alert.ChangeKind's.
const ChangeMarked = "marked"

// Role is what an asker may do.
type Role string

// The roles.
const (
	RoleAdmin  Role = "admin"  // reads, acknowledges, silences
	RoleViewer Role = "viewer" // reads
)
