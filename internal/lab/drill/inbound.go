package drill

import (
	"context"
	"fmt"
	"time"

	"github.com/mtawatch/mtawatch/internal/lab/world"
	"github.com/mtawatch/mtawatch/internal/mta"
)

func inboundDrills() []Drill {
	return []Drill{
		{
			Expect: Expect{Name: "flood-one-source", Codes: []mta.FindingCode{mta.FindingFloodOneSource}, Limit: soon},
			Text:   "one address opens 20 connections a second and holds each for 10 s: more than the server takes at once", Quick: true,
			Begin: func(s *Scene) error { return flood(s, 1, 20, 10*time.Second) },
		},
		{
			Expect: Expect{Name: "flood-many-sources", Codes: []mta.FindingCode{mta.FindingFloodManySources}, Limit: soon},
			Text:   "300 addresses open 25 connections a second and hold each for 8 s: more than the server takes at once",
			Begin:  func(s *Scene) error { return flood(s, 300, 25, 8*time.Second) },
		},
		{
			Expect: Expect{Name: "syn-flood", Codes: []mta.FindingCode{mta.FindingSYNBacklog}, Limit: soon},
			Text:   "300 connection requests a second from addresses that never answer",
			Needs:  NeedsNetwork,
			Begin:  synFlood, Evidence: tcpState("03", 30),
		},
		{
			Expect: Expect{Name: "close-wait", Codes: []mta.FindingCode{mta.FindingCloseWaitLeak}, Limit: inAWhile},
			Text:   "the server processes of 60 sessions hang, and the clients have gone",
			Begin:  closeWait, Evidence: tcpState("08", 30),
		},
	}
}

func flood(s *Scene, sources int, rate float64, keep time.Duration) error {
	s.Beside(func(ctx context.Context) { s.World.Flood(ctx, world.Crowd(sources), rate, keep) })
	return nil
}

func synFlood(s *Scene) error {
	failed := make(chan error, 1)
	s.Beside(func(ctx context.Context) { failed <- s.World.SYNFlood(ctx, 300) })
	t := time.NewTimer(100 * time.Millisecond)
	defer t.Stop()
	select {
	case err := <-failed:
		return err
	case <-t.C:
		return nil
	}
}

// closeWait opens sessions, stops the servers behind them, and hangs up.
func closeWait(s *Scene) error {
	release, err := s.World.Hold(s.ctx, 60, world.Crowd(20))
	if err != nil {
		return err
	}
	defer release()
	servers, err := s.pids("tcp_smtp_server")
	if err != nil {
		return fmt.Errorf("find the servers: %w", err)
	}
	return s.stopped(servers...)
}
