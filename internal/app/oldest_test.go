package app

import (
	"fmt"
	"math/rand"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/mtawatch/mtawatch/internal/mta"
	"github.com/mtawatch/mtawatch/internal/view"
)

// TestOldest lists messages in any order, some of unknown age: what is kept are
// the first of all of them sorted.
func TestOldest(t *testing.T) {
	r := rand.New(rand.NewSource(1))
	noon := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	for round := range 200 {
		var all []view.MessageItem
		o := oldest{limit: 1 + r.Intn(20)}
		for i := range r.Intn(60) {
			m := view.MessageItem{Instance: "postfix", QueuedMessage: mta.QueuedMessage{QueueID: fmt.Sprintf("%03d", i)}}
			if r.Intn(5) > 0 {
				m.Arrived = noon.Add(time.Duration(r.Intn(30)) * time.Minute)
			}
			all = append(all, m)
			o.add(m)
		}
		ids := func(list []view.MessageItem) []string {
			got := []string{}
			for _, m := range list {
				got = append(got, m.QueueID+m.Arrived.Format(" 15:04"))
			}
			return got
		}
		// Those of unknown age have year 1 and come last.
		slices.SortStableFunc(all, func(a, b view.MessageItem) int {
			late := func(m view.MessageItem) time.Time {
				if m.Arrived.IsZero() {
					return noon.AddDate(1, 0, 0)
				}
				return m.Arrived
			}
			return late(a).Compare(late(b))
		})
		want := all[:min(len(all), o.limit)]
		if diff := cmp.Diff(ids(want), ids(o.sorted())); diff != "" || o.more != (len(all) > o.limit) {
			t.Fatalf("round %d, limit %d of %d, more %t; -want +got:\n%s", round, o.limit, len(all), o.more, diff)
		}
	}
}
