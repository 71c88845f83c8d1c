package imta

import (
	"path"
	"strings"

	"github.com/mtawatch/mtawatch/internal/mta"
)

// roles gives each process of the base its role. A process belongs to the
// base below which its program lies, as the command line or the executable
// shows it; where neither shows a path, processes of such names belong to the
// instance if there is only one dispatcher and one job controller among them,
// else it cannot be told and nil is given. An instance without a base, which
// only the configuration knows, has the processes of the only base that there is.
//
// A dispatcher or job controller that was started by one of its kind has
// RoleOther: it is a fork on its way to becoming something else.
func roles(inst mta.Instance, procs []mta.Process) []mta.Role {
	list := make([]mta.Role, len(procs))
	if inst.BaseDir == "" {
		base, several := onlyBase(procs)
		if several {
			return nil
		}
		inst.BaseDir = base
	}
	named := map[int]string{} // the instance's processes by pid
	var blind []int           // processes with such a name and without a path
	heads := 0
	for i := range procs {
		p := &procs[i]
		if p.Foreign || !alive(p) {
			continue
		}
		name, bases := program(p)
		switch {
		case contains(bases, inst.BaseDir):
			named[p.PID] = name
		case len(bases) == 0 && isProgram(name):
			blind = append(blind, i)
			if name == "dispatcher" || name == "job_controller" {
				heads++
			}
		}
	}
	if len(named) == 0 && heads > 0 {
		if heads > 2 {
			return nil
		}
		for _, i := range blind {
			name, _ := program(&procs[i])
			named[procs[i].PID] = name
		}
	}
	for i := range procs {
		p := &procs[i]
		name, ours := named[p.PID]
		if !ours {
			continue
		}
		list[i] = roleOf(name)
		if r := list[i]; named[p.PPID] == name && (r == mta.RoleDispatcher || r == mta.RoleJobController) {
			list[i] = mta.RoleOther
		}
	}
	return list
}

// contains reports whether one of the bases that a process shows is that of
// an instance. The programs of iPlanet 5 serve every instance of their server
// root, which stand beside them.
func contains(bases []string, base string) bool {
	for _, b := range bases {
		root, shared := strings.CutSuffix(b, sharedPrograms)
		if b == base || shared && strings.HasPrefix(base, root+"/msg-") {
			return base != ""
		}
	}
	return false
}

// onlyBase gives the base of the dispatchers and job controllers that run, ""
// where none shows one. There may be several.
func onlyBase(procs []mta.Process) (base string, several bool) {
	for i := range procs {
		p := &procs[i]
		name, bases := program(p)
		if name != "dispatcher" && name != "job_controller" || p.Foreign || !alive(p) || len(bases) == 0 {
			continue
		}
		if base != "" && !contains(bases, base) {
			return "", true
		}
		if base == "" {
			base = bases[0]
		}
	}
	return base, false
}

// sharedPrograms is where iPlanet 5 keeps the programs of all instances.
const sharedPrograms = "/bin/msg/imta"

// program gives the name of the program that a process runs, and the bases
// that its command line and its executable show.
func program(p *mta.Process) (name string, bases []string) {
	name = strings.ToLower(strings.Trim(p.Name, "<>"))
	arg := ""
	if len(p.Args) > 0 {
		arg = p.Args[0]
	}
	for _, file := range []string{arg, p.Exe} {
		if base := baseOf(file); base != "" {
			bases = append(bases, base)
			// The kernel cuts the name at 15 bytes.
			if full := path.Base(file); len(bases) == 1 && strings.HasPrefix(full, p.Name) {
				name = full
			}
		}
	}
	return name, bases
}

// alive is false for a process that has ended but was not yet waited for.
func alive(p *mta.Process) bool { return p.State != "Z" && p.State != "X" }

// roleOf gives the role of a program. What is none of the four is part of the
// MTA all the same: the return job, the watcher, the store.
func roleOf(name string) mta.Role {
	switch name {
	case "dispatcher":
		return mta.RoleDispatcher
	case "job_controller":
		return mta.RoleJobController
	case "tcp_smtp_server", "smtp": // the second as older releases show it, <SMTP>
		return mta.RoleSMTPServer
	case "tcp_smtp_client", "smtp_client", "tcp_lmtp_client", "process", "reprocess", "conversion":
		return mta.RoleDelivery
	}
	if strings.HasSuffix(name, "_master") {
		return mta.RoleDelivery
	}
	return mta.RoleOther
}
