package sim

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/mtawatch/mtawatch/internal/mta"
)

// Kind is a kind of incident, or of harmless change.
type Kind string

// What goes wrong.
const (
	ControllerHangs      Kind = "controller-hangs"
	ControllerDead       Kind = "controller-dead"
	ControllerFlaps      Kind = "controller-flaps"
	DispatcherDead       Kind = "dispatcher-dead"
	DestinationTimesOut  Kind = "destination-times-out"
	DestinationRefuses   Kind = "destination-refuses"
	ProviderThrottles    Kind = "provider-throttles"
	Blocklisted          Kind = "blocklisted"
	DNSDead              Kind = "dns-dead"
	NetworkBroken        Kind = "network-broken"
	FloodFromOne         Kind = "flood-from-one"
	FloodFromMany        Kind = "flood-from-many"
	SlowLoris            Kind = "slow-loris"
	SYNBacklog           Kind = "syn-backlog"
	CloseWaitLeak        Kind = "close-wait-leak"
	AcceptQueueOverflows Kind = "accept-queue-overflows"
	DiskFills            Kind = "disk-fills"
	MailboxStoreFails    Kind = "mailbox-store-fails"
	SenderBurst          Kind = "sender-burst"
	MailLoop             Kind = "mail-loop"
	MailStops            Kind = "mail-stops"
	LogSilent            Kind = "log-silent"
	BounceSurge          Kind = "bounce-surge"
	SlowLeak             Kind = "slow-leak"
	MailHeld             Kind = "mail-held"
)

// What only looks wrong.
const (
	Newsletter Kind = "newsletter"
	Greylisted Kind = "greylisted"
	Holiday    Kind = "holiday"
	DST        Kind = "daylight-saving"
	ClockStep  Kind = "clock-step"
	Gap        Kind = "gap"
	LevelShift Kind = "level-shift"
	RetryWave  Kind = "retry-wave"
)

// Incident is one thing that happens to a host.
type Incident struct {
	Kind  Kind
	Begin time.Time
	End   time.Time
}

// Expectation is what judgement should say of a kind of incident.
type Expectation struct {
	Harmless  bool
	Tolerated int               // warnings that may come of a harmless change
	Codes     []mta.FindingCode // any of them is right
	Also      []mta.FindingCode // true of it as well, beside a right one
	Reasons   []mta.Cause       // any of them is right; none: not judged
}

// Kinds lists every kind, the harmless ones last.
func Kinds() []Kind {
	var list []Kind
	for i := range specs() {
		list = append(list, specs()[i].kind)
	}
	return list
}

// Expect says what judgement should say of it.
func (k Kind) Expect() Expectation {
	if s := specOf(k); s != nil {
		return s.expect
	}
	return Expectation{}
}

// spec is all about one kind.
type spec struct {
	kind    Kind
	expect  Expectation
	length  time.Duration // at least
	events  float64       // that it should touch, where the host's rate decides
	share   float64       // of the host's mail that it touches
	lasting bool          // it does not end
	stops   bool          // it keeps mail from coming
	apply   func(h *Host, i *incident)
}

func specOf(k Kind) *spec {
	list := specs()
	i := slices.IndexFunc(list, func(s spec) bool { return s.kind == k })
	if i < 0 {
		return &spec{kind: k}
	}
	return &list[i]
}

// longest is how long an incident waits at most for enough mail to show itself.
const longest = 10 * time.Hour

// Length is how long an incident of that kind lasts on a host of that rate, in
// messages a second: long enough that it can be noticed, if it ever can.
func (k Kind) Length(rate float64) time.Duration {
	s := specOf(k)
	if s.events == 0 || rate <= 0 {
		return s.length
	}
	need := time.Duration(s.events / (rate * max(s.share, 0.01)) * float64(time.Second))
	return max(s.length, min(need, longest)).Round(time.Minute)
}

// Plan spreads incidents of the given kinds over the time from a moment on,
// in an order that chance gives, with a rest of some hours after each. One
// DST incident, if asked for, lies around the last Sunday of October, and a
// level shift comes last. Plan gives the end of the rest after the last.
func Plan(seed uint64, rate float64, from time.Time, kinds []Kind) ([]Incident, time.Time) {
	d := newDice(seed ^ 0x706c616e)
	order := slices.Clone(kinds)
	d.Shuffle(len(order), func(i, j int) { order[i], order[j] = order[j], order[i] })
	var list []Incident
	quiet := false
	var change Incident
	if slices.Contains(order, DST) {
		quiet = true
		y, _, _ := from.Date()
		night := lastSunday(y, from.Location())
		if night.Before(from) {
			night = lastSunday(y+1, from.Location())
		}
		change = Incident{DST, night, night.Add(26 * time.Hour)}
		list = append(list, change)
	}
	at := from
	shift := false
	for _, k := range order {
		switch k {
		case DST:
			continue
		case LevelShift:
			shift = true
			continue
		}
		begin := at.Add(time.Duration(d.between(0.5, 1.5) * float64(time.Hour))).Truncate(10 * time.Second)
		length := k.Length(rate)
		if k == Holiday {
			y, m, day := begin.Date()
			begin = time.Date(y, m, day+1, 0, 0, 0, 0, from.Location())
			for begin.Weekday() == time.Saturday || begin.Weekday() == time.Sunday || begin.Weekday() == time.Monday {
				begin = begin.AddDate(0, 0, 1)
			}
			length = 24 * time.Hour
		}
		if quiet && begin.Before(change.End) && begin.Add(length+2*time.Hour).After(change.Begin) {
			begin = change.End.Add(time.Hour)
		}
		list = append(list, Incident{k, begin, begin.Add(length)})
		at = begin.Add(length + 2*time.Hour)
	}
	if quiet && at.Before(change.End) {
		at = change.End
	}
	if shift {
		list = append(list, Incident{LevelShift, at.Add(time.Hour), at.Add(48 * time.Hour)})
		at = at.Add(48 * time.Hour)
	}
	slices.SortFunc(list, func(a, b Incident) int { return a.Begin.Compare(b.Begin) })
	return list, at
}

// lastSunday gives the beginning of the last Sunday of October.
func lastSunday(year int, loc *time.Location) time.Time {
	t := time.Date(year, 10, 31, 0, 0, 0, 0, loc)
	return t.AddDate(0, 0, -int(t.Weekday()))
}

// ParseKinds reads names of kinds, separated by commas; "" is all of them.
func ParseKinds(text string) ([]Kind, error) {
	all := Kinds()
	if text == "" {
		return all, nil
	}
	var list []Kind
	for name := range strings.SplitSeq(text, ",") {
		if !slices.Contains(all, Kind(name)) {
			return nil, fmt.Errorf("read kinds of incident: %q is none; there are %s", name, fmt.Sprint(all))
		}
		list = append(list, Kind(name))
	}
	return list, nil
}

// Spread places incidents of the given kinds evenly between two moments, in
// an order that chance gives. None is longer than three quarters of its share
// of the time.
func Spread(seed uint64, rate float64, from, to time.Time, kinds []Kind) []Incident {
	d := newDice(seed ^ 0x706c616e)
	order := slices.Clone(kinds)
	d.Shuffle(len(order), func(i, j int) { order[i], order[j] = order[j], order[i] })
	var list []Incident
	for i, k := range order {
		share := to.Sub(from) / time.Duration(len(order))
		length := min(k.Length(rate), share*3/4)
		begin := from.Add(time.Duration(i)*share + time.Duration(d.Float64()*float64(share-length)*0.7)).Truncate(10 * time.Second)
		list = append(list, Incident{k, begin, begin.Add(length)})
	}
	return list
}
