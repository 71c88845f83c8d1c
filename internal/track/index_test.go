package track

import (
	"math/rand"
	"strconv"
	"strings"
	"testing"
)

// TestIndex adds and removes at random and compares with a map.
func TestIndex(t *testing.T) {
	r := rand.New(rand.NewSource(1))
	x, want := newIndex(), map[string]*message{}
	id := func() string {
		s := strconv.Itoa(r.Intn(3000))
		if len(s) == 2 {
			s = strings.Repeat(s, 16) // too long to be kept in place
		}
		return s
	}
	for step := range 200_000 {
		s := id()
		m := want[s]
		if got := x.find(s); got != m {
			t.Fatalf("step %d: find %q gave %p, want %p", step, s, got, m)
		}
		grow := step/20_000%2 == 0
		switch {
		case m == nil && (grow || r.Intn(4) == 0):
			m = new(message)
			m.id.set(s)
			x.add(m)
			want[s] = m
		case m != nil && (!grow || r.Intn(4) == 0):
			x.remove(m)
			delete(want, s)
		}
		if x.used != len(want) {
			t.Fatalf("step %d: %d in use, want %d", step, x.used, len(want))
		}
	}
	for s, m := range want {
		if x.find(s) != m || m.id.String() != s {
			t.Errorf("%q is not found at the end", s)
		}
	}
}
