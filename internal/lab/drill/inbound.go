package drill

import (
	"context"
	"encoding/binary"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/mtawatch/mtawatch/internal/lab/site"
	"github.com/mtawatch/mtawatch/internal/lab/world"
	"github.com/mtawatch/mtawatch/internal/mta"
)

func inboundDrills() []Drill {
	return []Drill{
		{
			Expect: Expect{Name: "flood-one-source", Codes: []mta.FindingCode{mta.FindingFloodOneSource}, Limit: Soon},
			Text:   "one address opens 20 connections a second and holds each for 10 s: more than the server takes at once", Quick: true,
			Begin: func(s *Scene) error { return flood(s, 1, 20, 10*time.Second) },
		},
		{
			Expect: Expect{Name: "flood-many-sources", Codes: []mta.FindingCode{mta.FindingFloodManySources}, Limit: Soon},
			Text:   "300 addresses open 25 connections a second and hold each for 8 s: more than the server takes at once",
			Begin:  func(s *Scene) error { return flood(s, 300, 25, 8*time.Second) },
		},
		{
			Expect: Expect{Name: "syn-flood", Codes: []mta.FindingCode{mta.FindingSYNBacklog}, Limit: Soon},
			Text:   "300 connection requests a second from addresses that never answer",
			Needs:  NeedsNetwork,
			Begin:  synFlood, Evidence: tcpState("03", 30),
		},
		{
			Expect: Expect{Name: "close-wait", Codes: []mta.FindingCode{mta.FindingCloseWaitLeak}, Limit: InAWhile},
			Text:   "60 clients fill server processes of 20 sessions each; these hang, and the clients have gone",
			// A process is filled before the next is asked, and none retires half full, so
			// that all but one are full.
			Adjust: func(s *site.Settings) {
				v := &s.Services[0]
				v.MinConns, v.MaxConns, v.MaxProcs, v.MaxLifeConns = closeWaitConns, closeWaitConns, 10, 1<<20
			},
			Begin: closeWait, Evidence: tcpState("08", closeWaitLeast),
		},
	}
}

// The drill close-wait: how many sessions a server process has at most, and how
// many that are left to it at least show something.
const (
	closeWaitConns = 20
	closeWaitLeast = 30
)

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

// closeWait opens sessions, stops the servers that are full with them, and hangs up.
func closeWait(s *Scene) error {
	release, err := s.World.Hold(s.ctx, 3*closeWaitConns, world.Crowd(20))
	if err != nil {
		return err
	}
	defer release()
	ours, err := s.serversOf("127.66.")
	if err != nil {
		return fmt.Errorf("find the servers: %w", err)
	}
	all, err := s.serversOf("")
	if err != nil {
		return fmt.Errorf("find the servers: %w", err)
	}
	full, sessions := fullServers(ours, all)
	if sessions < closeWaitLeast {
		return fmt.Errorf("find the servers: those that are full have %d of the %d sessions that are open", sessions, 3*closeWaitConns)
	}
	return s.Stop(full...)
}

// fullServers gives the servers, of those with sessions of ours, that can take
// hardly any more, and how many of ours they have together. A server with room
// goes on: stopped, it would take new clients, and the drill show a mail server
// that answers nobody.
func fullServers(ours, all map[int]int) (pids []int, sessions int) {
	for pid, n := range ours {
		if all[pid] >= closeWaitConns*3/4 {
			pids, sessions = append(pids, pid), sessions+n
		}
	}
	return pids, sessions
}

// serversOf gives the server processes that have sessions with clients whose
// addresses begin so, and how many: by the sockets' inodes, as proc(5) has them.
func (s *Scene) serversOf(prefix string) (map[int]int, error) {
	b, err := os.ReadFile("/proc/net/tcp")
	if err != nil {
		return nil, err
	}
	inodes := map[string]bool{}
	port := fmt.Sprintf(":%04X", s.Stage.Ports.SMTP)
	for line := range strings.Lines(string(b)) {
		f := strings.Fields(line)
		if len(f) < 10 || !strings.HasSuffix(f[1], port) {
			continue
		}
		var raw uint32 // the address in the machine's order
		if _, err := fmt.Sscanf(f[2], "%08X:", &raw); err != nil {
			continue
		}
		var a [4]byte
		binary.NativeEndian.PutUint32(a[:], raw)
		if strings.HasPrefix(netip.AddrFrom4(a).String(), prefix) {
			inodes["socket:["+f[9]+"]"] = true
		}
	}
	all, err := s.pids("tcp_smtp_server")
	if err != nil {
		return nil, err
	}
	sessions := make(map[int]int)
	for _, pid := range all {
		fds, err := filepath.Glob(fmt.Sprintf("/proc/%d/fd/*", pid))
		if err != nil {
			return nil, err
		}
		for _, fd := range fds {
			if to, err := os.Readlink(fd); err == nil && inodes[to] {
				sessions[pid]++
			}
		}
	}
	return sessions, nil
}
