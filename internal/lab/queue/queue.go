package queue

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"hash/fnv"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/mtawatch/mtawatch/internal/lab/site"
)

// tempMark begins the name of a file that is still being written. No reader
// of a queue takes such a name for a message.
const tempMark = "$"

// Entry is a queue file, as its name and its inode tell.
type Entry struct {
	Channel  string
	Path     string // of the file, absolute
	ID       string // the unique part of the name: the same at every attempt
	Attempts int
	Held     bool
	Size     int64
	Modified time.Time
	Changed  time.Time // when the name last changed: at the last attempt
}

// Name is the path below the queue directory: tcp_local/003/ZZ....00.
func (e Entry) Name() string {
	rest := e.Path
	for range 3 {
		i := strings.LastIndexByte(rest, '/')
		if i < 0 {
			return e.Path
		}
		if rest[i+1:] == e.Channel {
			return e.Path[i+1:]
		}
		rest = rest[:i]
	}
	return e.Path
}

// Queue is the queue directory of a site. Any number of goroutines and
// processes may use it.
type Queue struct{ site *site.Site }

// Open gives the queue of a site.
func Open(s *site.Site) *Queue { return &Queue{site: s} }

// Dir is the directory of a channel.
func (q *Queue) Dir(channel string) string { return filepath.Join(q.site.QueueDir(), channel) }

// place gives the directory of a new file, and makes it.
func (q *Queue) place(channel, unique string) (string, error) {
	dir := q.Dir(channel)
	made := dir
	if c, ok := q.site.Channel(channel); ok && c.Subdirs > 1 {
		h := fnv.New32a()
		_, _ = h.Write([]byte(unique))
		dir = filepath.Join(dir, fmt.Sprintf("%03d", h.Sum32()%uint32(c.Subdirs)))
	}
	if _, err := os.Stat(dir); err == nil {
		return dir, nil
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return "", err
	}
	for _, d := range []string{filepath.Dir(made), made} {
		if err := syncDir(d); err != nil {
			return "", err
		}
	}
	return dir, nil
}

// lineWriter turns CRLF into LF and ends the last line.
type lineWriter struct {
	w    *bufio.Writer
	cr   bool // a CR is kept back
	last byte // what was written last; 0: nothing yet
}

func (l *lineWriter) Write(p []byte) (int, error) {
	n := len(p)
	for len(p) > 0 {
		if l.cr {
			if p[0] != '\n' {
				_ = l.w.WriteByte('\r')
			}
			l.cr = false
		}
		part := p
		if i := bytes.IndexByte(p, '\r'); i >= 0 {
			part, p, l.cr = p[:i], p[i+1:], true
		} else {
			p = nil
		}
		if len(part) > 0 {
			if _, err := l.w.Write(part); err != nil {
				return 0, err
			}
			l.last = part[len(part)-1]
		}
		if l.cr {
			l.last = '\r'
		}
	}
	return n, nil
}

func (l *lineWriter) close() {
	if l.last != '\n' && l.last != 0 {
		_ = l.w.WriteByte('\n')
	}
}

// Channels lists the channels that have a directory, in order of their names.
func (q *Queue) Channels() ([]string, error) {
	list, err := os.ReadDir(q.site.QueueDir())
	if err != nil {
		return nil, fmt.Errorf("list channels: %w", err)
	}
	var names []string
	for _, d := range list {
		if d.IsDir() {
			names = append(names, d.Name())
		}
	}
	return names, nil
}

// Walk calls f for each file of a channel, those of .HELD too, in no order. A
// file that goes while it is walked over is passed by; a channel without a
// directory has none. It ends at f's first error and gives it.
func (q *Queue) Walk(channel string, f func(Entry) error) error {
	return q.walk(channel, q.Dir(channel), true, f)
}

func (q *Queue) walk(channel, dir string, deeper bool, f func(Entry) error) error {
	d, err := os.Open(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("walk queue: %w", err)
	}
	defer d.Close()
	for {
		list, err := d.ReadDir(1024)
		for _, de := range list {
			if de.IsDir() && deeper {
				if err := q.walk(channel, filepath.Join(dir, de.Name()), false, f); err != nil {
					return err
				}
			}
			if e, ok := entryOf(channel, dir, de); ok {
				if err := f(e); err != nil {
					return err
				}
			}
		}
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return fmt.Errorf("walk queue: %w", err)
		}
	}
}

func entryOf(channel, dir string, d fs.DirEntry) (Entry, bool) {
	attempts, unique, _, held, ok := ParseName(d.Name())
	if !ok {
		return Entry{}, false
	}
	st, err := d.Info()
	if err != nil || !st.Mode().IsRegular() {
		return Entry{}, false
	}
	e := Entry{Channel: channel, Path: filepath.Join(dir, d.Name()), ID: unique, Attempts: attempts, Held: held,
		Size: st.Size(), Modified: st.ModTime(), Changed: st.ModTime()}
	if sys, ok := st.Sys().(*syscall.Stat_t); ok {
		e.Changed = time.Unix(sys.Ctim.Unix())
	}
	return e, true
}

// Stat gives the entry of a file, by its path or by its name below the queue
// directory. The error is fs.ErrNotExist for what is no queue file of ours.
func (q *Queue) Stat(name string) (Entry, error) {
	rel := strings.TrimPrefix(name, q.site.QueueDir()+"/")
	parts := strings.Split(rel, "/")
	if len(parts) < 2 || len(parts) > 3 || slices.Contains(parts, "..") {
		return Entry{}, fmt.Errorf("look up %q: %w", name, fs.ErrNotExist)
	}
	path := filepath.Join(q.site.QueueDir(), rel)
	st, err := os.Lstat(path)
	if err != nil {
		return Entry{}, fmt.Errorf("look up queue file: %w", err)
	}
	e, ok := entryOf(parts[0], filepath.Dir(path), fs.FileInfoToDirEntry(st))
	if !ok {
		return Entry{}, fmt.Errorf("look up %q: %w", name, fs.ErrNotExist)
	}
	return e, nil
}

// Tidy removes what killed writers left: unfinished files that nobody has
// touched for a time. It gives how many.
func (q *Queue) Tidy(channel string, age time.Duration) (int, error) {
	n := 0
	err := filepath.WalkDir(q.Dir(channel), func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasPrefix(d.Name(), tempMark) {
			return ignoreMissing(err)
		}
		st, err := d.Info()
		if err != nil || time.Since(st.ModTime()) < age {
			return ignoreMissing(err)
		}
		n++
		return ignoreMissing(os.Remove(path))
	})
	if err != nil {
		return n, fmt.Errorf("tidy queue: %w", err)
	}
	return n, nil
}

func ignoreMissing(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

// Remove takes a message out of the queue that nobody is delivering.
func (q *Queue) Remove(e Entry) error {
	m, err := q.Lock(e)
	if err != nil {
		return err
	}
	defer m.Close()
	return m.Remove()
}

// Hold makes a message .HELD, Release makes a held one eligible again.
func (q *Queue) Hold(e Entry) (Entry, error) { return q.rename(e, (*Message).Hold) }

// Release is the inverse of Hold.
func (q *Queue) Release(e Entry) (Entry, error) { return q.rename(e, (*Message).Release) }

func (q *Queue) rename(e Entry, f func(*Message) (Entry, error)) (Entry, error) {
	lock, err := openLocked(e.Path)
	if err != nil {
		return e, err
	}
	// What cannot be read can be held all the same.
	m := &Message{Entry: e, file: lock}
	defer m.Close()
	return f(m)
}
