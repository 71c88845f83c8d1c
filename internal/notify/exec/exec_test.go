package exec

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/mtawatch/mtawatch/internal/mta"
	"github.com/mtawatch/mtawatch/internal/notify"
)

// TestMain makes the test binary the program that is run: its first argument
// says what it does then.
func TestMain(m *testing.M) {
	if os.Getenv("MTAWATCH_EVENT") == "" || len(os.Args) < 2 {
		os.Exit(m.Run())
	}
	switch os.Args[1] {
	case "write":
		body, err := io.ReadAll(os.Stdin)
		if err == nil {
			err = os.WriteFile(os.Args[2], []byte(strings.Join(os.Environ(), "\n")+"\n\n"+string(body)), 0o600)
		}
		if err != nil {
			fmt.Println(err)
			os.Exit(1)
		}
	case "fail":
		fmt.Fprintln(os.Stderr, strings.Repeat("noise ", 1000)+"cannot page ops@example.org\x1b[2J now")
		os.Exit(3)
	case "later":
		os.Exit(75)
	case "hang":
		_ = os.WriteFile(os.Args[2], nil, 0o600)
		time.Sleep(time.Hour)
	}
	os.Exit(0)
}

var message = notify.Message{Event: notify.Opened, Text: "CRITICAL: t", Host: "mx.example.org", Finding: mta.Finding{ID: "i", Code: mta.FindingMailLoop,
	Severity: mta.SeverityCritical, Title: "$(touch x)`y`\nEVIL=1\x00z", Since: time.Date(2026, 11, 2, 14, 0, 0, 0, time.UTC)}}

func self(t *testing.T, args ...string) func(context.Context, notify.Message) (bool, error) {
	t.Helper()
	bin, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	send, err := New(Config{Command: append([]string{bin}, args...)})
	if err != nil {
		t.Fatal(err)
	}
	return send
}

func TestRun(t *testing.T) {
	t.Setenv("SECRET_OF_THE_DAEMON", "hidden")
	file := filepath.Join(t.TempDir(), "out")
	if retry, err := self(t, "write", file)(t.Context(), message); err != nil || retry {
		t.Fatal(retry, err)
	}
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	env, body, _ := strings.Cut(string(b), "\n\n")
	for _, want := range []string{"MTAWATCH_EVENT=opened", "MTAWATCH_CODE=mail-loop", "MTAWATCH_SEVERITY=critical", "MTAWATCH_HOST=mx.example.org",
		"MTAWATCH_SINCE=2026-11-02T14:00:00Z", "MTAWATCH_END=", "MTAWATCH_TITLE=$(touch x)`y` EVIL=1 z"} {
		if !strings.Contains("\n"+env+"\n", "\n"+want+"\n") {
			t.Errorf("the environment lacks %q:\n%s", want, env)
		}
	}
	if strings.Contains(env, "hidden") {
		t.Error("the daemon's own environment is passed on")
	}
	var m notify.Message
	if err := json.Unmarshal([]byte(body), &m); err != nil || m.Finding.ID != "i" || m.Event != "opened" {
		t.Errorf("standard input %q: %v", body, err)
	}
}

func TestFailures(t *testing.T) {
	for _, tt := range []struct {
		name  string
		retry bool
		want  string
	}{
		{"fail", false, `exit status 3; it said "`},
		{"later", true, "exit status 75"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			retry, err := self(t, tt.name)(t.Context(), message)
			if err == nil || retry != tt.retry || !strings.Contains(err.Error(), tt.want) {
				t.Fatalf("got retry %t and %v", retry, err)
			}
			if s := err.Error(); len(s) > 400 || strings.Contains(s, "@") || strings.Contains(s, "\x1b") {
				t.Errorf("not fit for a log: %q", s)
			}
		})
	}
	if retry, err := self(t, "quiet")(t.Context(), message); retry || err != nil {
		t.Errorf("a program that reads nothing: retry %t, %v", retry, err)
	}
	send, err := New(Config{Command: []string{filepath.Join(t.TempDir(), "none")}})
	if err != nil {
		t.Fatal(err)
	}
	if retry, err := send(t.Context(), message); !retry || err == nil {
		t.Errorf("a program that is not there: retry %t, %v", retry, err)
	}
}

func TestTimeout(t *testing.T) {
	file := filepath.Join(t.TempDir(), "began")
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	go func() { // the time is up as soon as the program has begun
		for ctx.Err() == nil {
			if _, err := os.Stat(file); err == nil {
				cancel()
			}
			time.Sleep(time.Millisecond)
		}
	}()
	retry, err := self(t, "hang", file)(ctx, message)
	if !retry || err == nil || !strings.Contains(err.Error(), "did not end in time") {
		t.Errorf("got retry %t and %v", retry, err)
	}
}

func TestRefused(t *testing.T) {
	link := filepath.Join(t.TempDir(), "page")
	mailer := filepath.Join(t.TempDir(), "sendmail")
	if err := os.WriteFile(mailer, []byte("#!/bin/sh\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(mailer, link); err != nil {
		t.Fatal(err)
	}
	for _, command := range [][]string{nil, {"page"}, {"/usr/sbin/sendmail", "-t"}, {link}, {"/bin/sh", "-c", "mailx root"}} {
		if _, err := New(Config{Command: command}); err == nil {
			t.Errorf("%q was taken", command)
		}
	}
}
