package host

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"sync"

	"golang.org/x/sys/unix"

	"github.com/mtawatch/mtawatch/internal/mta"
)

// ErrProcessGone says that a process to be watched has already ended.
var ErrProcessGone = errors.New("process has ended")

// ErrClosed says that a watch was closed.
var ErrClosed = errors.New("watch is closed")

// An ExitWatcher tells of the end of processes at the moment that it comes,
// by their pidfds. Several goroutines may use it; one at a time may Wait.
type ExitWatcher struct {
	m    *Machine
	wake int // eventfd: the set changed, the context ended, or closed

	lock    sync.Mutex
	watched []watchedProcess
	waiting bool
	closed  bool
}

type watchedProcess struct {
	mta.Process
	fd int
}

// NewExitWatcher makes a watcher of no process yet. Close it after use.
func (m *Machine) NewExitWatcher() (*ExitWatcher, error) {
	fd, err := unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK)
	if err != nil {
		return nil, fmt.Errorf("watch process ends: %w", err)
	}
	return &ExitWatcher{m: m, wake: fd}, nil
}

// Add watches a process that Processes listed: the one with this PID and
// Start, not a later one with the same PID. One that has ended already is
// ErrProcessGone; one that is watched already stays so.
func (w *ExitWatcher) Add(p mta.Process) error {
	w.lock.Lock()
	defer w.lock.Unlock()
	if w.closed {
		return ErrClosed
	}
	if slices.ContainsFunc(w.watched, func(k watchedProcess) bool { return k.PID == p.PID && k.Start.Equal(p.Start) }) {
		return nil
	}
	fd, err := unix.PidfdOpen(p.PID, 0)
	if errors.Is(err, unix.ESRCH) {
		return fmt.Errorf("watch process %d: %w", p.PID, ErrProcessGone)
	}
	if err != nil {
		return fmt.Errorf("watch process %d: %w", p.PID, err)
	}
	// The descriptor now holds one process; ask whether it is the right one.
	if err := w.m.verify(p); err != nil {
		unix.Close(fd)
		return fmt.Errorf("watch process %d: %w", p.PID, err)
	}
	w.watched = append(w.watched, watchedProcess{Process: p, fd: fd})
	w.signal()
	return nil
}

// verify says whether the process with this PID started when p says.
func (m *Machine) verify(p mta.Process) error {
	m.processLock.Lock()
	defer m.processLock.Unlock()
	r := &m.processes
	if err := r.open(m.path("proc")); err != nil {
		return err
	}
	n, err := r.readFile(unix.AT_FDCWD, m.path("proc", strconv.Itoa(p.PID), "stat"))
	if gone(err) {
		return ErrProcessGone
	}
	if err != nil {
		return err
	}
	st, ok := parseStat(r.buf[:n])
	if !ok {
		return errors.New("its stat is not in the form of proc_pid_stat(5)")
	}
	if !r.startTime(st.start).Equal(p.Start) {
		return fmt.Errorf("%w, another has its number", ErrProcessGone)
	}
	return nil
}

// Remove ends the watch of a process; one that is not watched is no error.
func (w *ExitWatcher) Remove(p mta.Process) {
	w.lock.Lock()
	defer w.lock.Unlock()
	w.drop(func(k watchedProcess) bool { return k.PID == p.PID && k.Start.Equal(p.Start) })
	w.signal()
}

// drop forgets processes. While a Wait polls it may ask about a descriptor
// that is closed here; it is woken and builds its set anew.
func (w *ExitWatcher) drop(which func(watchedProcess) bool) {
	w.watched = slices.DeleteFunc(w.watched, func(k watchedProcess) bool {
		if which(k) {
			unix.Close(k.fd)
			return true
		}
		return false
	})
}

// Watched lists the processes that are watched.
func (w *ExitWatcher) Watched() []mta.Process {
	w.lock.Lock()
	defer w.lock.Unlock()
	list := make([]mta.Process, len(w.watched))
	for i, k := range w.watched {
		list[i] = k.Process
	}
	return list
}

// Wait blocks until a watched process ends, gives it as it was added, and
// watches it no more. A process that has ended but was not yet reaped by its
// parent counts as ended. It fails with the error of ctx, or ErrClosed.
func (w *ExitWatcher) Wait(ctx context.Context) (mta.Process, error) {
	if err := w.enter(); err != nil {
		return mta.Process{}, err
	}
	stop := context.AfterFunc(ctx, func() {
		w.lock.Lock()
		defer w.lock.Unlock()
		w.signal()
	})
	defer stop()
	defer w.leave()

	var set []unix.PollFd
	for {
		w.lock.Lock()
		p, ended := w.takeEnded()
		closed := w.closed
		set = append(set[:0], unix.PollFd{Fd: int32(w.wake), Events: unix.POLLIN})
		for _, k := range w.watched {
			set = append(set, unix.PollFd{Fd: int32(k.fd), Events: unix.POLLIN})
		}
		w.lock.Unlock()
		switch {
		case ended:
			return p, nil
		case ctx.Err() != nil:
			return mta.Process{}, context.Cause(ctx)
		case closed:
			return mta.Process{}, ErrClosed
		}
		if _, err := unix.Poll(set, -1); err != nil && err != unix.EINTR {
			return mta.Process{}, fmt.Errorf("wait for process end: %w", err)
		}
		var count [8]byte
		_, _ = unix.Read(w.wake, count[:]) // EAGAIN: it was a process, not a signal
	}
}

// takeEnded finds a watched process that has ended.
func (w *ExitWatcher) takeEnded() (mta.Process, bool) {
	for i, k := range w.watched {
		one := []unix.PollFd{{Fd: int32(k.fd), Events: unix.POLLIN}}
		if n, err := unix.Poll(one, 0); err == nil && n == 1 {
			unix.Close(k.fd)
			w.watched = slices.Delete(w.watched, i, i+1)
			return k.Process, true
		}
	}
	return mta.Process{}, false
}

// signal wakes Wait. The lock is held.
func (w *ExitWatcher) signal() {
	if w.wake < 0 {
		return
	}
	var one [8]byte
	binary.NativeEndian.PutUint64(one[:], 1)
	_, _ = unix.Write(w.wake, one[:]) // EAGAIN: the counter is full, so it wakes anyhow
}

// enter begins a Wait.
func (w *ExitWatcher) enter() error {
	w.lock.Lock()
	defer w.lock.Unlock()
	switch {
	case w.closed:
		return ErrClosed
	case w.waiting:
		return errors.New("wait for process end: another Wait is under way")
	}
	w.waiting = true
	return nil
}

// leave ends a Wait and frees what Close had to leave to it.
func (w *ExitWatcher) leave() {
	w.lock.Lock()
	defer w.lock.Unlock()
	w.waiting = false
	if w.closed {
		w.free()
	}
}

func (w *ExitWatcher) free() {
	w.drop(func(watchedProcess) bool { return true })
	if w.wake >= 0 {
		unix.Close(w.wake)
		w.wake = -1
	}
}

// Close ends the watch; a Wait under way ends with ErrClosed.
func (w *ExitWatcher) Close() error {
	w.lock.Lock()
	defer w.lock.Unlock()
	w.closed = true
	if w.waiting {
		w.signal()
	} else {
		w.free()
	}
	return nil
}
