package diagnose

import (
	"net/netip"
	"strconv"
	"time"

	"github.com/mtawatch/mtawatch/internal/detect"
	"github.com/mtawatch/mtawatch/internal/mta"
)

// floodRule finds far more connections than usual: from one address, or
// from very many. Strangeness alone is info; it warns when connections wait
// or are refused, when servers are used up, or when less mail comes in.
func floodRule() Rule {
	return Rule{
		Codes: []mta.FindingCode{mta.FindingFloodOneSource, mta.FindingFloodManySources},
		Judge: func(c *Case) []Candidate {
			var list []Candidate
			for _, p := range c.Ports {
				if f, ok := readFlood(c, p); ok {
					list = append(list, f.candidate(c))
				}
			}
			return list
		},
	}
}

// flood is the reading of one port.
type flood struct {
	port    *Port
	rate    *detect.Signal // what is too much: connections a minute, or where that is unknown connections now
	rarity  detect.Rarity
	blatant bool // without history: enough by itself
	code    mta.FindingCode
	address netip.Addr // of the largest source; invalid when unknown
	top     float64    // its connections now
	total   float64    // all connections now
	sources float64    // distinct addresses; 0 unknown
	harm    harm
}

// The numbers below which no flood is told: a handful of connections
// carries no verdict.
const (
	floodRate    = 30              // connections a minute
	floodLevel   = 20              // connections at once
	floodTop     = 10              // connections of one address
	floodSources = 30              // distinct addresses
	blatantTop   = 200             // of one address, without history
	enoughPast   = 6 * time.Hour   // of history for a statistical verdict
	floodClear   = 3 * time.Minute // must be over for
)

func readFlood(c *Case, p *Port) (flood, bool) {
	f := flood{port: p}
	if !f.tooMany() && !f.tooManyAtOnce(c) {
		return f, false
	}
	now, known := connected(p)
	if !known || f.theyStay(now) {
		return f, false
	}
	f.total = now + valueOrZero(p.States["time-wait"])
	f.sources = valueOrZero(p.Sources)
	f.top = valueOrZero(p.TopSource)
	for _, s := range c.Sources {
		if c.SourcesKnown && (s.Port == 0 || strconv.Itoa(int(s.Port)) == p.Port) {
			// Sources leave out what has ended and is only remembered, of which the
			// top may consist: then this one may be another.
			if float64(s.Count) >= f.top/2 {
				f.address = s.Address
			}
			f.top = max(f.top, float64(s.Count))
			break
		}
	}
	if !f.classify() {
		return f, false
	}
	f.harm = portHarm(c, p)
	return f, true
}

// tooMany is the statistical verdict: strange, and more than twice what is usual.
func (f *flood) tooMany() bool {
	p := f.port
	f.rate, f.rarity = p.Opened, p.Opened.Up()
	if p.Opened == nil {
		f.rate, f.rarity = p.Current, p.Current.Up()
		now, ok := connected(p)
		usual, known := middle(p.Current)
		return ok && known && f.rarity.Strange() && f.past() && now >= floodLevel && now > 2*usual
	}
	times := 2.0
	switch {
	case !f.past():
		return false
	case f.rarity.Strange():
	case f.rarity.Noted() && (p.Sources.Up().Strange() || p.TopSource.Up().Strange()):
		times = 5 // little past: two readings together carry it
	case f.crowded() && p.TopSource.Up().Strange():
		times = 1.3 // a host that serves all it can is not opened more
	case f.crowded():
	default:
		return false
	}
	for _, d := range [...]time.Duration{time.Minute, 5 * time.Minute} {
		_, n, ok := p.Opened.Sum(d)
		usual, known := p.Opened.Expected(d)
		if ok && known && n >= floodRate*d.Minutes() && n > times*usual {
			return true
		}
	}
	return false
}

// theyStay reports whether nearly all that came beyond the usual in the last
// minute is still there: who holds connections is another matter (slow-loris, a leak).
func (f *flood) theyStay(now float64) bool {
	before, ok := f.port.Current.Ago(time.Minute)
	_, came, known := f.port.Opened.Sum(time.Minute)
	usual, _ := f.port.Opened.Expected(time.Minute)
	return ok && known && !f.blatant && now-before > 0.7*max(0, came-usual)
}

// crowded reports whether strangely many connections are open at once, or of
// one address, or more than are accepted in time.
func (f *flood) crowded() bool {
	p := f.port
	now, ok := connected(p)
	usual, known := middle(p.Current)
	if !ok || !known || now < floodLevel || now <= 4*usual {
		return false
	}
	limit := valueOrZero(p.AcceptLimit)
	return p.Current.Up().Strange() || p.TopSource.Up().Strange() || limit > 0 && valueOrZero(p.AcceptQueue) >= 0.8*limit
}

func (f *flood) past() bool { return f.rate.Range().LearnedFrom >= enoughPast }

// tooManyAtOnce is the verdict of a host that has not learned yet: only what
// no ordinary mail does.
func (f *flood) tooManyAtOnce(c *Case) bool {
	p := f.port
	if f.past() {
		return false
	}
	now, ok := connected(p)
	if !ok || now < floodLevel {
		return false
	}
	if _, n, known := p.Opened.Sum(time.Minute); known && n < floodRate {
		return false // they stay: who holds them is another matter
	}
	before, seen := typical(p.Current)
	f.rate, f.blatant = p.Current, true
	if top := valueOrZero(p.TopSource); top >= blatantTop && seen && now >= 10*before {
		return true
	}
	length, limit := valueOrZero(p.AcceptQueue), valueOrZero(p.AcceptLimit)
	if limit > 0 && length >= 0.8*limit && (!seen || now > 2*before) {
		return true
	}
	if in := c.instance(p.Instance); in != nil {
		if most, known := processLimit(c, in); known && valueOrZero(in.SMTPServers) >= 0.95*most {
			return !seen || now > 2*before
		}
	}
	return false
}

// classify tells one source from many by who brought what is too much.
func (f *flood) classify() bool {
	p := f.port
	usual, _ := middle(p.Current)
	usualTop, _ := middle(p.TopSource)
	own := f.top - usualTop
	// Those that are over may be among a source's own, or not.
	over := valueOrZero(p.States["time-wait"])
	if f.top >= floodTop && (own >= 0.5*max(f.total-usual, 1) || f.top <= f.total-over && own >= 0.5*(f.total-over)) {
		f.code = mta.FindingFloodOneSource
		return true
	}
	if f.sources < floodSources || f.top > 0.25*f.total {
		return false
	}
	usualSources, known := middle(p.Sources)
	if known && usual >= floodLevel && (f.total-over)*usualSources > 2*usual*f.sources {
		f.code = mta.FindingFloodManySources // each of them has more than usual
		return true
	}
	if f.blatant {
		before, seen := typical(p.Sources)
		known, usualSources = true, before
		if !seen {
			usualSources = 0
		}
	} else if !p.Sources.Up().Noted() {
		return false
	}
	f.code = mta.FindingFloodManySources
	return known && f.sources > 2*usualSources
}

func (f *flood) candidate(c *Case) Candidate {
	p := f.port
	k := Candidate{Need: 20 * time.Second, Clear: floodClear, Family: "flood|" + p.Instance + "|" + p.Port, Rank: RankGrowth}
	if f.blatant {
		k.Need, k.Rank = 8*time.Second, RankContradiction
	}
	k.Code, k.Instance, k.Severity = f.code, p.Instance, f.harm.worst
	k.Since = c.Now
	k.Score = score(f.rarity)
	if !f.blatant {
		k.Since = sinceOr(f.rate.Since(f.rarity), c.Now)
	}
	k.Confidence = 0.8
	if f.blatant {
		k.Confidence = 0.7
	}
	if f.code == mta.FindingFloodOneSource {
		f.oneSource(&k.Finding)
	} else {
		f.manySources(&k.Finding)
	}
	k.Evidence = append(k.Evidence, f.numbers()...)
	k.Evidence = append(k.Evidence, f.harm.evidence...)
	k.RuledOut = f.harm.unhurt
	k.Explain = func(m *mta.Finding) { f.explain(c, m) }
	return k
}

func (f *flood) perMinute() string {
	if n, ok := f.port.Opened.Value(); ok {
		return amountOf(n, "connection") + " a minute"
	}
	return amountOf(f.total, "connection") + " at once"
}

func (f *flood) oneSource(m *mta.Finding) {
	who := "one address"
	if f.address.IsValid() {
		who = f.address.String()
		m.Subject = who
	} else {
		m.Subject = "port " + f.port.Port
	}
	m.Title = who + " floods port " + f.port.Port + ": " + f.perMinute() + ", " + amount(f.top) + " of " + amount(f.total) + " connections are its own"
	m.Cause = "one client opens far more connections than everyone else together."
	if f.address.IsValid() {
		m.Cause = "one client (" + who + ") opens far more connections than everyone else together."
	}
	m.Evidence = append(m.Evidence, reading(f.port.TopSource, seriesOf("mta_inbound_top_source_connections", "instance", f.port.Instance, "port", f.port.Port),
		amountOf(f.top, "connection")+" now from "+who+", of "+amount(f.total)))
}

func (f *flood) manySources(m *mta.Finding) {
	m.Subject = "port " + f.port.Port
	m.Title = amount(f.sources) + " addresses flood port " + f.port.Port + ": " + f.perMinute() + ", none has more than " + percent(f.top/max(f.total, 1))
	m.Cause = "very many clients open connections at the same time: a botnet, or senders that answer to a forged campaign (backscatter)."
	m.Evidence = append(m.Evidence, reading(f.port.Sources, seriesOf("mta_inbound_sources", "instance", f.port.Instance, "port", f.port.Port),
		amount(f.sources)+" distinct addresses are connected; the largest has "+amountOf(f.top, "connection")))
}

// numbers are the counts that the verdict stands on.
func (f *flood) numbers() []mta.Evidence {
	p := f.port
	var list []mta.Evidence
	if n, ok := p.Opened.Value(); ok {
		list = append(list, reading(p.Opened, seriesOf("mta_inbound_closed_total", "instance", p.Instance, "port", p.Port),
			amountOf(n, "new connection")+" in the last minute to port "+p.Port))
	}
	if n, ok := connected(p); ok {
		list = append(list, reading(p.Current, seriesOf("mta_inbound_connections", "instance", p.Instance, "port", p.Port),
			amountOf(n, "connection")+" open now"))
	}
	return list
}

func (f *flood) explain(c *Case, m *mta.Finding) {
	p := f.port
	if texts := lines(c.Facts.Warnings(p.Instance, c.Now.Add(-10*time.Minute)), 3, aboutClients); len(texts) > 0 {
		m.Evidence = append(m.Evidence, mta.Evidence{Text: "the mail server limits clients already", Lines: texts})
	}
	m.Avoid = append(m.Avoid, "do not restart the mail server: the clients come back at once, and the sessions of honest senders are lost",
		"do not raise process limits before you know that memory and the content filter can carry it")
	if f.code == mta.FindingFloodOneSource {
		address := ""
		if f.address.IsValid() {
			address = f.address.String()
		}
		m.Advice = append(m.Advice, "see what it does: `mtawatch connections`, and its lines in the mail log; who it is: `whois "+orWord(address, "ADDRESS")+"`")
		m.Advice = append(m.Advice, blockAdvice(c, p.Instance, address)...)
		return
	}
	if net, n := crowdedNet(c, p.Port); n > 0 {
		m.Evidence = append(m.Evidence, fact(amount(float64(n))+" of the addresses that were looked at are in "+net.String()))
		m.Advice = append(m.Advice, "many of them are in "+net.String()+": block that network if it sends you no mail")
	}
	m.Advice = append(m.Advice, "see who they are: `mtawatch connections`; single blocks are useless against hundreds of addresses")
	switch software(c, p.Instance) {
	case "", "postfix":
		m.Advice = append(m.Advice, "let postscreen stand before smtpd with a blocklist (postscreen_dnsbl_sites), so that bots never reach a server process; Postfix's stress settings shorten the waiting: `postconf smtpd_timeout smtpd_hard_error_limit`")
	case "imta":
		m.Advice = append(m.Advice, "refuse by blocklist in PORT_ACCESS (dns_verify) before a server process is taken")
	default:
		m.Advice = append(m.Advice, "refuse by blocklist at connect, before anything dear is done, and shorten the SMTP timeouts")
	}
}

func orWord(s, otherwise string) string {
	if s == "" {
		return otherwise
	}
	return s
}

// aboutClients picks the warnings that clients earned.
func aboutClients(w *Warning) bool {
	return contains(w.Text, "limit exceeded", "rate limit", "too many connections", "too many errors")
}

// crowdedNet gives the network (/24, /48) in which at least a third of the
// known sources are, and how many of them.
func crowdedNet(c *Case, port string) (netip.Prefix, int) {
	count := make(map[netip.Prefix]int)
	all := 0
	var best netip.Prefix
	for _, s := range c.Sources {
		if s.Port != 0 && strconv.Itoa(int(s.Port)) != port {
			continue
		}
		bits := 24
		if s.Address.Is6() {
			bits = 48
		}
		net, err := s.Address.Prefix(bits)
		if err != nil {
			continue
		}
		all++
		if count[net]++; count[net] > count[best] {
			best = net
		}
	}
	if n := count[best]; n >= 10 && n*3 >= all {
		return best, n
	}
	return netip.Prefix{}, 0
}
