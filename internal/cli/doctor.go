package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/mtawatch/mtawatch/internal/config"
	"github.com/mtawatch/mtawatch/internal/view"
)

func (t *tool) doctorCommand() *cobra.Command {
	return t.reading(&cobra.Command{
		Use:   "doctor",
		Short: "What mtawatch can and cannot see here, and the command that mends it",
		Args:  cobra.NoArgs,
		RunE:  func(c *cobra.Command, _ []string) error { return t.doctor(c.Context()) },
	})
}

// askDoctor asks the daemon, unless that works with another configuration or
// data directory than is named: then it looks by itself. who says who has seen
// it, where that is a daemon or one was passed by.
func (t *tool) askDoctor(ctx context.Context) (d view.Doctor, who string, err error) {
	r, err := t.reader(t.complain)
	if err != nil {
		return d, "", err
	}
	question := func(s view.Source) (err error) {
		d, err = s.Doctor(ctx)
		return err
	}
	if err := r.ask(ctx, question); err != nil || d.Daemon == nil {
		return d, "", err
	}
	daemon := fmt.Sprintf("pid %d, configuration %s, data %s", d.Daemon.PID, clean(cmp.Or(d.Daemon.Config, "none")), clean(d.Daemon.DataDir))
	if !r.look || !t.namesAnother(d.Daemon) {
		return d, "as the running daemon (" + daemon + ") sees it:", nil
	}
	who = fmt.Sprintf("a daemon runs (%s), not with what is named here; this is the machine as this command sees it with configuration %s, data %s:",
		daemon, clean(cmp.Or(r.cfg.File, "none")), clean(r.cfg.DataDir))
	return d, who, t.look(ctx, r.cfg, question)
}

// namesAnother reports whether a configuration or a data directory is named,
// and the daemon works with another.
func (t *tool) namesAnother(d *view.DoctorDaemon) bool {
	file := cmp.Or(t.configPath, os.Getenv(config.EnvPath))
	return file != "" && !samePath(file, d.Config) || t.dataDir != "" && !samePath(t.dataDir, d.DataDir)
}

// samePath reports whether a path leads where an absolute one does.
func samePath(path, abs string) bool {
	if a, err := filepath.Abs(path); err == nil && a == abs {
		return true
	}
	a, err := os.Stat(path)
	b, berr := os.Stat(abs)
	return err == nil && berr == nil && os.SameFile(a, b)
}

func (t *tool) doctor(ctx context.Context) error {
	d, who, err := t.askDoctor(ctx)
	if err != nil {
		return err
	}
	if who != "" && t.json {
		t.err.line("mtawatch: " + who)
	} else if who != "" {
		t.out.line(t.out.in(dim, who))
	}
	unseen, faults := int64(0), int64(0)
	for _, c := range d.Checks {
		switch {
		case c.Fault:
			faults++
		case !c.OK:
			unseen++
		}
	}
	status := error(nil)
	if unseen+faults > 0 || len(d.Checks) == 0 {
		status = exit(exitUnknown)
	}
	if t.json {
		return errors.Join(t.out.json(d), status)
	}
	for _, c := range d.Checks {
		if c.OK {
			t.out.hang(4, t.out.in(green, "OK  ")+clean(c.Name)+": "+clean(c.Text))
			continue
		}
		t.out.hang(4, t.out.in(red, "NO  ")+clean(c.Name)+": "+clean(c.Text))
		if c.Advice != "" {
			t.out.hang(8, "      to do: "+clean(c.Advice))
		}
	}
	if len(d.Checks) == 0 {
		t.out.line("nothing could be checked")
		return status
	}
	text := "everything can be seen"
	if unseen > 0 {
		text = plural(unseen, "thing") + " cannot be seen"
	}
	switch {
	case faults == 1:
		text = "1 thing is not as it should be; " + text
	case faults > 1:
		text = plural(faults, "thing") + " are not as they should be; " + text
	}
	t.out.line(text)
	return status
}
