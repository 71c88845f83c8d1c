package host

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// FreeSpace gives the bytes that an ordinary user may still write to the file
// system of an absolute path, and its size.
func (m *Machine) FreeSpace(path string) (free, total uint64, err error) {
	var s unix.Statfs_t
	for {
		err = unix.Statfs(m.path(path), &s)
		if err != unix.EINTR {
			break
		}
	}
	if err != nil {
		return 0, 0, fmt.Errorf("read free space of %s: %w", path, err)
	}
	size := uint64(s.Bsize)
	return s.Bavail * size, s.Blocks * size, nil
}

// FreeInodes gives how many files may still be made on the file system of an
// absolute path, and how many it can hold; 0 and 0 where it does not count them.
func (m *Machine) FreeInodes(path string) (free, total uint64, err error) {
	var s unix.Statfs_t
	for {
		err = unix.Statfs(m.path(path), &s)
		if err != unix.EINTR {
			break
		}
	}
	if err != nil {
		return 0, 0, fmt.Errorf("read free inodes of %s: %w", path, err)
	}
	return s.Ffree, s.Files, nil
}
