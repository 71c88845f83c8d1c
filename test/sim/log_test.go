package sim

import (
	"bytes"
	"compress/gzip"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/mtawatch/mtawatch/internal/adapter"
	"github.com/mtawatch/mtawatch/internal/adapter/postfix"
	"github.com/mtawatch/mtawatch/internal/classify"
	"github.com/mtawatch/mtawatch/internal/mta"
	"github.com/mtawatch/mtawatch/internal/track"
)

// read counts a log as mtawatch does.
func read(t *testing.T, text string) (got counters) {
	t.Helper()
	p := postfix.Adapter.Parser(adapter.ParserConfig{Location: time.UTC})
	tr := track.New(track.Config{}, classify.New())
	var events []mta.Event
	last := ""
	for line := range strings.Lines(text) {
		line = strings.TrimSuffix(line, "\n")
		var err error
		events, err = p.Parse(events[:0], adapter.Line{Text: line})
		if err != nil {
			t.Fatalf("%v: %s", err, line)
		}
		got.lines++
		for i := range events {
			f := tr.Apply(&events[i])
			if f.Received {
				got.received++
				got.bytes += f.Event.Size
			}
			if f.Delivery != nil {
				got.attempts[f.Event.Status][f.Event.Cause]++
			}
			if f.Event.Kind == mta.KindReject {
				k := slices.IndexFunc(refusals[:], func(r struct {
					stage mta.Stage
					class string
					cause mta.Cause
					share float64
				}) bool {
					return r.stage == f.Event.Stage && r.cause == f.Event.Cause
				})
				if k < 0 {
					t.Fatalf("a refusal at %s because of %s: %s", f.Event.Stage, f.Event.Cause, line)
				}
				got.rejects[k]++
			}
		}
		if stamp, _, _ := strings.Cut(line, " "); stamp < last {
			t.Fatalf("the log goes back from %s: %s", last, line)
		} else {
			last = stamp
		}
	}
	return got
}

// What mtawatch reads out of the log is what the simulator meant.
func TestLogAgrees(t *testing.T) {
	begin := time.Date(2026, 10, 6, 6, 0, 0, 0, Berlin())
	for _, k := range Kinds() {
		if k == LogSilent { // its messages lose lines
			continue
		}
		t.Run(string(k), func(t *testing.T) {
			cfg := Config{Seed: 9, Rate: 0.4, Start: begin, End: begin.Add(150 * time.Minute), Incidents: []Incident{{k, begin.Add(30 * time.Minute), begin.Add(90 * time.Minute)}}}
			var b bytes.Buffer
			h, err := WriteLog(&b, cfg)
			if err != nil {
				t.Fatal(err)
			}
			got, want := read(t, b.String()), h.seen
			want.delays, want.other = delays{}, [mta.NumStatuses]int64{}
			if diff := cmp.Diff(want, got, cmp.AllowUnexported(counters{}, delays{})); diff != "" {
				t.Error("counters (-meant +read):\n" + diff)
			}
			if got.received < 400 && k != MailStops && k != DispatcherDead {
				t.Errorf("only %d messages", got.received)
			}
		})
	}
}

func TestWriteLogs(t *testing.T) {
	dir := t.TempDir()
	start := time.Date(2026, 10, 5, 0, 0, 0, 0, Berlin())
	cfg := Config{Seed: 9, Rate: 0.02, Start: start, End: start.AddDate(0, 0, 4)}
	if _, err := WriteLogs(dir, cfg); err != nil {
		t.Fatal(err)
	}
	var whole bytes.Buffer
	if _, err := WriteLog(&whole, cfg); err != nil {
		t.Fatal(err)
	}
	var joined []byte
	names := []string{"mail.log.3.gz", "mail.log.2.gz", "mail.log.1", "mail.log"}
	for i, name := range names {
		b, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		if strings.HasSuffix(name, ".gz") {
			z, err := gzip.NewReader(bytes.NewReader(b))
			if err != nil {
				t.Fatal(err)
			}
			if b, err = io.ReadAll(z); err != nil {
				t.Fatal(err)
			}
		}
		if want := start.AddDate(0, 0, i).Format("2006-01-02"); !strings.HasPrefix(string(b), want) {
			t.Errorf("%s begins with %.60q, want %s", name, b, want)
		}
		joined = append(joined, b...)
	}
	if !bytes.Equal(joined, whole.Bytes()) {
		t.Error("the files together are not the log")
	}
	left, err := os.ReadDir(dir)
	if err != nil || len(left) != len(names) {
		t.Errorf("%d files, %v", len(left), err)
	}
}
