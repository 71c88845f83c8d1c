package host

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/procfs"
	"golang.org/x/sys/unix"

	"github.com/mtawatch/mtawatch/internal/mta"
)

func processes(t *testing.T, m *Machine) map[int]mta.Process {
	t.Helper()
	list, err := m.Processes(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	byPID := map[int]mta.Process{}
	for _, p := range list {
		if _, ok := byPID[p.PID]; ok {
			t.Errorf("process %d twice", p.PID)
		}
		byPID[p.PID] = p
	}
	return byPID
}

func startChild(t *testing.T, name string, args ...string) *exec.Cmd {
	t.Helper()
	cmd := exec.Command(name, args...)
	cmd.Dir = "/usr"
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cmd.Process.Kill()
		cmd.Wait()
	})
	return cmd
}

func TestProcesses(t *testing.T) {
	m := New(Config{})
	before := time.Now()
	child := startChild(t, "sleep", "600")
	var p mta.Process
	eventually(t, "sleep runs", func() bool {
		p = processes(t, m)[child.Process.Pid]
		return p.Name == "sleep" && p.State == "S"
	})
	exe, err := os.Readlink("/proc/" + strconv.Itoa(child.Process.Pid) + "/exe")
	if err != nil {
		t.Fatal(err)
	}
	// The boot time of the kernel has whole seconds.
	if d := p.Start.Sub(before); d < -2*time.Second || d > 2*time.Second {
		t.Errorf("start %v, it is %v", p.Start, before)
	}
	if p.Memory <= 0 {
		t.Errorf("memory %d", p.Memory)
	}
	start := p.Start
	p.Start, p.Memory, p.CPU = time.Time{}, 0, 0
	want := mta.Process{PID: child.Process.Pid, PPID: os.Getpid(), Name: "sleep", Exe: exe, Args: []string{"sleep", "600"}, Cwd: "/usr", UID: os.Getuid(), State: "S"}
	if diff := cmp.Diff(want, p); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	for range 3 * freshFor {
		if q := processes(t, m)[child.Process.Pid]; !q.Start.Equal(start) || q.Exe != exe || len(q.Args) != 2 {
			t.Fatalf("later: %+v", q)
		}
	}
	child.Process.Kill()
	eventually(t, "zombie", func() bool { return processes(t, m)[child.Process.Pid].State == "Z" })
	child.Wait()
	if q, ok := processes(t, m)[child.Process.Pid]; ok {
		t.Errorf("still there: %+v", q)
	}
	if len(m.processes.known) > 2*len(processes(t, m))+50 {
		t.Errorf("%d are remembered", len(m.processes.known))
	}
}

// TestProcessesAgree holds the own reading of stat against the library's.
// Other processes change between the two readings, so a difference counts
// when it stays.
func TestProcessesAgree(t *testing.T) {
	var differ []string
	eventually(t, "agreement", func() bool {
		all, err := procfs.AllProcs()
		if err != nil {
			t.Fatal(err)
		}
		list := processes(t, New(Config{}))
		differ = nil
		compared := 0
		for _, p := range all {
			if got, ok := list[p.PID]; ok {
				compared++
				differ = append(differ, compare(got, p)...)
			}
		}
		return compared > 2 && len(differ) == 0
	})
	for _, d := range differ {
		t.Error(d)
	}
}

func compare(got mta.Process, p procfs.Proc) []string {
	s, err := p.Stat()
	if err != nil {
		return nil // ended meanwhile
	}
	start, err := s.StartTime()
	if err != nil {
		return []string{err.Error()}
	}
	status, err := p.NewStatus()
	if err != nil {
		return nil
	}
	args, _ := p.CmdLine()
	worker := s.Flags&kernelThread != 0 // its name tells what it works on now
	if got.PPID == s.PPID && (got.Name == s.Comm || worker) && got.UID == int(status.UIDs[1]) && slices.Equal(got.Args, args) &&
		got.Start.Sub(time.UnixMilli(int64(start*1000))).Abs() <= 10*time.Millisecond && got.CPU <= s.CPUTime() {
		return nil
	}
	return []string{fmt.Sprintf("process %d: %+v, library has %+v", p.PID, got, s)}
}

func TestProcessExecs(t *testing.T) {
	m := New(Config{})
	in, out, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	cmd := exec.Command("sh", "-c", "read go; exec sleep 601")
	cmd.Stdin = in
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { cmd.Process.Kill(); cmd.Wait() })
	eventually(t, "the shell", func() bool { return processes(t, m)[cmd.Process.Pid].Name == "sh" })
	start := processes(t, m)[cmd.Process.Pid].Start
	for range 5 {
		processes(t, m)
	}
	out.WriteString("\n")
	out.Close()
	eventually(t, "new name, arguments and executable", func() bool {
		p := processes(t, m)[cmd.Process.Pid]
		return p.Name == "sleep" && slices.Equal(p.Args, []string{"sleep", "601"}) && strings.Contains(p.Exe, "sleep") && p.Start.Equal(start)
	})
}

func TestProcessesUnprivileged(t *testing.T) {
	if !inNamespace(t, 65534) {
		return
	}
	p, ok := processes(t, New(Config{}))[1]
	if !ok || p.Name == "" || p.UID != 0 || p.Start.IsZero() || p.Exe != "" || p.Cwd != "" {
		t.Errorf("process 1: %+v, %v", p, ok)
	}
}

func TestProcessesHidden(t *testing.T) {
	if !inNamespace(t, 65534, func() {
		if err := unix.Mount("proc", "/proc", "proc", 0, "hidepid=2"); err != nil {
			t.Fatal(err)
		}
	}) {
		return
	}
	list, err := New(Config{}).Processes(t.Context())
	if !errors.Is(err, fs.ErrPermission) {
		t.Errorf("got %d processes, %v", len(list), err)
	}
}

func TestProcessesComeAndGo(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		for ctx.Err() == nil {
			_ = exec.Command("true").Run()
		}
	}()
	m := New(Config{})
	for range 200 {
		if _, ok := processes(t, m)[os.Getpid()]; !ok {
			t.Error("we are not there")
		}
	}
	cancel()
	<-done
}

func TestParseStat(t *testing.T) {
	tail := " 7 1 2 3 4 2097152 5 6 7 8 150 50 9 10 20 0 1 0 4711 99 -3 18446744073709551615"
	tests := []struct {
		name, text string
		want       procStat
		ok         bool
	}{
		{"plain", "12 (qmgr) S" + tail, procStat{name: []byte("qmgr"), state: 'S', ppid: 7, flags: 2097152, cpu: 200, start: 4711, rss: -3}, true},
		{"odd name", "12 (a) R 1 (b) D" + tail, procStat{name: []byte("a) R 1 (b"), state: 'D', ppid: 7, flags: 2097152, cpu: 200, start: 4711, rss: -3}, true},
		{"cut", "12 (qmgr) S 7 1 2", procStat{}, false},
		{"no name", "12 S 7", procStat{}, false},
		{"reversed", ") x (", procStat{}, false},
		{"empty", "", procStat{}, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, ok := parseStat([]byte(tt.text))
			if ok != tt.ok {
				t.Fatalf("ok is %v", ok)
			}
			if diff := cmp.Diff(tt.want, got, cmp.AllowUnexported(procStat{})); ok && diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}

func FuzzParseStat(f *testing.F) {
	f.Add([]byte("12 (qmgr) S 7 1 2 3 4 5 5 6 7 8 150 50 9 10 20 0 1 0 4711 99 -3 18446744073709551615"))
	f.Fuzz(func(t *testing.T, b []byte) { parseStat(b) })
}

func exitWatcher(t *testing.T, m *Machine) *ExitWatcher {
	t.Helper()
	w, err := m.NewExitWatcher()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { w.Close() })
	return w
}

type exit struct {
	p   mta.Process
	err error
}

// waitExit waits beside the test.
func waitExit(ctx context.Context, w *ExitWatcher) <-chan exit {
	exits := make(chan exit, 1)
	go func() {
		p, err := w.Wait(ctx)
		exits <- exit{p, err}
	}()
	return exits
}

func TestExitWatch(t *testing.T) {
	m := New(Config{})
	w := exitWatcher(t, m)
	a, b := startChild(t, "sleep", "600"), startChild(t, "sleep", "600")
	list := processes(t, m)
	pa, pb := list[a.Process.Pid], list[b.Process.Pid]

	for _, p := range []mta.Process{pa, pb, pa} {
		if err := w.Add(p); err != nil {
			t.Fatal(err)
		}
	}
	if got := w.Watched(); len(got) != 2 {
		t.Errorf("watched: %+v", got)
	}
	exits := waitExit(t.Context(), w)
	b.Process.Kill() // not reaped: it is a zombie now
	if e := <-exits; e.err != nil || e.p.PID != pb.PID || !e.p.Start.Equal(pb.Start) {
		t.Errorf("killed: %+v", e)
	}

	c := startChild(t, "sleep", "600")
	pc := processes(t, m)[c.Process.Pid]
	exits = waitExit(t.Context(), w)
	if err := w.Add(pc); err != nil { // while Wait is under way
		t.Fatal(err)
	}
	w.Remove(pa)
	a.Process.Kill()
	a.Wait()
	c.Process.Kill()
	if e := <-exits; e.err != nil || e.p.PID != pc.PID {
		t.Errorf("added late: %+v", e)
	}
	if got := w.Watched(); len(got) != 0 {
		t.Errorf("watched at the end: %+v", got)
	}
}

func TestExitWatchOfTheDead(t *testing.T) {
	m := New(Config{})
	w := exitWatcher(t, m)
	child := startChild(t, "sleep", "600")
	p := processes(t, m)[child.Process.Pid]
	earlier := p
	earlier.Start = p.Start.Add(-time.Hour)
	if err := w.Add(earlier); !errors.Is(err, ErrProcessGone) {
		t.Errorf("an earlier process of that number: %v", err)
	}
	child.Process.Kill()
	eventually(t, "zombie", func() bool { return processes(t, m)[p.PID].State == "Z" })
	if err := w.Add(p); err != nil {
		t.Errorf("zombie: %v", err)
	}
	if e := <-waitExit(t.Context(), w); e.err != nil || e.p.PID != p.PID {
		t.Errorf("zombie: %+v", e)
	}
	child.Wait()
	if err := w.Add(p); !errors.Is(err, ErrProcessGone) {
		t.Errorf("reaped: %v", err)
	}
}

func TestExitWatchEnds(t *testing.T) {
	w := exitWatcher(t, New(Config{}))
	ctx, cancel := context.WithCancel(t.Context())
	exits := waitExit(ctx, w)
	cancel()
	if e := <-exits; !errors.Is(e.err, context.Canceled) {
		t.Errorf("cancelled: %+v", e)
	}
	exits = waitExit(t.Context(), w)
	eventually(t, "Wait", func() bool {
		w.lock.Lock()
		defer w.lock.Unlock()
		return w.waiting
	})
	if _, err := w.Wait(t.Context()); err == nil {
		t.Error("two at once")
	}
	w.Close()
	if e := <-exits; !errors.Is(e.err, ErrClosed) {
		t.Errorf("closed: %+v", e)
	}
	if err := w.Add(mta.Process{PID: 1}); !errors.Is(err, ErrClosed) {
		t.Errorf("add after close: %v", err)
	}
}

// crowd starts idle processes, so that what is measured is the cost for each.
func crowd(b *testing.B) {
	for range 500 {
		cmd := exec.Command("sleep", "600")
		if err := cmd.Start(); err != nil {
			b.Fatal(err)
		}
		b.Cleanup(func() { cmd.Process.Kill(); cmd.Wait() })
	}
}

// reportCPU gives the processor time of the benchmark per process listed:
// wall time says little on a busy machine.
func reportCPU(b *testing.B, since syscall.Rusage, n int) {
	var now syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &now); err != nil {
		b.Fatal(err)
	}
	cpu := now.Utime.Nano() + now.Stime.Nano() - since.Utime.Nano() - since.Stime.Nano()
	b.ReportMetric(float64(cpu)/float64(b.N)/float64(n), "cpu-ns/process")
}

func BenchmarkProcesses(b *testing.B) {
	crowd(b)
	m := New(Config{})
	list, err := m.Processes(b.Context())
	if err != nil {
		b.Fatal(err)
	}
	var before syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &before)
	b.ReportAllocs()
	for b.Loop() {
		if list, err = m.Processes(b.Context()); err != nil {
			b.Fatal(err)
		}
	}
	reportCPU(b, before, len(list))
}

// BenchmarkProcessesLibrary is the same by the library alone, with nothing
// remembered.
func BenchmarkProcessesLibrary(b *testing.B) {
	crowd(b)
	n := 0
	var before syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &before)
	for b.Loop() {
		all, err := procfs.AllProcs()
		if err != nil {
			b.Fatal(err)
		}
		n = len(all)
		for _, p := range all {
			_, _ = p.Stat()
			_, _ = p.NewStatus()
			_, _ = p.Executable()
			_, _ = p.CmdLine()
			_, _ = p.Cwd()
		}
	}
	reportCPU(b, before, n)
}
