//go:build linux

package drill

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"time"

	board "github.com/mtawatch/mtawatch/internal/lab/drill"
	"github.com/mtawatch/mtawatch/internal/mta"
	"github.com/mtawatch/mtawatch/test/live/world"
)

func inboundDrills() []Drill {
	return []Drill{
		{
			Name: "flood-one-source", Text: "one address opens 20 connections a second and holds each for 10 s: more than the server has processes",
			Codes: []mta.FindingCode{mta.FindingFloodOneSource}, Limit: board.Soon,
			Begin: func(s *Scene) error { return flood(s, world.Crowd(1), 20, 10*time.Second) },
		},
		{
			Name: "flood-many-sources", Text: "300 addresses open 25 connections a second and hold each for 8 s: more than the server has processes",
			Codes: []mta.FindingCode{mta.FindingFloodManySources}, Limit: board.Soon,
			Begin: func(s *Scene) error { return flood(s, world.Crowd(300), 25, 8*time.Second) },
		},
		{
			Name: "slow-loris", Text: "60 clients send a byte every 4 s; the server may have 20 processes",
			Codes: []mta.FindingCode{mta.FindingProcessLimitReached}, Limit: board.Soon,
			Postfix: world.PostfixConfig{SMTPD: "20"},
			Begin: func(s *Scene) error {
				s.Beside(func(ctx context.Context) { s.Box.Loris(ctx, 60, world.Crowd(60)) })
				return nil
			},
			Evidence: logged("has reached its process limit"),
		},
		{
			Name: "accept-queue-overflow", Text: "the usual clients come 60 at once every 4 s, and only 8 may wait to be accepted",
			Codes: []mta.FindingCode{mta.FindingAcceptQueueOverflow}, Limit: board.Soon,
			Postfix: world.PostfixConfig{Main: []string{"max_idle = 1s"}}, Before: smallBacklog,
			Begin: bursts, Evidence: overflows(),
		},
		{
			Name: "syn-backlog", Text: "300 connection requests a second from addresses that never answer",
			Codes: []mta.FindingCode{mta.FindingSYNBacklog}, Limit: board.Soon,
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
			Codes: []mta.FindingCode{mta.FindingCloseWaitLeak}, Limit: board.InAWhile,
			Begin: closeWait, Evidence: tcpState("08", 30),
		},
	}
}

func flood(s *Scene, sources []string, rate float64, keep time.Duration) error {
	s.Beside(func(ctx context.Context) { s.Box.Flood(ctx, sources, rate, keep) })
	return nil
}

// bursts has the ordinary clients come all at once, twice each.
func bursts(s *Scene) error {
	s.Beside(func(ctx context.Context) {
		var wg sync.WaitGroup
		defer wg.Wait()
		for ; ctx.Err() == nil; sleep(ctx, 4*time.Second) {
			for i := range 60 {
				wg.Go(func() {
					c, err := s.Box.Dial(fmt.Sprintf("10.77.1.%d", 100+i%30), world.MTAAddress+":25")
					if err == nil {
						c.Quit()
					}
				})
			}
		}
	})
	return nil
}

// smallBacklog bounds the connections that wait to be accepted; only a
// socket that listens afterwards knows of it.
func smallBacklog() error {
	return os.WriteFile("/proc/sys/net/core/somaxconn", []byte("8"), 0)
}

// closeWait opens sessions, stops the servers behind them and no other, and
// hangs up.
func closeWait(s *Scene) error {
	const n = 40
	release, err := s.Box.Hold(n, world.Crowd(20), true)
	if err != nil {
		return err
	}
	defer release()
	out, err := exec.Command("ss", "-Htnp", "state", "established", "sport = :25").Output()
	if err != nil {
		return fmt.Errorf("run ss: %w", err)
	}
	var servers []int
	for line := range strings.Lines(string(out)) {
		_, rest, ok := strings.Cut(line, "pid=")
		pid, err := strconv.Atoi(strings.SplitN(rest, ",", 2)[0])
		if ok && err == nil && strings.Contains(line, " 10.77.2.") {
			servers = append(servers, pid)
		}
	}
	if len(servers) != n {
		return fmt.Errorf("%d SMTP servers for %d sessions: %s", len(servers), n, out)
	}
	return s.Stop(servers...)
}
