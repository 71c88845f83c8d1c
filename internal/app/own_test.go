package app

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/mtawatch/mtawatch/internal/adapter"
	"github.com/mtawatch/mtawatch/internal/adapter/all"
	"github.com/mtawatch/mtawatch/internal/host"
	"github.com/mtawatch/mtawatch/internal/mta"
	"github.com/mtawatch/mtawatch/internal/pipeline"
	"github.com/mtawatch/mtawatch/internal/sample"
	"github.com/mtawatch/mtawatch/internal/view"
)

const ownLog = `23-Nov-2025 12:00:02.10 501d.0b.2 tcp_intranet tcp_local    E 3 a@example.com rfc822;c@example.net c@example.net /b/data/queue/tcp_local/000/ZZq1.00 <q1@example.com>
23-Nov-2025 12:00:05.10 501f.0b.1 tcp_local                 Q 0 a@example.com rfc822;c@example.net c@example.net /b/data/queue/tcp_local/000/ZZq1.00 <q1@example.com> TCP active open: Failed connect() 192.0.2.7:25  Error: Connection timed out
`

const ownTool = `#!/bin/sh
echo "$*" >>BASE/asked
case "$*" in
"qm counters show")
	echo 'Channel Messages Recipients Blocks'
	echo 'tcp_local'
	echo '   Received 3 3 9'
	echo '   Stored -2 -2 -6'
	echo '   Attempted 1 1 3';;
"qm messages tcp_local")
	echo 'host active messages delayed messages'
	echo 'example.net 0 1';;
process)
	echo "mailsrv PID S 21368 9048 Nov 17 0:01 /opt/x/lib/dispatcher";;
*)	echo 'refused' >&2; exit 1;;
esac
`

// ownSource looks at a server that is there as files and a command.
func ownSource(t *testing.T) (*Source, string) {
	base := t.TempDir()
	for name, text := range map[string]string{
		"config/imta.cnf":              "! rules\n$* $U%$H@tcp_local-daemon\n\ndefaults logging\ntcp_local smtp\ntcp-daemon\n",
		"config/option.dat":            "LOG_PROCESS=1\nLOG_MESSAGE_ID=1\nLOG_FILENAME=1\n",
		"data/log/mail.log_current":    ownLog,
		"data/queue/tcp_local/ZYq1.01": "waits",
		"data/queue/tcp_local/ZZq2.00": "waits too",
		"sbin/imsimta":                 strings.NewReplacer("BASE", base, "PID", fmt.Sprint(os.Getpid())).Replace(ownTool),
	} {
		p := filepath.Join(base, name)
		if err := os.MkdirAll(filepath.Dir(p), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(p, []byte(text), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	adapters := all.Adapters()
	a, _ := all.ByName("imta")
	s := &Source{belt: pipeline.New(pipeline.Config{Adapters: adapters}), machine: host.New(host.Config{}), adapters: adapters}
	in, err := a.At(t.Context(), s.machine, base)
	if err != nil {
		t.Fatal(err)
	}
	s.look = &look{src: s, logTime: lookTime}
	s.belt.SetInstances([]mta.Instance{in})
	return s, base
}

// The server's counters stand beside the exact ones, differences marked and
// negative ones as they are; asked twice, the command runs once.
func TestOwnCounters(t *testing.T) {
	s, base := ownSource(t)
	var got view.Own
	for range 2 {
		var err error
		if got, err = s.Own(t.Context(), view.OwnQuery{OwnQuestion: mta.OwnQuestion{Counters: true}}); err != nil {
			t.Fatal(err)
		}
	}
	if got.Unknown != "" || len(got.Instances) != 1 || got.Instances[0].ExactSince.IsZero() {
		t.Fatalf("%+v", got)
	}
	i := slices.IndexFunc(got.Instances[0].Channels, func(c view.OwnChannel) bool { return c.Channel == "tcp_local" })
	if i < 0 {
		t.Fatalf("%+v", got.Instances[0])
	}
	c := got.Instances[0].Channels[i]
	if c.Own == nil || c.Own.Stored.Messages != -2 || c.Exact == nil || *c.Exact.Stored != 2 || c.Exact.Attempted != 1 {
		t.Errorf("own %+v, exact %+v", c.Own, c.Exact)
	}
	if want := []string{"received", "stored"}; !slices.Equal(c.Differs, want) || !slices.Equal(c.Negative, []string{"stored"}) {
		t.Errorf("differs %q, negative %q; want %q", c.Differs, c.Negative, want)
	}
	asked, err := os.ReadFile(filepath.Join(base, "asked"))
	if n := strings.Count(string(asked), "qm counters show"); err != nil || n != 1 {
		t.Errorf("the command ran %d times for two questions: %v", n, err)
	}
}

func TestOwnWaiting(t *testing.T) {
	s, _ := ownSource(t)
	got, err := s.Own(t.Context(), view.OwnQuery{OwnQuestion: mta.OwnQuestion{Waiting: true, Channel: "tcp_local"}})
	want := mta.OwnWaiting{Channel: "tcp_local", Destination: "example.net", Delayed: 1}
	if err != nil || len(got.Instances) != 1 || !slices.Equal(got.Instances[0].Waiting, []mta.OwnWaiting{want}) {
		t.Errorf("%+v, %v", got, err)
	}
	if _, err := s.Own(t.Context(), view.OwnQuery{OwnQuestion: mta.OwnQuestion{Waiting: true, Channel: "nosuch"}}); err == nil || !strings.Contains(err.Error(), "tcp_local") {
		t.Errorf("a channel that is not there: %v", err)
	}
}

// Where the roles cannot be told from /proc the server's tool tells them, with
// what /proc shows of these processes; doctor compares the two.
func TestOwnProcesses(t *testing.T) {
	s, _ := ownSource(t)
	a := s.adapter("imta")
	a.Roles = func(mta.Instance, []mta.Process) []mta.Role { return nil }
	got, err := s.Processes(t.Context(), view.ProcessQuery{})
	if err != nil || got.Unknown != "" || len(got.Processes) != 1 {
		t.Fatalf("%+v, %v", got, err)
	}
	if p := got.Processes[0]; p.PID != os.Getpid() || p.Role != mta.RoleDispatcher || p.Start.IsZero() || !strings.HasSuffix(p.ToldBy, "imsimta process`") {
		t.Errorf("%+v", p)
	}
	if got.Roles[0].Role != mta.RoleDispatcher || got.Roles[0].Count != 1 || got.Roles[0].Restarts != nil {
		t.Errorf("%+v", got.Roles)
	}

	in := s.belt.Instances()[0]
	for _, tt := range []struct {
		name  string
		procs []mta.RoleProcess
		ok    bool
		want  string
	}{
		{"agrees", []mta.RoleProcess{{Process: mta.Process{PID: os.Getpid()}, Role: mta.RoleDispatcher}}, true, "agrees with /proc"},
		{"differs", []mta.RoleProcess{{Process: mta.Process{PID: 1}, Role: mta.RoleDispatcher}}, false, "/proc shows dispatcher 1: they differ"},
		{"taken from it", got.Processes, true, "taken from it"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			d := doctor{s: s, procs: map[string][]mta.RoleProcess{in.Name: tt.procs}}
			d.compareProcesses(t.Context(), in)
			if len(d.out.Checks) != 1 || d.out.Checks[0].OK != tt.ok || !strings.Contains(d.out.Checks[0].Text, tt.want) ||
				!strings.Contains(d.out.Checks[0].Text, fmt.Sprintf("shows dispatcher %d, job_controller none", os.Getpid())) {
				t.Errorf("%+v", d.out.Checks)
			}
		})
	}
}

// A tool that refuses leaves the processes unknown, with its words.
func TestOwnProcessesRefused(t *testing.T) {
	s, base := ownSource(t)
	if err := os.WriteFile(filepath.Join(base, "sbin/imsimta"), []byte("#!/bin/sh\necho you must be root >&2\nexit 1\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	in := s.belt.Instances()[0]
	var said string
	byInstance, err := sample.ProcessesOrOwn(t.Context(), s.machine, []adapter.Adapter{{Name: "imta", Own: s.adapter("imta").Own}}, []mta.Instance{in},
		func(a *adapter.Adapter, in mta.Instance) mta.OwnView {
			v := s.ownProcesses(t.Context())(a, in)
			said = v.ProcessesUnknown
			return v
		})
	if err != nil || len(byInstance) != 0 || !strings.Contains(said, "you must be root; it needs an MTA that runs, and root or the MTA's own user") {
		t.Errorf("%v, %v, %q", byInstance, err, said)
	}
}
