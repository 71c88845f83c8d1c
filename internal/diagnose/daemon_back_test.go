package diagnose

import (
	"strings"
	"testing"
	"time"

	"github.com/mtawatch/mtawatch/internal/mta"
)

// TestDaemonBack: what a daemon's finding says when its rule is silent. Trouble
// that can be seen no more, because the readings are gone, has not passed.
func TestDaemonBack(t *testing.T) {
	stopped := "master 100 was stopped by a signal (SIGSTOP); send SIGCONT."
	for _, tt := range []struct {
		name   string
		role   mta.Role
		cause  string
		change func(w *world)
		want   string // in the title; "": it says what it said
	}{
		{"the port is seen", mta.RoleDispatcher, "it hangs", func(*world) {}, "runs, and no trouble is seen"},
		{"the port is not seen", mta.RoleDispatcher, "it hangs", func(w *world) { w.v.current = unknown }, ""},
		{"the port is not probed", mta.RoleDispatcher, "it hangs", func(w *world) { w.v.probe = unknown }, ""},
		{"it goes on, and the port is not seen", mta.RoleDispatcher, stopped, func(w *world) { w.v.current = unknown }, "runs, and no trouble is seen"},
		{"the log is read", mta.RoleJobController, "it hangs", func(*world) {}, "runs, and no trouble is seen"},
		{"the log is not read", mta.RoleJobController, "it hangs", func(w *world) { w.v.logUp = 0 }, ""},
		{"started anew, and the log is not read", mta.RoleJobController, "it hangs", func(w *world) {
			w.v.logUp = 0
			w.c.Facts.(*live).procs[1].Start = w.now.Add(-5 * time.Second)
		}, "is back since"},
		{"the process is not seen", mta.RoleJobController, "it hangs", func(w *world) {
			w.v.jobControllers, w.c.Facts.(*live).procs = unknown, nil
		}, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := settled(t, false)
			w.c.Facts = &live{procs: both("S")}
			w.run(time.Minute, func(*world) {})
			w.run(20*time.Second, tt.change)
			m := mta.Finding{Instance: w.in().Name, Title: "before", Cause: tt.cause, Since: w.now.Add(-time.Minute)}
			told := daemonBack(tt.role)(w.c, &m)
			if told != (tt.want != "") || told && !strings.Contains(m.Title, tt.want) || !told && m.Title != "before" {
				t.Errorf("told %t: %q; want %q", told, m.Title, tt.want)
			}
		})
	}
}
