package host

import (
	"bytes"
	"os"

	"golang.org/x/sys/unix"
)

// namespaces is where a process lives, as far as its own view of process ids,
// ports and files goes. A part that may not be read is its zero value.
type namespaces struct {
	pid, net, mnt string // as the links below /proc/PID/ns name them
	root          fileID
}

// fileID names a directory, whatever path leads to it.
type fileID struct{ dev, ino uint64 }

func readNamespaces(proc string) namespaces {
	var n namespaces
	n.pid, _ = os.Readlink(proc + "/ns/pid")
	n.net, _ = os.Readlink(proc + "/ns/net")
	n.mnt, _ = os.Readlink(proc + "/ns/mnt")
	var st unix.Stat_t
	if unix.Stat(proc+"/root", &st) == nil {
		n.root = fileID{uint64(st.Dev), st.Ino}
	}
	return n
}

// foreign says that the other process surely sees other process ids, another
// network, or other files. A mount namespace of its own is not enough: a
// system service with a private /tmp has one too, over the same root. What
// cannot be read tells nothing.
func (n namespaces) foreign(other namespaces) bool {
	differ := func(a, b string) bool { return a != "" && b != "" && a != b }
	none := fileID{}
	return differ(n.pid, other.pid) || differ(n.net, other.net) ||
		differ(n.mnt, other.mnt) && n.root != none && other.root != none && n.root != other.root
}

// nestedPID tells from /proc/PID/status, which everyone may read, whether the
// process has an id in a PID namespace below that of this /proc: then the
// NSpid line of proc_pid_status(5) has more than one number.
func nestedPID(status []byte) bool {
	_, after, ok := bytes.Cut(status, []byte("\nNSpid:"))
	if !ok {
		return false
	}
	line, _, _ := bytes.Cut(after, []byte("\n"))
	return len(bytes.Fields(line)) > 1
}
