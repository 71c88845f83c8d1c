package maillog

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"github.com/mtawatch/mtawatch/internal/lab/site"
)

// Log writes mail.log_current, and connection.log_current where the options
// want one. Any number of processes may write at once: who writes or rotates
// holds the lock of the log, so that lines stay whole and none goes into a
// file that rotation has done with.
type Log struct {
	site    *site.Site
	options site.Options
	quiet   map[string]bool // channels without logging

	mu    sync.Mutex
	lock  *os.File
	files map[string]*os.File // by family
}

// The families of files: each has _current, _yesterday and the whole.
const (
	familyMail       = "mail.log"
	familyConnection = "connection.log"
)

// Open prepares a log. Nothing is opened before the first record.
func Open(s *site.Site) *Log {
	l := &Log{site: s, options: s.Options, quiet: map[string]bool{}, files: map[string]*os.File{}}
	for _, c := range s.Channels {
		l.quiet[c.Name] = !c.Logging
	}
	return l
}

// Close closes the files.
func (l *Log) Close() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	var errs []error
	for _, f := range l.files {
		errs = append(errs, f.Close())
	}
	if l.lock != nil {
		errs = append(errs, l.lock.Close())
	}
	l.files, l.lock = map[string]*os.File{}, nil
	return errors.Join(errs...)
}

// Write writes records, one line each and all in one go, unless options or
// channel leave them out. A line that a full disk or a killed writer has cut
// off is ended by whoever writes next.
func (l *Log) Write(records ...*Record) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	lines := map[string][]byte{}
	now := time.Now()
	for _, r := range records {
		if l.quiet[r.Source] || !wanted(&l.options, r) {
			continue
		}
		if r.Time.IsZero() {
			r.Time = now
		}
		family := familyMail
		if r.Connection() && l.options.SeparateConnectionLog {
			family = familyConnection
		}
		if lines[family] == nil {
			lines[family] = []byte{}
		}
		lines[family] = appendRecord(lines[family], &l.options, r)
	}
	if len(lines) == 0 {
		return nil
	}
	unlock, err := l.acquire()
	if err != nil {
		return fmt.Errorf("write log: %w", err)
	}
	defer unlock()
	for family, b := range lines {
		if err := l.append(family, b); err != nil {
			return fmt.Errorf("write log: %w", err)
		}
	}
	return nil
}

// acquire takes the lock over all processes. l.mu is held: the lock belongs to
// the open file, not to the goroutine.
func (l *Log) acquire() (release func(), err error) {
	if l.lock == nil {
		l.lock, err = os.OpenFile(filepath.Join(l.site.RunDir(), "log.lock"), os.O_RDWR|os.O_CREATE, 0o600)
		if err != nil {
			return nil, err
		}
	}
	fd := int(l.lock.Fd())
	for {
		err = unix.Flock(fd, unix.LOCK_EX)
		if !errors.Is(err, unix.EINTR) {
			break
		}
	}
	if err != nil {
		return nil, fmt.Errorf("lock %s: %w", l.lock.Name(), err)
	}
	return func() { _ = unix.Flock(fd, unix.LOCK_UN) }, nil // fails only for a closed file
}

// append adds lines to a family's current file, which may have been renamed
// since the last ones.
func (l *Log) append(family string, lines []byte) error {
	name := l.path(family, current)
	f := l.files[family]
	if f != nil {
		at, err := os.Stat(name)
		if own, ferr := f.Stat(); err != nil || ferr != nil || !os.SameFile(at, own) {
			_ = f.Close() // the file has gone elsewhere, whole
			f = nil
		}
	}
	if f == nil {
		var err error
		if f, err = os.OpenFile(name, os.O_RDWR|os.O_APPEND|os.O_CREATE, 0o644); err != nil {
			delete(l.files, family)
			return err
		}
		l.files[family] = f
	}
	torn, err := isTorn(f)
	if err != nil {
		return err
	}
	if torn {
		lines = append([]byte{'\n'}, lines...)
	}
	_, err = f.Write(lines)
	return err
}

// isTorn says whether the file ends within a line.
func isTorn(f *os.File) (bool, error) {
	st, err := f.Stat()
	if err != nil || st.Size() == 0 {
		return false, err
	}
	var last [1]byte
	if _, err := f.ReadAt(last[:], st.Size()-1); err != nil && !errors.Is(err, io.EOF) {
		return false, err
	}
	return last[0] != '\n', nil
}

// The files of a family.
const (
	current   = "_current"
	yesterday = "_yesterday"
	whole     = ""
)

func (l *Log) path(family, which string) string {
	return filepath.Join(l.site.LogDir(), family+which)
}

func exists(name string) (bool, error) {
	_, err := os.Stat(name)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	return err == nil, err
}
