package host

import (
	"fmt"

	"golang.org/x/sys/unix"

	"github.com/mtawatch/mtawatch/internal/mta"
)

// Disk gives the space of the file system of an absolute path: what an
// ordinary user may still write, and in all. Its Time is not set.
func (m *Machine) Disk(path string) (mta.Disk, error) {
	var s unix.Statfs_t
	for {
		err := unix.Statfs(m.path(path), &s)
		if err == nil {
			break
		}
		if err != unix.EINTR {
			return mta.Disk{}, fmt.Errorf("read free space of %s: %w", path, err)
		}
	}
	size := uint64(s.Bsize)
	return mta.Disk{Free: s.Bavail * size, Size: s.Blocks * size, FreeInodes: s.Ffree, Inodes: s.Files}, nil
}
