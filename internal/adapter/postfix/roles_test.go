package postfix

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/mtawatch/mtawatch/internal/mta"
)

func TestRoles(t *testing.T) {
	const dir = "/usr/libexec/postfix/"
	daemon := func(pid, ppid int, name, cwd string) mta.Process {
		return mta.Process{PID: pid, PPID: ppid, Name: name, Exe: dir + name, Cwd: cwd, State: "S"}
	}
	args := func(pid, ppid int, name string, a ...string) mta.Process {
		return mta.Process{PID: pid, PPID: ppid, Name: name, Args: a, State: "S"}
	}
	foreign := func(p mta.Process) mta.Process {
		p.Foreign = true
		return p
	}
	tests := []struct {
		name  string
		procs []mta.Process
		want  []mta.Role
	}{
		{"none", nil, []mta.Role{}},
		{"master is process 1", []mta.Process{daemon(1, 0, "master", "/q"), daemon(2, 1, "qmgr", "/q"), daemon(3, 1, "oqmgr", "/q")},
			[]mta.Role{mta.RoleDispatcher, mta.RoleJobController, mta.RoleJobController}},
		{"child before its parent", []mta.Process{daemon(9, 8, "lmtp", "/q"), daemon(8, 1, "master", "/q")},
			[]mta.Role{mta.RoleDelivery, mta.RoleDispatcher}},
		{"doubled master", []mta.Process{daemon(5, 1, "master", "/q"), daemon(6, 1, "master", "/q")},
			[]mta.Role{mta.RoleDispatcher, mta.RoleDispatcher}},
		{"two instances", []mta.Process{daemon(5, 1, "master", "/other"), daemon(6, 5, "qmgr", "/other"), daemon(7, 1, "master", "/q")},
			[]mta.Role{mta.RoleNone, mta.RoleNone, mta.RoleDispatcher}},
		{"other instance only", []mta.Process{daemon(5, 1, "master", "/other"), daemon(6, 5, "qmgr", "/other")},
			[]mta.Role{mta.RoleNone, mta.RoleNone}},
		{"unseen, one", []mta.Process{args(5, 1, "master", dir+"master", "-w"), args(6, 5, "virtual", "virtual")},
			[]mta.Role{mta.RoleDispatcher, mta.RoleDelivery}},
		{"unseen, two", []mta.Process{args(5, 1, "master", dir+"master", "-w"), args(7, 1, "master", dir+"master", "-w")},
			nil},
		{"other master", []mta.Process{args(5, 1, "master", "/usr/lib/cyrus/bin/master"), args(6, 5, "smtpd", "smtpd")},
			[]mta.Role{mta.RoleNone, mta.RoleNone}},
		{"its own parent", []mta.Process{daemon(5, 5, "master", "/other"), daemon(0, 0, "qmgr", "/other")},
			[]mta.Role{mta.RoleNone, mta.RoleNone}},
		{"only in a container", []mta.Process{foreign(daemon(5, 1, "master", "/q")), foreign(daemon(6, 5, "qmgr", "/q")), foreign(daemon(7, 1, "smtpd", "/q"))},
			[]mta.Role{mta.RoleNone, mta.RoleNone, mta.RoleNone}},
		{"beside a container", []mta.Process{foreign(daemon(5, 1, "master", "/q")), foreign(daemon(6, 5, "qmgr", "/q")), daemon(8, 1, "master", "/q"), daemon(9, 8, "qmgr", "/q")},
			[]mta.Role{mta.RoleNone, mta.RoleNone, mta.RoleDispatcher, mta.RoleJobController}},
		{"unseen, one of them in a container", []mta.Process{foreign(args(5, 1, "master", dir+"master")), args(7, 1, "master", dir+"master", "-w")},
			[]mta.Role{mta.RoleNone, mta.RoleDispatcher}},
		{"orphans", []mta.Process{daemon(5, 1, "qmgr", "/q"), daemon(6, 1, "error", "/q"), daemon(7, 3, "smtpd", "/q") /* left to a subreaper */, daemon(8, 1, "smtpd", "/other")},
			[]mta.Role{mta.RoleJobController, mta.RoleDelivery, mta.RoleSMTPServer, mta.RoleNone}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := roles(mta.Instance{Name: "postfix", QueueDir: "/q"}, tt.procs)
			if diff := cmp.Diff(got, tt.want); diff != "" {
				t.Errorf("roles (-got +want):\n%s", diff)
			}
		})
	}
}
