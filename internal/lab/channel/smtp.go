package channel

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"time"

	"github.com/mtawatch/mtawatch/internal/lab/maillog"
	"github.com/mtawatch/mtawatch/internal/lab/queue"
)

const (
	maxUses   = 100             // messages over one connection
	idleLimit = 5 * time.Second // a connection is kept so long for more
)

// SMTP is the program tcp_smtp_client: it delivers to other sites.
func SMTP(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	return run(ctx, args, stdin, stdout, stderr, func(p *program) (func(), error) {
		c := newSMTPClient(p)
		p.deliver = c.deliver
		go c.reap()
		return c.end, nil
	})
}

// smtpClient keeps connections for the next message to the same destination.
type smtpClient struct {
	*program
	resolver *resolver
	ended    chan struct{}

	mu   sync.Mutex
	idle map[string][]*session // by domain
}

func newSMTPClient(p *program) *smtpClient {
	return &smtpClient{program: p, resolver: &resolver{server: p.site.Practice.NameServer}, ended: make(chan struct{}), idle: map[string][]*session{}}
}

// deliver tries each domain of the recipients.
func (c *smtpClient) deliver(ctx context.Context, a *attempt) []outcome {
	list := make([]outcome, len(a.Recipients))
	groups := map[string][]int{}
	var order []string
	for i, r := range a.Recipients {
		domain := strings.ToLower(r.Address[strings.LastIndexByte(r.Address, '@')+1:])
		if groups[domain] == nil {
			order = append(order, domain)
		}
		groups[domain] = append(groups[domain], i)
	}
	for _, domain := range order {
		c.deliverTo(ctx, a, domain, groups[domain], list)
	}
	return list
}

// deliverTo delivers to the recipients of one domain, over a connection that
// is there already or over a new one.
func (c *smtpClient) deliverTo(ctx context.Context, a *attempt, domain string, which []int, list []outcome) {
	for {
		s := c.take(domain)
		if s == nil {
			break
		}
		if c.transact(s, a, which, list) {
			return
		}
	}
	s, o := c.open(ctx, a, domain)
	if s == nil {
		for _, i := range which {
			list[i] = o
		}
		return
	}
	c.transact(s, a, which, list)
}

// open makes a connection to the first of a domain's hosts that has one for
// us, or tells why none has.
func (c *smtpClient) open(ctx context.Context, a *attempt, domain string) (*session, outcome) {
	fail := func(status, diagnostic, said, remote string) outcome {
		return outcome{kind: delayed, none: true, status: status, diagnostic: diagnostic, said: said, remote: remote}
	}
	hosts, err := c.resolver.lookup(ctx, domain)
	if err != nil {
		o := fail("4.4.3", err.Error(), err.Error(), "")
		var why *lookupError
		if errors.As(err, &why) {
			o.status = why.status
			if why.permanent {
				o.kind = failed
			}
		}
		return nil, o
	}
	var last outcome
	p := c.site.Practice
	for _, h := range hosts {
		s, err := dial(ctx, h, p.RemotePort, p.ConnectTimeout, p.ReplyTimeout)
		if err != nil {
			last = fail("4.4.1", err.Error(), err.Error(), "")
			c.connection(a.process, "Y", maillog.Transport("0.0.0.0", 0, h.addr.String(), p.RemotePort), application(domain, h), err.Error())
			continue
		}
		s.wanted, s.process = domain, a.process
		c.connection(s.process, "O", s.transport, application(domain, h), "")
		r, err := s.greet(p.Host)
		switch {
		case err != nil:
			last = fail("4.4.2", s.tail(err.Error()), err.Error(), "")
			c.shut(s, err.Error())
		case !r.ok():
			last = fail(r.status(), s.smtpTail(r), r.text, h.name)
			if r.permanent() {
				last.kind = failed
			}
			c.shut(s, r.text)
		default:
			return s, outcome{}
		}
	}
	return nil, last
}

func application(domain string, h host) string { return "SMTP/" + domain + "/" + h.name }

// connection writes a record of an outgoing connection.
func (c *smtpClient) connection(process, code, transport, app, why string) {
	if err := c.log.Write(&maillog.Record{Process: process, Source: c.channel, Dest: "-", Code: code, Transport: transport, Application: app, Diagnostic: why}); err != nil {
		c.complain("%v", err)
	}
}

// shut ends a session and logs it.
func (c *smtpClient) shut(s *session, why string) {
	s.quit()
	c.connection(s.process, "C", s.transport, application(s.wanted, s.host), why)
}

// transact sends the message over a session. False says that the session was
// of no use, before anything had been said about the message: it was used
// before and had ended meanwhile.
func (c *smtpClient) transact(s *session, a *attempt, which []int, list []outcome) bool {
	undecided, sent := make(map[int]bool, len(which)), false // sent: the whole text is out
	for _, i := range which {
		undecided[i] = true
	}
	decide := func(i int, r reply, k kind) {
		list[i] = outcome{kind: k, esmtp: s.esmtp, status: r.status(), diagnostic: s.smtpTail(r), said: r.text, remote: s.host.name, none: !sent, tells: s.dsn}
		delete(undecided, i)
	}
	decideAll := func(r reply) {
		for i := range undecided {
			decide(i, r, verdict(r))
		}
	}
	r, err := s.command("MAIL FROM", s.mailFrom(a.Message))
	if s.used > 0 && (err != nil || r.code == 421) {
		c.shut(s, "reused connection had ended")
		return false
	}
	s.used++
	if err == nil {
		if r.ok() {
			err = s.converse(a, which, &sent, decide, decideAll)
		} else {
			decideAll(r)
		}
	}
	if err != nil {
		for i := range undecided {
			list[i] = outcome{esmtp: s.esmtp, status: "4.4.2", diagnostic: s.tail(err.Error()), said: err.Error(), none: !sent}
		}
		c.shut(s, err.Error())
		return true
	}
	c.keep(s)
	return true
}

// converse goes on after MAIL FROM.
func (s *session) converse(a *attempt, which []int, sent *bool, decide func(int, reply, kind), decideAll func(reply)) error {
	accepted := 0
	for _, i := range which {
		r, err := s.command("RCPT TO", s.rcptTo(a.Recipients[i]))
		if err != nil {
			return err
		}
		if r.ok() {
			accepted++
			continue
		}
		decide(i, r, verdict(r))
		if r.code == 421 {
			decideAll(r)
			return nil
		}
	}
	if accepted == 0 {
		_, err := s.command("RSET", "RSET")
		return err
	}
	r, err := s.command("DATA", "DATA")
	if err != nil {
		return err
	}
	if r.code != 354 {
		if r.ok() { // neither go on nor no: nothing to build on
			return &ioError{"response to DATA", errReply}
		}
		decideAll(r)
		_, err := s.command("RSET", "RSET")
		return err
	}
	r, err = s.data(a.Content(), sent)
	if err != nil {
		return err
	}
	decideAll(r)
	return nil
}

func verdict(r reply) kind {
	switch {
	case r.ok():
		return delivered
	case r.permanent():
		return failed
	}
	return delayed
}

// mailFrom is the command, with what the other side understands: RFC 1870,
// 6152, 3461.
func (s *session) mailFrom(m *queue.Message) string {
	line := "MAIL FROM:<" + m.From + ">"
	if s.size {
		line += fmt.Sprintf(" SIZE=%d", m.Size())
	}
	if s.eightBit {
		line += " BODY=8BITMIME"
	}
	if s.dsn && m.Ret != "" {
		line += " RET=" + m.Ret
	}
	return line
}

func (s *session) rcptTo(r queue.Recipient) string {
	line := "RCPT TO:<" + r.Address + ">"
	if s.dsn && r.Notify != "" {
		line += " NOTIFY=" + r.Notify
	}
	if kind, address, ok := strings.Cut(r.Original, ";"); s.dsn && ok && kind == "rfc822" {
		line += " ORCPT=rfc822;" + xtext(address)
	}
	return line
}

// xtext is how an address stands in a parameter: RFC 3461, 4.
func xtext(s string) string {
	var b strings.Builder
	for i := range len(s) {
		if c := s[i]; c <= ' ' || c > '~' || c == '+' || c == '=' {
			fmt.Fprintf(&b, "+%02X", c)
		} else {
			b.WriteByte(c)
		}
	}
	return b.String()
}

// take gives a connection that is kept for a domain, the one used last.
func (c *smtpClient) take(domain string) *session {
	c.mu.Lock()
	defer c.mu.Unlock()
	list := c.idle[domain]
	if len(list) == 0 {
		return nil
	}
	s := list[len(list)-1]
	c.idle[domain] = list[:len(list)-1]
	return s
}

// keep puts a connection by for the next message, or ends one that has served.
func (c *smtpClient) keep(s *session) {
	if s.used >= maxUses {
		c.shut(s, "")
		return
	}
	s.idle = time.Now()
	c.mu.Lock()
	defer c.mu.Unlock()
	c.idle[s.wanted] = append(c.idle[s.wanted], s)
}

// reap ends connections that nobody needed for a while.
func (c *smtpClient) reap() {
	t := time.NewTicker(time.Second)
	defer t.Stop()
	for {
		select {
		case <-c.ended:
			return
		case <-t.C:
			c.shutIdle(time.Now().Add(-idleLimit))
		}
	}
}

// shutIdle ends the connections that are idle since before a time.
func (c *smtpClient) shutIdle(before time.Time) {
	var old []*session
	c.mu.Lock()
	for domain, list := range c.idle {
		n := 0
		for n < len(list) && list[n].idle.Before(before) {
			n++
		}
		old = append(old, list[:n]...)
		if n == len(list) {
			delete(c.idle, domain)
		} else {
			c.idle[domain] = append([]*session(nil), list[n:]...)
		}
	}
	c.mu.Unlock()
	for _, s := range old {
		c.shut(s, "")
	}
}

func (c *smtpClient) end() {
	close(c.ended)
	c.shutIdle(time.Now().Add(time.Hour))
}
