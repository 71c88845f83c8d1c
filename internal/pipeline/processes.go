package pipeline

import (
	"time"

	"github.com/mtawatch/mtawatch/internal/mta"
)

// processView is what is known of one instance's processes.
type processView struct {
	list     []mta.RoleProcess
	known    bool
	restarts [mta.NumRoles]int64 // dispatcher and job-controller only: others come and go by design
	last     [mta.NumRoles]identity
}

// identity tells a process from a later one with the same pid.
type identity struct {
	pid   int
	start time.Time
}

func newProcessView() *processView { return &processView{} }

// SetProcesses takes the machine's processes at one moment, each list with
// the roles that an instance's adapter gave. A failed reading is UNKNOWN, and
// so are the processes of an instance that has no list.
func (b *Belt) SetProcesses(at time.Time, byInstance map[string][]mta.RoleProcess, failed string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if at.Before(b.procTime) {
		return // an older reading than the one that stands
	}
	b.procTime, b.procErr = at, failed
	for name, v := range b.procs {
		list, known := byInstance[name]
		if failed != "" || !known {
			v.known = false
			continue
		}
		for _, r := range v.set(list) {
			b.replaced(name, r)
		}
	}
}

// replaced is a process that was seen and has a successor.
type replaced struct {
	role mta.Role
	old  int       // its pid
	next time.Time // the start of its successor
}

// replaced notes the end of a process of which the kernel has not told, or not
// yet: what the log says of its end is looked for by its pid.
func (b *Belt) replaced(instance string, r replaced) {
	key := exitKey{instance, r.role}
	if e, told := b.judgement.exits[key]; !told || e.pid != r.old {
		b.judgement.exits[key] = exit{r.old, r.next}
	}
}

// set takes the processes, counts the dispatchers and job controllers that
// took the place of another, and gives those others.
func (v *processView) set(list []mta.RoleProcess) (gone []replaced) {
	v.list, v.known = list, true
	for _, role := range []mta.Role{mta.RoleDispatcher, mta.RoleJobController} {
		var newest identity
		for i := range list {
			if p := &list[i]; p.Role == role && (newest.pid == 0 || p.Start.After(newest.start)) {
				newest = identity{p.PID, p.Start}
			}
		}
		if newest.pid == 0 {
			continue
		}
		if old := v.last[role]; old.pid != 0 && old != newest && newest.start.After(old.start) {
			v.restarts[role]++
			gone = append(gone, replaced{role, old.pid, newest.start})
		}
		v.last[role] = newest
	}
	return gone
}

// Watched lists the processes whose end must be known at once: the
// dispatcher and the job controller of each instance.
func (b *Belt) Watched() []mta.RoleProcess {
	b.mu.Lock()
	defer b.mu.Unlock()
	var list []mta.RoleProcess
	for _, v := range b.procs {
		for _, p := range v.list {
			if p.Role == mta.RoleDispatcher || p.Role == mta.RoleJobController {
				list = append(list, p)
			}
		}
	}
	return list
}

// missed reports whether it is an open finding that a daemon is down, and
// whether one of that role is not seen to run.
func (b *Belt) missed() (open, missing bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.judgement.engine == nil {
		return false, false
	}
	look := func(f *mta.Finding) {
		role := mta.RoleDispatcher
		switch f.Code {
		case mta.FindingJobControllerDown:
			role = mta.RoleJobController
		case mta.FindingDispatcherDown:
		default:
			return
		}
		if !f.End.IsZero() {
			return // a consequence that is over
		}
		open = true
		if v := b.procs[f.Instance]; v != nil && v.known {
			n, _ := v.counts()
			missing = missing || n[role] == 0
		}
	}
	for _, f := range b.judgement.engine.Open() {
		look(&f)
		for i := range f.Folded {
			look(&f.Folded[i])
		}
	}
	return open, missing
}

// Exited takes word from the kernel that a process ended. The processes may
// have been read since then: it is known also when they lack it already.
func (b *Belt) Exited(pid int, at time.Time) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for name, v := range b.procs {
		for _, role := range []mta.Role{mta.RoleDispatcher, mta.RoleJobController} {
			listed := v.drop(pid, role)
			if listed {
				b.procTime = at
			}
			if listed || v.last[role].pid == pid {
				b.log.Warn("process ended", "instance", name, "role", role.String(), "pid", pid)
				b.judgement.exits[exitKey{name, role}] = exit{pid, at}
				return
			}
		}
	}
}

// drop takes a process off the list and reports whether it was there.
func (v *processView) drop(pid int, role mta.Role) bool {
	for i := range v.list {
		if v.list[i].PID == pid && v.list[i].Role == role {
			v.list = append(v.list[:i:i], v.list[i+1:]...)
			return true
		}
	}
	return false
}

// counts gives the processes by role.
func (v *processView) counts() (n [mta.NumRoles]int, oldest [mta.NumRoles]time.Time) {
	for i := range v.list {
		p := &v.list[i]
		n[p.Role]++
		if o := oldest[p.Role]; o.IsZero() || p.Start.Before(o) {
			oldest[p.Role] = p.Start
		}
	}
	return n, oldest
}
