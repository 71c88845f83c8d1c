//go:build linux

package world

import (
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"time"
)

// Syslog is a private rsyslogd that serves /dev/log and writes, as Debian's
// own configuration does, every mail line to MailLog and to AllLog.
type Syslog struct {
	s    *service
	conf string
	dir  string
}

// The files that Syslog writes.
const (
	MailLog = "/var/log/mail.log"
	AllLog  = "/var/log/syslog"
)

// SyslogTools lists what Syslog needs.
func SyslogTools() []Tool { return []Tool{{"rsyslogd", "rsyslog"}} }

// Syslog starts an rsyslogd and waits until /dev/log answers.
func (b *Box) Syslog() (*Syslog, error) {
	dir, err := b.TempDir("syslog")
	if err != nil {
		return nil, err
	}
	conf := `global(workDirectory="` + dir + `")
module(load="imuxsock" SysSock.Use="off")
input(type="imuxsock" Socket="/dev/log" Unlink="on" RateLimit.Interval="0")
*.*;auth,authpriv.none -` + AllLog + `
mail.* -` + MailLog + `
`
	name := filepath.Join(dir, "rsyslog.conf")
	if err := os.WriteFile(name, []byte(conf), 0o644); err != nil {
		return nil, err
	}
	l := &Syslog{conf: name, dir: dir}
	if err := l.Start(""); err != nil {
		l.Stop()
		return nil, err
	}
	return l, nil
}

// Start starts the service, again after Halt; with a zone ("UTC-1" is an hour
// east) its stamps are in that.
func (l *Syslog) Start(zone string) (err error) {
	cmd := exec.Command(lookTool("rsyslogd"), "-n", "-f", l.conf, "-i", filepath.Join(l.dir, "pid"))
	cmd.Env = os.Environ()
	if zone != "" {
		cmd.Env = append(cmd.Env, "TZ="+zone)
	}
	if l.s, err = startService(cmd); err != nil {
		return err
	}
	return within(30*time.Second, func() error {
		c, err := net.Dial("unixgram", "/dev/log")
		if err != nil {
			return fmt.Errorf("start rsyslogd: %w", err)
		}
		return c.Close()
	})
}

// Halt ends the service, which writes all that it has, and leaves the files.
func (l *Syslog) Halt() {
	if l.s != nil {
		l.s.stop()
	}
}

// Stop ends the service, which writes all that it has, and removes the files.
func (l *Syslog) Stop() {
	l.Halt()
	_ = errors.Join(os.Remove("/dev/log"), os.Remove(MailLog), os.Remove(AllLog)) // Unlink may have taken the first
}
