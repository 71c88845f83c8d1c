package returnjob

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/mtawatch/mtawatch/internal/classify"
	"github.com/mtawatch/mtawatch/internal/lab/queue"
	"github.com/mtawatch/mtawatch/internal/lab/site"
	"github.com/mtawatch/mtawatch/internal/mta"
)

func testSite(t *testing.T) *site.Site {
	t.Helper()
	s, err := site.Create(filepath.Join(t.TempDir(), "base"), site.Settings{JobPort: 1, Day: time.Minute, Users: []string{"alice"}}) // notices after 1, 2, 4 and 7 minutes
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func put(t *testing.T, q *queue.Queue, from, notify string, at time.Time) queue.Entry {
	t.Helper()
	e, err := q.Enqueue("tcp_local", &queue.Envelope{Source: "tcp_intranet", From: from, MessageID: "<m1@example.com>", Arrived: at,
		Recipients: []queue.Recipient{{Original: "rfc822;x@far.example", Address: "x@far.example", Notify: notify}}}, strings.NewReader("Subject: old\n\nbody\n"))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Chtimes(e.Path, at, at); err != nil {
		t.Fatal(err)
	}
	return e
}

// night runs the job and gives the codes of the log's new records, and the
// subjects of the notifications, which it takes away.
func night(t *testing.T, s *site.Site, now time.Time) (codes, subjects string) {
	t.Helper()
	if err := Run(context.Background(), s, now); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(filepath.Join(s.LogDir(), "mail.log_current"))
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		f := strings.Fields(line)
		for _, w := range f[3:] { // after time and process
			if w == strings.ToUpper(w) {
				codes += w
				break
			}
		}
	}
	q := queue.Open(s)
	err = q.Walk(site.ChannelProcess, func(e queue.Entry) error {
		m, err := q.Read(e)
		if err != nil {
			return err
		}
		defer m.Close()
		b, err := io.ReadAll(m.Content())
		if err != nil {
			return err
		}
		if m.From != "" || m.Recipients[0].Address != "alice@example.com" {
			t.Errorf("a notification from %q to %+v", m.From, m.Recipients)
		}
		_, rest, _ := strings.Cut(string(b), "Delivery Notification: Delivery has been ")
		if rest == "" {
			_, rest, _ = strings.Cut(string(b), "Delivery Notification: Delivery has ")
		}
		subjects += strings.Fields(rest)[0] + " "
		return q.Remove(e)
	})
	if err != nil {
		t.Fatal(err)
	}
	return codes, strings.TrimSpace(subjects)
}

// TestNotices follows a message through its life: warned of once at each age,
// returned at the last; the log is a new one each night.
func TestNotices(t *testing.T) {
	s := testSite(t)
	q := queue.Open(s)
	start := time.Now().Add(-time.Hour)
	put(t, q, "alice@example.com", "", start)
	for _, tt := range []struct {
		minutes         float64
		codes, subjects string
	}{{0.5, "", ""}, {1.5, "EW", "delayed"}, {1.6, "", ""}, {2.5, "EW", "delayed"}, {6.9, "EW", "delayed"}, {7.5, "ER", "failed"}, {8.5, "", ""}} {
		codes, subjects := night(t, s, start.Add(time.Duration(tt.minutes*float64(time.Minute))))
		if codes != tt.codes || subjects != tt.subjects {
			t.Errorf("after %v minutes: records %q, notifications %q; want %q, %q", tt.minutes, codes, subjects, tt.codes, tt.subjects)
		}
	}
	all, err := os.ReadFile(filepath.Join(s.LogDir(), "mail.log"))
	if err != nil || !strings.Contains(string(all), " tcp_local    process      E ") {
		t.Errorf("mail.log: %s, %v", all, err)
	}
}

// TestNobodyIsTold: of a notification nothing is told, nor to one who wants to
// hear nothing; what is held or in work stays.
func TestNobodyIsTold(t *testing.T) {
	s := testSite(t)
	q := queue.Open(s)
	old := time.Now().Add(-time.Hour)
	put(t, q, "", "", old)
	put(t, q, "alice@example.com", "NEVER", old)
	put(t, q, "alice@example.com", "SUCCESS", old)
	if _, err := q.Hold(put(t, q, "alice@example.com", "", old)); err != nil {
		t.Fatal(err)
	}
	m, err := q.Lock(put(t, q, "alice@example.com", "", old))
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	if codes, subjects := night(t, s, time.Now()); codes != "KKK" || subjects != "" {
		t.Errorf("records %q, notifications %q", codes, subjects)
	}
	left := 0
	if err := q.Walk("tcp_local", func(queue.Entry) error { left++; return nil }); err != nil || left != 2 {
		t.Errorf("%d left, %v", left, err)
	}
}

// TestLogCannotBeWritten: a log that takes nothing has nobody told twice.
func TestLogCannotBeWritten(t *testing.T) {
	s := testSite(t)
	if err := os.Mkdir(filepath.Join(s.LogDir(), "mail.log_current"), 0o700); err != nil {
		t.Fatal(err)
	}
	q := queue.Open(s)
	put(t, q, "alice@example.com", "", time.Now().Add(-time.Hour))
	put(t, q, "alice@example.com", "", time.Now().Add(-90*time.Second))
	for range 2 {
		if err := Run(context.Background(), s, time.Now()); err == nil {
			t.Error("nothing is said of a log that cannot be written")
		}
	}
	left, told := 0, 0
	for channel, n := range map[string]*int{"tcp_local": &left, "process": &told} {
		if err := q.Walk(channel, func(queue.Entry) error { *n++; return nil }); err != nil {
			t.Fatal(err)
		}
	}
	if left != 1 || told != 2 {
		t.Errorf("%d messages left and %d notifications; want 1 and 2", left, told)
	}
}

func TestReasonIsClassified(t *testing.T) {
	s := testSite(t)
	put(t, queue.Open(s), "alice@example.com", "", time.Now().Add(-time.Hour))
	night(t, s, time.Now())
	text, err := os.ReadFile(filepath.Join(s.LogDir(), "mail.log_current"))
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		if _, why, ok := strings.Cut(line, " R 1 "); ok {
			_, why, _ = strings.Cut(why, "<m1@example.com> ")
			if got := classify.New().Cause(strings.TrimSpace(why), "", 0); got != mta.CauseExpired {
				t.Errorf("%q is classified as %v", why, got)
			}
			return
		}
	}
	t.Error(fmt.Errorf("no R record in %s", text))
}
