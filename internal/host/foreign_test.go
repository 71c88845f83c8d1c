package host

import (
	"os"
	"os/exec"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/mtawatch/mtawatch/internal/mta"
)

// TestForeign starts processes in namespaces of their own. Only those that
// see other ids, another network or other files are foreign.
func TestForeign(t *testing.T) {
	root := uintptr(0)
	if os.Getuid() != 0 {
		root = syscall.CLONE_NEWUSER
	}
	tests := []struct {
		name  string
		flags uintptr
		other bool // another root directory
		want  bool
	}{
		{"ours", 0, false, false},
		{"own mounts over the same root, as a system service", syscall.CLONE_NEWNS, false, false},
		{"own mounts and another root", syscall.CLONE_NEWNS, true, true},
		{"own network", syscall.CLONE_NEWNET, false, true},
		{"own process ids", syscall.CLONE_NEWPID, false, true},
		{"own host name only", syscall.CLONE_NEWUTS, false, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			cmd := exec.Command("/proc/self/exe", "-test.run=^TestForeignChild$")
			attr := &syscall.SysProcAttr{Cloneflags: tt.flags}
			if root != 0 && tt.flags != 0 {
				attr.Cloneflags |= root
				attr.UidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getuid(), Size: 1}}
				attr.GidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getgid(), Size: 1}}
			}
			cmd.SysProcAttr = attr
			cmd.Env = append(os.Environ(), foreignEnv+"="+t.TempDir())
			if !tt.other {
				cmd.Env = append(os.Environ(), foreignEnv+"=/")
			}
			out, err := cmd.StdoutPipe()
			if err != nil {
				t.Fatal(err)
			}
			in, err := cmd.StdinPipe()
			if err != nil {
				t.Fatal(err)
			}
			if err := cmd.Start(); err != nil {
				if root != 0 {
					t.Skipf("no namespaces for a plain user: %v", err)
				}
				t.Fatal(err)
			}
			defer func() {
				in.Close()
				cmd.Wait()
			}()
			if _, err := out.Read(make([]byte, 1)); err != nil {
				t.Fatalf("the child is not ready: %v", err)
			}
			list, err := New(Config{}).Processes(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			var p mta.Process
			for _, q := range list {
				if q.PID == cmd.Process.Pid {
					p = q
				}
			}
			if p.PID == 0 || p.Foreign != tt.want {
				t.Errorf("foreign %v, want %v: %+v", p.Foreign, tt.want, p)
			}
		})
	}
}

const foreignEnv = "MTAWATCH_TEST_FOREIGN"

// TestForeignChild is the process that TestForeign looks at.
func TestForeignChild(t *testing.T) {
	dir := os.Getenv(foreignEnv)
	if dir == "" {
		return
	}
	if dir != "/" {
		if err := unix.Chroot(dir); err != nil {
			t.Fatal(err)
		}
	}
	os.Stdout.WriteString(".")
	_, _ = os.Stdin.Read(make([]byte, 1))
}

func TestNestedPID(t *testing.T) {
	tests := []struct {
		name, status string
		want         bool
	}{
		{"ours", "Name:\tmaster\nNSpid:\t812\nNSpgid:\t812\n", false},
		{"in a container", "Name:\tmaster\nNSpid:\t812\t1\nNSpgid:\t812\t1\n", true},
		{"in the name", "Name:\tNSpid: 1 2\nNSpid:\t812\n", false},
		{"old kernel", "Name:\tmaster\n", false},
		{"empty", "", false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := nestedPID([]byte(tt.status)); got != tt.want {
				t.Errorf("nested %v, want %v", got, tt.want)
			}
		})
	}
}
