package pipeline

import (
	"slices"

	"github.com/mtawatch/mtawatch/internal/mta"
)

// stopped says of a process that a signal has stopped it.
func stopped(p *mta.RoleProcess) bool { return !p.Orphan && p.State == "T" }

// anyStopped reports whether a dispatcher or job controller was seen stopped.
func (b *Belt) anyStopped() bool {
	return slices.ContainsFunc(b.Watched(), func(p mta.RoleProcess) bool { return stopped(&p) })
}

// stoppedRoles names the daemons of which a process is stopped.
func (v *processView) stoppedRoles() []string {
	var list []string
	for _, role := range []mta.Role{mta.RoleDispatcher, mta.RoleJobController} {
		if slices.ContainsFunc(v.list, func(p mta.RoleProcess) bool { return p.Role == role && stopped(&p) }) {
			list = append(list, role.String())
		}
	}
	return list
}
