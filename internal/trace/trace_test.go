package trace

import (
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/mtawatch/mtawatch/internal/adapter"
	"github.com/mtawatch/mtawatch/internal/adapter/all"
	"github.com/mtawatch/mtawatch/internal/view"
)

const head = "2026-11-23T12:00:00.000000+00:00 mx1 postfix/"

// life gives the lines of one message.
func life(id, msgid, from, to string) string {
	return head + "smtpd[1]: " + id + ": client=client.example.org[192.0.2.1]\n" +
		head + "cleanup[2]: " + id + ": message-id=<" + msgid + ">\n" +
		head + "qmgr[3]: " + id + ": from=<" + from + ">, size=100, nrcpt=1 (queue active)\n" +
		head + "smtp[4]: " + id + ": to=<" + to + ">, relay=mx.example.net[192.0.2.7]:25, delay=0.3, delays=0.1/0/0.1/0.1, dsn=2.0.0, status=sent (250 2.0.0 Ok)\n" +
		head + "qmgr[3]: " + id + ": removed\n"
}

// logs writes the texts to files of a rotated log, the first one gzipped.
func logs(t *testing.T, texts ...string) []string {
	t.Helper()
	dir := t.TempDir()
	var files []string
	for i, text := range texts {
		name := filepath.Join(dir, fmt.Sprintf("mail.log.%d", len(texts)-i))
		if i == 0 {
			name += ".gz"
		}
		f, err := os.Create(name)
		if err != nil {
			t.Fatal(err)
		}
		if i == 0 {
			z := gzip.NewWriter(f)
			_, werr := z.Write([]byte(text))
			err = errors.Join(werr, z.Close())
		} else {
			_, err = f.WriteString(text)
		}
		if err = errors.Join(err, f.Close()); err != nil {
			t.Fatal(err)
		}
		files = append(files, name)
	}
	return files
}

func tracer(files []string) *Tracer {
	a, _ := all.ByName("postfix")
	return &Tracer{Files: files, NewParsers: func() func(string) adapter.Parser {
		p := a.Parser(adapter.ParserConfig{})
		return func(string) adapter.Parser { return p }
	}}
}

func TestRun(t *testing.T) {
	// The id A1B2C3D4E5 is used twice; the second message is another's. The
	// first one's life is cut by a rotation.
	first := life("A1B2C3D4E5", "one@example.org", "a@example.org", "Bob@Example.net")
	cut := strings.Index(first, head+"smtp[4]")
	files := logs(t, life("B1B2C3D4E5", "x@example.org", "x@example.org", "y@example.net")+first[:cut],
		first[cut:]+life("A1B2C3D4E5", "two@example.org", "c@example.org", "dora@example.net"))
	steps := func(id string) []string {
		return []string{"origin " + id, "message " + id, "queued " + id, "delivery " + id, "removed " + id}
	}
	a, b := steps("A1B2C3D4E5"), steps("B1B2C3D4E5")
	tests := []struct {
		name, text string
		want       []string
		messages   int
	}{
		{"queue id: both messages that bore it", "A1B2C3D4E5", append(append([]string{}, a...), a...), 2},
		{"message-id", "one@example.org", a, 1},
		{"message-id in angle brackets", "<one@example.org>", a, 1},
		{"recipient in other case", "bob@example.NET", a, 1},
		{"recipient of the second bearer of the id", "dora@example.net", a, 1},
		{"sender", "x@example.org", b, 1},
		{"part of an address", "@example.net", append(append(append([]string{}, b...), a...), a...), 3},
		{"not there", "nobody@example.com", nil, 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var got []string
			sum, err := tracer(files).Run(context.Background(), view.TraceQuery{Text: tt.text}, func(s view.TraceStep) bool {
				got = append(got, s.Event.Kind.String()+" "+s.Event.QueueID)
				return true
			}, nil)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("steps (-want +got):\n%s", diff)
			}
			if sum.Messages != tt.messages || sum.Steps != len(got) || len(sum.Unread) > 0 {
				t.Errorf("summary %+v, want %d messages", sum, tt.messages)
			}
		})
	}
}

func TestLimits(t *testing.T) {
	var b strings.Builder
	for i := range 50 {
		b.WriteString(life(fmt.Sprintf("A%09X", i), fmt.Sprintf("m%d@example.org", i), "a@example.org", "bob@example.net"))
	}
	files := append(logs(t, "", b.String()), filepath.Join(t.TempDir(), "gone.log"))
	run := func(q view.TraceQuery, yield func(view.TraceStep) bool) view.TraceSummary {
		t.Helper()
		sum, err := tracer(files).Run(context.Background(), q, yield, nil)
		if err != nil {
			t.Fatal(err)
		}
		return sum
	}
	every := func(view.TraceStep) bool { return true }
	if sum := run(view.TraceQuery{Text: "bob@example.net", Limit: 10}, every); sum.Messages != 10 || !sum.Limited || len(sum.Unread) != 1 {
		t.Errorf("with a limit of 10: %+v", sum)
	}
	if sum := run(view.TraceQuery{Text: "bob@example.net"}, every); sum.Messages != 50 || sum.Limited {
		t.Errorf("without: %+v", sum)
	}
	n := 0
	run(view.TraceQuery{Text: "bob@example.net"}, func(view.TraceStep) bool { n++; return n < 7 })
	if n != 7 {
		t.Errorf("%d steps were given after the asker had enough at 7", n)
	}
	if sum := run(view.TraceQuery{Text: "bob@example.net", Since: time.Now().Add(time.Hour)}, every); sum.Lines != 0 {
		t.Errorf("logs older than since were read: %+v", sum)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := tracer(files).Run(ctx, view.TraceQuery{Text: "bob@example.net"}, every, nil); !errors.Is(err, context.Canceled) {
		t.Errorf("after cancel: %v", err)
	}
	if _, err := tracer(files).Run(context.Background(), view.TraceQuery{Text: " "}, every, nil); !errors.Is(err, view.ErrQuestion) {
		t.Errorf("an empty text: %v", err)
	}
}

// TestHugeLine has a line longer than a chunk, and a log without a last line
// end.
func TestHugeLine(t *testing.T) {
	files := logs(t, "", strings.Repeat("x", 3*chunkSize)+"\n"+strings.TrimSuffix(life("A1B2C3D4E5", "one@example.org", "a@example.org", "b@example.net"), "\n"))
	n := 0
	if _, err := tracer(files).Run(context.Background(), view.TraceQuery{Text: "one@example.org"}, func(view.TraceStep) bool { n++; return true }, nil); err != nil || n != 5 {
		t.Errorf("%d steps, %v; want 5", n, err)
	}
}
