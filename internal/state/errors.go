package state

import (
	"errors"
	"fmt"
	"path/filepath"
	"syscall"

	"modernc.org/sqlite"
	lib "modernc.org/sqlite/lib"
)

// The errors that a caller tells apart with errors.Is.
var (
	// ErrFull: the disk has no space for the change. Nothing of the batch is
	// stored; the same batch can be committed when there is space again.
	ErrFull = errors.New("no space left for the store")
	// ErrInUse: another process has the store open.
	ErrInUse = errors.New("the store is in use")
	// ErrCorrupt: the file is damaged or is no store of ours.
	ErrCorrupt = errors.New("the store cannot be read")
	// ErrNewer: a newer mtawatch wrote the store.
	ErrNewer = errors.New("the store was written by a newer mtawatch")
)

// describe adds to SQLite's errors what they mean and what to do.
func describe(path string, err error) error {
	if errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) {
		return full(path, err)
	}
	var e *sqlite.Error
	if !errors.As(err, &e) {
		return err
	}
	switch e.Code() & 0xff { // the rest says where in SQLite it happened
	case lib.SQLITE_FULL:
		return full(path, err)
	case lib.SQLITE_IOERR:
		// SQLite names a full disk so at some calls, and a quota at all.
		if noSpace(path) {
			return full(path, err)
		}
	case lib.SQLITE_CORRUPT, lib.SQLITE_NOTADB:
		return damaged(path, err)
	}
	return err
}

func full(path string, err error) error {
	return fmt.Errorf("%w: %w; free space on the file system of %s, then it goes on by itself",
		ErrFull, err, filepath.Dir(path))
}

func damaged(path string, err error) error {
	return fmt.Errorf("%w: %s is damaged (%w); move it and its -wal file away and start again: the logs are then read anew",
		ErrCorrupt, path, err)
}

// noSpace says whether the file system has less than a few pages left.
func noSpace(path string) bool {
	var s syscall.Statfs_t
	if err := syscall.Statfs(filepath.Dir(path), &s); err != nil {
		return false
	}
	return s.Bavail*uint64(s.Bsize) < 64<<10
}
