package app

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/mtawatch/mtawatch/internal/mta"
	"github.com/mtawatch/mtawatch/internal/view"
)

// heads gives the roles of which a process of the instance stands on its own:
// each may run without the other, and is started by itself.
func (s *Source) heads(in mta.Instance) []mta.Role {
	if a := s.adapter(in.MTA); a != nil && a.Heads != nil {
		return a.Heads
	}
	return []mta.Role{mta.RoleDispatcher}
}

// inPart marks an instance as running of which one daemon runs and another,
// that stands on its own, does not.
func (s *Source) inPart(in *view.InstanceStatus) {
	for _, r := range s.heads(in.Instance) {
		in.Running = in.Running || in.Processes.Unknown == "" && in.Processes.Roles[r.String()] > 0
	}
}

// running reports whether an instance runs, wholly or in part: by the
// processes of now, and by the last detection where those cannot be read or
// told apart.
func (d *doctor) running(in mta.Instance) bool {
	if list := d.procs[in.Name]; d.procErr == nil && len(list) > 0 {
		return len(missingOf(list, d.s.heads(in))) < len(d.s.heads(in))
	}
	return in.Running
}

// missingOf gives those of the roles that no process has.
func missingOf(list []mta.RoleProcess, roles []mta.Role) (missing []mta.Role) {
	for _, r := range roles {
		if !slices.ContainsFunc(list, func(p mta.RoleProcess) bool { return p.Role == r }) {
			missing = append(missing, r)
		}
	}
	return missing
}

// runs says whether an instance runs, and which of its daemons does not.
func (d *doctor) runs(in mta.Instance, what string) {
	list := d.procs[in.Name]
	switch missing := missingOf(list, []mta.Role{mta.RoleDispatcher, mta.RoleJobController}); {
	case !d.running(in) && len(d.left(in)) > 0:
		d.fault(in.Name, what+", not running", "end the processes that are left over, then start the mail server")
	case !d.running(in):
		d.fault(in.Name, what+", not running", startOf(in))
	case len(missing) == 1 && d.procErr == nil && len(list) > 0:
		d.fault(in.Name, fmt.Sprintf("%s, running without its %s", what, daemonOf(in, missing[0])), startOfDaemon(in, missing[0]))
	default:
		d.ok(in.Name, what+", running")
	}
}

// daemonOf is what a mail server calls the daemon of a role.
func daemonOf(in mta.Instance, r mta.Role) string {
	job := r == mta.RoleJobController
	switch {
	case in.MTA == "postfix" && job:
		return "job controller (qmgr)"
	case in.MTA == "postfix":
		return "dispatcher (master)"
	case job:
		return "job_controller"
	}
	return "dispatcher"
}

// noneOf names the daemons of which there is none: "no dispatcher and no job_controller".
func noneOf(in mta.Instance, missing []mta.Role) string {
	names := make([]string, len(missing))
	for i, r := range missing {
		names[i] = "no " + daemonOf(in, r)
	}
	return strings.Join(names, " and ")
}

// startOfDaemon says how one daemon of an instance whose others run is started.
func startOfDaemon(in mta.Instance, r mta.Role) string {
	switch name := daemonOf(in, r); {
	case in.BaseDir != "":
		return fmt.Sprintf("start it: `start-msg %s` (older releases: `imsimta start %s`)", name, name)
	case in.MTA == "postfix":
		return "see what qmgr and master say in the mail log; master starts it again within a minute, `postfix reload` at once"
	}
	return startOf(in)
}

// processes tells of each instance whether its processes can be told, which
// are left over and which are stopped.
func (d *doctor) processes(instances []mta.Instance) {
	if d.procErr != nil {
		d.bad("processes", d.procErr.Error(), "mount /proc without hidepid, or give the user the group of its gid= option")
		return
	}
	for _, in := range instances {
		list := d.procs[in.Name]
		name := in.Name + " processes"
		missing := missingOf(list, d.s.heads(in))
		left := d.left(in)
		text := fmt.Sprintf("processes with their roles: %d", len(list))
		switch {
		case len(list) == 0 && in.Running:
			d.bad(name, "it runs, but its processes cannot be told", d.orRoot("run as root or with CAP_SYS_PTRACE to tell several instances apart; mount /proc without hidepid"))
		case len(missing) == len(d.s.heads(in)) && len(left) > 0:
			d.fault(name, noneOf(in, missing)+": it does not run; "+leftOver(left), "end them before starting it again: kill "+pids(left))
		case len(missing) == len(d.s.heads(in)):
			d.fault(name, noneOf(in, missing)+": it does not run", startOf(in))
		case len(left) > 0:
			d.fault(name, text+"; "+leftOver(left)+": "+named(left), "what is left over ends by itself once it has done what it does; if it stays while its daemon runs again, kill "+pids(left))
		default:
			d.ok(name, text)
		}
		d.stopped(in, list)
	}
}

// stopped tells of processes that a signal has stopped: they are there, and do nothing.
func (d *doctor) stopped(in mta.Instance, list []mta.RoleProcess) {
	list = slices.DeleteFunc(slices.Clone(list), func(p mta.RoleProcess) bool { return p.State != "T" })
	if len(list) == 0 {
		return
	}
	d.fault(in.Name+" processes", fmt.Sprintf("%s stopped by a signal (state T): %s", count(list), named(list)), "unless that is meant so, let it go on: kill -CONT "+pids(list))
}

// left gives the processes that nothing is above any more. Where one daemon
// starts all others, these are all when it is gone; where several stand on
// their own, those alone whose own daemon is gone: the others work.
func (d *doctor) left(in mta.Instance) []mta.RoleProcess {
	list := d.procs[in.Name]
	if heads := d.s.heads(in); len(heads) == 1 {
		if len(missingOf(list, heads)) > 0 {
			return list
		}
		return nil // `+"`mtawatch processes`"+` names those of an earlier start
	}
	return slices.DeleteFunc(slices.Clone(list), func(p mta.RoleProcess) bool { return !p.Orphan })
}

func count(list []mta.RoleProcess) string {
	if len(list) == 1 {
		return "1 process"
	}
	return fmt.Sprintf("%d processes", len(list))
}

// named lists processes, at most 5: "job_controller 4711, tcp_smtp_server 4712".
func named(list []mta.RoleProcess) string {
	var words []string
	for _, p := range list[:min(len(list), 5)] {
		words = append(words, p.Name+" "+strconv.Itoa(p.PID))
	}
	text := strings.Join(words, ", ")
	if more := len(list) - len(words); more > 0 {
		text += fmt.Sprintf(" and %d more", more)
	}
	return text
}

func leftOver(list []mta.RoleProcess) string {
	if len(list) == 1 {
		return "1 process is left over (an orphan)"
	}
	return fmt.Sprintf("%d processes are left over (orphans)", len(list))
}

// pids names processes for a command, at most 20 of them.
func pids(list []mta.RoleProcess) string {
	var names []string
	for _, p := range list[:min(len(list), 20)] {
		names = append(names, strconv.Itoa(p.PID))
	}
	return strings.Join(names, " ")
}
