package imta

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/mtawatch/mtawatch/internal/adapter"
	"github.com/mtawatch/mtawatch/internal/mta"
)

// describer fills in one instance from its files.
type describer struct {
	mta.Instance
	h adapter.Host
	l layout
	// unified: the configuration is config.xml, which is not read.
	unified bool
	opts    pairs // option.dat, once read
	// blindOptions: option.dat is there and cannot be read.
	blindOptions bool
}

// describe reads the installation at a base. perr is why the processes could
// not be read.
func describe(ctx context.Context, h adapter.Host, base string, procs []mta.Process, perr error) (mta.Instance, error) {
	l, err := findLayout(h, base)
	if err != nil {
		return mta.Instance{}, err
	}
	d := describer{h: h, l: l, Instance: mta.Instance{MTA: "imta", BaseDir: base, ConfigDir: l.config, QueueDir: l.queue}}
	d.unified = adapter.Exists(h, l.config+"/config.xml") && !adapter.Exists(h, l.config+"/imta.cnf") && !adapter.Exists(h, l.config+"/dispatcher.cnf")
	if d.unified {
		d.note("%s/config.xml is a unified configuration, which is not read: port 25 and a server lifetime of %s are assumed, and how many sessions are possible, how long mail is kept and what the log holds is unknown; `msconfig show` tells them", l.config, defaultLifeTime)
	}
	d.Version = d.version(ctx)
	d.services()
	d.channels()
	d.jobs()
	d.logs()
	switch {
	case perr != nil:
		d.note("the processes cannot be read (%v): whether this instance runs is unknown", perr)
	default:
		for _, r := range roles(d.Instance, procs) {
			d.Running = d.Running || r == mta.RoleDispatcher || r == mta.RoleJobController
		}
		d.NeverRan = !d.Running && d.neverRan()
	}
	return d.Instance, nil
}

func (d *describer) note(format string, args ...any) {
	d.Notes = append(d.Notes, fmt.Sprintf(format, args...))
}

// neverRan is true when there is neither a log nor a queue: the first message
// makes both.
func (d *describer) neverRan() bool {
	for _, p := range []string{d.l.queue, d.l.log + "/mail.log_current", d.l.log + "/mail.log_yesterday", d.l.log + "/mail.log"} {
		if _, err := d.h.Lstat(adapter.Rooted(p)); !errors.Is(err, fs.ErrNotExist) {
			return false
		}
	}
	d.note("this instance is installed but has never run: there is no %s and no log in %s", d.l.queue, d.l.log)
	return true
}

// config reads one configuration file. What is missing is told, but not where
// the configuration is unified.
func (d *describer) config(key, file, unknown string) (text string, ok bool) {
	file = d.l.file(key, file)
	text, err := d.l.read(d.h, file)
	if err != nil {
		if !d.unified {
			d.note("%s cannot be read (%v): %s; %s", file, adapter.Reason(err), unknown, adapter.Mend(err, file))
		}
		return "", false
	}
	return text, true
}

// version gives what the MTA's own command says; "" when it does not.
func (d *describer) version(ctx context.Context) string {
	program := d.l.command(d.h)
	if program == "" {
		d.note("the version is unknown: there is no imsimta program in %s", d.BaseDir)
		return ""
	}
	ctx, cancel := context.WithTimeout(ctx, versionTimeout)
	defer cancel()
	out, err := d.h.Run(ctx, program, "version")
	if err != nil {
		d.note("the version is unknown: `%s version`: %v; it needs root or the MTA's own user", program, err)
		return ""
	}
	v := versionIn(string(out))
	if v == "" {
		d.note("the version is unknown: `%s version` names none", program)
	}
	return v
}

// versionIn finds the first word that is a version: digits with dots between.
func versionIn(text string) string {
	for word := range strings.FieldsSeq(text) {
		word = strings.TrimRight(word, ",;)")
		digits := strings.TrimLeft(word, "0123456789")
		if len(digits) < len(word) && len(digits) > 1 && digits[0] == '.' && '0' <= digits[1] && digits[1] <= '9' {
			return clip(word)
		}
	}
	return ""
}

// command gives the path of the program that the operator's commands go through.
func (l *layout) command(h adapter.Host) string {
	for _, name := range []string{"sbin/imsimta", "bin/imsimta", "lib/imsimta", "../imsimta", "sbin/imta", "bin/pmdf"} {
		if p := path.Join(l.base, name); adapter.Exists(h, p) {
			return p
		}
	}
	return ""
}

// services reads dispatcher.cnf: where SMTP is accepted, how much of it, and
// how old a server process may get.
func (d *describer) services() {
	text, ok := d.config("IMTA_DISPATCHER_CONFIG", "dispatcher.cnf", "port 25 is assumed, and how many sessions are possible is unknown")
	if !ok {
		d.Listen = []mta.Listen{{Service: "SMTP", Port: 25}}
		d.ServerLifetime = defaultLifeTime
		return
	}
	endless := false
	var unlimited []string
	for _, s := range parseServices(text) {
		if !s.isSMTP() {
			continue
		}
		procs, some := s.count("MAX_PROCS")
		conns, each := s.count("MAX_CONNS")
		if !some || !each {
			unlimited = append(unlimited, s.name)
			conns = 0
		}
		for _, port := range s.ports {
			d.Listen = append(d.Listen, mta.Listen{Service: s.name, Address: s.pairs["INTERFACE_ADDRESS"], Port: port, MaxProc: procs, Capacity: procs * conns})
		}
		life := s.lifetime()
		endless = endless || life == 0
		d.ServerLifetime = max(d.ServerLifetime, life)
	}
	if endless {
		d.ServerLifetime = 0
	}
	if len(d.Listen) == 0 {
		d.note("dispatcher.cnf in %s has no SMTP service with a port: where SMTP is accepted is unknown", d.l.config)
	}
	if len(unlimited) > 0 {
		d.note("dispatcher.cnf in %s does not say MAX_PROCS and MAX_CONNS of %s: how many sessions are possible is unknown; write them down", d.l.config, strings.Join(unlimited, ", "))
	}
}

// channels reads imta.cnf and the queue directory: the names of the queues,
// how long mail is kept, and of which channels the log tells.
func (d *describer) channels() {
	file := "imta.cnf"
	if strings.HasSuffix(d.l.config, "/table") {
		file = "pmdf.cnf"
	}
	text, ok := d.config("IMTA_CONFIG_FILE", file, "its channels are those that have a queue directory, and how long mail is kept is unknown")
	list := parseChannels(text)
	silent := []string{}
	for _, c := range list {
		if d.addQueue(c.name) && !c.logging {
			silent = append(silent, c.name)
		}
	}
	entries, _ := fs.ReadDir(d.h, adapter.Rooted(d.l.queue)) // counting tells of what cannot be read
	for _, e := range entries {
		if isChannelDir(e) {
			d.addQueue(e.Name())
		}
	}
	slices.Sort(d.Queues)
	d.Queues = append(d.Queues, heldQueue)
	if !ok {
		return
	}
	unit := 24 * time.Hour
	if n, ok := d.options().number("RETURN_UNITS"); ok && n == 1 {
		unit = time.Hour
	}
	d.QueueLifetime = longestNotices(list, unit)
	switch {
	case len(list) > 0 && len(silent) == len(list):
		d.note("no channel of imta.cnf in %s has the keyword logging: the log tells of no message; add it to the block defaults, then %s", d.l.config, d.restart())
	case len(silent) > 0:
		d.note("the log tells nothing of the mail of %s: imta.cnf gives no keyword logging there", strings.Join(silent[:min(len(silent), 8)], ", "))
	}
}

// addQueue adds a channel once, as far as there is room.
func (d *describer) addQueue(name string) bool {
	if len(d.Queues) >= maxChannels || name == heldQueue || slices.Contains(d.Queues, name) {
		return false
	}
	d.Queues = append(d.Queues, name)
	return true
}

// jobs reads job_controller.cnf.
func (d *describer) jobs() {
	text, ok := d.config("IMTA_JBC_CONFIG_FILE", "job_controller.cnf", "how often the queue cache is brought in line with the disk is unknown")
	if !ok {
		return
	}
	p := parseSections(text)[0].pairs
	for _, key := range []string{"SYNCH_TIME", "SYNC_TIME"} {
		if n, ok := p.number(key); ok && n > 0 && n > int64(defaultSynch/time.Second) {
			d.note("%s is %s in job_controller.cnf: mail that the Job Controller was not told of waits that long; 4 hours is the default", key, time.Duration(n)*time.Second)
		}
	}
}

// defaultSynch is how often the Job Controller looks at the disk by default.
const defaultSynch = 4 * time.Hour

// restart gives the command that makes changed options count.
func (d *describer) restart() string {
	c := d.l.command(d.h)
	if c == "" {
		c = "imsimta"
	}
	return fmt.Sprintf("`%s cnbuild` where the configuration is compiled, and `%s restart`", c, c)
}

// clip cuts a text for a message.
func clip(s string) string { return s[:min(len(s), 80)] }
