package diagnose

import (
	"time"

	"github.com/mtawatch/mtawatch/internal/mta"
)

// synLeast is below which half-open connections are the ordinary lag of far
// clients.
const synLeast = 50

// synLag is that lag in seconds: so long is a handshake half open, on a busy
// host for that many clients at a time.
const synLag = 0.1

// synBacklogRule finds half-open connections that pile up: handshakes that
// clients began and never finish.
func synBacklogRule() Rule {
	return Rule{
		Codes: []mta.FindingCode{mta.FindingSYNBacklog},
		Judge: func(c *Case) []Candidate {
			var list []Candidate
			for _, p := range c.Ports {
				if k, ok := synBacklog(c, p); ok {
					list = append(list, k)
				}
			}
			return list
		},
	}
}

func synBacklog(c *Case, p *Port) (Candidate, bool) {
	g := p.States["syn-recv"]
	n, ok := g.Value()
	if !ok || n < synLeast {
		return Candidate{}, false
	}
	if _, opened, ok := p.Opened.Sum(20 * time.Second); ok && n <= synLag*opened/20 {
		return Candidate{}, false
	}
	up := g.Up()
	usual, known := middle(g)
	if known && (!up.Strange() && g.Range().LearnedFrom >= enoughPast || n <= 2*usual) {
		return Candidate{}, false
	}
	limit := valueOrZero(p.AcceptLimit)
	_, cookies, cookiesKnown := c.SYNCookies.Sum(time.Minute)
	near := limit > 0 && n >= 0.8*limit
	k := Candidate{Need: 20 * time.Second, Clear: 3 * time.Minute, Family: "syn|" + p.Instance + "|" + p.Port, Rank: RankGrowth}
	k.Code, k.Instance, k.Subject = mta.FindingSYNBacklog, p.Instance, "port "+p.Port
	k.Severity, k.Confidence = mta.SeverityInfo, 0.8
	if near || cookiesKnown && cookies > 0 {
		k.Severity, k.Confidence = mta.SeverityWarning, 0.9
	}
	if in := c.instance(p.Instance); in != nil && hindered(in) {
		k.Severity = mta.SeverityCritical
		k.Evidence = append(k.Evidence, arrivalsFell(in))
	}
	k.Since, k.Score = sinceOr(g.Since(up), c.Now), score(up)
	if !known {
		k.Since = c.Now
	}
	// A full accept queue leaves handshakes half open too; a flood of real connections fills that.
	k.DependsOn = []mta.FindingCode{mta.FindingAcceptQueueOverflow, mta.FindingProcessLimitReached, mta.FindingDispatcherDown}
	k.Title = amount(n) + " half-open connections to port " + p.Port
	k.Cause = "clients (often with forged addresses) begin the TCP handshake and never finish it: a SYN flood, or a path that loses our answers."
	text := amountOf(n, "connection") + " in SYN_RECEIVED"
	if limit > 0 {
		text += "; the backlog of the port is " + amount(limit)
	}
	k.Evidence = append(k.Evidence, reading(g, seriesOf("mta_inbound_connections", "instance", p.Instance, "port", p.Port, "state", "syn-recv"), text))
	synCookies(c, &k, cookies, cookiesKnown)
	if v, ok := p.AcceptQueue.Value(); ok && (limit == 0 || v < 0.5*limit) {
		k.RuledOut = append(k.RuledOut, "the accept queue has room ("+amount(v)+" wait): the mail server keeps up, and finished handshakes are accepted")
	}
	k.Explain = func(m *mta.Finding) {
		m.Advice = append(m.Advice, "see whether they come from few addresses: `ss -Htn state syn-recv '( sport = :"+p.Port+" )'`",
			"let the kernel use SYN cookies: `sysctl net.ipv4.tcp_syncookies` must be 1",
			"raise the room for half-open connections: `sysctl -w net.ipv4.tcp_max_syn_backlog=4096 net.core.somaxconn=4096`; the mail server asks for its own backlog when it starts, so restart it in a quiet hour",
			"if our answers get lost, look at the firewall and the route back: `tcpdump -ni any 'tcp port "+p.Port+" and tcp[tcpflags] & tcp-syn != 0'`")
		m.Avoid = append(m.Avoid, "do not block the addresses that you see: in a SYN flood they are forged, and you would shut out their owners")
	}
	return k, true
}

func synCookies(c *Case, k *Candidate, n float64, known bool) {
	switch {
	case known && n > 0:
		k.Evidence = append(k.Evidence, reading(c.SYNCookies, "mta_syncookies_sent_total", "the kernel answered "+amount(n)+" handshakes with SYN cookies in the last minute: honest clients still get in"))
	case known:
		k.RuledOut = append(k.RuledOut, "the kernel has not had to send SYN cookies: there is still room for new handshakes")
	}
}
