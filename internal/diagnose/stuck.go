package diagnose

import (
	"slices"
	"strconv"
	"strings"

	"github.com/mtawatch/mtawatch/internal/mta"
)

// stuckProcesses gives the processes of a role that do not run: stopped (T)
// or deep in the kernel (D), the stopped first, and a sentence about them;
// "" when there are none or nothing is known.
func stuckProcesses(all []mta.RoleProcess, role mta.Role) ([]mta.RoleProcess, string) {
	var stopped, waiting []mta.RoleProcess
	for _, p := range all {
		if p.Role != role {
			continue
		}
		switch p.State {
		case "T":
			stopped = append(stopped, p)
		case "D":
			waiting = append(waiting, p)
		}
	}
	switch {
	case len(stopped) > 0:
		return stopped, amountOf(float64(len(stopped)), "process") + " stopped by a signal (state T): " + named(stopped)
	case len(waiting) > 0:
		return waiting, amountOf(float64(len(waiting)), "process") + " waiting in the kernel (state D, usually for a disk or NFS): " + named(waiting)
	}
	return nil, ""
}

// named lists processes: "qmgr 4711, qmgr 4712".
func named(list []mta.RoleProcess) string {
	var b strings.Builder
	for i, p := range list {
		if i == 5 {
			b.WriteString(" and " + strconv.Itoa(len(list)-i) + " more")
			break
		}
		if i > 0 {
			b.WriteString(", ")
		}
		b.WriteString(cut(p.Name, 32) + " " + strconv.Itoa(p.PID))
	}
	return b.String()
}

// pids lists the process ids as a command takes them.
func pids(list []mta.RoleProcess) string {
	var words []string
	for _, p := range list[:min(len(list), 20)] {
		words = append(words, strconv.Itoa(p.PID))
	}
	return strings.Join(words, " ")
}

// living gives the processes of a role that were not left over from an
// earlier start, and those that were.
func living(all []mta.RoleProcess, role mta.Role) (own, orphans []mta.RoleProcess) {
	for _, p := range all {
		switch {
		case p.Role != role || p.State == "Z" || p.State == "X":
		case p.Orphan:
			orphans = append(orphans, p)
		default:
			own = append(own, p)
		}
	}
	slices.SortFunc(own, func(a, b mta.RoleProcess) int { return a.Start.Compare(b.Start) })
	return own, orphans
}
