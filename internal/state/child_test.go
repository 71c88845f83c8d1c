package state

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"
)

// roleEnv makes the test program play a part in another test: a process that
// is killed, or one with its own file systems.
const roleEnv = "MTAWATCH_STATE_TEST_DIR"

// child prepares this test program to run one test again, with dir to work in.
func child(t *testing.T, test, dir string) *exec.Cmd {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^"+test+"$", "-test.v")
	cmd.Env = append(os.Environ(), roleEnv+"="+dir)
	return cmd
}

// ownMounts gives the child a mount namespace of its own.
func ownMounts(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Unshareflags: syscall.CLONE_NEWNS}
	if uid := os.Getuid(); uid != 0 {
		cmd.SysProcAttr = &syscall.SysProcAttr{
			Cloneflags:  syscall.CLONE_NEWNS | syscall.CLONE_NEWUSER,
			UidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: uid, Size: 1}},
			GidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getgid(), Size: 1}},
		}
	}
}

// TestKill kills a committing process several times. Every commit that the
// process had announced must be there, and none may be there in part.
func TestKill(t *testing.T) {
	if dir := os.Getenv(roleEnv); dir != "" {
		commitForever(t, dir)
		return
	}
	dir := t.TempDir()
	last := 0
	for range 5 {
		cmd := child(t, "TestKill", dir)
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		scan := bufio.NewScanner(out)
		for n := 0; n < 50 && scan.Scan(); {
			if i, err := strconv.Atoi(scan.Text()); err == nil {
				last, n = i, n+1
			}
		}
		if err := cmd.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		for scan.Scan() { // announced before the kill reached it
			if i, err := strconv.Atoi(scan.Text()); err == nil {
				last = i
			}
		}
		_ = cmd.Wait() // says that it was killed
		d := open(t, filepath.Join(dir, "state.db"))
		if got := counter(t, d); got < last {
			t.Fatalf("%d is stored, %d was acknowledged", got, last)
		}
		if err := d.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if last < 250 {
		t.Fatalf("only %d commits were seen", last)
	}
}

// counter checks that all hundred keys tell the same number, and gives it.
func counter(t *testing.T, d *DB) int {
	t.Helper()
	got := dump(t, d, "x")
	first := got["0"]
	for k, v := range got {
		if v != first || len(got) != 100 {
			t.Fatalf("a part of a batch: %d keys, 0=%s %s=%s", len(got), first, k, v)
		}
	}
	n, _ := strconv.Atoi(first) // 0 in a new store
	return n
}

func commitForever(t *testing.T, dir string) {
	d := open(t, filepath.Join(dir, "state.db"))
	for n := counter(t, d) + 1; ; n++ {
		commit(t, d, func(b *Batch) {
			for k := range 100 {
				b.Put("x", strconv.Itoa(k), strconv.AppendInt(nil, int64(n), 10))
			}
		})
		if _, err := fmt.Println(n); err != nil {
			return // our reader is gone
		}
	}
}

// TestFull fills a real small file system under the store.
func TestFull(t *testing.T) {
	if dir := os.Getenv(roleEnv); dir != "" {
		fillDisk(t, dir)
		return
	}
	cmd := child(t, "TestFull", t.TempDir())
	ownMounts(cmd)
	out, err := cmd.CombinedOutput()
	if errors.Is(err, syscall.EPERM) {
		t.Skip("may not make a mount namespace here")
	}
	if err != nil || !bytes.Contains(out, []byte("--- PASS: TestFull")) {
		t.Fatalf("%v\n%s", err, out)
	}
}

func fillDisk(t *testing.T, dir string) {
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=2m"); err != nil {
		t.Fatal(err)
	}
	ballast := filepath.Join(dir, "ballast")
	fill(t, ballast, 0)
	if _, err := Open(filepath.Join(dir, "state.db"), Config{}); !errors.Is(err, ErrFull) {
		t.Errorf("open on a full disk: got %v", err)
	}
	if err := os.Remove(ballast); err != nil {
		t.Fatal(err)
	}
	d := open(t, filepath.Join(dir, "state.db"))
	stored := 0
	put := func() error {
		var b Batch
		for k := range 100 {
			b.Put("x", strconv.Itoa(k), fmt.Appendf(nil, "%0500d", stored+1))
		}
		err := d.Commit(context.Background(), &b)
		if err == nil {
			stored++
		}
		return err
	}
	for round := range 3 {
		if err := put(); err != nil {
			t.Fatalf("round %d with space: %v", round, err)
		}
		fill(t, ballast, 16<<10)
		var err error
		for range 1000 {
			if err = put(); err != nil {
				break
			}
		}
		if !errors.Is(err, ErrFull) {
			t.Fatalf("round %d: got %v, want ErrFull", round, err)
		}
		t.Logf("round %d: %v", round, err)
		if got := counter(t, d); got != stored {
			t.Fatalf("round %d: %d is read, %d was acknowledged", round, got, stored)
		}
		if err := os.Remove(ballast); err != nil {
			t.Fatal(err)
		}
		if err := put(); err != nil {
			t.Fatalf("round %d, space is back: %v", round, err)
		}
		if err := d.Close(); err != nil {
			t.Fatal(err)
		}
		d = open(t, filepath.Join(dir, "state.db"))
		if got := counter(t, d); got != stored {
			t.Fatalf("round %d: %d after a restart, %d was acknowledged", round, got, stored)
		}
	}
}

// fill writes until the file system is full, then gives spare bytes back.
func fill(t *testing.T, path string, spare int64) {
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
