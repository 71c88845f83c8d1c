package inbound_test

import (
	"net/netip"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/mtawatch/mtawatch/internal/inbound"
	"github.com/mtawatch/mtawatch/internal/mta"
)

var begin = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

func event(kind mta.Kind, pid int32, ip string, after time.Duration) *mta.Event {
	return &mta.Event{Kind: kind, Instance: "postfix", PID: pid, Client: mta.Peer{IP: ip}, Time: begin.Add(after)}
}

func screen(kind mta.Kind, port uint16, reason string) *mta.Event {
	e := event(kind, 9, "192.0.2.9", 0)
	e.Client.Port, e.Reason = port, reason
	return e
}

func TestSessions(t *testing.T) {
	started := &mta.Event{Kind: mta.KindDaemon, Instance: "postfix", Daemon: mta.RoleDispatcher, Action: mta.ActionStarted, Time: begin}
	tests := []struct {
		name    string
		events  []*mta.Event
		at      time.Duration
		want    inbound.Port
		sources int
		top     int
	}{
		{"two of one address and one of another",
			[]*mta.Event{event(mta.KindConnect, 1, "192.0.2.1", 0), event(mta.KindConnect, 2, "192.0.2.1", 0), event(mta.KindConnect, 3, "2001:db8::1", 0)},
			0, inbound.Port{Open: 3}, 2, 2},
		{"the end is told twice and counts once",
			[]*mta.Event{event(mta.KindConnect, 1, "192.0.2.1", 0), event(mta.KindDisconnect, 1, "192.0.2.1", 0), event(mta.KindDisconnect, 1, "192.0.2.1", 0)},
			0, inbound.Port{Closed: 1}, 0, 0},
		{"an end without a beginning", []*mta.Event{event(mta.KindDisconnect, 1, "192.0.2.1", 0)}, 0, inbound.Port{}, 0, 0},
		{"a process takes its next client", []*mta.Event{event(mta.KindConnect, 1, "192.0.2.1", 0), event(mta.KindConnect, 1, "192.0.2.2", 0)},
			0, inbound.Port{Open: 1, Closed: 1}, 1, 1},
		{"no end for an hour", []*mta.Event{event(mta.KindConnect, 1, "192.0.2.1", 0)}, 2 * time.Hour, inbound.Port{Closed: 1}, 0, 0},
		{"the server starts anew", []*mta.Event{event(mta.KindConnect, 1, "192.0.2.1", 0), started}, 0, inbound.Port{Closed: 1}, 0, 0},
		{"one process with many clients", []*mta.Event{screen(mta.KindConnect, 1, ""), screen(mta.KindConnect, 2, ""), screen(mta.KindDisconnect, 1, "")},
			0, inbound.Port{Open: 1, Closed: 1}, 1, 1},
		{"passed on to another process", []*mta.Event{screen(mta.KindConnect, 1, ""), screen(mta.KindWarning, 1, "passed"), event(mta.KindConnect, 4, "192.0.2.9", 0)},
			0, inbound.Port{Open: 1}, 1, 1},
		{"an address that is no address", []*mta.Event{event(mta.KindConnect, 1, "unknown", 0)}, 0, inbound.Port{Open: 1}, 0, 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := inbound.New()
			for _, e := range tt.events {
				s.Add(e, 25)
			}
			tt.want.Instance, tt.want.Number = "postfix", 25
			got := s.At(begin.Add(tt.at))[0]
			if d := cmp.Diff(tt.want, *got, cmpopts.IgnoreUnexported(inbound.Port{})); d != "" {
				t.Errorf("(-want +got):\n%s", d)
			}
			if got.Sources() != tt.sources || got.Top() != tt.top {
				t.Errorf("sources %d, top %d; want %d, %d", got.Sources(), got.Top(), tt.sources, tt.top)
			}
		})
	}
}

func TestSourcesAreTheLargest(t *testing.T) {
	s := inbound.New()
	for i := range int32(30) {
		ip := "192.0.2.1"
		if i%3 == 0 {
			ip = netip.AddrFrom4([4]byte{198, 51, 100, byte(i)}).String()
		}
		s.Add(event(mta.KindConnect, i, ip, 0), 25)
	}
	want := []mta.SourceCount{{Address: netip.MustParseAddr("192.0.2.1"), Port: 25, Count: 20}, {Address: netip.MustParseAddr("198.51.100.0"), Port: 25, Count: 1}}
	if d := cmp.Diff(want, s.Sources(nil, 2), cmp.Comparer(func(a, b netip.Addr) bool { return a == b })); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
}

func TestSessionsAreBounded(t *testing.T) {
	s := inbound.New()
	for i := range int32(inbound.MaxSessions + 100) {
		s.Add(event(mta.KindConnect, i, "192.0.2.1", 0), 25)
	}
	if n := s.At(begin)[0].Open; n != inbound.MaxSessions {
		t.Errorf("%d sessions are known", n)
	}
}
