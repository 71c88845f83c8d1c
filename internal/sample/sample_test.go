package sample

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/txtar"

	"github.com/mtawatch/mtawatch/internal/adapter"
	"github.com/mtawatch/mtawatch/internal/adapter/adaptertest"
	"github.com/mtawatch/mtawatch/internal/adapter/imta"
	"github.com/mtawatch/mtawatch/internal/adapter/postfix"
	"github.com/mtawatch/mtawatch/internal/mta"
)

var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func machine(t *testing.T, sections string) *adaptertest.Host {
	t.Helper()
	h, err := adaptertest.NewHost(txtar.Parse([]byte(sections)))
	if err != nil {
		t.Fatal(err)
	}
	return h
}

// TestListLeavesOut: the queues that the listing never shows are not shown
// as empty.
func TestListLeavesOut(t *testing.T) {
	h := machine(t, `-- file/etc/postfix/main.cf --
mail_version = 3.7.11
-- dial/var/spool/postfix/public/showq --
protocol\0mail_queue_list_protocol\0\0
queue_name\0hold\0queue_id\04jYBf76JyJz2y\0time\01795452367\0size\0367\0forced_expire\00\0sender\0a@example.com\0recipient\0c@example.net\0reason\0\0\0\0
`)
	found, err := postfix.Adapter.Detect(t.Context(), h)
	if err != nil || len(found) != 1 {
		t.Fatalf("detect: %d instances, %v", len(found), err)
	}
	_, q, err := List(t.Context(), h, &postfix.Adapter, found[0], noon)
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]int64{}
	for _, c := range q.Queues {
		got[c.Name] = c.Messages
	}
	want := map[string]int64{"maildrop": 0, "incoming": 0, "active": 0, "deferred": 0, "hold": 1} // corrupt: unknown
	if diff := cmp.Diff(got, want); diff != "" {
		t.Errorf("queues (got -, want +):\n%s", diff)
	}
}

func TestProcessesOrphans(t *testing.T) {
	const master = `{"pid":10,"ppid":1,"name":"master","exe":"/usr/lib/postfix/sbin/master","cwd":"/q","uid":0,"state":"S"}` + "\n"
	daemon := func(pid, ppid, name string) string {
		return `{"pid":` + pid + `,"ppid":` + ppid + `,"name":"` + name + `","exe":"/usr/lib/postfix/sbin/` + name + `","cwd":"/q","uid":101,"state":"S"}` + "\n"
	}
	tests := []struct {
		name, procs string
		want        map[int]bool
	}{
		{"all below the master", master + daemon("11", "10", "qmgr") + daemon("12", "10", "smtpd"), map[int]bool{10: false, 11: false, 12: false}},
		{"below a daemon of the master", daemon("13", "12", "smtp") + daemon("12", "10", "pipe") + master, map[int]bool{10: false, 12: false, 13: false}},
		{"left to process 1", master + daemon("11", "10", "qmgr") + daemon("5", "1", "smtpd"), map[int]bool{10: false, 11: false, 5: true}},
		{"left to a subreaper", master + daemon("5", "2", "smtpd") + daemon("6", "5", "smtpd"), map[int]bool{10: false, 5: true, 6: true}},
		{"no master", daemon("5", "1", "smtpd"), map[int]bool{5: true}},
		{"parents in a ring", daemon("5", "6", "smtpd") + daemon("6", "5", "smtpd"), map[int]bool{5: true, 6: true}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			h := machine(t, "-- proc --\n"+tt.procs)
			in := mta.Instance{MTA: "postfix", Name: "postfix", QueueDir: "/q"}
			list, err := Processes(t.Context(), h, []adapter.Adapter{postfix.Adapter}, []mta.Instance{in})
			if err != nil {
				t.Fatal(err)
			}
			got := map[int]bool{}
			for _, p := range list["postfix"] {
				got[p.PID] = p.Orphan
			}
			if diff := cmp.Diff(got, tt.want); diff != "" {
				t.Errorf("orphans (got -, want +):\n%s", diff)
			}
		})
	}
}

// TestProcessesOwnHeads: where the job controller is no child of the
// dispatcher it is no orphan, nor are the programs that it started; those of
// a job controller that is gone are, and programs that anyone may start are not.
func TestProcessesOwnHeads(t *testing.T) {
	proc := func(pid, ppid, name string) string {
		return `{"pid":` + pid + `,"ppid":` + ppid + `,"name":"` + name + `","args":["/b/lib/` + name + `"],"uid":0,"state":"S"}` + "\n"
	}
	h := machine(t, "-- proc --\n"+proc("10", "1", "dispatcher")+proc("11", "10", "tcp_smtp_server")+proc("12", "1", "tcp_smtp_server")+
		proc("20", "1", "job_controller")+proc("21", "20", "tcp_smtp_client")+proc("22", "1", "ims_master")+proc("30", "1", "watcher"))
	list, err := Processes(t.Context(), h, []adapter.Adapter{imta.Adapter}, []mta.Instance{{MTA: "imta", Name: "imta", BaseDir: "/b"}})
	if err != nil {
		t.Fatal(err)
	}
	got := map[int]bool{}
	for _, p := range list["imta"] {
		got[p.PID] = p.Orphan
	}
	if diff := cmp.Diff(got, map[int]bool{10: false, 11: false, 12: true, 20: false, 21: false, 22: true, 30: false}); diff != "" {
		t.Errorf("orphans (got -, want +):\n%s", diff)
	}
}

// TestProcessesOfWhom: where it cannot be seen which instance a master serves,
// the processes are unknown, and not missing.
func TestProcessesOfWhom(t *testing.T) {
	master := func(pid, cwd string) string {
		return `{"pid":` + pid + `,"ppid":1,"name":"master","args":["/usr/lib/postfix/sbin/master","-w"],"cwd":"` + cwd + `","uid":0,"state":"S"}` + "\n"
	}
	tests := []struct {
		name, procs string
		want        map[string]int
	}{
		{"both seen", master("10", "/q") + master("20", "/r"), map[string]int{"a": 1, "b": 1}},
		{"one stopped", master("10", "/q"), map[string]int{"a": 1, "b": 0}},
		{"both unseen", master("10", "") + master("20", ""), map[string]int{}},
		{"one unseen", master("10", ""), map[string]int{}},
		{"none", "", map[string]int{"a": 0, "b": 0}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			h := machine(t, "-- proc --\n"+tt.procs)
			list, err := Processes(t.Context(), h, []adapter.Adapter{postfix.Adapter},
				[]mta.Instance{{MTA: "postfix", Name: "a", QueueDir: "/q"}, {MTA: "postfix", Name: "b", QueueDir: "/r"}})
			if err != nil {
				t.Fatal(err)
			}
			got := map[string]int{}
			for name, l := range list {
				got[name] = len(l)
			}
			if diff := cmp.Diff(got, tt.want); diff != "" {
				t.Errorf("processes by instance (got -, want +):\n%s", diff)
			}
		})
	}
}
