package state

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"

	"github.com/mtawatch/mtawatch/internal/childtest"
)

// TestKill kills a committing process several times. Every commit that the
// process had announced must be there, and none may be there in part.
func TestKill(t *testing.T) {
	if dir := childtest.Dir(); dir != "" {
		commitForever(t, dir)
		return
	}
	dir := t.TempDir()
	var last int
	for range 5 {
		last = childtest.Kill(t, dir, 50)
		d := open(t, filepath.Join(dir, "state.db"))
		if got := counter(t, d); got < last {
			t.Fatalf("%d is stored, %d was acknowledged", got, last)
		}
		if err := d.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if last < 250 {
		t.Fatalf("only %d commits were seen", last)
	}
}

// counter checks that all hundred keys tell the same number, and gives it.
func counter(t *testing.T, d *DB) int {
	t.Helper()
	got := dump(t, d, "x")
	first := got["0"]
	for k, v := range got {
		if v != first || len(got) != 100 {
			t.Fatalf("a part of a batch: %d keys, 0=%s %s=%s", len(got), first, k, v)
		}
	}
	n, _ := strconv.Atoi(first) // 0 in a new store
	return n
}

func commitForever(t *testing.T, dir string) {
	d := open(t, filepath.Join(dir, "state.db"))
	for n := counter(t, d) + 1; ; n++ {
		commit(t, d, func(b *Batch) {
			for k := range 100 {
				b.Put("x", strconv.Itoa(k), strconv.AppendInt(nil, int64(n), 10))
			}
		})
		if _, err := fmt.Println(n); err != nil {
			return // our reader is gone
		}
	}
}

// TestFull fills a real small file system under the store.
func TestFull(t *testing.T) {
	if dir := childtest.Dir(); dir != "" {
		fillDisk(t, dir)
		return
	}
	childtest.OwnMounts(t)
}

func fillDisk(t *testing.T, dir string) {
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=2m"); err != nil {
		t.Fatal(err)
	}
	ballast := filepath.Join(dir, "ballast")
	childtest.Fill(t, ballast, 0)
	if _, err := Open(filepath.Join(dir, "state.db"), Config{}); !errors.Is(err, ErrFull) {
		t.Errorf("open on a full disk: got %v", err)
	}
	if err := os.Remove(ballast); err != nil {
		t.Fatal(err)
	}
	d := open(t, filepath.Join(dir, "state.db"))
	stored := 0
	put := func() error {
		var b Batch
		for k := range 100 {
			b.Put("x", strconv.Itoa(k), fmt.Appendf(nil, "%0500d", stored+1))
		}
		err := d.Commit(context.Background(), &b)
		if err == nil {
			stored++
		}
		return err
	}
	for round := range 3 {
		if err := put(); err != nil {
			t.Fatalf("round %d with space: %v", round, err)
		}
		childtest.Fill(t, ballast, 16<<10)
		var err error
		for range 1000 {
			if err = put(); err != nil {
				break
			}
		}
		if !errors.Is(err, ErrFull) {
			t.Fatalf("round %d: got %v, want ErrFull", round, err)
		}
		t.Logf("round %d: %v", round, err)
		if got := counter(t, d); got != stored {
			t.Fatalf("round %d: %d is read, %d was acknowledged", round, got, stored)
		}
		if err := os.Remove(ballast); err != nil {
			t.Fatal(err)
		}
		if err := put(); err != nil {
			t.Fatalf("round %d, space is back: %v", round, err)
		}
		if err := d.Close(); err != nil {
			t.Fatal(err)
		}
		d = open(t, filepath.Join(dir, "state.db"))
		if got := counter(t, d); got != stored {
			t.Fatalf("round %d: %d after a restart, %d was acknowledged", round, got, stored)
		}
	}
}
