//go:build linux

package drill

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	board "github.com/mtawatch/mtawatch/internal/lab/drill"
	"github.com/mtawatch/mtawatch/internal/mta"
	"github.com/mtawatch/mtawatch/test/live/world"
)

// Options say how a drill is run. Zero values: no history, the usual warm-up.
type Options struct {
	History string        // a store made by History, copied for the watcher
	WarmUp  time.Duration // of watching before the drill begins; 0 is 75 s
	Settle  time.Duration // of watching on after the finding; 0 is 30 s
	// Patience multiplies the limits of harmful drills, for machines that are
	// slow or busy with other work; 0 is 1.
	Patience float64
	Most     time.Duration // bound of a harmless drill's length; 0 is none
	Keep     string        // a directory for the logs of a drill that went wrong; "" keeps none
	Say      func(format string, args ...any)
}

// LogFile is where the Postfix of a drill logs: the same in every world, so
// that what was learned of it holds.
const LogFile = world.MailLog

// Run does one drill in a fresh world, and mends it. An error says that the
// drill itself could not be done.
func Run(ctx context.Context, b *world.Box, d Drill, o Options) (row Row, err error) {
	if o.WarmUp == 0 {
		o.WarmUp = 75 * time.Second
	}
	if o.Settle == 0 {
		o.Settle = 30 * time.Second
	}
	e := d.expect()
	e.Bound(o.Most, o.Patience)
	if o.Say == nil {
		o.Say = func(string, ...any) {}
	}
	s, err := newScene(ctx, b, d, o)
	if err != nil {
		return Row{}, fmt.Errorf("set the scene of %s: %w", d.Name, err)
	}
	defer func() {
		s.saveLogs(o.Keep, d.Name, err != nil || !row.Passed)
		err = errors.Join(err, s.close())
	}()
	c := board.Course{Expect: e, Text: d.Text, WarmUp: o.WarmUp, Settle: o.Settle, Say: o.Say, Mend: s.Mend}
	c.Begin = func() error {
		s.log.Mark()
		return d.Begin(s)
	}
	if d.Evidence != nil {
		c.Evidence = func() (bool, error) { return d.Evidence(s) }
	}
	return c.Go(s.ctx, s)
}

func newScene(ctx context.Context, b *world.Box, d Drill, o Options) (s *Scene, err error) {
	s = &Scene{Box: b, log: board.Log{File: LogFile}}
	s.ctx, s.cancel = context.WithCancel(ctx)
	defer func() {
		if err != nil {
			err = errors.Join(err, s.close())
		}
	}()
	if s.Remote, err = b.Remote(hosts()); err != nil {
		return s, err
	}
	if d.Before != nil {
		if err := d.Before(); err != nil {
			return s, err
		}
	}
	if d.Syslog {
		if s.Syslog, err = b.Syslog(); err != nil {
			return s, err
		}
	}
	c := d.Postfix
	c.Log, c.Syslog = LogFile, d.Syslog
	if s.Postfix, err = b.Postfix(c); err != nil {
		return s, err
	}
	s.beside.Go(func() { traffic(s.ctx, b, rate) })
	if s.Watcher, err = b.Watcher(); err != nil {
		return s, err
	}
	if err := adopt(o.History, s.Watcher.DataDir); err != nil {
		return s, err
	}
	if err := s.Watcher.Start(); err != nil {
		return s, err
	}
	return s, s.Watcher.WaitReady()
}

// adopt gives a watcher that has not started yet what was learned before.
func adopt(store, dataDir string) error {
	if store == "" {
		return nil
	}
	b, err := os.ReadFile(store)
	if err != nil {
		return fmt.Errorf("read history: %w", err)
	}
	return errors.Join(os.MkdirAll(dataDir, 0o700), os.WriteFile(filepath.Join(dataDir, stateFile), b, 0o600))
}

// close ends all that the scene started.
func (s *Scene) close() error {
	err := s.Mend()
	s.cancel()
	if s.Watcher != nil {
		err = errors.Join(err, s.Watcher.Stop())
	}
	if s.Postfix != nil {
		err = errors.Join(err, s.Postfix.Remove())
	}
	s.beside.Wait()
	if s.Remote != nil {
		s.Remote.Stop()
	}
	if s.Syslog != nil {
		s.Syslog.Stop()
	} else {
		_ = os.Remove(s.log.File)
	}
	return err
}

// saveLogs copies what was logged, and what mtawatch said, of a drill that
// went wrong.
func (s *Scene) saveLogs(dir, name string, wrong bool) {
	if dir == "" || !wrong {
		return
	}
	var findings []byte
	if s.Watcher != nil {
		findings, _ = s.Watcher.Get(findingsPath)
	}
	mail, _ := os.ReadFile(s.log.File)
	said, _ := os.ReadFile(s.Watcher.LogFile)
	for suffix, text := range map[string][]byte{"-mail.log": mail, "-mtawatch.log": said, "-findings.json": findings} {
		_ = os.WriteFile(filepath.Join(dir, name+suffix), text, 0o644)
	}
}

// Findings asks the watcher for all that it found.
func (s *Scene) Findings(context.Context) (open, past []mta.Finding, err error) {
	b, err := s.Watcher.Get(findingsPath)
	if err != nil {
		return nil, nil, err
	}
	var answer struct{ Open, Past []mta.Finding }
	if err := json.Unmarshal(b, &answer); err != nil {
		return nil, nil, fmt.Errorf("read findings: %w: %.200s", err, b)
	}
	return answer.Open, answer.Past, nil
}

const findingsPath = "/api/v1/findings"
