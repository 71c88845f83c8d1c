package diagnose

import (
	"cmp"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/mtawatch/mtawatch/internal/detect"
	"github.com/mtawatch/mtawatch/internal/mta"
)

// failing is one destination that fails far beyond its own habit.
type failing struct {
	dest     *Destination
	window   time.Duration // in which that shows
	failed   float64
	attempts float64
	usual    float64 // its own share of failures
	known    bool    // that is known
	rarity   detect.Rarity
	blatant  bool // seen without the help of statistics: all of several attempts failed
	short    bool // nothing but failures for a short time
	cause    mta.Cause
	said     []Failure // what was answered, most first; nil where only series are known
}

func (f *failing) share() float64 { return f.failed / max(1, f.attempts) }

// excess is how many attempts failed beyond the usual ones.
func (f *failing) excess() float64 { return max(1, f.failed-f.usual*f.attempts) }

// name is what people call it.
func (f *failing) name() string {
	if f.dest.Name == otherDestinations {
		return "many small destinations"
	}
	return f.dest.Name
}

// otherDestinations is the destination that stands for all without a series of their own.
const otherDestinations = "other"

// The least that carries a verdict on a destination: so many attempts in the
// window, and so much more failing than is usual there. The shortest window
// sees an outage on a busy host before it fills the longer ones.
var failingLimits = [...]struct {
	window   time.Duration
	attempts float64
	beyond   float64
}{{5 * time.Minute, 5, 0.25}, {30 * time.Minute, 10, 0.25}, {time.Minute, 5, 0.6}}

// failingDestinations gives the destinations that fail beyond their habit,
// with the cause of each, most failures first.
func failingDestinations(c *Case, in *Instance) []failing {
	var list []failing
	for _, d := range in.Destinations {
		if f, ok := brokeOff(in, d); ok {
			list = append(list, f)
		} else if f, ok := failsNow(in, d); ok {
			list = append(list, f)
		}
	}
	if len(list) == 0 {
		return nil
	}
	slices.SortStableFunc(list, func(a, b failing) int { return cmp.Compare(b.excess(), a.excess()) })
	nameCauses(c, in, list)
	// A few dead addresses in a row are no outage: that needs the longer windows.
	kept := list[:0]
	for _, f := range list {
		if f.short && troubleOf(f.cause) == troubleRecipient {
			long, ok := failsNow(in, f.dest)
			if !ok {
				continue
			}
			long.cause, long.said = f.cause, f.said
			f = long
		}
		kept = append(kept, f)
	}
	return kept
}

// failsNow judges one destination over minutes.
func failsNow(in *Instance, d *Destination) (failing, bool) {
	f := failing{dest: d, rarity: d.Ratio.Up()}
	if recovered(d) {
		return f, false
	}
	for _, l := range failingLimits {
		k, n, ok := d.Ratio.Sum(l.window)
		if !ok || n < l.attempts {
			continue
		}
		f.window, f.failed, f.attempts = l.window, k, n
		f.usual, f.known = d.Ratio.Expected(l.window)
		if !f.lasts() || !f.hurts(in) {
			continue
		}
		if f.share() >= f.usual+l.beyond && f.rarity.Strange() && f.carries() {
			return f, true
		}
		if l.window > time.Minute && f.allFailed(in) {
			f.blatant = true
			return f, true
		}
	}
	return f, false
}

// lasts reports whether what a long window shows still goes on.
func (f *failing) lasts() bool {
	if f.window <= 5*time.Minute {
		return true
	}
	k, n, ok := f.dest.Ratio.Sum(5 * time.Minute)
	return ok && k >= 1 && (k == n || n >= 3 && k >= (f.usual+0.15)*n)
}

// carries reports whether the numbers of the window carry the verdict by
// themselves: two of five are no outage where the long run is a little worse.
func (f *failing) carries() bool {
	n := f.attempts
	far := math.Asin(math.Sqrt((f.failed+0.375)/(n+0.75))) - math.Asin(math.Sqrt(f.usual))
	return 2*math.Sqrt(n+0.5)*far/math.Sqrt(1+0.02*(n-1)) >= 4.5
}

// hurts reports whether less mail gets through than should by now. Old
// undeliverable mail is tried again in waves, and fails beside what succeeds as ever.
func (f *failing) hurts(in *Instance) bool {
	d := f.window
	want, known := f.dest.Attempts.Expected(d)
	if d < 5*time.Minute && (want < 6 || f.dest.Name == otherDestinations) {
		d = 5 * time.Minute
		want, _ = f.dest.Attempts.Expected(d)
	}
	k, n, ok := f.dest.Ratio.Sum(d)
	if !ok || !known || learnedLittle(f.dest.Attempts) {
		return f.dest.Name != otherDestinations || f.share() >= 0.95
	}
	want *= 1 - f.usual
	if came, usual := arrivalsAround(in, d); usual >= 5 {
		if came < 0.3*usual {
			return false // hardly any mail comes in: what is tried is old
		}
		want *= min(20, came/usual)
	}
	part := 0.85
	if f.dest.Name == otherDestinations { // many habits in one
		part = 0.6
	}
	if want < 5 {
		return f.dest.Name != otherDestinations
	}
	// A wave of retries beside a few messages fewer than usual is none.
	beyond := 1.5
	if f.dest.Name == otherDestinations {
		beyond = 2.5
	}
	return n-k <= part*want && want-(n-k) >= beyond*math.Sqrt(want)
}

// arrivalsAround gives what came in and what usually does, in d where that
// tells enough, else in five minutes.
func arrivalsAround(in *Instance, d time.Duration) (came, usual float64) {
	if n, want, ok := arrivalsIn(in, d); ok && want >= 20 {
		return n, want
	}
	n, want, ok := arrivalsNow(in, d)
	if !ok {
		return 0, 0
	}
	return n, want
}

// brokeOff is the verdict of a short time: in each third of it mail was
// tried, and all of it failed where little does. The shorter the time, the
// longer it must hold.
func brokeOff(in *Instance, dest *Destination) (failing, bool) {
	f := failing{dest: dest, rarity: dest.Ratio.Up(), short: true, known: true}
	usual, known := dest.Ratio.Expected(5 * time.Minute)
	if !known || usual > 0.2 || learnedLittle(dest.Ratio) {
		return f, false
	}
	least := max(6, math.Ceil(-7/math.Log10(usual+0.05))) // so many by chance are less than one in ten million
	for _, d := range [...]time.Duration{30 * time.Second, 45 * time.Second, time.Minute, 2 * time.Minute} {
		k, n, ok := dest.Ratio.Sum(d)
		want, _ := dest.Attempts.Expected(d)
		if want*(1-usual) < 3 || dest.Name == otherDestinations {
			continue // that nothing gets through says little
		}
		if came, usual := arrivalsAround(in, d); usual >= 5 && came < 0.3*usual {
			continue
		}
		if ok && n >= least && k >= 0.95*n && eachThird(dest.Failed, d) {
			f.window, f.failed, f.attempts, f.usual = d, k, n, usual
			return f, true
		}
	}
	return f, false
}

// eachThird reports whether a Count had events in each third of d.
func eachThird(g *detect.Signal, d time.Duration) bool {
	before := 0.0
	for part := d / 3; part <= d; part += d / 3 {
		n := total(g, part)
		if n < before+0.5 {
			return false
		}
		before = n
	}
	return true
}

// recovered reports whether a destination takes mail again, whatever the
// last half hour was like.
func recovered(d *Destination) bool {
	k, n, ok := d.Ratio.Sum(2 * time.Minute)
	usual, _ := d.Ratio.Expected(5 * time.Minute)
	return ok && n >= 10 && k < (usual+0.1)*n
}

// allFailed is the verdict for which the numbers are too small, or the past
// too short: nothing but failures, in several minutes, where they are not the habit.
// One message with many recipients is not enough.
func (f *failing) allFailed(in *Instance) bool {
	if f.share() < 0.95 || f.known && f.usual > 0.4 || !f.carries() {
		return false
	}
	least := 6.0 // powers of ten; shorter windows are looked at more often
	if f.window > 5*time.Minute {
		least = 4
	}
	if f.known && f.attempts*-math.Log10(f.usual+0.05) < least {
		return false // so many in a row by chance: on a large host that happens
	}
	minutes := 2
	if !f.known || learnedLittle(in.FailureRatio) {
		if f.attempts < 10 {
			return false
		}
		minutes = 3
	}
	return minutesWith(f.dest.Failed, f.window, minutes) >= minutes
}

// minutesWith counts the minutes of the last d in which a Count had events,
// up to a number that is enough.
func minutesWith(g *detect.Signal, d time.Duration, enough int) int {
	found := 0
	before := 0.0
	for m := time.Minute; m <= d && found < enough; m += time.Minute {
		n := total(g, m)
		if n > before+0.5 {
			found++
		}
		before = n
	}
	return found
}

// need is how long the verdict must hold.
func (f *failing) need() time.Duration {
	switch {
	case f.short && f.window < 45*time.Second:
		return 12 * time.Second
	case f.short:
		return 0
	}
	if f.window > 5*time.Minute || f.blatant {
		return time.Minute
	}
	return 25 * time.Second
}

// since is when the trouble of the destination began.
func (f *failing) since(c *Case) time.Time {
	if f.short {
		d := f.window
		for d < time.Hour {
			k, n, ok := f.dest.Ratio.Sum(d + 10*time.Second)
			if !ok || k < 0.95*n {
				break
			}
			d += 10 * time.Second
		}
		return c.Now.Add(-d)
	}
	if t := f.dest.Ratio.Since(f.rarity); !t.IsZero() {
		return sinceOr(t, c.Now)
	}
	first := c.Now
	for i := range f.said {
		if t := f.said[i].First; !t.IsZero() && t.Before(first) && c.Now.Sub(t) < 3*time.Hour {
			first = t
		}
	}
	if first.Equal(c.Now) {
		return c.Now.Add(-f.window)
	}
	return first
}

// nameCauses gives each destination the cause of its failures: what was
// answered there; or, from series alone, what grew most on the whole
// instance and is not yet explained by a larger one.
func nameCauses(c *Case, in *Instance, list []failing) {
	said := c.Facts.Failures(in.Name, c.Now.Add(-longestWindow(list)))
	rests := make(map[time.Duration]*[mta.NumCauses]float64) // not yet explained, by window
	shown := make(map[string]bool, len(in.Destinations))
	for _, d := range in.Destinations {
		shown[d.Name] = true
	}
	for i := range list {
		f := &list[i]
		for j := range said {
			if s := &said[j]; s.Destination == f.dest.Name || f.dest.Name == otherDestinations && !shown[s.Destination] {
				f.said = append(f.said, *s)
			}
		}
		if f.cause = saidCause(f); f.cause != mta.CauseNone {
			continue
		}
		if rests[f.window] == nil {
			rests[f.window] = grownCauses(in, f.window)
		}
		f.cause = takeCause(rests[f.window], f)
	}
}

func longestWindow(list []failing) time.Duration {
	w := 5 * time.Minute
	for i := range list {
		w = max(w, list[i].window)
	}
	return w
}

// grownCauses gives by how much each cause has grown on the instance.
func grownCauses(in *Instance, d time.Duration) *[mta.NumCauses]float64 {
	var g [mta.NumCauses]float64
	for c := range mta.NumCauses {
		g[c] = grown(in.Causes[c], d)
	}
	return &g
}

// takeCause gives the cause that grew most, of those that fit how the
// destination's mail fails, and takes from it what that explains.
func takeCause(rest *[mta.NumCauses]float64, f *failing) mta.Cause {
	best, excess := mta.CauseNone, f.excess()
	for c := mta.CauseNone + 1; c < mta.NumCauses; c++ {
		if c != mta.CauseSuspended && f.fits(c) && rest[c] > rest[best] {
			best = c
		}
	}
	if rest[best] < 0.5*excess && rest[mta.CauseSuspended] > rest[best] && f.fits(mta.CauseSuspended) {
		best = mta.CauseSuspended
	}
	if best == mta.CauseNone {
		return mta.CauseOther
	}
	rest[best] -= min(rest[best], excess)
	return best
}

// fits reports whether a cause may be that of the destination's failures:
// what is put off is not for unknown users, and what cannot be reached is put off.
func (f *failing) fits(c mta.Cause) bool {
	deferred, bounced := total(f.dest.Deferred, f.window), total(f.dest.Bounced, f.window)
	switch c {
	case mta.CauseUnknownUser, mta.CauseNoSuchDomain, mta.CauseMailboxDisabled, mta.CauseTooBig:
		return bounced >= deferred
	case mta.CauseDNSFailure, mta.CauseConnectTimeout, mta.CauseConnectRefused, mta.CauseUnreachable, mta.CauseConnectionLost, mta.CauseReplyTimeout,
		mta.CauseRateLimited, mta.CauseGreylisted, mta.CauseRemoteUnavailable, mta.CauseMailboxBusy, mta.CauseSuspended:
		return deferred >= bounced
	}
	return true
}

// saidCause gives the cause that was answered most, of the kind that was
// answered most. What the destination usually answers to single recipients
// does not count.
func saidCause(f *failing) mta.Cause {
	var of [numTroubles]float64
	var by [mta.NumCauses]float64
	for i := range f.said {
		s := &f.said[i]
		by[causeOf(s)] += float64(s.Count)
	}
	ordinary := f.usual * f.attempts
	for c, n := range by {
		if mta.Cause(c).Scope() == mta.ScopeRecipient {
			n = max(0, n-ordinary)
		}
		of[troubleOf(mta.Cause(c))] += n
	}
	kind := trouble(0)
	for t := range of {
		if of[t] > of[kind] {
			kind = trouble(t)
		}
	}
	best := mta.CauseNone
	for c, n := range by {
		if n > by[best] && troubleOf(mta.Cause(c)) == kind {
			best = mta.Cause(c)
		}
	}
	return best
}

// causeOf is the cause of a failure. A refusal by our own mailbox store or
// filter is ours, not the destination's.
func causeOf(f *Failure) mta.Cause {
	switch troubleOf(f.Cause) {
	case troubleTiming, troubleRefusing:
		if ownService(f) {
			return mta.CauseLocalResource
		}
	case troubleRecipient:
		if f.Cause == mta.CauseMailboxBusy && ownStore(f.Destination) {
			return mta.CauseLocalResource
		}
	}
	return f.Cause
}

// ownService reports whether the failure is of a service of this host: a
// unix socket, a loopback address. Further out than 127.0 loopback is where
// practice has its remote sites.
func ownService(f *Failure) bool {
	if ownStore(f.Destination) {
		return true
	}
	for _, s := range [...]string{f.Relay, f.Reply} {
		if contains(s, "[private/", "[/", "[127.0.0.1]", "[::1]", "unix:") {
			return true
		}
	}
	return strings.HasPrefix(f.Relay, "/") || strings.HasPrefix(f.Relay, "private/") || strings.HasPrefix(f.Relay, "127.0.")
}

// ownStore reports whether a destination is a channel to this host's own
// mailbox store, as the Messaging Server writes it: user@ims-ms-daemon.
func ownStore(destination string) bool {
	return strings.HasSuffix(destination, "-daemon") && !strings.Contains(destination, ".")
}

// trouble is what kind of finding a cause leads to.
type trouble uint8

const (
	troubleNone      trouble = iota // none of its own: a habit of mail
	troubleTiming                   // no answer
	troubleRefusing                 // no, for a reason of theirs
	troubleThrottled                // too much
	troubleBlocked                  // we, or what we send, are not wanted
	troubleRecipient                // single addresses
	troubleOwn                      // our own store, disk, filter
	troubleLoop
	numTroubles
)

// troubleOf sorts the causes.
func troubleOf(c mta.Cause) trouble {
	switch c {
	case mta.CauseNone, mta.CauseGreylisted:
		return troubleNone
	case mta.CauseConnectTimeout, mta.CauseReplyTimeout, mta.CauseConnectionLost, mta.CauseUnreachable, mta.CauseDNSFailure:
		return troubleTiming
	case mta.CauseRateLimited:
		return troubleThrottled
	case mta.CauseBlocked:
		return troubleBlocked
	case mta.CauseUnknownUser, mta.CauseMailboxFull, mta.CauseMailboxDisabled, mta.CauseMailboxBusy, mta.CauseTooBig:
		return troubleRecipient
	case mta.CauseLocalResource:
		return troubleOwn
	case mta.CauseLoop:
		return troubleLoop
	}
	return troubleRefusing
}
