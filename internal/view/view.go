// Package view holds the questions that every surface asks — the command
// line, the HTTP API, the dashboard, Prometheus — and the answers as plain
// data. Source only reads; what people may do stands apart, in Actor. The JSON of these types is the JSON of the HTTP API and of
// every command's --json.
//
// An answer that could not be had says so: Unknown gives the reason, and the
// figure beside it is absent, never zero.
package view

import (
	"context"
	"time"

	"github.com/mtawatch/mtawatch/internal/mta"
)

// Source answers the questions. The daemon answers from what it watches; a
// client asks a running daemon over HTTP; a look answers from the machine as
// it is at this moment, when no daemon runs.
type Source interface {
	Status(ctx context.Context) (Status, error)
	Queue(ctx context.Context, q QueueQuery) (Queue, error)
	Messages(ctx context.Context, q MessageQuery) (Messages, error)
	Failures(ctx context.Context, q FailureQuery) (Failures, error)
	Connections(ctx context.Context, q ConnectionQuery) (Connections, error)
	Processes(ctx context.Context, q ProcessQuery) (Processes, error)
	Findings(ctx context.Context, q FindingQuery) (Findings, error)
	Doctor(ctx context.Context) (Doctor, error)
	Chart(ctx context.Context, q ChartQuery) (Charts, error)
	// Own asks the mail servers' own tools, at most every 10 s.
	Own(ctx context.Context, q OwnQuery) (Own, error)
	// Trace calls yield for each step found, oldest first within a log, and
	// progress now and then. It ends early when yield gives false.
	Trace(ctx context.Context, q TraceQuery, yield func(TraceStep) bool, progress func(Progress)) (TraceSummary, error)
	// Metrics gives the current value of every series, for /metrics.
	Metrics(ctx context.Context) ([]mta.Sample, error)
}

// Status is the verdict, the open findings and the four vital signs of every
// instance.
type Status struct {
	Time      time.Time        `json:"time"`
	Verdict   Verdict          `json:"verdict"`
	Findings  []mta.Finding    `json:"findings"`   // that are open, the worst first
	Judged    bool             `json:"judged"`     // false: this is a look at the machine, which knows no habit
	Learned   time.Duration    `json:"learned_ns"` // how much past the normal ranges are learned from
	Daemon    *Daemon          `json:"daemon"`     // null: no daemon runs, this is a look at the machine as it is
	Instances []InstanceStatus `json:"instances"`
	Sources   []SourceState    `json:"sources"`
	Blind     []mta.BlindSpot  `json:"blind_spots"`
	Imports   []Import         `json:"imports,omitempty"` // of rotated logs, that are under way
	// Practice says that what is normal was not learned here but made for
	// practice, and by what; "" on every other host.
	Practice string `json:"practice,omitempty"`
}

// Import is the reading of a log's rotated pieces at the first start.
type Import struct {
	Source    string    `json:"source"`
	File      string    `json:"file"` // that is read now
	Files     int       `json:"files"`
	FilesDone int       `json:"files_done"`
	Done      int64     `json:"done"` // bytes on disk
	Total     int64     `json:"total"`
	Until     time.Time `json:"until,omitzero"` // the time that it has come to
}

// Daemon is the running mtawatch.
type Daemon struct {
	Version string    `json:"version"`
	PID     int       `json:"pid"`
	Started time.Time `json:"started"`
	Memory  int64     `json:"rss_bytes"`
	CPU     float64   `json:"cpu_seconds"`
	Dropped int64     `json:"dropped_samples"`
}

// InstanceStatus is one MTA's four signs.
type InstanceStatus struct {
	mta.Instance
	Queue       QueueStatus      `json:"queue"`
	Failures    FailureStatus    `json:"failures"`
	Connections ConnectionStatus `json:"connections"`
	Processes   ProcessStatus    `json:"processes"`
}

// QueueStatus is the first sign in short.
type QueueStatus struct {
	Time     time.Time        `json:"time,omitzero"`
	Messages *int64           `json:"messages"`         // null when unknown
	Normal   *Range           `json:"normal,omitempty"` // of the messages in all queues but hold
	Bytes    *int64           `json:"bytes"`
	Queues   []mta.QueueCount `json:"queues"`
	FromLog  *LogQueue        `json:"from_log,omitempty"`
	Unknown  string           `json:"unknown,omitempty"`
}

// LogQueue is the queue as the log alone tells it: messages seen to enter
// and not seen to leave.
type LogQueue struct {
	Messages int64     `json:"messages"`
	Oldest   time.Time `json:"oldest,omitzero"`
	Since    time.Time `json:"since,omitzero"` // the log is known from here on
}

// FailureStep is the step in which failures are counted: the one in which a
// window begins counts whole.
const FailureStep = 5 * time.Minute

// FailureStatus is the second sign in short: attempts in a window.
type FailureStatus struct {
	Window   time.Duration    `json:"window_ns"`
	Since    time.Time        `json:"since,omitzero"` // what was really covered
	Received *int64           `json:"received"`       // null when unknown, as are the three below
	Attempts map[string]int64 `json:"attempts"`       // by status
	Causes   map[string]int64 `json:"causes"`         // of what was not sent
	Rejects  *int64           `json:"rejects"`
	Minute   *LastMinute      `json:"last_minute,omitempty"` // absent while it is not known
	Normal   *NormalFailures  `json:"normal,omitempty"`
	Unknown  string           `json:"unknown,omitempty"`
}

// LastMinute is the delivery attempts of the minute that ends with the
// answer, by the times in the log: what every surface calls "a minute".
type LastMinute struct {
	Sent   int64         `json:"sent"`
	Failed int64         `json:"failed"`  // deferred, bounced and expired
	Span   time.Duration `json:"span_ns"` // what it covers: less than a minute soon after a start
}

// NormalFailures is what is normal a minute.
type NormalFailures struct {
	Received *Range           `json:"received,omitempty"`
	Attempts map[string]Range `json:"attempts,omitempty"` // by status
}

// ConnectionStatus is the third sign in short.
type ConnectionStatus struct {
	Time    time.Time `json:"time,omitzero"`
	Ports   []PortRow `json:"ports"`
	Unknown string    `json:"unknown,omitempty"`
}

// ProcessStatus is the fourth sign in short.
type ProcessStatus struct {
	Time    time.Time      `json:"time,omitzero"`
	Roles   map[string]int `json:"roles"`
	Missing []string       `json:"missing,omitempty"` // roles of which one process must be there, and none is
	Stopped []string       `json:"stopped,omitempty"` // of those, roles of which one is there that a signal has stopped
	Orphans int            `json:"orphans,omitempty"` // processes left over from an earlier start; Roles counts them too
	Unknown string         `json:"unknown,omitempty"`
}

// SourceState is how one source is doing.
type SourceState struct {
	Source      string         `json:"source"`
	Up          bool           `json:"up"`
	Lines       int64          `json:"lines"`
	Events      int64          `json:"events"`
	Ignored     int64          `json:"ignored"`
	Unknown     int64          `json:"unknown"`
	Malformed   int64          `json:"malformed"`
	Behind      int64          `json:"behind_bytes"`
	LastLine    time.Time      `json:"last_line,omitzero"` // the stamp of the newest line read
	LastUnknown []string       `json:"last_unknown,omitempty"`
	LastBad     []string       `json:"last_malformed,omitempty"`
	Blind       *mta.BlindSpot `json:"blind_spot,omitempty"`
}

// QueueQuery asks for the queue by destination and age. Zero values: every
// instance, every queue, 20 destinations.
type QueueQuery struct {
	Instance string
	Queues   []string
	Top      int
	Fresh    bool // list the queue now instead of giving the last listing
	Counters bool // with what each channel or program did
}

// Queue is the queue by destination and age. Bytes is null when unknown.
type Queue struct {
	Time     time.Time        `json:"time"` // of the counts
	Messages *int64           `json:"messages"`
	Bytes    *int64           `json:"bytes"`
	Queues   map[string]int64 `json:"queues"`
	Detail   []QueueDetail    `json:"detail,omitempty"`
	Unknown  string           `json:"unknown,omitempty"`
}

// QueueDetail is one instance's queue.
type QueueDetail struct {
	Instance   string           `json:"instance"`
	Queues     []mta.QueueCount `json:"queues"`
	ListedAt   time.Time        `json:"listed_at,omitzero"` // when the table below was read
	Ages       []string         `json:"ages"`               // the age columns: "5m", "10m", ...
	Rows       []QueueRow       `json:"destinations"`
	Total      *QueueRow        `json:"total,omitempty"` // of the table, other included
	Other      *QueueRow        `json:"other,omitempty"`
	FromLog    *LogQueue        `json:"from_log,omitempty"`
	Unknown    string           `json:"unknown,omitempty"`
	ListFailed string           `json:"list_unknown,omitempty"` // why there is no table

	Channels        []ChannelRow `json:"channels,omitempty"` // where QueueQuery.Counters asks
	ChannelsSince   time.Time    `json:"channels_since,omitzero"`
	ChannelsUnknown string       `json:"channels_unknown,omitempty"`
}

// ChannelRow is what one channel, transport or program of an instance did, by
// the log, since a moment; and what it has. Null is what such a server does not tell.
type ChannelRow struct {
	Channel   string  `json:"channel"`
	Received  *Volume `json:"received"`  // put into its queue
	Stored    *int64  `json:"stored"`    // messages in its queue now
	Delivered *Volume `json:"delivered"` // by it; messages 0 where only recipients are told. With a queue of its own: what has left that, failures for good among it
	FirstTime int64   `json:"first_time"`
	Submitted *Volume `json:"submitted"` // taken in by it
	Attempted int64   `json:"attempted"` // deliveries put off
	Rejected  int64   `json:"rejected"`
	Failed    int64   `json:"failed"` // deliveries that failed for good
}

// Volume is how much mail.
type Volume struct {
	Messages   int64 `json:"messages"`
	Recipients int64 `json:"recipients"`
	Bytes      int64 `json:"bytes"`
}

// QueueRow is one destination: its recipients by age, the oldest, and the
// reason that the MTA gave last. As in qshape a message to three recipients
// counts three times in Recipients and Ages, and once in Messages.
type QueueRow struct {
	Destination string    `json:"destination"`
	Recipients  int64     `json:"recipients"`
	Messages    int64     `json:"messages"`
	Ages        []int64   `json:"ages"`
	AgeUnknown  int64     `json:"age_unknown,omitempty"` // recipients that are in no age column
	Oldest      time.Time `json:"oldest,omitzero"`
	Reason      string    `json:"reason,omitempty"`
	Normal      *Range    `json:"normal,omitempty"` // of the recipients
}

// MessageQuery asks for single messages of the queue, read at this moment.
type MessageQuery struct {
	Instance    string
	Queue       string
	Destination string // the domain of a recipient
	Sender      string
	ID          string
	Limit       int // 0: 100
}

// Messages are single messages of the queue.
type Messages struct {
	Time     time.Time     `json:"time"`
	Messages []MessageItem `json:"messages"` // the oldest first, those of unknown age last
	More     bool          `json:"more"`     // there are more than the limit: the oldest are given
	Unknown  string        `json:"unknown,omitempty"`
}

// MessageItem is one queued message of one instance.
type MessageItem struct {
	Instance string `json:"instance"`
	mta.QueuedMessage
}

// FailureQuery asks for failures by cause and destination.
type FailureQuery struct {
	Instance    string
	Window      time.Duration // 0: one hour; at most 24 h
	Top         int           // 0: 20
	Cause       string
	Destination string
	Inbound     bool // rejects of clients instead of deliveries
}

// Failures are attempts that did not succeed, by cause and destination.
type Failures struct {
	Time     time.Time        `json:"time"`
	Window   time.Duration    `json:"window_ns"`
	Since    time.Time        `json:"since,omitzero"` // what was really covered; absent when nothing was
	Attempts map[string]int64 `json:"attempts"`       // by status; null when unknown, as are the causes
	Causes   map[string]int64 `json:"causes"`
	Rows     []FailureRow     `json:"failures"`
	Other    int64            `json:"other"` // failures outside the rows
	Rejects  []RejectRow      `json:"rejects,omitempty"`
	Unknown  string           `json:"unknown,omitempty"`
}

// FailureRow is one cause at one destination.
type FailureRow struct {
	Instance    string    `json:"instance"`
	Destination string    `json:"destination"`
	Cause       mta.Cause `json:"cause"`
	Scope       mta.Scope `json:"scope"`
	Deferred    int64     `json:"deferred"`
	Bounced     int64     `json:"bounced"` // and expired
	Sent        int64     `json:"sent"`    // to the same destination in the window
	First       time.Time `json:"first"`   // seen at all, which may be before the window
	Last        time.Time `json:"last"`
	Reply       string    `json:"reply"` // the last one, as logged
	DSN         string    `json:"dsn,omitempty"`
	Code        int       `json:"code,omitempty"`
	Relay       string    `json:"relay,omitempty"`
	QueueID     string    `json:"queue_id,omitempty"` // the last message concerned
	Normal      *Range    `json:"normal,omitempty"`   // of the failures at this destination a minute, whatever their cause
}

// RejectRow is one reason for which clients were refused.
type RejectRow struct {
	Instance string    `json:"instance"`
	Stage    mta.Stage `json:"stage"`
	Cause    mta.Cause `json:"cause"`
	Class    string    `json:"class"` // "4xx", "5xx" or ""
	Count    int64     `json:"count"`
	Last     time.Time `json:"last"`
	Reply    string    `json:"reply"`
}

// ConnectionQuery asks for the inbound sockets.
type ConnectionQuery struct {
	Port  uint16
	State string
	Top   int // remote addresses; 0: 50
}

// Connections are the inbound sockets by remote address and state.
type Connections struct {
	Time        time.Time             `json:"time"`
	Connections []mta.Connection      `json:"connections"`
	Ports       []PortRow             `json:"ports,omitempty"`
	Counters    *mta.ListenerCounters `json:"counters,omitempty"`
	Source      string                `json:"source"`
	Skipped     int                   `json:"skipped,omitempty"` // lines of a saved listing that could not be read
	Unknown     string                `json:"unknown,omitempty"`
}

// PortRow is one listening port.
type PortRow struct {
	Port        uint16         `json:"port"`
	Service     string         `json:"service,omitempty"`
	Listening   bool           `json:"listening"`
	AcceptQueue *int64         `json:"accept_queue"` // null when nobody listens or the source does not tell it
	AcceptLimit *int64         `json:"accept_limit"` // likewise
	States      map[string]int `json:"states"`
	Sources     int            `json:"sources"`
	TopSource   int            `json:"top_source"`         // connections of the largest source
	Capacity    int            `json:"capacity,omitempty"` // sessions that the mail server holds at once there; 0 unknown
	Normal      *Range         `json:"normal,omitempty"`   // of the connections in any state but time-wait
	Closed      *int64         `json:"closed"`             // since the watch began; null when unknown
}

// ProcessQuery asks for the MTA's processes.
type ProcessQuery struct{ Instance string }

// Processes are the MTA's processes with their roles.
type Processes struct {
	Time      time.Time         `json:"time"`
	Processes []mta.RoleProcess `json:"processes"`
	Roles     []RoleRow         `json:"roles"`
	Unknown   string            `json:"unknown,omitempty"`
}

// RoleRow is one role of one instance.
type RoleRow struct {
	Instance string    `json:"instance"`
	Role     mta.Role  `json:"role"`
	Count    int       `json:"count"`
	Oldest   time.Time `json:"oldest,omitzero"` // start of the oldest
	Restarts *int64    `json:"restarts"`        // seen since the store began; null when not watched
}

// Doctor lists what mtawatch can and cannot see here.
type Doctor struct {
	Time   time.Time     `json:"time"`
	Checks []DoctorCheck `json:"checks"`
	Daemon *DoctorDaemon `json:"daemon,omitempty"` // who answers; nil: no daemon, the command itself looked
}

// DoctorDaemon is the daemon that answers, and what it works with.
type DoctorDaemon struct {
	PID     int    `json:"pid"`
	Config  string `json:"config,omitempty"` // the configuration file, absolute; "": none
	DataDir string `json:"data_dir"`         // absolute
}

// DoctorCheck is one thing that mtawatch wants to see.
type DoctorCheck struct {
	Name   string `json:"name"`
	OK     bool   `json:"ok"`
	Fault  bool   `json:"fault,omitempty"` // not OK, though it is seen: it is not as it should be
	Text   string `json:"text"`
	Advice string `json:"advice,omitempty"` // the command that would mend it
}

// TraceQuery asks what happened to a message: a queue id, a Message-ID or an
// address (or a part of one).
type TraceQuery struct {
	Text  string
	Since time.Time // only logs written after; zero: all
	Limit int       // messages; 0: 100
}

// TraceStep is one event of a message that was asked for.
type TraceStep struct {
	Source string    `json:"source"` // the log file
	Text   string    `json:"line"`   // as logged
	Event  mta.Event `json:"event"`
}

// TraceSummary says what a trace looked at.
type TraceSummary struct {
	Messages int      `json:"messages"`
	Steps    int      `json:"steps"`
	Lines    int64    `json:"lines"`
	Bytes    int64    `json:"bytes"`
	Files    []string `json:"files"`
	Unread   []string `json:"unread,omitempty"` // files that could not be read, with the reason
	Limited  bool     `json:"limited,omitempty"`

	Instances []string  `json:"instances,omitempty"` // whose logs the files are; none: they were named by the asker
	Begin     time.Time `json:"begin,omitzero"`      // the first time stamp of the oldest file, where nothing was found
}

// Progress is how far long work has come.
type Progress struct {
	Done  int64  `json:"done"` // bytes
	Total int64  `json:"total"`
	What  string `json:"what"`
}
