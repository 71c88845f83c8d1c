package maillog

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"
)

// plan is what Rotate has set out to do with a family; it lies in RUN until
// that is done.
type plan struct {
	Time      time.Time
	Yesterday uint64 // inode of the file that is being appended
	Size      int64  // of the whole before that
}

// Rotate appends mail.log_yesterday to mail.log, makes mail.log_current that of
// yesterday and begins a new one; the same for connection.log.
//
// A kill at any instant loses no line, and doubles none for good. While
// yesterday's file is appended, its lines stand in mail.log too, until the
// one rename that at once puts the current file in its place: then each line is
// in exactly one file. Someone killed before that rename leaves the beginning
// of yesterday's file at the end of mail.log, perhaps half a line; what is there
// already is known from the plan, and the next run goes on after it, without
// writing any of it twice. Nothing is ever cut off: who follows mail.log sees
// it grow only.
//
// A rotation that was interrupted less than half a day ago is finished and not
// followed by another.
func (l *Log) Rotate(now time.Time) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	unlock, err := l.acquire()
	if err != nil {
		return fmt.Errorf("rotate log: %w", err)
	}
	defer unlock()
	for _, family := range []string{familyMail, familyConnection} {
		if family == familyConnection && !l.options.SeparateConnectionLog {
			if there, err := exists(l.path(family, current)); err != nil || !there {
				continue
			}
		}
		if err := l.rotate(family, now, func(string) {}); err != nil {
			return fmt.Errorf("rotate %s: %w", family, err)
		}
	}
	return nil
}

// rotate does it for a family; step is told of each step that is done.
func (l *Log) rotate(family string, now time.Time, step func(string)) error {
	p, found, err := l.readPlan(family)
	if err != nil {
		return err
	}
	if found {
		// Someone may have cut the whole log, or moved it away, since.
		if st, err := os.Stat(l.path(family, whole)); err != nil || st.Size() < p.Size {
			p.Size = 0
			if err == nil {
				p.Size = st.Size()
			}
			if err := l.writePlan(family, p); err != nil {
				return err
			}
		}
		if err := l.carryOut(family, p, step); err != nil {
			return err
		}
		if age := now.Sub(p.Time); age >= 0 && age < l.site.Practice.Day/2 {
			return nil
		}
	}
	p = plan{Time: now}
	if st, err := os.Stat(l.path(family, yesterday)); err == nil {
		p.Yesterday = inode(st)
	} else if !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if st, err := os.Stat(l.path(family, whole)); err == nil {
		p.Size = st.Size()
	} else if !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err := l.writePlan(family, p); err != nil {
		return err
	}
	step("plan")
	return l.carryOut(family, p, step)
}

// carryOut does what is left of a plan.
func (l *Log) carryOut(family string, p plan, step func(string)) error {
	st, err := os.Stat(l.path(family, yesterday))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	there := uint64(0)
	if err == nil {
		there = inode(st)
	}
	if there == p.Yesterday { // the rename has not been
		if there != 0 {
			if err := l.appendYesterday(family, p, step); err != nil {
				return err
			}
		}
		if err := l.ensure(family); err != nil {
			return err
		}
		if err := os.Rename(l.path(family, current), l.path(family, yesterday)); err != nil {
			return err
		}
		if err := syncDir(l.site.LogDir()); err != nil {
			return err
		}
		step("rename")
	}
	if err := l.ensure(family); err != nil {
		return err
	}
	step("current")
	if err := os.Remove(l.planPath(family)); err != nil {
		return err
	}
	step("done")
	return nil
}

// ensure makes the current file if there is none.
func (l *Log) ensure(family string) error {
	f, err := os.OpenFile(l.path(family, current), os.O_WRONLY|os.O_CREATE, 0o644)
	if err != nil {
		return err
	}
	return f.Close()
}

// appendYesterday appends what mail.log does not have yet of yesterday's file.
func (l *Log) appendYesterday(family string, p plan, step func(string)) error {
	from, err := os.Open(l.path(family, yesterday))
	if err != nil {
		return err
	}
	defer from.Close()
	to, err := os.OpenFile(l.path(family, whole), os.O_RDWR|os.O_CREATE, 0o644)
	if err != nil {
		return err
	}
	defer to.Close()
	done, err := sameBytes(from, to, p.Size)
	if err != nil {
		return err
	}
	if _, err := from.Seek(done, io.SeekStart); err != nil {
		return err
	}
	if _, err := to.Seek(p.Size+done, io.SeekStart); err != nil {
		return err
	}
	buf := make([]byte, 64<<10)
	for {
		n, err := from.Read(buf)
		if n > 0 {
			if _, err := to.Write(buf[:n]); err != nil {
				return err
			}
			step("part")
		}
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return err
		}
	}
	if err := to.Sync(); err != nil {
		return err
	}
	step("appended")
	return nil
}

// sameBytes counts how many bytes of from stand in to from an offset on. After
// a power failure they may differ from some byte on; those are written anew.
func sameBytes(from, to *os.File, offset int64) (int64, error) {
	a, b := make([]byte, 64<<10), make([]byte, 64<<10)
	var done int64
	for {
		n, err := to.ReadAt(b, offset+done)
		if err != nil && !errors.Is(err, io.EOF) {
			return 0, err
		}
		m, err := from.ReadAt(a[:n], done)
		if err != nil && !errors.Is(err, io.EOF) {
			return 0, err
		}
		if m == 0 {
			return done, nil
		}
		if !bytes.Equal(a[:m], b[:m]) {
			for i := range m {
				if a[i] != b[i] {
					return done + int64(i), nil
				}
			}
		}
		done += int64(m)
	}
}

func (l *Log) planPath(family string) string {
	return filepath.Join(l.site.RunDir(), "rotate."+family)
}

func (l *Log) readPlan(family string) (p plan, found bool, err error) {
	b, err := os.ReadFile(l.planPath(family))
	if errors.Is(err, fs.ErrNotExist) {
		return p, false, nil
	}
	if err != nil {
		return p, false, err
	}
	if err := json.Unmarshal(b, &p); err != nil {
		return p, false, fmt.Errorf("read %s: %w; compare the end of %s with %s by hand and remove it",
			l.planPath(family), err, l.path(family, whole), l.path(family, yesterday))
	}
	return p, true, nil
}

func (l *Log) writePlan(family string, p plan) error {
	b, err := json.Marshal(p)
	if err != nil {
		return err
	}
	tmp := l.planPath(family) + ".new"
	f, err := os.OpenFile(tmp, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(b)
	if err := errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	if err := os.Rename(tmp, l.planPath(family)); err != nil {
		return err
	}
	return syncDir(l.site.RunDir())
}

func syncDir(name string) error {
	d, err := os.Open(name)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
