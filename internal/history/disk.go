package history

import (
	"errors"
	"fmt"
	"runtime/debug"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/mtawatch/mtawatch/internal/mta"
)

// The errors that a caller tells apart with errors.Is.
var (
	// ErrFull: the disk has no space for the tick. Later ticks are stored
	// when there is space again; this one is lost.
	ErrFull = errors.New("no space left for the time series")
	// ErrBadQuery: the text of a query or matcher is not valid.
	ErrBadQuery = mta.ErrBadQuery

	errClosed = errors.New("the time-series store is closed")
)

// space gives ErrFull when the file system has less than need bytes.
func (s *Store) space(what string, need int64) error {
	free, err := freeBytes(s.dir)
	if err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	if free >= need {
		return nil
	}
	return fmt.Errorf("%s: %w: %d KiB free on the file system of %s, %d KiB needed; free space, then it goes on by itself",
		what, ErrFull, free>>10, s.dir, need>>10)
}

func freeBytes(dir string) (int64, error) {
	var st unix.Statfs_t
	if err := unix.Statfs(dir, &st); err != nil {
		return 0, fmt.Errorf("statfs %s: %w", dir, err)
	}
	return int64(min(st.Bavail, 1<<40)) * int64(st.Bsize), nil
}

// describe says what was tried and, for a full disk, what to do.
func (s *Store) describe(what string, err error) error {
	if errors.Is(err, ErrFull) || !errors.Is(err, syscall.ENOSPC) && !errors.Is(err, syscall.EDQUOT) {
		return fmt.Errorf("%s: %w", what, err)
	}
	return fmt.Errorf("%s: %w: %w; free space on the file system of %s, then it goes on by itself", what, ErrFull, err, s.dir)
}

// errPanic marks an error that was a panic of the TSDB.
var errPanic = errors.New("the time-series library gave up")

// guard makes an error of a panic: the TSDB panics where it cannot write a
// chunk.
func guard(fn func() error) (err error) {
	defer func() {
		switch p := recover().(type) {
		case nil:
		case error:
			err = fmt.Errorf("%w: %w", errPanic, p)
		default:
			err = fmt.Errorf("%w: %v\n%s", errPanic, p, debug.Stack())
		}
	}()
	return fn()
}
