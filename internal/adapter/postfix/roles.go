package postfix

import (
	"path"
	"strings"

	"github.com/mtawatch/mtawatch/internal/mta"
)

// roles gives each process its role for the instance. The master is the one
// that works in the queue directory. Where working directories may not be
// read (not root), the only master of the machine is taken for the
// instance's; of several it cannot be told, and nil is given. Its children are known by parentage;
// daemons that outlived a killed master by their working directory. Masters
// and such daemons in other namespaces belong to the instances there.
//
// A child that is still called master, or that a daemon started, has
// RoleOther: it is a fork on its way to becoming something else.
func roles(inst mta.Instance, procs []mta.Process) []mta.Role {
	list := make([]mta.Role, len(procs))
	depth := map[int]int{} // of the processes below the instance's masters
	masters, known := ownMasters(inst, procs)
	if !known {
		return nil
	}
	for _, i := range masters {
		list[i] = mta.RoleDispatcher
		depth[procs[i].PID] = 0
	}
	// A parent may stand after its child, so go on until nothing changes.
	for changed := true; changed; {
		changed = false
		for i := range procs {
			p := &procs[i]
			above, ok := depth[p.PPID]
			if _, done := depth[p.PID]; !ok || done || p.PID == p.PPID {
				continue
			}
			depth[p.PID] = above + 1
			changed = true
			list[i] = mta.RoleOther
			if above == 0 && alive(p) {
				list[i] = roleOf(p.Name)
			}
		}
	}
	for i := range procs {
		p := &procs[i]
		if _, known := depth[p.PID]; !known && inst.QueueDir != "" && p.Cwd == inst.QueueDir && !p.Foreign && p.Name != "master" && isDaemon(p) {
			list[i] = roleOf(p.Name)
		}
	}
	return list
}

// ownMasters gives the indexes of the instance's masters: one, unless there
// is a doubled one. It is not known which they are when several masters run
// and where they work may not be read.
func ownMasters(inst mta.Instance, procs []mta.Process) (list []int, known bool) {
	named := map[int]bool{}
	for i := range procs {
		if p := &procs[i]; p.Name == "master" && !p.Foreign && alive(p) && (programFile(p) == "" || isDaemon(p)) {
			named[p.PID] = true
		}
	}
	var own, blind []int
	for i := range procs {
		p := &procs[i]
		if !named[p.PID] || named[p.PPID] {
			continue
		}
		switch {
		case p.Cwd != "" && inst.QueueDir != "":
			if p.Cwd == inst.QueueDir {
				own = append(own, i)
			}
		case isDaemon(p):
			blind = append(blind, i)
		}
	}
	if len(own) == 0 && len(blind) > 0 {
		return blind, len(blind) == 1
	}
	return own, true
}

// isMaster tells Postfix's master from other programs of that name (Cyrus
// has one).
func isMaster(p *mta.Process) bool { return p.Name == "master" && alive(p) && isDaemon(p) }

// isDaemon tells whether the program file lies in a directory of Postfix.
func isDaemon(p *mta.Process) bool {
	return strings.Contains(path.Dir(programFile(p))+"/", "/postfix/")
}

// programFile gives the path of the program; where it may not be read, that
// of the command line, which everyone may read; else "".
func programFile(p *mta.Process) string {
	if p.Exe == "" && len(p.Args) > 0 && strings.HasPrefix(p.Args[0], "/") {
		return p.Args[0]
	}
	return p.Exe
}

// alive is false for a process that has ended but was not yet waited for.
func alive(p *mta.Process) bool { return p.State != "Z" && p.State != "X" }

func roleOf(name string) mta.Role {
	switch name {
	case "qmgr", "oqmgr", "nqmgr":
		return mta.RoleJobController
	case "smtpd", "postscreen":
		return mta.RoleSMTPServer
	case "smtp", "lmtp", "local", "virtual", "pipe", "error", "retry", "discard":
		return mta.RoleDelivery
	}
	return mta.RoleOther
}
