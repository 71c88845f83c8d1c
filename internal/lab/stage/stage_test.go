package stage

import (
	"context"
	"errors"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

func TestPorts(t *testing.T) {
	l, err := net.Listen("tcp4", "127.20.0.10:0") // a site's address
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if free(l.Addr().(*net.TCPAddr).Port) {
		t.Error("a port that is taken at a site's address is called free")
	}
	p := Ports{SMTP: usualPorts().Submit}
	held, err := p.fill()
	if err != nil {
		t.Fatal(err)
	}
	q := Ports{}
	others, err := q.fill()
	if err != nil || q.Names == p.Names || q.Remote == p.Remote {
		t.Errorf("two labs have the same ports: %+v, %+v, %v", p, q, err)
	}
	for _, c := range append(held, others...) {
		c.Close()
	}
	seen := map[int]bool{}
	for _, n := range []int{p.SMTP, p.Submit, p.Jobs, p.Names, p.Remote} {
		if n == 0 || seen[n] {
			t.Errorf("ports %+v", p)
		}
		seen[n] = true
	}
	if p.SMTP != usualPorts().Submit {
		t.Errorf("the port that was named was not kept: %+v", p)
	}
}

func TestChild(t *testing.T) {
	c, err := StartChild(exec.Command("sleep", "60"))
	if err != nil {
		t.Fatal(err)
	}
	if c.Ended() || c.Name != "sleep" {
		t.Fatalf("%+v", c)
	}
	_ = c.Signal(syscall.SIGSTOP)
	if err := c.Stop(5 * time.Second); err != nil {
		t.Error(err)
	}
	if !c.Ended() || c.Err() == nil {
		t.Error("a child that was ended by a signal ended well")
	}
	if err := c.Signal(syscall.SIGTERM); err == nil {
		t.Error("a process that has gone took a signal")
	}
	if _, err := StartChild(exec.Command("/nowhere/at/all")); err == nil {
		t.Error("a program that is not there was started")
	}
	deaf, err := StartChild(exec.Command("sh", "-c", "trap '' TERM; echo; while :; do sleep 0.1; done"))
	if err != nil {
		t.Fatal(err)
	}
	time.Sleep(100 * time.Millisecond) // the trap must stand
	if err := deaf.Stop(200 * time.Millisecond); err == nil || !deaf.Ended() {
		t.Errorf("a child that will not end: %v", err)
	}
}

// TestKilledParent starts this test again as the parent of a child, and kills
// it: the child must notice.
func TestKilledParent(t *testing.T) {
	if name := os.Getenv("STAGE_TEST_PID_FILE"); name != "" {
		c, err := StartChild(exec.Command("sleep", "60"))
		if err == nil {
			err = os.WriteFile(name+".tmp", []byte(strconv.Itoa(c.PID)), 0o600)
		}
		if err == nil {
			err = os.Rename(name+".tmp", name)
		}
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Minute)
		return
	}
	file := filepath.Join(t.TempDir(), "pid")
	parent := exec.Command(os.Args[0], "-test.run", "^TestKilledParent$")
	parent.Env = append(os.Environ(), "STAGE_TEST_PID_FILE="+file)
	if err := parent.Start(); err != nil {
		t.Fatal(err)
	}
	var text []byte
	for end := time.Now().Add(20 * time.Second); len(text) == 0 && time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
		text, _ = os.ReadFile(file)
	}
	_ = parent.Process.Kill()
	_ = parent.Wait()
	if len(text) == 0 {
		t.Fatal("the parent did not start its child")
	}
	for end := time.Now().Add(5 * time.Second); time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
		stat, err := os.ReadFile("/proc/" + string(text) + "/stat")
		if errors.Is(err, os.ErrNotExist) || strings.Contains(string(stat), ") Z ") {
			return
		}
	}
	t.Errorf("the child %s lives on after its parent was killed", text)
}

func TestOrders(t *testing.T) {
	s, err := New(Config{Base: filepath.Join(t.TempDir(), "mta"), Binary: "/bin/true"})
	if err != nil {
		t.Fatal(err)
	}
	if err := Order(t.Context(), s.Site.Base, "start", "dispatcher"); !errors.Is(err, ErrNoLab) {
		t.Errorf("no lab runs: %v", err)
	}
	if err := Runs(t.Context(), s.Site.Base); !errors.Is(err, ErrNoLab) {
		t.Errorf("no lab runs: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- s.control(ctx) }()
	defer func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
		_ = s.end()
	}()
	ask := func(words ...string) string {
		var err error
		for end := time.Now().Add(5 * time.Second); time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
			if err = Order(t.Context(), s.Site.Base, words...); !errors.Is(err, ErrNoLab) {
				break
			}
		}
		if err == nil {
			return "ok"
		}
		return err.Error()
	}
	for _, c := range []struct{ words, want string }{
		{"stop dispatcher", "does not run"},
		{"start httpd", "the daemons are"},
		{"stop httpd", "the daemons are"},
		{"burn dispatcher", "no such order"},
		{"start dispatcher", "ok"},
	} {
		if err := Runs(t.Context(), s.Site.Base); err != nil && c.words != "stop dispatcher" {
			t.Errorf("a lab runs: %v", err)
		}
		if got := ask(strings.Fields(c.words)...); !strings.Contains(got, c.want) {
			t.Errorf("%s: %q, want %q", c.words, got, c.want)
		}
	}
}

// TestOneDirectory wants the files of a lab to be left alone by another, and
// what a killed Create left to be made whole.
func TestOneDirectory(t *testing.T) {
	base := filepath.Join(t.TempDir(), "mta")
	c := Config{Base: base, Binary: "/bin/true", Fresh: true}
	s, err := New(c)
	if err != nil {
		t.Fatal(err)
	}
	name := filepath.Join(s.Site.ConfigDir(), "dispatcher.cnf")
	before, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	for _, fresh := range []bool{true, false} {
		c.Fresh = fresh
		if _, err := New(c); err == nil || !strings.Contains(err.Error(), "another lab runs in") {
			t.Errorf("two labs may run in one directory: %v", err)
		}
	}
	if after, err := os.ReadFile(name); err != nil || string(after) != string(before) {
		t.Errorf("the second lab changed the files of the first, %v:\n%s", err, after)
	}
	release(s.held)
	if err := os.RemoveAll(s.Site.RunDir()); err != nil {
		t.Fatal(err)
	}
	c.Fresh = true
	if s, err = New(c); err != nil {
		t.Fatalf("a directory that was made by half: %v", err)
	}
	release(s.held)
}
