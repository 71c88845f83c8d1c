package mta

// OwnQuestion names the parts of an OwnView that are asked for: each costs the
// server a command or several.
type OwnQuestion struct {
	Counters  bool
	Waiting   bool
	Channel   string // only what waits for this channel; "" for all
	Processes bool
}

// OwnView is what a server's own tools tell of it at one moment. A part that
// could not be had is absent, and its Unknown says why and what to do.
type OwnView struct {
	Counters        []OwnChannel `json:"counters,omitempty"`
	CountersMissing bool         `json:"counters_missing,omitempty"` // the server runs and keeps none: they were never created
	CountersUnknown string       `json:"counters_unknown,omitempty"`
	CountersBy      string       `json:"counters_by,omitempty"` // the command that told them

	Waiting        []OwnWaiting `json:"waiting,omitempty"`
	WaitingUnknown string       `json:"waiting_unknown,omitempty"` // of some channels or all
	WaitingBy      string       `json:"waiting_by,omitempty"`

	Processes        []OwnProcess `json:"processes,omitempty"`
	ProcessesUnknown string       `json:"processes_unknown,omitempty"`
	ProcessesBy      string       `json:"processes_by,omitempty"`
}

// OwnChannel is what a server counted itself for one channel. A count that it
// does not tell is nil. They are as they stand: with Stored below zero where
// they were set to zero while mail was queued.
type OwnChannel struct {
	Channel   string    `json:"channel"`
	Received  *OwnCount `json:"received"`
	Stored    *OwnCount `json:"stored"`
	Delivered *OwnCount `json:"delivered"`
	FirstTime *int64    `json:"first_time"` // messages of Delivered
	Submitted *OwnCount `json:"submitted"`
	Attempted *OwnCount `json:"attempted"`
	Rejected  *OwnCount `json:"rejected"`
	Failed    *OwnCount `json:"failed"`
}

// OwnCount is one count of an OwnChannel.
type OwnCount struct {
	Messages   int64 `json:"messages"`
	Recipients int64 `json:"recipients"`
	Blocks     int64 `json:"blocks"` // of the size that the server is set to
}

// OwnWaiting is how many messages of a channel wait for one destination.
type OwnWaiting struct {
	Channel     string `json:"channel"`
	Destination string `json:"destination"` // "" where the channel has one only
	Active      int64  `json:"active"`      // to be tried as soon as there is room
	Delayed     int64  `json:"delayed"`     // tried before, and to wait for their time
}

// OwnProcess is a process as a server's own tool names it.
type OwnProcess struct {
	PID  int    `json:"pid"`
	Name string `json:"name"`
	Role Role   `json:"role"`
}
