package replay_test

import (
	"bytes"
	"compress/gzip"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/mtawatch/mtawatch/internal/adapter/postfix"
	"github.com/mtawatch/mtawatch/internal/mta"
	"github.com/mtawatch/mtawatch/internal/replay"
	"github.com/mtawatch/mtawatch/internal/view"
)

var noon = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

func line(at time.Time, text string) string {
	return at.Format("2006-01-02T15:04:05.000000-07:00") + " mx1 postfix/" + text + "\n"
}

// quiet is a stretch of a message every two minutes.
func quiet(b *strings.Builder, from, to time.Time) {
	for at := from; at.Before(to); at = at.Add(2 * time.Minute) {
		id := fmt.Sprintf("%X", 0xA0000000+at.Unix()%0xFFFFFF)
		b.WriteString(line(at, "smtpd[10]: "+id+": client=client.example.org[192.0.2.1]") + line(at, "cleanup[11]: "+id+": message-id=<m@example.org>") +
			line(at, "qmgr[12]: "+id+": from=<a@example.org>, size=1000, nrcpt=1 (queue active)") +
			line(at, "smtp[13]: "+id+": to=<b@example.net>, relay=mx.example.net[192.0.2.7]:25, delay=0.3, delays=0.1/0/0.1/0.1, dsn=2.0.0, status=sent (250 2.0.0 Ok)") +
			line(at, "qmgr[12]: "+id+": removed"))
	}
}

const hostile = `<script>alert("x")</script>`

// flapping is a job controller that dies again and again.
func flapping(b *strings.Builder, from time.Time) {
	for i := range 12 {
		b.WriteString(line(from.Add(time.Duration(i)*20*time.Second), fmt.Sprintf("master[9]: warning: process /usr/lib/postfix/sbin/qmgr pid %d killed by signal 9", 20+i)))
	}
	b.WriteString(line(from.Add(time.Minute), "smtpd[10]: this is no line of postfix "+hostile))
}

func write(t *testing.T, path, text string) {
	t.Helper()
	b := []byte(text)
	if strings.HasSuffix(path, ".gz") {
		var z bytes.Buffer
		w := gzip.NewWriter(&z)
		_, err := w.Write(b)
		if err := errors.Join(err, w.Close()); err != nil {
			t.Fatal(err)
		}
		b = z.Bytes()
	}
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
}

func run(t *testing.T, cfg replay.Config, paths ...string) *replay.Report {
	t.Helper()
	cfg.Adapter = postfix.Adapter
	r, err := replay.Run(t.Context(), cfg, paths)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// logs writes a log of two days in three pieces, with an incident in the
// second.
func logs(t *testing.T) []string {
	t.Helper()
	dir := t.TempDir()
	var first, second, third strings.Builder
	quiet(&first, noon.AddDate(0, 0, -2), noon.AddDate(0, 0, -1))
	quiet(&second, noon.AddDate(0, 0, -1), noon.Add(-6*time.Hour))
	flapping(&second, noon.Add(-6*time.Hour))
	quiet(&second, noon.Add(-6*time.Hour+5*time.Minute), noon)
	quiet(&third, noon, noon.Add(time.Hour))
	paths := []string{filepath.Join(dir, "mail.log"), filepath.Join(dir, "mail.log.1"), filepath.Join(dir, "mail.log.2.gz")}
	write(t, paths[0], third.String())
	write(t, paths[1], second.String())
	write(t, paths[2], first.String())
	return paths
}

func find(r *replay.Report, code mta.FindingCode) *mta.Finding {
	i := slices.IndexFunc(r.Incidents, func(f mta.Finding) bool { return f.Code == code })
	if i < 0 {
		return nil
	}
	return &r.Incidents[i]
}

func TestRun(t *testing.T) {
	paths := logs(t)
	var last view.Progress
	r := run(t, replay.Config{Progress: func(p view.Progress) { last = p }}, paths...)
	f := find(r, mta.FindingDaemonFlapping)
	if f == nil {
		t.Fatalf("a job controller that dies every 20 s is not found among %d incidents", len(r.Incidents))
	}
	if d := f.Since.Sub(noon.Add(-6 * time.Hour)); d < -time.Minute || d > 2*time.Minute {
		t.Errorf("it is said to have begun %s after its beginning", d)
	}
	if f.End.IsZero() || f.End.After(noon.Add(-5*time.Hour)) {
		t.Errorf("it is said to have ended at %s", f.End)
	}
	for _, f := range r.Incidents {
		if f.Code != mta.FindingDaemonFlapping {
			t.Errorf("in a log with one incident there is also %s: %s", f.Code, f.Title)
		}
	}
	if !r.Begin.Equal(noon.AddDate(0, 0, -2)) || r.End.Sub(noon.Add(time.Hour)) > time.Minute || r.Learned < 40*time.Hour {
		t.Errorf("from %s to %s, learned from %s", r.Begin, r.End, r.Learned)
	}
	if len(r.Sources) != 1 || r.Sources[0].Unknown != 1 || len(r.Unknown) != 0 || len(r.Files) != 3 || !strings.HasSuffix(r.Files[0], ".gz") {
		t.Errorf("sources %+v, unknown %v, files %v", r.Sources, r.Unknown, r.Files)
	}
	if last.Done != last.Total || last.Total == 0 {
		t.Errorf("progress ended at %+v", last)
	}
}

func TestRunBounds(t *testing.T) {
	paths := logs(t)
	tests := []struct {
		name     string
		from, to time.Time
		found    bool
	}{
		{"the day of the incident", noon.Add(-12 * time.Hour), noon, true},
		{"after it", noon.Add(-2 * time.Hour), time.Time{}, false},
		{"before it", time.Time{}, noon.Add(-12 * time.Hour), false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := run(t, replay.Config{From: tt.from, To: tt.to}, paths...)
			if (find(r, mta.FindingDaemonFlapping) != nil) != tt.found {
				t.Errorf("incidents: %v", r.Incidents)
			}
			if !tt.from.IsZero() && r.Begin.Before(tt.from.Add(-time.Minute)) || !tt.to.IsZero() && r.End.After(tt.to) {
				t.Errorf("told of %s to %s", r.Begin, r.End)
			}
		})
	}
}

func TestRunWithAMissingPiece(t *testing.T) {
	paths := logs(t)
	dir := filepath.Dir(paths[0])
	var old strings.Builder
	quiet(&old, noon.AddDate(0, 0, -4), noon.AddDate(0, 0, -3))
	write(t, filepath.Join(dir, "mail.log.4.gz"), old.String())
	r := run(t, replay.Config{}, append(paths, filepath.Join(dir, "mail.log.4.gz"), filepath.Join(dir, "mail.log.9"))...)
	if len(r.Unknown) != 1 || len(r.Notes) != 1 || len(r.Unread) != 1 {
		t.Fatalf("unknown %v, notes %v, unread %v", r.Unknown, r.Notes, r.Unread)
	}
	if d := r.Unknown[0].End.Sub(r.Unknown[0].Begin); d < 23*time.Hour {
		t.Errorf("a day is missing; %s are unknown", d)
	}
}

func TestPage(t *testing.T) {
	r := run(t, replay.Config{}, logs(t)...)
	r.Incidents[0].Title += hostile
	var page bytes.Buffer
	if err := r.Page(&page, func(s string) string { return strings.ReplaceAll(s, "\x1b", "?") }); err != nil {
		t.Fatal(err)
	}
	text := page.String()
	for _, no := range []string{"<script", "src=", "@import", "url(", "ZgotmplZ"} {
		if strings.Contains(text, no) {
			t.Errorf("the page has %q", no)
		}
	}
	for _, yes := range []string{"prefers-color-scheme: dark", "default-src 'none'", "&lt;script&gt;", "daemon-flapping", "mail.log.2.gz", `class="band"`, `id="i1"`} {
		if !strings.Contains(text, yes) {
			t.Errorf("the page has no %q", yes)
		}
	}
	svg := text[strings.Index(text, "<svg"):]
	svg = svg[:strings.Index(svg, "</svg>")+len("</svg>")]
	for d := xml.NewDecoder(strings.NewReader(svg)); ; {
		if _, err := d.Token(); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatalf("the drawing is not well formed: %v", err)
		}
	}
	if n := strings.Count(svg, "<path"); n < 8 {
		t.Errorf("the drawing has %d lines", n)
	}
}
