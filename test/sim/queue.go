package sim

import (
	"cmp"
	"slices"

	"github.com/mtawatch/mtawatch/internal/mta"
)

// manage is one step of the queue manager and the delivery agents.
func (h *Host) manage() {
	if !h.w.fallen && len(h.maildrop) > 0 {
		for i := range h.maildrop {
			h.logArrival(&h.maildrop[i].c, false)
		}
		h.incoming = append(h.incoming, h.maildrop...)
		h.incomingN += h.maildropN
		h.maildrop, h.maildropN = h.maildrop[:0], 0
	}
	if h.w.hold == 0 && len(h.held) > 0 && !h.w.fallen {
		h.incoming = append(h.incoming, h.held...)
		h.incomingN += h.heldN
		h.held, h.heldN = h.held[:0], 0
	}
	if h.w.hung || h.w.down || h.w.fallen {
		h.w.atLeast(int64(h.incomingN))
		return
	}
	h.intake()
	h.queueRun()
	for _, x := range h.dests {
		if len(x.active) > 0 {
			h.deliver(x)
		}
	}
}

// intake takes what is incoming into the active queue while there is room.
// What came in the last moments of the step is still on its way.
func (h *Host) intake() {
	const way = 0.3 // seconds
	var left []entry
	for _, e := range h.incoming {
		n := min(e.c.n, h.activeLimit-h.activeN)
		if e.c.born == h.now {
			n = min(n, e.c.n-h.d.binomial(e.c.n, min(0.9, way/h.dt)))
		}
		if n > 0 {
			part := e.c.take(n)
			for _, m := range part.msgs {
				h.cfg.record.queued(h, m, &part)
			}
			h.count(func(s *counters) { s.received += int64(n); s.bytes += h.sizeOf(&part) })
			h.lines(n)
			h.incomingN -= n
			h.activeN += n
			e.to.active = append(e.to.active, part)
		}
		if e.c.n > 0 {
			left = append(left, e)
		}
	}
	h.incoming = append(h.incoming[:0], left...)
}

// sizeOf gives the bytes of some messages.
func (h *Host) sizeOf(c *cohort) int64 {
	if c.msgs == nil {
		return int64(float64(c.n) * meanSize * h.d.lognormal(0.8))
	}
	var sum int64
	for _, m := range c.msgs {
		sum += int64(m.size)
	}
	return sum
}

const meanSize = 40_000

// queueRun takes what is due out of the deferred queue, every 300 s and on
// as long as the active queue has room.
func (h *Host) queueRun() {
	if h.now >= h.nextRun || h.w.flush {
		h.scanning = true
		if h.now >= h.nextRun {
			h.nextRun += queueRunDelay * (1 + (h.now-h.nextRun)/queueRunDelay)
		}
	}
	if !h.scanning {
		return
	}
	for _, x := range h.dests {
		kept := x.waiting[:0]
		for _, c := range x.waiting {
			room := h.activeLimit - h.activeN
			if room <= 0 || c.due > h.now && !h.w.flush {
				kept = append(kept, c)
				continue
			}
			part := c.take(room)
			for _, m := range part.msgs {
				h.cfg.record.queued(h, m, &part)
			}
			h.lines(part.n)
			h.deferredN -= part.n
			h.activeN += part.n
			if h.w.flush {
				h.w.touch(int64(part.n))
			}
			x.active = append(x.active, part)
			if c.n > 0 {
				kept = append(kept, c)
			}
		}
		x.waiting = kept
	}
	h.scanning = h.activeN >= h.activeLimit
}

// deliver tries the active mail of one destination.
func (h *Host) deliver(x *destination) {
	if h.now < x.dead {
		h.suspend(x, false)
		return
	}
	if why := x.site(&h.w); why != mta.CauseNone {
		if x.trial == 0 {
			x.trial = h.now + trialTime(why)
		}
		if h.now >= x.trial {
			x.trial, x.dead, x.why = 0, h.now+minimalBackoff, why
			h.suspend(x, true)
		}
		return
	}
	x.trial = 0
	room := int(float64(x.slots)*h.dt/x.latency) + 1
	allowed := room
	if o := x.over; o != nil && o.limit > 0 {
		allowed = h.d.poisson(o.limit * h.dt)
	}
	queue := x.active
	x.active = nil
	for i := range queue {
		c := &queue[i]
		n := min(c.n, room)
		if c.due == 0 && n > 0 {
			// What is new may still be in the middle of it at the end of the step.
			busy := h.d.binomial(n, min(0.95, x.latency/h.dt))
			c.due = h.now
			n -= busy
		}
		room -= n
		part := c.take(n)
		if c.n > 0 {
			x.active = append(x.active, *c)
		}
		if part.n == 0 {
			continue
		}
		if over := part.n - allowed; over > 0 {
			h.end(x, part.take(over), fate{status: mta.StatusDeferred, cause: x.over.cause})
			h.w.touch(int64(over))
		}
		allowed = max(0, allowed-part.n)
		if part.n > 0 {
			x.fates(h.d, &h.w, &part, part.n, func(k int, f fate) { h.end(x, part.take(k), f) })
		}
	}
}

// suspend puts all active mail of a destination off without a try, as qmgr
// does with a site that is dead to it. tried says that one of them has just
// been tried, and found it so.
func (h *Host) suspend(x *destination, tried bool) {
	queue := x.active
	x.active = nil
	for _, c := range queue {
		if x.over != nil || !x.gone && (h.w.resolver || h.w.network != mta.CauseNone) {
			h.w.touch(int64(c.n))
		}
		if tried {
			tried = false
			h.end(x, c.take(1), fate{status: mta.StatusDeferred, cause: x.why})
		}
		if c.n > 0 {
			h.end(x, c, fate{mta.StatusDeferred, x.why, true})
		}
	}
}

// end notes how an attempt ended. The messages leave the active queue.
func (h *Host) end(x *destination, c cohort, f fate) {
	h.activeN -= c.n
	n := int64(c.n)
	x.weight += float64(n)
	h.count(func(s *counters) {
		s.attempts[f.status][f.cause] += n
		if x.shown {
			x.counts[f.status] += n
		} else {
			s.other[f.status] += n
		}
	})
	wait := max(0, float64(h.now-c.born)-h.dt)
	if f.status == mta.StatusSent {
		h.count(func(s *counters) { s.delays.observe(c.n, wait, x.latency*h.d.lognormal(0.4)) })
	}
	for _, m := range c.msgs {
		h.cfg.record.attempt(h, x, m, &c, f)
	}
	h.lines(c.n)
	switch f.status {
	case mta.StatusSent:
		h.totals.Sent += n
		h.removed(&c)
	case mta.StatusDeferred:
		c.attempts++
		c.cause = f.cause
		if h.now-c.born >= queueLifetime {
			h.expire(c)
			return
		}
		c.due = backoff(h.now, c.born)
		h.deferredN += c.n
		x.wait(c)
	default:
		h.totals.Bounced += n
		h.notify(&c)
		h.removed(&c)
	}
}

// wait puts a cohort into the deferred queue, with its like where there is one.
func (x *destination) wait(c cohort) {
	// The next queue run after it is due takes it; the exact second is lost with that.
	c.due += queueRunDelay - 1 - (c.due+queueRunDelay-1)%queueRunDelay
	for i := range x.waiting {
		if x.waiting[i].joins(&c) {
			x.waiting[i].join(c)
			return
		}
	}
	x.waiting = append(x.waiting, c)
}

// expire gives up mail that is too old.
func (h *Host) expire(c cohort) {
	n := int64(c.n)
	h.count(func(s *counters) {
		s.attempts[mta.StatusExpired][mta.CauseExpired] += n
		s.other[mta.StatusExpired] += n // the line names no recipient: it is nobody's among the top
	})
	for _, m := range c.msgs {
		h.cfg.record.expired(h, m)
	}
	h.lines(c.n)
	h.totals.Bounced += n
	h.notify(&c)
	h.removed(&c)
}

func (h *Host) removed(c *cohort) {
	for _, m := range c.msgs {
		h.cfg.record.removed(h, m)
	}
	h.lines(c.n)
}

// notify tells the senders of mail that failed. Notifications that fail are
// thrown away.
func (h *Host) notify(c *cohort) {
	if c.flow == flowNotification {
		return
	}
	note := cohort{n: c.n, born: h.now, flow: flowNotification}
	h.totals.Arrived += int64(note.n)
	h.identify(h.dests[0], &note)
	for i, m := range note.msgs {
		m.origin = c.msgs[i].id
	}
	h.logArrival(&note, false)
	h.incoming = append(h.incoming, entry{h.dests[0], note})
	h.incomingN += note.n
}

// topDestinations is how many destinations have series of their own.
const topDestinations = 20

// rebalance gives the series to the destinations with the most attempts; one
// that has a series keeps it until another has twice its attempts.
func (h *Host) rebalance() {
	list := slices.Clone(h.dests)
	rank := func(x *destination) float64 {
		if x.shown {
			return 2*x.weight + 1
		}
		return x.weight
	}
	slices.SortStableFunc(list, func(a, b *destination) int {
		return cmp.Or(cmp.Compare(rank(b), rank(a)), cmp.Compare(a.name, b.name))
	})
	for i, x := range list {
		x.shown = i < topDestinations
		x.weight /= 2
	}
}
