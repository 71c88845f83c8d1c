package tail

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/mtawatch/mtawatch/internal/mta"
)

// drain throws batches away and stops a follower at the end of its file.
type drain struct {
	bytes int
	stop  func()
}

func (d *drain) Batch(_ context.Context, b Batch) error { d.bytes += len(b.Text); return nil }
func (d *drain) Blind(string, *mta.BlindSpot)           {}
func (d *drain) Idle(context.Context, string) error     { d.stop(); return nil }

// bigLog writes a log of about 256 MB, which stays in the page cache.
func bigLog(b *testing.B) (string, int64) {
	path := filepath.Join(b.TempDir(), "mail.log")
	f, err := os.Create(path)
	if err != nil {
		b.Fatal(err)
	}
	defer f.Close()
	line := "2026-11-23T12:00:00.123456+00:00 mail postfix/smtp[4711]: 4cXk2q1Z3nz9v: to=<b@example.net>, status=sent (250 2.0.0 Ok: queued)\n"
	block := strings.Repeat(line, 8000)
	var size int64
	for range 256 {
		n, err := f.WriteString(block)
		if err != nil {
			b.Fatal(err)
		}
		size += int64(n)
	}
	return path, size
}

func BenchmarkFollow(b *testing.B) {
	path, size := bigLog(b)
	b.SetBytes(size)
	for b.Loop() {
		ctx, cancel := context.WithCancel(b.Context())
		d := &drain{stop: cancel}
		Follow(ctx, Config{}, mta.LogSource{Kind: mta.LogFile, Path: path}, "", d)
		if int64(d.bytes) != size {
			b.Fatalf("read %d bytes of %d", d.bytes, size)
		}
	}
}

func BenchmarkReadAll(b *testing.B) {
	path, size := bigLog(b)
	b.SetBytes(size)
	for b.Loop() {
		d := &drain{stop: func() {}}
		if err := ReadAll(b.Context(), Config{}, []string{path}, d); err != nil || int64(d.bytes) != size {
			b.Fatal(d.bytes, err)
		}
	}
}
