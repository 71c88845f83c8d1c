package baseline

import (
	"cmp"
	"math"
	"slices"
)

// Expectation is what is normal in one hour.
type Expectation struct {
	Middle float64 // a level; events an hour; a share
	Low    float64 // a cautious one: the lower quartile of the like hours
	Neff   float64 // how much is known: the likeness of the same hours of past days, added up
	Tau2   float64 // variance of one hour from a like hour of another day, log scale; 0: not learned
	Shape  float64 // variance for not knowing when between two hours of different level the change comes
	OK     bool
}

// tau is the spread of one hour from a like hour of another day, on the log
// scale, with the weight of tauWeight hours against what the series itself
// shows; maxVariance is what is granted when no like hour is known.
const (
	tau         = 0.35
	tauWeight   = 5
	maxVariance = 0.36
	edge        = 0.2 // of a jump between two hours, on the log scale, is in doubt
)

// Variance is that of the expectation itself, on the log scale.
func (e Expectation) Variance() float64 {
	t2 := e.Tau2
	if t2 == 0 {
		t2 = tau * tau
	}
	if e.Neff <= t2/maxVariance {
		return maxVariance + e.Shape
	}
	return t2/e.Neff + e.Shape
}

// Between gives the expectation at a moment between two hours' middles:
// all of e at share 0, all of next at 1. One that is not known leaves the other.
func (e Expectation) Between(next Expectation, share float64) Expectation {
	return e.Mix(next, share, e.Jump(next))
}

// Jump is the variance for not knowing when, between the middles of two
// hours, the level changes from one's to the other's.
func (e Expectation) Jump(next Expectation) float64 {
	if !e.OK || !next.OK {
		return 0
	}
	jump := edge * math.Log((math.Abs(next.Middle)+1)/(math.Abs(e.Middle)+1))
	return jump * jump
}

// Mix is Between with the Jump at hand, for who asks often.
func (e Expectation) Mix(next Expectation, share, jump float64) Expectation {
	switch {
	case !e.OK:
		return next
	case !next.OK:
		return e
	}
	return Expectation{
		Shape:  jump,
		Middle: e.Middle + (next.Middle-e.Middle)*share,
		Low:    e.Low + (next.Low-e.Low)*share,
		Neff:   e.Neff + (next.Neff-e.Neff)*share,
		Tau2:   e.Tau2 + (next.Tau2-e.Tau2)*share,
		OK:     true,
	}
}

// The limits of the estimates.
const (
	rare        = 40   // events an hour on average below which the wide kernel is used
	enoughEvent = 20   // events that make an hour's share worth its place in a median
	poolEvents  = 10   // events that a pooled share needs
	noLikeness  = 0.01 // added-up likeness below which only the last hours are left to go by
	rareShape   = 0.12 // relative variance between like hours of rare events, beyond Poisson
)

type weighted struct{ v, w float64 }

// Expect gives what is normal in the target hour of the table, from the
// hours before it.
func (s *Series) Expect(l *Likeness) Expectation {
	switch s.kind {
	case Share:
		return s.expectShare(l)
	case Events:
		sum, n := 0.0, 0
		for i, m := range s.meta {
			if m&marked == 0 && s.hours[i] < l.target {
				sum += float64(s.a[i])
				n++
			}
		}
		if n > 0 && sum < rare*float64(n) {
			return s.expectRare(l)
		}
	}
	list, total, neff := s.alike(l, false)
	if total <= 0 {
		return Expectation{}
	}
	e := Expectation{Neff: neff}
	sortValues(list)
	e.Middle, e.Low, e.OK = quantile(list, total, 0.5), quantile(list, total, 0.25), true
	e.Tau2 = s.tau2(l, e.Middle)
	return e
}

// alike gives the hours that count for the target with their weights, the
// weights' sum, and how many hours like the target they are; where there is
// nothing like it, the latest. around counts the hours around as well. The list
// is l's scratch.
func (s *Series) alike(l *Likeness, around bool) (list []weighted, total, neff float64) {
	list = l.scratch[:0]
	for i, h := range s.hours {
		if s.meta[i]&marked != 0 {
			continue
		}
		w, wide, same := l.at(h)
		if around {
			w = wide
		}
		if w == 0 {
			continue
		}
		w *= float64(s.meta[i]) / 60
		if same {
			neff += w
		}
		total += w
		list = append(list, weighted{float64(s.a[i]), w})
	}
	if total < noLikeness {
		list, total = s.latest(l, list)
	}
	l.scratch = list
	return list, total, neff
}

// tau2 learns how far like hours are from what is normal, by their median:
// one odd day in five does not count.
func (s *Series) tau2(l *Likeness, middle float64) float64 {
	list := l.scratch[:0]
	base := math.Log(math.Abs(middle) + 1)
	for i, h := range s.hours {
		if w, _, same := l.at(h); same && w > 0.05 && s.meta[i]&marked == 0 {
			list = append(list, weighted{math.Abs(math.Log(math.Abs(float64(s.a[i]))+1) - base), 1})
		}
	}
	l.scratch = list
	n := float64(len(list))
	if n < 3 {
		return tau * tau
	}
	sortValues(list)
	spread := 1.48 * quantile(list, n, 0.5)
	return (n*spread*spread + tauWeight*tau*tau) / (n + tauWeight)
}

// latest weighs the last hours whatever their likeness, the newest most: on
// the first day there is nothing else.
func (s *Series) latest(l *Likeness, list []weighted) ([]weighted, float64) {
	list = list[:0]
	total := 0.0
	for i := len(s.hours) - 1; i >= 0 && len(list) < 24; i-- {
		age := int(l.target) - int(s.hours[i])
		if age < 1 || age >= span || s.meta[i]&marked != 0 {
			continue
		}
		w := math.Exp(-float64(age)/2) * float64(s.meta[i]) / 60
		list = append(list, weighted{float64(s.a[i]), w})
		total += w
	}
	return list, total
}

// expectRare takes a winsorised mean over the hours around: a median of
// mostly nothing would say nothing.
func (s *Series) expectRare(l *Likeness) Expectation {
	list, total, neff := s.alike(l, true)
	if total <= 0 {
		return Expectation{}
	}
	sum := 0.0
	for _, v := range list {
		sum += v.v * v.w
	}
	e := Expectation{Neff: neff}
	sortValues(list)
	limit := max(quantile(list, total, 0.9), 2*sum/total+3)
	sum = 0
	for _, v := range list {
		sum += min(v.v, limit) * v.w
	}
	e.Middle, e.OK = sum/total, true
	e.Low = e.Middle * math.Exp(-0.674*math.Sqrt(rareShape+e.Variance()))
	return e
}

// expectShare takes the weighted median of the hourly shares where hours
// have enough events, else the share of all like hours together, else of all.
func (s *Series) expectShare(l *Likeness) Expectation {
	var e Expectation
	list := l.scratch[:0]
	var total, neff, pooledA, pooledB, seenB, allA, allB, allSeen float64
	for i, h := range s.hours {
		if s.meta[i]&marked != 0 || h >= l.target {
			continue
		}
		a, b := float64(s.a[i]), float64(s.b[i])
		narrow, wide, same := l.at(h)
		allA, allB, allSeen = allA+a, allB+b, allSeen+min(1, b/enoughEvent)
		pooledA, pooledB = pooledA+wide*a, pooledB+wide*b
		if wide > 0.05 {
			seenB += b
		}
		if same {
			neff += narrow * min(1, b/enoughEvent)
		}
		if narrow > 0 && b >= enoughEvent {
			total += narrow
			list = append(list, weighted{a / b, narrow})
		}
	}
	l.scratch = list
	e.Neff, e.OK = neff, true
	switch {
	case total >= 10*noLikeness:
		sortValues(list)
		e.Middle, e.Low = quantile(list, total, 0.5), quantile(list, total, 0.25)
	case seenB >= poolEvents:
		e.Middle = pooledA / pooledB
		e.Low = e.Middle
	case allB >= poolEvents:
		e.Middle = allA / allB
		e.Low = e.Middle
	default:
		return Expectation{}
	}
	return e
}

func sortValues(list []weighted) {
	slices.SortFunc(list, func(a, b weighted) int { return cmp.Compare(a.v, b.v) })
}

// quantile of a sorted list: the value at which that share of the weight is
// reached, the middle of two when it is reached between them. No value far
// off can pull it, however few there are.
func quantile(list []weighted, total, q float64) float64 {
	want := q * total
	below := 0.0
	for i, v := range list {
		below += v.w
		switch slack := 1e-9 * total; {
		case below > want+slack || i == len(list)-1:
			return v.v
		case below >= want-slack:
			return (v.v + list[i+1].v) / 2
		}
	}
	return 0
}

// Burstless gives the events of an hour from the sums of its parts (five
// minutes each): parts beyond twice their median and 5 more count as that.
// The result is for as many parts as there are; parts is put in order.
func Burstless(parts []float32) float64 {
	if len(parts) == 0 {
		return 0
	}
	limit := 2*Median(parts) + 5
	sum := 0.0
	for _, p := range parts {
		sum += min(float64(p), limit)
	}
	return sum
}

// Median sorts the values and gives their median; 0 for none.
func Median(v []float32) float64 {
	if len(v) == 0 {
		return 0
	}
	slices.Sort(v)
	m := len(v) / 2
	if len(v)%2 == 1 {
		return float64(v[m])
	}
	return (float64(v[m-1]) + float64(v[m])) / 2
}
