package replay_test

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/mtawatch/mtawatch/internal/adapter/imta"
	"github.com/mtawatch/mtawatch/internal/mta"
	"github.com/mtawatch/mtawatch/internal/replay"
)

// channelRecords gives the log of a server with channels, into which a
// message comes every 20 s; from one moment to another nothing is delivered.
func channelRecords(from, to, stop, again time.Time) string {
	type record struct {
		at   time.Time
		text string
	}
	var list []record
	put := func(at time.Time, source, dest, code, id string) {
		list = append(list, record{at, fmt.Sprintf("%s 501d.0b.9 %-12s %-12s %s 3 a@example.com rfc822;b@example.net b@example.net /b/queue/tcp_local/ZZ%s.00 <%s@example.com>\n",
			at.Format("02-Jan-2006 15:04:05.00"), source, dest, code, id, id)})
	}
	for at := from; at.Before(to); at = at.Add(20 * time.Second) {
		id := fmt.Sprintf("q%x", at.Unix())
		put(at, "tcp_intranet", "tcp_local", "E", id)
		sent := at.Add(2 * time.Second)
		if !sent.Before(stop) && sent.Before(again) {
			sent = again
		}
		put(sent, "tcp_local", "", "D", id)
	}
	slices.SortStableFunc(list, func(a, b record) int { return a.at.Compare(b.at) })
	var b strings.Builder
	for _, r := range list {
		b.WriteString(r.text)
	}
	return b.String()
}

// TestServerOfChannels: a job controller that did nothing for a while is found
// in the log alone, with its channels' queue, and in that server's words.
func TestServerOfChannels(t *testing.T) {
	begin := time.Date(2025, 11, 23, 8, 0, 0, 0, time.UTC)
	stop, again := begin.Add(3*time.Hour), begin.Add(3*time.Hour+20*time.Minute)
	path := filepath.Join(t.TempDir(), "mail.log_current")
	if err := os.WriteFile(path, []byte(channelRecords(begin, begin.Add(5*time.Hour), stop, again)), 0o600); err != nil {
		t.Fatal(err)
	}
	r, err := replay.Run(t.Context(), replay.Config{Adapter: imta.Adapter}, []string{path})
	if err != nil {
		t.Fatal(err)
	}
	if len(r.Incidents) != 1 || r.Incidents[0].Code != mta.FindingJobControllerDown {
		t.Fatalf("incidents %v", r.Incidents)
	}
	f := r.Incidents[0]
	if f.Since.Before(stop.Add(-time.Minute)) || f.Since.After(stop.Add(time.Minute)) || f.End.Before(again) || f.End.After(again.Add(2*time.Minute)) {
		t.Errorf("from %s to %s, want about %s to %s", f.Since, f.End, stop, again)
	}
	text := strings.Join(slices.Concat(f.Advice, f.Avoid), "\n")
	for _, e := range f.Evidence {
		text += "\n" + e.Text
	}
	for _, want := range []string{"never tried, the oldest waits for", "`start-msg job_controller`"} {
		if !strings.Contains(text, want) {
			t.Errorf("nothing says %q in:\n%s", want, text)
		}
	}
	if strings.Contains(text, "ostfix") {
		t.Errorf("it speaks of Postfix:\n%s", text)
	}
}
