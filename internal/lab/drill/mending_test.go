package drill

import (
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/mtawatch/mtawatch/internal/lab/labtest"
)

// sleeper starts a process that does nothing until the test is over.
func sleeper(t *testing.T) int {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "sleep", "600")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Wait() }) // by then its context has ended it
	return cmd.Process.Pid
}

// state gives the letter that proc(5) has for what a process does.
func state(t *testing.T, pid int) string {
	t.Helper()
	b, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(b), ") ")
	return rest[:1]
}

// TestStop: who was stopped goes on when the drill is over, and also when the
// drill could not be begun because another had ended already.
func TestStop(t *testing.T) {
	one, two := sleeper(t), sleeper(t)
	ended := exec.Command("true")
	if err := ended.Run(); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name string
		pids []int
		ok   bool
	}{
		{"all", []int{one, two}, true},
		{"the last has ended", []int{one, two, ended.Process.Pid}, false},
		{"the last is not known", []int{one, two, 0}, false},
	} {
		var m Mending
		if err := m.Stop(c.pids...); (err == nil) != c.ok {
			t.Errorf("%s: %v", c.name, err)
		}
		labtest.WaitFor(t, "both to stop", func() bool { return state(t, one) == "T" && state(t, two) == "T" })
		if err := m.Mend(); err != nil {
			t.Errorf("%s: mend: %v", c.name, err)
		}
		labtest.WaitFor(t, "both to go on", func() bool { return state(t, one) != "T" && state(t, two) != "T" })
	}
	if err := new(Mending).Stop(); err == nil {
		t.Error("no process was stopped, and no error")
	}
	if err := Signal(syscall.SIGCONT, 0); err == nil {
		t.Error("a signal to the own group of processes")
	}
}
