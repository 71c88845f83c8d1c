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
				tt.do(t, path, s)
				stop()
				if diff := cmp.Diff(tt.want, s.lines); diff != "" {
					t.Errorf("lines -want +got:\n%s", diff)
				}
			})
		})
	}
}
