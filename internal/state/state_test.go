package state

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func open(t *testing.T, path string) *DB {
	t.Helper()
	d, err := Open(path, Config{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = d.Close() })
	return d
}

func dump(t *testing.T, d *DB, bucket string) map[string]string {
	t.Helper()
	got := map[string]string{}
	if err := d.Each(t.Context(), bucket, func(k string, v []byte) error {
		got[k] = string(v)
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	return got
}

func commit(t *testing.T, d *DB, fill func(*Batch)) {
	t.Helper()
	var b Batch
	fill(&b)
	if err := d.Commit(t.Context(), &b); err != nil {
		t.Fatal(err)
	}
}

func TestBatch(t *testing.T) {
	tests := []struct {
		name string
		fill func(*Batch)
		want map[string]string
	}{
		{"put", func(b *Batch) { b.Put("x", "k", []byte("new")) }, map[string]string{"k": "new", "l": "2"}},
		{"empty value", func(b *Batch) { b.Put("x", "e", nil) }, map[string]string{"k": "1", "l": "2", "e": ""}},
		{"empty key", func(b *Batch) { b.Put("x", "", []byte("v")) }, map[string]string{"k": "1", "l": "2", "": "v"}},
		{"bytes", func(b *Batch) { b.Put("x", "a\x00\xff", []byte("\x00\xfe")) },
			map[string]string{"k": "1", "l": "2", "a\x00\xff": "\x00\xfe"}},
		{"delete", func(b *Batch) { b.Delete("x", "k"); b.Delete("x", "none") }, map[string]string{"l": "2"}},
		{"delete bucket", func(b *Batch) { b.DeleteBucket("x") }, map[string]string{}},
		{"in order", func(b *Batch) {
			b.Put("x", "k", []byte("lost"))
			b.DeleteBucket("x")
			b.Put("x", "k", []byte("kept"))
		}, map[string]string{"k": "kept"}},
		{"other bucket", func(b *Batch) { b.DeleteBucket("y"); b.Put("y", "k", nil) }, map[string]string{"k": "1", "l": "2"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "odd ?%#name", "state.db")
			d := open(t, path)
			commit(t, d, func(b *Batch) { b.Put("x", "k", []byte("1")); b.Put("x", "l", []byte("2")) })
			commit(t, d, tt.fill)
			if diff := cmp.Diff(dump(t, d, "x"), tt.want); diff != "" {
				t.Errorf("before restart (-got +want):\n%s", diff)
			}
			if err := d.Close(); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(dump(t, open(t, path), "x"), tt.want); diff != "" {
				t.Errorf("after restart (-got +want):\n%s", diff)
			}
		})
	}
}

func TestGet(t *testing.T) {
	d := open(t, filepath.Join(t.TempDir(), "state.db"))
	commit(t, d, func(b *Batch) { b.Put("b", "k", []byte("v")); b.Put("b", "empty", nil) })
	for _, tt := range []struct {
		name, key, want string
		ok              bool
	}{{"there", "k", "v", true}, {"empty", "empty", "", true}, {"missing", "none", "", false}} {
		t.Run(tt.name, func(t *testing.T) {
			got, ok, err := d.Get(t.Context(), "b", tt.key)
			if err != nil || ok != tt.ok || string(got) != tt.want {
				t.Errorf("got %q %v %v, want %q %v", got, ok, err, tt.want, tt.ok)
			}
		})
	}
}

func TestBatchReset(t *testing.T) {
	var b Batch
	b.Put("x", "k", []byte("1"))
	b.Reset()
	if b.Len() != 0 {
		t.Fatalf("Len %d after Reset", b.Len())
	}
	b.Put("x", "k", []byte("22"))
	d := open(t, filepath.Join(t.TempDir(), "state.db"))
	if err := d.Commit(t.Context(), &b); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(dump(t, d, "x"), map[string]string{"k": "22"}); diff != "" {
		t.Error(diff)
	}
}

// Each must give every key once, in order, over several pages, and let fn
// use the store.
func TestEachOrder(t *testing.T) {
	d := open(t, filepath.Join(t.TempDir(), "state.db"))
	const n = 1000
	commit(t, d, func(b *Batch) {
		for i := n - 1; i >= 0; i-- {
			b.Put("x", fmt.Sprintf("%05d", i), []byte(strconv.Itoa(i)))
		}
	})
	i := 0
	err := d.Each(t.Context(), "x", func(k string, v []byte) error {
		if k != fmt.Sprintf("%05d", i) || string(v) != strconv.Itoa(i) {
			return fmt.Errorf("%d: got %s=%s", i, k, v)
		}
		i++
		_, _, err := d.Get(t.Context(), "x", k)
		return err
	})
	if err != nil || i != n {
		t.Fatalf("%d keys, %v", i, err)
	}
	stop := errors.New("stop")
	if err := d.Each(t.Context(), "x", func(string, []byte) error { return stop }); !errors.Is(err, stop) {
		t.Errorf("got %v, want fn's error", err)
	}
}

func TestCommitCancelled(t *testing.T) {
	d := open(t, filepath.Join(t.TempDir(), "state.db"))
	commit(t, d, func(b *Batch) { b.Put("x", "k", []byte("old")) })
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	var b Batch
	b.Put("x", "k", []byte("new"))
	if err := d.Commit(ctx, &b); !errors.Is(err, context.Canceled) {
		t.Fatalf("got %v", err)
	}
	if diff := cmp.Diff(dump(t, d, "x"), map[string]string{"k": "old"}); diff != "" {
		t.Error(diff)
	}
	if err := d.Commit(t.Context(), &b); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(dump(t, d, "x"), map[string]string{"k": "new"}); diff != "" {
		t.Error(diff)
	}
}

func TestOpenInUse(t *testing.T) {
	path := filepath.Join(t.TempDir(), "state.db")
	d := open(t, path)
	_, err := Open(path, Config{})
	if !errors.Is(err, ErrInUse) || !strings.Contains(err.Error(), fmt.Sprintf("pid %d", os.Getpid())) ||
		!strings.Contains(err.Error(), path) {
		t.Fatalf("got %v", err)
	}
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	open(t, path)
}

func TestModes(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	d := open(t, filepath.Join(dir, "state.db"))
	commit(t, d, func(b *Batch) { b.Put("x", "k", nil) })
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	if len(entries) < 3 { // the file, its log, the lock
		t.Errorf("only %d files", len(entries))
	}
	for _, e := range entries {
		info, err := e.Info()
		if err != nil {
			t.Fatal(err)
		}
		if info.Mode().Perm() != 0o600 {
			t.Errorf("%s has mode %v", e.Name(), info.Mode())
		}
	}
	if info, err := os.Stat(dir); err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("folder: %v, %v", info.Mode(), err)
	}
}

func TestOpenBad(t *testing.T) {
	tests := []struct {
		name  string
		spoil func(t *testing.T, path string)
		want  error
		hint  string
	}{
		{"garbage", func(t *testing.T, path string) {
			if err := os.WriteFile(path, bytes.Repeat([]byte("not a database\n"), 1000), 0o600); err != nil {
				t.Fatal(err)
			}
		}, ErrCorrupt, "move it"},
		{"overwritten middle", func(t *testing.T, path string) {
			f, err := os.OpenFile(path, os.O_RDWR, 0)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := f.WriteAt(bytes.Repeat([]byte{0xa5}, 8192), 8192); err != nil {
				t.Fatal(err)
			}
			if err := f.Close(); err != nil {
				t.Fatal(err)
			}
		}, ErrCorrupt, "move it"},
		{"newer", func(t *testing.T, path string) { execSQL(t, path, `PRAGMA user_version = 99`) }, ErrNewer, "--data-dir"},
		{"another program's", func(t *testing.T, path string) { execSQL(t, path, `PRAGMA user_version = 0`) }, ErrCorrupt, "--data-dir"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "state.db")
			d := open(t, path)
			commit(t, d, func(b *Batch) {
				for i := range 500 {
					b.Put("x", strconv.Itoa(i), bytes.Repeat([]byte("v"), 100))
				}
			})
			if err := d.Close(); err != nil {
				t.Fatal(err)
			}
			tt.spoil(t, path)
			_, err := Open(path, Config{})
			if !errors.Is(err, tt.want) || !strings.Contains(err.Error(), tt.hint) {
				t.Fatalf("got %v", err)
			}
			// The lock is free again: the advice can be followed.
			if err := os.Rename(path, path+".old"); err != nil {
				t.Fatal(err)
			}
			_ = os.Remove(path + "-wal")
			if got := dump(t, open(t, path), "x"); len(got) != 0 {
				t.Errorf("a new store holds %d keys", len(got))
			}
		})
	}
}

func execSQL(t *testing.T, path, text string) {
	t.Helper()
	d := open(t, path)
	if _, err := d.sql.ExecContext(t.Context(), text); err != nil {
		t.Fatal(err)
	}
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
}

func BenchmarkCommit500(b *testing.B) {
	for _, cfg := range []struct {
		name string
		Config
	}{{"normal", Config{}}, {"powersafe", Config{PowerSafe: true}}} {
		b.Run(cfg.name, func(b *testing.B) {
			d, err := Open(filepath.Join(b.TempDir(), "state.db"), cfg.Config)
			if err != nil {
				b.Fatal(err)
			}
			defer d.Close()
			var batch Batch
			var v [40]byte
			for n := 0; b.Loop(); n++ {
				batch.Reset()
				for i := range 500 {
					batch.Put("counters", "mta_delivery_attempts_total{series="+strconv.Itoa(i)+"}", strconv.AppendInt(v[:20], int64(n), 10))
				}
				if err := d.Commit(b.Context(), &batch); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
