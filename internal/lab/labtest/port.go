// Package labtest holds what the tests of the practice MTA's parts have in common.
package labtest

import (
	"fmt"
	"math/rand/v2"
	"net"
	"testing"
)

// FreePort gives a port of the loopback that is free, and below those that the
// kernel gives to clients: it stays so between two starts of a daemon.
func FreePort(t testing.TB) int {
	t.Helper()
	for range 100 {
		port := 10_000 + rand.IntN(20_000)
		if l, err := net.Listen("tcp4", fmt.Sprintf("127.0.0.1:%d", port)); err == nil {
			_ = l.Close()
			return port
		}
	}
	t.Fatal("no free port")
	return 0
}
