package app

import (
	"errors"
	"fmt"
	"io/fs"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"syscall"

	"github.com/mtawatch/mtawatch/internal/adapter"
	"github.com/mtawatch/mtawatch/internal/config"
	"github.com/mtawatch/mtawatch/internal/mta"
)

// countAdvice says what helps when a queue could not be counted.
func (d *doctor) countAdvice(in mta.Instance, err error) string {
	switch denied := errors.Is(err, fs.ErrPermission); {
	case in.QueueDir == "":
		return nameQueue(in)
	case denied && (in.BaseDir != "" || d.root):
		return d.rights(in.QueueDir)
	case denied:
		return "run as root, or with CAP_DAC_READ_SEARCH (AmbientCapabilities= in the unit); without it the queue is listed instead, more rarely"
	case errors.Is(err, fs.ErrNotExist) && in.NeverRan:
		return "start the mail server once: it makes its queue"
	case errors.Is(err, fs.ErrNotExist):
		return "give the right queue_dir of the instance in the configuration of mtawatch"
	}
	return "see the disk and the kernel's log"
}

// nameQueue says how a queue that is not known where it is can be known.
func nameQueue(in mta.Instance) string {
	keys := "`queue_dir:` and `config_dir:`"
	if in.MTA != "postfix" {
		keys = "`base_dir:` or `queue_dir:`"
	}
	return "set " + keys + " of the instance in the configuration file, or start the mail server, so that it is found"
}

// logAdvice says what helps when a log could not be opened.
func (d *doctor) logAdvice(in mta.Instance, l mta.LogSource, err error) string {
	named := slices.ContainsFunc(d.s.cfg.Instances, func(c config.Instance) bool { return c.Name == in.Name && c.LogFile == l.Path })
	switch {
	case errors.Is(err, fs.ErrPermission):
		return d.rights(l.Path)
	case errors.Is(err, fs.ErrNotExist) && named:
		return "check the path under `log_file:` of the instance in the configuration file: it is not there, or the mail server writes elsewhere, or has written nothing yet"
	case errors.Is(err, fs.ErrNotExist):
		return "it comes with the mail server's first line; if that writes elsewhere, set `log_file:` of the instance in the configuration file"
	}
	return "see the disk and the kernel's log; if the mail server writes elsewhere, set `log_file:` of the instance in the configuration file"
}

// rootRefused is the advice where root itself is not permitted.
const rootRefused = "mtawatch runs as root and is refused all the same: leave it CAP_DAC_READ_SEARCH and CAP_SYS_PTRACE (CapabilityBoundingSet= in the unit, the capabilities of the container), " +
	"or, on a network file system that refuses root, run it as the owner"

// orRoot gives advice that begins with running as root, where we do not yet.
func (d *doctor) orRoot(advice string) string {
	if d.root {
		return rootRefused
	}
	return advice
}

// rights says what lets mtawatch read below a path of a mail server that has
// all in one tree and a user of its own: the group of what is closed where
// that opens it, else a capability. It needs no root.
func (d *doctor) rights(path string) string {
	if d.root {
		return rootRefused
	}
	return rights(d.s.machine, path)
}

func rights(h fs.ReadLinkFS, path string) string {
	const capability = "give mtawatch CAP_DAC_READ_SEARCH (AmbientCapabilities= in the unit)"
	name, info := closed(h, path)
	st, ok := (*syscall.Stat_t)(nil), false
	if info != nil {
		st, ok = info.Sys().(*syscall.Stat_t)
	}
	if !ok {
		return capability + ", or run it as the mail server's own user"
	}
	need := fs.FileMode(0o4) // read
	if info.IsDir() {
		need = 0o5 // list and enter
	}
	group, owner, mode := groupName(st.Gid), userName(st.Uid), info.Mode()
	switch {
	case mode&need == need: // what is closed lies below
		return fmt.Sprintf("%s, or run it as %s, the owner of %s", capability, owner, name)
	case group == "root" && info.IsDir(): // nobody else belongs in that group
		return fmt.Sprintf("%s is closed to all but %s and the group root: %s, or run it as %s", name, owner, capability, owner)
	case group == "root":
		return fmt.Sprintf("%s is closed to all but %s and the group root: %s, or have what makes the log make it for a group, such as adm "+
			"(logrotate: `create 0640 root adm`), and usermod -aG adm USER; for this one file `setfacl -m u:USER:r %s`", name, owner, capability, name)
	case mode&(need<<3) == need<<3:
		return fmt.Sprintf("usermod -aG %s USER, for the user that mtawatch runs as: %s is open to that group", group, name)
	}
	return fmt.Sprintf("%s is closed to all but its owner %s: %s, or run it as %s; or open it to the group, `chmod g+rX %s`, and usermod -aG %s USER",
		name, owner, capability, owner, name, group)
}

// maxLinks bounds the symbolic links that are followed.
const maxLinks = 8

// closed gives the deepest part of a path that can be looked at: what is
// below it may not be.
func closed(h fs.ReadLinkFS, path string) (string, fs.FileInfo) {
	links := 0
	for name := filepath.Clean(path); ; {
		info, err := h.Lstat(adapter.Rooted(name))
		switch {
		case err == nil && info.Mode().Type() == fs.ModeSymlink && links < maxLinks:
			target, err := h.ReadLink(adapter.Rooted(name))
			if err != nil {
				return name, nil
			}
			if !filepath.IsAbs(target) {
				target = filepath.Join(filepath.Dir(name), target)
			}
			name = target
			links++
		case err == nil:
			return name, info
		case name == "/" || name == ".":
			return name, nil
		default:
			name = filepath.Dir(name)
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
