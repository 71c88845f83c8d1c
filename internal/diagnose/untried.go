package diagnose

import (
	"time"

	"github.com/mtawatch/mtawatch/internal/detect"
)

// untriedMail is mail that came in and that nobody has tried to deliver.
type untriedMail struct {
	count float64
	wait  time.Duration  // all of it has waited this long
	since time.Time      // the last attempt
	queue *detect.Signal // where it waits; nil when that is not known
}

// untriedLimits: so many messages that have waited so long without any attempt.
var untriedLimits = [...]struct {
	count float64
	wait  time.Duration
}{{10, time.Minute}, {3, 2 * time.Minute}, {1, 5 * time.Minute}}

// untried finds the contradiction: messages arrive and none is tried. It
// needs logs that are read up to now, and where the queue is known the
// messages must stand in it: what was held or thrown away is not waiting.
func untried(c *Case, in *Instance) (untriedMail, bool) {
	last := in.Attempts.Last()
	if in.Attempts == nil || !logsCurrent(c) {
		return untriedMail{}, false
	}
	quiet := c.Now.Sub(last)
	if last.IsZero() {
		if usual, ok := in.Attempts.Expected(time.Hour); !ok || usual < 1 {
			return untriedMail{}, false // an instance that never delivers
		}
		quiet = 3 * time.Hour
	}
	if quiet < time.Minute || logAsleep(c, min(quiet, 3*time.Hour)) {
		return untriedMail{}, false
	}
	if stoppedChannelsHoldIt(c, in) {
		return untriedMail{}, false // an operator stopped them
	}
	queue, patience := whereUntried(in)
	_, since, ok := in.Arrivals.Sum(min(quiet, 3*time.Hour))
	if _, _, known := in.Attempts.Sum(min(quiet, 3*time.Hour)); !ok || !known {
		return untriedMail{}, false
	}
	for _, l := range untriedLimits {
		wait := l.wait * patience
		if quiet < wait {
			continue
		}
		_, young, known := in.Arrivals.Sum(wait)
		if !known {
			continue
		}
		u := untriedMail{count: max(since-young, leftStanding(queue, quiet, wait)), wait: wait, since: last, queue: queue}
		if u.count < l.count {
			continue
		}
		if n, ok := queue.Value(); ok && n < l.count {
			continue
		}
		if last.IsZero() {
			u.since = c.Now.Add(-wait)
		}
		return u, true
	}
	return untriedMail{}, false
}

// leftStanding is by how much a queue grew since the last attempt, and has stayed
// for a while. Postfix counts a message as received when its queue manager
// takes it up: where that hangs, only the queue tells what came in.
func leftStanding(queue *detect.Signal, quiet, wait time.Duration) float64 {
	before, ok := queue.Ago(min(quiet, 3*time.Hour))
	least, known := queue.Least(wait)
	if !ok || !known {
		return 0
	}
	if least-before < 2 && wait < slowUpload {
		return leftStanding(queue, quiet, slowUpload)
	}
	return least - before
}

// slowUpload is how long a single message may stand in the queue because its
// client has not sent all of it yet.
const slowUpload = 30 * time.Minute

// whereUntried gives the queue in which untried mail stands, and how much
// longer to wait than usual: where deliveries are under way, the mail may be
// in their hands, and a dead remote takes its time to be found out.
func whereUntried(in *Instance) (*detect.Signal, time.Duration) {
	for _, q := range in.Queues {
		if q.Name == "incoming" { // Postfix: not yet in the job controller's hands
			return q.Messages, 1
		}
	}
	if n, ok := in.Deliveries.Value(); ok && n > 0 {
		return in.Waiting, 3
	}
	return in.Waiting, 1
}

// logsCurrent reports whether every log that is watched is read up to now.
// Attempts that stand in unread lines are not missing.
func logsCurrent(c *Case) bool {
	for _, l := range c.Logs {
		if up, ok := l.Up.Value(); ok && up == 0 {
			return false
		}
		if lag, ok := l.Lag.Value(); ok && lag > 30 {
			return false
		}
	}
	return true
}
