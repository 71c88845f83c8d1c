package state

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"strconv"

	"golang.org/x/sys/unix"
)

// lockFile takes the lock beside the store and writes our pid into it. The
// kernel lets go of the lock when the process ends, however it ends. The file
// stays: were it removed, two processes could hold locks on two files of one
// name.
func lockFile(path string) (*os.File, error) {
	f, err := os.OpenFile(path+".lock", os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open the store's lock: %w", describe(path, err))
	}
	if err := flock(f); err != nil {
		owner := ""
		b := make([]byte, 32)
		n, _ := f.ReadAt(b, 0)
		if pid, perr := strconv.Atoi(string(bytes.TrimSpace(b[:n]))); perr == nil {
			owner = fmt.Sprintf(" (pid %d)", pid)
		}
		_ = f.Close()
		if errors.Is(err, unix.EWOULDBLOCK) {
			return nil, fmt.Errorf("%w: %s is held by another mtawatch%s; stop it or give another --data-dir", ErrInUse, path, owner)
		}
		return nil, fmt.Errorf("lock the store: %w", err)
	}
	// The pid only serves the message above, so a full disk does not matter.
	if err := f.Truncate(0); err == nil {
		_, _ = f.WriteAt([]byte(strconv.Itoa(os.Getpid())+"\n"), 0)
	}
	return f, nil
}

func flock(f *os.File) error {
	for {
		err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
		if !errors.Is(err, unix.EINTR) {
			return err
		}
	}
}
