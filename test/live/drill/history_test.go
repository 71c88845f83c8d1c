//go:build linux

package drill

import (
	"path/filepath"
	"testing"
	"time"
)

func BenchmarkHistoryDay(b *testing.B) {
	for b.Loop() {
		if err := History(b.Context(), filepath.Join(b.TempDir(), "s.db"), 1, time.Now()); err != nil {
			b.Fatal(err)
		}
	}
}
