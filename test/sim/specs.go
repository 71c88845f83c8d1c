package sim

import (
	"time"

	"github.com/mtawatch/mtawatch/internal/mta"
)

func expect(codes []mta.FindingCode, also []mta.FindingCode, reasons ...mta.Cause) Expectation {
	return Expectation{Codes: codes, Also: also, Reasons: reasons}
}

type codes = []mta.FindingCode

// specs is the table of all kinds. Also holds what is true of an incident as
// well: its consequences, where judgement did not fold them.
func specs() []spec {
	return append(mailSpecs(), append(hostSpecs(), harmlessSpecs()...)...)
}

func mailSpecs() []spec {
	backlog := codes{mta.FindingQueueGrowing, mta.FindingQueueNotDraining, mta.FindingQueueOldMail}
	return []spec{
		{kind: DestinationTimesOut, length: 45 * time.Minute, events: 25, share: 0.06, apply: site(2, mta.CauseConnectTimeout),
			expect: expect(codes{mta.FindingDestinationTimingOut}, backlog, mta.CauseConnectTimeout)},
		{kind: DestinationRefuses, length: 45 * time.Minute, events: 25, share: 0.05, apply: site(3, mta.CauseConnectRefused),
			expect: expect(codes{mta.FindingDestinationRefusing}, backlog, mta.CauseConnectRefused)},
		{kind: ProviderThrottles, length: 60 * time.Minute, events: 25, share: 0.12, apply: throttle,
			expect: expect(codes{mta.FindingProviderThrottling}, backlog, mta.CauseRateLimited)},
		{kind: Blocklisted, length: 45 * time.Minute, events: 25, share: 0.3,
			apply:  several(mta.CauseBlocked, 0.9, 1, 2, 4, 5, 6, 8),
			expect: expect(codes{mta.FindingBlocklisted}, codes{mta.FindingBounceSurge}, mta.CauseBlocked)},
		{kind: BounceSurge, length: 45 * time.Minute, events: 25, share: 0.2,
			apply:  several(mta.CauseUnknownUser, 0.7, 1, 2, 4, 7),
			expect: expect(codes{mta.FindingBounceSurge}, codes{mta.FindingDestinationRefusing}, mta.CauseUnknownUser)},
		{kind: SlowLeak, length: 3 * time.Hour, events: 30, share: 0.05, apply: leak,
			expect: expect(codes{mta.FindingQueueGrowing, mta.FindingDestinationRefusing}, backlog, mta.CauseRemoteUnavailable)},
		{kind: DNSDead, length: 30 * time.Minute, events: 15, share: 0.55, apply: func(h *Host, _ *incident) { h.w.resolver = true },
			expect: expect(codes{mta.FindingOwnDNSDead}, backlog, mta.CauseDNSFailure)},
		{kind: NetworkBroken, length: 30 * time.Minute, events: 25, share: 0.55, apply: network,
			expect: expect(codes{mta.FindingNetworkBroken}, backlog, mta.CauseConnectTimeout, mta.CauseUnreachable)},
		{kind: MailboxStoreFails, length: 40 * time.Minute, events: 25, share: 0.4, apply: site(0, mta.CauseLocalResource),
			expect: expect(codes{mta.FindingOwnResourceFailing}, backlog, mta.CauseLocalResource)},
		{kind: SenderBurst, length: 40 * time.Minute, apply: burst,
			expect: expect(codes{mta.FindingSenderBurst}, append(codes{mta.FindingBounceSurge}, backlog...))},
		{kind: MailLoop, length: 60 * time.Minute, apply: loop,
			expect: expect(codes{mta.FindingMailLoop}, nil, mta.CauseLoop)},
		{kind: MailStops, length: 40 * time.Minute, events: 25, share: 1, stops: true, apply: func(h *Host, _ *incident) { h.w.arrivals = 0 },
			expect: expect(codes{mta.FindingMailStopped}, nil)},
		{kind: MailHeld, length: 60 * time.Minute, events: 30, share: 0.6, apply: func(h *Host, _ *incident) { h.w.hold = 0.6 },
			expect: expect(codes{mta.FindingMailHeld}, codes{mta.FindingMailStopped})},
	}
}

func hostSpecs() []spec {
	behind := codes{mta.FindingQueueNotDraining, mta.FindingQueueGrowing, mta.FindingMailStopped}
	crowd := codes{mta.FindingFloodOneSource, mta.FindingFloodManySources, mta.FindingProcessLimitReached, mta.FindingServerProcessOverage,
		mta.FindingAcceptQueueOverflow, mta.FindingMailStopped}
	return []spec{
		{kind: ControllerHangs, length: 30 * time.Minute, events: 12, share: 1, apply: func(h *Host, _ *incident) { h.w.hung = true },
			expect: expect(codes{mta.FindingJobControllerDown, mta.FindingQueueNotDraining}, behind)},
		{kind: ControllerDead, length: 20 * time.Minute, apply: func(h *Host, _ *incident) { h.w.down = true },
			expect: expect(codes{mta.FindingJobControllerDown}, behind)},
		{kind: ControllerFlaps, length: 20 * time.Minute, apply: flap,
			expect: expect(codes{mta.FindingDaemonFlapping}, codes{mta.FindingJobControllerDown})},
		{kind: DispatcherDead, length: 20 * time.Minute, stops: true, apply: func(h *Host, _ *incident) { h.w.fallen = true },
			expect: expect(codes{mta.FindingDispatcherDown}, append(codes{mta.FindingJobControllerDown}, behind...))},
		{kind: FloodFromOne, length: 30 * time.Minute, apply: flood(1),
			expect: expect(codes{mta.FindingFloodOneSource}, crowd)},
		{kind: FloodFromMany, length: 30 * time.Minute, apply: flood(400),
			expect: expect(codes{mta.FindingFloodManySources}, crowd)},
		{kind: SlowLoris, length: 40 * time.Minute, apply: slowLoris,
			expect: expect(codes{mta.FindingProcessLimitReached, mta.FindingServerProcessOverage}, crowd)},
		{kind: SYNBacklog, length: 30 * time.Minute, apply: halfOpen,
			expect: expect(codes{mta.FindingSYNBacklog}, codes{mta.FindingFloodManySources})},
		{kind: CloseWaitLeak, length: 2 * time.Hour, apply: closeWait,
			expect: expect(codes{mta.FindingCloseWaitLeak}, crowd)},
		{kind: AcceptQueueOverflows, length: 30 * time.Minute, apply: func(h *Host, _ *incident) { h.w.slowAccept = true },
			expect: expect(codes{mta.FindingAcceptQueueOverflow}, crowd)},
		{kind: DiskFills, length: 3 * time.Hour, apply: fillDisk,
			expect: expect(codes{mta.FindingDiskFilling}, codes{mta.FindingOwnResourceFailing, mta.FindingMailStopped})},
		{kind: LogSilent, length: 40 * time.Minute, events: 25, share: 1, apply: func(h *Host, _ *incident) { h.w.silent = true },
			expect: expect(codes{mta.FindingBlindSpot}, nil)},
	}
}

func harmlessSpecs() []spec {
	harmless := Expectation{Harmless: true}
	return []spec{
		{kind: Newsletter, length: 25 * time.Minute, expect: harmless, apply: newsletter},
		{kind: Greylisted, length: 60 * time.Minute, expect: harmless, apply: newDestination},
		{kind: Holiday, length: 24 * time.Hour, expect: harmless},
		{kind: DST, length: 26 * time.Hour, expect: harmless},
		{kind: ClockStep, length: 20 * time.Minute, expect: harmless, apply: func(h *Host, _ *incident) { h.w.shift = 5 * time.Minute }},
		{kind: Gap, length: 25 * time.Minute, expect: harmless, apply: func(h *Host, _ *incident) { h.w.gap = true }},
		{kind: LevelShift, length: 48 * time.Hour, lasting: true, expect: Expectation{Harmless: true, Tolerated: 1},
			apply: func(h *Host, _ *incident) { h.w.arrivals *= 1.4 }},
		{kind: RetryWave, length: 10 * time.Minute, expect: harmless, apply: flush},
	}
}

// site lets no session come about with the destination of that rank.
func site(rank int, why mta.Cause) func(*Host, *incident) {
	return func(h *Host, _ *incident) { h.override(rank, override{site: why}) }
}

func (h *Host) override(rank int, o override) {
	if rank < len(h.dests) {
		h.dests[rank].over = &o
	}
}

func several(why mta.Cause, share float64, ranks ...int) func(*Host, *incident) {
	return func(h *Host, _ *incident) {
		for _, r := range ranks {
			h.override(r, override{cause: why, share: share, bounces: true})
		}
	}
}

func throttle(h *Host, _ *incident) {
	h.override(1, override{cause: mta.CauseRateLimited, limit: max(h.expected*h.dests[1].share*0.2, 1e-5)})
}

func leak(h *Host, i *incident) {
	h.override(3, override{cause: mta.CauseRemoteUnavailable, share: min(0.95, 1.4*i.progress(h.now))})
}

func network(h *Host, i *incident) {
	h.w.network = mta.CauseConnectTimeout
	if i.number%2 == 0 {
		h.w.network = mta.CauseUnreachable
	}
}

// burst is one account that sends more than all others together.
func burst(h *Host, _ *incident) {
	h.w.extra = append(h.w.extra, extra{rate: max(0.25, 3*h.cfg.Rate), flow: flowAbuse})
}

// loop is a few messages that come back again and again; each ends after some fifty rounds.
func loop(h *Host, _ *incident) {
	h.w.extra = append(h.w.extra, extra{rate: max(0.5, 0.02*h.cfg.Rate), flow: flowLoop, to: h.dests[min(12, len(h.dests)-1)]})
}

func flap(h *Host, i *incident) { h.w.down = (h.now-i.begin)%40 < 15 }

// usualOpens is about how many connections a second are usual at this hour.
func (h *Host) usualOpens() float64 { return h.expected + h.in.base }

// flood is more connections than there are processes, each held for a while.
func flood(addresses int) func(*Host, *incident) {
	return func(h *Host, i *incident) {
		if i.attack == nil {
			i.attack = h.newAttack(addresses, i.number%200)
			i.attack.hold = 12
			i.attack.rate = max(3*h.usualOpens(), 1.3*float64(h.in.limit)/i.attack.hold)
		}
		h.w.attack = i.attack
	}
}

func (h *Host) newAttack(addresses, first int) *attack {
	a := new(attack)
	for k := range addresses {
		a.from = append(a.from, visitor{addr: badAddr(first + k)})
	}
	return a
}

func slowLoris(h *Host, i *incident) {
	if i.attack == nil {
		i.attack = h.newAttack(40, i.number%200)
		i.attack.hold = 1800
		i.attack.rate = float64(h.in.limit) / 240
	}
	h.w.attack = i.attack
}

func halfOpen(h *Host, _ *incident) {
	h.w.halfOpen, h.w.cookies, h.w.visitors = 250, 150, 0.7
}

func closeWait(h *Host, i *incident) { h.w.leak = 0.6 * float64(h.in.limit) / float64(i.end-i.begin) }

func fillDisk(h *Host, i *incident) {
	if i.disk == 0 {
		i.disk = h.diskUsed
	}
	h.w.diskUsed = min(0.9995, i.disk+(0.9995-i.disk)*i.progress(h.now)/0.8)
	h.w.refuse = h.w.diskUsed > 0.998
}

func newsletter(h *Host, _ *incident) {
	h.w.extra = append(h.w.extra, extra{rate: max(0.3, 6*h.cfg.Rate), pickup: true})
}

// newDestination is mail to a site that never had any from us, and makes us wait.
func newDestination(h *Host, _ *incident) {
	for _, x := range h.dests {
		if x.name == newcomer {
			x.over = &override{cause: mta.CauseGreylisted, share: 1, first: true}
			h.w.extra = append(h.w.extra, extra{rate: max(0.01, newcomerShare*h.cfg.Rate), to: x, pickup: true})
		}
	}
}

func flush(h *Host, i *incident) { h.w.flush = (h.now-i.begin)%240 < int64(h.dt) }
