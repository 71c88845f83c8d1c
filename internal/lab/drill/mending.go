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
	if len(pids) == 0 {
		return errNoProcess
	}
	for _, pid := range pids { // each by itself: where a later one has ended, the others go on all the same
		if err := Signal(syscall.SIGSTOP, pid); err != nil {
			return err
		}
		m.Undo(func() error { return Signal(syscall.SIGCONT, pid) })
	}
	return nil
}

var errNoProcess = errors.New("no such process runs")

// Signal sends a signal to processes; none is an error.
func Signal(sig syscall.Signal, pids ...int) error {
	if len(pids) == 0 {
		return errNoProcess
	}
	for _, pid := range pids {
		if pid <= 0 { // kill(2) would take it for a group of processes, 0 for one's own
			return errNoProcess
		}
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
