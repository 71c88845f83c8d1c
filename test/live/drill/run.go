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
	if o.Most > 0 && d.Harmless() {
		d.Limit = min(d.Limit, o.Most)
	}
	if o.Patience > 0 && !d.Harmless() {
		d.Limit = time.Duration(o.Patience * float64(d.Limit))
	}
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
	o.Say("%s: warming up for %s", d.Name, o.WarmUp)
	w := board.NewWatch(asked{s})
	if err := w.Follow(s.ctx, o.WarmUp, board.Never); err != nil {
		return Row{}, err
	}
	o.Say("%s: begins (%s)", d.Name, d.Text)
	s.markLog()
	w.Begin()
	if err := d.Begin(s); err != nil {
		return Row{}, fmt.Errorf("begin %s: %w", d.Name, errors.Join(err, s.Mend()))
	}
	e := d.expect()
	var evidence func() (bool, error)
	if d.Evidence != nil {
		evidence = func() (bool, error) { return d.Evidence(s) }
	}
	if err := w.Drill(s.ctx, &e, evidence, o.Settle); err != nil {
		return Row{}, errors.Join(err, s.Mend())
	}
	row = w.Row(&e)
	o.Say("%s: %s", d.Name, row.Line())
	return row, s.Mend()
}

func newScene(ctx context.Context, b *world.Box, d Drill, o Options) (s *Scene, err error) {
	s = &Scene{Box: b, log: LogFile}
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

// fail tells that something beside the drill went wrong.
func (s *Scene) fail(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.failed = errors.Join(s.failed, err)
}

func (s *Scene) failure() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.failed
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
		_ = os.Remove(s.log)
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
	mail, _ := os.ReadFile(s.log)
	said, _ := os.ReadFile(s.Watcher.LogFile)
	for suffix, text := range map[string][]byte{"-mail.log": mail, "-mtawatch.log": said, "-findings.json": findings} {
		_ = os.WriteFile(filepath.Join(dir, name+suffix), text, 0o644)
	}
}

// findings asks the watcher for all that it found.
func (s *Scene) findings() (open, past []mta.Finding, err error) {
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
