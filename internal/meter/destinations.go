package meter

import (
	"cmp"
	"slices"

	"github.com/mtawatch/mtawatch/internal/mta"
)

// maxDestinations bounds the destinations that compete for a series.
const maxDestinations = 5000

// destinations counts attempts by destination. An attempt counts for its
// destination while that has a series, else for "other".
type destinations struct {
	all         map[string]*destination
	other       [mta.NumStatuses]int64
	otherSeries [mta.NumStatuses]*mta.Series
	shown       int
	list        []*destination // those with series, by name; nil: to be made anew
}

type destination struct {
	name   string
	counts [mta.NumStatuses]int64 // while shown; kept when it is no longer, so that the counter never goes back
	weight float64                // attempts, halved at each rebalance
	shown  bool
	series [mta.NumStatuses]*mta.Series // those that have been asked for
	rows   recentRows
}

func newDestinations() *destinations {
	return &destinations{all: make(map[string]*destination)}
}

// add counts an attempt and gives its destination.
func (ds *destinations) add(name string, s mta.Status) *destination {
	d := ds.all[name]
	if d == nil {
		if len(ds.all) >= maxDestinations {
			ds.prune()
		}
		d = &destination{name: name}
		ds.all[name] = d
		if ds.shown < TopDestinations {
			d.shown = true
			ds.shown++
			ds.list = nil
		}
	}
	d.weight++
	if d.shown {
		d.counts[s]++
	} else {
		ds.other[s]++
	}
	return d
}

// prune forgets half of what has no series: first what never had one, by
// weight. One that had a series begins anew at 0 when it comes back, as a
// counter does after a restart.
func (ds *destinations) prune() {
	var hidden []*destination
	for _, d := range ds.all {
		if !d.shown {
			hidden = append(hidden, d)
		}
	}
	had := func(d *destination) int {
		if d.counts != [mta.NumStatuses]int64{} {
			return 1
		}
		return 0
	}
	slices.SortFunc(hidden, func(a, b *destination) int {
		return cmp.Or(cmp.Compare(had(a), had(b)), cmp.Compare(a.weight, b.weight))
	})
	for _, d := range hidden[:(len(hidden)+1)/2] {
		delete(ds.all, d.name)
	}
}

// byName gives the destinations that have series, in the order of their names.
func (ds *destinations) byName() []*destination {
	if ds.list == nil {
		for _, d := range ds.all {
			if d.shown {
				ds.list = append(ds.list, d)
			}
		}
		slices.SortFunc(ds.list, func(a, b *destination) int { return cmp.Compare(a.name, b.name) })
	}
	return ds.list
}

// rebalance gives the series to the destinations with the most traffic. One
// that has a series keeps it until another has twice its traffic, so that
// series do not come and go.
func (ds *destinations) rebalance() {
	list := make([]*destination, 0, len(ds.all))
	for _, d := range ds.all {
		list = append(list, d)
	}
	rank := func(d *destination) float64 {
		if d.shown {
			return 2*d.weight + 1
		}
		return d.weight
	}
	slices.SortFunc(list, func(a, b *destination) int {
		if c := cmp.Compare(rank(b), rank(a)); c != 0 {
			return c
		}
		return cmp.Compare(a.name, b.name)
	})
	ds.shown, ds.list = 0, nil
	for i, d := range list {
		d.shown = i < TopDestinations
		if d.shown {
			ds.shown++
		}
		d.weight /= 2
	}
}

func (ds *destinations) save() (counts map[string][]int64, exported []string) {
	counts = make(map[string][]int64)
	for name, d := range ds.all {
		if d.counts != [mta.NumStatuses]int64{} {
			counts[name] = d.counts[:]
		}
		if d.shown {
			exported = append(exported, name)
		}
	}
	slices.Sort(exported)
	return counts, exported
}

func (ds *destinations) load(counts map[string][]int64, exported []string, other [mta.NumStatuses]int64) {
	ds.other, ds.list = other, nil
	for name, c := range counts {
		d := &destination{name: name}
		copy(d.counts[:], c)
		ds.all[name] = d
	}
	for _, name := range exported {
		d := ds.all[name]
		if d == nil {
			d = &destination{name: name}
			ds.all[name] = d
		}
		d.shown = true
		ds.shown++
	}
}
