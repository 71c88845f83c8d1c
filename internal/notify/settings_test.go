package notify

import (
	"net/http"
	"testing"
	"time"
)

func TestCheckCommand(t *testing.T) {
	for _, tt := range []struct {
		name    string
		command []string
		refused bool
	}{
		{"a program", []string{"/usr/local/bin/page", "mail"}, false},
		{"sendmail", []string{"/usr/sbin/sendmail", "-t"}, true},
		{"mailx", []string{"/usr/bin/mailx"}, true},
		{"behind a shell", []string{"/bin/sh", "-c", "cat | /usr/bin/mail -s x root"}, true},
		{"behind another", []string{"/usr/bin/env", "-i", "msmtp"}, true},
		{"a shell that does not", []string{"/bin/sh", "-c", "logger -t page mailbox"}, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := CheckCommand(tt.command); (got != "") != tt.refused {
				t.Errorf("got %q", got)
			}
		})
	}
}

func TestRetryAfter(t *testing.T) {
	now := time.Date(2026, 11, 2, 14, 0, 0, 0, time.UTC)
	for s, want := range map[string]time.Duration{"": 0, "120": 2 * time.Minute, " 5 ": 5 * time.Second, "-1": 0, "soon": 0,
		now.Add(90 * time.Second).Format(http.TimeFormat): 90 * time.Second, now.Add(-time.Hour).Format(http.TimeFormat): 0} {
		if got := retryAfter(s, now); got != want {
			t.Errorf("%q: got %s, want %s", s, got, want)
		}
	}
}
