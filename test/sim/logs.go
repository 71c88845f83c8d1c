package sim

import (
	"bufio"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"
)

// WriteLogs writes the log of a host into a folder as logrotate leaves it
// when it rotates at each local midnight: mail.log for the last day,
// mail.log.1 for the day before, mail.log.2.gz and so on for the rest. The
// files' times are those of their last lines.
func WriteLogs(dir string, cfg Config) (*Host, error) {
	cfg = cfg.withDefaults()
	l := &logFiles{dir: dir, loc: cfg.Location}
	h, err := writeLog(l.open, cfg)
	if err = errors.Join(err, l.close()); err != nil {
		return nil, err
	}
	return h, l.rename()
}

// logFiles is one file a day.
type logFiles struct {
	dir  string
	loc  *time.Location
	day  string
	days []string // oldest first
	last time.Time
	ends []time.Time
	file *os.File
	text *bufio.Writer
}

// open gives the file of a moment's day. Moments come in order.
func (l *logFiles) open(at time.Time) (io.Writer, error) {
	l.last = at
	day := at.In(l.loc).Format("2006-01-02")
	if l.text != nil && day <= l.day {
		return l.text, nil
	}
	if err := l.close(); err != nil {
		return nil, err
	}
	f, err := os.Create(filepath.Join(l.dir, "day-"+day))
	if err != nil {
		return nil, fmt.Errorf("write log: %w", err)
	}
	l.day, l.days, l.ends = day, append(l.days, f.Name()), append(l.ends, at)
	l.file, l.text = f, bufio.NewWriterSize(f, 1<<18)
	return l.text, nil
}

func (l *logFiles) close() error {
	if l.text == nil {
		return nil
	}
	l.ends[len(l.ends)-1] = l.last
	err := errors.Join(l.text.Flush(), l.file.Close())
	l.text, l.file = nil, nil
	if err != nil {
		return fmt.Errorf("write log: %w", err)
	}
	return nil
}

// rename gives the files the names of rotation.
func (l *logFiles) rename() error {
	for i, name := range l.days {
		to := filepath.Join(l.dir, "mail.log")
		age := len(l.days) - 1 - i
		if age > 0 {
			to += fmt.Sprintf(".%d", age)
		}
		var err error
		if age > 1 {
			to += ".gz"
			if err = Compress(name, to); err == nil {
				err = os.Remove(name)
			}
		} else {
			err = os.Rename(name, to)
		}
		if err == nil {
			err = os.Chtimes(to, l.ends[i], l.ends[i])
		}
		if err != nil {
			return fmt.Errorf("rotate log: %w", err)
		}
	}
	return nil
}

// Compress writes a file again, through gzip. The file itself stays.
func Compress(from, to string) error {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := os.Create(to)
	if err != nil {
		return err
	}
	z := gzip.NewWriter(out)
	_, err = io.Copy(z, in)
	return errors.Join(err, z.Close(), out.Close())
}
