package probe

import (
	"bufio"
	"context"
	"io"
	"net"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/net/dns/dnsmessage"
)

// listener is an SMTP server on loopback that says its greeting and notes what it hears.
type listener struct {
	addr  netip.AddrPort
	heard notes

	mu       sync.Mutex
	greeting string // sent in one piece; "hang" for none, "close" to hang up
	wg       sync.WaitGroup
}

func newListener(t *testing.T, greeting string) *listener {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &listener{addr: l.Addr().(*net.TCPAddr).AddrPort(), greeting: greeting}
	s.wg.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			s.wg.Go(func() { s.serve(c) })
		}
	})
	t.Cleanup(func() { l.Close(); s.wg.Wait() })
	return s
}

func (s *listener) serve(c net.Conn) {
	defer c.Close()
	s.mu.Lock()
	g := s.greeting
	s.mu.Unlock()
	if g == "close" {
		return
	}
	if g != "hang" {
		_, _ = io.WriteString(c, g)
	}
	line, err := bufio.NewReader(c).ReadString('\n')
	if err != nil {
		line = "lost"
	}
	s.heard.add(strings.TrimSpace(line))
	_, _ = io.WriteString(c, "221 2.0.0 Bye\r\n")
}

func (s *listener) say(greeting string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.greeting = greeting
}

func (s *listener) hears() []string { return s.heard.take() }

func TestBanner(t *testing.T) {
	for _, tt := range []struct {
		name, greeting string
		ok             bool
		text           string
		quit           bool
	}{
		{"ready", "220 mx.example.org ESMTP\r\n", true, "greets: 220 mx.example.org ESMTP", true},
		{"bare", "220\r\n", true, "greets: 220", true},
		{"of several lines", "220-mx.example.org waits\r\n220 mx.example.org ESMTP\r\n", true, "greets: 220 mx.example.org ESMTP", true},
		{"overloaded", "421 4.3.2 too many connections\r\n", false, "refuses: 421 4.3.2 too many connections", true},
		{"not served", "554 no service\r\n", false, "refuses: 554 no service", true},
		{"another protocol", "SSH-2.0-x\r\n", false, `connected, but no greeting: it does not speak SMTP: "SSH-2.0-x"`, false},
		{"an odd code", "22x hello\r\n", false, `connected, but no greeting: it does not speak SMTP: "22x hello"`, false},
		{"hangs up", "close", false, "connected, but no greeting: the connection was closed", false},
		{"hostile", "220 \x1b[2J\xff\r\n", true, "greets: 220 ?[2J?", true},
		{"without an end", strings.Repeat("x", 9000), false, "connected, but no greeting: the connection was closed", false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := newListener(t, tt.greeting)
			p := Banner(t.Context(), s.addr.String())
			if p.OK != tt.ok || p.Text != tt.text || p.Name != "smtp" || p.Target != s.addr.String() {
				t.Errorf("got %+v, want %t and %q", p, tt.ok, tt.text)
			}
			if heard := s.hears(); tt.quit && (len(heard) != 1 || heard[0] != "QUIT") {
				t.Errorf("the server heard %q, want QUIT", heard)
			}
		})
	}
}

func TestBannerNever(t *testing.T) {
	s := newListener(t, "hang")
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	if p := Banner(ctx, s.addr.String()); p.OK || p.Text != "connected, but no greeting: no answer in time" {
		t.Errorf("got %+v", p)
	}
	if p := Banner(t.Context(), closedPort(t).String()); p.OK || p.Text != "no connection: connection refused" {
		t.Errorf("got %+v", p)
	}
}

func closedPort(t *testing.T) netip.AddrPort {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).AddrPort()
}

// zone answers for a small world of exchangers at 127.0.0.1.
func zone(q dnsmessage.Question, m *dnsmessage.Message) bool {
	h := dnsmessage.ResourceHeader{Name: q.Name, Type: q.Type, Class: q.Class, TTL: 60}
	mx := func(pref uint16, host string) {
		m.Answers = append(m.Answers, dnsmessage.Resource{Header: h, Body: &dnsmessage.MXResource{Pref: pref, MX: dnsmessage.MustNewName(host)}})
	}
	switch q.Name.String() + q.Type.String() {
	case "good.example.TypeMX":
		mx(20, "mx2.good.example.")
		mx(10, "mx1.good.example.")
	case "null.example.TypeMX":
		mx(0, ".")
	case "lost.example.TypeMX":
		mx(10, "gone.example.")
	case "mx1.good.example.TypeA", "mx2.good.example.TypeA", "plain.example.TypeA":
		m.Answers = append(m.Answers, dnsmessage.Resource{Header: h, Body: &dnsmessage.AResource{A: [4]byte{127, 0, 0, 1}}})
	case "plain.example.TypeMX", "plain.example.TypeAAAA", "mx1.good.example.TypeAAAA", "mx2.good.example.TypeAAAA":
	case "broken.example.TypeMX":
		m.RCode = dnsmessage.RCodeServerFailure
	default:
		m.RCode = dnsmessage.RCodeNameError
	}
	return false
}

func TestReach(t *testing.T) {
	ns := newNameServer(t, zone)
	up := newListener(t, "220 mx ESMTP\r\n")
	busy := newListener(t, "421 later\r\n")
	down := closedPort(t)
	for _, tt := range []struct {
		name, domain string
		at           netip.AddrPort
		ok           bool
		text         string // part of it
	}{
		{"the first exchanger", "good.example", up.addr, true, "mx1.good.example (" + up.addr.String() + ") greets: 220"},
		{"no MX: the domain itself", "plain.example", up.addr, true, "plain.example ("},
		{"refuses", "good.example", busy.addr, false, "refuses: 421 later"},
		{"down", "good.example", down, false, "mx2.good.example (" + down.String() + "): no connection: connection refused"},
		{"no mail", "null.example", up.addr, false, "accepts no mail"},
		{"its exchanger does not exist", "lost.example", up.addr, false, "gone.example: no such name"},
		{"the lookup fails", "broken.example", up.addr, false, "cannot be looked up"},
		{"no domain", "a b", up.addr, false, "not a domain"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p := Reach(t.Context(), tt.domain, ReachConfig{Resolvers: []netip.AddrPort{ns.addr}, Port: tt.at.Port()})
			if p.OK != tt.ok || !strings.Contains(p.Text, tt.text) || p.Target != tt.domain || p.Name != "reach" {
				t.Errorf("got %+v, want %t and %q", p, tt.ok, tt.text)
			}
		})
	}
	for _, h := range append(up.hears(), busy.hears()...) {
		if h != "QUIT" {
			t.Errorf("an exchanger heard %q", h)
		}
	}
}
