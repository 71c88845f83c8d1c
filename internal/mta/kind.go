package mta

import "fmt"

// Kind says what an event tells of.
type Kind uint8

// The kinds. Postfix spreads "received" over origin, message and queued
// lines; track joins them.
const (
	KindNone         Kind = iota
	KindConnect           // a client connected
	KindDisconnect        // a client left: Reason, Stage
	KindAuth              // SASL authentication: Status accepted or failed
	KindReject            // a client, sender, recipient or message was refused
	KindOrigin            // piece of received: where the message came from
	KindMessage           // piece of received: its Message-ID
	KindQueued            // piece of received: sender, size, recipients; the queue has it
	KindReceived          // the message is accepted, all on one line
	KindDelivery          // one attempt for one recipient: Status
	KindRemoved           // the message left the queue
	KindNotification      // a bounce, delay warning or success report was made: RefID
	KindHeld              // the message was put on hold or released: Action
	KindDaemon            // a daemon of the MTA started, stopped, ...: Action
	KindTLS               // a TLS session was set up
	KindWarning           // Severity and Text
	KindStatistics        // numbers that the MTA reports about itself
	numKinds
)

var kindNames = [numKinds]string{"", "connect", "disconnect", "auth", "reject", "origin", "message", "queued",
	"received", "delivery", "removed", "notification", "held", "daemon", "tls", "warning", "statistics"}

// String gives the name used in JSON.
func (k Kind) String() string { return nameOf(kindNames[:], uint8(k)) }

// MarshalText gives the name used in JSON.
func (k Kind) MarshalText() ([]byte, error) { return []byte(k.String()), nil }

// UnmarshalText reads the name; an unknown one is an error.
func (k *Kind) UnmarshalText(b []byte) error { return fromName(kindNames[:], (*uint8)(k), "kind", b) }

// Status is the outcome of a delivery attempt or an authentication.
type Status uint8

// The statuses.
const (
	StatusNone Status = iota
	StatusSent
	StatusDeferred
	StatusBounced
	StatusExpired
	StatusAccepted // authentication
	StatusFailed   // authentication
	NumStatuses
)

var statusNames = [NumStatuses]string{"", "sent", "deferred", "bounced", "expired", "accepted", "failed"}

// String gives the name used in JSON and labels.
func (s Status) String() string { return nameOf(statusNames[:], uint8(s)) }

// MarshalText gives the name used in JSON.
func (s Status) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// UnmarshalText reads the name; an unknown one is an error.
func (s *Status) UnmarshalText(b []byte) error {
	return fromName(statusNames[:], (*uint8)(s), "status", b)
}

// Stage is how far an SMTP session had come.
type Stage uint8

// The stages of an SMTP session.
const (
	StageNone Stage = iota
	StageConnect
	StageHELO
	StageAuth
	StageMail
	StageRcpt
	StageData
	StageEOM
	StageOther
	NumStages
)

var stageNames = [NumStages]string{"", "connect", "helo", "auth", "mail", "rcpt", "data", "eom", "other"}

// String gives the name used in JSON and labels.
func (s Stage) String() string { return nameOf(stageNames[:], uint8(s)) }

// MarshalText gives the name used in JSON.
func (s Stage) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// UnmarshalText reads the name; an unknown one is an error.
func (s *Stage) UnmarshalText(b []byte) error {
	return fromName(stageNames[:], (*uint8)(s), "stage", b)
}

// Severity ranks warnings that an MTA logs and findings that we raise.
type Severity uint8

// The severities. Info to critical are those of findings; warning to panic
// those of an MTA's own log.
const (
	SeverityNone Severity = iota
	SeverityInfo
	SeverityWarning
	SeverityCritical
	SeverityError
	SeverityFatal
	SeverityPanic
	numSeverities
)

var severityNames = [numSeverities]string{"", "info", "warning", "critical", "error", "fatal", "panic"}

// String gives the name used in JSON.
func (s Severity) String() string { return nameOf(severityNames[:], uint8(s)) }

// MarshalText gives the name used in JSON.
func (s Severity) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// UnmarshalText reads the name; an unknown one is an error.
func (s *Severity) UnmarshalText(b []byte) error {
	return fromName(severityNames[:], (*uint8)(s), "severity", b)
}

// Action is what happened to a daemon or a held message.
type Action uint8

// The actions.
const (
	ActionNone Action = iota
	ActionStarted
	ActionStopped
	ActionReloaded
	ActionKilled
	ActionThrottled
	ActionLimit    // a service reached its process limit
	ActionHeld     // message put on hold
	ActionReleased // message taken from hold
	numActions
)

var actionNames = [numActions]string{"", "started", "stopped", "reloaded", "killed", "throttled", "limit", "held", "released"}

// String gives the name used in JSON.
func (a Action) String() string { return nameOf(actionNames[:], uint8(a)) }

// MarshalText gives the name used in JSON.
func (a Action) MarshalText() ([]byte, error) { return []byte(a.String()), nil }

// UnmarshalText reads the name; an unknown one is an error.
func (a *Action) UnmarshalText(b []byte) error {
	return fromName(actionNames[:], (*uint8)(a), "action", b)
}

// Role is what a process does for its mail server.
type Role uint8

// The roles. One process each of dispatcher and job-controller is the rule.
const (
	RoleNone          Role = iota
	RoleDispatcher         // accepts connections and hands them out: Postfix master
	RoleJobController      // decides what is delivered when: Postfix qmgr
	RoleSMTPServer         // speaks SMTP with clients: smtpd, postscreen
	RoleDelivery           // carries messages out: smtp, lmtp, local, virtual, pipe, error
	RoleOther              // a process of the MTA with none of these roles: cleanup, tlsmgr
	NumRoles
)

var roleNames = [NumRoles]string{"", "dispatcher", "job-controller", "smtp-server", "delivery", "other"}

// String gives the name used in JSON and labels.
func (r Role) String() string { return nameOf(roleNames[:], uint8(r)) }

// MarshalText gives the name used in JSON.
func (r Role) MarshalText() ([]byte, error) { return []byte(r.String()), nil }

// UnmarshalText reads the name; an unknown one is an error.
func (r *Role) UnmarshalText(b []byte) error { return fromName(roleNames[:], (*uint8)(r), "role", b) }

func nameOf(names []string, v uint8) string {
	if int(v) < len(names) {
		return names[v]
	}
	return "invalid"
}

func fromName(names []string, v *uint8, what string, b []byte) error {
	for i, n := range names {
		if n == string(b) {
			*v = uint8(i)
			return nil
		}
	}
	return fmt.Errorf("read %s: unknown name %q", what, b)
}
