package world

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"sync/atomic"

	"github.com/miekg/dns"
)

// nameServer answers for the domains of the world on UDP and TCP, and knows
// no other name.
type nameServer struct {
	address string
	mx      map[string]string // domain to host, both with a final dot
	a       map[string]netip.Addr
	names   func(netip.Addr) (string, bool) // of clients, for PTR
	mode    atomic.Int32                    // a NameMode
}

// NameMode is how the name server behaves.
type NameMode int32

// The modes of the name server.
const (
	NamesAnswered NameMode = iota // as it should
	NamesSilent                   // no question is answered
	NamesFailing                  // SERVFAIL to each
)

// ttl is that of every record: short, so that a cache hides little.
const ttl = 5

// run serves until ctx ends. ready is called once both sockets are bound.
func (n *nameServer) run(ctx context.Context, ready func()) error {
	pc, err := net.ListenPacket("udp4", n.address)
	if err != nil {
		return fmt.Errorf("open name server: %w; is another lab running? Its port can be chosen", err)
	}
	l, err := net.Listen("tcp4", n.address)
	if err != nil {
		pc.Close()
		return fmt.Errorf("open name server: %w", err)
	}
	udp := &dns.Server{PacketConn: pc, Handler: n}
	tcp := &dns.Server{Listener: l, Handler: n}
	done := make(chan error, 2)
	go func() { done <- udp.ActivateAndServe() }()
	go func() { done <- tcp.ActivateAndServe() }()
	ready()
	select {
	case <-ctx.Done():
		err = nil
	case err = <-done:
	}
	_ = pc.Close() // Shutdown would wait for handlers that are told to be silent
	_ = l.Close()
	if err != nil {
		return fmt.Errorf("serve names: %w", err)
	}
	return nil
}

// ServeDNS answers one question.
func (n *nameServer) ServeDNS(w dns.ResponseWriter, q *dns.Msg) {
	m := new(dns.Msg)
	switch NameMode(n.mode.Load()) {
	case NamesSilent:
		return
	case NamesFailing:
		m.SetRcode(q, dns.RcodeServerFailure)
	case NamesAnswered:
		n.answer(m, q)
	}
	_ = w.WriteMsg(m) // who asked may be gone
}

func (n *nameServer) answer(m, q *dns.Msg) {
	m.SetReply(q)
	m.Authoritative, m.RecursionAvailable = true, true
	if len(q.Question) != 1 {
		m.Rcode = dns.RcodeFormatError
		return
	}
	question := q.Question[0]
	name := strings.ToLower(question.Name)
	head := dns.RR_Header{Name: question.Name, Rrtype: question.Qtype, Class: dns.ClassINET, Ttl: ttl}
	host, isDomain := n.mx[name]
	address, isHost := n.a[name]
	client, isClient := n.reverse(name)
	switch {
	case isDomain && question.Qtype == dns.TypeMX:
		m.Answer = append(m.Answer, &dns.MX{Hdr: head, Preference: 10, Mx: host})
		glue := dns.RR_Header{Name: host, Rrtype: dns.TypeA, Class: dns.ClassINET, Ttl: ttl}
		m.Extra = append(m.Extra, &dns.A{Hdr: glue, A: net.IP(n.a[host].AsSlice())})
	case isHost && question.Qtype == dns.TypeA:
		m.Answer = append(m.Answer, &dns.A{Hdr: head, A: net.IP(address.AsSlice())})
	case isClient && question.Qtype == dns.TypePTR:
		m.Answer = append(m.Answer, &dns.PTR{Hdr: head, Ptr: client})
	case !isDomain && !isHost && !isClient:
		m.Rcode = dns.RcodeNameError
	}
	if len(m.Answer) == 0 {
		soa := dns.RR_Header{Name: "example.", Rrtype: dns.TypeSOA, Class: dns.ClassINET, Ttl: ttl}
		m.Ns = append(m.Ns, &dns.SOA{Hdr: soa, Ns: "ns.example.", Mbox: "hostmaster.example.", Serial: 1, Refresh: 3600, Retry: 600, Expire: 86400, Minttl: ttl})
	}
}

// reverse gives the name of the client that D.C.B.A.in-addr.arpa stands for.
func (n *nameServer) reverse(name string) (string, bool) {
	rest, ok := strings.CutSuffix(name, ".in-addr.arpa.")
	if !ok {
		return "", false
	}
	parts := strings.Split(rest, ".")
	if len(parts) != 4 {
		return "", false
	}
	a, err := netip.ParseAddr(parts[3] + "." + parts[2] + "." + parts[1] + "." + parts[0])
	if err != nil {
		return "", false
	}
	return n.names(a)
}
