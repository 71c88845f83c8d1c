//go:build linux

package world

import (
	"os"
	"strconv"
	"testing"
)

// Number gives a size from the environment, for longer runs by hand; usual
// where it is not set.
func Number(t testing.TB, name string, usual int) int {
	t.Helper()
	v := os.Getenv(name)
	if v == "" {
		return usual
	}
	n, err := strconv.Atoi(v)
	if err != nil {
		t.Fatalf("read %s: %v", name, err)
	}
	return n
}
