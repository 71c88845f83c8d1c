package drill

import (
	"slices"
	"testing"
)

// TestFullServers: a server with room for more clients is not stopped, with
// whomever the others are full.
func TestFullServers(t *testing.T) {
	pids, sessions := fullServers(map[int]int{11: 12, 12: 20, 13: 14, 14: 14}, map[int]int{11: 20, 12: 20, 13: 14, 14: 15, 15: 20})
	if slices.Sort(pids); !slices.Equal(pids, []int{11, 12, 14}) || sessions != 46 {
		t.Errorf("%v with %d sessions", pids, sessions)
	}
}
