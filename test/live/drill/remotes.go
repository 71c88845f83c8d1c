//go:build linux

package drill

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os/exec"
	"time"

	board "github.com/mtawatch/mtawatch/internal/lab/drill"
	"github.com/mtawatch/mtawatch/internal/mta"
	"github.com/mtawatch/mtawatch/test/live/world"
)

func remoteDrills() []Drill {
	return []Drill{
		{
			Name: "remote-refusing", Text: "one destination's port is closed",
			Codes: []mta.FindingCode{mta.FindingDestinationRefusing}, Reason: []mta.Cause{mta.CauseConnectRefused}, Limit: board.InAWhile,
			Begin: func(s *Scene) error {
				s.Undo(func() error { return s.Remote.Reopen("north") })
				return s.Remote.Refuse("north")
			},
			Evidence: logged("Connection refused"),
		},
		{
			Name: "remote-timing-out", Text: "one destination answers no packet",
			Codes: []mta.FindingCode{mta.FindingDestinationTimingOut}, Reason: []mta.Cause{mta.CauseConnectTimeout}, Limit: board.Soon,
			Postfix: world.PostfixConfig{Main: []string{"smtp_connect_timeout = 10s"}},
			Begin: func(s *Scene) error {
				s.Undo(s.Remote.Unsilence)
				return s.Remote.Silence("10.77.1.31")
			},
			Evidence: logged("Connection timed out"),
		},
		{
			Name: "provider-throttling", Text: "the biggest destination answers 421 and 451: too much from us",
			Codes: []mta.FindingCode{mta.FindingProviderThrottling}, Reason: []mta.Cause{mta.CauseRateLimited}, Limit: board.InAWhile,
			Begin:    func(s *Scene) error { return s.change(throttle, "big") },
			Evidence: logged("unusual rate"),
		},
		{
			Name: "blocklisted", Text: "three destinations refuse our address by a blocklist",
			Codes: []mta.FindingCode{mta.FindingBlocklisted}, Reason: []mta.Cause{mta.CauseBlocked}, Limit: board.InAWhile,
			Also:     []mta.FindingCode{mta.FindingBounceSurge},
			Begin:    func(s *Scene) error { return s.change(blocklist, "big", "north", "south") },
			Evidence: logged("blocked using"),
		},
		{
			Name: "greylisting", Text: "a destination never written to before greylists (harmless)",
			Limit: board.InAWhile, Begin: toFresh,
		},
		{
			Name: "dns-dead", Text: "the resolver answers no packet",
			Codes: []mta.FindingCode{mta.FindingOwnDNSDead}, Reason: []mta.Cause{mta.CauseDNSFailure, mta.CauseNone}, Limit: board.Soon,
			Begin: func(s *Scene) error {
				s.Undo(s.Remote.Unsilence)
				return s.Remote.SilenceDNS()
			},
		},
		{
			Name: "dns-refused", Text: "the resolver's process is gone",
			Codes: []mta.FindingCode{mta.FindingOwnDNSDead}, Reason: []mta.Cause{mta.CauseDNSFailure, mta.CauseNone}, Limit: board.Soon,
			Begin: func(s *Scene) error {
				s.Remote.StopDNS()
				s.Undo(s.Remote.StartDNS)
				return nil
			},
		},
		{
			Name: "network-unreachable", Text: "the route to the outside is gone; the resolver and the programs on the host are still there",
			Codes: []mta.FindingCode{mta.FindingNetworkBroken}, Limit: board.Soon,
			Also:  []mta.FindingCode{mta.FindingMailStopped}, // no client reaches us either
			Begin: unreachable, Evidence: logged("unreachable"),
		},
	}
}

// change gives remote hosts another manner until the drill is over.
func (s *Scene) change(m []world.Manner, names ...string) error {
	s.Undo(func() error { return s.Remote.Change(world.Manner{}, names...) })
	if len(m) == 1 {
		return s.Remote.Change(m[0], names...)
	}
	// In turn: a host that is asked again gives another of its answers.
	s.Beside(func(ctx context.Context) {
		for i := 0; ctx.Err() == nil; i++ {
			_ = s.Remote.Change(m[i%len(m)], names...)
			sleep(ctx, 2*time.Second)
		}
	})
	return nil
}

var throttle = []world.Manner{
	{Greet: "421 4.7.28 Our system has detected an unusual rate of mail from your address, please try again later"},
	{Rcpt: "451 4.7.1 unusual rate: too many messages from your IP, please slow down"},
}

var blocklist = []world.Manner{
	{Rcpt: "554 5.7.1 Service unavailable; Client host [10.77.0.1] blocked using dnsbl.example.org; see http://dnsbl.example.org/lookup"},
}

// toFresh writes to a destination for the first time, every few seconds.
func toFresh(s *Scene) error {
	s.Beside(func(ctx context.Context) {
		for i := 0; ctx.Err() == nil; i++ {
			deliver(s.Box, "10.77.1.105", world.Letter{From: "user7@big.example", To: []string{fmt.Sprintf("reader%d@fresh.example", i)}})
			sleep(ctx, 4*time.Second)
		}
	})
	return nil
}

// unreachable takes the way to everything but the resolver. Programs on the
// host go on sending.
func unreachable(s *Scene) error {
	ip := func(args ...string) error {
		if out, err := exec.Command("ip", args...).CombinedOutput(); err != nil {
			return fmt.Errorf("run ip %v: %w: %s", args, err, out)
		}
		return nil
	}
	s.Beside(func(ctx context.Context) {
		r := rand.New(rand.NewPCG(uint64(time.Now().UnixNano()), 2))
		for ; ctx.Err() == nil; sleep(ctx, time.Second) {
			if c, err := s.Box.DialLocal(); err == nil {
				_ = c.Send(letter(r))
				c.Quit()
			}
		}
	})
	s.Undo(func() error { return ip("route", "replace", "default", "via", world.OutsideAddress) })
	return ip("route", "del", "default")
}

func sleep(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}
