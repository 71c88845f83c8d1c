package imta

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/mtawatch/mtawatch/internal/mta"
)

// TestRolesOfWhom: whose a process is, where several MTAs run, where paths are
// not shown, and where the instance has no base.
func TestRolesOfWhom(t *testing.T) {
	proc := func(pid, ppid int, name string, args ...string) mta.Process {
		return mta.Process{PID: pid, PPID: ppid, Name: name, Args: args, State: "S"}
	}
	a := []mta.Process{proc(10, 1, "dispatcher", "/a/lib/dispatcher"), proc(11, 10, "tcp_smtp_server", "/a/lib/tcp_smtp_server"), proc(12, 1, "job_controller", "/a/lib/job_controller")}
	b := []mta.Process{proc(20, 1, "dispatcher", "/b/lib/dispatcher")}
	blind := []mta.Process{proc(30, 1, "dispatcher", "<DISPATCHER>"), proc(31, 1, "job_controller"), proc(32, 30, "tcp_smtp_server", "<SMTP>")}
	tests := []struct {
		name, base string
		procs      []mta.Process
		want       map[int]string // nil: it cannot be told
	}{
		{"one of two", "/a", append(a, b...), map[int]string{10: "dispatcher", 11: "smtp-server", 12: "job-controller"}},
		{"the other", "/b", append(a, b...), map[int]string{20: "dispatcher"}},
		{"neither", "/c", a, map[int]string{}},
		{"no paths", "/a", blind, map[int]string{30: "dispatcher", 31: "job-controller", 32: "smtp-server"}},
		{"no paths, of two", "/a", append(blind, proc(40, 1, "dispatcher")), nil},
		{"no base", "", a, map[int]string{10: "dispatcher", 11: "smtp-server", 12: "job-controller"}},
		{"no base, two there", "", append(a, b...), nil},
		{"no base and no paths", "", blind, map[int]string{30: "dispatcher", 31: "job-controller", 32: "smtp-server"}},
		{"a fork on its way", "/b", append(b, proc(21, 20, "dispatcher", "/b/lib/dispatcher")), map[int]string{20: "dispatcher", 21: "other"}},
		{"two in earnest", "/b", append(b, proc(21, 1, "dispatcher", "/b/lib/dispatcher")), map[int]string{20: "dispatcher", 21: "dispatcher"}},
		{"nothing runs", "/a", nil, map[int]string{}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var got map[int]string
			if list := roles(mta.Instance{BaseDir: tt.base}, tt.procs); list != nil {
				got = map[int]string{}
				for i, r := range list {
					if r != mta.RoleNone {
						got[tt.procs[i].PID] = r.String()
					}
				}
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}
