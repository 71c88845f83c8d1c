package app

import (
	"cmp"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/mtawatch/mtawatch/internal/mta"
	"github.com/mtawatch/mtawatch/internal/view"
)

// lifelines tells when each daemon lived: of those that run from the process
// table, of earlier ones from the start times that were stored. Of roles that
// have many processes only what runs is known.
func (c *charter) lifelines() {
	var list []view.Lifeline
	now := c.src.belt.Processes(view.ProcessQuery{Instance: c.instance}, time.Now())
	for i := range now.Processes {
		p := &now.Processes[i]
		list = append(list, view.Lifeline{Role: p.Role.String(), PID: p.PID, Start: p.Start})
	}
	for _, role := range [...]mta.Role{mta.RoleDispatcher, mta.RoleJobController} {
		for _, p := range c.read("mta_process_start_time_seconds", "role", role.String()) {
			list = append(list, c.lives(role.String(), p, list)...)
		}
	}
	slices.SortStableFunc(list, func(a, b view.Lifeline) int {
		return cmp.Or(b.Start.Compare(a.Start), strings.Compare(a.Role, b.Role), cmp.Compare(a.PID, b.PID))
	})
	c.out.Lifelines = list[:min(len(list), maxLifelines)]
}

// lives makes a lifeline of each start that a series tells of, but for those
// that are known.
func (c *charter) lives(role string, p part, known []view.Lifeline) []view.Lifeline {
	var list []view.Lifeline
	for i, pt := range p.points {
		if i > 0 && p.points[i-1].V == pt.V {
			if n := len(list); n > 0 && list[n-1].End != nil {
				*list[n-1].End = time.UnixMilli(pt.T)
			}
			continue
		}
		end, start := time.UnixMilli(pt.T), time.UnixMilli(int64(math.Round(pt.V*1000)))
		list = append(list, view.Lifeline{Role: role, Start: start, End: &end})
	}
	return slices.DeleteFunc(list, func(l view.Lifeline) bool {
		return slices.ContainsFunc(known, func(k view.Lifeline) bool {
			return k.Role == role && k.Start.Sub(l.Start).Abs() < time.Second
		})
	})
}
