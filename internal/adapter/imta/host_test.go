package imta

import (
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/txtar"

	"github.com/mtawatch/mtawatch/internal/adapter"
	"github.com/mtawatch/mtawatch/internal/adapter/adaptertest"
	"github.com/mtawatch/mtawatch/internal/mta"
)

func TestParseName(t *testing.T) {
	tests := []struct {
		name string
		want fileName
		ok   bool
	}{
		{"ZZf0r2D0CVaL0.00", fileName{id: "f0r2D0CVaL0"}, true},
		{"ZYf0s690kN_y0.01", fileName{id: "f0s690kN_y0", attempts: 1}, true},
		{"ZA0F7O00I03CJHZD.00", fileName{id: "0F7O00I03CJHZD", attempts: 25}, true},
		{"Z00F7O00I03CJHZD.00", fileName{id: "0F7O00I03CJHZD", attempts: 35}, true},
		{"YZ0F7O00I03CJHZD.zz", fileName{id: "0F7O00I03CJHZD", attempts: 36}, true},
		{"00a.00", fileName{id: "a", attempts: 1295}, true},
		{"ZZa.HELD", fileName{id: "a", held: true}, true},
		{"ZZa.b.00", fileName{id: "a.b"}, true},
		{"ZZ.00", fileName{}, false},
		{"ZZa.0", fileName{}, false},
		{"ZZa.held", fileName{}, false},
		{"ZZa", fileName{}, false},
		{"zza.00", fileName{}, false},
		{"$ZZa.00", fileName{}, false},
		{"ZZ$a.00", fileName{}, false},
		{".nfs.00", fileName{}, false},
		{"", fileName{}, false},
	}
	for _, tt := range tests {
		if got, ok := parseName(tt.name); got != tt.want || ok != tt.ok {
			t.Errorf("%q: %+v, %v; want %+v, %v", tt.name, got, ok, tt.want, tt.ok)
		}
	}
}

func TestNumber(t *testing.T) {
	p := parsePairs("A=10\nB=16%ff\n!C=1\nd = 2%101\nE=99%1\nF=x\nG=\nA=11\n[X]\n; H=1\n")
	want := map[string]int64{"A": 11, "B": 255, "D": 5}
	got := map[string]int64{}
	for name := range p {
		if n, ok := p.number(name); ok {
			got[name] = n
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

// TestIncludes: files that draw in each other end.
func TestIncludes(t *testing.T) {
	h, err := adaptertest.NewHost(txtar.Parse([]byte(`-- file/b/config/imta.cnf --
<more.cnf

tcp_local logging
tcp-daemon
-- file/b/config/more.cnf --
example.com $U@example.com
<imta.cnf
<missing.cnf
`)))
	if err != nil {
		t.Fatal(err)
	}
	in, err := at(t.Context(), h, "/b")
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"tcp_local", "held"}, in.Queues); diff != "" {
		t.Errorf("queues: -want +got:\n%s", diff)
	}
}

func TestAt(t *testing.T) {
	h, err := adaptertest.NewHost(txtar.Parse([]byte("-- dir/empty --\n-- denied/closed/config --\n-- dir/closed/config --\n")))
	if err != nil {
		t.Fatal(err)
	}
	for base, want := range map[string]string{"relative": "absolute path", "/empty": "imta.cnf", "/none": "imta.cnf", "/closed": "permission denied"} {
		if _, err := at(t.Context(), h, base); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", base, err)
		}
	}
}

// TestAtLink: a base that is named by a symbolic link is the one that its
// processes show.
func TestAtLink(t *testing.T) {
	const files = "-- file/srv/ms/config/imta.cnf --\n-- link/opt/ms --\n../srv/ms\n"
	for _, tt := range []struct{ name, exe, want string }{
		{"by the link", "/opt/ms/lib/dispatcher", "/opt/ms"},
		{"by the place", "/srv/ms/lib/dispatcher", "/srv/ms"},
		{"another's", "/other/lib/dispatcher", "/opt/ms"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			h, err := adaptertest.NewHost(txtar.Parse([]byte(files + `-- proc --
{"pid":21,"ppid":1,"name":"dispatcher","exe":"` + tt.exe + `","args":["<DISPATCHER>"],"state":"S"}
`)))
			if err != nil {
				t.Fatal(err)
			}
			in, err := at(t.Context(), h, "/opt/ms")
			if err != nil || in.BaseDir != tt.want || in.Running != (tt.name != "another's") {
				t.Errorf("base %q, running %v, %v; want %q", in.BaseDir, in.Running, err, tt.want)
			}
		})
	}
}

// TestConnectionLog: a log of connections is one to read where there are
// records of connections and they have a log of their own.
func TestConnectionLog(t *testing.T) {
	for options, want := range map[string]int{"": 1, "LOG_CONNECTION=3\n": 1, "SEPARATE_CONNECTION_LOG=1\n": 1,
		"SEPARATE_CONNECTION_LOG=1\nLOG_CONNECTION=1\n": 1, "SEPARATE_CONNECTION_LOG=1\nLOG_CONNECTION=3\n": 2, "SEPARATE_CONNECTION_LOG=1\nLOG_CONNECTION=128\n": 2} {
		h, err := adaptertest.NewHost(txtar.Parse([]byte("-- file/b/config/imta.cnf --\n-- file/b/config/option.dat --\n" + options)))
		if err != nil {
			t.Fatal(err)
		}
		if in, err := at(t.Context(), h, "/b"); err != nil || len(in.Logs) != want {
			t.Errorf("%q: logs %+v, %v; want %d", options, in.Logs, err, want)
		}
	}
}

// disk is a machine with one directory.
type disk struct {
	adapter.Host
	fs.ReadLinkFS
	vanish string // this file is gone when it is looked at
}

func (d *disk) Open(name string) (fs.File, error)    { return d.ReadLinkFS.Open(name) }
func (d *disk) ReadLink(name string) (string, error) { return d.ReadLinkFS.ReadLink(name) }
func (d *disk) Lstat(name string) (fs.FileInfo, error) {
	if d.vanish != "" && strings.HasSuffix(name, d.vanish) {
		return nil, &fs.PathError{Op: "lstat", Path: name, Err: fs.ErrNotExist}
	}
	return d.ReadLinkFS.Lstat(name)
}

func onDisk(dir string) (*disk, mta.Instance) {
	return &disk{ReadLinkFS: os.DirFS(dir).(fs.ReadLinkFS)}, mta.Instance{MTA: "imta", Name: "imta", QueueDir: "/queue"}
}

// fill makes queue files spread over numbered directories.
func fill(t testing.TB, dir string, n int) {
	t.Helper()
	for i := range n {
		sub := filepath.Join(dir, fmt.Sprintf("%03d", i%9))
		if i < 9 {
			if err := os.MkdirAll(sub, 0o755); err != nil {
				t.Fatal(err)
			}
		}
		if err := os.WriteFile(filepath.Join(sub, fmt.Sprintf("%sq%07d.00", []string{"ZZ", "ZY", "ZA"}[i%3], i)), []byte("x"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// TestCountLimit: beyond the limit of files that are looked at, the number is
// exact and size and age are unknown.
func TestCountLimit(t *testing.T) {
	at := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	files := fstest.MapFS{}
	for channel, n := range map[string]int{"tcp_local": maxStats, "tcp_many": maxStats + 1} {
		for i := range n {
			files[fmt.Sprintf("queue/%s/%03d/%sq%07d.00", channel, i%9, []string{"ZZ", "ZY", "ZA"}[i%3], i)] = &fstest.MapFile{Data: []byte("x"), ModTime: at}
		}
	}
	h, in := &disk{ReadLinkFS: files}, mta.Instance{MTA: "imta", Name: "imta", QueueDir: "/queue"}
	q, err := count(t.Context(), h, in)
	if err != nil || len(q.Queues) != 3 {
		t.Fatal(q, err)
	}
	few, many := q.Queues[0], q.Queues[1]
	if few.Messages != maxStats || few.Bytes != maxStats || few.Oldest.IsZero() || few.Untried.Messages != (maxStats+2)/3 || few.Untried.Oldest.IsZero() {
		t.Errorf("up to the limit: %+v, untried %+v", few, few.Untried)
	}
	if many.Messages != maxStats+1 || many.Bytes != mta.UnknownBytes || !many.Oldest.IsZero() || many.Untried.Messages != (maxStats+3)/3 || !many.Untried.Oldest.IsZero() {
		t.Errorf("beyond it: %+v, untried %+v", many, many.Untried)
	}
	n := 0
	for m, err := range list(t.Context(), h, in) {
		if err != nil || m.Arrived.IsZero() || m.Size != 1 {
			t.Fatalf("%+v, %v", m, err)
		}
		n++
	}
	if n != 2*maxStats+1 {
		t.Errorf("%d messages listed", n)
	}
}

// TestVanished: a message that is delivered while the queue is walked is not counted.
func TestVanished(t *testing.T) {
	dir := t.TempDir()
	fill(t, filepath.Join(dir, "queue", "tcp_local"), 10)
	h, in := onDisk(dir)
	h.vanish = "ZZq0000003.00"
	q, err := count(t.Context(), h, in)
	if err != nil || q.Queues[0].Messages != 9 {
		t.Errorf("%+v, %v", q, err)
	}
	n := 0
	for _, err := range list(t.Context(), h, in) {
		if err != nil {
			t.Fatal(err)
		}
		n++
	}
	if n != 9 {
		t.Errorf("%d messages listed", n)
	}
}

// TestCountAgainstFind compares with what find and wc count.
func TestCountAgainstFind(t *testing.T) {
	if _, err := exec.LookPath("find"); err != nil {
		t.Skip("no find here")
	}
	dir := t.TempDir()
	for _, c := range []string{"tcp_local", "ims-ms", "process"} {
		fill(t, filepath.Join(dir, "queue", c), 700)
	}
	out, err := exec.Command("find", filepath.Join(dir, "queue"), "-type", "f").Output()
	if err != nil {
		t.Fatal(err)
	}
	h, in := onDisk(dir)
	q, err := count(t.Context(), h, in)
	if err != nil {
		t.Fatal(err)
	}
	var n int64
	for _, c := range q.Queues {
		n += c.Messages
	}
	if want := int64(strings.Count(string(out), "\n")); n != want {
		t.Errorf("%d files counted, find sees %d", n, want)
	}
}

// BenchmarkCount counts 100,000 queue files.
func BenchmarkCount(b *testing.B) {
	dir := b.TempDir()
	fill(b, filepath.Join(dir, "queue", "tcp_local"), 90000)
	fill(b, filepath.Join(dir, "queue", "ims-ms"), 10000)
	h, in := onDisk(dir)
	for b.Loop() {
		if q, err := count(b.Context(), h, in); err != nil || q.Queues[0].Messages+q.Queues[1].Messages != 100000 {
			b.Fatal(q, err)
		}
	}
}

// FuzzConfig: no configuration makes the readers fail, and what they give is bounded.
func FuzzConfig(f *testing.F) {
	f.Add("[SERVICE=SMTP]\nPORT=25,465\nMAX_PROCS=5\nMAX_CONNS=16%14\nMAX_LIFE_TIME=86400\n")
	f.Add("a $U@b\n\ndefaults notices 1 2 4\n\ntcp_local smtp \\\n logging\nhost\n")
	f.Add("LOG_FORMAT=4\nLOG_CONNECTION=-1\n<x\n")
	f.Fuzz(func(t *testing.T, text string) {
		for _, s := range parseServices(text) {
			if len(s.ports) == 0 || s.lifetime() < 0 {
				t.Errorf("%+v", s)
			}
			s.isSMTP()
		}
		list := parseChannels(text)
		for _, c := range list {
			if c.name == "" {
				t.Errorf("a channel without a name in %q", text)
			}
		}
		if longestNotices(list, time.Hour) < 0 {
			t.Errorf("notices of %v", list)
		}
		optionNote(parsePairs(text))
		in := includes{read: func(string) string { return text }}
		if out := in.expand(text, 0); len(out) > (maxIncludes+1)*(len(text)+1) {
			t.Errorf("%d bytes of %d", len(out), len(text))
		}
		versionIn(text)
	})
}

// FuzzReadList: an error ends a listing, and no entry is without a queue or
// stands for fewer than no messages.
func FuzzReadList(f *testing.F) {
	files, err := filepath.Glob("testdata/listing-*.txtar")
	if err != nil {
		f.Fatal(err)
	}
	for _, file := range files {
		a, err := txtar.ParseFile(file)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(string(a.Files[0].Data))
	}
	f.Fuzz(func(t *testing.T, text string) {
		failed := false
		for m, err := range readList(io.Reader(strings.NewReader(text))) {
			if failed {
				t.Error("something after an error")
			}
			if failed = err != nil; !failed && (m.Queue == "" || m.Count < 0 || m.Size < -1 || m.Attempts < 0) {
				t.Errorf("%+v", m)
			}
		}
	})
}
