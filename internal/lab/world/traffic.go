package world

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"net/netip"
	"strings"
	"sync"
	"time"
)

// Kind is where a letter comes from and goes to.
type Kind int

// The kinds of letter.
const (
	Inbound  Kind = iota // from elsewhere to a user here
	Outbound             // from a user here to elsewhere
	Local                // from a user here to another
	Stray                // from elsewhere to a user that is not here, or to elsewhere: refused
)

// Shares of the kinds in ordinary mail.
const (
	ShareInbound  = 0.50
	ShareOutbound = 0.35
	ShareLocal    = 0.13
	ShareStray    = 1 - ShareInbound - ShareOutbound - ShareLocal
)

// ShareUnknown is the share of outbound letters to users that no site knows.
const ShareUnknown = 0.015

// MeanSize is about what a letter's body has in the mean, bytes.
const MeanSize = 4500

const (
	outsideHosts = 60 // addresses that mail comes from
	insideHosts  = 24 // addresses of users here
	maxSessions  = 60 // at once; what would be more is not sent
)

// Day gives how much mail there is at a moment, 1 in the mean of a week:
// little at night, most before noon and in the afternoon, less on weekends.
func Day(t time.Time) float64 {
	h := float64(t.Hour()) + float64(t.Minute())/60 + float64(t.Second())/3600
	bump := func(at, width float64) float64 { return math.Exp(-(h - at) * (h - at) / (2 * width * width)) }
	work := 1.0
	if d := t.Weekday(); d == time.Saturday || d == time.Sunday {
		work = 0.55
	}
	return dayScale * (0.45 + work*(1.0*bump(10.5, 2.2)+0.9*bump(15.2, 2.6)+0.35*bump(20, 2)))
}

// dayScale makes the mean of Day over a week 1.
const dayScale = 1.0806

// Flat is a Day without hours: every moment is alike.
func Flat(time.Time) float64 { return 1 }

// draw makes one ordinary letter and the client that sends it. What is drawn
// knows nothing of the time.
func (w *World) draw(r *rand.Rand) (Kind, Client, Letter) {
	l := Letter{Size: int(r.ExpFloat64()*3000) + 1500}
	x := r.Float64()
	switch {
	case x < ShareInbound:
		l.From, l.To = w.stranger(r), []string{w.user(r)}
		return Inbound, outside(r), l
	case x < ShareInbound+ShareOutbound:
		u := w.account(r)
		l.From, l.To = u.Name+"@"+w.cfg.Domain, []string{w.correspondent(r)}
		return Outbound, w.inside(r, u), l
	case x < ShareInbound+ShareOutbound+ShareLocal:
		u := w.account(r)
		l.From, l.To = u.Name+"@"+w.cfg.Domain, []string{w.user(r)}
		return Local, w.inside(r, u), l
	}
	l.From, l.To = w.stranger(r), []string{"nosuch" + fmt.Sprint(r.IntN(50)) + "@" + w.cfg.Domain}
	if r.IntN(4) == 0 {
		l.To = []string{w.correspondent(r)} // whoever may relay here is tried out now and then
	}
	return Stray, outside(r), l
}

func (w *World) account(r *rand.Rand) *User { return &w.cfg.Users[r.IntN(len(w.cfg.Users))] }

func (w *World) user(r *rand.Rand) string { return w.account(r).Name + "@" + w.cfg.Domain }

// stranger gives a sender elsewhere: only at sites that take mail, where a
// notification would go.
func (w *World) stranger(r *rand.Rand) string {
	return fmt.Sprintf("user%d@%s.example", r.IntN(300), [...]string{"big", "big", "north", "south", "east"}[r.IntN(5)])
}

// correspondent gives a recipient elsewhere, by the shares of the sites.
func (w *World) correspondent(r *rand.Rand) string {
	name := PickSite(w.cfg.Sites, r.Float64()).Domain()
	user := fmt.Sprintf("user%d", r.IntN(300))
	if r.Float64() < ShareUnknown {
		user = unknownUser + user
	}
	return user + "@" + name
}

// PickSite gives the site that a number of [0, 1) falls to.
func PickSite(sites []Site, x float64) *Site {
	for i := range sites {
		if x -= sites[i].Share; x < 0 {
			return &sites[i]
		}
	}
	return &sites[0]
}

func outside(r *rand.Rand) Client {
	n := r.IntN(outsideHosts)
	return Client{Source: fmt.Sprintf("127.10.%d.%d", n/20, 10+n%20), Helo: fmt.Sprintf("out%d.example", n)}
}

func (w *World) inside(r *rand.Rand, u *User) Client {
	n := r.IntN(insideHosts)
	c := Client{Source: fmt.Sprintf("127.0.1.%d", 10+n), Helo: fmt.Sprintf("pc%d.%s", n, w.cfg.Domain)}
	if w.cfg.Submission != "" && r.IntN(3) > 0 {
		c.Submit, c.User = true, u
	}
	return c
}

// forwarder is whose account a forwarding mailbox sends by.
func (w *World) forwarder() *User { return &w.cfg.Users[0] }

// clientName gives the name of an address that mail comes from.
func (w *World) clientName(a netip.Addr) (string, bool) {
	b := a.As4()
	switch {
	case b[0] != 127:
		return "", false
	case b[1] == 0 && b[2] == 1:
		return fmt.Sprintf("pc%d.%s.", int(b[3])-10, w.cfg.Domain), true
	case b[1] == 10 && b[2] < 10:
		return fmt.Sprintf("out%d.example.", int(b[2])*20+int(b[3])-10), true
	case b[1] == 20:
		for i := range w.cfg.Sites {
			if w.cfg.Sites[i].address == a.String() {
				return "mx." + w.cfg.Sites[i].Domain() + ".", true
			}
		}
	}
	return "", false
}

// Sent counts what senders did.
type Sent struct {
	Accepted int // letters that the MTA took
	Refused  int // letters that it did not
	Lost     int // connections that broke or were refused
}

// traffic sends ordinary mail until ctx ends: each session by a connection of
// its own, at moments that know nothing of each other.
func (w *World) traffic(ctx context.Context) error {
	r := rand.New(rand.NewPCG(uint64(time.Now().UnixNano()), 1))
	var wg sync.WaitGroup
	defer wg.Wait()
	for slots := make(chan struct{}, maxSessions); ; {
		rate := w.Rate(time.Now())
		if rate <= 0 {
			pause(ctx, time.Second)
		} else {
			pause(ctx, time.Duration(r.ExpFloat64()/rate*float64(time.Second)))
		}
		if ctx.Err() != nil {
			return nil
		}
		if rate <= 0 {
			continue
		}
		_, c, l := w.draw(r)
		think := time.Duration(min(r.ExpFloat64()*thinkTime.Seconds(), 5) * float64(time.Second))
		select { // no more clients than that wait for a server that hangs
		case slots <- struct{}{}:
		default:
			continue
		}
		wg.Go(func() {
			defer func() { <-slots }()
			w.Deliver(ctx, c, l, think)
		})
	}
}

// thinkTime is for how long a client stays connected after its letter, in the
// mean.
const thinkTime = 1200 * time.Millisecond

// Deliver sends one letter by a session of its own and counts how it went.
func (w *World) Deliver(ctx context.Context, c Client, l Letter, think time.Duration) {
	s, err := w.Dial(ctx, c)
	if err != nil {
		w.count(func(n *Sent) { n.Lost++ })
		return
	}
	stop := context.AfterFunc(ctx, s.Close)
	defer stop()
	switch err := s.Send(l); err.(type) {
	case nil:
		w.count(func(n *Sent) { n.Accepted++ })
	case Refusal:
		w.count(func(n *Sent) { n.Refused++ })
	default:
		w.count(func(n *Sent) { n.Lost++ })
		s.Close()
		return
	}
	pause(ctx, think)
	s.Quit()
}

// Domain gives the domain of an address.
func Domain(address string) string {
	_, d, _ := strings.Cut(address, "@")
	return d
}
