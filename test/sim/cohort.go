package sim

import (
	"time"

	"github.com/mtawatch/mtawatch/internal/mta"
)

// flow is what kind of mail it is.
type flow uint8

const (
	flowMail         flow = iota
	flowNotification      // of a failure, to its sender
	flowAbuse             // of a stolen account
	flowLoop              // comes back to us
)

// cohort is messages of one destination, of about one age and one fate. Each
// has one recipient.
type cohort struct {
	n        int
	born     int64 // unix seconds, of the oldest
	due      int64 // unix seconds: not to be tried before
	attempts int
	cause    mta.Cause // of the last failure
	flow     flow
	pickup   bool       // handed in on the host itself
	msgs     []*message // each of the n, when messages have identities
}

// message is one message, as the log tells of it.
type message struct {
	id      string
	from    string
	to      string
	size    int
	born    time.Time
	last    time.Time // of its last line
	client  client
	account string // the SASL user, "" for none
	origin  string // of a notification: the message that failed
}

// take cuts the first k messages off the cohort.
func (c *cohort) take(k int) cohort {
	k = min(k, c.n)
	part := *c
	part.n = k
	c.n -= k
	if c.msgs != nil {
		part.msgs, c.msgs = c.msgs[:k:k], c.msgs[k:]
	}
	return part
}

// joins reports whether two cohorts that wait may be told as one.
func (c *cohort) joins(o *cohort) bool {
	if c.msgs != nil || o.msgs != nil || c.cause != o.cause || c.flow != o.flow || c.pickup != o.pickup || c.due != o.due {
		return false
	}
	apart := c.born - o.born
	if apart < 0 {
		apart = -apart
	}
	return apart <= max(30, (c.due-min(c.born, o.born))/12)
}

func (c *cohort) join(o cohort) {
	c.n += o.n
	c.born = min(c.born, o.born)
	c.attempts = max(c.attempts, o.attempts)
}

// Postfix's defaults: minimal_backoff_time, maximal_backoff_time,
// queue_run_delay and maximal_queue_lifetime, in seconds.
const (
	minimalBackoff = 300
	maximalBackoff = 4000
	queueRunDelay  = 300
	queueLifetime  = 5 * 86400
)

// backoff gives when a message is due again: qmgr waits as long as the
// message has been there already, within the limits.
func backoff(now, born int64) int64 {
	return now + min(max(now-born, minimalBackoff), maximalBackoff)
}
