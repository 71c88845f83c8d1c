// Package probe asks actively, where watching cannot tell: does the host's
// own resolver answer, does an own port greet, can another's exchanger be
// reached. Settings and what the machine is go in; an mta.Probe for each
// question comes out. Every call blocks within a deadline and starts nothing.
//
// What it costs others is bounded:
//
//   - DNS: one question of some 60 bytes at most every ten seconds to the
//     host's own resolvers. A caching resolver answers from its cache while
//     all behind it is dead, so once a minute, and while it fails, the name is
//     a new one that does not exist: a random label under the host's own
//     domain. Its answer comes from the name servers of that very domain, and
//     NXDOMAIN is a good answer. When it fails, a control question under
//     example.org tells an ailing resolver from an ailing own domain; while
//     that is how it is, both are asked once a minute.
//   - Own ports: one connection a minute, every ten seconds in suspicion. The
//     mail server logs a connect and a disconnect for each. It waits for the
//     whole greeting, says QUIT and waits for the answer, so that nothing of
//     it looks like an attack.
//   - Remote: only for a finding that asks, one domain at most every ten
//     minutes, six times an hour in all; it reads the greeting and says QUIT.
package probe

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"strings"
	"time"

	"github.com/mtawatch/mtawatch/internal/mta"
)

// The names of the probes.
const (
	NameDNS   = "dns"
	NameSMTP  = "smtp"
	NameReach = "reach"
)

// The limits of how often is asked.
const (
	DNSEvery    = 10 * time.Second
	freshEvery  = time.Minute
	hastyEvery  = 10 * time.Second // of the own ports, in suspicion
	ReachEvery  = 10 * time.Minute // of one domain
	ReachHourly = 6
	maxPorts    = 4  // own addresses that are asked
	maxDomains  = 50 // that wait to be asked, and that are remembered
	maxWorked   = 64 // probes and ports of which is kept that they were good once
	keepPast    = 30 // outcomes of each probe
)

// Settings is the probe: section of the configuration. Begin with DefaultSettings.
type Settings struct {
	DNS          bool          `yaml:"dns"`           // ask the own resolver
	DNSName      string        `yaml:"dns_name"`      // a domain; "": the host's own
	DNSServer    string        `yaml:"dns_server"`    // ADDRESS or ADDRESS:PORT; "": those of /etc/resolv.conf
	SMTP         bool          `yaml:"smtp"`          // ask the own ports for their greeting
	SMTPInterval time.Duration `yaml:"smtp_interval"` // while all is well
	Remote       bool          `yaml:"remote"`        // ask others' exchangers where a finding needs it
}

// DefaultSettings is what holds without a file.
func DefaultSettings() Settings {
	return Settings{DNS: true, SMTP: true, SMTPInterval: time.Minute, Remote: true}
}

// CheckName refuses what is no domain under which a label may be asked for;
// "" when it is one.
func CheckName(name string) string {
	if name != "." && !isDomain(strings.TrimSuffix(name, ".")) {
		return fmt.Sprintf("must be a domain such as example.org, not %q", clean(name, 80))
	}
	return ""
}

// ReadServer reads an address with or without a port, 53 then.
func ReadServer(s string) (netip.AddrPort, error) {
	if a, err := netip.ParseAddr(s); err == nil {
		return netip.AddrPortFrom(a, 53), nil
	}
	ap, err := netip.ParseAddrPort(s)
	if err != nil {
		return ap, fmt.Errorf("must be an address such as 192.0.2.53 or 127.0.0.1:5353, not %q", clean(s, 80))
	}
	return ap, nil
}

// Config sets up a Prober. Zero values: nothing is asked; resolvers are those
// of /etc/resolv.conf, the host is the one that os.Hostname tells.
type Config struct {
	Settings
	ResolvConf string           // its path
	Resolvers  []netip.AddrPort // instead of those of ResolvConf
	Host       string           // the full name of this machine
	RemotePort uint16           // 0: 25
}

// Result is what one Step found out.
type Result struct {
	Probes []mta.Probe          // that ran in this step
	Reach  map[string]mta.Probe // by domain
}

// Past is one outcome.
type Past struct {
	Time time.Time
	OK   bool
	Text string
	Took time.Duration
}

// Prober keeps the schedule and the outcomes. One goroutine uses it.
type Prober struct {
	cfg     Config
	name    string // the domain of the DNS question
	label   string // the random one
	labelAt time.Time
	control bool            // the control domain was needed last time
	worked  map[string]bool // probes and own ports ("smtp/ADDRESS:PORT") that were good once
	last    map[string]time.Time
	past    map[string][]Past
	ports   []netip.AddrPort
	suspect bool
	wanted  []string
	reached map[string]time.Time // domains and when they were asked
	hour    []time.Time          // remote questions of the last hour
	dirty   map[string]bool
}

// New makes a Prober. It asks nothing yet.
func New(cfg Config) *Prober {
	if cfg.ResolvConf == "" {
		cfg.ResolvConf = "/etc/resolv.conf"
	}
	if cfg.Host == "" {
		cfg.Host, _ = os.Hostname() // unknown: the root is asked for
	}
	if cfg.RemotePort == 0 {
		cfg.RemotePort = 25
	}
	if s, err := ReadServer(cfg.DNSServer); err == nil && len(cfg.Resolvers) == 0 {
		cfg.Resolvers = []netip.AddrPort{s}
	}
	return &Prober{cfg: cfg, name: questionName(cfg), worked: make(map[string]bool), last: make(map[string]time.Time),
		past: make(map[string][]Past), reached: make(map[string]time.Time), dirty: make(map[string]bool)}
}

// questionName gives the domain under which the DNS question asks: the one
// that is set, else the host's own; "." where it has none.
func questionName(cfg Config) string {
	if cfg.DNSName != "" {
		return strings.TrimSuffix(cfg.DNSName, ".")
	}
	host := strings.ToLower(strings.TrimSuffix(cfg.Host, "."))
	_, domain, _ := strings.Cut(host, ".")
	if !strings.Contains(domain, ".") { // the host is the domain: example.org
		domain = host
	}
	top := domain[strings.LastIndexByte(domain, '.')+1:]
	if !isDomain(domain) || !strings.Contains(domain, ".") || top == "localdomain" || top == "localhost" || top == "local" || top == "internal" {
		return ""
	}
	return domain
}

// SetPorts tells the own addresses that accept SMTP; port 465 is left out,
// which greets only after TLS. A wildcard address is asked on loopback.
func (p *Prober) SetPorts(list []netip.AddrPort) {
	p.ports = p.ports[:0]
	for _, a := range list {
		if a.Addr().IsUnspecified() {
			lo := netip.AddrFrom4([4]byte{127, 0, 0, 1})
			if a.Addr().Is6() {
				lo = netip.IPv6Loopback()
			}
			a = netip.AddrPortFrom(lo, a.Port())
		}
		if a.Port() != 465 && a.IsValid() && len(p.ports) < maxPorts {
			p.ports = append(p.ports, a)
		}
	}
}

// Suspect tells that something may be wrong with the own ports: they are
// asked more often until it is taken back.
func (p *Prober) Suspect(is bool) { p.suspect = is }

// Want tells the domains of which a finding wants to know the reachability.
func (p *Prober) Want(domains []string) {
	p.wanted = p.wanted[:0]
	for _, d := range domains {
		if d = strings.ToLower(strings.TrimSuffix(d, ".")); isDomain(d) && strings.Contains(d, ".") && len(p.wanted) < maxDomains {
			p.wanted = append(p.wanted, d)
		}
	}
}

// Past lists the last outcomes of a probe, newest last.
func (p *Prober) Past(name string) []Past { return append([]Past(nil), p.past[name]...) }

// Step asks what is due, and returns when it is answered, 45 seconds later at
// the most. A probe that has never been good yet is not reported when it
// fails: on a host whose resolver was never meant to answer such questions
// that is unknown, not an incident.
func (p *Prober) Step(ctx context.Context, now time.Time) Result {
	var r Result
	if p.cfg.DNS && p.due(NameDNS, now, p.dnsEvery()) {
		p.report(ctx, &r, now, func() (mta.Probe, bool) { return p.askDNS(ctx, now), p.worked[NameDNS] })
	}
	if every := p.smtpEvery(); p.cfg.SMTP && len(p.ports) > 0 && p.due(NameSMTP, now, every) {
		p.report(ctx, &r, now, func() (mta.Probe, bool) { return p.askPorts(ctx) })
	}
	if d, ok := p.nextReach(now); ok && p.cfg.Remote {
		p.reached[d] = now
		p.hour = append(p.hour, now)
		began := time.Now()
		res, err := p.resolvers()
		probe := mta.Probe{Name: NameReach, Target: d, Text: text(err)}
		if err == nil {
			probe = Reach(ctx, d, ReachConfig{Resolvers: res, Port: p.cfg.RemotePort})
		}
		if ctx.Err() == nil {
			p.remember(probe, now, time.Since(began))
			r.Reach = map[string]mta.Probe{d: probe}
		}
	}
	return r
}

// dnsEvery spares the control domain while the own one is at fault.
func (p *Prober) dnsEvery() time.Duration {
	if p.control {
		return freshEvery
	}
	return DNSEvery
}

func (p *Prober) smtpEvery() time.Duration {
	every := p.cfg.SMTPInterval
	if past := p.past[NameSMTP]; p.suspect || len(past) > 0 && !past[len(past)-1].OK {
		every = min(every, hastyEvery)
	}
	return max(every, hastyEvery)
}

// due says that a probe may run again. A clock that went back does not stop it.
func (p *Prober) due(name string, now time.Time, every time.Duration) bool {
	last, ok := p.last[name]
	// Half a second is what a ticker may be early.
	if ok && now.Sub(last) < every-500*time.Millisecond && !now.Before(last) {
		return false
	}
	p.last[name] = now
	return true
}

// report keeps the outcome of a probe, and tells it when it is good or news.
func (p *Prober) report(ctx context.Context, r *Result, now time.Time, ask func() (probe mta.Probe, news bool)) {
	began := time.Now()
	probe, news := ask()
	if ctx.Err() != nil {
		return // we were stopped: that says nothing about who was asked
	}
	p.remember(probe, now, time.Since(began))
	if probe.OK {
		p.good(probe.Name)
	}
	if probe.OK || news {
		r.Probes = append(r.Probes, probe)
	}
}

// good notes that a probe, or an own port, has answered once.
func (p *Prober) good(key string) {
	if !p.worked[key] && len(p.worked) < maxWorked {
		p.worked[key], p.dirty[key] = true, true
	}
}

func (p *Prober) remember(probe mta.Probe, now time.Time, took time.Duration) {
	list := append(p.past[probe.Name], Past{Time: now, OK: probe.OK, Text: probe.Text, Took: took})
	p.past[probe.Name] = list[max(len(list)-keepPast, 0):]
}

func (p *Prober) askDNS(ctx context.Context, now time.Time) mta.Probe {
	past := p.past[NameDNS]
	failed := len(past) > 0 && !past[len(past)-1].OK
	if p.label == "" || failed || now.Sub(p.labelAt) >= freshEvery || now.Before(p.labelAt) {
		p.label, p.labelAt = "mtawatch-"+strings.ToLower(rand.Text()[:10]), now
	}
	servers, err := p.resolvers()
	if err != nil {
		return mta.Probe{Name: NameDNS, Text: text(err)}
	}
	probe, control := askAll(ctx, servers, Question{Domain: p.name, Label: p.label})
	p.control = control
	return probe
}

func (p *Prober) resolvers() ([]netip.AddrPort, error) {
	if len(p.cfg.Resolvers) > 0 {
		return p.cfg.Resolvers, nil
	}
	b, err := os.ReadFile(p.cfg.ResolvConf)
	if err != nil && !errors.Is(err, os.ErrNotExist) { // without the file the resolver is on this host: resolv.conf(5)
		return nil, fmt.Errorf("read resolvers: %w", err)
	}
	return Resolvers(string(b)), nil
}

// askPorts asks each own port; one that has greeted once and does not now
// makes the probe fail. One that never did is no news: it may greet only
// after TLS, or not on this address.
func (p *Prober) askPorts(ctx context.Context) (first mta.Probe, news bool) {
	for _, a := range p.ports {
		r := Banner(ctx, a.String())
		key := NameSMTP + "/" + a.String()
		switch {
		case !r.OK && p.worked[key]:
			return r, true
		case r.OK:
			p.good(key)
		}
		if first.Name == "" || r.OK && !first.OK {
			first = r
		}
	}
	return first, false
}

// nextReach gives the domain to ask about, if one may be asked now.
func (p *Prober) nextReach(now time.Time) (string, bool) {
	for len(p.hour) > 0 && (now.Sub(p.hour[0]) >= time.Hour || now.Before(p.hour[0])) {
		p.hour = p.hour[1:]
	}
	for d, t := range p.reached {
		if now.Sub(t) >= ReachEvery || now.Before(t) {
			delete(p.reached, d)
		}
	}
	if len(p.hour) >= ReachHourly {
		return "", false
	}
	for _, d := range p.wanted {
		if _, asked := p.reached[d]; !asked {
			return d, true
		}
	}
	return "", false
}

// Flush hands out what is to be kept and has changed: that a probe, or a port, was good once.
func (p *Prober) Flush(put func(key string, value []byte)) {
	for name := range p.dirty {
		put(name, []byte("worked"))
	}
	clear(p.dirty)
}

// Load takes back what Flush gave.
func (p *Prober) Load(key string, value []byte) error {
	port, one := strings.CutPrefix(key, NameSMTP+"/")
	if one {
		_, err := netip.ParseAddrPort(port)
		one = err == nil && len(p.worked) < maxWorked
	}
	if key != NameDNS && key != NameSMTP && !one || string(value) != "worked" {
		return fmt.Errorf("load probe %q: not a record of a probe", key)
	}
	p.worked[key] = true
	return nil
}

// isDomain says whether a text is a host name in the letters that DNS has for
// one, so that it can be asked for and shown as it is.
func isDomain(s string) bool {
	if s == "" || len(s) > 200 {
		return false
	}
	for label := range strings.SplitSeq(s, ".") {
		if label == "" || len(label) > 63 {
			return false
		}
		for i := range len(label) {
			c := label[i]
			if (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9') && c != '-' && c != '_' {
				return false
			}
		}
	}
	return true
}

func text(err error) string {
	if err == nil {
		return ""
	}
	return clean(err.Error(), 200)
}

// clean makes what another said fit for one line.
func clean(s string, most int) string {
	s = strings.Map(func(r rune) rune {
		if r < ' ' || r >= 0x7f {
			return '?'
		}
		return r
	}, s)
	return s[:min(len(s), most)]
}
