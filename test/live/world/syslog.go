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
type Syslog struct{ s *service }

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
	s, err := startService(exec.Command(lookTool("rsyslogd"), "-n", "-f", name, "-i", filepath.Join(dir, "pid")))
	if err != nil {
		return nil, err
	}
	err = within(10*time.Second, func() error {
		c, err := net.Dial("unixgram", "/dev/log")
		if err != nil {
			return fmt.Errorf("start rsyslogd: %w", err)
		}
		return c.Close()
	})
	if err != nil {
		(&Syslog{s}).Stop()
		return nil, err
	}
	return &Syslog{s}, nil
}

// Stop ends the service, which writes all that it has, and removes the files.
func (l *Syslog) Stop() {
	l.s.stop()
	_ = errors.Join(os.Remove("/dev/log"), os.Remove(MailLog), os.Remove(AllLog)) // Unlink may have taken the first
}
