package mta

import "time"

// Process is one process of the machine, as /proc shows it. Fields that the
// reader may not see are empty.
type Process struct {
	PID    int       `json:"pid"`
	PPID   int       `json:"ppid"`
	Name   string    `json:"name"` // /proc/PID/comm
	Exe    string    `json:"exe,omitempty"`
	Args   []string  `json:"args,omitempty"`
	Cwd    string    `json:"cwd,omitempty"`
	UID    int       `json:"uid"`
	State  string    `json:"state"` // one letter: R, S, D, T, Z
	Start  time.Time `json:"start"`
	CPU    float64   `json:"cpu_seconds"`
	Memory int64     `json:"rss_bytes"`
	// Foreign: in another PID or network namespace than ours, or under
	// another root directory (a container): its paths and ports are not those
	// that we see. False too where we may not know.
	Foreign bool `json:"foreign,omitempty"`
}

// RoleProcess is a process with the role that it plays for an instance.
type RoleProcess struct {
	Process
	Role     Role   `json:"role"`
	Instance string `json:"instance"`
	Orphan   bool   `json:"orphan,omitempty"` // no daemon of the instance that starts such is above it: left over from an earlier start
	// ToldBy is the server's own command that named the process and its role,
	// where /proc does not tell: all else of it may be unknown. "": /proc.
	ToldBy string `json:"told_by,omitempty"`
}
