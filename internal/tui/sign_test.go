package tui

import (
	"testing"

	"github.com/mtawatch/mtawatch/internal/view"
)

// TestDaemonSignWords: beside a process that is missing or stopped nothing says that all is well.
func TestDaemonSignWords(t *testing.T) {
	roles := map[string]int{"dispatcher": 1, "job-controller": 1}
	for _, tt := range []struct {
		p    view.ProcessStatus
		want string
	}{
		{view.ProcessStatus{Roles: roles}, "all that must run do"},
		{view.ProcessStatus{Roles: roles, Stopped: []string{"job-controller"}}, "stopped: job-controller"},
		{view.ProcessStatus{Roles: roles, Missing: []string{"dispatcher"}, Stopped: []string{"job-controller"}}, "missing: dispatcher; stopped: job-controller"},
	} {
		if got := daemonSign(&view.InstanceStatus{Processes: tt.p}, &past{}).normal; got != tt.want {
			t.Errorf("got %q, want %q", got, tt.want)
		}
	}
}
