package tail

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/mtawatch/mtawatch/internal/mta"
)

const journalRemote = "/lib/systemd/systemd-journal-remote"

// exportEntry is one entry in the export format, with a binary message where
// it has a line end.
func exportEntry(at time.Time, ident, message string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "__REALTIME_TIMESTAMP=%d\n__MONOTONIC_TIMESTAMP=%d\n_BOOT_ID=0123456789abcdef0123456789abcdef\n", at.UnixMicro(), at.UnixMicro()/1e6)
	fmt.Fprintf(&b, "_HOSTNAME=mx.example.org\nSYSLOG_IDENTIFIER=%s\nSYSLOG_PID=4711\nPRIORITY=6\n", ident)
	if strings.Contains(message, "\n") {
		b.WriteString("MESSAGE\n")
		b.Write(binary.LittleEndian.AppendUint64(nil, uint64(len(message))))
		b.WriteString(message + "\n\n")
		return b.String()
	}
	b.WriteString("MESSAGE=" + message + "\n\n")
	return b.String()
}

// makeJournal makes a journal file of entries in export format.
func makeJournal(t *testing.T, path, export string) {
	t.Helper()
	if _, err := os.Stat(journalRemote); err != nil {
		t.Skip("no systemd-journal-remote here")
	}
	if _, err := exec.LookPath("journalctl"); err != nil {
		t.Skip("no journalctl here")
	}
	in := filepath.Join(t.TempDir(), "in.export")
	writeFile(t, in, export)
	if out, err := exec.Command(journalRemote, "-o", path, in).CombinedOutput(); err != nil {
		t.Fatalf("make journal: %v: %s", err, out)
	}
}

// followUntil follows a journal until it has want more lines and is idle.
func followUntil(t *testing.T, src mta.LogSource, s *store, want int) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	s.onIdle = func() {
		if len(s.lines) >= want {
			cancel()
		}
	}
	err := Follow(ctx, Config{Poll: 50 * time.Millisecond}, src, s.place, s)
	if !errors.Is(err, context.Canceled) {
		t.Fatalf("follower ended with %v after %d lines of %d; blind spots %+v", err, len(s.lines), want, s.spots)
	}
}

func TestJournal(t *testing.T) {
	dir := t.TempDir()
	start := time.Now().Add(-time.Hour).Truncate(time.Second)
	var export strings.Builder
	var want []string
	entry := func(from, n int) string {
		export.Reset()
		for i := from; i < from+n; i++ {
			at := start.Add(time.Duration(i) * time.Millisecond)
			ident, message, line := "postfix/smtp", fmt.Sprintf("message %d", i), fmt.Sprintf("message %d", i)
			switch i % 10 {
			case 3:
				ident = "cron"
			case 5:
				message, line = "two\nlines "+line, "two lines "+line
			}
			export.WriteString(exportEntry(at, ident, message))
			if ident != "cron" {
				want = append(want, at.UTC().Format("2006-01-02T15:04:05.000000+00:00")+" mx.example.org postfix/smtp[4711]: "+line)
			}
		}
		return export.String()
	}
	makeJournal(t, filepath.Join(dir, "a.journal"), entry(0, 5000))
	src := mta.LogSource{Kind: mta.LogJournal, Directory: dir, Identifiers: []string{"postfix/"}}
	s := &store{}
	followUntil(t, src, s, len(want))
	makeJournal(t, filepath.Join(dir, "b.journal"), entry(5000, 1000))
	followUntil(t, src, s, len(want))
	if diff := cmp.Diff(want, s.lines); diff != "" {
		t.Errorf("lines -want +got:\n%s", diff)
	}
	if len(s.spots) > 0 {
		t.Errorf("blind spots: %+v", s.spots)
	}
	// The file with the last entry is vacuumed away.
	if err := os.Remove(filepath.Join(dir, "b.journal")); err != nil {
		t.Fatal(err)
	}
	makeJournal(t, filepath.Join(dir, "c.journal"), entry(7000, 100))
	followUntil(t, src, s, len(want))
	if diff := cmp.Diff(want, s.lines); diff != "" {
		t.Errorf("after vacuum: lines -want +got:\n%s", diff)
	}
	if diff := cmp.Diff([]mta.BlindKind{mta.BlindLost}, s.kinds()); diff != "" {
		t.Errorf("after vacuum: blind spots -want +got:\n%s", diff)
	}
}

// TestBusyJournal follows a journal to which a writer adds an entry every
// 50 ms, so that it is never quiet for a poll: its end is told all the same.
func TestBusyJournal(t *testing.T) {
	for _, tt := range []struct {
		name, ident string
	}{
		{"lines of ours", "postfix/smtp"},
		{"lines of others only", "cron"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			dir := t.TempDir()
			name := filepath.Join(dir, "a.journal")
			old := time.Now().Add(-time.Hour)
			makeJournal(t, name, exportEntry(old, "postfix/smtp", "one")+exportEntry(old.Add(time.Second), "postfix/smtp", "two"))
			writeOn(t, name, tt.ident)
			ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
			defer cancel()
			s := &endStop{store: &store{}, ident: tt.ident}
			src := mta.LogSource{Kind: mta.LogJournal, Directory: dir, Identifiers: []string{"postfix/"}}
			if err := Follow(ctx, Config{Poll: time.Second}, src, "", s); !errors.Is(err, errCrash) {
				t.Fatalf("the end was not told: %v; lines %d, idle %d, blind spots %+v", err, len(s.lines), s.idle, s.spots)
			}
			if len(s.lines) < 2 || !strings.HasSuffix(s.lines[0], ": one") {
				t.Errorf("lines before the end: %q", s.lines)
			}
		})
	}
}

// writeOn adds an entry of now every 50 ms until the test ends.
func writeOn(t *testing.T, journal, ident string) {
	t.Helper()
	cmd := exec.Command(journalRemote, "-o", journal, "-")
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	stop, done := make(chan struct{}), make(chan struct{})
	t.Cleanup(func() {
		close(stop)
		<-done
		in.Close()
		_ = cmd.Wait() // what it wrote is what counts
	})
	go func() {
		defer close(done)
		tick := time.NewTicker(50 * time.Millisecond)
		defer tick.Stop()
		for i := 0; ; i++ {
			select {
			case <-stop:
				return
			case at := <-tick.C:
				if _, err := in.Write([]byte(exportEntry(at, ident, fmt.Sprintf("busy %d", i)))); err != nil {
					return
				}
			}
		}
	}()
}

// endStop stops when the source is told to be at its end: by a batch, or
// where only others write, by Idle.
type endStop struct {
	*store
	ident string
}

func (s *endStop) Batch(ctx context.Context, b Batch) error {
	if err := s.store.Batch(ctx, b); err != nil {
		return err
	}
	if b.AtEnd && strings.Contains(b.Text, "busy") {
		return errCrash
	}
	return nil
}

func (s *endStop) Idle(ctx context.Context, source string) error {
	if err := s.store.Idle(ctx, source); err != nil {
		return err
	}
	if s.ident == "cron" {
		return errCrash
	}
	return nil
}

func TestJournalctlMissing(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	s := &blindStop{store: &store{}, stop: cancel}
	err := Follow(ctx, Config{Journalctl: "/nonexistent/journalctl"}, mta.LogSource{Kind: mta.LogJournal}, "", s)
	if !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]mta.BlindKind{mta.BlindMissing}, s.kinds()); diff != "" || s.spots[0].Advice == "" {
		t.Errorf("blind spots -want +got:\n%s", diff)
	}
}

// TestJournalctlEnds runs a program that is no journalctl: its end and its
// words are told.
func TestJournalctlEnds(t *testing.T) {
	program := filepath.Join(t.TempDir(), "journalctl")
	if err := os.WriteFile(program, []byte("#!/bin/sh\necho out of order >&2\nexit 3\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	s := &blindStop{store: &store{}, stop: cancel}
	if err := Follow(ctx, Config{Journalctl: program}, mta.LogSource{Kind: mta.LogJournal}, "", s); !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
	if len(s.spots) != 1 || s.spots[0].Kind != mta.BlindFailing || !strings.Contains(s.spots[0].Text, "out of order") {
		t.Errorf("blind spots: %+v", s.spots)
	}
}

// blindStop stops at the first blind spot.
type blindStop struct {
	*store
	stop func()
}

func (b *blindStop) Blind(source string, spot *mta.BlindSpot) {
	b.store.Blind(source, spot)
	b.stop()
}

func TestWants(t *testing.T) {
	tests := []struct {
		name        string
		identifiers []string
		ident       string
		want        bool
	}{
		{name: "all", ident: "cron", want: true},
		{name: "exact", identifiers: []string{"exim"}, ident: "exim", want: true},
		{name: "not a prefix", identifiers: []string{"exim"}, ident: "exim4", want: false},
		{name: "prefix", identifiers: []string{"exim", "postfix/"}, ident: "postfix/smtp", want: true},
		{name: "prefix alone", identifiers: []string{"postfix/"}, ident: "postfix", want: false},
		{name: "other instance", identifiers: []string{"postfix/"}, ident: "postfix-out/smtp", want: false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := wants(tt.identifiers, []byte(tt.ident)); got != tt.want {
				t.Errorf("got %t, want %t", got, tt.want)
			}
		})
	}
}

// exportLines gives the lines of a stream fed in pieces.
func exportLines(text string, size int) ([]string, error) {
	p := exportParser{max: 100}
	var lines []string
	for len(text) > 0 {
		n := min(size, len(text))
		err := p.feed([]byte(text[:n]), func(e *entry) error {
			line, err := e.appendSyslog(nil)
			lines = append(lines, string(line))
			return err
		})
		if err != nil {
			return lines, err
		}
		text = text[n:]
	}
	return lines, nil
}

func FuzzExport(f *testing.F) {
	at := time.Unix(1795435200, 123456000)
	f.Add(exportEntry(at, "postfix/smtp", "hello")+exportEntry(at, "a", "b\nc"), uint16(3))
	f.Add("MESSAGE\n\xff\xff\xff\xff\xff\xff\xff\xffx", uint16(1))
	f.Add("__REALTIME_TIMESTAMP=1\n\n\n\nX=1\n\n", uint16(5))
	f.Fuzz(func(t *testing.T, text string, size uint16) {
		whole, err := exportLines(text, len(text)+1)
		pieces, err2 := exportLines(text, int(size)+1)
		if diff := cmp.Diff(whole, pieces); diff != "" || (err == nil) != (err2 == nil) {
			t.Fatalf("whole and in pieces differ (-whole +pieces): %s; errors %v and %v", diff, err, err2)
		}
		for _, line := range whole {
			if strings.Count(line, "\n") > 1 || len(line) > 1000 {
				t.Fatalf("no single short line: %q", line)
			}
		}
	})
}
