package channel

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/miekg/dns"
)

const (
	queryTimeout = 2 * time.Second
	queryTries   = 2
	maxCached    = 4096
	maxTTL       = time.Minute
	maxHosts     = 16 // tried of one destination
)

// host is one place where mail for a domain goes.
type host struct {
	name string
	addr netip.Addr
}

// lookupError is why a destination has no place.
type lookupError struct {
	name      string
	permanent bool
	status    string // enhanced
	text      string
}

// Error is the diagnostic text.
func (e *lookupError) Error() string {
	if e.permanent {
		return fmt.Sprintf("Illegal host/domain name found: %s, %s", e.name, e.text)
	}
	return fmt.Sprintf("TCP active open: Failed gethostbyname() on %s, %s", e.name, e.text)
}

// resolver asks one name server. It keeps answers for a minute at most.
type resolver struct {
	server string

	mu     sync.Mutex
	cached map[string]cachedHosts
}

type cachedHosts struct {
	hosts []host
	until time.Time
}

// lookup gives the places where mail for a domain goes, in the order in which
// to try them: RFC 5321, 5.1, and RFC 7505 for a domain that takes none.
func (r *resolver) lookup(ctx context.Context, domain string) ([]host, error) {
	if literal, ok := strings.CutPrefix(strings.TrimSuffix(domain, "]"), "["); ok {
		addr, err := netip.ParseAddr(strings.TrimPrefix(strings.ToLower(literal), "ipv6:"))
		if err != nil {
			return nil, &lookupError{domain, true, "5.1.3", "bad address literal"}
		}
		return []host{{domain, addr}}, nil
	}
	r.mu.Lock()
	c := r.cached[domain]
	r.mu.Unlock()
	if time.Now().Before(c.until) {
		return c.hosts, nil
	}
	hosts, ttl, err := r.resolve(ctx, domain)
	if err != nil {
		return nil, err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.cached == nil || len(r.cached) >= maxCached {
		r.cached = map[string]cachedHosts{}
	}
	r.cached[domain] = cachedHosts{hosts, time.Now().Add(min(ttl, maxTTL))}
	return hosts, nil
}

func (r *resolver) resolve(ctx context.Context, domain string) ([]host, time.Duration, error) {
	if _, ok := dns.IsDomainName(domain); !ok || domain == "" {
		return nil, 0, &lookupError{domain, true, "5.1.2", "no domain name"}
	}
	answer, err := r.ask(ctx, domain, dns.TypeMX)
	if err != nil {
		return nil, 0, err
	}
	var list []*dns.MX
	for _, rr := range answer.Answer {
		if mx, ok := rr.(*dns.MX); ok {
			list = append(list, mx)
		}
	}
	if len(list) == 0 {
		list = []*dns.MX{{Mx: dns.Fqdn(domain), Hdr: dns.RR_Header{Ttl: 60}}}
	}
	rand.Shuffle(len(list), func(i, j int) { list[i], list[j] = list[j], list[i] })
	slices.SortStableFunc(list, func(a, b *dns.MX) int { return int(a.Preference) - int(b.Preference) })
	if len(list) == 1 && list[0].Mx == "." {
		return nil, 0, &lookupError{domain, true, "5.1.10", "domain does not accept mail (null MX)"}
	}
	var hosts []host
	var why *lookupError // one that may pass goes before one that will not
	ttl := maxTTL
	for _, mx := range list {
		name := strings.TrimSuffix(mx.Mx, ".")
		ttl = min(ttl, time.Duration(mx.Hdr.Ttl)*time.Second)
		answer, err := r.ask(ctx, name, dns.TypeA)
		var failed *lookupError
		if errors.As(err, &failed) && (why == nil || why.permanent) {
			why = failed
		}
		if err != nil {
			continue
		}
		for _, rr := range answer.Answer {
			if a, ok := rr.(*dns.A); ok {
				if addr, ok := netip.AddrFromSlice(a.A.To4()); ok && len(hosts) < maxHosts {
					hosts = append(hosts, host{name, addr})
				}
			}
		}
	}
	if len(hosts) > 0 {
		return hosts, ttl, nil
	}
	if why != nil {
		return nil, 0, why
	}
	return nil, 0, &lookupError{domain, true, "5.1.2", "no address"}
}

// ask puts one question. An answer without records is no error.
func (r *resolver) ask(ctx context.Context, name string, kind uint16) (*dns.Msg, error) {
	q := new(dns.Msg).SetQuestion(dns.Fqdn(name), kind)
	q.SetEdns0(1232, false)
	var last error
	for range queryTries {
		c := dns.Client{Timeout: queryTimeout}
		answer, _, err := c.ExchangeContext(ctx, q, r.server)
		if err == nil && answer.Truncated {
			c.Net = "tcp"
			answer, _, err = c.ExchangeContext(ctx, q, r.server)
		}
		if err != nil {
			last = err
			continue
		}
		switch answer.Rcode {
		case dns.RcodeSuccess:
			return answer, nil
		case dns.RcodeNameError:
			return nil, &lookupError{name, true, "5.1.2", "no such domain (NXDOMAIN)"}
		}
		return nil, &lookupError{name, false, "4.4.3", "DNS error: " + dns.RcodeToString[answer.Rcode]}
	}
	var timeout net.Error
	if errors.Is(last, os.ErrDeadlineExceeded) || errors.As(last, &timeout) && timeout.Timeout() {
		return nil, &lookupError{name, false, "4.4.3", "DNS query failed: no answer from name server"}
	}
	return nil, &lookupError{name, false, "4.4.3", "DNS query failed: cannot reach name server"}
}
