package qm

import (
	"bytes"
	"context"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/mtawatch/mtawatch/internal/adapter/imta"
	"github.com/mtawatch/mtawatch/internal/lab/jobs"
	"github.com/mtawatch/mtawatch/internal/lab/labtest"
	"github.com/mtawatch/mtawatch/internal/lab/queue"
	"github.com/mtawatch/mtawatch/internal/lab/site"
)

var update = flag.Bool("update", false, "write the golden files anew")

// TestMain lets local time be UTC: the outputs show it.
func TestMain(m *testing.M) {
	if err := os.Setenv("TZ", "UTC"); err != nil {
		os.Exit(1)
	}
	os.Exit(m.Run())
}

func testSite(t testing.TB) *site.Site {
	t.Helper()
	s, err := site.Create(filepath.Join(t.TempDir(), "base"), site.Settings{JobPort: labtest.FreePort(t), Users: []string{"alice"}, Subdirs: 1, NameServer: "127.0.0.1:1",
		Backoff: []time.Duration{time.Hour}})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// put makes a message with a name and a time that stay the same.
func put(t testing.TB, s *site.Site, channel, name, from, to, subject string, at time.Time) {
	t.Helper()
	q := queue.Open(s)
	e, err := q.Enqueue(channel, &queue.Envelope{Source: "tcp_intranet", From: from, MessageID: "<" + name + "@example.com>", Arrived: at,
		Recipients: []queue.Recipient{{Original: "rfc822;" + to, Address: to}}}, strings.NewReader("Subject: "+subject+"\n\n"+strings.Repeat("text\n", 300)))
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(filepath.Dir(e.Path), name)
	if err := os.Rename(e.Path, path); err != nil {
		t.Fatal(err)
	}
	if err := os.Chtimes(path, at, at); err != nil {
		t.Fatal(err)
	}
}

func fill(t testing.TB, s *site.Site) {
	day := time.Date(2026, 2, 24, 11, 51, 57, 0, time.UTC)
	put(t, s, "tcp_local", "ZZf0s690kN_y0.00", "a@example.com", "x@far.example", "A subject that many have", day)
	put(t, s, "tcp_local", "ZAf0s690kN_y1.01", "a@example.com", "y@far.example", "A subject that many have", day.Add(time.Minute))
	put(t, s, "tcp_local", "ZZf0s690kN_y2.HELD", "", "z@near.example", "Loop", day.Add(2*time.Minute))
	put(t, s, "process", "ZZf0s690kN_y3.00", "", "alice@example.com", "Delivery Notification", day.Add(time.Hour))
}

var times = regexp.MustCompile(`[A-Z][a-z][a-z], \d\d [A-Z][a-z][a-z] \d{4} [\d:]+ \+0000 \(UTC\)`)

func run(t testing.TB, s *site.Site, args ...string) (string, int) {
	t.Helper()
	var out bytes.Buffer
	status := Command(context.Background(), s, args, strings.NewReader(""), &out, &out)
	text := times.ReplaceAllString(out.String(), "Tue, 24 Feb 2026 14:20:29 +0000 (UTC)")
	return strings.ReplaceAll(text, s.Base, "/base"), status
}

func golden(t *testing.T, name, got string) {
	t.Helper()
	file := filepath.Join("testdata", name+".txt")
	if *update {
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s (-want +got):\n%s", file, diff)
	}
}

// TestListings compares what the verbs that read the disk print.
func TestListings(t *testing.T) {
	s := testSite(t)
	fill(t, s)
	for name, args := range map[string]string{
		"directory":          "qm directory",
		"directory_envelope": "qm dir -from=a@example.com -nototal tcp_*",
		"held":               "qm held",
		"summarize":          "qm summarize",
		"summarize_held":     "qm summarize -held",
		"top":                "qm top",
		"top_domain_to":      "qtop -domain_to -min_count=1 tcp_local",
	} {
		t.Run(name, func(t *testing.T) {
			got, status := run(t, s, strings.Fields(args)...)
			if status != 0 {
				t.Fatalf("status %d: %s", status, got)
			}
			golden(t, name, got)
		})
	}
}

// TestListingsAreRead: what we print as the original is documented to, the
// adapter for the original reads.
func TestListingsAreRead(t *testing.T) {
	for name, want := range map[string]int{"directory": 3, "directory_envelope": 2, "held": 1, "summarize": 3, "summarize_held": 4, "messages": 2, "messages_store": 1, "counters": 3} {
		f, err := os.Open(filepath.Join("testdata", name+".txt"))
		if err != nil {
			t.Fatal(err)
		}
		n := 0
		for m, err := range imta.Adapter.ReadList(f) {
			if err != nil {
				t.Errorf("%s: %v", name, err)
			}
			n += max(1, int(m.Count))
		}
		if n != want {
			t.Errorf("%s: %d messages, want %d", name, n, want)
		}
		_ = f.Close()
	}
}

// startController runs one whose channels are all stopped: what it knows stays
// as it is.
func startController(t *testing.T, s *site.Site) {
	t.Helper()
	for _, c := range s.Channels {
		if err := jobs.SetStopped(s, c.Name, true); err != nil {
			t.Fatal(err)
		}
	}
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- jobs.Run(ctx, s) }()
	t.Cleanup(func() {
		stop()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	for end := time.Now().Add(10 * time.Second); ; time.Sleep(5 * time.Millisecond) {
		lines, err := jobs.Ask(context.Background(), s, "VIEW")
		if err == nil && len(lines) == 3 {
			return
		}
		if time.Now().After(end) {
			t.Fatalf("the controller knows %q, %v", lines, err)
		}
	}
}

// TestController compares what the verbs that ask the controller print.
func TestController(t *testing.T) {
	s := testSite(t)
	fill(t, s)
	out, status := run(t, s, "qm", "messages", "tcp_local")
	if status != 1 || !strings.HasPrefix(out, "%QM-E-NOJOBC, ") {
		t.Errorf("without a controller: %d, %s", status, out)
	}
	startController(t, s)
	for name, args := range map[string]string{
		"messages":       "qm messages tcp_local",
		"messages_store": "qm messages process",
		"jobs":           "qm jobs",
		"counters":       "qm counters show",
	} {
		got, status := run(t, s, strings.Fields(args)...)
		if status != 0 {
			t.Fatalf("status %d: %s", status, got)
		}
		golden(t, name, got)
	}
	if out, status := run(t, s, "cache", "-view", "tcp_local"); status != 0 || !strings.HasSuffix(out, "\n2 messages\n") || !strings.Contains(out, "far.example") {
		t.Errorf("cache -view: %d, %s", status, out)
	}
	if out, status := run(t, s, "cache", "-sync"); status != 0 || out != "" {
		t.Errorf("cache -sync: %d, %s", status, out)
	}
	if out, status := run(t, s, "counters", "-show"); status != 0 || !strings.Contains(out, "\ntcp_local\n   Received ") {
		t.Errorf("counters -show: %d, %s", status, out)
	}
}

// TestActs holds, releases, deletes and returns in one session.
func TestActs(t *testing.T) {
	s := testSite(t)
	fill(t, s)
	var out bytes.Buffer
	session := "directory tcp_local\nhold 1\nheld\nrelease 2\nreturn ZAf0s690kN_y1.01\ndirectory\ndelete 9\nhistory ZZf0s690kN_y0.HELD\nread ZZf0s690kN_y0.HELD\nexit\n"
	Command(context.Background(), s, []string{"qm"}, strings.NewReader(session), &out, &out)
	for _, want := range []string{"%QM-I-HELD, held the message file ", "tcp_local/ZZf0s690kN_y0.00\n", "%QM-I-RELEASED, released the message file ",
		"%QM-I-RETURNED, ", "%QM-E-NOSUCHID, ", "no delivery was tried", "Subject: A subject that many have\n"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("no %q in:\n%s", want, out.String())
		}
	}
	got := map[string]bool{}
	for _, c := range []string{"tcp_local", "process"} {
		if err := queue.Open(s).Walk(c, func(e queue.Entry) error { got[c+"/"+filepath.Base(e.Path)] = true; return nil }); err != nil {
			t.Fatal(err)
		}
	}
	if !got["tcp_local/ZZf0s690kN_y0.HELD"] || !got["tcp_local/ZZf0s690kN_y2.01"] || got["tcp_local/ZAf0s690kN_y1.01"] || len(got) != 4 {
		t.Errorf("the queue has %v", got) // two, the old notification and the new one
	}
	log, err := os.ReadFile(filepath.Join(s.LogDir(), "mail.log_current"))
	if err != nil || !strings.Contains(string(log), " R 2 a@example.com rfc822;y@far.example y@far.example") || !strings.Contains(string(log), " tcp_local    process      E ") {
		t.Errorf("log %s, %v", log, err)
	}
}

// TestHeld deletes what is held and nothing else; none is no error.
func TestHeld(t *testing.T) {
	s := testSite(t)
	fill(t, s)
	for i, want := range []string{"%QM-I-DELETED, deleted the message file /base/data/queue/tcp_local/ZZf0s690kN_y2.HELD\n", ""} {
		if out, status := run(t, s, "qm", "delete", "-held"); out != want || status != 0 {
			t.Errorf("%d: %d, %q", i, status, out)
		}
	}
}

func TestClean(t *testing.T) {
	s := testSite(t)
	fill(t, s)
	for args, want := range map[string]string{
		"qm clean -subject=short": "%QM-E-TOOSHORT",
		"qm clean":                "%QM-E-NOTHING",
		"qclean -from=a@example.com -to=y@far -min_length=3 tcp_local":                      "held 1 message files",
		"qm clean -delete -domain_to=far.example -min_length=3 tcp_local":                   "deleted 1 message files",
		"qm clean -delete -domain_to=far.example -from=nobody -match=or -min_length=3 none": "%QM-E-NOCHANNEL",
		"qm stop nowhere": "%QM-E-NOCHANNEL",
		"qm unknown":      "%QM-E-UNKCMD",
		"unknown":         "unknown command",
		"version":         "Practice",
	} {
		if strings.Contains(args, "-delete -domain_to=far.example -min") {
			continue // after the one that holds
		}
		if out, _ := run(t, s, strings.Fields(args)...); !strings.Contains(out, want) {
			t.Errorf("%s: %s", args, out)
		}
	}
	if out, _ := run(t, s, strings.Fields("qm clean -delete -domain_to=far.example -min_length=3 tcp_local")...); !strings.Contains(out, "deleted 1 message files") {
		t.Error(out)
	}
	if out, status := run(t, s, "qm", "stop", "ims-ms"); status != 0 {
		t.Error(out)
	}
	if list, err := jobs.Stopped(s); err != nil || fmt.Sprint(list) != "[ims-ms]" {
		t.Errorf("stopped: %v, %v", list, err)
	}
	if out, status := run(t, s, "qm", "start", "ims-ms"); status != 0 {
		t.Error(out)
	}
	if list, err := jobs.Stopped(s); err != nil || len(list) != 0 {
		t.Errorf("stopped: %v, %v", list, err)
	}
}

func TestPrintable(t *testing.T) {
	if got, want := printable("a\x1b[2Jb\u009b31mé\n\x7f"), "a?[2Jb?31mé??"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}
