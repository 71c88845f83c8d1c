//go:build linux

package world

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// The environment that carries the stage from one execution of the program
// to the next.
const (
	stageVar  = "MTAWATCH_WORLD_STAGE"
	sharedVar = "MTAWATCH_WORLD_DIR"
)

// Setup says what to do before the world is entered. The zero value enters
// with nothing more than a Postfix.
type Setup struct {
	Tools []Tool // needed beside those of Tools()

	// Prepare runs outside, where the network and the caches of the caller
	// still work; what it leaves in the directory is seen inside too.
	Prepare func(shared string) error

	// Beside runs outside while the world is up, until stop is closed.
	Beside func(shared string, stop <-chan struct{})
}

// Tool is a command that must be installed, with its Debian package.
type Tool struct{ Command, Package string }

// Tools lists what every world needs.
func Tools() []Tool {
	return []Tool{{"postfix", "postfix"}, {"ip", "iproute2"}, {"nft", "nftables"}, {"dnsmasq", "dnsmasq-base"},
		{"mount", "mount"}, {"ss", "iproute2"}}
}

// Run executes the program again in fresh namespaces and calls inner there.
// It gives the exit status: inner's own, or 1 with a message on standard
// error when the world could not be made. It works for root, and for an
// ordinary user who has a range in /etc/subuid.
func Run(s Setup, inner func(*Box) int) int {
	var err error
	code := 1
	switch os.Getenv(stageVar) {
	case "":
		code, err = enter(s)
	case "init":
		code, err = initProcess()
	default:
		var b *Box
		if b, err = newBox(os.Getenv(sharedVar)); err == nil {
			code = inner(b)
		}
	}
	if err != nil {
		fmt.Fprintf(os.Stderr, "make world: %v\n", err)
		return 1
	}
	return code
}

// Missing gives the apt command that installs what is missing, "" when
// nothing is.
func Missing(tools []Tool) string {
	var packages []string
	for _, t := range tools {
		if lookTool(t.Command) == "" {
			packages = append(packages, t.Package)
		}
	}
	if len(packages) == 0 {
		return ""
	}
	return "apt-get install -y --no-install-recommends " + strings.Join(packages, " ")
}

// lookTool finds a command also in the directories that an ordinary user's
// PATH lacks.
func lookTool(name string) string {
	if p, err := exec.LookPath(name); err == nil {
		return p
	}
	for _, dir := range []string{"/usr/sbin", "/sbin", "/usr/lib/systemd", "/lib/systemd"} {
		p := filepath.Join(dir, name)
		if fi, err := os.Stat(p); err == nil && fi.Mode().IsRegular() {
			return p
		}
	}
	return ""
}

func enter(s Setup) (int, error) {
	if fix := Missing(append(Tools(), s.Tools...)); fix != "" {
		return 1, fmt.Errorf("programs are missing; as root run: %s", fix)
	}
	shared, err := os.MkdirTemp("", "mtawatch-world-")
	if err != nil {
		return 1, err
	}
	defer os.RemoveAll(shared)
	if err := errors.Join(os.Chmod(shared, 0o755), os.Mkdir(filepath.Join(shared, "ns"), 0o755)); err != nil {
		return 1, err
	}
	if s.Prepare != nil {
		if err := s.Prepare(shared); err != nil {
			return 1, err
		}
	}
	// The child dies when the thread that started it does.
	runtime.LockOSThread()
	cmd, err := stageOne()
	if err != nil {
		return 1, err
	}
	cmd.Env = append(os.Environ(), stageVar+"=init", sharedVar+"="+shared)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	if err := cmd.Start(); err != nil {
		return 1, fmt.Errorf("enter namespaces (as root, or with a line for you in /etc/subuid): %w", err)
	}
	stop := make(chan struct{})
	defer close(stop)
	if s.Beside != nil {
		go s.Beside(shared, stop)
	}
	forwardSignals(cmd.Process.Pid)
	err = cmd.Wait()
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		return max(exit.ExitCode(), 1), nil
	}
	return 0, err
}

// stageOne gives the command that executes this program as the first
// process of new namespaces.
func stageOne() (*exec.Cmd, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	if os.Geteuid() == 0 {
		cmd := exec.Command(self, os.Args[1:]...)
		cmd.SysProcAttr = &syscall.SysProcAttr{
			Cloneflags: syscall.CLONE_NEWNET | syscall.CLONE_NEWNS | syscall.CLONE_NEWPID | syscall.CLONE_NEWUTS | syscall.CLONE_NEWIPC,
			Pdeathsig:  syscall.SIGKILL,
		}
		return cmd, nil
	}
	if lookTool("newuidmap") == "" {
		return nil, errors.New("newuidmap is missing; as root run: apt-get install -y --no-install-recommends uidmap")
	}
	args := append([]string{"-U", "--map-root-user", "--map-auto", "-n", "-m", "-p", "-u", "-i", "-f", "--kill-child", self}, os.Args[1:]...)
	cmd := exec.Command("unshare", args...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	return cmd, nil
}

// forwardSignals passes an interrupt on once and kills at the second.
func forwardSignals(pid int) {
	c := make(chan os.Signal, 4)
	signal.Notify(c, syscall.SIGINT, syscall.SIGTERM)
	go func() {
		n := 0
		for s := range c {
			if n++; n > 2 {
				s = syscall.SIGKILL
			}
			_ = syscall.Kill(pid, s.(syscall.Signal))
		}
	}()
}

// initProcess is the first process of the namespaces: it starts the program
// once more and collects every orphan until that ends. The kernel ends all
// others with it.
func initProcess() (int, error) {
	// The /proc mounted here is still the outer one and tells the outer id.
	outer, err := os.Readlink("/proc/self")
	if err != nil {
		return 1, err
	}
	if err := os.WriteFile(filepath.Join(os.Getenv(sharedVar), "pid"), []byte(outer+"\n"), 0o644); err != nil {
		return 1, err
	}
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return 1, fmt.Errorf("make mounts private: %w", err)
	}
	self, err := os.Executable()
	if err != nil {
		return 1, err
	}
	if err := unix.Mount("proc", "/proc", "proc", unix.MS_NOSUID|unix.MS_NODEV|unix.MS_NOEXEC, ""); err != nil {
		return 1, fmt.Errorf("mount /proc: %w", err)
	}
	if err := os.Setenv(stageVar, "inner"); err != nil {
		return 1, err
	}
	pid, err := syscall.ForkExec(self, os.Args, &syscall.ProcAttr{
		Env:   os.Environ(),
		Files: []uintptr{0, 1, 2},
	})
	if err != nil {
		return 1, err
	}
	forwardSignals(pid)
	for {
		var status syscall.WaitStatus
		got, err := syscall.Wait4(-1, &status, 0, nil)
		switch {
		case err == syscall.EINTR:
		case err != nil:
			return 1, fmt.Errorf("wait: %w", err)
		case got == pid && status.Signaled():
			return 128 + int(status.Signal()), nil
		case got == pid && status.Exited():
			return status.ExitStatus(), nil
		}
	}
}

// OuterPID gives the id of the world's first process as the caller's
// machine counts it, for nsenter.
func OuterPID(shared string) (int, error) {
	b, err := os.ReadFile(filepath.Join(shared, "pid"))
	if err != nil {
		return 0, err
	}
	return strconv.Atoi(strings.TrimSpace(string(b)))
}
