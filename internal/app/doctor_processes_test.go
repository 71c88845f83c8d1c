package app

import (
	"strings"
	"testing"

	"github.com/mtawatch/mtawatch/internal/mta"
	"github.com/mtawatch/mtawatch/internal/view"
)

// TestDoctorProcesses shows that what the processes tell now goes before what
// the last detection said.
func TestDoctorProcesses(t *testing.T) {
	process := func(pid int, r mta.Role) mta.RoleProcess {
		return mta.RoleProcess{Process: mta.Process{PID: pid}, Role: r, Instance: "postfix"}
	}
	tests := []struct {
		name     string
		detected bool // running, by the last detection
		procs    []mta.RoleProcess
		running  bool
		ok       bool
		want     string // in text or advice
	}{
		{"runs", true, []mta.RoleProcess{process(1, mta.RoleDispatcher), process(2, mta.RoleJobController)}, true, true, "roles: 2"},
		{"runs since the detection", false, []mta.RoleProcess{process(1, mta.RoleDispatcher)}, true, true, "roles: 1"},
		{"master was killed", true, []mta.RoleProcess{process(2, mta.RoleJobController), process(3, mta.RoleSMTPServer)}, false, false,
			"2 processes are left over (orphans); end them before starting it again: kill 2 3"},
		{"one is left", true, []mta.RoleProcess{process(2, mta.RoleJobController)}, false, false, "1 process is left over"},
		{"cannot be told apart", true, nil, true, false, "cannot be told"},
		{"stopped", false, nil, false, false, "start the mail server"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			in := mta.Instance{MTA: "postfix", Name: "postfix", Running: tt.detected}
			d := doctor{out: view.Doctor{}, procs: map[string][]mta.RoleProcess{"postfix": tt.procs}}
			if got := d.running(in); got != tt.running {
				t.Errorf("running: %t, want %t", got, tt.running)
			}
			d.processes([]mta.Instance{in})
			if len(d.out.Checks) != 1 {
				t.Fatalf("checks: %+v", d.out.Checks)
			}
			if c := d.out.Checks[0]; c.OK != tt.ok || !strings.Contains(c.Text+"; "+c.Advice, tt.want) {
				t.Errorf("got %+v, want %t and %q", c, tt.ok, tt.want)
			}
		})
	}
}
