package postfix

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"strings"
	"time"

	"github.com/mtawatch/mtawatch/internal/adapter"
	"github.com/mtawatch/mtawatch/internal/mta"
)

const (
	maxInstances   = 256
	versionTimeout = 5 * time.Second // for postconf
)

// queueNames gives the queues of Postfix, in the order of a message's way.
func queueNames() []string {
	return []string{"maildrop", "incoming", "active", "deferred", "hold", "corrupt"}
}

// listedQueues gives the queues that showq(8) walks: all but corrupt.
func listedQueues() []string {
	return []string{"maildrop", "incoming", "active", "deferred", "hold"}
}

// detect finds the instances: those of the default directories, those that
// they name in multi_instance_directories and alternate_config_directories,
// and those of the masters that run.
func detect(ctx context.Context, h adapter.Host) ([]mta.Instance, error) {
	d := detector{h: h, seen: map[string]bool{}}
	for _, dir := range []string{"/etc/postfix", "/usr/local/etc/postfix", "/opt/local/etc/postfix"} {
		if adapter.Exists(h, dir+"/main.cf") {
			d.add(dir)
		}
	}
	procs, err := h.Processes(ctx)
	if err != nil {
		d.blind = fmt.Sprintf("the processes cannot be read (%v): whether this instance runs is unknown", err)
	}
	var elsewhere int
	d.masters, elsewhere = findMasters(h, procs)
	for _, m := range d.masters {
		if m.config != "" {
			d.add(m.config)
		}
	}
	for i := 0; i < len(d.found); i++ { // read adds the directories that it names
		d.read(ctx, &d.found[i])
	}
	d.match()
	if err := ctx.Err(); err != nil {
		return nil, fmt.Errorf("detect postfix: %w", err)
	}
	if elsewhere > 0 {
		d.noteElsewhere(elsewhere)
	}
	list := make([]mta.Instance, 0, len(d.found))
	if elsewhere > 0 && len(d.found) == 0 {
		return list, fmt.Errorf("detect postfix: none here, but %s", elsewhereNote(elsewhere))
	}
	for _, f := range d.found {
		list = append(list, f.Instance)
	}
	return list, nil
}

// candidate is one configuration directory, read or not.
type candidate struct {
	mta.Instance
	pidFile string
}

type detector struct {
	h       adapter.Host
	found   []candidate
	seen    map[string]bool // configuration directories
	masters []master
	blind   string // why processes could not be read
}

func (d *detector) add(dir string) {
	dir = path.Clean(dir)
	if !path.IsAbs(dir) || d.seen[dir] || len(d.found) >= maxInstances {
		return
	}
	d.seen[dir] = true
	d.found = append(d.found, candidate{Instance: mta.Instance{MTA: "postfix", ConfigDir: dir, Queues: queueNames(), ListedQueues: listedQueues()}})
}

// read fills in what the configuration says, and adds the directories that it
// names. c is not valid after that.
func (d *detector) read(ctx context.Context, c *candidate) {
	dir := c.ConfigDir
	text, err := adapter.ReadText(d.h, dir+"/main.cf")
	if err != nil {
		c.Notes = append(c.Notes, fmt.Sprintf("%s/main.cf cannot be read (%v): Postfix's defaults are assumed; %s", dir, adapter.Reason(err), adapter.Mend(err, dir+"/main.cf")))
	}
	s := parseMainCF(dir, text)
	c.Notes = append(c.Notes, s.notes...)
	value := func(name string) string {
		v, err := s.get(name)
		if err != nil {
			c.Notes = append(c.Notes, fmt.Sprintf("main.cf in %s: %v; `postconf -h -c %s %s` tells what Postfix takes", dir, err, dir, name))
		}
		return v
	}
	c.QueueDir = value("queue_directory")
	if !path.IsAbs(c.QueueDir) {
		c.QueueDir = ""
	}
	c.pidFile = path.Join(c.QueueDir, value("process_id_directory"), "master.pid")
	c.Name, _, _ = strings.Cut(value("syslog_name"), "/")
	if c.Name == "" {
		c.Name = "postfix"
	}
	c.MaxProc = processLimit(s)
	c.QueueLifetime = queueLifetime(s)
	c.Version = d.version(ctx, c, s)
	c.LogNames = d.services(c, s)
	d.logs(c, value("maillog_file"))
	var more []string
	for _, m := range append(s.list("multi_instance_directories"), s.list("alternate_config_directories")...) {
		if adapter.Exists(d.h, m+"/main.cf") {
			more = append(more, m)
		} else {
			c.Notes = append(c.Notes, fmt.Sprintf("%s names the configuration directory %s, which has no main.cf that can be seen; remove it there or make it readable", dir, clip(m)))
		}
	}
	for _, m := range more { // last: it may move c
		d.add(m)
	}
}

// version asks postconf, which only reads, and only the root user's settings.
func (d *detector) version(ctx context.Context, c *candidate, s *settings) string {
	if v := s.set["mail_version"]; v != "" && !strings.Contains(v, "$") {
		return v
	}
	ctx, cancel := context.WithTimeout(ctx, versionTimeout)
	defer cancel()
	out, err := d.h.Run(ctx, "postconf", "-c", c.ConfigDir, "-h", "mail_version")
	if err != nil {
		c.Notes = append(c.Notes, fmt.Sprintf("the version is unknown: `postconf -c %s -h mail_version`: %v", c.ConfigDir, err))
		return ""
	}
	line, _, _ := strings.Cut(string(out), "\n")
	return clip(strings.TrimSpace(line))
}

// services reads master.cf: where SMTP is accepted, and the names beside the
// instance's own under which services log.
func (d *detector) services(c *candidate, s *settings) []string {
	file := c.ConfigDir + "/master.cf"
	text, err := adapter.ReadText(d.h, file)
	if err != nil {
		c.Notes = append(c.Notes, fmt.Sprintf("%s cannot be read (%v): where it listens is unknown; %s", file, adapter.Reason(err), adapter.Mend(err, file)))
		return nil
	}
	list, bad := parseMasterCF(text)
	if bad > 0 {
		c.Notes = append(c.Notes, fmt.Sprintf("%s: %d entries with fewer than 8 fields; run `postconf -M -c %s`", file, bad, c.ConfigDir))
	}
	list = enabled(list, s.list("master_service_disable"))
	services, servicesRead := "", false
	port := func(name string) uint16 {
		if p := wellKnownPort(name); p != 0 {
			return p
		}
		if !servicesRead {
			services, _ = adapter.ReadText(d.h, "/etc/services")
			servicesRead = true
		}
		return servicesPort(services, name)
	}
	var unknown []string
	c.Listen, unknown = listens(s, list, port)
	for _, u := range unknown {
		c.Notes = append(c.Notes, fmt.Sprintf("%s: the port of service %q is not in /etc/services; write the number", file, clip(u)))
	}
	var names []string
	for _, o := range logNames(s, list, c.Name) {
		names = append(names, o.value)
		c.Notes = append(c.Notes, fmt.Sprintf("%s: service %s logs as %q, not %q: its lines are read as those of %s unless another instance has that name; use `-o syslog_name=%s/...` to keep them together", file, clip(o.name), clip(o.value), c.Name, c.Name, c.Name))
	}
	return names
}

// logs finds where the instance writes: its maillog_file, else the one file of
// the usual syslog configurations that is in use, else the journal. It is one
// source: syslog daemons write the same line to several files.
func (d *detector) logs(c *candidate, maillog string) {
	if maillog != "" {
		if strings.HasPrefix(maillog, "/dev/") {
			c.Notes = append(c.Notes, fmt.Sprintf("the log goes to %s, which cannot be followed; set maillog_file to a file below /var/log", maillog))
			return
		}
		c.Logs = []mta.LogSource{{Kind: mta.LogFile, Path: maillog}}
		if !adapter.Exists(d.h, maillog) {
			c.Notes = append(c.Notes, fmt.Sprintf("%s does not exist or cannot be seen; it comes with the first line, else run `postfix -c %s check`", maillog, c.ConfigDir))
		}
		return
	}
	if f := adapter.SyslogFile(d.h); f != "" {
		c.Logs = []mta.LogSource{{Kind: mta.LogFile, Path: f}}
		return
	}
	if !adapter.Exists(d.h, "/var/log/journal") && !adapter.Exists(d.h, "/run/log/journal") {
		c.Notes = append(c.Notes, "no mail log was found: set maillog_file = /var/log/mail.log in main.cf (Postfix 3.4 and later), or name the file in the configuration of mtawatch")
		return
	}
	ids := []string{c.Name + "/"}
	for _, n := range c.LogNames {
		ids = append(ids, n+"/")
	}
	// No units: a Postfix that was started by hand logs outside its unit, and
	// journalctl asks for both when both are named.
	c.Logs = []mta.LogSource{{Kind: mta.LogJournal, Identifiers: ids}}
}

// match says which instances run, and adds those masters that no known
// configuration explains.
func (d *detector) match() {
	var blind []master // their queue directory cannot be seen
	for _, m := range d.masters {
		switch c := d.owner(m); {
		case c != nil:
			c.Running = true
			if m.config == c.ConfigDir && m.cwd != "" && m.cwd != c.QueueDir {
				c.Notes = append(c.Notes, fmt.Sprintf("master %d works in %s, not in the queue_directory of %s/main.cf; if queue_directory was changed while it ran, put %s back there and run `postfix -c %s stop` before the change", m.pid, m.cwd, c.ConfigDir, m.cwd, c.ConfigDir))
				c.QueueDir = m.cwd
			}
		case m.cwd == "":
			blind = append(blind, m)
		default:
			d.found = append(d.found, candidate{Instance: mta.Instance{MTA: "postfix", Name: "postfix", QueueDir: m.cwd, Running: true,
				Queues: queueNames(), ListedQueues: listedQueues(), Notes: []string{m.strayNote()}}})
		}
	}
	d.sameNames()
	var stopped []*candidate // those to which an unseen master may belong
	for i := range d.found {
		if c := &d.found[i]; !c.Running {
			if d.mayRun(c) {
				stopped = append(stopped, c)
			} else {
				c.NeverRan = true
				c.Notes = append(c.Notes, fmt.Sprintf("this instance is configured but has never run: there is no %s", c.pidFile))
			}
			if d.blind != "" {
				c.Notes = append(c.Notes, d.blind)
			}
		}
	}
	switch {
	case len(blind) > 0 && len(blind) >= len(stopped):
		for _, c := range stopped {
			c.Running = true
		}
	case len(blind) > 0:
		for _, c := range stopped {
			c.Notes = append(c.Notes, fmt.Sprintf("whether this instance runs is unknown: master %d may be its own, but its working directory may not be read; run mtawatch as root or with CAP_SYS_PTRACE", blind[0].pid))
		}
	}
}

// mayRun is false when the instance has surely never run: a master leaves its
// pid file behind when it ends.
func (d *detector) mayRun(c *candidate) bool {
	_, err := d.h.Lstat(adapter.Rooted(c.pidFile))
	return !errors.Is(err, fs.ErrNotExist)
}

// sameNames notes instances whose log lines cannot be told apart.
func (d *detector) sameNames() {
	for i := range d.found {
		for j := range i {
			a, b := &d.found[j], &d.found[i]
			if a.Name == b.Name {
				b.Notes = append(b.Notes, fmt.Sprintf("this instance and that of %s both log as %q: their events cannot be told apart; set multi_instance_name in the main.cf of one", cmp.Or(a.ConfigDir, a.QueueDir), b.Name))
				break
			}
		}
	}
}

// owner gives the instance of a master: by its configuration directory, by
// its working directory, or by the process id that it wrote down.
func (d *detector) owner(m master) *candidate {
	for i := range d.found {
		if c := &d.found[i]; m.config != "" && m.config == c.ConfigDir {
			return c
		}
	}
	for i := range d.found {
		if c := &d.found[i]; m.cwd != "" && m.cwd == c.QueueDir {
			return c
		}
	}
	if m.cwd != "" {
		return nil
	}
	for i := range d.found {
		c := &d.found[i]
		text, err := adapter.ReadText(d.h, c.pidFile)
		if err == nil && strings.TrimSpace(text) == fmt.Sprint(m.pid) {
			return c
		}
	}
	return nil
}

// master is a running master(8).
type master struct {
	pid    int
	cwd    string // "" when it may not be read
	config string // "" when it is not known
	denied bool   // its environment may not be read, so config is not known
}

// strayNote tells of a master of which only the working directory is known.
func (m master) strayNote() string {
	note := fmt.Sprintf("master %d works in %s, but its configuration directory could not be found; ", m.pid, m.cwd)
	if m.denied {
		return note + "run mtawatch as root or with CAP_SYS_PTRACE, or name it in alternate_config_directories of /etc/postfix/main.cf"
	}
	return note + "name it in alternate_config_directories of /etc/postfix/main.cf, or as config_dir of an instance in the configuration of mtawatch"
}

// findMasters picks the masters of Postfix and asks for the configuration
// directory of each: postfix(1) hands it down as MAIL_CONFIG. Only processes
// of root are asked: whatever another user runs has no word in this.
//
// Masters in other namespaces are only counted: what they call /etc/postfix
// and port 25 is not what we see under these names.
func findMasters(h adapter.Host, procs []mta.Process) (list []master, elsewhere int) {
	names := map[int]bool{}
	for i := range procs {
		if isMaster(&procs[i]) {
			names[procs[i].PID] = true
		}
	}
	for i := range procs {
		p := &procs[i]
		if !names[p.PID] || names[p.PPID] {
			continue
		}
		if p.Foreign {
			elsewhere++
			continue
		}
		if p.UID != 0 {
			continue
		}
		m := master{pid: p.PID, cwd: p.Cwd}
		env, err := adapter.ReadText(h, fmt.Sprintf("/proc/%d/environ", p.PID))
		m.denied = errors.Is(err, fs.ErrPermission)
		if err == nil {
			for entry := range strings.SplitSeq(env, "\x00") {
				if v, ok := strings.CutPrefix(entry, "MAIL_CONFIG="); ok && path.IsAbs(v) {
					m.config = path.Clean(v)
				}
			}
		}
		list = append(list, m)
	}
	return list, elsewhere
}

// noteElsewhere tells of masters in other namespaces: with the first instance
// that has run, else with the first.
func (d *detector) noteElsewhere(n int) {
	note := elsewhereNote(n)
	for i := range d.found {
		if !d.found[i].NeverRan {
			d.found[i].Notes = append(d.found[i].Notes, note)
			return
		}
	}
	if len(d.found) > 0 {
		d.found[0].Notes = append(d.found[0].Notes, note)
	}
}

func elsewhereNote(n int) string {
	if n == 1 {
		return "a Postfix master runs in other namespaces (a container); run mtawatch there to watch it"
	}
	return fmt.Sprintf("%d Postfix masters run in other namespaces (containers); run mtawatch there to watch them", n)
}
