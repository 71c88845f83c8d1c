package drill

import (
	"context"
	"time"

	"github.com/mtawatch/mtawatch/internal/lab/world"
	"github.com/mtawatch/mtawatch/internal/mta"
)

func remoteDrills() []Drill {
	return []Drill{
		{
			Expect: Expect{Name: "dns-dead", Codes: []mta.FindingCode{mta.FindingOwnDNSDead}, Reason: []mta.Cause{mta.CauseDNSFailure, mta.CauseNone}, Limit: Soon},
			Text:   "the name server answers no question", Quick: true,
			Begin: func(s *Scene) error {
				s.Undo(func() error { s.World.Names(world.NamesAnswered); return nil })
				s.World.Names(world.NamesSilent)
				return nil
			},
		},
		{
			Expect: Expect{Name: "remote-timeout", Codes: []mta.FindingCode{mta.FindingDestinationTimingOut}, Reason: []mta.Cause{mta.CauseConnectTimeout}, About: "north", Limit: InAWhile},
			Text:   "one destination completes no connection",
			Begin:  changed([]world.Manner{{Deaf: true}}, "north"), Evidence: logged("127.20.0.11:"),
		},
		{
			Expect: Expect{Name: "remote-refusing", Codes: []mta.FindingCode{mta.FindingDestinationRefusing}, Reason: []mta.Cause{mta.CauseConnectRefused}, About: "north", Limit: InAWhile},
			Text:   "one destination's port is closed",
			Begin:  changed([]world.Manner{{Closed: true}}, "north"), Evidence: logged("127.20.0.11:"),
		},
		{
			Expect: Expect{Name: "provider-throttling", Codes: []mta.FindingCode{mta.FindingProviderThrottling}, Reason: []mta.Cause{mta.CauseRateLimited}, About: "big", Limit: InAWhile},
			Text:   "the biggest destination answers 421 and 451: too much from us",
			Begin:  changed(throttling(), "big"), Evidence: logged("unusual rate"),
		},
		{
			Expect: Expect{Name: "blocklisted", Codes: []mta.FindingCode{mta.FindingBlocklisted}, Reason: []mta.Cause{mta.CauseBlocked}, Limit: InAWhile,
				Also: []mta.FindingCode{mta.FindingBounceSurge}},
			Text:  "three destinations refuse our address by a blocklist",
			Begin: changed([]world.Manner{{Rcpt: replyBlocked}}, "big", "north", "south"), Evidence: logged("blocked using"),
		},
	}
}

// replyBlocked is what a site says that refuses us by a blocklist.
const replyBlocked = "554 5.7.1 Service unavailable; Client host [203.0.113.25] blocked using dnsbl.example.org; see http://dnsbl.example.org/lookup"

// throttling is how a large provider refuses too much from one address.
func throttling() []world.Manner {
	return []world.Manner{
		{Greet: "421 4.7.28 Our system has detected an unusual rate of mail from your address, please try again later"},
		{Rcpt: "451 4.7.1 unusual rate: too many messages from your IP, please slow down"},
	}
}

// changed makes a Begin that gives sites another manner until the drill is
// over. Several are taken in turn: a site that is asked again gives another of
// its answers.
func changed(m []world.Manner, sites ...string) func(*Scene) error {
	return func(s *Scene) error {
		s.Undo(func() error { return s.World.Restore(sites...) })
		if len(m) == 1 {
			return s.World.Change(m[0], sites...)
		}
		s.Beside(func(ctx context.Context) {
			for i := 0; ctx.Err() == nil; i++ {
				if err := s.World.Change(m[i%len(m)], sites...); err != nil {
					s.Fail(err)
				}
				sleep(ctx, 2*time.Second)
			}
		})
		return nil
	}
}
