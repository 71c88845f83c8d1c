package host

import (
	"context"
	"errors"
	"net"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

const namespaceEnv = "MTAWATCH_TEST_NAMESPACE"

// inNamespace runs the test that calls it once more, in a network namespace
// of its own with only the loopback up, and a mount namespace. It is true in
// there; outside it is false and the outcome is already that of the inner
// run. uid other than 0 runs a third time, inside the namespaces as that
// user; prepare is called before, still as root.
func inNamespace(t *testing.T, uid uint32, prepare ...func()) bool {
	t.Helper()
	want := t.Name()
	switch os.Getenv(namespaceEnv) {
	case want + "/inner":
		return true
	case want:
		if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
			t.Fatal(err)
		}
		loopbackUp(t)
		for _, fn := range prepare {
			fn()
		}
		if uid == 0 {
			return true
		}
		again(t, want+"/inner", &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uid, Gid: uid}})
		return false
	}
	attr := &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNET | syscall.CLONE_NEWNS}
	if id := os.Getuid(); id != 0 {
		if uid != 0 {
			t.Skip("only root can be another user")
		}
		attr.Cloneflags |= syscall.CLONE_NEWUSER
		attr.UidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: id, Size: 1}}
		attr.GidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getgid(), Size: 1}}
	}
	again(t, want, attr)
	return false
}

func again(t *testing.T, mark string, attr *syscall.SysProcAttr) {
	t.Helper()
	cmd := exec.Command("/proc/self/exe", "-test.run=^"+t.Name()+"$", "-test.count=1", "-test.v")
	cmd.Env = append(os.Environ(), namespaceEnv+"="+mark)
	cmd.SysProcAttr = attr
	out, err := cmd.CombinedOutput()
	if attr.Cloneflags != 0 && errors.Is(err, syscall.EPERM) && os.Getuid() != 0 {
		t.Skip("no user namespaces here")
	}
	if err != nil || !strings.Contains(string(out), "--- PASS: "+t.Name()) {
		t.Fatalf("in namespace: %v\n%s", err, out)
	}
	t.Logf("in namespace:\n%s", out)
}

func loopbackUp(t *testing.T) {
	t.Helper()
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fd)
	ifr, err := unix.NewIfreq("lo")
	if err != nil {
		t.Fatal(err)
	}
	ifr.SetUint16(unix.IFF_UP)
	if err := unix.IoctlIfreq(fd, unix.SIOCSIFFLAGS, ifr); err != nil {
		t.Fatal(err)
	}
}

// eventually waits for the kernel to catch up with what a test did.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); !ok(); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("never came: %s", what)
		}
	}
}

func listen(t *testing.T, network, address string) net.Listener {
	t.Helper()
	l, err := net.Listen(network, address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l
}

// dialFrom connects from an address of ours.
func dialFrom(t *testing.T, from, to string) net.Conn {
	t.Helper()
	d := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(from)}}
	c, err := d.DialContext(context.Background(), "tcp", to)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

func accept(t *testing.T, l net.Listener) net.Conn {
	t.Helper()
	c, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

func command(t *testing.T, stdin, name string, args ...string) string {
	t.Helper()
	cmd := exec.Command(name, args...)
	cmd.Stdin = strings.NewReader(stdin)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%s %q: %v\n%s", name, args, err, out)
	}
	return string(out)
}
