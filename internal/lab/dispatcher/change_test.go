package dispatcher_test

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/mtawatch/mtawatch/internal/lab/labtest"
	"github.com/mtawatch/mtawatch/internal/lab/site"
)

// TestWorkerDeath wants a dead worker told and replaced, and a program that
// comes to nothing not to be started in a busy loop.
func TestWorkerDeath(t *testing.T) {
	r := start(t, site.Service{MinProcs: 1, MaxProcs: 1})
	k, err := dial(r.addr)
	if err != nil {
		t.Fatal(err)
	}
	if err := syscall.Kill(k.pid, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadAll(k.lines); err != nil && !errors.Is(err, syscall.ECONNRESET) {
		t.Error(err)
	}
	defer func() {
		if t.Failed() {
			t.Log(r.log(t))
		}
	}()
	labtest.WaitFor(t, "the line", func() bool {
		return regexp.MustCompile(fmt.Sprintf(`General Error: process tcp_smtp_server %d killed by signal 9; service SMTP, [12] connections lost`, k.pid)).MatchString(r.log(t))
	})
	k, err = dial(r.addr)
	if err != nil {
		t.Fatal(err)
	}
	if err := k.quit(); err != nil {
		t.Error(err)
	}

	r.edit(t, "IMAGE=IMTA_BIN:tcp_smtp_server", "IMAGE=IMTA_BIN:ims_master")
	if err := r.cmd.Process.Signal(syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	labtest.WaitFor(t, "the new configuration", func() bool { return strings.Contains(r.log(t), "configuration reloaded") })
	if err := syscall.Kill(k.pid, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	labtest.WaitFor(t, "two starts", func() bool { return strings.Count(r.log(t), "throttled") >= 2 })
	time.Sleep(300 * time.Millisecond)
	if n := strings.Count(r.log(t), "throttled"); n > 6 {
		t.Errorf("%d starts", n)
	}
}

// edit changes dispatcher.cnf.
func (r *running) edit(t *testing.T, from, to string) {
	t.Helper()
	name := filepath.Join(r.site.ConfigDir(), "dispatcher.cnf")
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(b), from) {
		t.Fatalf("%s has no %s", name, from)
	}
	if err := os.WriteFile(name, []byte(strings.ReplaceAll(string(b), from, to)), 0o600); err != nil {
		t.Fatal(err)
	}
}

// TestReload moves a service to another port, then spoils the file.
func TestReload(t *testing.T) {
	r := start(t, site.Service{MinProcs: 1})
	k, err := dial(r.addr)
	if err != nil {
		t.Fatal(err)
	}
	port := labtest.FreePort(t)
	_, old, _ := strings.Cut(r.addr, ":")
	r.edit(t, "PORT="+old, "PORT="+strconv.Itoa(port))
	if err := r.cmd.Process.Signal(syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	labtest.WaitFor(t, "the old port's end", func() bool {
		return refused(r.addr)
	})
	k2, err := dial(fmt.Sprintf("127.0.0.1:%d", port))
	if err != nil {
		t.Fatal(err)
	}
	r.edit(t, "MAX_PROCS=", "MAX_PROCESSES=")
	if err := r.cmd.Process.Signal(syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	labtest.WaitFor(t, "the complaint", func() bool {
		return strings.Contains(r.log(t), "unknown setting MAX_PROCESSES; going on as before")
	})
	if err := errors.Join(k.say(), k.quit(), k2.say(), k2.quit()); err != nil {
		t.Error(err)
	}
}

// TestSecond wants a second dispatcher to fail with a line in its log, unless
// it has another port.
func TestSecond(t *testing.T) {
	r := start(t, site.Service{MinProcs: 1})
	out, err := exec.Command(r.site.Program("dispatcher")).CombinedOutput()
	if err == nil || !strings.Contains(string(out), "is another dispatcher running?") {
		t.Errorf("the second dispatcher: %v, %s", err, out)
	}
	if !strings.Contains(r.log(t), "General Critical: service SMTP: listen tcp "+r.addr) {
		t.Errorf("the log:\n%s", r.log(t))
	}
	port := labtest.FreePort(t)
	r.launch(t, "-port", strconv.Itoa(port))
	labtest.WaitFor(t, "the second dispatcher", func() bool {
		k, err := dial(fmt.Sprintf("127.0.0.1:%d", port))
		return err == nil && k.quit() == nil
	})
}

// TestIdle wants workers above MIN_PROCS to end when they have nothing to do.
func TestIdle(t *testing.T) {
	r := start(t, site.Service{MinProcs: 0, MaxProcs: 2, MinConns: 1, MaxIdleTime: 300 * time.Millisecond})
	a, err := dial(r.addr)
	if err != nil {
		t.Fatal(err)
	}
	if comm, err := os.ReadFile(fmt.Sprintf("/proc/%d/comm", a.pid)); err != nil || string(comm) != "tcp_smtp_server\n" {
		t.Errorf("the process list calls the worker %q, %v", comm, err)
	}
	if err := a.quit(); err != nil {
		t.Fatal(err)
	}
	labtest.WaitFor(t, "an idle worker's end", func() bool { return len(r.children(t)) == 0 })
	labtest.WaitFor(t, "the line", func() bool { return strings.Contains(r.log(t), "exited normally (MAX_IDLE_TIME)") })
}
