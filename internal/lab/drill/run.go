package drill

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/mtawatch/mtawatch/internal/lab/history"
	"github.com/mtawatch/mtawatch/internal/lab/stage"
	"github.com/mtawatch/mtawatch/internal/lab/watched"
	"github.com/mtawatch/mtawatch/internal/lab/world"
)

// Options say how a drill is run. Dir and Binary are required.
type Options struct {
	Binary string        // mtawatch
	Dir    string        // for the MTA and the watcher; what an earlier drill left there is removed
	Ports  *stage.Ports  // nil: those that are free
	Days   int           // that mtawatch has learned from; 0 is 14
	WarmUp time.Duration // of watching before the drill begins; 0 is 60 s
	Settle time.Duration // of watching on after the finding; 0 is 20 s
	// Patience multiplies the limits of harmful drills, for machines that are
	// slow or busy with other work; 0 is 1.
	Patience float64
	Most     time.Duration // bound of a harmless drill's length; 0 is none
	Keep     string        // a directory for the logs of a drill that went wrong; "" keeps none
	Say      func(format string, args ...any)
}

// Rate is the ordinary mail of a drill, letters a second.
const Rate = 2.0

func (o *Options) withDefaults(d *Drill) {
	set := func(v *time.Duration, to time.Duration) {
		if *v == 0 {
			*v = to
		}
	}
	set(&o.WarmUp, 60*time.Second)
	set(&o.Settle, 20*time.Second)
	if o.Days == 0 {
		o.Days = 14
	}
	d.Bound(o.Most, o.Patience)
	if o.Say == nil {
		o.Say = func(string, ...any) {}
	}
	if d.Rate == 0 {
		d.Rate = Rate
	}
	if d.Day == nil {
		d.Day = world.Flat
	}
}

// Run does one drill with an MTA of its own, and mends it. An error says that
// the drill itself could not be done.
func Run(ctx context.Context, d Drill, o Options) (row Row, err error) {
	o.withDefaults(&d)
	s, err := newScene(ctx, &d, &o)
	if err != nil {
		return Row{}, fmt.Errorf("set the scene of %s: %w", d.Name, errors.Join(err, s.close()))
	}
	defer func() {
		s.saveLogs(o.Keep, d.Name, err != nil || !row.Passed)
		err = errors.Join(err, s.close())
	}()
	c := Course{Expect: d.Expect, Text: d.Text, WarmUp: o.WarmUp, Settle: o.Settle, Say: o.Say, Mend: s.Mend}
	c.Begin = func() error {
		s.log.Mark()
		return d.Begin(s)
	}
	if d.Evidence != nil {
		c.Evidence = func() (bool, error) { return d.Evidence(s) }
	}
	return c.Go(s.ctx, s)
}

// newScene starts all that a drill needs. The past is made while the MTA warms
// up. The scene must be closed, with an error too.
func newScene(ctx context.Context, d *Drill, o *Options) (*Scene, error) {
	s := new(Scene)
	s.ctx, s.cancel = context.WithCancel(ctx)
	mta, watcher := filepath.Join(o.Dir, "mta"), filepath.Join(o.Dir, "mtawatch")
	if err := errors.Join(os.RemoveAll(mta), os.RemoveAll(watcher)); err != nil {
		return s, err
	}
	c := stage.Config{Base: mta, Binary: o.Binary, Rate: d.Rate, Day: d.Day, Adjust: d.Adjust, Say: func(text string) { o.Say("%s", text) }}
	if o.Ports != nil {
		c.Ports = *o.Ports
	}
	var err error
	if s.Stage, err = stage.New(c); err != nil {
		return s, err
	}
	s.World = s.Stage.World
	s.log.File = filepath.Join(s.Stage.Site.LogDir(), "mail.log_current")
	if d.Prepare != nil {
		if err := d.Prepare(s.Stage); err != nil {
			return s, err
		}
	}
	up := make(chan struct{})
	s.beside.Go(func() {
		if err := s.Stage.Run(s.ctx, func() { close(up) }); err != nil {
			s.Fail(err)
			s.cancel()
		}
	})
	select {
	case <-up:
	case <-s.ctx.Done():
		return s, s.ctx.Err()
	}
	if s.Watcher, err = watched.New(watched.Config{Binary: o.Binary, Dir: watcher, Stage: s.Stage}); err != nil {
		return s, err
	}
	began := time.Now()
	err = history.Make(s.ctx, s.Watcher.DataDir(), history.Config{Stage: s.Stage, Days: o.Days, Rate: d.Rate, Day: d.Day, Now: began})
	if err != nil {
		return s, err
	}
	o.Say("%s: learned %d days of ordinary mail in %s", d.Name, o.Days, time.Since(began).Round(100*time.Millisecond))
	if err := s.Watcher.Start(); err != nil {
		return s, err
	}
	return s, s.Watcher.WaitReady(s.ctx)
}

// close ends all that the scene started.
func (s *Scene) close() error {
	err := s.Mend()
	if s.Watcher != nil {
		err = errors.Join(err, s.Watcher.Stop())
	}
	s.cancel()
	s.beside.Wait()
	return errors.Join(err, s.Failure())
}

// saveLogs copies what was logged, and what mtawatch said, of a drill that
// went wrong.
func (s *Scene) saveLogs(dir, name string, wrong bool) {
	if dir == "" || !wrong {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), maxSilence)
	defer cancel()
	findings, _, _, _ := s.Watcher.Run(ctx, "findings", "--all", "--json")
	metrics, _, _, _ := s.Watcher.Run(ctx, "status")
	mail, _ := os.ReadFile(s.log.File)
	said, _ := os.ReadFile(s.Watcher.LogFile())
	for suffix, text := range map[string][]byte{"-mail.log": mail, "-mtawatch.log": said, "-findings.json": findings, "-status.txt": metrics} {
		_ = os.WriteFile(filepath.Join(dir, name+suffix), text, 0o644)
	}
}
