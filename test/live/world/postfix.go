//go:build linux

package world

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// PostfixConfig describes a private Postfix. The zero value listens on port
// 25 of every address, relays for everyone in the world by DNS, and logs to
// a file.
type PostfixConfig struct {
	Name      string   // syslog_name; "" is "postfix"
	Elsewhere bool     // keep the configuration out of /etc/postfix: an instance that only its process betrays
	Ports     []string // "" is 25
	FastRetry bool     // retry within seconds where the default is minutes
	FastScan  bool     // look for new mail every 5 s even when no one tells of it (a reload can swallow that)
	Syslog    bool     // log to /dev/log instead of a file
	Log       string   // the log file; "" is one of its own
	QueueSize string   // the size of a file system that holds the queue alone: "24m"; "" is none of its own
	SMTPD     string   // most processes of the SMTP server; "" is Postfix's default, 100
	Main      []string // more lines of main.cf
	Master    []string // more lines of master.cf
}

// Postfix is one private instance.
type Postfix struct {
	Name      string
	ConfigDir string // the one to name to its commands
	QueueDir  string
	Log       string // the log file; "" with Syslog
	bound     bool
}

// Postfix makes an instance and starts it.
func (b *Box) Postfix(c PostfixConfig) (*Postfix, error) {
	p := &Postfix{Name: cmp.Or(c.Name, "postfix")}
	root, err := b.TempDir(p.Name)
	if err != nil {
		return nil, err
	}
	if err := p.write(root, c); err != nil {
		return nil, fmt.Errorf("make postfix: %w", err)
	}
	if err := p.Start(); err != nil {
		return nil, errors.Join(err, p.Remove())
	}
	return p, nil
}

func (p *Postfix) write(root string, c PostfixConfig) error {
	etc := filepath.Join(root, "etc")
	p.ConfigDir, p.QueueDir = etc, filepath.Join(root, "spool")
	data, logs := filepath.Join(root, "data"), filepath.Join(root, "log")
	for _, dir := range []string{etc, p.QueueDir, data, logs, filepath.Join(etc, "dynamicmaps.cf.d"), filepath.Join(etc, "postfix-files.d")} {
		if err := os.Mkdir(dir, 0o755); err != nil {
			return err
		}
	}
	if c.QueueSize != "" {
		if err := unix.Mount("tmpfs", p.QueueDir, "tmpfs", 0, "mode=0755,size="+c.QueueSize); err != nil {
			return fmt.Errorf("mount tmpfs for the queue: %w", err)
		}
	}
	uid, gid, err := account("postfix")
	if err != nil {
		return err
	}
	if err := errors.Join(os.Chown(data, uid, gid), os.Chmod(data, 0o700)); err != nil {
		return err
	}
	for _, name := range []string{"postfix-files", "dynamicmaps.cf", "post-install", "postfix-script", "makedefs.out"} {
		if err := copyFile("/etc/postfix/"+name, filepath.Join(etc, name)); err != nil && !errors.Is(err, os.ErrNotExist) {
			return err
		}
	}
	main := append(p.mainLines(data, logs, c), c.Main...)
	if err := os.WriteFile(filepath.Join(etc, "main.cf"), []byte(strings.Join(main, "\n")+"\n"), 0o644); err != nil {
		return err
	}
	master, err := masterLines(c)
	if err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(etc, "master.cf"), []byte(strings.Join(master, "\n")+"\n"), 0o644); err != nil {
		return err
	}
	if c.Elsewhere {
		return nil
	}
	// In place of the machine's own configuration: what finds a Postfix on
	// an ordinary machine finds this one.
	if err := unix.Mount(etc, "/etc/postfix", "", unix.MS_BIND, ""); err != nil {
		return fmt.Errorf("bind /etc/postfix: %w", err)
	}
	p.bound, p.ConfigDir = true, "/etc/postfix"
	return nil
}

func (p *Postfix) mainLines(data, logs string, c PostfixConfig) []string {
	lines := []string{
		"compatibility_level = 3.6",
		"myhostname = mta.example.com",
		"mydestination =",
		"alias_maps =",
		"alias_database =",
		"local_recipient_maps =",
		"inet_interfaces = all",
		"inet_protocols = ipv4",
		"mynetworks = 127.0.0.0/8 10.77.0.0/16",
		"queue_directory = " + p.QueueDir,
		"data_directory = " + data,
		"shlib_directory = /usr/lib/postfix",
		"authorized_submit_users = static:anyone",
		"enable_long_queue_ids = yes",
		"biff = no",
		"smtpd_client_connection_count_limit = 0",
		"smtp_connect_timeout = 2s",
		"smtp_helo_timeout = 10s",
		"smtp_tls_security_level = none",
	}
	if p.Name != "postfix" {
		lines = append(lines, "syslog_name = "+p.Name)
	}
	if !c.Syslog {
		p.Log = cmp.Or(c.Log, filepath.Join(logs, "mail.log"))
		lines = append(lines, "maillog_file = "+p.Log, "maillog_file_prefixes = "+filepath.Dir(p.Log))
	}
	if c.FastRetry {
		lines = append(lines, "minimal_backoff_time = 4s", "maximal_backoff_time = 8s", "queue_run_delay = 2s")
	}
	return lines
}

// masterLines takes Debian's own table of services, without the chroot
// (which would need the resolver's files copied) and with our ports.
func masterLines(c PostfixConfig) ([]string, error) {
	proto, err := os.ReadFile("/usr/share/postfix/master.cf.dist")
	if err != nil {
		proto, err = os.ReadFile("/etc/postfix/master.cf.proto")
	}
	if err != nil {
		return nil, err
	}
	var lines []string
	postlog, pipe := false, false
	for line := range strings.Lines(string(proto)) {
		line = strings.TrimRight(line, "\n")
		f := strings.Fields(line)
		if len(f) == 0 || line[0] == '#' || line[0] == ' ' && pipe {
			continue
		}
		if line[0] != ' ' {
			pipe = len(f) > 7 && f[7] == "pipe" // for programs that are not here
			if pipe || f[0] == "smtp" && f[1] == "inet" {
				continue
			}
			postlog = postlog || f[0] == "postlog"
			f[4] = "n"
			if f[0] == "qmgr" && c.FastScan {
				f[5] = "5"
			}
			line = strings.Join(f, " ")
		}
		lines = append(lines, line)
	}
	ports := c.Ports
	if len(ports) == 0 {
		ports = []string{"smtp"}
	}
	for _, port := range ports {
		lines = append(lines, port+" inet n - n - "+cmp.Or(c.SMTPD, "-")+" smtpd")
	}
	if !postlog {
		lines = append(lines, "postlog unix-dgram n - n - 1 postlogd")
	}
	return append(lines, c.Master...), nil
}

// Command runs one of Postfix's commands on this instance.
func (p *Postfix) Command(name string, args ...string) ([]byte, error) {
	var stderr bytes.Buffer
	cmd := exec.Command(name, append([]string{"-c", p.ConfigDir}, args...)...)
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		err = fmt.Errorf("run %s %s: %w: %s", name, strings.Join(args, " "), err, bytes.TrimSpace(stderr.Bytes()))
	}
	return out, err
}

// Start starts the instance and waits until its master runs.
func (p *Postfix) Start() error {
	if _, err := p.Command("postfix", "start"); err != nil {
		return fmt.Errorf("start postfix: %w: %s", err, p.logTail())
	}
	return within(30*time.Second, func() error {
		if p.MasterPID() == 0 {
			return fmt.Errorf("start postfix: no master: %s", p.logTail())
		}
		return nil
	})
}

// Stop stops the instance and waits until its master is gone, so that its
// log stands still.
func (p *Postfix) Stop() error {
	if p.MasterPID() == 0 {
		return nil
	}
	if _, err := p.Command("postfix", "stop"); err != nil {
		return err
	}
	return within(time.Minute, func() error {
		if pid := p.MasterPID(); pid != 0 {
			return fmt.Errorf("stop postfix: master %d lives on", pid)
		}
		return nil
	})
}

// Reload makes the daemons read their configuration again and open their
// log anew.
func (p *Postfix) Reload() error {
	_, err := p.Command("postfix", "reload")
	return err
}

// Remove stops the instance and gives /etc/postfix back.
func (p *Postfix) Remove() error {
	err := p.Stop()
	if p.bound {
		p.bound = false
		err = errors.Join(err, unix.Unmount("/etc/postfix", unix.MNT_DETACH))
	}
	return err
}

// MasterPID gives the process id of the instance's master, 0 when none runs.
func (p *Postfix) MasterPID() int {
	b, err := os.ReadFile(filepath.Join(p.QueueDir, "pid", "master.pid"))
	if err != nil {
		return 0
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(b)))
	if err != nil {
		return 0
	}
	if comm, state := procComm(pid); comm == "master" && state != 'Z' {
		return pid
	}
	return 0
}

// Daemons gives the process ids of the instance's daemons of one name:
// "qmgr", "smtpd", "postlogd".
func (p *Postfix) Daemons(name string) []int {
	master := p.MasterPID()
	if master == 0 {
		return nil
	}
	children, err := os.ReadFile(fmt.Sprintf("/proc/%d/task/%d/children", master, master))
	if err != nil {
		return nil
	}
	var pids []int
	for _, f := range strings.Fields(string(children)) {
		pid, err := strconv.Atoi(f)
		if comm, state := procComm(pid); err == nil && comm == name && state != 'Z' {
			pids = append(pids, pid)
		}
	}
	return pids
}

// Lines counts the lines of the log, and of its rotated pieces, that hold
// every one of the given texts.
func (p *Postfix) Lines(texts ...string) (int, error) {
	return CountLines(p.LogPieces(), texts...)
}

// LogPieces gives the log and its rotated pieces, oldest first as far as
// their numbers tell.
func (p *Postfix) LogPieces() []string {
	list, _ := filepath.Glob(p.Log + "*")
	return list
}

func (p *Postfix) logTail() string {
	b, _ := os.ReadFile(p.Log)
	return string(b[max(0, len(b)-2000):])
}

// procComm gives a process's name and its state letter, "" when there is
// no such process.
func procComm(pid int) (string, byte) {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return "", 0
	}
	open, end := bytes.IndexByte(b, '('), bytes.LastIndexByte(b, ')')
	if open < 0 || end < open || end+2 >= len(b) {
		return "", 0
	}
	return string(b[open+1 : end]), b[end+2]
}

func account(name string) (uid, gid int, err error) {
	u, err := user.Lookup(name)
	if err != nil {
		return 0, 0, err
	}
	if uid, err = strconv.Atoi(u.Uid); err == nil {
		gid, err = strconv.Atoi(u.Gid)
	}
	return uid, gid, err
}

func copyFile(from, to string) error {
	b, err := os.ReadFile(from)
	if err != nil {
		return err
	}
	fi, err := os.Stat(from)
	if err != nil {
		return err
	}
	return os.WriteFile(to, b, fi.Mode().Perm())
}

// within asks until there is no error or the time is up, and gives the
// last error.
func within(limit time.Duration, ask func() error) error {
	end := time.Now().Add(limit)
	for {
		err := ask()
		if err == nil || time.Now().After(end) {
			return err
		}
		time.Sleep(20 * time.Millisecond)
	}
}
