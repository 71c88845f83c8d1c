package drill

import (
	"context"
	"errors"
	"slices"
)

// Mending is what a drill has broken and must put right. The zero value is
// ready; one goroutine uses it.
type Mending struct{ undo []func() error }

// Undo says how to mend what was just broken. The last is done first.
func (m *Mending) Undo(f func() error) { m.undo = append(m.undo, f) }

// During runs f until the drill is over, or ctx ends.
func (m *Mending) During(ctx context.Context, f func(ctx context.Context)) {
	ctx, cancel := context.WithCancel(ctx)
	done := make(chan struct{})
	go func() {
		defer close(done)
		f(ctx)
	}()
	m.Undo(func() error {
		cancel()
		<-done
		return nil
	})
}

// Mend undoes all that the drill did. Each is undone, whatever failed before.
func (m *Mending) Mend() error {
	var all error
	for _, f := range slices.Backward(m.undo) {
		all = errors.Join(all, f())
	}
	m.undo = nil
	return all
}
