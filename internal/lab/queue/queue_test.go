package queue

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"testing/iotest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"golang.org/x/sys/unix"

	"github.com/mtawatch/mtawatch/internal/lab/site"
)

func testQueue(t testing.TB) *Queue {
	t.Helper()
	s := &site.Site{Base: t.TempDir(), Channels: []site.Channel{{Name: "tcp_local", Subdirs: 5}, {Name: "ims-ms"}}}
	if err := os.MkdirAll(s.QueueDir(), 0o700); err != nil {
		t.Fatal(err)
	}
	return Open(s)
}

func testEnvelope() *Envelope {
	return &Envelope{Source: "tcp_intranet", System: "client.example.com (client [192.0.2.9])", EnvelopeID: "0ABC", MessageID: "<m1@example.com>",
		From: "a@example.com", User: "alice", Ret: "HDRS", Arrived: time.UnixMilli(1767225600123),
		Recipients: []Recipient{{Original: "rfc822;b@example.net", Address: "b@example.net", Notify: "NEVER"},
			{Original: "rfc822;f;c@example.net", Address: "Boundary_(ID_c@example.net"}, {Original: "rfc822;d@example.net", Address: "d@example.net"}}}
}

func enqueue(t testing.TB, q *Queue, channel, content string) Entry {
	t.Helper()
	e, err := q.Enqueue(channel, testEnvelope(), strings.NewReader(content))
	if err != nil {
		t.Fatal(err)
	}
	return e
}

func entries(t testing.TB, q *Queue, channel string) []Entry {
	t.Helper()
	var list []Entry
	if err := q.Walk(channel, func(e Entry) error { list = append(list, e); return nil }); err != nil {
		t.Fatal(err)
	}
	return list
}

func content(t testing.TB, m *Message) string {
	t.Helper()
	b, err := io.ReadAll(m.Content())
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestNames(t *testing.T) {
	for _, tt := range []struct {
		name     string
		attempts int
		held, ok bool
	}{
		{"ZZf0s690kN_y0.00", 0, false, true}, {"ZYf0s690kN_y0.01", 1, false, true}, {"ZAf0s690kN_y0.00", 25, false, true},
		{"Z0f0s690kN_y0.00", 35, false, true}, {"YZf0s690kN_y0.00", 36, false, true}, {"00f0s690kN_y0.00", 1295, false, true},
		{"ZZf0s690kN_y0.HELD", 0, true, true},
		{"$Zf0s690kN_y0.00", 0, false, false}, {"zzf0.00", 0, false, false}, {"ZZ.00", 0, false, false}, {"ZZx.0", 0, false, false},
		{"ZZx.000", 0, false, false}, {"ZZ/x.00", 0, false, false}, {"", 0, false, false}, {"ZZa.b.00", 0, false, false},
	} {
		attempts, unique, suffix, held, ok := ParseName(tt.name)
		if attempts != tt.attempts || held != tt.held || ok != tt.ok {
			t.Errorf("ParseName(%q) = %d, held %v, ok %v", tt.name, attempts, held, ok)
		}
		if ok && Name(attempts, unique, suffix) != tt.name {
			t.Errorf("Name gives %q for %q", Name(attempts, unique, suffix), tt.name)
		}
	}
	if got := Name(5000, "x", "00"); got != "00x.00" {
		t.Errorf("Name(5000) = %q", got)
	}
	for from, want := range map[string]string{"00": "01", "01": "02", "99": "01", "HELD": "01", "ab": "01"} {
		if got := nextSuffix(from); got != want {
			t.Errorf("nextSuffix(%q) = %q, want %q", from, got, want)
		}
	}
}

func TestEnqueueRead(t *testing.T) {
	for _, tt := range []struct{ name, in, want string }{
		{"crlf", "Subject: x\r\n\r\nbody\r\n", "Subject: x\n\nbody\n"},
		{"no end", "Subject: x\r\n\r\nbody", "Subject: x\n\nbody\n"},
		{"bare CR", "a\rb\r\r\nc\r", "a\rb\r\nc\n"},
		{"empty", "", ""},
		{"a boundary of another", "\r\nBoundary_(ID_x)\r\n", "\nBoundary_(ID_x)\n"},
		{"large", strings.Repeat("0123456789abcde\r\n", 20000), strings.Repeat("0123456789abcde\n", 20000)},
	} {
		t.Run(tt.name, func(t *testing.T) {
			q := testQueue(t)
			e, err := q.Enqueue("tcp_local", testEnvelope(), iotest.HalfReader(strings.NewReader(tt.in)))
			if err != nil {
				t.Fatal(err)
			}
			got := entries(t, q, "tcp_local")
			if len(got) != 1 || got[0].Path != e.Path || got[0].ID != e.ID || got[0].Size != e.Size || got[0].Attempts != 0 {
				t.Fatalf("the queue has %+v, want %+v", got, e)
			}
			m, err := q.Read(got[0])
			if err != nil {
				t.Fatal(err)
			}
			defer m.Close()
			if diff := cmp.Diff(*testEnvelope(), m.Envelope, cmpopts.IgnoreUnexported(Recipient{})); diff != "" {
				t.Errorf("envelope (-want +got):\n%s", diff)
			}
			if c := content(t, m); c != tt.want || m.Size() != int64(len(tt.want)) {
				t.Errorf("content %.80q of %d bytes, size says %d; want %.80q", c, len(c), m.Size(), tt.want)
			}
			if m.History != "" {
				t.Errorf("history %q of a new file", m.History)
			}
		})
	}
}

func TestEnqueueRefuses(t *testing.T) {
	q := testQueue(t)
	forged := testEnvelope()
	forged.From = "a@example.com\nd@example.net"
	if _, err := q.Enqueue("tcp_local", forged, strings.NewReader("x")); err == nil {
		t.Error("a sender with a line end was taken")
	}
	broken := errors.New("the client went away")
	if _, err := q.Enqueue("tcp_local", testEnvelope(), io.MultiReader(strings.NewReader("x"), iotest.ErrReader(broken))); !errors.Is(err, broken) {
		t.Errorf("error %v, want the reader's", err)
	}
	_ = filepath.WalkDir(q.Dir(""), func(path string, d fs.DirEntry, _ error) error {
		if !d.IsDir() {
			t.Errorf("%s was left behind", path)
		}
		return nil
	})
}

// TestDraft wants a draft to be seen by nobody, and what cannot be committed,
// or is not, to leave nothing.
func TestDraft(t *testing.T) {
	q := testQueue(t)
	first, err := q.Write("tcp_local", testEnvelope(), strings.NewReader("Subject: x\r\n\r\ny"))
	if err != nil {
		t.Fatal(err)
	}
	second, err := q.Copy(first, "ims-ms", testEnvelope())
	if err != nil {
		t.Fatal(err)
	}
	third, err := q.Copy(first, "ims-ms", testEnvelope())
	if err != nil {
		t.Fatal(err)
	}
	if n := len(entries(t, q, "tcp_local")) + len(entries(t, q, "ims-ms")); n != 0 {
		t.Errorf("%d messages are seen before they are committed", n)
	}
	if err := os.Mkdir(third.entry.Path, 0o700); err != nil { // in the way
		t.Fatal(err)
	}
	if _, err := third.Commit(false); err == nil {
		t.Error("committed over a directory")
	}
	if err := os.Remove(third.entry.Path); err != nil {
		t.Fatal(err)
	}
	e, err := second.Commit(true)
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range []*Draft{first, second, third} {
		d.Close()
	}
	if list := entries(t, q, "ims-ms"); len(list) != 1 || !list[0].Held || list[0].Path != e.Path || list[0].Size != e.Size {
		t.Errorf("%+v, want %+v", list, e)
	}
	m, err := q.Read(e)
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	if got := content(t, m); got != "Subject: x\n\ny\n" {
		t.Errorf("content %q", got)
	}
	left := 0
	err = filepath.WalkDir(q.site.QueueDir(), func(_ string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			left++
		}
		return err
	})
	if err != nil || left != 1 {
		t.Errorf("%d files are left, %v", left, err)
	}
}

// TestRewriteFails wants the recipients that are done to be noted also when no
// other file can be written: here the process may open none.
func TestRewriteFails(t *testing.T) {
	q := testQueue(t)
	m, err := q.Lock(enqueue(t, q, "tcp_local", "x\n"))
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	var was unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &was); err != nil {
		t.Fatal(err)
	}
	none := unix.Rlimit{Cur: 3, Max: was.Max}
	if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &none); err != nil {
		t.Fatal(err)
	}
	e, err := m.Attempted(m.Recipients[2:], "")
	if rerr := unix.Setrlimit(unix.RLIMIT_NOFILE, &was); rerr != nil {
		t.Fatal(rerr)
	}
	if err != nil || e.Attempts != 1 {
		t.Fatalf("%+v, %v", e, err)
	}
	again, err := q.Read(e)
	if err != nil {
		t.Fatal(err)
	}
	defer again.Close()
	if len(again.Recipients) != 1 || again.Recipients[0].Address != "d@example.net" {
		t.Errorf("%+v", again.Recipients)
	}
}

func TestAttempts(t *testing.T) {
	q := testQueue(t)
	first := enqueue(t, q, "tcp_local", "Subject: x\n\nbody\n")
	m, err := q.Lock(first)
	if err != nil {
		t.Fatal(err)
	}
	e, err := m.Attempted(m.Recipients, "no route\nto host")
	if err != nil || filepath.Base(e.Path) != Name(1, first.ID, "00") {
		t.Fatalf("after one attempt: %s, %v", e.Path, err)
	}
	st, err := os.Stat(e.Path)
	if err != nil || !st.ModTime().Equal(testEnvelope().Arrived) {
		t.Errorf("modified %v, want the arrival; %v", st.ModTime(), err)
	}
	e, err = m.Attempted(m.Recipients[2:], "450 one waits")
	if err != nil || filepath.Base(e.Path) != Name(2, first.ID, "01") {
		t.Fatalf("after a rewrite: %s, %v", e.Path, err)
	}
	if _, err := q.Lock(e); !errors.Is(err, ErrBusy) {
		t.Errorf("locked twice: %v", err)
	}
	if err := m.Close(); err != nil {
		t.Fatal(err)
	}
	m, err = q.Lock(e)
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	if len(m.Recipients) != 1 || m.Recipients[0].Address != "d@example.net" || m.History != "no route to host\n450 one waits\n" || content(t, m) != "Subject: x\n\nbody\n" {
		t.Errorf("read back %+v, history %q", m.Recipients, m.History)
	}
	if list := entries(t, q, "tcp_local"); len(list) != 1 || list[0].Attempts != 2 {
		t.Errorf("the queue has %+v", list)
	}
	if err := m.Remove(); err != nil {
		t.Fatal(err)
	}
	if list := entries(t, q, "tcp_local"); len(list) != 0 {
		t.Errorf("the queue has %+v", list)
	}
}

// TestMark is what a full disk leaves: the file as it was, with those marked
// who are done.
func TestMark(t *testing.T) {
	q := testQueue(t)
	first := enqueue(t, q, "tcp_local", "Subject: x\n")
	m, err := q.Lock(first)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(m.mark(m.Recipients[1:2]), m.Close()); err != nil {
		t.Fatal(err)
	}
	if m, err = q.Lock(first); err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	if len(m.Recipients) != 1 || m.Recipients[0].Original != "rfc822;f;c@example.net" || content(t, m) != "Subject: x\n" {
		t.Errorf("read back %+v", m.Recipients)
	}
}

func TestHistoryIsBounded(t *testing.T) {
	q := testQueue(t)
	m, err := q.Lock(enqueue(t, q, "ims-ms", "x"))
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	for i := range 500 {
		if _, err := m.Attempted(m.Recipients, fmt.Sprint(i, " ", strings.Repeat("why ", 100))); err != nil {
			t.Fatal(err)
		}
	}
	if st, err := os.Stat(m.Entry.Path); err != nil || st.Size() > maxHistory+1000 {
		t.Errorf("%v, %v", st.Size(), err)
	}
}

func TestHoldRelease(t *testing.T) {
	q := testQueue(t)
	e, err := q.Hold(enqueue(t, q, "ims-ms", "x"))
	if err != nil || !e.Held || !strings.HasSuffix(e.Path, ".HELD") {
		t.Fatal(e, err)
	}
	if list := entries(t, q, "ims-ms"); len(list) != 1 || !list[0].Held {
		t.Fatalf("the queue has %+v", list)
	}
	if e, err = q.Release(e); err != nil || e.Held || !strings.HasSuffix(e.Path, ".01") {
		t.Fatal(e, err)
	}
	if err := q.Remove(e); err != nil {
		t.Fatal(err)
	}
	if err := q.Remove(e); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("removed twice: %v", err)
	}
}

func TestStatAndTidy(t *testing.T) {
	q := testQueue(t)
	e := enqueue(t, q, "tcp_local", "x")
	got, err := q.Stat(e.Name())
	if err != nil || got.Path != e.Path || got.ID != e.ID {
		t.Errorf("%+v, %v", got, err)
	}
	for _, name := range []string{"tcp_local/../../x/ZZabc.00", "ZZabc.00", "tcp_local/000/ZZabc.00", "/etc/passwd", "tcp_local/000/000/ZZa.00"} {
		if _, err := q.Stat(name); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("Stat(%q): %v", name, err)
		}
	}
	left := filepath.Join(filepath.Dir(e.Path), tempMark+"abc")
	if err := os.WriteFile(left, []byte("half"), 0o600); err != nil {
		t.Fatal(err)
	}
	if n, err := q.Tidy("tcp_local", time.Hour); n != 0 || err != nil {
		t.Errorf("tidied %d that are young, %v", n, err)
	}
	if n, err := q.Tidy("tcp_local", 0); n != 1 || err != nil {
		t.Errorf("tidied %d, %v", n, err)
	}
	if list := entries(t, q, "tcp_local"); len(list) != 1 {
		t.Errorf("the queue has %+v", list)
	}
}

// TestMain also is the writer that TestKilledWriter kills, by name of its
// environment.
func TestMain(m *testing.M) {
	if base := os.Getenv("QUEUE_TEST_BASE"); base != "" {
		os.Exit(writeForever(Open(&site.Site{Base: base, Channels: []site.Channel{{Name: "tcp_local", Subdirs: 3}}})))
	}
	os.Exit(m.Run())
}

// writeForever enqueues, tells each name once it is accepted, and delivers a
// recipient of every other.
func writeForever(q *Queue) int {
	for {
		e, err := q.Enqueue("tcp_local", testEnvelope(), strings.NewReader("Subject: x\n\n"+strings.Repeat("line\n", 2000)))
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		fmt.Println(e.ID)
		m, err := q.Lock(e)
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		_, err = m.Attempted(m.Recipients[1:], "one is done")
		if err := errors.Join(err, m.Close()); err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
	}
}

// TestKilledWriter kills a process that enqueues and rewrites: what it had
// accepted is there, whole and once, and nothing else reads as a message.
func TestKilledWriter(t *testing.T) {
	q := testQueue(t)
	accepted := map[string]bool{}
	for i := range 12 {
		var out bytes.Buffer
		cmd := exec.Command(os.Args[0])
		cmd.Env = append(os.Environ(), "QUEUE_TEST_BASE="+q.site.Base)
		cmd.Stdout, cmd.Stderr = &out, os.Stderr
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		time.AfterFunc(time.Duration(40+i*7)*time.Millisecond, func() { _ = cmd.Process.Signal(syscall.SIGKILL) })
		_ = cmd.Wait()
		for line := range strings.Lines(out.String()) {
			accepted[strings.TrimSpace(line)] = true
		}
	}
	if len(accepted) < 12 {
		t.Fatalf("only %d were accepted", len(accepted))
	}
	seen := map[string]bool{}
	for _, e := range entries(t, q, "tcp_local") {
		m, err := q.Lock(e)
		if err != nil {
			t.Fatalf("%s: %v", e.Path, err)
		}
		if seen[e.ID] {
			t.Errorf("%s is there twice", e.ID)
		}
		seen[e.ID] = true
		if n := len(m.Recipients); n != 3 && n != 2 || m.Size() < 10000 {
			t.Errorf("%s: %d recipients, %d bytes", e.Path, n, m.Size())
		}
		_ = m.Close()
	}
	for id := range accepted {
		if !seen[id] {
			t.Errorf("%s was accepted and is lost", id)
		}
	}
	t.Logf("%d accepted, %d there", len(accepted), len(seen))
}
