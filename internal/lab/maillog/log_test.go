package maillog

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/mtawatch/mtawatch/internal/lab/site"
)

// The tests run this binary once more as a writer or rotator that dies.
const (
	envBase = "MAILLOG_TEST_BASE"
	envJob  = "MAILLOG_TEST_JOB" // "write NAME COUNT", "rotate STEP NUMBER"
)

func TestMain(m *testing.M) {
	if base := os.Getenv(envBase); base != "" {
		if err := job(base, strings.Fields(os.Getenv(envJob))); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

func job(base string, words []string) error {
	s, err := site.Open(base)
	if err != nil {
		return err
	}
	l := Open(s)
	n, err := strconv.Atoi(words[2])
	if err != nil {
		return err
	}
	if words[0] == "write" {
		for i := range n {
			if err := l.Write(line(fmt.Sprintf("%s-%d", words[1], i), i%40*200)); err != nil {
				return err
			}
		}
		return nil
	}
	l.mu.Lock()
	unlock, err := l.acquire()
	if err != nil {
		return err
	}
	defer unlock()
	return l.rotate(familyMail, time.Now(), func(step string) {
		if step == words[1] {
			if n--; n == 0 {
				_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
				select {}
			}
		}
	})
}

func command(s *site.Site, job string) *exec.Cmd {
	exe, err := os.Executable()
	if err != nil {
		exe = os.Args[0]
	}
	cmd := exec.Command(exe)
	cmd.Env = append(os.Environ(), envBase+"="+s.Base, envJob+"="+job)
	cmd.Stderr = os.Stderr
	return cmd
}

// line is a record that is known by its message id, with size bytes of text.
func line(id string, size int) *Record {
	return &Record{Source: "tcp_local", Dest: "ims-ms", Code: "E", Blocks: 1, From: "a@example.org", OrigTo: "b@example.com", To: "b@ims-ms-daemon",
		MessageID: "<" + id + ">", Diagnostic: strings.Repeat("x", size)}
}

func newSite(t testing.TB, o site.Options) *site.Site {
	t.Helper()
	s, err := site.Create(filepath.Join(t.TempDir(), "b"), site.Settings{Binary: "/bin/true", Options: o})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// ids counts the message ids of a file, and wants each line whole.
func ids(t *testing.T, name string) map[string]int {
	t.Helper()
	b, err := os.ReadFile(name)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		t.Fatal(err)
	}
	n := map[string]int{}
	for line := range bytes.Lines(b) {
		i, j := bytes.IndexByte(line, '<'), bytes.IndexByte(line, '>')
		if i < 0 || j < i || line[len(line)-1] != '\n' || bytes.Count(line, []byte("rfc822;")) != 1 {
			t.Errorf("%s has the line %q", name, line)
			continue
		}
		n[string(line[i+1:j])]++
	}
	return n
}

// TestManyWriters lets processes write while another rotates.
func TestManyWriters(t *testing.T) {
	s := newSite(t, site.Options{})
	const writers, each = 4, 2000
	var cmds []*exec.Cmd
	for i := range writers {
		cmd := command(s, fmt.Sprintf("write w%d %d", i, each))
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		cmds = append(cmds, cmd)
	}
	l := Open(s)
	defer l.Close()
	for range 5 {
		time.Sleep(50 * time.Millisecond)
		if err := l.Rotate(time.Now()); err != nil {
			t.Fatal(err)
		}
	}
	for _, cmd := range cmds {
		if err := cmd.Wait(); err != nil {
			t.Error(err)
		}
	}
	sum := map[string]int{}
	for _, which := range []string{current, yesterday, whole} {
		for id, n := range ids(t, l.path(familyMail, which)) {
			sum[id] += n
		}
	}
	for id, n := range sum {
		if n != 1 {
			t.Errorf("%s stands there %d times", id, n)
		}
	}
	if len(sum) != writers*each {
		t.Errorf("%d lines, want %d", len(sum), writers*each)
	}
}

// TestRotateKilled kills the rotation at each of its steps. At once after it no
// line is lost, and only those of yesterday may stand in the whole log too; the
// next run leaves each line in one file.
func TestRotateKilled(t *testing.T) {
	for _, at := range []string{"plan 1", "part 1", "part 3", "appended 1", "rename 1", "current 1", "done 1"} {
		t.Run(at, func(t *testing.T) {
			s := newSite(t, site.Options{})
			l := Open(s)
			defer l.Close()
			want := 0
			write := func(name string, count, size int) {
				t.Helper()
				for i := range count {
					if err := l.Write(line(fmt.Sprintf("%s-%d", name, i), size)); err != nil {
						t.Fatal(err)
					}
				}
				want += count
			}
			for _, day := range []string{"first", "second", "third"} {
				write(day, 300, 700) // several parts
				if day != "third" {
					if err := l.Rotate(time.Now()); err != nil {
						t.Fatal(err)
					}
				}
			}
			err := command(s, "rotate "+at).Run()
			var exit *exec.ExitError
			if !errors.As(err, &exit) || !exit.Sys().(syscall.WaitStatus).Signaled() {
				t.Fatalf("the rotator: %v; want it killed", err)
			}
			check(t, l, want, at != "rename 1" && at != "current 1" && at != "done 1" && at != "plan 1")
			write("between", 10, 10)
			if err := l.Rotate(time.Now()); err != nil {
				t.Fatal(err)
			}
			check(t, l, want, false)
			if _, found, err := l.readPlan(familyMail); found || err != nil {
				t.Errorf("the plan is still there: %v, %v", found, err)
			}
			if at != "done 1" && len(ids(t, l.path(familyMail, whole))) != 600 {
				t.Errorf("the whole log has %d lines; one rotation was due, not two", len(ids(t, l.path(familyMail, whole))))
			}
		})
	}
}

// TestRotateAfterCut wants a rotation that was killed to go on when mail.log
// was emptied, or ends in what a power failure made of it.
func TestRotateAfterCut(t *testing.T) {
	for name, spoil := range map[string]func(whole string, old int64) error{
		"removed":   func(whole string, _ int64) error { return os.Remove(whole) },
		"truncated": func(whole string, _ int64) error { return os.Truncate(whole, 0) },
		"zeros": func(whole string, old int64) error {
			return errors.Join(os.Truncate(whole, old+1000), os.Truncate(whole, old+5000))
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := newSite(t, site.Options{})
			l := Open(s)
			defer l.Close()
			var old int64
			for i := range 3 {
				for j := range 200 {
					if err := l.Write(line(fmt.Sprintf("%d-%d", i, j), 700)); err != nil {
						t.Fatal(err)
					}
				}
				if st, err := os.Stat(l.path(familyMail, yesterday)); i < 2 {
					if err == nil {
						old = st.Size() // what will be the whole log
					}
					if err := l.Rotate(time.Now()); err != nil {
						t.Fatal(err)
					}
				}
			}
			_ = command(s, "rotate part 2").Run()
			if err := spoil(l.path(familyMail, whole), old); err != nil {
				t.Fatal(err)
			}
			if err := l.Rotate(time.Now()); err != nil {
				t.Fatal(err)
			}
			want := 600
			if name != "zeros" {
				want = 400
			}
			check(t, l, want, false)
		})
	}
}

// check wants each line in one file; with doubled, those of yesterday's may
// stand in the whole log too, the last perhaps in part.
func check(t *testing.T, l *Log, want int, doubled bool) {
	t.Helper()
	y := ids(t, l.path(familyMail, yesterday))
	c := ids(t, l.path(familyMail, current))
	b, err := os.ReadFile(l.path(familyMail, whole))
	if err != nil {
		t.Fatal(err)
	}
	if doubled {
		b = b[:bytes.LastIndexByte(b, '\n')+1]
	}
	name := filepath.Join(t.TempDir(), "whole")
	if err := os.WriteFile(name, b, 0o600); err != nil {
		t.Fatal(err)
	}
	sum := map[string]int{}
	for id, n := range ids(t, name) {
		if sum[id] += n; y[id] > 0 && doubled {
			sum[id] -= n
		}
	}
	for _, m := range []map[string]int{y, c} {
		for id, n := range m {
			sum[id] += n
		}
	}
	for id, n := range sum {
		if n != 1 {
			t.Errorf("%s stands there %d times", id, n)
		}
	}
	if len(sum) != want {
		t.Errorf("%d lines; want %d", len(sum), want)
	}
}

// TestTorn wants a line that was cut off to spoil no other.
func TestTorn(t *testing.T) {
	s := newSite(t, site.Options{})
	l := Open(s)
	defer l.Close()
	name := l.path(familyMail, current)
	if err := os.WriteFile(name, []byte("06-Oct-2026 00:24:03.66 tcp_lo"), 0o600); err != nil {
		t.Fatal(err)
	}
	for i := range 2 {
		if err := l.Write(line(strconv.Itoa(i), 0)); err != nil {
			t.Fatal(err)
		}
	}
	b, err := os.ReadFile(name)
	lines := strings.Split(string(b), "\n")
	if err != nil || len(lines) != 4 || lines[0] != "06-Oct-2026 00:24:03.66 tcp_lo" || !strings.HasSuffix(lines[1], "<0>") || !strings.HasSuffix(lines[2], "<1>") {
		t.Errorf("%v, %q", err, b)
	}
}

// TestWhatIsWritten wants options and channel to decide which records there
// are, and where.
func TestWhatIsWritten(t *testing.T) {
	o := site.DefaultOptions()
	o.SeparateConnectionLog = true
	s := newSite(t, o)
	for i := range s.Channels {
		s.Channels[i].Logging = s.Channels[i].Name != "process"
	}
	l := Open(s)
	defer l.Close()
	if err := l.Write(line("a", 0), &Record{Source: "tcp_local", Dest: "+", Code: "O"}, &Record{Source: "tcp_local", Dest: "+", Code: "U"},
		&Record{Source: "process", Code: "D", OrigTo: "x", To: "x"}); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]int{"mail.log_current": 1, "connection.log_current": 1} {
		if b, err := os.ReadFile(filepath.Join(s.LogDir(), name)); err != nil || bytes.Count(b, []byte("\n")) != want {
			t.Errorf("%s: %v, %q", name, err, b)
		}
	}
	if err := l.Rotate(time.Now()); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(s.LogDir(), "connection.log_yesterday")); err != nil {
		t.Error(err)
	}
}

func BenchmarkWrite(b *testing.B) {
	l := Open(newSite(b, site.Options{}))
	defer l.Close()
	r := line("a", 20)
	b.ReportAllocs()
	for b.Loop() {
		if err := l.Write(r); err != nil {
			b.Fatal(err)
		}
	}
}
