package host_test

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"testing/fstest"
	"time"

	"github.com/mtawatch/mtawatch/internal/host"
)

func TestFiles(t *testing.T) {
	root := t.TempDir()
	if err := os.WriteFile(filepath.Join(root, "main.cf"), []byte("myhostname = mx.example.org\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("main.cf", filepath.Join(root, "link")); err != nil {
		t.Fatal(err)
	}
	m := host.New(host.Config{Root: root})
	if err := fstest.TestFS(m, "main.cf", "link"); err != nil {
		t.Error(err)
	}
	if to, err := m.ReadLink("link"); err != nil || to != "main.cf" {
		t.Errorf("got %q, %v", to, err)
	}
	if i, err := m.Lstat("link"); err != nil || i.Mode()&fs.ModeSymlink == 0 {
		t.Errorf("got %v, %v", i, err)
	}
	if b, err := fs.ReadFile(host.New(host.Config{}), "proc/self/comm"); err != nil || len(b) == 0 {
		t.Errorf("got %q, %v", b, err)
	}
}

func TestRun(t *testing.T) {
	m := host.New(host.Config{})
	tests := []struct {
		name, script, want, wantErr string
	}{
		{"output", "echo hello; echo noise >&2", "hello\n", ""},
		{"no input", "cat; echo end", "end\n", ""},
		{"environment", "env | grep -v -e ^PWD= -e ^_= -e ^SHLVL= -e ^OLDPWD= | sed 's/PATH=.*/PATH/' | sort", "LC_ALL=C\nPATH\n", ""},
		{"own group", "test $(ps -o pgid= -p $$) = $$ && echo yes", "yes\n", ""},
		{"status", "echo part; echo ' cannot open queue ' >&2; exit 3", "part\n", "run sh: exit status 3: cannot open queue"},
		{"silent status", "exit 4", "", "run sh: exit status 4"},
		{"long complaint", "yes error | head -c 1000000 >&2; exit 1", "", "run sh: exit status 1: error\nerror"},
		{"signal", "kill -9 $$", "", "run sh: signal: killed"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			out, err := m.Run(t.Context(), "sh", "-c", tt.script)
			if string(out) != tt.want {
				t.Errorf("got %q, want %q", out, tt.want)
			}
			if tt.wantErr == "" {
				if err != nil {
					t.Error(err)
				}
				return
			}
			var exit *exec.ExitError
			if !errors.As(err, &exit) || !strings.HasPrefix(err.Error(), tt.wantErr) || len(err.Error()) > 5000 {
				t.Errorf("got %v, want %s", err, tt.wantErr)
			}
		})
	}
}

func TestRunNotFound(t *testing.T) {
	t.Setenv("PATH", "relative:")
	m := host.New(host.Config{})
	if _, err := m.Run(t.Context(), "no-such-command-of-ours"); !errors.Is(err, exec.ErrNotFound) {
		t.Errorf("got %v", err)
	}
	if _, err := m.Run(t.Context(), "/nonexistent/postqueue"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("got %v", err)
	}
	if out, err := m.Run(t.Context(), "sh", "-c", "echo found"); err != nil || string(out) != "found\n" {
		t.Errorf("got %q, %v", out, err)
	}
}

func TestRunTooMuch(t *testing.T) {
	out, err := host.New(host.Config{}).Run(t.Context(), "sh", "-c", "trap '' PIPE; head -c 70000000 /dev/zero; sleep 1000")
	if !errors.Is(err, host.ErrTooMuchOutput) || len(out) != 0 {
		t.Errorf("got %d bytes, %v", len(out), err)
	}
}

func TestRunKillsGroup(t *testing.T) {
	pidFile := filepath.Join(t.TempDir(), "pid")
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	go func() {
		for ctx.Err() == nil {
			if b, err := os.ReadFile(pidFile); err == nil && strings.HasSuffix(string(b), "\n") {
				cancel()
			}
			time.Sleep(time.Millisecond)
		}
	}()
	_, err := host.New(host.Config{}).Run(ctx, "sh", "-c", "sleep 1001 & echo $! > "+pidFile+"; wait")
	if !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	b, err := os.ReadFile(pidFile)
	if err != nil {
		t.Fatal(err)
	}
	pid := strings.TrimSpace(string(b))
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(time.Millisecond) {
		stat, err := os.ReadFile("/proc/" + pid + "/stat")
		if err != nil || strings.Contains(string(stat), ") Z ") || strings.Contains(string(stat), ") X ") {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("child %s lives on", pid)
		}
	}
}

func TestRunLeavesOutputOpen(t *testing.T) {
	_, err := host.New(host.Config{}).Run(t.Context(), "sh", "-c", "sleep 3 & echo started")
	if err == nil || !strings.Contains(err.Error(), "left its output open") {
		t.Errorf("got %v", err)
	}
}

func TestDial(t *testing.T) {
	root := t.TempDir()
	ln, err := net.Listen("unix", filepath.Join(root, "showq"))
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	m := host.New(host.Config{Root: root})
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	c, err := m.Dial(ctx, "unix", "/showq")
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	peer, err := ln.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer peer.Close()
	if _, err := io.WriteString(peer, "hi"); err != nil {
		t.Fatal(err)
	}
	b := make([]byte, 10)
	if n, err := c.Read(b); err != nil || string(b[:n]) != "hi" {
		t.Errorf("got %q, %v", b[:n], err)
	}
	read := make(chan error)
	go func() {
		_, err := c.Read(b)
		read <- err
	}()
	cancel()
	if err := <-read; !errors.Is(err, context.Canceled) {
		t.Errorf("read: %v", err)
	}
	if _, err := c.Write(b); !errors.Is(err, context.Canceled) {
		t.Errorf("write: %v", err)
	}
	if _, err := m.Dial(ctx, "unix", "/showq"); !errors.Is(err, context.Canceled) {
		t.Errorf("dial: %v", err)
	}
	if _, err := m.Dial(t.Context(), "unix", "/nothing"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("no socket: %v", err)
	}
	for _, bad := range [][2]string{{"unix", "showq"}, {"udp", "127.0.0.1:25"}} {
		if _, err := m.Dial(t.Context(), bad[0], bad[1]); err == nil {
			t.Errorf("%v: no error", bad)
		}
	}
}

func TestDisk(t *testing.T) {
	m := host.New(host.Config{})
	disk, err := m.Disk("/tmp")
	free, total := disk.Free, disk.Size
	var s syscall.Statfs_t
	if err := syscall.Statfs("/tmp", &s); err != nil {
		t.Fatal(err)
	}
	if want := s.Blocks * uint64(s.Bsize); err != nil || total != want || free == 0 || free > total {
		t.Errorf("got %d of %d (want %d), %v", free, total, want, err)
	}
	if _, err := m.Disk("/nonexistent"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("got %v", err)
	}
}
