package app

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/mtawatch/mtawatch/internal/adapter/all"
	"github.com/mtawatch/mtawatch/internal/config"
	"github.com/mtawatch/mtawatch/internal/history"
	"github.com/mtawatch/mtawatch/internal/host"
	"github.com/mtawatch/mtawatch/internal/mta"
	"github.com/mtawatch/mtawatch/internal/pipeline"
	"github.com/mtawatch/mtawatch/internal/tail"
)

// sourceOf gives a source over a real belt that knows the instances.
func sourceOf(t *testing.T, instances ...mta.Instance) *Source {
	t.Helper()
	belt := pipeline.New(pipeline.Config{Interval: 10 * time.Second, Location: time.UTC, Adapters: all.Adapters()})
	belt.SetInstances(instances)
	return &Source{belt: belt, machine: host.New(host.Config{}), adapters: all.Adapters(), cfg: config.Default(), location: time.UTC, started: time.Now()}
}

// openSeries opens a store of series that is empty.
func openSeries(t testing.TB) *history.Store {
	t.Helper()
	s, err := history.Open(t.TempDir(), history.Config{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

func lookAt(t *testing.T, logTime time.Duration, instances ...mta.Instance) *Source {
	s := sourceOf(t, instances...)
	s.look = &look{src: s, logTime: logTime}
	return s
}

// line is a log line of now.
func line(rest string) string {
	return time.Now().UTC().Format("2006-01-02T15:04:05.000000+00:00") + " mx1 postfix/" + rest + "\n"
}

func blindTexts(s *Source) []string {
	var list []string
	for _, b := range s.belt.Status(time.Now()).Blind {
		if b.Kind == mta.BlindUnreadable {
			list = append(list, b.Source+": "+b.Text)
		}
	}
	return list
}

// A log that two instances share is read once.
func TestLookReadsSharedLogOnce(t *testing.T) {
	path := filepath.Join(t.TempDir(), "mail.log")
	if err := os.WriteFile(path, []byte(line("qmgr[1]: A1B2C3D4E5: removed")+line("qmgr[1]: A1B2C3D4E6: removed")), 0o600); err != nil {
		t.Fatal(err)
	}
	logs := []mta.LogSource{{Kind: mta.LogFile, Path: path}}
	s := lookAt(t, time.Minute, mta.Instance{MTA: "postfix", Name: "postfix", Logs: logs}, mta.Instance{MTA: "postfix", Name: "postfix-out", Logs: logs})
	s.look.logs(t.Context())
	for _, src := range s.belt.Status(time.Now()).Sources {
		if src.Source == path && src.Lines != 2 {
			t.Errorf("%d lines were read of a log of 2", src.Lines)
		}
	}
	if got := blindTexts(s); len(got) > 0 {
		t.Errorf("blind spots: %q", got)
	}
}

// A named pipe for a log is told, and blocks nothing.
func TestLookAtNamedPipe(t *testing.T) {
	path := filepath.Join(t.TempDir(), "mail.log")
	if err := syscall.Mkfifo(path, 0o600); err != nil {
		t.Fatal(err)
	}
	s := lookAt(t, time.Minute, mta.Instance{MTA: "postfix", Name: "postfix", Logs: []mta.LogSource{{Kind: mta.LogFile, Path: path}}})
	s.look.logs(t.Context())
	if got := blindTexts(s); len(got) != 1 || !strings.Contains(got[0], "named pipe") {
		t.Errorf("blind spots: %q", got)
	}
}

// A journal that never comes to its end is given up in time, with words.
func TestLookAtEndlessJournal(t *testing.T) {
	dir := t.TempDir()
	script := "#!/bin/sh\ni=0\nwhile :; do i=$((i+1)); printf '__CURSOR=c%d\\n__REALTIME_TIMESTAMP=1000000\\n_HOSTNAME=mx1\\nSYSLOG_IDENTIFIER=postfix/qmgr\\nMESSAGE=A1B2C3D4E5: removed\\n\\n' $i; done\n"
	if err := os.WriteFile(filepath.Join(dir, "journalctl"), []byte(script), 0o700); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", dir+":"+os.Getenv("PATH"))
	s := lookAt(t, time.Second, mta.Instance{MTA: "postfix", Name: "postfix", Logs: []mta.LogSource{{Kind: mta.LogJournal}}})
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	s.look.logs(ctx)
	if got := blindTexts(s); ctx.Err() != nil || len(got) != 1 || !strings.Contains(got[0], "within 1s") {
		t.Errorf("blind spots: %q; %v", got, ctx.Err())
	}
}

func TestUntilEnd(t *testing.T) {
	log := mta.LogSource{Kind: mta.LogJournal}
	u := &untilEnd{Belt: sourceOf(t, mta.Instance{MTA: "postfix", Name: "postfix", Logs: []mta.LogSource{log}}).belt}
	var got []bool
	for _, b := range []tail.Batch{{Text: line("qmgr[1]: A1B2C3D4E5: removed")}, {Text: line("qmgr[1]: A1B2C3D4E6: removed"), AtEnd: true}} {
		b.Source = log.Name()
		err := u.Batch(t.Context(), b)
		if err != nil && !errors.Is(err, errAtEnd) {
			t.Fatal(err)
		}
		got = append(got, err != nil)
	}
	if diff := cmp.Diff([]bool{false, true}, got); diff != "" || u.lines != 2 {
		t.Errorf("ended (-want +got):\n%s; %d lines, want 2", diff, u.lines)
	}
}
