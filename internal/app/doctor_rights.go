package app

import (
	"fmt"
	"io/fs"
	"os/user"
	"path/filepath"
	"strconv"
	"syscall"

	"github.com/mtawatch/mtawatch/internal/adapter"
	"github.com/mtawatch/mtawatch/internal/mta"
)

// rights says what lets mtawatch read below a path of a mail server that has
// all in one tree and a user of its own: the group of what is closed where
// that opens it, else a capability. It needs no root.
func rights(h fs.FS, path string) string {
	dir, info := closed(h, path)
	st, ok := (*syscall.Stat_t)(nil), false
	if info != nil {
		st, ok = info.Sys().(*syscall.Stat_t)
	}
	if !ok {
		return "give mtawatch CAP_DAC_READ_SEARCH (AmbientCapabilities= in the unit), or run it as the mail server's own user"
	}
	need := fs.FileMode(0o040) // read
	if info.IsDir() {
		need = 0o050 // list and enter
	}
	group, owner := groupName(st.Gid), userName(st.Uid)
	if info.Mode()&need == need {
		return fmt.Sprintf("usermod -aG %s USER, for the user that mtawatch runs as: %s is open to that group", group, dir)
	}
	return fmt.Sprintf("%s is closed to all but its owner %s: give mtawatch CAP_DAC_READ_SEARCH (AmbientCapabilities= in the unit), or run it as %s; "+
		"or open it to the group, `chmod g+rX %s`, and usermod -aG %s USER", dir, owner, owner, dir, group)
}

// closed gives the deepest part of a path that can be looked at: what is
// below it may not be.
func closed(h fs.FS, path string) (string, fs.FileInfo) {
	for dir := filepath.Clean(path); ; dir = filepath.Dir(dir) {
		if info, err := fs.Stat(h, adapter.Rooted(dir)); err == nil {
			return dir, info
		}
		if dir == "/" || dir == "." {
			return dir, nil
		}
	}
}

func groupName(gid uint32) string {
	id := strconv.FormatUint(uint64(gid), 10)
	if g, err := user.LookupGroupId(id); err == nil {
		return g.Name
	}
	return "of number " + id
}

func userName(uid uint32) string {
	id := strconv.FormatUint(uint64(uid), 10)
	if u, err := user.LookupId(id); err == nil {
		return u.Username
	}
	return "number " + id
}

// startOf says how to start an instance.
func startOf(in mta.Instance) string {
	if in.BaseDir == "" {
		return "start the mail server"
	}
	return "start the mail server: `start-msg dispatcher`, `start-msg job_controller` (older releases: `imsimta start`)"
}
