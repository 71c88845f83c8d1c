package app

import (
	"cmp"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"

	"github.com/mtawatch/mtawatch/internal/adapter/all"
	"github.com/mtawatch/mtawatch/internal/mta"
	"github.com/mtawatch/mtawatch/internal/view"
)

// TestDoctorProcesses shows that what the processes tell now goes before what
// the last detection said.
func TestDoctorProcesses(t *testing.T) {
	process := func(pid int, r mta.Role) mta.RoleProcess {
		return mta.RoleProcess{Process: mta.Process{PID: pid}, Role: r, Instance: "postfix"}
	}
	stopped := process(2, mta.RoleJobController)
	stopped.State, stopped.Name = "T", "qmgr"
	both := []mta.RoleProcess{process(1, mta.RoleDispatcher), process(2, mta.RoleJobController)}
	orphan := func(pid int, r mta.Role) mta.RoleProcess {
		p := process(pid, r)
		p.Orphan, p.Name = true, "tcp_smtp_server"
		return p
	}
	tests := []struct {
		name     string
		mta      string // "": postfix
		detected bool   // running, by the last detection
		procs    []mta.RoleProcess
		running  bool
		want     []string // a line each, with its advice
	}{
		{"runs", "", true, both, true, []string{"OK: X, running", "OK: processes with their roles: 2"}},
		{"runs since the detection", "", false, both, true, []string{"OK: X, running", "OK: processes with their roles: 2"}},
		{"master was killed", "", true, []mta.RoleProcess{process(2, mta.RoleJobController), process(3, mta.RoleSMTPServer)}, false, []string{
			"FAULT: X, not running; end the processes that are left over, then start the mail server",
			"FAULT: no dispatcher (master): it does not run; 2 processes are left over (orphans); end them before starting it again: kill 2 3"}},
		{"one is left", "", true, []mta.RoleProcess{process(2, mta.RoleJobController)}, false, []string{
			"FAULT: X, not running; end the processes that are left over, then start the mail server",
			"FAULT: no dispatcher (master): it does not run; 1 process is left over (an orphan); end them before starting it again: kill 2"}},
		{"qmgr was killed", "", true, []mta.RoleProcess{process(1, mta.RoleDispatcher)}, true, []string{
			"FAULT: X, running without its job controller (qmgr); see what qmgr and master say in the mail log; master starts it again within a minute, `postfix reload` at once",
			"OK: processes with their roles: 1"}},
		{"qmgr is stopped", "", true, []mta.RoleProcess{process(1, mta.RoleDispatcher), stopped}, true, []string{"OK: X, running", "OK: processes with their roles: 2",
			"FAULT: 1 process stopped by a signal (state T): qmgr 2; unless that is meant so, let it go on: kill -CONT 2"}},
		{"cannot be told apart", "", true, nil, true, []string{"OK: X, running",
			"UNSEEN: it runs, but its processes cannot be told; run as root or with CAP_SYS_PTRACE to tell several instances apart; mount /proc without hidepid"}},
		{"stopped", "", false, nil, false, []string{"FAULT: X, not running; start the mail server", "FAULT: no dispatcher (master): it does not run; start the mail server"}},
		{"the job controller stands on its own", "imta", false, []mta.RoleProcess{process(2, mta.RoleJobController), process(3, mta.RoleDelivery)}, true, []string{
			"FAULT: X, running without its dispatcher; start it: `start-msg dispatcher` (older releases: `imsimta start dispatcher`)",
			"OK: processes with their roles: 2"}},
		{"only what the dispatcher left is left over", "imta", true, []mta.RoleProcess{process(2, mta.RoleJobController), process(3, mta.RoleDelivery), orphan(4, mta.RoleSMTPServer)}, true, []string{
			"FAULT: X, running without its dispatcher; start it: `start-msg dispatcher` (older releases: `imsimta start dispatcher`)",
			"FAULT: processes with their roles: 3; 1 process is left over (an orphan): tcp_smtp_server 4; " +
				"what is left over ends by itself once it has done what it does; if it stays while its daemon runs again, kill 4"}},
		{"the dispatcher stands on its own", "imta", true, []mta.RoleProcess{process(1, mta.RoleDispatcher)}, true, []string{
			"FAULT: X, running without its job_controller; start it: `start-msg job_controller` (older releases: `imsimta start job_controller`)",
			"OK: processes with their roles: 1"}},
		{"the store is no orphan", "imta", true, []mta.RoleProcess{process(5, mta.RoleOther)}, false, []string{
			"FAULT: X, not running; start the mail server: `start-msg dispatcher`, `start-msg job_controller` (older releases: `imsimta start`)",
			"FAULT: no dispatcher and no job_controller: it does not run; start the mail server: `start-msg dispatcher`, `start-msg job_controller` (older releases: `imsimta start`)"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			in := mta.Instance{MTA: cmp.Or(tt.mta, "postfix"), Name: "it", Running: tt.detected}
			if tt.mta != "" {
				in.BaseDir = "/opt/it"
			}
			d := doctor{s: &Source{adapters: all.Adapters()}, procs: map[string][]mta.RoleProcess{"it": tt.procs}}
			if got := d.running(in); got != tt.running {
				t.Errorf("running: %t, want %t", got, tt.running)
			}
			d.runs(in, "X")
			d.processes([]mta.Instance{in})
			if diff := gocmp.Diff(tt.want, checkLines(d.out.Checks)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// checkLines gives what was noted, a line each.
func checkLines(list []view.DoctorCheck) (lines []string) {
	for _, c := range list {
		line := "UNSEEN: "
		switch {
		case c.OK:
			line = "OK: "
		case c.Fault:
			line = "FAULT: "
		}
		if line += c.Text; c.Advice != "" {
			line += "; " + c.Advice
		}
		lines = append(lines, line)
	}
	return lines
}

// TestInPart: a server of which one daemon runs is no server that does not run.
func TestInPart(t *testing.T) {
	s := &Source{adapters: all.Adapters()}
	status := func(server string, roles map[string]int) view.InstanceStatus {
		return view.InstanceStatus{Instance: mta.Instance{MTA: server}, Processes: view.ProcessStatus{Roles: roles}}
	}
	tests := []struct {
		name string
		in   view.InstanceStatus
		want bool
	}{
		{"its job controller alone", status("imta", map[string]int{"job-controller": 1}), true},
		{"none", status("imta", map[string]int{"smtp-server": 2}), false},
		{"left over without their master", status("postfix", map[string]int{"job-controller": 1}), false},
	}
	for _, tt := range tests {
		if s.inPart(&tt.in); tt.in.Running != tt.want {
			t.Errorf("%s: running %t", tt.name, tt.in.Running)
		}
	}
}
