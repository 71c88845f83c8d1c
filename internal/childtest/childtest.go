// Package childtest runs the calling test once more, as a process of its own
// that may be killed, or that has file systems of its own to fill. In go the
// test and a directory that both processes work in; out come what the child
// announced, and test failures. It is for tests only.
//
// A test asks Dir first: where it gives a directory, the test is the child and
// does the child's part.
package childtest

import (
	"bufio"
	"bytes"
	"errors"
	"os"
	"os/exec"
	"strconv"
	"syscall"
	"testing"
)

// dirEnv tells the child its directory.
const dirEnv = "MTAWATCH_CHILD_TEST_DIR"

// Dir gives the directory of the child; "" in the test that started it.
func Dir() string { return os.Getenv(dirEnv) }

// Command prepares this program to run the calling test again, with dir to
// work in.
func Command(t *testing.T, dir string) *exec.Cmd {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^"+t.Name()+"$", "-test.v")
	cmd.Env = append(os.Environ(), dirEnv+"="+dir)
	return cmd
}

// Kill runs the calling test again with dir to work in, and kills it when it
// has announced n numbers, each alone on a line of its output. It gives the
// last that it had announced by then.
func Kill(t *testing.T, dir string, n int) (last int) {
	t.Helper()
	cmd := Command(t, dir)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	seen := 0
	scan := bufio.NewScanner(out)
	for scan.Scan() {
		i, err := strconv.Atoi(scan.Text())
		if err != nil {
			continue
		}
		last = i
		if seen++; seen != n {
			continue // before, or announced before the kill reached it
		}
		if err := cmd.Process.Kill(); err != nil {
			t.Fatal(err)
		}
	}
	_ = cmd.Wait() // says that it was killed
	if seen < n {
		t.Fatalf("the child announced %d numbers, want %d", seen, n)
	}
	return last
}

// OwnMounts runs the calling test again in a mount namespace of its own, with
// a directory to mount file systems in, and wants it to pass. Where this user
// may not make one the test is skipped.
func OwnMounts(t *testing.T) {
	t.Helper()
	cmd := Command(t, t.TempDir())
	cmd.SysProcAttr = &syscall.SysProcAttr{Unshareflags: syscall.CLONE_NEWNS}
	if uid := os.Getuid(); uid != 0 {
		cmd.SysProcAttr = &syscall.SysProcAttr{
			Cloneflags:  syscall.CLONE_NEWNS | syscall.CLONE_NEWUSER,
			UidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: uid, Size: 1}},
			GidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getgid(), Size: 1}},
		}
	}
	out, err := cmd.CombinedOutput()
	if errors.Is(err, syscall.EPERM) {
		t.Skip("may not make a mount namespace here")
	}
	if err != nil || !bytes.Contains(out, []byte("--- PASS: "+t.Name())) {
		t.Fatalf("%v\n%s", err, out)
	}
	t.Logf("%s", out)
}

// Fill writes a file until the file system is full, then gives spare bytes
// back.
func Fill(t *testing.T, path string, spare int64) {
	t.Helper()
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	var size int64
	for page := make([]byte, 4096); ; {
		n, err := f.Write(page)
		size += int64(n)
		if err != nil {
			break
		}
	}
	if err := f.Truncate(max(size-spare, 0)); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
}
