package drill

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"syscall"
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

// Stop stops processes until the drill is over; none is an error.
func (m *Mending) Stop(pids ...int) error {
	if err := Signal(syscall.SIGSTOP, pids...); err != nil {
		return err
	}
	m.Undo(func() error { return Signal(syscall.SIGCONT, pids...) })
	return nil
}

// Signal sends a signal to processes; none is an error.
func Signal(sig syscall.Signal, pids ...int) error {
	if len(pids) == 0 || pids[0] == 0 {
		return errors.New("no such process runs")
	}
	for _, pid := range pids {
		if err := syscall.Kill(pid, sig); err != nil {
			return fmt.Errorf("signal %d: %w", pid, err)
		}
	}
	return nil
}

// Fill writes a file until no block of its file system is left, as some other
// program's, and removes it when the drill is over.
func (m *Mending) Fill(name string) error {
	f, err := os.Create(name)
	if err != nil {
		return err
	}
	defer f.Close()
	m.Undo(func() error { return os.Remove(name) })
	for err == nil {
		_, err = f.Write(make([]byte, 1<<12))
	}
	if !errors.Is(err, syscall.ENOSPC) {
		return err
	}
	return nil
}
