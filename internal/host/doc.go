// Package host is the real machine behind adapter.Host: its files, commands
// and stream sockets, its processes, the kernel's socket table, the end of a
// process, and free disk space. Linux only.
//
// Facts come in from the kernel; words of package mta go out. Promised:
// nothing here changes the machine; every call ends when its context does;
// what may not be read is empty, -1 or named in Unknown, never a zero that
// looks measured; memory is bounded by what the kernel itself holds.
//
// Nothing here starts a goroutine, except what the standard library does
// inside os/exec, net and context.
package host

import (
	"cmp"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
)

// Config says which machine to look at. The zero value is the one that we run
// on.
type Config struct {
	// Root is the directory that stands for /, such as /host in a container.
	// Files, unix sockets, /proc and disk space are looked up below it;
	// commands, TCP and sock_diag are those of our own namespaces whatever it
	// says. Empty: /.
	Root string

	// Logger gets what is odd but no error; nil: nothing is logged.
	Logger *slog.Logger

	// NoNetlink reads sockets from /proc/net/tcp without asking sock_diag.
	NoNetlink bool
}

// A Machine answers for one machine. It may be used by several goroutines at
// once; calls of the same kind wait for each other.
type Machine struct {
	fs.ReadLinkFS // rooted at Config.Root; names have no leading slash

	root      string
	log       *slog.Logger
	noNetlink bool

	processLock sync.Mutex
	processes   processReader

	socketLock sync.Mutex
	sockets    SocketReader
}

// New makes a Machine. It opens and starts nothing.
func New(c Config) *Machine {
	root := filepath.Clean(cmp.Or(c.Root, "/"))
	log := c.Logger
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	return &Machine{
		ReadLinkFS: os.DirFS(root).(fs.ReadLinkFS), // os.DirFS promises it
		root:       root,
		log:        log,
		noNetlink:  c.NoNetlink,
	}
}

// path gives the real path of an absolute path of the machine.
func (m *Machine) path(elem ...string) string {
	return filepath.Join(append([]string{m.root}, elem...)...)
}
