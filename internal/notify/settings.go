package notify

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/mtawatch/mtawatch/internal/mta"
)

// Settings is one entry under notify: in the configuration. Which keys a
// type of channel has beside the common ones, package all knows.
type Settings struct {
	Type        string         `yaml:"type"`         // webhook, alertmanager, exec
	Name        string         `yaml:"name"`         // "": made of the type and where it goes
	MinSeverity string         `yaml:"min_severity"` // info, warning or critical; "": warning
	Delay       *time.Duration `yaml:"delay"`        // nil: one minute
	Repeat      time.Duration  `yaml:"repeat"`       // 0: no reminders
	Timeout     time.Duration  `yaml:"timeout"`      // 0: 10 s
	URL         string         `yaml:"url"`
	URLs        []string       `yaml:"urls"`
	SecretFile  string         `yaml:"secret_file"`
	Command     []string       `yaml:"command"`
}

// Problem is what is wrong with one key of an entry.
type Problem struct {
	Key  string // "url"; "" for the entry as a whole
	Text string
}

// DefaultDelay is how long a warning must be open before it is told.
const DefaultDelay = time.Minute

// Terms gives what the common keys ask for, and what is wrong with them.
func (s Settings) Terms() (Terms, []Problem) {
	t := Terms{Min: mta.SeverityWarning, Delay: DefaultDelay, Timeout: DefaultTimeout, Repeat: s.Repeat}
	var wrong []Problem
	if s.MinSeverity != "" {
		if err := t.Min.UnmarshalText([]byte(s.MinSeverity)); err != nil || t.Min > mta.SeverityCritical {
			wrong = append(wrong, Problem{"min_severity", fmt.Sprintf("must be info, warning or critical, not %q", s.MinSeverity)})
		}
	}
	if s.Delay != nil {
		t.Delay = *s.Delay
	}
	if t.Delay < 0 || t.Delay > time.Hour {
		wrong = append(wrong, Problem{"delay", "must be from 0s to 1h"})
	}
	if s.Repeat != 0 && (s.Repeat < 10*time.Minute || s.Repeat > 30*24*time.Hour) {
		wrong = append(wrong, Problem{"repeat", "must be from 10m to 30d, or left out for no reminders"})
	}
	if s.Timeout != 0 {
		t.Timeout = s.Timeout
	}
	if t.Timeout < time.Second || t.Timeout > 2*time.Minute {
		wrong = append(wrong, Problem{"timeout", "must be from 1s to 2m"})
	}
	if strings.Contains(s.Name, "/") || len(s.Name) > 64 || Clean(s.Name, 64) != s.Name {
		wrong = append(wrong, Problem{"name", "must be one line of at most 64 bytes without a slash"})
	}
	return t, wrong
}

// Patient is said where a channel would send mail.
const Patient = "would send through the mail server that is watched: when that is ill, nobody would hear of it; use a webhook, Alertmanager, or a program that sends no mail"

// CheckURL refuses what is no place that HTTP can reach; "" when it is one.
func CheckURL(scheme, host string) string {
	switch scheme {
	case "http", "https":
		if host == "" {
			return "names no host"
		}
		return ""
	case "mailto", "smtp", "smtps", "submission", "lmtp":
		return Patient
	}
	return "must begin with https:// or http://"
}

// CheckCommand refuses a program that is known to send mail, also behind a
// shell or one that starts others; "" for any other.
func CheckCommand(command []string) string {
	for i, arg := range command {
		words := []string{arg}
		if i > 0 {
			if !slices.Contains(starters, filepath.Base(command[0])) {
				break
			}
			words = strings.FieldsFunc(arg, func(r rune) bool { return strings.ContainsRune(" \t\n;|&()`$\"'", r) })
		}
		for _, w := range words {
			if name := filepath.Base(w); slices.Contains(mailers, name) {
				return fmt.Sprintf("%q %s", Clean(name, 40), Patient)
			}
		}
	}
	return ""
}

var mailers = []string{"sendmail", "mail", "mailx", "s-nail", "nail", "bsd-mailx", "mail.mailutils", "heirloom-mailx", "mutt", "neomutt",
	"msmtp", "ssmtp", "esmtp", "nullmailer-inject", "dma", "exim", "exim4", "postdrop", "smtpctl", "swaks", "sendemail", "mailutils"}

var starters = []string{"sh", "bash", "dash", "ash", "ksh", "zsh", "busybox", "env", "sudo", "doas", "su", "nice", "timeout", "setsid", "nohup", "xargs"}
