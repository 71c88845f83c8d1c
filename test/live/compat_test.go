//go:build live && linux

package live

import (
	"fmt"
	"math"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/mtawatch/mtawatch/test/live/world"
)

// TestCompat runs Debian's prometheus-postfix-exporter and mtawatch with its
// names over the same queue and the same log: what a real Postfix wrote, and
// lines of the kinds that this one did not write.
func TestCompat(t *testing.T) {
	list := world.Behaviours()
	startRemote(t, list)
	p := startPostfix(t, world.PostfixConfig{})
	x, err := box.Exporter(p)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(x.Stop)
	conf := filepath.Join(t.TempDir(), "mtawatch.yaml")
	if err := os.WriteFile(conf, []byte("queue_list_interval: 1s\nqueue_list_max_cpu: 1\ninterval: 1s\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	w := startWatcher(t, "--config", conf, "--compat=postfix_exporter")
	sent := box.Send(t.Context(), world.Load{Count: 60, Sessions: 2, Message: func(i int) world.Letter {
		return world.Letter{From: "alice@ok.example", To: []string{"bob@" + list[i%5].Domain(), "carol@" + list[(i+1)%5].Domain()}}
	}})
	if sent.Accepted != 60 {
		t.Fatalf("Postfix took %d of 60 messages: %v", sent.Accepted, sent.Last)
	}
	eventually(t, time.Minute, func() error { return drained(p) })
	t.Run("queue", func(t *testing.T) {
		eventually(t, 30*time.Second, func() error { return compareQueue(x, w) })
	})

	if err := p.Stop(); err != nil {
		t.Fatal(err)
	}
	text := completeLog(t, p)
	if err := x.Append(text); err != nil {
		t.Fatal(err)
	}
	t.Run("log", func(t *testing.T) {
		eventually(t, time.Minute, func() error { return compareLog(x, w) })
		compareDeferred(t, x, w, text)
	})
	t.Run("queue of a Postfix that is down", func(t *testing.T) {
		eventually(t, 30*time.Second, func() error {
			m, err := w.Metrics()
			if err != nil {
				return err
			}
			if v, ok := m.Sum("postfix_showq_message_size_bytes_count"); ok {
				return fmt.Errorf("the queue is unknown, but %v messages are shown", v)
			}
			if v, ok := m.Sum("postfix_up", "path", filepath.Join(p.QueueDir, "public/showq")); !ok || v != 0 {
				return fmt.Errorf("postfix_up is %v (there: %v), want 0", v, ok)
			}
			return nil
		})
	})
}

// compareQueue holds the figures of the queue listing against each other.
// Ages move between two readings; how many messages have one does not.
func compareQueue(x *world.Exporter, w *world.Watcher) error {
	theirs, ours, err := both(x, w)
	if err != nil {
		return err
	}
	if n, _ := theirs.Sum("postfix_showq_message_size_bytes_count", "queue", "deferred"); n == 0 {
		return fmt.Errorf("the exporter sees no deferred mail")
	}
	compared := 0
	for _, m := range theirs {
		if !strings.HasPrefix(m.Name, "postfix_showq_message_size_bytes") && m.Name != "postfix_showq_message_age_seconds_count" && m.Name != "postfix_up" {
			continue
		}
		compared++
		if err := same(m, ours); err != nil {
			return err
		}
	}
	if compared < 50 {
		return fmt.Errorf("only %d figures to compare", compared)
	}
	for _, queue := range []string{"active", "deferred", "hold", "incoming"} {
		count, _ := theirs.Sum("postfix_showq_message_size_bytes_count", "queue", queue)
		if err := wantMetric(ours, int(count), "postfix_showq_queue_depth", "queue", queue); err != nil {
			return err
		}
	}
	return nil
}

// completeLog appends to Postfix's log the lines that the package's own test
// reads, with the present time, and gives the whole. Lines of a service with
// a name of its own stay out: the exporter does not read them, mtawatch does.
func completeLog(t *testing.T, p *world.Postfix) string {
	t.Helper()
	b, err := os.ReadFile("../../internal/compat/testdata/mail.log")
	if err != nil {
		t.Fatal(err)
	}
	var more strings.Builder
	for line := range strings.Lines(string(b)) {
		if !strings.Contains(line, " postfix/submission/") {
			more.WriteString(time.Now().Format(time.Stamp) + line[len(time.Stamp):])
		}
	}
	f, err := os.OpenFile(p.Log, os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.WriteString(more.String()); err != nil {
		t.Fatal(err)
	}
	whole, err := os.ReadFile(p.Log)
	if err != nil {
		t.Fatal(err)
	}
	return string(whole)
}

// differs names what is meant to differ, and why.
var differs = map[string]string{
	"postfix_smtp_status_deferred":                "error and retry count here; compareDeferred",
	"postfix_smtp_deferred_messages_total":        "never counted there; compareDeferred",
	"postfix_cleanup_messages_not_accepted_total": "never counted there",
	"postfix_unsupported_log_entries_total":       "there: whatever gives no metric; here: what could not be understood",
	"postfix_up":                                  "the queue, not the log",
}

// onlyOurs names series that the exporter has no line for.
var onlyOurs = []string{
	"postfix_smtpd_connections_lost_total DATA", // "DATA (1234 bytes)" is not read there
}

// compareLog holds everything that both count from the log against each
// other, both ways.
func compareLog(x *world.Exporter, w *world.Watcher) error {
	theirs, ours, err := both(x, w)
	if err != nil {
		return err
	}
	names, compared := map[string]bool{}, 0
	for _, m := range theirs {
		if !strings.HasPrefix(m.Name, "postfix_") || strings.HasPrefix(m.Name, "postfix_showq_") || differs[m.Name] != "" {
			continue
		}
		names[m.Name] = true
		if m.Name == "postfix_smtpd_messages_processed_total" {
			m.Labels["sasl_method"] = strings.TrimSuffix(m.Labels["sasl_method"], ",") // theirs keeps the comma of the line
		}
		if strings.HasPrefix(m.Name, "postfix_smtp_delivery_delay_seconds") {
			delete(m.Labels, "stage") // theirs is empty: the stages are mixed, so ours are summed
		}
		compared++
		if err := same(m, ours); err != nil {
			return err
		}
	}
	if compared < 150 {
		return fmt.Errorf("only %d figures to compare", compared)
	}
	for _, m := range ours {
		if !names[m.Name] || m.Value == 0 || strings.HasPrefix(m.Name, "postfix_smtp_delivery_delay_seconds") ||
			slices.Contains(onlyOurs, m.Name+" "+m.Labels["after_stage"]) {
			continue
		}
		if _, ok := theirs.Sum(m.Name, pairs(m)...); !ok {
			return fmt.Errorf("%s%v = %v here, absent there", m.Name, m.Labels, m.Value)
		}
	}
	return nil
}

// compareDeferred shows that the deferrals differ by exactly those of error
// and retry.
func compareDeferred(t *testing.T, x *world.Exporter, w *world.Watcher, text string) {
	t.Helper()
	theirs, ours, err := both(x, w)
	if err != nil {
		t.Fatal(err)
	}
	more := regexp.MustCompile(`postfix/(error|retry)\[\d+\]: .* status=deferred `).FindAllString(text, -1)
	there, _ := theirs.Sum("postfix_smtp_status_deferred")
	if len(more) < 2 || there == 0 {
		t.Fatalf("%d deferrals by error and retry, %v by smtp: the log has not what is to be compared", len(more), there)
	}
	for _, err := range []error{
		wantMetric(ours, int(there)+len(more), "postfix_smtp_status_deferred"),
		wantMetric(ours, int(there)+len(more), "postfix_smtp_deferred_messages_total"),
		wantMetric(ours, int(there)+len(more), "postfix_smtp_messages_processed_total", "status", "deferred"),
		wantMetric(ours, 1, "postfix_cleanup_messages_not_accepted_total"),
	} {
		if err != nil {
			t.Error(err)
		}
	}
}

func both(x *world.Exporter, w *world.Watcher) (theirs, ours world.Metrics, err error) {
	if theirs, err = x.Metrics(); err != nil {
		return nil, nil, err
	}
	ours, err = w.Metrics()
	return theirs, ours, err
}

// same compares one figure of the exporter with ours, but for the rounding
// of a sum.
func same(m world.Metric, ours world.Metrics) error {
	got, ok := ours.Sum(m.Name, pairs(m)...)
	if !ok && m.Value != 0 || math.Abs(got-m.Value) > 1e-6*math.Max(1, math.Abs(m.Value)) {
		return fmt.Errorf("%s%v = %v (there: %v), the exporter has %v", m.Name, m.Labels, got, ok, m.Value)
	}
	return nil
}

func pairs(m world.Metric) []string {
	var list []string
	for name, value := range m.Labels {
		list = append(list, name, value)
	}
	return list
}
