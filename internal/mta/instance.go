package mta

import (
	"slices"
	"time"
)

// Instance is one MTA on this machine, with the paths that an adapter needs.
type Instance struct {
	MTA       string `json:"mta"`  // the adapter's name: "postfix"
	Name      string `json:"name"` // as its log calls it (Postfix: syslog_name): "postfix-out"
	Version   string `json:"version,omitempty"`
	BaseDir   string `json:"base_dir,omitempty"` // where it is installed, for a server that has all in one tree
	ConfigDir string `json:"config_dir,omitempty"`
	QueueDir  string `json:"queue_dir,omitempty"`
	Running   bool   `json:"running"`
	NeverRan  bool   `json:"never_ran,omitempty"` // configured, and surely never started: no news when it does not run

	LogNames []string `json:"log_names,omitempty"` // other names under which its services log; read as Name

	Logs   []LogSource `json:"logs,omitempty"`   // where it writes: each line stands in one of them
	Listen []Listen    `json:"listen,omitempty"` // where it accepts SMTP
	Queues []string    `json:"queues,omitempty"` // the names of its queues
	Notes  []string    `json:"notes,omitempty"`  // what could not be found out, and what to do about it

	// ListedQueues are those of Queues that a listing shows: a message in
	// another stays unseen there. None named: all are listed.
	ListedQueues []string `json:"listed_queues,omitempty"`

	MaxProc int `json:"max_proc,omitempty"`
	// QueueLifetime is how long undeliverable mail is kept before it goes back; 0 unknown.
	QueueLifetime time.Duration `json:"queue_lifetime_ns,omitempty"`
	// ServerLifetime is after how long an SMTP server process is due to end; 0 unknown or never.
	ServerLifetime time.Duration `json:"server_lifetime_ns,omitempty"`
}

// LogSource is one place where an MTA writes its log.
type LogSource struct {
	Kind        LogKind  `json:"kind"`
	Path        string   `json:"path,omitempty"`        // file
	Identifiers []string `json:"identifiers,omitempty"` // journal: SYSLOG_IDENTIFIER values or prefixes ending in "/"
	Units       []string `json:"units,omitempty"`       // journal: systemd units
	Namespace   string   `json:"namespace,omitempty"`   // journal namespace; "" is the machine's own
	Directory   string   `json:"directory,omitempty"`   // journal files in this directory instead

	// Older names the pieces that the log becomes as it rotates, newest first,
	// where they have names of their own: "mail.log_yesterday", then
	// "mail.log", to whose end the piece before is appended. In the log's directory.
	Older []string `json:"older,omitempty"`
	// Quiet: written only when something is wrong; its silence is no blind spot.
	Quiet bool `json:"quiet,omitempty"`
}

// Name identifies the source in messages, labels and checkpoints.
func (s LogSource) Name() string {
	if s.Kind != LogJournal {
		return s.Path
	}
	name := "journal"
	switch {
	case s.Directory != "":
		name += ":" + s.Directory
	case s.Namespace != "":
		name += ":" + s.Namespace
	}
	// What is picked from the journal is part of the source: two instances
	// pick different entries.
	for _, part := range append(slices.Clone(s.Units), s.Identifiers...) {
		name += " " + part
	}
	return name
}

// LogKind says how a log source is read.
type LogKind string

// The kinds of log source.
const (
	LogFile    LogKind = "file"
	LogJournal LogKind = "journal"
)

// Listen is one socket on which an MTA accepts SMTP.
type Listen struct {
	Service string `json:"service"` // the MTA's name for it: "smtp", "submission"
	Address string `json:"address,omitempty"`
	Port    uint16 `json:"port"`
	MaxProc int    `json:"max_proc,omitempty"` // process limit of the service; 0 unknown or none
	// Capacity is how many sessions the service holds at once: its process limit times the sessions of a process; 0 unknown.
	Capacity int `json:"capacity,omitempty"`
}
