package host

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// MaxOutput is how much standard output Run takes from a command, in bytes.
const MaxOutput = 64 << 20

// maxErrorOutput is how much of the standard error output is kept.
const maxErrorOutput = 4 << 10

// ErrTooMuchOutput says that a command wrote more than MaxOutput.
var ErrTooMuchOutput = errors.New("more output than 64 MiB")

// outputPatience is how long Run waits, after a command ended or was killed,
// for others that still hold its output open.
const outputPatience = time.Second

// Run runs a command to its end and gives its standard output. Its input is
// empty; its environment is LC_ALL=C and PATH (ours, and the sbin directories
// where MTAs keep their tools). It leads a process group of its own, which is
// killed when ctx ends or the output grows beyond MaxOutput. An exit status
// other than 0 is an error that wraps *exec.ExitError and ends with the
// command's standard error output; the output so far is given with it.
func (m *Machine) Run(ctx context.Context, name string, args ...string) ([]byte, error) {
	path, search, err := lookPath(name)
	if err != nil {
		return nil, fmt.Errorf("run %s: %w", name, err)
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)

	cmd := exec.CommandContext(ctx, path, args...)
	stdout := &boundedBuffer{max: MaxOutput, full: func() { cancel(ErrTooMuchOutput) }}
	stderr := &boundedBuffer{max: maxErrorOutput}
	cmd.Stdout, cmd.Stderr = stdout, stderr
	cmd.Env = []string{"LC_ALL=C", "PATH=" + search}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	cmd.WaitDelay = outputPatience

	err = cmd.Run()
	switch cause := context.Cause(ctx); {
	case cause != nil:
		return nil, fmt.Errorf("run %s: %w", name, cause)
	case err == nil:
		return stdout.b.Bytes(), nil
	case errors.Is(err, exec.ErrWaitDelay):
		return nil, fmt.Errorf("run %s: it ended but left its output open to another process", name)
	}
	if text := strings.TrimSpace(stderr.b.String()); text != "" {
		return stdout.b.Bytes(), fmt.Errorf("run %s: %w: %s", name, err, text)
	}
	return stdout.b.Bytes(), fmt.Errorf("run %s: %w", name, err)
}

// lookPath finds a command, in our PATH first and then where system tools
// stand, for a user's PATH often lacks the sbin directories.
func lookPath(name string) (path, search string, err error) {
	dirs := filepath.SplitList(os.Getenv("PATH"))
	dirs = append(dirs, "/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin")
	var list []string
	seen := map[string]bool{}
	for _, d := range dirs {
		if filepath.IsAbs(d) && !seen[d] {
			seen[d] = true
			list = append(list, d)
		}
	}
	search = strings.Join(list, string(filepath.ListSeparator))
	if strings.ContainsRune(name, '/') {
		return name, search, nil
	}
	for _, d := range list {
		p := filepath.Join(d, name)
		if _, err := exec.LookPath(p); err == nil {
			return p, search, nil
		}
	}
	return "", search, fmt.Errorf("%w in %s", exec.ErrNotFound, search)
}

// A boundedBuffer keeps the first max bytes, drops the rest and calls full
// once when it begins to.
type boundedBuffer struct {
	b    bytes.Buffer
	max  int
	full func()
}

func (b *boundedBuffer) Write(p []byte) (int, error) {
	room := b.max - b.b.Len()
	if len(p) <= room {
		return b.b.Write(p)
	}
	b.b.Write(p[:room])
	if b.full != nil {
		b.full()
	}
	return len(p), nil
}
