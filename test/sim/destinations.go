package sim

import (
	"fmt"
	"math"

	"github.com/mtawatch/mtawatch/internal/mta"
)

// destination is a domain to which mail goes, with its habits.
type destination struct {
	name  string
	local bool
	share float64 // of all mail

	latency float64 // seconds of an attempt
	grey    float64 // chance that the first attempt is put off
	unknown float64 // chance of no such user
	full    float64 // chance of a full mailbox
	busy    float64 // chance of "try later"
	gone    bool    // nobody answers there any more
	slots   int     // concurrent deliveries

	over *override // what an incident does to it in this step

	active  []cohort // taken by the queue manager, oldest first
	waiting []cohort // deferred
	trial   int64    // unix seconds: when the attempt on a dead site ends; 0: none runs
	dead    int64    // unix seconds: until then the site is left alone
	why     mta.Cause

	weight float64 // attempts, halved at each rebalance, for the place among the top
	shown  bool
	counts [mta.NumStatuses]int64
	series [mta.NumStatuses]*mta.Series
	rows   [numAges]*mta.Series
}

// override is what an incident does to a destination.
type override struct {
	site    mta.Cause // no session with it: connect-timeout, ...; CauseNone: sessions work
	cause   mta.Cause // what messages fail with
	share   float64   // of the messages that fail so
	bounces bool      // they fail for good
	first   bool      // only at the first attempt
	limit   float64   // messages a second that it takes; 0: as many as come
}

var providers = []string{"bigmail.example.net", "webmail.example.org", "post.example.net", "inbox.example.org", "mail.example.net",
	"letters.example.org", "telco.example.net", "campus.example.org", "shop.example.net", "city.example.org"}

// newcomer is a destination to which no mail goes until an incident sends some.
const newcomer = "newcomer.example.org"

// newcomerShare is how much that then is, of the host's rate.
const newcomerShare = 0.15

// numRemote is how many remote destinations a host has unless it is told.
const numRemote = 36

// makeDestinations draws the destinations of a host: the first is its own
// domain, the last is one where nobody has answered for years.
func makeDestinations(d dice, rate float64) []*destination {
	const local = 0.42
	gone := min(0.008, 0.0002/math.Sqrt(rate))
	list := []*destination{{name: "example.com", local: true, share: local, latency: 0.12, unknown: 0.0005, full: 0.001}}
	var total float64
	for i := range numRemote {
		total += 1 / math.Pow(float64(i+1), 1.15)
	}
	for i := range numRemote {
		x := &destination{
			share:   (1 - local - gone) / math.Pow(float64(i+1), 1.15) / total,
			latency: min(8, 0.6*d.lognormal(0.6)),
			unknown: 0.008 * d.lognormal(0.7),
			full:    0.0015 * d.lognormal(0.7),
			busy:    0.002 * d.lognormal(0.8),
		}
		if i < len(providers) {
			x.name = providers[i]
		} else {
			x.name = fmt.Sprintf("site%02d.example.org", i)
			if d.Float64() < 0.3 {
				x.grey = d.between(0.2, 0.6)
			}
		}
		list = append(list, x)
	}
	list = append(list, &destination{name: newcomer, latency: 0.8})
	return append(list, &destination{name: "formerly.example.net", share: gone, latency: 30, gone: true})
}

// namedDestinations gives steady destinations of the given names, with
// shares that fall slowly.
func namedDestinations(names []string) []*destination {
	var list []*destination
	var total float64
	for i := range names {
		total += 1 / float64(i+2)
	}
	for i, name := range names {
		list = append(list, &destination{name: name, share: 1 / float64(i+2) / total, latency: 0.3})
	}
	return list
}

// fate is how one attempt ended.
type fate struct {
	status  mta.Status
	cause   mta.Cause
	untried bool // put off without a try
}

// fates says how n first or later attempts of a cohort end, by chance. The
// destination answers; how is its habit or the incident's doing.
func (x *destination) fates(d dice, w *weather, c *cohort, n int, end func(k int, f fate)) {
	put := func(p float64, f fate) {
		if k := d.binomial(n, p); k > 0 {
			n -= k
			end(k, f)
		}
	}
	if o := x.over; o != nil && o.share > 0 && !(o.first && c.attempts > 0) {
		f := fate{status: mta.StatusDeferred, cause: o.cause}
		if o.bounces {
			f.status = mta.StatusBounced
		}
		before := n
		put(o.share, f)
		w.touch(int64(before - n))
	}
	switch {
	case c.flow == flowLoop:
		put(1.0/50, fate{status: mta.StatusBounced, cause: mta.CauseLoop})
	case c.flow == flowAbuse && c.attempts == 0:
		put(0.35, fate{status: mta.StatusBounced, cause: mta.CauseUnknownUser})
		put(0.25, fate{status: mta.StatusBounced, cause: mta.CauseBlocked})
		put(0.15, fate{status: mta.StatusBounced, cause: mta.CauseContent})
		put(0.08, fate{status: mta.StatusDeferred, cause: mta.CauseRateLimited})
	case c.cause == mta.CauseMailboxFull:
		put(0.85, fate{status: mta.StatusDeferred, cause: mta.CauseMailboxFull})
	case c.attempts == 0:
		put(x.grey, fate{status: mta.StatusDeferred, cause: mta.CauseGreylisted})
		put(x.unknown, fate{status: mta.StatusBounced, cause: mta.CauseUnknownUser})
		put(x.full, fate{status: mta.StatusDeferred, cause: mta.CauseMailboxFull})
	}
	put(x.busy, fate{status: mta.StatusDeferred, cause: mta.CauseRemoteUnavailable})
	if n > 0 {
		end(n, fate{status: mta.StatusSent, cause: mta.CauseNone})
	}
}

// site gives why no session with the destination can be had now; CauseNone when one can.
func (x *destination) site(w *weather) mta.Cause {
	switch {
	case x.over != nil && x.over.site != mta.CauseNone:
		return x.over.site
	case x.local:
		return mta.CauseNone
	case w.resolver:
		return mta.CauseDNSFailure
	case w.network != mta.CauseNone:
		return w.network
	case x.gone:
		return mta.CauseConnectTimeout
	}
	return mta.CauseNone
}

// trialTime is how long an attempt takes that ends in such a failure, in seconds.
func trialTime(c mta.Cause) int64 {
	switch c {
	case mta.CauseConnectTimeout:
		return 30 // smtp_connect_timeout
	case mta.CauseDNSFailure:
		return 10
	}
	return 0
}
