package tail

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestReadEnd(t *testing.T) {
	var all strings.Builder
	for i := range 1000 {
		fmt.Fprintf(&all, "line %04d\n", i) // 10 bytes each
	}
	want := func(from, to int) []string {
		var list []string
		for i := from; i < to; i++ {
			list = append(list, fmt.Sprintf("line %04d", i))
		}
		return list
	}
	tests := []struct {
		name, text string
		most       int64
		want       []string
	}{
		{"empty", "", 100, nil},
		{"whole file", all.String(), 1 << 20, want(0, 1000)},
		{"from a line's beginning", all.String(), 100, want(990, 1000)},
		{"from within a line", all.String(), 105, want(990, 1000)},
		{"over several batches", all.String(), 5000, want(500, 1000)},
		{"an unfinished last line", all.String() + "line", 104, want(990, 1000)},
		{"one long line only", strings.Repeat("x", 5000), 2000, nil},
		{"the end of a long line, then one", strings.Repeat("x", 5000) + "\nline 0000\n", 2000, want(0, 1)},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "mail.log")
			writeFile(t, path, tt.text)
			s := &store{}
			if err := ReadEnd(t.Context(), Config{BatchBytes: 333}, path, tt.most, s); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, s.lines); diff != "" {
				t.Errorf("lines -want +got:\n%s", diff)
			}
			if !s.last.AtEnd {
				t.Error("the last batch does not tell the end")
			}
		})
	}
	path := filepath.Join(t.TempDir(), "mail.log")
	writeFile(t, path, "a\nb\n")
	if err := ReadEnd(t.Context(), Config{}, path, 100, &store{crash: 1}); !errors.Is(err, errCrash) {
		t.Errorf("the sink's error: got %v", err)
	}
}

// TestOpenPlain opens what is no regular file; a named pipe must not block.
func TestOpenPlain(t *testing.T) {
	dir := t.TempDir()
	pipe := filepath.Join(dir, "pipe")
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct{ name, path, want string }{
		{"named pipe", pipe, "is a named pipe"},
		{"directory", dir, "is a directory"},
		{"device", os.DevNull, "is no regular file"},
		{"missing", filepath.Join(dir, "none"), "no such file"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f, _, err := OpenPlain(tt.path)
			if err == nil {
				f.Close()
			}
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want %q", err, tt.want)
			}
		})
	}
}
