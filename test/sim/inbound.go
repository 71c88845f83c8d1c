package sim

import (
	"fmt"
	"math"
	"net/netip"

	"github.com/mtawatch/mtawatch/internal/mta"
)

// visitor is a remote address with its connections.
type visitor struct {
	addr netip.Addr
	live int
}

// attack is visitors that do harm.
type attack struct {
	from []visitor
	rate float64 // connections a second, all together
	hold float64 // seconds that each is kept
}

// inbound is the listening port, and who is connected to it.
type inbound struct {
	known       []visitor // the senders that come every day
	weights     []float64
	total       float64
	brief, idle int     // connections of others: at work, and doing nothing
	attack      *attack // the last one; its connections stay for a while after it
	base        float64 // refused visits a second in the mean
	limit       int     // smtpd processes
	backlog     int     // of the accept queue
	waiting     int     // in the accept queue
	leaked      int     // in close-wait for good
	syn         int
	closing     float64 // in time-wait
	states      [mta.NumTCPStates]int
	closed      int64
	overflows   int64
	cookies     int64
	share       float64 // of the visitors that get a process
	servers     float64 // smtpd processes
	oldest      int64   // unix seconds: when the oldest of them began
	warned      int64   // unix seconds: when master complained last of the limit
	sources     int
	top         int
	list        []mta.SourceCount
}

// The addresses of the documentation ranges (RFC 5737, RFC 3849) and what they stand for.
func knownAddr(i int) netip.Addr { return netip.AddrFrom4([4]byte{192, 0, 2, byte(10 + i)}) }
func otherAddr(i int) netip.Addr {
	if i%2 == 0 {
		return netip.AddrFrom4([4]byte{198, 51, 100, byte(1 + i/2%250)})
	}
	return netip.AddrFrom16([16]byte{0x20, 0x01, 0x0d, 0xb8, 0, 1, 13: byte(i >> 16), 14: byte(i >> 8), 15: byte(i)})
}
func badAddr(i int) netip.Addr {
	if i < 250 {
		return netip.AddrFrom4([4]byte{203, 0, 113, byte(1 + i)})
	}
	return netip.AddrFrom16([16]byte{0x20, 0x01, 0x0d, 0xb8, 0xba, 0xd0, 14: byte(i >> 8), 15: byte(i)})
}

const (
	numKnown  = 40
	holdMail  = 2.5 // seconds that a visitor with mail stays
	holdOther = 1.5
	holdIdle  = 90
)

func newInbound(d dice, cfg *Config) inbound {
	in := inbound{share: 1, base: 0.9*math.Pow(cfg.Rate, 0.9) + 1.0/900, backlog: 100, oldest: cfg.Start.Unix()}
	if cfg.Flat {
		in.base = 0
	}
	known := numKnown
	if cfg.Flat {
		known = 3
	}
	for i := range known {
		in.known = append(in.known, visitor{addr: knownAddr(i)})
		w := d.lognormal(0.3) / math.Pow(float64(i+1), 0.7)
		in.weights = append(in.weights, w)
		in.total += w
	}
	in.limit = max(100, int(12*(cfg.Rate*holdMail+in.base*holdOther)))
	return in
}

// visit is one step of the listening port; mail says how many of the
// visitors have a message to give.
func (h *Host) visit(mail int) {
	in, d := &h.in, h.d
	open := 0.0
	if !h.w.fallen {
		open = 1
	}
	before := in.live()
	opened := mail
	// Most of the mail comes from those that come every day.
	regular := d.binomial(mail, 0.75)
	if h.cfg.Flat {
		regular = mail
	}
	for i := range in.known {
		in.known[i].live = d.binomial(in.known[i].live, math.Exp(-h.dt/holdMail))
	}
	d.split(regular, in.total, in.weights, func(i, k int) { in.known[i].live += h.stayers(k, holdMail) })
	in.brief = d.binomial(in.brief, math.Exp(-h.dt/holdOther))
	in.brief += h.stayers(mail-regular, holdMail)

	rate := in.base * (0.7 + 0.3*h.expected/h.cfg.Rate) * h.w.visitors * open
	refused, idle := d.poisson(rate*h.dt), d.poisson(rate*0.03*h.dt)
	opened += refused + idle
	in.brief += h.stayers(refused, holdOther)
	in.idle = d.binomial(in.idle, math.Exp(-h.dt/holdIdle)) + h.stayers(idle, holdIdle)
	h.refuse(refused)
	h.lines(3 * idle)
	h.cfg.record.idlers(h, idle)
	opened += h.visitBadly(open)
	if h.w.leak > 0 {
		k := d.poisson(h.w.leak * h.dt)
		in.leaked += k
		opened += k
		h.w.touch(int64(k))
	} else if in.leaked > 0 {
		in.leaked = d.binomial(in.leaked, 0.5) // the leaking program was restarted
	}
	in.settle(h, before, opened)
	in.listSources(h)
}

// stayers gives how many of n visitors that came during the step are still there at its end.
func (h *Host) stayers(n int, hold float64) int {
	return h.d.binomial(n, hold/h.dt*(1-math.Exp(-h.dt/hold)))
}

func (in *inbound) live() int {
	n := in.brief + in.idle + in.leaked
	for i := range in.known {
		n += in.known[i].live
	}
	if in.attack != nil {
		for i := range in.attack.from {
			n += in.attack.from[i].live
		}
	}
	return n
}

// visitBadly is one step of those that mean harm; it gives how many came.
func (h *Host) visitBadly(open float64) int {
	in := &h.in
	if h.w.attack != nil {
		in.attack = h.w.attack
	}
	a := in.attack
	if a == nil {
		return 0
	}
	hold := a.hold
	if h.w.attack == nil {
		hold = min(hold, 20) // it is over
	}
	rest := 0
	for i := range a.from {
		v := &a.from[i]
		v.live = h.d.binomial(v.live, math.Exp(-h.dt/hold))
		rest += v.live
	}
	if h.w.attack == nil {
		if rest == 0 {
			in.attack = nil
		}
		return 0
	}
	n := h.d.poisson(a.rate * h.dt * open)
	// The kernel takes no more than process limit and accept queue hold.
	stay := a.hold / h.dt * (1 - math.Exp(-h.dt/a.hold))
	if room := int(float64(in.limit+in.backlog+1-in.live()) / stay); n > room {
		room = max(0, room)
		in.overflows += int64(n - room)
		n = room
	}
	if n == 0 {
		return 0
	}
	weights := make([]float64, len(a.from))
	for i := range weights {
		weights[i] = 1
	}
	h.d.split(n, float64(len(weights)), weights, func(i, k int) { a.from[i].live += h.stayers(k, a.hold) })
	h.w.touch(int64(n))
	if a.hold > 60 {
		h.lines(n) // they have not come to an end
	} else {
		h.lines(3 * n)
	}
	h.cfg.record.attackers(h, a, n)
	return n
}

// refuse counts visitors whose mail nobody wants.
func (h *Host) refuse(n int) {
	if h.w.refuse {
		h.count(func(s *counters) { s.rejects[refuseDisk] += int64(n) })
		h.lines(3 * n)
		h.cfg.record.refused(h, refuseDisk, n)
		return
	}
	left, share := n, 1.0
	for i := range refusals {
		k := h.d.binomial(left, min(1, refusals[i].share/share))
		if refusal(i) == refuseName {
			k = left
		}
		left, share = left-k, share-refusals[i].share
		h.count(func(s *counters) { s.rejects[i] += int64(k) })
		h.lines(3 * k)
		h.cfg.record.refused(h, refusal(i), k)
		if left == 0 || share <= 0 {
			return
		}
	}
}

// settle works out states and processes from who is there.
func (in *inbound) settle(h *Host, before, opened int) {
	d, all := h.d, in.live()
	in.closed += int64(max(0, before+opened-all))
	in.closing = in.closing*math.Exp(-h.dt/60) + 0.9*float64(max(0, before+opened-all))
	perSecond := float64(opened) / h.dt
	in.waiting = min(max(0, all-in.limit), in.backlog+1)
	if h.w.slowAccept {
		in.waiting = in.backlog + 1 - d.poisson(0.3)
		k := d.poisson((1 + perSecond) * h.dt)
		in.overflows += int64(k)
		h.w.touch(int64(k))
	}
	in.share = 1
	if all >= in.limit || h.w.slowAccept {
		in.share = 0.3
	}
	if all >= in.limit && h.now-in.warned >= 60 {
		in.warned = h.now
		h.note("master", masterPID, fmt.Sprintf("warning: service \"smtp\" (%d) has reached its process limit \"%d\": new clients may experience noticeable delays", h.cfg.Port, in.limit))
	}
	in.syn = d.poisson(perSecond*0.04) + d.poisson(h.w.halfOpen)
	in.cookies += int64(d.poisson(h.w.cookies * h.dt))
	h.w.touch(int64(h.w.cookies * h.dt))
	busy := float64(min(all, in.limit))
	if h.w.fallen {
		busy = 0
		in.servers = 0
	}
	if in.servers < 0.5 && busy > 0 {
		in.oldest = h.now
	}
	in.servers = max(busy, in.servers*math.Exp(-h.dt/100))
	stuck := in.leaked > 0 || in.attack != nil && in.attack.hold > 60
	if !stuck && d.Float64() < h.dt/900 {
		in.oldest = max(in.oldest, h.now-int64(d.between(5, 100)))
	}
	in.states = [mta.NumTCPStates]int{
		mta.TCPSynRecv:     in.syn,
		mta.TCPFinWait1:    d.poisson(perSecond * 0.02),
		mta.TCPFinWait2:    d.poisson(perSecond * 0.03),
		mta.TCPTimeWait:    int(in.closing),
		mta.TCPCloseWait:   in.leaked + d.poisson(perSecond*0.01),
		mta.TCPLastAck:     d.poisson(perSecond * 0.01),
		mta.TCPEstablished: all - in.leaked,
	}
	if h.w.slowAccept {
		in.states[mta.TCPEstablished] += in.waiting
	}
}

// maxSources bounds what a reading tells of single addresses.
const maxSources = 100

// listSources tells who is connected, the largest first.
func (in *inbound) listSources(h *Host) {
	in.list, in.sources, in.top = in.list[:0], 0, 0
	put := func(a netip.Addr, n int) {
		if n == 0 {
			return
		}
		in.sources++
		in.top = max(in.top, n)
		in.list = append(in.list, mta.SourceCount{Address: a, Port: h.cfg.Port, Count: n})
	}
	if in.attack != nil {
		for i := range in.attack.from {
			put(in.attack.from[i].addr, in.attack.from[i].live)
		}
	}
	for i := range in.known {
		put(in.known[i].addr, in.known[i].live)
	}
	put(knownAddr(numKnown+1), in.leaked) // one broken client
	// The others come from a large crowd: few of them twice.
	const crowd = 5000
	n := in.brief + in.idle
	distinct := min(n, int(math.Round(crowd*(1-math.Pow(1-1.0/crowd, float64(n))))))
	in.sources += distinct
	if n > 0 {
		in.top = max(in.top, 1)
	}
	for i := range min(distinct, maxSources) {
		in.list = append(in.list, mta.SourceCount{Address: otherAddr((int(h.now/60) + i*7) % crowd), Port: h.cfg.Port, Count: 1})
	}
	sortSources(in.list)
	in.list = in.list[:min(len(in.list), maxSources)]
}
