package queue

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"

	"golang.org/x/sys/unix"
)

// temp is a file in the making. Until commit it has a name that no reader
// takes for a message, in the directory where it will stay: a rename then
// makes it whole at one instant.
type temp struct {
	file *os.File
	name string
}

func newTemp(dir, unique string) (*temp, error) {
	name := filepath.Join(dir, tempMark+unique)
	f, err := os.OpenFile(name, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return nil, err
	}
	return &temp{file: f, name: name}, nil
}

// commit gives the file its name: content to the disk, the name, the name to
// the disk. It gives the size.
func (t *temp) commit(path string) (int64, error) {
	if err := t.file.Sync(); err != nil {
		return 0, err
	}
	st, err := t.file.Stat()
	if err != nil {
		return 0, err
	}
	return st.Size(), t.rename(path)
}

// rename gives a synchronised file its name, and that to the disk.
func (t *temp) rename(path string) error {
	if err := os.Rename(t.name, path); err != nil {
		return err
	}
	t.name = ""
	return syncDir(filepath.Dir(path))
}

// discard closes the file and removes it if it was not committed.
func (t *temp) discard() {
	_ = t.file.Close()
	if t.name != "" {
		_ = os.Remove(t.name)
	}
}

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer d.Close()
	return d.Sync()
}

// ErrBusy is the error of Lock when someone else has the message.
var ErrBusy = errors.New("message is being processed")

// lockFile takes the lock of an open file without waiting.
func lockFile(f *os.File) error {
	err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
	if errors.Is(err, unix.EWOULDBLOCK) {
		return ErrBusy
	}
	return err
}

// openLocked opens a file and locks it. The lock is the kernel's and goes with
// the process, however it ends. Whoever had the lock before may have put
// another file in this one's place: then the name no longer leads here, and
// the look is taken anew by whoever calls again.
func openLocked(path string) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_RDWR|unix.O_NOFOLLOW, 0)
	if err != nil {
		return nil, err
	}
	if err := lockFile(f); err != nil {
		_ = f.Close()
		return nil, fmt.Errorf("lock %s: %w", path, err)
	}
	at, err1 := os.Lstat(path)
	here, err2 := f.Stat()
	if err := errors.Join(err1, err2); err != nil {
		_ = f.Close()
		return nil, err
	}
	if !os.SameFile(at, here) {
		_ = f.Close()
		return nil, fmt.Errorf("lock %s: %w", path, ErrBusy)
	}
	return f, nil
}

// NoSpace says whether an error is that of a full disk or an exhausted quota.
func NoSpace(err error) bool {
	return errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) || errors.Is(err, syscall.EFBIG)
}
