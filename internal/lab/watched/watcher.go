package watched

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"time"

	"github.com/mtawatch/mtawatch/internal/api"
	"github.com/mtawatch/mtawatch/internal/lab/stage"
	"github.com/mtawatch/mtawatch/internal/view"
)

// Config says what is watched and by whom. Binary, Dir and Stage are required.
type Config struct {
	Binary string // mtawatch
	Dir    string // of its own: configuration, data, what it says
	Port   int    // of the API; 0 is 9725, or the next that is free
	Stage  *stage.Stage
}

// Watcher is one "mtawatch run".
type Watcher struct {
	cfg     Config
	address string
	child   *stage.Child
	client  *api.Client
	held    io.Closer // what keeps other labs from the port; nil where it was named
}

// apiPort is where mtawatch answers by default.
const apiPort = 9725

// New writes the configuration. Nothing runs yet.
func New(cfg Config) (*Watcher, error) {
	var held io.Closer
	if cfg.Port == 0 {
		var err error
		if cfg.Port, held, err = stage.FreePort(apiPort); err != nil {
			return nil, err
		}
	}
	w := &Watcher{held: held, cfg: cfg, address: "127.0.0.1:" + strconv.Itoa(cfg.Port)}
	w.client = api.NewClient(w.address, 0)
	if err := os.MkdirAll(w.DataDir(), 0o700); err != nil {
		return nil, fmt.Errorf("prepare mtawatch: %w", err)
	}
	if err := os.WriteFile(w.ConfigFile(), w.configText(), 0o600); err != nil {
		return nil, fmt.Errorf("prepare mtawatch: %w", err)
	}
	return w, nil
}

// DataDir is where it keeps its stores.
func (w *Watcher) DataDir() string { return filepath.Join(w.cfg.Dir, "data") }

// ConfigFile is its configuration.
func (w *Watcher) ConfigFile() string { return filepath.Join(w.cfg.Dir, "mtawatch.yaml") }

// LogFile has what it says, over restarts.
func (w *Watcher) LogFile() string { return filepath.Join(w.cfg.Dir, "mtawatch.log") }

// Address is where its API answers.
func (w *Watcher) Address() string { return w.address }

func (w *Watcher) configText() []byte {
	st := w.cfg.Stage
	return fmt.Appendf(nil, `# mtawatch on a practice MTA, and on nothing else of this machine.
listen: %s
expose_messages: true  # practice mail is nobody's
data_dir: %s
detect: false
import: false          # the past is made for practice
probe:
  dns_server: %s
  dns_name: %s
  remote: false        # the sites of practice are not on port 25
instances:
  - mta: imta
    name: %s
    base_dir: %s
`, w.address, quote(w.DataDir()), quote(st.Site.Practice.NameServer), stage.Domain, stage.Instance, quote(st.Site.Base))
}

// quote makes a YAML string of a path.
func quote(s string) string { return strconv.Quote(s) }

// Start starts it without waiting until it answers.
func (w *Watcher) Start() error {
	out, err := os.OpenFile(w.LogFile(), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return fmt.Errorf("start mtawatch: %w", err)
	}
	defer out.Close()
	cmd := exec.Command(w.cfg.Binary, "--config", w.ConfigFile(), "run")
	cmd.Stdout, cmd.Stderr = out, out
	w.child, err = stage.StartChild(cmd)
	return err
}

// readyTime bounds the wait for the first answer.
const readyTime = 90 * time.Second

// WaitReady waits until it answers and has read something of the MTA.
func (w *Watcher) WaitReady(ctx context.Context) error {
	var last error
	for end := time.Now().Add(readyTime); time.Now().Before(end); {
		if err := ctx.Err(); err != nil {
			return err
		}
		if w.child.Ended() {
			return fmt.Errorf("mtawatch ended: %w: %s", w.child.Err(), w.Said())
		}
		st, err := w.client.Status(ctx)
		switch {
		case err != nil:
			last = err
		case len(st.Instances) == 0:
			last = errors.New("it does not see the MTA yet")
		default:
			return nil
		}
		t := time.NewTimer(50 * time.Millisecond)
		select {
		case <-ctx.Done():
		case <-t.C:
		}
		t.Stop()
	}
	return fmt.Errorf("wait for mtawatch: %w: %s", last, w.Said())
}

// Client asks it.
func (w *Watcher) Client() *api.Client { return w.client }

// Findings gives all that it found.
func (w *Watcher) Findings(ctx context.Context) (view.Findings, error) {
	return w.client.Findings(ctx, view.FindingQuery{})
}

// Ended reports whether it has ended.
func (w *Watcher) Ended() bool { return w.child == nil || w.child.Ended() }

const (
	stopTime = time.Minute
	saidSize = 3000
)

// Stop ends it politely.
func (w *Watcher) Stop() error {
	if w.held != nil {
		defer w.held.Close()
	}
	if w.child == nil {
		return nil
	}
	if err := w.child.Stop(stopTime); err != nil {
		return err
	}
	if err := w.child.Err(); err != nil {
		return fmt.Errorf("stop mtawatch: %w: %s", err, w.Said())
	}
	return nil
}

// Said gives the last of what it said.
func (w *Watcher) Said() string {
	b, _ := os.ReadFile(w.LogFile())
	return string(b[max(0, len(b)-saidSize):])
}

// Run runs another command of mtawatch, which asks this one, and gives its
// output and exit status. Only a command that could not be run is an error.
func (w *Watcher) Run(ctx context.Context, args ...string) (stdout, stderr []byte, code int, err error) {
	ctx, cancel := context.WithTimeout(ctx, stopTime)
	defer cancel()
	var o, e bytes.Buffer
	cmd := exec.CommandContext(ctx, w.cfg.Binary, append([]string{"--config", w.ConfigFile(), "--server", w.address}, args...)...)
	cmd.Stdout, cmd.Stderr = &o, &e
	err = cmd.Run()
	var exit *exec.ExitError
	if errors.As(err, &exit) && ctx.Err() == nil {
		code, err = exit.ExitCode(), nil
	}
	return o.Bytes(), e.Bytes(), code, err
}
