package labtest

import (
	"context"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"
)

// Program is one of the MTA's programs, as the packages of its parts give it.
type Program = func(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer) int

// Main is what a TestMain does whose sites link their programs to the test
// binary: it runs the program that the binary was started as, or the tests.
func Main(m *testing.M, programs map[string]Program) {
	if p := programs[filepath.Base(os.Args[0])]; p != nil {
		os.Exit(p(context.Background(), os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
	}
	os.Exit(m.Run())
}

// Start starts a program and ends it with the test: the first SIGTERM lets
// sessions end, the second ends them.
func Start(t testing.TB, path string, args ...string) *exec.Cmd {
	t.Helper()
	cmd := exec.Command(path, args...)
	cmd.Stderr = os.Stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		done := make(chan struct{})
		go func() {
			defer close(done)
			_ = cmd.Wait()
		}()
		for {
			_ = cmd.Process.Signal(syscall.SIGTERM)
			select {
			case <-done:
				return
			case <-time.After(50 * time.Millisecond):
			}
		}
	})
	return cmd
}

// WaitFor waits for what other processes do, and fails the test when that
// takes too long.
func WaitFor(t testing.TB, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(20 * time.Second); !ok(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("waited in vain for %s", what)
		}
	}
}
