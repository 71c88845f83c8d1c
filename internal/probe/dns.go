package probe

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"strings"
	"syscall"
	"time"

	"golang.org/x/net/dns/dnsmessage"

	"github.com/mtawatch/mtawatch/internal/mta"
)

// dnsWait is how long one resolver may take: the time that resolv.conf(5)
// gives it, so that what is slow but works is not called dead.
const dnsWait = 5 * time.Second

// maxResolvers is how many the C library uses.
const maxResolvers = 3

// controlDomain is asked under when the own domain fails. IANA runs it for
// examples; it is asked only then.
const controlDomain = "example.org"

// Question is what DNS asks for: the address of Label under Domain, which
// needs not exist; with Domain "" the name servers of the root.
type Question struct {
	Domain string
	Label  string
}

// Resolvers reads the resolvers from the text of /etc/resolv.conf as
// resolv.conf(5) has it: the first three; none means this host.
func Resolvers(text string) []netip.AddrPort {
	var list []netip.AddrPort
	for line := range strings.Lines(text) {
		f := strings.Fields(line)
		if len(f) < 2 || f[0] != "nameserver" || len(list) == maxResolvers {
			continue
		}
		if a, err := netip.ParseAddr(f[1]); err == nil {
			list = append(list, netip.AddrPortFrom(a, 53))
		}
	}
	if list == nil {
		list = append(list, netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 0, 1}), 53))
	}
	return list
}

// DNS asks the resolvers in turn until one answers. NOERROR and NXDOMAIN are
// good answers; SERVFAIL, REFUSED, any other and none in time are not. When
// all fail, the control domain is asked for: if that works, the resolvers do,
// and the name servers of the own domain are at fault.
func DNS(ctx context.Context, servers []netip.AddrPort, q Question) mta.Probe {
	p, _ := askAll(ctx, servers, q)
	return p
}

// askAll is DNS; control says that only the control domain was found.
func askAll(ctx context.Context, servers []netip.AddrPort, q Question) (p mta.Probe, control bool) {
	p = mta.Probe{Name: NameDNS}
	var failed []string
	for _, s := range servers {
		what, err := ask(ctx, s, q)
		if err == nil {
			p.OK, p.Target = true, s.String()
			p.Text = what
			if len(failed) > 0 {
				p.Text += "; before it: " + strings.Join(failed, "; ")
			}
			return p, false
		}
		failed = append(failed, fmt.Sprintf("%s: %s", s.Addr(), text(err)))
	}
	if len(servers) == 0 {
		p.Text = "there is no resolver to ask"
		return p, false
	}
	p.Target, p.Text = servers[0].String(), strings.Join(failed, "; ")
	if q.Domain == "" || ctx.Err() != nil {
		return p, false
	}
	if _, err := ask(ctx, servers[0], Question{Domain: controlDomain, Label: q.Label}); err == nil {
		p.OK, control = true, true
		p.Text = fmt.Sprintf("the resolver works, but nothing under %s is found: %s", q.Domain, p.Text)
	}
	return p, control
}

// ask sends one question to one resolver and reads its answer.
func ask(ctx context.Context, server netip.AddrPort, q Question) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, dnsWait)
	defer cancel()
	query, question, id, err := pack(q)
	if err != nil {
		return "", err
	}
	var d net.Dialer
	c, err := d.DialContext(ctx, "udp", server.String())
	if err != nil {
		return "", fmt.Errorf("no socket: %w", short(err))
	}
	defer c.Close()
	stop := context.AfterFunc(ctx, func() { _ = c.SetDeadline(time.Unix(1, 0)) })
	defer stop()
	if _, err := c.Write(query); err != nil {
		return "", short(err)
	}
	buf := make([]byte, 4096)
	for range 64 { // what is no answer to us is passed over
		n, err := c.Read(buf)
		if err != nil {
			return "", short(err)
		}
		code, ours := answer(buf[:n], id, question)
		switch {
		case !ours:
			continue
		case code == dnsmessage.RCodeSuccess:
			return "answered NOERROR", nil
		case code == dnsmessage.RCodeNameError:
			return "answered NXDOMAIN, as it should", nil
		}
		return "", fmt.Errorf("answered %s", codeName(code))
	}
	return "", errors.New("answered other questions than ours")
}

// pack writes a query (RFC 1035) that asks for recursion.
func pack(q Question) (query []byte, question dnsmessage.Question, id uint16, err error) {
	name, kind := ".", dnsmessage.TypeNS
	if q.Domain != "" && q.Domain != "." {
		name, kind = q.Domain+".", dnsmessage.TypeA
		if q.Label != "" {
			name = q.Label + "." + name
		}
	}
	n, err := dnsmessage.NewName(name)
	if err != nil {
		return nil, question, 0, fmt.Errorf("ask for %s: %w", clean(name, 80), err)
	}
	var b [2]byte
	_, _ = rand.Read(b[:]) // it never fails
	id = binary.BigEndian.Uint16(b[:])
	question = dnsmessage.Question{Name: n, Type: kind, Class: dnsmessage.ClassINET}
	m := dnsmessage.Message{Header: dnsmessage.Header{ID: id, RecursionDesired: true}, Questions: []dnsmessage.Question{question}}
	if query, err = m.Pack(); err != nil {
		return nil, question, 0, fmt.Errorf("ask for %s: %w", clean(name, 80), err)
	}
	return query, question, id, nil
}

// answer reads whether a packet answers our question, and how.
func answer(b []byte, id uint16, want dnsmessage.Question) (dnsmessage.RCode, bool) {
	var p dnsmessage.Parser
	h, err := p.Start(b)
	if err != nil || h.ID != id || !h.Response {
		return 0, false
	}
	q, err := p.Question()
	if errors.Is(err, dnsmessage.ErrSectionDone) && h.RCode != dnsmessage.RCodeSuccess && h.RCode != dnsmessage.RCodeNameError {
		return h.RCode, true // some leave the question out when they refuse
	}
	if err != nil || q.Type != want.Type || q.Class != want.Class || !strings.EqualFold(q.Name.String(), want.Name.String()) {
		return 0, false
	}
	return h.RCode, true
}

func codeName(c dnsmessage.RCode) string {
	switch c {
	case dnsmessage.RCodeServerFailure:
		return "SERVFAIL"
	case dnsmessage.RCodeRefused:
		return "REFUSED"
	case dnsmessage.RCodeFormatError:
		return "FORMERR"
	case dnsmessage.RCodeNotImplemented:
		return "NOTIMP"
	}
	return fmt.Sprintf("code %d", c)
}

// short gives the part of a network error that says what happened.
func short(err error) error {
	var ne net.Error
	var errno syscall.Errno
	var dns *net.DNSError
	switch {
	case errors.As(err, &dns) && dns.IsNotFound:
		return errors.New("no such name")
	case errors.As(err, &dns):
		return errors.New(clean(dns.Err, 120))
	case errors.Is(err, os.ErrDeadlineExceeded), errors.Is(err, context.DeadlineExceeded), errors.As(err, &ne) && ne.Timeout():
		return errors.New("no answer in time")
	case errors.As(err, &errno):
		return errno
	}
	return err
}
