package tail

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

// disturbed is a store that does something when a line comes, before more is read.
type disturbed struct {
	*store
	at string
	do func()
}

func (d *disturbed) Batch(ctx context.Context, b Batch) error {
	err := d.store.Batch(ctx, b)
	if strings.HasPrefix(b.Text, d.at) {
		d.do()
	}
	return err
}

func rename(t *testing.T, from, to string) {
	t.Helper()
	if err := os.Rename(from, to); err != nil {
		t.Fatal(err)
	}
}

// TestWhatComesBetween rotates at the moments when little is known of a file:
// nothing was read of it, less than a line, or it is a copy that is still empty.
func TestWhatComesBetween(t *testing.T) {
	tests := []struct {
		name string
		do   func(t *testing.T, path string, s *disturbed)
		want []string
	}{
		{"copied and refilled after half a line", func(t *testing.T, path string, _ *disturbed) {
			writeFile(t, path, "line 00")
			letPass(time.Second)
			appendFile(t, path, "01\n")
			writeFile(t, path+".1", "line 0001\n")
			writeFile(t, path, "line 0002 and more\n")
			letPass(time.Second)
		}, []string{"line 0001", "line 0002 and more"}},
		{"half a line, then renamed", func(t *testing.T, path string, _ *disturbed) {
			writeFile(t, path, "half")
			letPass(time.Second)
			rename(t, path, path+".1")
			writeFile(t, path, "b\n")
			letPass(time.Minute)
			writeFile(t, path, "b\nc\n")
			letPass(time.Second)
		}, []string{"half", "b", "c"}},
		{"a copy that stays empty for long", func(t *testing.T, path string, _ *disturbed) {
			writeFile(t, path, "a\n")
			letPass(time.Second)
			rename(t, path, path+".2")
			writeFile(t, path+".1", "")
			writeFile(t, path, "b\n")
			letPass(10 * time.Second)
			writeFile(t, path+".1", "b\n")
			letPass(time.Second)
			writeFile(t, path, "c\n")
			letPass(time.Second)
		}, []string{"a", "b", "c"}},
		{"a copy that was empty, and is half a line for long", func(t *testing.T, path string, s *disturbed) {
			s.at, s.do = "a", func() { appendFile(t, path+".1", "b a") }
			writeFile(t, path+".2", "a\n")
			writeFile(t, path+".1", "")
			writeFile(t, path, "b and more\n")
			letPass(10 * time.Second)
			writeFile(t, path+".1", "b and more\n")
			writeFile(t, path, "")
			letPass(time.Second)
			writeFile(t, path, "c\n")
			letPass(time.Second)
		}, []string{"a", "b and more", "c"}},
		{"half a line, and the next begins like it", func(t *testing.T, path string, s *disturbed) {
			s.at, s.do = "a", func() { appendFile(t, path+".1", "b a") }
			writeFile(t, path+".2", "a\n")
			writeFile(t, path+".1", "")
			writeFile(t, path, "b ab\n")
			letPass(10 * time.Second)
			appendFile(t, path+".1", "a\n")
			letPass(time.Second)
			appendFile(t, path, "c\n")
			letPass(time.Second)
		}, []string{"a", "b ab", "b aa", "c"}},
		{"half a line twice, and the older is more first", func(t *testing.T, path string, s *disturbed) {
			s.at, s.do = "a", func() { appendFile(t, path+".1", "b a") }
			writeFile(t, path+".2", "a\n")
			writeFile(t, path+".1", "")
			writeFile(t, path, "b a")
			letPass(10 * time.Second)
			appendFile(t, path+".1", "a\n")
			letPass(2 * time.Minute)
			appendFile(t, path, "b\n")
			letPass(time.Second)
		}, []string{"a", "b aa", "b ab"}},
		{"a copy that was empty, and the log truncated at once", func(t *testing.T, path string, _ *disturbed) {
			writeFile(t, path, "a\n")
			letPass(time.Second)
			rename(t, path, path+".2")
			writeFile(t, path+".1", "")
			writeFile(t, path, "")
			letPass(90 * time.Second)
			writeFile(t, path+".1", "b\n")
			writeFile(t, path, "c\n")
			letPass(time.Second)
		}, []string{"a", "b", "c"}},
		{"late lines in a file that was left empty", func(t *testing.T, path string, _ *disturbed) {
			writeFile(t, path, "")
			letPass(time.Second)
			rename(t, path, path+".1")
			writeFile(t, path, "b")
			letPass(10 * time.Second)
			appendFile(t, path+".1", "a\n")
			letPass(2 * time.Minute) // it is watched no more
			appendFile(t, path, "\n")
			letPass(time.Second)
		}, []string{"a", "b"}},
		{"copied, renamed and compressed before it is read", func(t *testing.T, path string, s *disturbed) {
			s.at, s.do = "a", func() {
				s.at = "never"
				rename(t, path+".1", path+".3")
				writeFile(t, path+".2", "b\n") // the copy
				writeFile(t, path, "c\n")      // truncated and written anew
				rename(t, path, path+".1")
				gzipFile(t, path+".1", func() {})
				writeFile(t, path, "d\n")
			}
			writeFile(t, path+".1", "a\n")
			writeFile(t, path, "b\n")
			letPass(time.Minute)
		}, []string{"a", "b", "c", "d"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				path := filepath.Join(t.TempDir(), "mail.log")
				s := &disturbed{store: &store{}, at: "never"}
				stop := runInto(t, Config{StartRotated: true}, path, "", s)
				synctest.Wait() // it waits for the log, and looks when time passes
				tt.do(t, path, s)
				stop()
				if diff := cmp.Diff(tt.want, s.lines); diff != "" {
					t.Errorf("lines -want +got:\n%s", diff)
				}
			})
		})
	}
}

// TestFirstLineIsLong reads a first line that is longer than what is read at
// once, and than what is kept; the place behind half of it holds.
func TestFirstLineIsLong(t *testing.T) {
	long := strings.Repeat("a", 50)
	for _, tt := range []struct {
		name string
		cfg  Config
		text string
		want []string
	}{
		{"than a batch", Config{BatchBytes: 20}, long + "\n", []string{long, "b"}},
		{"than a line may be", Config{MaxLine: 20}, long, []string{long[:20], "b"}},
		{"after a hole", Config{MaxLine: 20, BatchBytes: 10}, strings.Repeat("\x00", 30) + long, []string{long[:20], "b"}},
		{"than what a file is known by", Config{MaxLine: 20, BatchBytes: 10}, strings.Repeat(long, 50), []string{long[:20], "b"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				path := filepath.Join(t.TempDir(), "mail.log")
				s := &store{}
				writeFile(t, path, tt.text)
				stop := run(t, tt.cfg, path, "", s)
				letPass(time.Second)
				rename(t, path, path+".1")
				letPass(time.Second)
				writeFile(t, path, "b\n")
				letPass(5 * time.Second)
				stop()
				stop = run(t, tt.cfg, path, s.place, s)
				letPass(time.Minute)
				stop()
				if diff := cmp.Diff(tt.want, s.lines); diff != "" || len(s.spots) > 0 {
					t.Errorf("blind spots %v; lines -want +got:\n%s", s.spots, diff)
				}
			})
		})
	}
}
