package probe

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/mtawatch/mtawatch/internal/mta"
)

// The times within which a server must answer.
const (
	bannerWait  = 15 * time.Second // a postscreen may hold its greeting back for six
	connectWait = 5 * time.Second
	quitWait    = 2 * time.Second
)

// The bounds of what is read and tried.
const (
	maxGreeting   = 4096 // bytes
	maxExchangers = 3    // addresses of a remote domain
)

// Banner reads the greeting of an own port, "ADDRESS:PORT": 220 is good
// (RFC 5321, 3.1); any other code, and none in 15 seconds, is not.
func Banner(ctx context.Context, addr string) mta.Probe {
	p := mta.Probe{Name: NameSMTP, Target: addr}
	p.Text, p.OK = greet(ctx, addr)
	return p
}

// greet connects, reads the whole greeting and takes leave.
func greet(ctx context.Context, addr string) (text string, ok bool) {
	ctx, cancel := context.WithTimeout(ctx, bannerWait)
	defer cancel()
	d := net.Dialer{Timeout: connectWait}
	c, err := d.DialContext(ctx, "tcp", addr)
	if err != nil {
		return "no connection: " + short(err).Error(), false
	}
	defer c.Close()
	stop := context.AfterFunc(ctx, func() { _ = c.SetDeadline(time.Unix(1, 0)) })
	defer stop()
	r := bufio.NewReader(io.LimitReader(c, maxGreeting))
	line, err := reply(r)
	if err != nil {
		return "connected, but no greeting: " + short(err).Error(), false
	}
	leave(c, r)
	if strings.HasPrefix(line, "220") {
		return "greets: " + line, true
	}
	return "refuses: " + line, false
}

// reply reads a reply to its last line and gives that; RFC 5321, 4.2.1.
func reply(r *bufio.Reader) (string, error) {
	for {
		line, err := r.ReadString('\n')
		if err == io.EOF {
			return "", fmt.Errorf("the connection was closed")
		}
		if err != nil {
			return "", err
		}
		line = strings.TrimRight(line, "\r\n")
		if len(line) < 3 || !digits(line[:3]) || len(line) > 3 && line[3] != ' ' && line[3] != '-' {
			return "", fmt.Errorf("it does not speak SMTP: %q", clean(line, 60))
		}
		if len(line) == 3 || line[3] == ' ' {
			return clean(line, 120), nil
		}
	}
}

func digits(s string) bool {
	_, err := strconv.ParseUint(s, 10, 16)
	return err == nil
}

// leave says QUIT and waits a moment for the answer: who just closes is
// logged as lost.
func leave(c net.Conn, r *bufio.Reader) {
	_ = c.SetDeadline(time.Now().Add(quitWait))
	if _, err := io.WriteString(c, "QUIT\r\n"); err == nil {
		_, _ = reply(r)
	}
}

// ReachConfig says by which resolvers exchangers are found. Port 0 is 25.
type ReachConfig struct {
	Resolvers []netip.AddrPort
	Port      uint16
}

// Reach looks up the exchangers of a domain and connects to the first ones,
// three addresses at most, until one greets. It sends nothing but QUIT. It
// takes 30 seconds at the most.
func Reach(ctx context.Context, domain string, cfg ReachConfig) mta.Probe {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	p := mta.Probe{Name: NameReach, Target: domain}
	if cfg.Port == 0 {
		cfg.Port = 25
	}
	if !isDomain(domain) {
		p.Text = "not a domain"
		return p
	}
	res := &net.Resolver{PreferGo: true, Dial: dialer(cfg.Resolvers)}
	hosts, err := exchangers(ctx, res, domain)
	if err != nil {
		p.Text = "its exchangers cannot be looked up: " + short(err).Error()
		return p
	}
	if len(hosts) == 0 {
		p.Text = "it accepts no mail: its MX is empty (RFC 7505)"
		return p
	}
	tried := 0
	var said []string
	for _, h := range hosts {
		list, err := res.LookupNetIP(ctx, "ip", h+".")
		if err != nil {
			said = append(said, clean(h, 80)+": "+short(err).Error())
			continue
		}
		for _, a := range list {
			if tried == maxExchangers || ctx.Err() != nil {
				break
			}
			tried++
			at := netip.AddrPortFrom(a.Unmap(), cfg.Port).String()
			text, ok := greet(ctx, at)
			if ok {
				p.OK, p.Text = true, fmt.Sprintf("%s (%s) %s", clean(h, 80), at, text)
				return p
			}
			said = append(said, fmt.Sprintf("%s (%s): %s", clean(h, 80), at, text))
		}
	}
	p.Text = clean(strings.Join(said, "; "), 500)
	return p
}

// exchangers gives the hosts that take mail for a domain, the most preferred
// first; none for a null MX, the domain itself where there is no MX.
func exchangers(ctx context.Context, res *net.Resolver, domain string) ([]string, error) {
	list, err := res.LookupMX(ctx, domain+".")
	var dns *net.DNSError
	if err != nil && len(list) == 0 {
		if errors.As(err, &dns) && dns.IsNotFound {
			return []string{domain}, nil
		}
		return nil, err
	}
	var hosts []string
	for _, mx := range list {
		if h := strings.TrimSuffix(mx.Host, "."); isDomain(h) && !slices.Contains(hosts, h) && len(hosts) < maxExchangers {
			hosts = append(hosts, h)
		}
	}
	return hosts, nil
}

// dialer makes the resolver ask these servers, each once in turn.
func dialer(servers []netip.AddrPort) func(context.Context, string, string) (net.Conn, error) {
	var next atomic.Uint32 // the resolver asks for both kinds of address at once
	return func(ctx context.Context, network, address string) (net.Conn, error) {
		var d net.Dialer
		if len(servers) > 0 {
			address = servers[int(next.Add(1)-1)%len(servers)].String()
		}
		return d.DialContext(ctx, network, address)
	}
}
