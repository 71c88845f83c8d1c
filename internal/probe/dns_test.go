package probe

import (
	"context"
	"net"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/net/dns/dnsmessage"
)

// nameServer is a DNS server on loopback that answers as it is told.
type nameServer struct {
	addr netip.AddrPort

	asked  notes
	mu     sync.Mutex
	answer func(q dnsmessage.Question, m *dnsmessage.Message) (silent bool)
}

func newNameServer(t *testing.T, answer func(dnsmessage.Question, *dnsmessage.Message) bool) *nameServer {
	t.Helper()
	c, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	s := &nameServer{addr: c.LocalAddr().(*net.UDPAddr).AddrPort(), answer: answer}
	done := make(chan struct{})
	go func() {
		defer close(done)
		buf := make([]byte, 1500)
		for {
			n, from, err := c.ReadFromUDPAddrPort(buf)
			if err != nil {
				return
			}
			if out := s.reply(buf[:n]); out != nil {
				_, _ = c.WriteToUDPAddrPort(out, from)
			}
		}
	}()
	t.Cleanup(func() { c.Close(); <-done })
	return s
}

func (s *nameServer) reply(b []byte) []byte {
	var m dnsmessage.Message
	if m.Unpack(b) != nil || len(m.Questions) != 1 {
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	q := m.Questions[0]
	s.asked.add(strings.ToLower(q.Name.String()) + " " + strings.TrimPrefix(q.Type.String(), "Type"))
	m.Header = dnsmessage.Header{ID: m.ID, Response: true, RecursionDesired: m.RecursionDesired, RecursionAvailable: true}
	m.Additionals = nil
	if s.answer(q, &m) {
		return nil
	}
	out, err := m.Pack()
	if err != nil {
		return nil
	}
	return out
}

func (s *nameServer) set(answer func(dnsmessage.Question, *dnsmessage.Message) bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.answer = answer
}

func (s *nameServer) questions() []string { return s.asked.take() }

// notes are what a server was told.
type notes struct {
	mu   sync.Mutex
	list []string
}

func (n *notes) add(text string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.list = append(n.list, text)
}

// take gives what was noted since it was asked last.
func (n *notes) take() []string {
	n.mu.Lock()
	defer n.mu.Unlock()
	list := n.list
	n.list = nil
	return list
}

// code answers everything with one code.
func code(c dnsmessage.RCode) func(dnsmessage.Question, *dnsmessage.Message) bool {
	return func(_ dnsmessage.Question, m *dnsmessage.Message) bool { m.RCode = c; return false }
}

func silent(dnsmessage.Question, *dnsmessage.Message) bool { return true }

// ownFails answers SERVFAIL for all but the control domain.
func ownFails(q dnsmessage.Question, m *dnsmessage.Message) bool {
	m.RCode = dnsmessage.RCodeServerFailure
	if strings.HasSuffix(q.Name.String(), "."+controlDomain+".") {
		m.RCode = dnsmessage.RCodeNameError
	}
	return false
}

func TestDNS(t *testing.T) {
	other := func(change func(*dnsmessage.Message)) func(dnsmessage.Question, *dnsmessage.Message) bool {
		return func(_ dnsmessage.Question, m *dnsmessage.Message) bool { change(m); return false }
	}
	q := Question{Domain: "example.net", Label: "l"}
	own, control := "l.example.net. A", "l.example.org. A"
	tests := []struct {
		name   string
		answer func(dnsmessage.Question, *dnsmessage.Message) bool
		q      Question
		ok     bool
		text   string // its beginning; the port number of the server left out
		asked  []string
	}{
		{"found", code(dnsmessage.RCodeSuccess), q, true, "answered NOERROR", []string{own}},
		{"not found", code(dnsmessage.RCodeNameError), q, true, "answered NXDOMAIN", []string{own}},
		{"fails", code(dnsmessage.RCodeServerFailure), q, false, "127.0.0.1: answered SERVFAIL", []string{own, control}},
		{"refuses", code(dnsmessage.RCodeRefused), q, false, "127.0.0.1: answered REFUSED", []string{own, control}},
		{"an odd code", code(11), q, false, "127.0.0.1: answered code 11", []string{own, control}},
		{"the own domain is at fault", ownFails, q, true, "the resolver works, but nothing under example.net is found: 127.0.0.1: answered SERVFAIL", []string{own, control}},
		{"the root", code(dnsmessage.RCodeSuccess), Question{}, true, "answered NOERROR", []string{". NS"}},
		{"the root fails", code(dnsmessage.RCodeServerFailure), Question{Label: "l"}, false, "127.0.0.1: answered SERVFAIL", []string{". NS"}},
		{"refuses without the question", other(func(m *dnsmessage.Message) { m.RCode, m.Questions = dnsmessage.RCodeRefused, nil }), q, false, "127.0.0.1: answered REFUSED", []string{own, control}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := newNameServer(t, tt.answer)
			p := DNS(t.Context(), []netip.AddrPort{s.addr}, tt.q)
			if p.OK != tt.ok || !strings.HasPrefix(p.Text, tt.text) || p.Name != "dns" || p.Target != s.addr.String() {
				t.Errorf("got %+v, want %t and %q", p, tt.ok, tt.text)
			}
			if d := cmp.Diff(tt.asked, s.questions()); d != "" {
				t.Errorf("asked (-want +got):\n%s", d)
			}
		})
	}
}

// TestDNSNoAnswer gives each server a little time only; what it must not do
// is take silence, or an answer to another question, for a good answer.
func TestDNSNoAnswer(t *testing.T) {
	for _, tt := range []struct {
		name   string
		answer func(dnsmessage.Question, *dnsmessage.Message) bool
	}{
		{"silence", silent},
		{"another's ID", func(_ dnsmessage.Question, m *dnsmessage.Message) bool { m.ID++; return false }},
		{"another question", func(_ dnsmessage.Question, m *dnsmessage.Message) bool {
			m.Questions[0].Type = dnsmessage.TypeMX
			return false
		}},
		{"a question", func(_ dnsmessage.Question, m *dnsmessage.Message) bool { m.Response = false; return false }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := newNameServer(t, tt.answer)
			ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
			defer cancel()
			if p := DNS(ctx, []netip.AddrPort{s.addr}, Question{Domain: "example.net", Label: "l"}); p.OK || p.Text != "127.0.0.1: no answer in time" {
				t.Errorf("got %+v", p)
			}
		})
	}
}

func TestDNSSecondServer(t *testing.T) {
	c, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	closed := c.LocalAddr().(*net.UDPAddr).AddrPort()
	c.Close()
	good := newNameServer(t, code(dnsmessage.RCodeNameError))
	p := DNS(t.Context(), []netip.AddrPort{closed, good.addr}, Question{Domain: "example.net", Label: "l"})
	if !p.OK || p.Target != good.addr.String() || p.Text != "answered NXDOMAIN, as it should; before it: 127.0.0.1: connection refused" {
		t.Errorf("got %+v", p)
	}
	if p := DNS(t.Context(), nil, Question{}); p.OK || p.Text == "" {
		t.Errorf("without a resolver: %+v", p)
	}
}

func TestResolvers(t *testing.T) {
	for _, tt := range []struct {
		name, text string
		want       []string
	}{
		{"usual", "# made by hand\nsearch example.org\nnameserver 192.0.2.53\nnameserver 2001:db8::53 # second\noptions timeout:1\n", []string{"192.0.2.53:53", "[2001:db8::53]:53"}},
		{"zone", "nameserver fe80::1%eth0\n", []string{"[fe80::1%eth0]:53"}},
		{"three at most", "nameserver 192.0.2.1\nnameserver 192.0.2.2\nnameserver 192.0.2.3\nnameserver 192.0.2.4\n", []string{"192.0.2.1:53", "192.0.2.2:53", "192.0.2.3:53"}},
		{"none", "", []string{"127.0.0.1:53"}},
		{"nonsense", "nameserver\nnameserver here\n;nameserver 192.0.2.1\n", []string{"127.0.0.1:53"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var got []string
			for _, a := range Resolvers(tt.text) {
				got = append(got, a.String())
			}
			if d := cmp.Diff(tt.want, got); d != "" {
				t.Errorf("(-want +got):\n%s", d)
			}
		})
	}
}

func FuzzResolvers(f *testing.F) {
	f.Add("nameserver 192.0.2.1\noptions x\n")
	f.Fuzz(func(t *testing.T, s string) {
		if n := len(Resolvers(s)); n < 1 || n > maxResolvers {
			t.Errorf("%d resolvers", n)
		}
	})
}

func FuzzAnswer(f *testing.F) {
	_, q, id, err := pack(Question{Domain: "example.net", Label: "l"})
	if err != nil {
		f.Fatal(err)
	}
	m := dnsmessage.Message{Header: dnsmessage.Header{ID: id, Response: true, RCode: dnsmessage.RCodeNameError}, Questions: []dnsmessage.Question{q}}
	b, err := m.Pack()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(b)
	f.Add(b[:12])
	f.Fuzz(func(t *testing.T, b []byte) {
		if _, ours := answer(b, id, q); ours && (len(b) < 12 || b[0] != byte(id>>8) || b[1] != byte(id)) {
			t.Errorf("%x was taken for our answer", b)
		}
	})
}
