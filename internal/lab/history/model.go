package history

import (
	"math"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"syscall"
	"time"

	"github.com/mtawatch/mtawatch/internal/lab/site"
	"github.com/mtawatch/mtawatch/internal/lab/stage"
	"github.com/mtawatch/mtawatch/internal/lab/world"
	"github.com/mtawatch/mtawatch/internal/mta"
)

// model is the lab's ordinary mail as figures: the letters of world.World, and
// what the practice MTA makes of them.
type model struct {
	*recorder
	cfg   Config
	sites []world.Site
	r     *rand.Rand
	start time.Time
	log   string

	waiting []deferred // messages that will be tried again, the next first
	closed  []client   // connections that the kernel remembers
	ages    map[string]time.Duration
	lines   float64
	disk    syscall.Statfs_t // of the queue, now: it was always so
}

// deferred is a message that waits for its next attempt.
type deferred struct {
	site     *world.Site
	arrived  time.Time
	due      time.Time
	attempts int
	size     float64
	hangs    time.Duration // that its first attempt takes to fail: until then it is untried
}

// client is one connection that was closed.
type client struct {
	at   time.Time
	port int
	addr int
}

func newModel(cfg Config) *model {
	sites := world.Sites()
	if cfg.Stage != nil {
		sites = cfg.Stage.World.Sites()
	}
	m := &model{recorder: newRecorder(), cfg: cfg, sites: sites, r: rand.New(rand.NewPCG(3, 14)),
		start: cfg.Now.AddDate(0, 0, -cfg.Days).Truncate(Step), ages: make(map[string]time.Duration),
		log: filepath.Join(cfg.Stage.Site.LogDir(), "mail.log_current")}
	_ = syscall.Statfs(cfg.Stage.Site.QueueDir(), &m.disk) // a disk that cannot be read has no past
	return m
}

// step makes one reading.
func (m *model) step(at time.Time) mta.Reading {
	letters := m.poisson(m.cfg.Rate * m.cfg.Day(at) * Step.Seconds())
	var sessions [2]int // on the SMTP port, on the submission port
	for range letters {
		m.letter(at, &sessions)
	}
	m.retry(at)
	m.connections(at, sessions)
	m.daemons(letters)
	m.queues(at)
	m.monitor()
	r := mta.Reading{Tick: mta.Tick{Time: at, Samples: m.take()}, SourcesKnown: true}
	return r
}

// letter is one letter that arrives, or is refused.
func (m *model) letter(at time.Time, sessions *[2]int) {
	size := m.r.ExpFloat64()*3000 + 1500
	x := m.r.Float64()
	switch {
	case x < world.ShareInbound:
		sessions[0]++
		m.arrive(size)
		m.store(size)
	case x < world.ShareInbound+world.ShareOutbound:
		sessions[m.submits()]++
		m.arrive(size)
		m.send(&deferred{site: world.PickSite(m.sites, m.r.Float64()), arrived: at, due: at, size: size}, at)
	case x < world.ShareInbound+world.ShareOutbound+world.ShareLocal:
		sessions[m.submits()]++
		m.arrive(size)
		m.store(size)
	default:
		sessions[0]++
		cause := mta.CauseUnknownUser
		if m.r.IntN(4) == 0 {
			cause = mta.CauseRelayDenied
		}
		m.slot(true, "mta_rejects_total", key{a: cause.String()}, "instance", stage.Instance, "stage", "rcpt", "class", "5", "cause", cause.String()).value++
		m.lines++
	}
}

// submits draws the port of a user here: the submission port twice of three.
func (m *model) submits() int { return min(1, m.r.IntN(3)) }

// arrive counts a message that was taken.
func (m *model) arrive(size float64) {
	m.add(1, "mta_received_messages_total")
	m.add(size+headerSize, "mta_received_bytes_total")
	m.lines += 3 // opened, enqueued, closed
}

// headerSize is about what the header and the rounding to blocks add.
const headerSize = 700

// tried counts one attempt.
func (m *model) tried(destination string, status mta.Status, cause mta.Cause) {
	text := ""
	if cause != mta.CauseNone {
		text = cause.String()
	}
	m.add2(1, "mta_delivery_attempts_total", "status", status.String(), "cause", text)
	m.add2(1, "mta_destination_attempts_total", "destination", destination, "status", status.String())
	m.lines++
}

// store delivers to a user here.
func (m *model) store(float64) {
	m.tried(site.StoreHost, mta.StatusSent, mta.CauseNone)
	m.delay(0.05)
}

func (m *model) delay(seconds float64) {
	m.add1(seconds, "mta_delivery_delay_seconds_sum", "stage", "total")
	m.add1(1, "mta_delivery_delay_seconds_count", "stage", "total")
}

// send tries to deliver to a site.
func (m *model) send(d *deferred, at time.Time) {
	status, cause, took := m.outcome(d, at)
	m.tried(d.site.Domain(), status, cause)
	switch status {
	case mta.StatusDeferred:
		steps := stage.Backoff()
		wait := steps[min(d.attempts, len(steps)-1)]
		if d.attempts++; d.attempts == 1 {
			d.hangs = hangs(cause)
		}
		d.due = at.Add(wait + time.Duration(m.r.Float64()*float64(wait)/10))
		m.waiting = append(m.waiting, *d)
	case mta.StatusBounced:
		m.notify()
	default:
		m.delay(at.Sub(d.arrived).Seconds() + took)
	}
}

// hangs is how long an attempt takes that fails for want of an answer.
func hangs(cause mta.Cause) time.Duration {
	switch cause {
	case mta.CauseConnectTimeout:
		return stage.ConnectPatience
	case mta.CauseReplyTimeout:
		return stage.ReplyPatience
	}
	return 0
}

// notify is the notification of a message that came back.
func (m *model) notify() {
	m.add(1, "mta_received_messages_total")
	m.add(2500, "mta_received_bytes_total")
	m.tried(site.StoreHost, mta.StatusSent, mta.CauseNone)
	m.delay(0.1)
	m.lines += 3
}

// outcome is what a site does with a message at a moment.
func (m *model) outcome(d *deferred, at time.Time) (mta.Status, mta.Cause, float64) {
	man := d.site.Now(at.Add(time.Duration(m.r.Float64() * float64(Step))))
	switch {
	case man.Gone:
		return mta.StatusBounced, mta.CauseNoSuchDomain, 0
	case man.Closed:
		return mta.StatusDeferred, mta.CauseConnectRefused, 0
	case man.Deaf:
		return mta.StatusDeferred, mta.CauseConnectTimeout, 0
	case man.Mute:
		return mta.StatusDeferred, mta.CauseReplyTimeout, 0
	case m.r.Float64() < world.ShareUnknown && d.attempts == 0:
		return mta.StatusBounced, mta.CauseUnknownUser, 0
	case man.Grey > 0 && at.Sub(d.arrived) < man.Grey:
		return mta.StatusDeferred, mta.CauseGreylisted, 0
	case man.Grey > 0:
		return mta.StatusSent, mta.CauseNone, 0.1
	}
	reply := man.Rcpt + man.End
	if reply == "" {
		return mta.StatusSent, mta.CauseNone, 0.1 + 6*man.Slow.Seconds()
	}
	status := mta.StatusDeferred
	if reply[0] == '5' {
		status = mta.StatusBounced
	}
	return status, causeOf(d.site.Name), 0
}

// causeOf gives the cause that the reply of a site with a habit has.
func causeOf(site string) mta.Cause {
	switch site {
	case "throttle":
		return mta.CauseRateLimited
	case "full":
		return mta.CauseMailboxFull
	case "spam":
		return mta.CauseContent
	}
	return mta.CauseBlocked
}

// retry tries what is due.
func (m *model) retry(at time.Time) {
	var due []deferred
	m.waiting = slices.DeleteFunc(m.waiting, func(d deferred) bool {
		if d.due.After(at) {
			return false
		}
		due = append(due, d)
		return true
	})
	for i := range due {
		m.send(&due[i], at)
	}
}

// poisson draws a number of events where mean are expected: Knuth's method,
// and a normal distribution where there are many.
func (m *model) poisson(mean float64) int {
	if mean > 30 {
		return max(0, int(math.Round(mean+math.Sqrt(mean)*m.r.NormFloat64())))
	}
	limit, p := math.Exp(-mean), 1.0
	for n := 0; ; n++ {
		if p *= m.r.Float64(); p <= limit {
			return n
		}
	}
}
