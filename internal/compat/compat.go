package compat

import (
	"strings"

	"github.com/mtawatch/mtawatch/internal/mta"
	"github.com/mtawatch/mtawatch/internal/track"
)

// Name is what the configuration calls this set of names.
const Name = "postfix_exporter"

// Limits of labels whose values come from the log.
const (
	maxRelays   = 32
	maxCommands = 40
	maxMethods  = 20
	maxStatuses = 10
	maxDSN      = 100
)

// Exporter counts what the exporters count. One goroutine uses it.
type Exporter struct {
	counts   [numCounters]int64
	smtp     delays
	lmtp     delays
	pipe     map[string]*delays // by relay
	pipeRest *delays            // beyond maxRelays
	inserted struct{ recipients, size histogram }
	statuses labelled
	deferred labelled // by enhanced status code
	bounced  labelled
	sent     sessions
	received sessions
	lost     labelled
	methods  labelled
	rejects  codes
	messages recent
	listings map[string]reading // by instance
	series   map[string]*mta.Series
}

// New makes an Exporter that has counted nothing.
func New() *Exporter {
	return &Exporter{
		pipe:     make(map[string]*delays),
		statuses: newLabelled(maxStatuses, "sent", "deferred", "bounced"),
		deferred: newLabelled(maxDSN),
		bounced:  newLabelled(maxDSN),
		sent:     newSessions(),
		received: newSessions(),
		lost:     newLabelled(maxCommands),
		methods:  newLabelled(maxMethods, ""),
		listings: make(map[string]reading),
		series:   make(map[string]*mta.Series),
	}
}

// Add counts one fact. Each program of Postfix has names of its own; what
// other programs and other mail servers tell counts nowhere.
func (x *Exporter) Add(f track.Fact) {
	e := f.Event
	switch e.Program {
	case "smtp":
		x.addSMTP(e)
	case "smtpd":
		x.addSMTPD(e)
	case "qmgr", "oqmgr", "nqmgr":
		x.addQueueManager(e)
	case "cleanup":
		x.addCleanup(e)
	case "error", "retry":
		if e.NumDelays == 4 && e.Status == mta.StatusDeferred {
			x.addStatus(e)
		}
	case "lmtp":
		if e.NumDelays == 4 {
			x.lmtp.observe(&e.Delays)
		}
	case "pipe":
		if e.NumDelays == 4 {
			x.relay(&e.Relay).observe(&e.Delays)
		}
	case "virtual":
		if e.Kind == mta.KindDelivery && e.Status == mta.StatusSent {
			x.counts[virtualDelivered]++
		}
	case "bounce":
		if e.Kind == mta.KindNotification && e.Reason == "sender non-delivery" {
			x.counts[bounceNotifications]++
		}
	}
}

func (x *Exporter) addSMTP(e *mta.Event) {
	switch {
	case e.NumDelays == 4: // a delivery, or a probe of an address
		x.smtp.observe(&e.Delays)
		x.addStatus(e)
	case e.Kind == mta.KindTLS:
		if e.TLS.Direction == "to" && !e.TLS.Reused {
			x.sent.add(&e.TLS)
		}
	case e.Kind == mta.KindWarning && strings.HasPrefix(e.Text, "connect to ") && strings.HasSuffix(e.Text, ": Connection timed out"):
		x.counts[smtpTimedOut]++
	}
}

// addStatus counts the outcome of a delivery or of a probe, which is
// deliverable or undeliverable.
func (x *Exporter) addStatus(e *mta.Event) {
	if e.Kind != mta.KindDelivery {
		word, _, _ := strings.Cut(e.Text, " ")
		x.statuses.add(word)
		return
	}
	x.statuses.add(e.Status.String())
	switch e.Status {
	case mta.StatusDeferred:
		x.counts[smtpStatusDeferred]++
		x.counts[smtpDeferred]++
		x.deferred.add(e.DSN)
	case mta.StatusBounced:
		x.bounced.add(e.DSN)
	}
}

func (x *Exporter) addSMTPD(e *mta.Event) {
	switch e.Kind {
	case mta.KindConnect:
		x.counts[smtpdConnects]++
	case mta.KindDisconnect:
		switch e.Reason {
		case "", "quit":
			x.counts[smtpdDisconnects]++
		case "lost":
			x.lost.add(e.Command)
		}
	case mta.KindOrigin:
		x.methods.add(e.SASLMethod)
	case mta.KindReject:
		if e.QueueID == "" && e.Stage == mta.StageRcpt && e.Reason == "" && e.Code != 0 {
			x.rejects.add(e.Code)
		}
	case mta.KindAuth:
		if e.Status == mta.StatusFailed && e.Reply != "aborted" {
			x.counts[smtpdAuthFailures]++
		}
	case mta.KindTLS:
		if e.TLS.Direction == "from" && !e.TLS.Reused {
			x.received.add(&e.TLS)
		}
	case mta.KindWarning:
		if e.Severity == mta.SeverityWarning && strings.HasPrefix(e.Text, "hostname ") && strings.Contains(e.Text, " does not resolve to address ") {
			x.counts[smtpdNameErrors]++
		}
	}
}

func (x *Exporter) addQueueManager(e *mta.Event) {
	switch e.Kind {
	case mta.KindQueued:
		x.inserted.recipients.observe(recipientBounds[:], float64(e.Recipients))
		x.inserted.size.observe(sizeBounds[:], float64(e.Size))
	case mta.KindRemoved:
		x.counts[qmgrRemoved]++
	case mta.KindDelivery:
		if e.Status == mta.StatusExpired {
			x.counts[qmgrExpired]++
		}
	}
}

func (x *Exporter) addCleanup(e *mta.Event) {
	switch e.Kind {
	case mta.KindMessage:
		if x.messages.fresh(e.QueueID) { // a second line names the Resent-Message-ID
			x.counts[cleanupProcessed]++
		}
	case mta.KindReject:
		if e.Reason == "" {
			x.counts[cleanupRejected]++
		} else if strings.HasPrefix(e.Reason, "milter-") {
			x.counts[cleanupNotAccepted]++
		}
	}
}

// relay gives the delays of one pipe destination.
func (x *Exporter) relay(p *mta.Peer) *delays {
	name := p.Path
	if name == "" {
		name = p.Name
	}
	if name == "" {
		name = "none"
	}
	if d := x.pipe[name]; d != nil {
		return d
	}
	if len(x.pipe) >= maxRelays {
		if x.pipeRest == nil {
			x.pipeRest = new(delays)
		}
		return x.pipeRest
	}
	d := new(delays)
	x.pipe[strings.Clone(name)] = d
	return d
}

// recent remembers the queue ids seen last.
type recent struct {
	ids  [16]shortText
	next int
}

// shortText is a copy of a short text.
type shortText struct {
	text [24]byte
	n    int
}

// fresh reports whether the id is not among those seen last, and notes it.
func (r *recent) fresh(id string) bool {
	for i := range r.ids {
		if t := &r.ids[i]; t.n > 0 && string(t.text[:t.n]) == id {
			return false
		}
	}
	t := &r.ids[r.next]
	t.n = copy(t.text[:], id)
	r.next = (r.next + 1) % len(r.ids)
	return true
}
