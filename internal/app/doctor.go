package app

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/mtawatch/mtawatch/internal/adapter"
	"github.com/mtawatch/mtawatch/internal/host"
	"github.com/mtawatch/mtawatch/internal/mta"
	"github.com/mtawatch/mtawatch/internal/pipeline"
	"github.com/mtawatch/mtawatch/internal/sample"
	"github.com/mtawatch/mtawatch/internal/tail"
	"github.com/mtawatch/mtawatch/internal/view"
)

// Doctor tries everything that mtawatch wants to see, as the user it runs
// as, and says what would mend what fails.
func (s *Source) Doctor(ctx context.Context) (view.Doctor, error) {
	s.look.logs(ctx)
	d := doctor{s: s, root: os.Geteuid() == 0, out: view.Doctor{Time: time.Now(), Checks: []view.DoctorCheck{}}}
	if s.look == nil {
		d.out.Daemon = &view.DoctorDaemon{PID: os.Getpid(), Config: absolute(s.cfg.File), DataDir: absolute(s.cfg.DataDir)}
	}
	instances := s.belt.Instances()
	d.procs, d.procErr = sample.ProcessesOrOwn(ctx, s.machine, s.adapters, instances, s.ownProcesses(ctx))
	if len(instances) == 0 {
		d.bad("mail server", "none was found", "start it, or name it under `instances:` in the configuration file")
	}
	for _, in := range instances {
		d.instance(ctx, in)
	}
	d.sockets(ctx, instances)
	d.processes(instances)
	for _, in := range instances {
		d.compareProcesses(ctx, in)
	}
	d.store()
	for _, i := range s.imports.running() {
		d.ok("import", fmt.Sprintf("reading the rotated pieces of %s: %d of %d done", i.Source, i.FilesDone, i.Files))
	}
	for _, spot := range s.belt.Status(time.Now()).Blind {
		if spot.Kind == mta.BlindNotUnderstood || spot.Kind == mta.BlindSilent || spot.Kind == mta.BlindLost || spot.Source == pipeline.BlindDetection {
			d.bad(spot.Source, spot.Text, spot.Advice)
		}
	}
	return d.out, nil
}

// absolute gives the path of a file from the root, where that can be told.
func absolute(path string) string {
	if abs, err := filepath.Abs(path); err == nil && path != "" {
		return abs
	}
	return path
}

type doctor struct {
	s       *Source
	out     view.Doctor
	procs   map[string][]mta.RoleProcess // by instance, read now
	procErr error
	root    bool // we run as root: that is no advice then
}

func (d *doctor) ok(name, text string) {
	d.out.Checks = append(d.out.Checks, view.DoctorCheck{Name: name, OK: true, Text: text})
}

func (d *doctor) bad(name, text, advice string) {
	d.out.Checks = append(d.out.Checks, view.DoctorCheck{Name: name, Text: text, Advice: advice})
}

// fault notes what is seen, and is not as it should be.
func (d *doctor) fault(name, text, advice string) {
	d.out.Checks = append(d.out.Checks, view.DoctorCheck{Name: name, Fault: true, Text: text, Advice: advice})
}

// check notes err as a failure with its advice, or text as a success.
func (d *doctor) check(name, text string, err error, advice string) {
	if err != nil {
		d.bad(name, err.Error(), advice)
		return
	}
	d.ok(name, text)
}

// whatIs says which server an instance is and where it is, as far as that is known.
func whatIs(in mta.Instance) string {
	parts := []string{strings.TrimSpace(in.MTA + " " + in.Version)}
	for _, p := range [...]struct{ name, path string }{{"configuration", in.ConfigDir}, {"queue", in.QueueDir}} {
		if p.path == "" {
			p.path = "unknown"
		}
		parts = append(parts, p.name+" "+p.path)
	}
	return strings.Join(parts, ", ")
}

func (d *doctor) instance(ctx context.Context, in mta.Instance) {
	d.runs(in, whatIs(in))
	for _, n := range in.Notes {
		d.bad(in.Name+" configuration", n, "")
	}
	if len(in.Logs) == 0 {
		d.bad(in.Name+" log", "no log was found", "set `log_file:` of the instance in the configuration file")
	}
	for _, l := range in.Logs {
		d.log(ctx, in, l)
	}
	a := d.s.adapter(in.MTA)
	if a == nil {
		return
	}
	now := time.Now()
	q, err := sample.Count(ctx, d.s.machine, a, in, now)
	advice := d.countAdvice(in, err)
	d.check(in.Name+" queue count", fmt.Sprintf("%d queues counted in %s", len(q.Queues), time.Since(now).Round(time.Microsecond)), err, advice)
	d.listing(ctx, a, in)
	if a.Conditions != nil {
		list, err := a.Conditions(ctx, d.s.machine, in)
		advice := "see the text"
		if errors.Is(err, fs.ErrPermission) {
			advice = d.rights(in.QueueDir)
		}
		d.check(in.Name+" state", stateText(list), err, advice)
	}
	if len(in.Listen) == 0 {
		d.bad(in.Name+" ports", "no port was found on which it accepts SMTP", "set `ports:` of the instance in the configuration file")
	}
}

// stateText says what a server's own files tell of its state.
func stateText(list []mta.Condition) string {
	if len(list) == 0 {
		return "its own files tell of nothing that is out of order"
	}
	texts := make([]string, len(list))
	for i := range list {
		texts[i] = list[i].Text
	}
	return "its own files tell: " + strings.Join(texts, "; ")
}

func (d *doctor) log(ctx context.Context, in mta.Instance, l mta.LogSource) {
	name := in.Name + " log"
	if l.Kind == mta.LogJournal {
		_, err := d.s.machine.Run(ctx, "journalctl", "--version")
		d.check(name, l.Name()+" by journalctl", err, "install systemd's journalctl, and add the user to group systemd-journal")
		return
	}
	f, _, err := tail.OpenPlain(l.Path)
	if l.Quiet && errors.Is(err, fs.ErrNotExist) {
		return // gone with its daemon
	}
	if err == nil {
		err = f.Close()
	}
	d.check(name, l.Path+" is readable", err, d.logAdvice(in, l, err))
}

// tryTime is how long the listing of a queue is waited for.
const tryTime = 10 * time.Second

func (d *doctor) listing(ctx context.Context, a *adapter.Adapter, in mta.Instance) {
	if a.List == nil {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, tryTime)
	defer cancel()
	var err error
	n := 0
	for _, lerr := range a.List(ctx, d.s.machine, in) {
		if lerr != nil {
			err = lerr
		}
		if n++; n >= 100 {
			break
		}
	}
	if err != nil && ctx.Err() != nil {
		err = fmt.Errorf("no answer within %s: %w", tryTime, err)
	}
	text := fmt.Sprintf("%d messages listed", n)
	if n >= 100 {
		text = "the first 100 messages listed"
	}
	advice := startOf(in)
	switch {
	case in.QueueDir == "":
		advice = nameQueue(in)
	case errors.Is(err, fs.ErrPermission) && (in.BaseDir != "" || d.root):
		advice = d.rights(in.QueueDir)
	case errors.Is(err, fs.ErrPermission):
		advice = "add the user that mtawatch runs as to group postdrop"
	}
	d.check(in.Name+" queue listing", text, err, advice)
}

func (d *doctor) sockets(ctx context.Context, instances []mta.Instance) {
	ports := sample.Ports(instances, d.s.cfg.Ports)
	c, err := d.s.machine.Sockets(ctx, ports)
	d.check("connections", fmt.Sprintf("ports %v by %s", ports, c.Source), err, "allow netlink sockets (RestrictAddressFamilies=AF_NETLINK in the unit) or mount /proc")
	if err == nil && c.Unknown != "" {
		d.bad("connections", c.Unknown, "allow netlink sockets (RestrictAddressFamilies=AF_NETLINK in the unit)")
	}
	w, err := host.OpenCloseWatch(ports)
	if err == nil {
		err = w.Close()
	}
	d.check("closed connections", "connections shorter than the interval are counted", err, "allow netlink sockets; a kernel of 4.1 or later is needed")
}

// store tries the data directory: there, writable, with space left.
func (d *doctor) store() {
	dir := d.s.cfg.DataDir
	info, err := os.Stat(dir)
	if errors.Is(err, fs.ErrNotExist) {
		d.bad("store", dir+" does not exist yet", "`mtawatch run` makes it")
		return
	}
	if err == nil && !info.IsDir() {
		err = fmt.Errorf("%s is no directory", dir)
	}
	if err == nil {
		err = writable(dir)
	}
	if err != nil {
		d.bad("store", err.Error(), "give another directory with data_dir or --data-dir")
		return
	}
	disk, err := d.s.machine.Disk(dir)
	switch {
	case err != nil:
		d.bad("store", err.Error(), "")
	case disk.Free < 100<<20:
		d.bad("store", fmt.Sprintf("%s: %d MB free of %d", dir, disk.Free>>20, disk.Size>>20), "make space, or give another directory with data_dir")
	default:
		d.ok("store", fmt.Sprintf("%s: %d MB free", dir, disk.Free>>20))
	}
}

// writable makes and removes a file in our own data directory.
func writable(dir string) error {
	f, err := os.CreateTemp(dir, ".doctor-")
	if err != nil {
		return fmt.Errorf("write to data directory: %w", err)
	}
	if err := f.Close(); err != nil {
		return fmt.Errorf("write to data directory: %w", err)
	}
	if err := os.Remove(f.Name()); err != nil {
		return fmt.Errorf("write to data directory: %w", err)
	}
	return nil
}
