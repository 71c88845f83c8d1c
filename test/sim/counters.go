package sim

import (
	"time"

	"github.com/mtawatch/mtawatch/internal/mta"
)

// counters is what mtawatch would have counted from the log.
type counters struct {
	received, bytes int64
	attempts        [mta.NumStatuses][mta.NumCauses]int64
	other           [mta.NumStatuses]int64 // of destinations without series of their own
	rejects         [numRefusals]int64
	delays          delays
	lines           int64
	ignored         int64
}

// count changes the counters, unless the log tells nothing now.
func (h *Host) count(change func(*counters)) {
	if !h.w.silent {
		change(&h.seen)
	}
}

func (h *Host) lines(n int) {
	if h.w.silent {
		h.w.touch(int64(n))
		return
	}
	h.seen.lines += int64(n)
}

// note lets a daemon say something of itself in the log.
func (h *Host) note(program string, pid int, text string) {
	h.lines(1)
	h.cfg.record.say(h, h.somewhere(), program, pid, text)
}

// refusal is what inbound mail is refused with.
type refusal uint8

const (
	refuseUser refusal = iota
	refuseListed
	refuseRelay
	refuseName
	refuseDisk
	numRefusals
)

var refusals = [numRefusals]struct {
	stage mta.Stage
	class string
	cause mta.Cause
	share float64
}{
	refuseUser:   {mta.StageRcpt, "5xx", mta.CauseUnknownUser, 0.30},
	refuseListed: {mta.StageRcpt, "5xx", mta.CauseBlocked, 0.50},
	refuseRelay:  {mta.StageRcpt, "5xx", mta.CauseRelayDenied, 0.05},
	refuseName:   {mta.StageRcpt, "4xx", mta.CauseAuthentication, 0.15},
	refuseDisk:   {mta.StageMail, "4xx", mta.CauseLocalResource, 0},
}

// The stages of a delivery's delay, as Postfix's delays=a/b/c/d, and the total.
const (
	delayBefore = iota
	delayManager
	delaySetup
	delayTransmission
	delayTotal
	numDelayStages
)

var delayNames = [numDelayStages]string{"before_queue_manager", "queue_manager", "connection_setup", "transmission", "total"}

var delayBounds = [...]time.Duration{10 * time.Millisecond, 100 * time.Millisecond, time.Second, 5 * time.Second, 30 * time.Second,
	time.Minute, 5 * time.Minute, 30 * time.Minute, time.Hour, 6 * time.Hour, 24 * time.Hour, 5 * 24 * time.Hour}

// delays are the histograms of the delay of what was sent.
type delays struct {
	counts [numDelayStages][len(delayBounds) + 1]int64
	sums   [numDelayStages]float64
}

// observe notes n messages that waited in the queue and then took so long, in seconds.
func (t *delays) observe(n int, wait, work float64) {
	for stage, v := range [numDelayStages]float64{0.05, wait, work * 0.4, work * 0.6, 0.05 + wait + work} {
		i := 0
		for i < len(delayBounds) && v > delayBounds[i].Seconds() {
			i++
		}
		t.counts[stage][i] += int64(n)
		t.sums[stage] += v * float64(n)
	}
}
