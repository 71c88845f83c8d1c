package world

import (
	"fmt"
	"time"
)

// Site is one remote site: a mail domain with one exchanger.
type Site struct {
	Name  string  // the domain is NAME.example, its host mx.NAME.example
	Share float64 // of the mail that goes out; 0: nobody writes there
	Manner
	Bounces bool // what is sent there comes back for good

	address string // of its host; "" when there is none
}

// Domain gives the site's mail domain.
func (s *Site) Domain() string { return s.Name + ".example" }

// Address gives the address of its host, "" when the site has none.
func (s *Site) Address() string { return s.address }

// Manner is how a site behaves. The zero value takes every message at once.
type Manner struct {
	Greet, Mail, Rcpt, Data, End string // replies in place of the usual ones

	Grey    time.Duration // Rcpt is the reply until a pair of sender and recipient is this old
	Slow    time.Duration // before each reply
	PerMin  int           // messages that are taken in one minute; then Rcpt is the reply
	Mute    bool          // takes connections and never says a word
	Drop    bool          // breaks off at DATA
	Deaf    bool          // never completes a connection: who connects waits in vain
	Closed  bool          // the port is closed: connections are refused
	Gone    bool          // no such domain (NXDOMAIN)
	Forward string        // what was taken goes on to the MTA, for the same user in this domain

	// A site with a cycle is so for the first Bad of each Cycle of the clock
	// only, and takes every message in the rest. Zero: always.
	Cycle, Bad time.Duration
}

// Now gives the manner at a moment: the cycle decides.
func (m Manner) Now(t time.Time) Manner {
	if m.Cycle > 0 && time.Duration(t.UnixNano())%m.Cycle >= m.Bad {
		return Manner{}
	}
	return m
}

// The replies of sites that refuse.
const (
	replyGrey     = "451 4.7.1 Greylisted, please try again in a minute"
	replyThrottle = "421 4.7.28 Our system has detected an unusual rate of mail from your address; please slow down"
	replyPolicy   = "550 5.7.1 Message refused by policy of this site"
	replySpam     = "554 5.7.1 Message rejected as spam by content scanning"
	replyFull     = "452 4.2.2 The mailbox is over its quota, please try again later"
	replyUnknown  = "550 5.1.1 User unknown"
)

// Sites gives the sites of an ordinary day. Five of them take all that comes;
// each of the others has one habit, and all of it together is a small part of
// the mail. Those that are out of order come back within the minute, so that
// the queue stays what it is.
func Sites() []Site {
	minute := func(m Manner) Manner {
		m.Cycle = time.Minute
		return m
	}
	list := []Site{
		{Name: "big", Share: 0.32}, {Name: "north", Share: 0.18}, {Name: "south", Share: 0.13},
		{Name: "east", Share: 0.08}, {Name: "west", Share: 0.06},
		{Name: "slow", Share: 0.05, Manner: Manner{Slow: 700 * time.Millisecond}},
		{Name: "grey", Share: 0.04, Manner: Manner{Rcpt: replyGrey, Grey: 20 * time.Second}},
		{Name: "throttle", Share: 0.03, Manner: minute(Manner{Rcpt: replyThrottle, Bad: 40 * time.Second})},
		{Name: "full", Share: 0.02, Manner: minute(Manner{Rcpt: replyFull, Bad: 40 * time.Second})},
		{Name: "closed", Share: 0.02, Manner: minute(Manner{Closed: true, Bad: 40 * time.Second})},
		{Name: "deaf", Share: 0.02, Manner: minute(Manner{Deaf: true, Bad: 40 * time.Second})},
		{Name: "silent", Share: 0.02, Manner: minute(Manner{Mute: true, Bad: 30 * time.Second})},
		{Name: "policy", Share: 0.01, Bounces: true, Manner: Manner{Rcpt: replyPolicy}},
		{Name: "spam", Share: 0.01, Bounces: true, Manner: Manner{End: replySpam}},
		{Name: "dead", Share: 0.01, Bounces: true, Manner: Manner{Gone: true}},

		// Nobody writes to these until a drill does.
		{Name: "fresh", Manner: Manner{Rcpt: replyGrey, Grey: 50 * time.Second}},
		{Name: "loop-a", Manner: Manner{Forward: "loop-b.example"}},
		{Name: "loop-b", Manner: Manner{Forward: "loop-a.example"}},
		{Name: "strict-a", Manner: Manner{End: replySpam}},
		{Name: "strict-b", Manner: Manner{Rcpt: replyPolicy}},
		{Name: "strict-c", Manner: Manner{Rcpt: replyUnknown}},
	}
	return Place(list)
}

// Place gives each site of a list an address, but those that are gone.
func Place(list []Site) []Site {
	for i := range list {
		if !list[i].Gone {
			list[i].address = fmt.Sprintf("127.20.0.%d", 10+i)
		}
	}
	return list
}
