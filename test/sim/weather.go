package sim

import (
	"math"
	"time"

	"github.com/mtawatch/mtawatch/internal/mta"
)

// weather is what incidents do in one step. It is made anew each step.
type weather struct {
	by         *incident // the latest that goes on; what happens is told to it
	arrivals   float64   // factor
	visitors   float64   // factor of those that connect
	extra      []extra
	resolver   bool      // our resolver is dead
	network    mta.Cause // why nobody outside can be reached
	hung       bool      // the queue manager is there and does nothing
	down       bool      // the queue manager is not there
	fallen     bool      // master is not there, and nobody else soon after
	silent     bool      // the log says nothing to us
	hold       float64   // share of the new mail that is put on hold
	attack     *attack
	halfOpen   float64 // connections in syn-recv
	cookies    float64 // a second
	leak       float64 // connections a second that stay in close-wait
	slowAccept bool    // the accept queue is not emptied
	refuse     bool    // no room on the disk for new mail
	diskUsed   float64 // share; 0: by its own way
	flush      bool    // somebody flushes the queue
	gap        bool    // mtawatch does not run
	shift      time.Duration
}

// extra is mail that comes on top.
type extra struct {
	rate   float64 // messages a second
	flow   flow
	to     *destination // nil: spread over all remote ones
	pickup bool
}

// incident is an Incident at work.
type incident struct {
	Incident
	spec    *spec
	begin   int64
	end     int64
	touched int64
	missed  float64 // messages that did not come
	attack  *attack
	disk    float64 // how full it was at the beginning
	number  int
}

func newIncident(inc Incident) *incident {
	i := &incident{Incident: inc, spec: specOf(inc.Kind), begin: inc.Begin.Unix(), end: inc.End.Unix()}
	// Its own chance, the same whatever the host draws.
	i.number = int(uint64(i.begin) * 0x9e3779b97f4a7c15 >> 33)
	return i
}

// progress is how much of it is over, 0 to 1.
func (i *incident) progress(now int64) float64 {
	return min(1, float64(now-i.begin)/math.Max(1, float64(i.end-i.begin)))
}

// touch notes that the incident in hand changed n events.
func (w *weather) touch(n int64) {
	if w.by != nil {
		w.by.touched += n
	}
}

func (w *weather) atLeast(n int64) {
	if w.by != nil {
		w.by.touched = max(w.by.touched, n)
	}
}

// miss notes that so much less mail came than was to be expected.
func (w *weather) miss(n float64) {
	if w.by != nil && w.by.spec.stops {
		w.by.missed += n
		w.by.touched = max(w.by.touched, int64(w.by.missed))
	}
}

// weather works out what the incidents of this moment do.
func (h *Host) weather() {
	h.w = weather{arrivals: 1, visitors: 1, extra: h.w.extra[:0]}
	for _, x := range h.dests {
		x.over = nil
	}
	for _, i := range h.incidents {
		if h.now < i.begin || h.now > i.end {
			continue
		}
		if i.spec.lasting { // what comes on top of it is the news
			if h.w.by == nil {
				h.w.by = i
			}
		} else {
			h.w.by = i
		}
		if i.spec.apply != nil {
			i.spec.apply(h, i)
		}
	}
}

// holiday reports whether people stay at home.
func (h *Host) holiday(now int64) bool {
	for _, i := range h.incidents {
		if i.Kind == Holiday && i.begin <= now && now < i.end {
			return true
		}
	}
	return false
}

// disk moves the free space of the queue's file system.
func (h *Host) disk() {
	usual := 0.38 + 0.04*math.Sin(float64(h.now)/86400*2*math.Pi/5) + 0.01*math.Sin(float64(h.now)/86400*2*math.Pi)
	if h.w.diskUsed > 0 {
		h.diskUsed = h.w.diskUsed
		return
	}
	if h.diskUsed > usual+0.05 {
		h.diskUsed -= 0.002 * h.dt // somebody tidies up
		return
	}
	h.diskUsed = usual + 0.0005*h.d.NormFloat64()
}

// processes is who runs.
type processes struct {
	master, manager int64 // unix seconds of their start; 0: not there
	restarts        [2]int64
	deliveries      float64
	busy            int64
}

func newProcesses(now int64) processes {
	return processes{master: now - 40*86400, manager: now - 40*86400}
}

func (p *processes) step(h *Host) {
	start := func(at *int64, role int) {
		if *at != 0 {
			return
		}
		*at = h.now
		p.restarts[role]++
		if role == 0 {
			h.note("postfix-script", masterPID-2, "starting the Postfix mail system")
			h.note("master", masterPID, "daemon started -- version 3.7.11, configuration /etc/postfix")
		}
	}
	switch {
	case h.w.fallen:
		p.master, p.manager = 0, 0
	case h.w.down:
		start(&p.master, 0)
		if p.manager != 0 {
			h.note("master", masterPID, "warning: process /usr/lib/postfix/sbin/qmgr pid 815 killed by signal 9")
		}
		p.manager = 0
	default:
		start(&p.master, 0)
		start(&p.manager, 1)
	}
	done := h.totals.Sent + h.totals.Bounced
	busy := math.Min(100+6*h.cfg.Rate, float64(done-p.busy)/h.dt*0.8+float64(h.trials()))
	p.busy = done
	p.deliveries = max(math.Round(busy), p.deliveries*math.Exp(-h.dt/100))
	if h.w.fallen {
		p.deliveries = 0
	}
}

// trials counts the destinations that are tried in vain now; each takes some agents.
func (h *Host) trials() int {
	n := 0
	for _, x := range h.dests {
		if x.trial != 0 {
			n += min(5, len(x.active))
		}
	}
	return n
}
