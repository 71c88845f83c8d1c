package mta

import "time"

// BlindSpot is something that mtawatch should see and does not.
type BlindSpot struct {
	Source string    `json:"source"`           // a log file, "queue", "connections", "processes", "store"
	Kind   BlindKind `json:"kind"`             // what is wrong with it
	Since  time.Time `json:"since"`            //
	Text   string    `json:"text"`             // in words
	Advice string    `json:"advice,omitempty"` // what the operator can do
}

// BlindKind says what is wrong with a source.
type BlindKind string

// The kinds of blind spot.
const (
	BlindMissing       BlindKind = "missing"
	BlindUnreadable    BlindKind = "unreadable"
	BlindSilent        BlindKind = "silent"
	BlindNotUnderstood BlindKind = "not-understood"
	BlindFailing       BlindKind = "failing"
	BlindLost          BlindKind = "lost" // lines are gone that were never read
	BlindBehind        BlindKind = "behind"
)

// Baseline is what is normal for one series at one moment.
type Baseline struct {
	Series      string        `json:"series"`
	Time        time.Time     `json:"time"`
	Low         float64       `json:"low"`
	Middle      float64       `json:"middle"`
	High        float64       `json:"high"`
	LearnedFrom time.Duration `json:"learned_from"`
}

// Anomaly is a series that is not what it normally is.
type Anomaly struct {
	Series string    `json:"series"`
	Since  time.Time `json:"since"` // when the change began
	Time   time.Time `json:"time"`  // when it was noticed
	Value  float64   `json:"value"`
	Low    float64   `json:"low"`
	High   float64   `json:"high"`
	Rarity float64   `json:"rarity"` // log10 of the return period in hours
}

// FindingCode names a kind of incident.
type FindingCode string

// The finding codes.
const (
	FindingQueueGrowing         FindingCode = "queue-growing"
	FindingQueueNotDraining     FindingCode = "queue-not-draining"
	FindingQueueOldMail         FindingCode = "queue-old-mail"
	FindingMailHeld             FindingCode = "mail-held"
	FindingDiskFilling          FindingCode = "disk-filling"
	FindingDestinationTimingOut FindingCode = "destination-timing-out"
	FindingDestinationRefusing  FindingCode = "destination-refusing"
	FindingProviderThrottling   FindingCode = "provider-throttling"
	FindingBlocklisted          FindingCode = "blocklisted"
	FindingOwnDNSDead           FindingCode = "own-dns-dead"
	FindingNetworkBroken        FindingCode = "network-broken"
	FindingOwnResourceFailing   FindingCode = "own-resource-failing"
	FindingBounceSurge          FindingCode = "bounce-surge"
	FindingFloodOneSource       FindingCode = "flood-one-source"
	FindingFloodManySources     FindingCode = "flood-many-sources"
	FindingSYNBacklog           FindingCode = "syn-backlog"
	FindingCloseWaitLeak        FindingCode = "close-wait-leak"
	FindingAcceptQueueOverflow  FindingCode = "accept-queue-overflow"
	FindingServerProcessOverage FindingCode = "server-process-overage"
	FindingProcessLimitReached  FindingCode = "process-limit-reached"
	FindingDispatcherDown       FindingCode = "dispatcher-down"
	FindingJobControllerDown    FindingCode = "job-controller-down"
	FindingDaemonDuplicate      FindingCode = "daemon-duplicate"
	FindingDaemonFlapping       FindingCode = "daemon-flapping"
	FindingMailStopped          FindingCode = "mail-stopped"
	FindingSenderBurst          FindingCode = "sender-burst"
	FindingMailLoop             FindingCode = "mail-loop"
	FindingBlindSpot            FindingCode = "blind-spot"
)

// Finding is one incident: what is wrong, since when, why, and what to do.
type Finding struct {
	ID         string        `json:"id,omitempty"` // given when it opens; names this one incident for good
	Code       FindingCode   `json:"code"`
	Title      string        `json:"title"` // one line, with the subject and the main number in it
	Severity   Severity      `json:"severity"`
	Instance   string        `json:"instance,omitempty"`
	Subject    string        `json:"subject,omitempty"` // what it is about where there may be several: a destination, a queue, a port, an address, a role, a source
	Since      time.Time     `json:"since"`             // when the change began, not when it was noticed
	Noticed    time.Time     `json:"noticed,omitzero"`
	End        time.Time     `json:"end,omitzero"`     // zero while it is open
	Over       time.Time     `json:"over,omitzero"`    // since when it is seen to be over, while it is open still and watched to stay so
	Cause      string        `json:"cause"`            // one sentence
	Reason     Cause         `json:"reason,omitempty"` // the cause in one word of the vocabulary, where it has one
	Score      float64       `json:"score,omitempty"`  // rarity of the strongest reading (log10 of its return period in hours); 0 with direct evidence
	Evidence   []Evidence    `json:"evidence"`
	RuledOut   []string      `json:"ruled_out,omitempty"`
	Advice     []string      `json:"advice"`
	Avoid      []string      `json:"avoid,omitempty"` // what not to do
	Confidence float64       `json:"confidence"`      // 0 to 1
	DependsOn  []FindingCode `json:"depends_on,omitempty"`
	Folded     []Finding     `json:"folded,omitempty"`      // its consequences, told with it and not apart
	FoldedInto string        `json:"folded_into,omitempty"` // the ID of the finding that it was found to be part of; set when it ends so

	Acknowledged  *Acknowledgement `json:"acknowledged,omitempty"`
	SilencedUntil time.Time        `json:"silenced_until,omitzero"`
}

// Held reports whether nobody is to be called because of the finding: it was
// acknowledged, or is silenced, and has not become worse since.
func (f *Finding) Held() bool { return f.Acknowledged != nil || !f.SilencedUntil.IsZero() }

// Acknowledgement says that a person knows of a finding.
type Acknowledgement struct {
	At       time.Time `json:"at"`
	By       string    `json:"by,omitempty"`
	Note     string    `json:"note,omitempty"`
	Severity Severity  `json:"severity"` // of the finding then: when it becomes worse people are called again
}

// Silence says that findings of a kind are not to be told for a time. Empty
// fields take any finding.
type Silence struct {
	ID       string      `json:"id"`
	Code     FindingCode `json:"code,omitempty"`
	Instance string      `json:"instance,omitempty"`
	Subject  string      `json:"subject,omitempty"`
	Until    time.Time   `json:"until"`
	At       time.Time   `json:"at"`
	By       string      `json:"by,omitempty"`
	Note     string      `json:"note,omitempty"`
	Severity Severity    `json:"severity"` // findings that are worse are told all the same
}

// Takes reports whether a finding is silenced.
func (s *Silence) Takes(f *Finding) bool {
	return (s.Code == "" || s.Code == f.Code) && (s.Instance == "" || s.Instance == f.Instance) && (s.Subject == "" || s.Subject == f.Subject) &&
		f.Severity <= s.Severity
}

// Sign is one of the vital signs, or what stands beside them.
type Sign string

// The signs by which findings are ordered.
const (
	SignQueues      Sign = "queues"
	SignFailures    Sign = "failures"
	SignConnections Sign = "connections"
	SignDaemons     Sign = "daemons"
	SignTraffic     Sign = "traffic"
	SignMonitor     Sign = "monitor"
)

// findingCodes is the vocabulary's table of findings, in its order.
var findingCodes = [...]struct {
	sign  Sign
	codes []FindingCode
}{
	{SignQueues, []FindingCode{FindingQueueGrowing, FindingQueueNotDraining, FindingQueueOldMail, FindingMailHeld, FindingDiskFilling}},
	{SignFailures, []FindingCode{FindingDestinationTimingOut, FindingDestinationRefusing, FindingProviderThrottling, FindingBlocklisted,
		FindingOwnDNSDead, FindingNetworkBroken, FindingOwnResourceFailing, FindingBounceSurge}},
	{SignConnections, []FindingCode{FindingFloodOneSource, FindingFloodManySources, FindingSYNBacklog, FindingCloseWaitLeak,
		FindingAcceptQueueOverflow, FindingServerProcessOverage, FindingProcessLimitReached}},
	{SignDaemons, []FindingCode{FindingDispatcherDown, FindingJobControllerDown, FindingDaemonDuplicate, FindingDaemonFlapping}},
	{SignTraffic, []FindingCode{FindingMailStopped, FindingSenderBurst, FindingMailLoop}},
	{SignMonitor, []FindingCode{FindingBlindSpot}},
}

// FindingCodes lists every finding code in the vocabulary's order.
func FindingCodes() []FindingCode {
	var list []FindingCode
	for _, s := range findingCodes {
		list = append(list, s.codes...)
	}
	return list
}

// Sign gives the sign that a finding belongs to, "" for an unknown code.
func (c FindingCode) Sign() Sign {
	for _, s := range findingCodes {
		for _, code := range s.codes {
			if code == c {
				return s.sign
			}
		}
	}
	return ""
}

// Evidence is one proof: a number with its normal range, or log lines.
type Evidence struct {
	Text   string   `json:"text"`
	Series string   `json:"series,omitempty"`
	Value  *float64 `json:"value,omitempty"`
	Low    *float64 `json:"low,omitempty"`
	High   *float64 `json:"high,omitempty"`
	Lines  []string `json:"lines,omitempty"`
}
