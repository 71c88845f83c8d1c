//go:build linux

package world

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// API is where a watcher answers by default.
const API = "http://127.0.0.1:9725"

// Binary gives the path of the program built by Build.
func Binary(shared string) string { return filepath.Join(shared, "mtawatch") }

// Build builds mtawatch from the source tree into the shared directory. A
// binary named in MTAWATCH_BINARY is taken instead.
func Build(shared string) error {
	if own := os.Getenv("MTAWATCH_BINARY"); own != "" {
		return copyFile(own, Binary(shared))
	}
	cmd := exec.Command("go", "build", "-o", Binary(shared), "github.com/mtawatch/mtawatch/cmd/mtawatch")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("build mtawatch: %w: %s", err, bytes.TrimSpace(out))
	}
	return nil
}

// Watcher is one "mtawatch run" that watches the world.
type Watcher struct {
	Binary  string
	DataDir string
	Args    []string // more arguments of run
	LogFile string   // what it says, appended over restarts
	Nobody  bool     // run it without any rights
	s       *service
}

// Watcher prepares a watcher with a data directory of its own, and does not
// start it.
func (b *Box) Watcher(args ...string) (*Watcher, error) {
	dir, err := b.TempDir("watcher")
	if err != nil {
		return nil, err
	}
	if _, err := os.Stat(Binary(b.Shared)); err != nil {
		return nil, fmt.Errorf("no mtawatch to run: %w", err)
	}
	return &Watcher{Binary: Binary(b.Shared), DataDir: filepath.Join(dir, "data"), LogFile: filepath.Join(dir, "log"), Args: args}, nil
}

// Start starts the watcher without waiting until it answers.
func (w *Watcher) Start() error {
	out, err := os.OpenFile(w.LogFile, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	defer out.Close()
	cmd := exec.Command(w.Binary, append([]string{"run", "--data-dir", w.DataDir}, w.Args...)...)
	cmd.Stdout, cmd.Stderr = out, out
	if w.Nobody {
		if err := errors.Join(os.MkdirAll(w.DataDir, 0o700), os.Chown(w.DataDir, 65534, 65534)); err != nil {
			return err
		}
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
	}
	w.s, err = startService(cmd)
	return err
}

// WaitReady waits until the watcher serves its metrics.
func (w *Watcher) WaitReady() error {
	return within(90*time.Second, func() error {
		if w.Ended() {
			return fmt.Errorf("mtawatch run ended: %s: %s", w.s.cmd.ProcessState, w.Log())
		}
		_, err := w.Metrics()
		return err
	})
}

// PID gives the process id of the running watcher.
func (w *Watcher) PID() int { return w.s.cmd.Process.Pid }

// Ended says whether the started watcher has ended.
func (w *Watcher) Ended() bool {
	select {
	case <-w.s.done:
		return true
	default:
		return false
	}
}

// Kill ends the watcher as a power cut would, and waits until it is gone.
func (w *Watcher) Kill() {
	_ = w.s.cmd.Process.Signal(syscall.SIGKILL)
	<-w.s.done
}

// Stop ends the watcher politely and gives an error when it did not end
// well, or not within a minute.
func (w *Watcher) Stop() error {
	if w.s == nil || w.Ended() && w.s.cmd.ProcessState.Success() {
		return nil
	}
	_ = w.s.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-w.s.done:
	case <-time.After(time.Minute):
		w.Kill()
		return errors.New("stop mtawatch: it did not end within a minute")
	}
	if !w.s.cmd.ProcessState.Success() {
		return fmt.Errorf("stop mtawatch: %s: %s", w.s.cmd.ProcessState, w.Log())
	}
	return nil
}

// Log gives the last of what the watcher said.
func (w *Watcher) Log() string {
	b, _ := os.ReadFile(w.LogFile)
	return string(b[max(0, len(b)-3000):])
}

// Run runs another mtawatch command, which finds this watcher by its data
// directory, and gives its output and exit status.
// Only a command that could not be run, or took three minutes, is an error.
func (w *Watcher) Run(args ...string) (stdout, stderr []byte, code int, err error) {
	ctx, cancel := context.WithTimeout(context.Background(), 3*time.Minute)
	defer cancel()
	var o, e bytes.Buffer
	cmd := exec.CommandContext(ctx, w.Binary, append([]string{"--data-dir", w.DataDir}, args...)...)
	cmd.Stdout, cmd.Stderr = &o, &e
	err = cmd.Run()
	var exit *exec.ExitError
	if errors.As(err, &exit) && ctx.Err() == nil {
		code, err = exit.ExitCode(), nil
	}
	return o.Bytes(), e.Bytes(), code, err
}

// Get gives the body of one page of the API.
func (w *Watcher) Get(path string) ([]byte, error) {
	c := http.Client{Timeout: 30 * time.Second}
	r, err := c.Get(API + path)
	if err != nil {
		return nil, err
	}
	defer r.Body.Close()
	b, err := io.ReadAll(r.Body)
	if err == nil && r.StatusCode != http.StatusOK {
		err = fmt.Errorf("get %s: %s: %s", path, r.Status, b)
	}
	return b, err
}

// Metrics is one reading of /metrics.
type Metrics []Metric

// Metric is one series with its value.
type Metric struct {
	Name   string
	Labels map[string]string
	Value  float64
}

// Metrics reads /metrics.
func (w *Watcher) Metrics() (Metrics, error) {
	b, err := w.Get("/metrics")
	if err != nil {
		return nil, err
	}
	return readMetrics(b)
}

// Sum adds up the series of a name whose labels match all the pairs given
// as name, value. No such series gives ok false.
func (m Metrics) Sum(name string, labels ...string) (sum float64, ok bool) {
next:
	for _, s := range m {
		if s.Name != name {
			continue
		}
		for i := 0; i+1 < len(labels); i += 2 {
			if s.Labels[labels[i]] != labels[i+1] {
				continue next
			}
		}
		sum, ok = sum+s.Value, true
	}
	return sum, ok
}

// readMetrics reads the Prometheus text format, version 0.0.4.
func readMetrics(b []byte) (Metrics, error) {
	var list Metrics
	s := bufio.NewScanner(bytes.NewReader(b))
	s.Buffer(nil, 1<<20)
	for s.Scan() {
		line := s.Text()
		if line == "" || line[0] == '#' {
			continue
		}
		m := Metric{Labels: map[string]string{}}
		i := strings.IndexAny(line, "{ ")
		if i < 0 {
			return nil, fmt.Errorf("read metrics: %q", line)
		}
		m.Name = line[:i]
		rest := line[i:]
		if rest[0] == '{' {
			rest = readLabels(rest[1:], m.Labels)
		}
		f := strings.Fields(rest)
		if len(f) == 0 {
			return nil, fmt.Errorf("read metrics: %q", line)
		}
		v, err := strconv.ParseFloat(f[0], 64)
		if err != nil {
			return nil, fmt.Errorf("read metrics: %q: %w", line, err)
		}
		m.Value = v
		list = append(list, m)
	}
	return list, s.Err()
}

// readLabels reads a="b",c="d"} and gives what follows, "" for text of
// another form.
func readLabels(s string, into map[string]string) string {
	for {
		s = strings.TrimLeft(s, ", ")
		if strings.HasPrefix(s, "}") {
			return s[1:]
		}
		name, rest, ok := strings.Cut(s, "=")
		if !ok {
			return ""
		}
		quoted, err := strconv.QuotedPrefix(rest)
		if err != nil {
			return ""
		}
		if into[name], err = strconv.Unquote(quoted); err != nil {
			return ""
		}
		s = rest[len(quoted):]
	}
}
