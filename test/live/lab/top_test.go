//go:build live && linux

package lab

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// terminal is a tmux server of its own with 'mtawatch top' in it.
type terminal struct {
	t    *testing.T
	sock string
}

func (x terminal) tmux(args ...string) string {
	x.t.Helper()
	out, err := exec.Command("tmux", append([]string{"-S", x.sock, "-f", "/dev/null"}, args...)...).CombinedOutput()
	if err != nil {
		x.t.Fatalf("tmux %q: %v: %s", args, err, out)
	}
	return string(out)
}

// shows waits until the screen shows every text, and gives it.
func (x terminal) shows(within time.Duration, texts ...string) string {
	x.t.Helper()
	screen := ""
	for end := time.Now().Add(within); time.Now().Before(end); time.Sleep(200 * time.Millisecond) {
		screen = x.tmux("capture-pane", "-p", "-t", "top")
		missing := false
		for _, text := range texts {
			missing = missing || !strings.Contains(screen, text)
		}
		if !missing {
			return screen
		}
	}
	x.t.Fatalf("not all of %q within %s:\n%s", texts, within, screen)
	return ""
}

// TestTop looks at the watched practice MTA through a real terminal: an
// incident appears, is looked into, goes, and the size changes meanwhile.
func TestTop(t *testing.T) {
	if _, err := exec.LookPath("tmux"); err != nil {
		t.Fatal("tmux is missing: apt-get install tmux")
	}
	binary, base := build(t), filepath.Join(t.TempDir(), "lab")
	lab := exec.Command(binary, "lab", "--watch", "--base", base)
	said, err := os.Create(filepath.Join(t.TempDir(), "said"))
	if err != nil {
		t.Fatal(err)
	}
	defer said.Close()
	lab.Stdout, lab.Stderr = said, os.Stderr
	if err := lab.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = lab.Process.Signal(syscall.SIGINT)
		_ = lab.Wait() // it says itself what went wrong
	})
	config := filepath.Join(base, "mtawatch", "mtawatch.yaml")
	for end := time.Now().Add(2 * time.Minute); ; time.Sleep(500 * time.Millisecond) {
		if text, err := os.ReadFile(said.Name()); err == nil && strings.Contains(string(text), "It goes on") {
			break
		}
		if time.Now().After(end) {
			t.Fatal("the practice MTA does not go on after two minutes")
		}
	}
	x := terminal{t, filepath.Join(t.TempDir(), "tmux")}
	x.tmux("new-session", "-d", "-s", "top", "-x", "80", "-y", "24", fmt.Sprintf("env LANG=C.UTF-8 %s --config %s top --interval 1s", binary, config))
	t.Cleanup(func() { _ = exec.Command("tmux", "-S", x.sock, "kill-server").Run() })
	x.shows(20*time.Second, "queue", "normal", "OK", "1 signs")

	if out, err := exec.Command(binary, "lab", "--base", base, "stop", "job_controller").CombinedOutput(); err != nil {
		t.Logf("stop job controller: %v: %s", err, out) // one that is busy is killed, which is as good here
	}
	x.shows(20*time.Second, "CRITICAL", "job controller of imta is down", "to do:", "missing: job-controller")
	x.tmux("send-keys", "-t", "top", "6")
	x.shows(10*time.Second, "TITLE", "> CRITICAL")
	x.tmux("send-keys", "-t", "top", "Enter")
	x.shows(10*time.Second, "evidence", "to do", "esc: back")
	x.tmux("resize-window", "-t", "top", "-x", "200", "-y", "60")
	x.tmux("send-keys", "-t", "top", "1")
	x.shows(10*time.Second, "what fails", "DESTINATION")
	x.tmux("resize-window", "-t", "top", "-x", "40", "-y", "10")
	x.shows(10*time.Second, "daemons", "q: quit")
	x.tmux("resize-window", "-t", "top", "-x", "80", "-y", "24")
	if out, err := exec.Command(binary, "lab", "--base", base, "start", "job_controller").CombinedOutput(); err != nil {
		t.Fatalf("start job controller: %v: %s", err, out)
	}
	x.shows(90*time.Second, "no finding is open")
	x.tmux("send-keys", "-t", "top", "q")
	for end := time.Now().Add(5 * time.Second); exec.Command("tmux", "-S", x.sock, "has-session", "-t", "top").Run() == nil; time.Sleep(100 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("q does not end it")
		}
	}
}
