// Package exec runs a program for each message. In comes a notify.Message;
// out go environment variables for what a script needs first, and the whole
// message as JSON on standard input. No shell stands between, so that nothing
// in a finding, which may quote strangers, is ever read as a command.
//
// Exit status 0 is success, 75 (EX_TEMPFAIL of sysexits.h) and a time-out are
// tried again, any other status is not.
package exec

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/mtawatch/mtawatch/internal/notify"
)

// tempFail is EX_TEMPFAIL: try again later.
const tempFail = 75

// The bounds of what a program may get and say.
const (
	maxValue  = 4096 // bytes of one environment variable
	maxOutput = 200  // bytes of what it printed that are kept
	killAfter = 2 * time.Second
)

// Config sets up the channel. Command is the program, as an absolute path,
// and its arguments.
type Config struct {
	Command []string
}

// New makes the channel's Send. It starts nothing. A program that sends mail
// is refused, also under another name that links to it.
func New(cfg Config) (send func(context.Context, notify.Message) (bool, error), err error) {
	if len(cfg.Command) == 0 || !filepath.IsAbs(cfg.Command[0]) {
		return nil, errors.New("must be a list that begins with the absolute path of a program")
	}
	if text := notify.CheckCommand(cfg.Command); text != "" {
		return nil, errors.New(text)
	}
	if target, err := filepath.EvalSymlinks(cfg.Command[0]); err == nil {
		if text := notify.CheckCommand(append([]string{target}, cfg.Command[1:]...)); text != "" {
			return nil, errors.New(text)
		}
	}
	return func(ctx context.Context, m notify.Message) (bool, error) { return run(ctx, cfg.Command, m) }, nil
}

func run(ctx context.Context, command []string, m notify.Message) (retry bool, err error) {
	body, err := json.Marshal(m)
	if err != nil {
		return false, fmt.Errorf("write message: %w", err)
	}
	name := filepath.Base(command[0])
	c := exec.CommandContext(ctx, command[0], command[1:]...)
	c.Stdin = bytes.NewReader(append(body, '\n'))
	c.Env = environment(m)
	c.Dir = "/"
	var out tail
	c.Stdout, c.Stderr = &out, &out
	// What the program started ends with it.
	c.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	c.Cancel = func() error { return syscall.Kill(-c.Process.Pid, syscall.SIGKILL) }
	c.WaitDelay = killAfter
	err = c.Run()
	var exit *exec.ExitError
	switch {
	case ctx.Err() != nil:
		return true, fmt.Errorf("run %s: it did not end in time%s", name, out.said())
	case err == nil || errors.Is(err, syscall.EPIPE): // it need not read its input
		return false, nil
	case errors.As(err, &exit):
		return exit.ExitCode() == tempFail, fmt.Errorf("run %s: %w%s", name, err, out.said())
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, fs.ErrPermission):
		return true, fmt.Errorf("run %s: %w; the user that mtawatch runs as must be able to run it", name, err)
	}
	return true, fmt.Errorf("run %s: %w", name, err)
}

// environment gives what a program finds in its environment: PATH, the zone
// and the message.
func environment(m notify.Message) []string {
	var env []string
	for _, k := range []string{"PATH", "TZ", "LANG", "HOME"} {
		if v, ok := os.LookupEnv(k); ok {
			env = append(env, k+"="+v)
		}
	}
	f := m.Finding
	for _, p := range [...][2]string{
		{"EVENT", m.Event}, {"TEXT", m.Text}, {"HOST", m.Host}, {"URL", m.URL}, {"ID", f.ID}, {"CODE", string(f.Code)},
		{"SEVERITY", f.Severity.String()}, {"INSTANCE", f.Instance}, {"SUBJECT", f.Subject}, {"TITLE", f.Title}, {"CAUSE", f.Cause},
		{"ADVICE", strings.Join(f.Advice, " ")}, {"SINCE", stamp(f.Since)}, {"END", stamp(f.End)}, {"FOLDED_INTO", f.FoldedInto},
	} {
		env = append(env, "MTAWATCH_"+p[0]+"="+notify.Clean(p[1], maxValue))
	}
	return env
}

func stamp(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format(time.RFC3339)
}

// tail keeps the end of what was printed.
type tail struct{ kept []byte }

func (t *tail) Write(b []byte) (int, error) {
	t.kept = append(t.kept, b[max(len(b)-maxOutput, 0):]...)
	if n := len(t.kept) - maxOutput; n > 0 {
		t.kept = append(t.kept[:0], t.kept[n:]...)
	}
	return len(b), nil
}

// said gives what was printed, in one line and without mail addresses.
func (t *tail) said() string {
	words := strings.Fields(notify.Clean(string(t.kept), maxOutput))
	for i, w := range words {
		if strings.ContainsRune(w, '@') {
			words[i] = "<address>"
		}
	}
	if len(words) == 0 {
		return ""
	}
	return fmt.Sprintf("; it said %q", strings.Join(words, " "))
}
