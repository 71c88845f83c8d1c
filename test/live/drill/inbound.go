//go:build linux

package drill

import (
	"context"
	"fmt"
	"os"
	"time"

	"github.com/mtawatch/mtawatch/internal/mta"
	"github.com/mtawatch/mtawatch/test/live/world"
)

func inboundDrills() []Drill {
	return []Drill{
		{
			Name: "flood-one-source", Text: "one address opens 20 connections a second and holds each for 10 s: more than the server has processes",
			Codes: []mta.FindingCode{mta.FindingFloodOneSource}, Limit: soon,
			Begin: func(s *Scene) error { return flood(s, world.Crowd(1), 20, 10*time.Second) },
		},
		{
			Name: "flood-many-sources", Text: "300 addresses open 25 connections a second and hold each for 8 s: more than the server has processes",
			Codes: []mta.FindingCode{mta.FindingFloodManySources}, Limit: soon,
			Begin: func(s *Scene) error { return flood(s, world.Crowd(300), 25, 8*time.Second) },
		},
		{
			Name: "slow-loris", Text: "60 clients send a byte every 4 s; the server may have 20 processes",
			Codes: []mta.FindingCode{mta.FindingProcessLimitReached}, Limit: soon,
			Postfix: world.PostfixConfig{SMTPD: "20"},
			Begin: func(s *Scene) error {
				s.Beside(func(ctx context.Context) { s.Box.Loris(ctx, 60, world.Crowd(60)) })
				return nil
			},
			Evidence: logged("has reached its process limit"),
		},
		{
			Name: "accept-queue-overflow", Text: "100 slow clients, 10 processes, and room for 16 connections that wait",
			Codes: []mta.FindingCode{mta.FindingAcceptQueueOverflow}, Limit: soon,
			Also:    []mta.FindingCode{mta.FindingProcessLimitReached},
			Postfix: world.PostfixConfig{SMTPD: "10"}, Before: smallBacklog,
			Begin: func(s *Scene) error {
				s.Beside(func(ctx context.Context) { s.Box.Loris(ctx, 100, world.Crowd(100)) })
				return nil
			},
			Evidence: overflows(),
		},
		{
			Name: "syn-backlog", Text: "300 connection requests a second from addresses that never answer",
			Codes: []mta.FindingCode{mta.FindingSYNBacklog}, Limit: soon,
			Begin: func(s *Scene) error {
				failed := make(chan error, 1)
				s.Beside(func(ctx context.Context) { failed <- s.Box.SYNFlood(ctx, 300) })
				select {
				case err := <-failed:
					return err
				case <-time.After(100 * time.Millisecond):
					return nil
				}
			},
			Evidence: tcpState("03", 30),
		},
		{
			Name: "close-wait-leak", Text: "40 sessions whose server hangs, and whose clients have gone",
			Codes: []mta.FindingCode{mta.FindingCloseWaitLeak}, Limit: inAWhile,
			Begin: closeWait, Evidence: tcpState("08", 30),
		},
	}
}

func flood(s *Scene, sources []string, rate float64, keep time.Duration) error {
	s.Beside(func(ctx context.Context) { s.Box.Flood(ctx, sources, rate, keep) })
	return nil
}

// closeWait opens sessions, stops the servers behind them, and hangs up.
func closeWait(s *Scene) error {
	const n = 40
	release, err := s.Box.Hold(n, world.Crowd(20), true)
	if err != nil {
		return err
	}
	defer release()
	servers := s.Postfix.Daemons("smtpd")
	if len(servers) < n {
		return fmt.Errorf("%d SMTP servers for %d sessions", len(servers), n)
	}
	return s.stopped(servers...)
}

// smallBacklog bounds the connections that wait to be accepted; only a
// socket that listens afterwards knows of it.
func smallBacklog() error {
	return os.WriteFile("/proc/sys/net/core/somaxconn", []byte("16"), 0)
}
