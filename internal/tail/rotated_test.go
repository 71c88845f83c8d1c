package tail

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/klauspost/compress/zstd"
)

func TestRotated(t *testing.T) {
	tests := []struct {
		name, log   string
		files, want []string
	}{
		{name: "alone", log: "mail.log", files: []string{"mail.log", "mail.err", "mail.log.save", "mail.log.gz.txt"}, want: []string{"mail.log"}},
		{name: "numbers", log: "mail.log", files: []string{"mail.log", "mail.log.1", "mail.log.2.gz", "mail.log.10.gz", "mail.log.3.xz"},
			want: []string{"mail.log.10.gz", "mail.log.3.xz", "mail.log.2.gz", "mail.log.1", "mail.log"}},
		{name: "newsyslog", log: "maillog", files: []string{"maillog.0.bz2", "maillog", "maillog.1.bz2"}, want: []string{"maillog.1.bz2", "maillog.0.bz2", "maillog"}},
		{name: "dates", log: "mail.log", files: []string{"mail.log-20261121", "mail.log-20261120.gz", "mail.log-20261121-1764000000.zst", "mail.log"},
			want: []string{"mail.log-20261120.gz", "mail.log-20261121", "mail.log-20261121-1764000000.zst", "mail.log"}},
		{name: "postfix logrotate", log: "maillog", files: []string{"maillog.20261120-235959.gz", "maillog.20261121-000001", "maillog"},
			want: []string{"maillog.20261120-235959.gz", "maillog.20261121-000001", "maillog"}},
		{name: "kept extension", log: "mail.log", files: []string{"mail-20261120.log.gz", "mail-20261121.log", "mail.log"}, want: []string{"mail-20261120.log.gz", "mail-20261121.log", "mail.log"}},
		{name: "compression under way", log: "mail.log", files: []string{"mail.log.1", "mail.log.1.gz", "mail.log"}, want: []string{"mail.log.1", "mail.log"}},
		{name: "log itself gone", log: "mail.log", files: []string{"mail.log.1"}, want: []string{"mail.log.1"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			dir := t.TempDir()
			for _, f := range tt.files {
				writeFile(t, filepath.Join(dir, f), f+"\n")
			}
			got, err := Rotated(filepath.Join(dir, tt.log))
			if err != nil {
				t.Fatal(err)
			}
			for i := range got {
				got[i] = filepath.Base(got[i])
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
			// The same order by names alone, given in any order.
			sorted, err := InTimeOrder(paths(dir, slices.Sorted(slices.Values(tt.want))))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(paths(dir, tt.want), sorted); diff != "" {
				t.Errorf("in time order: -want +got:\n%s", diff)
			}
		})
	}
	if _, err := Rotated(filepath.Join(t.TempDir(), "none", "mail.log")); err == nil {
		t.Error("no error for a directory that is not there")
	}
}

func paths(dir string, names []string) []string {
	var ps []string
	for _, n := range names {
		ps = append(ps, filepath.Join(dir, n))
	}
	return ps
}

func writeFile(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// packWith compresses a file in place with a program of the machine.
func packWith(t *testing.T, program, path string) {
	t.Helper()
	if _, err := exec.LookPath(program); err != nil {
		t.Skipf("no %s here", program)
	}
	if out, err := exec.Command(program, "-f", path).CombinedOutput(); err != nil {
		t.Fatalf("%s: %v: %s", program, err, out)
	}
}

func TestReadAllKindsOfCompression(t *testing.T) {
	dir := t.TempDir()
	log := filepath.Join(dir, "mail.log")
	var want []string
	write := func(name string, n int) string {
		path := filepath.Join(dir, name)
		line := name + " " + strings.Repeat("y", 90)
		writeFile(t, path, strings.Repeat(line+"\n", n))
		want = append(want, slices.Repeat([]string{line}, n)...)
		return path
	}
	packWith(t, "xz", write("mail.log.5", 3000))
	packWith(t, "bzip2", write("mail.log.4", 3000))
	zst := write("mail.log.3", 3000)
	data, err := os.ReadFile(zst)
	if err != nil {
		t.Fatal(err)
	}
	enc, err := zstd.NewWriter(nil)
	if err != nil {
		t.Fatal(err)
	}
	// Known by its bytes, not by its name.
	writeFile(t, zst, string(enc.EncodeAll(data, nil)))
	gzipFile(t, write("mail.log.2", 3000), func() {})
	write("mail.log.1", 3000)
	write("mail.log", 1)
	all, err := Rotated(log)
	if err != nil {
		t.Fatal(err)
	}
	slices.Reverse(all)
	s := &store{}
	if err := ReadAll(t.Context(), Config{BatchBytes: 10000}, all, s); err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(s.lines, want) {
		t.Errorf("%d lines, want %d: %s", len(s.lines), len(want), firstDiff(s.lines, want))
	}
	if !s.last.AtEnd || s.last.Source != log {
		t.Errorf("last batch: %+v", s.last)
	}
}

func TestReadAllDamaged(t *testing.T) {
	dir := t.TempDir()
	for _, program := range []string{"gzip", "bzip2", "xz", "zstd"} {
		t.Run(program, func(t *testing.T) {
			path := filepath.Join(dir, program+".log.1")
			var text strings.Builder
			for i := range 40000 {
				text.WriteString(time.Unix(int64(i)*7919, 0).UTC().Format(time.RFC3339) + "\n")
			}
			writeFile(t, path, text.String())
			packWith(t, program, path)
			os.Remove(path)
			all, err := Rotated(filepath.Join(dir, program+".log"))
			if err != nil || len(all) != 1 {
				t.Fatal(all, err)
			}
			st, err := os.Stat(all[0])
			if err != nil {
				t.Fatal(err)
			}
			if err := os.Truncate(all[0], st.Size()/2); err != nil {
				t.Fatal(err)
			}
			good := filepath.Join(dir, "good.log")
			writeFile(t, good, "good\n")
			s := &store{}
			err = ReadAll(t.Context(), Config{}, append(all, good), s)
			if err == nil || !strings.Contains(err.Error(), all[0]) {
				t.Errorf("error %v does not name the damaged file", err)
			}
			if !slices.Contains(s.lines, "good") {
				t.Error("the next file was not read")
			}
		})
	}
}

func TestReadAllEnds(t *testing.T) {
	path := filepath.Join(t.TempDir(), "mail.log")
	writeFile(t, path, "a\nb\n")
	if err := ReadAll(t.Context(), Config{}, []string{path}, &store{crash: 1}); !errors.Is(err, errCrash) {
		t.Errorf("error of the sink: got %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := ReadAll(ctx, Config{}, []string{path}, &store{}); !errors.Is(err, context.Canceled) {
		t.Errorf("ended context: got %v", err)
	}
	if err := ReadAll(t.Context(), Config{}, []string{path + ".9", filepath.Dir(path)}, &store{}); err == nil ||
		!strings.Contains(err.Error(), "mail.log.9") || !strings.Contains(err.Error(), "is a directory") {
		t.Errorf("missing file and directory: got %v", err)
	}
}

// TestRotatedMixed has a log that logrotate numbers and "postfix logrotate"
// dates: the modification times order the two kinds among each other.
func TestRotatedMixed(t *testing.T) {
	dir := t.TempDir()
	log := filepath.Join(dir, "mail.log")
	want := []string{"mail.log.3", "mail.log.20261123-120005.gz", "mail.log.2", "mail.log.1", "mail.log.20261123-120030", "mail.log"}
	for i, name := range want {
		p := filepath.Join(dir, name)
		if err := os.WriteFile(p, []byte("x\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		at := time.Date(2026, 11, 23, 12, 0, 5*i, 0, time.UTC)
		if err := os.Chtimes(p, at, at); err != nil {
			t.Fatal(err)
		}
	}
	got, err := Rotated(log)
	if err != nil {
		t.Fatal(err)
	}
	for i := range got {
		got[i] = filepath.Base(got[i])
	}
	if !slices.Equal(got, want) {
		t.Errorf("Rotated = %v, want %v", got, want)
	}
}
