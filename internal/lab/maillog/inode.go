package maillog

import (
	"io/fs"
	"syscall"
)

// inode is the number of a file; 0 when the system does not tell.
func inode(st fs.FileInfo) uint64 {
	if sys, ok := st.Sys().(*syscall.Stat_t); ok {
		return uint64(sys.Ino)
	}
	return 0
}
