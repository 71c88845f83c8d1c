//go:build linux

package world

import (
	"bufio"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sort"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// RotateRename does what logrotate does with a postrotate script: the pieces
// move one number on, the log becomes .1, and Postfix opens a new one.
func (p *Postfix) RotateRename() error {
	if err := p.shift(); err != nil {
		return err
	}
	if err := os.Rename(p.Log, p.Log+".1"); err != nil {
		return err
	}
	return p.Reload()
}

// RotateOwn is Postfix's own rotation, "postfix logrotate": renamed by time
// and compressed a second later.
func (p *Postfix) RotateOwn() error {
	if err := p.awaitLog(); err != nil {
		return err
	}
	_, err := p.Command("postfix", "logrotate")
	return err
}

// RotateCopy is logrotate's copytruncate. The log's only writer is stopped
// from before the copy until after the cut, so that the rotation itself
// loses no line.
func (p *Postfix) RotateCopy() error {
	if err := p.shift(); err != nil {
		return err
	}
	writers := p.Daemons("postlogd")
	for _, pid := range writers {
		if err := syscall.Kill(pid, syscall.SIGSTOP); err != nil {
			return fmt.Errorf("stop postlogd: %w", err)
		}
		defer func() { _ = syscall.Kill(pid, syscall.SIGCONT) }()
	}
	err := within(5*time.Second, func() error {
		for _, pid := range writers {
			if _, state := procComm(pid); state != 'T' && state != 0 {
				return fmt.Errorf("stop postlogd: state %c", state)
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	from, err := os.Open(p.Log)
	if err != nil {
		return err
	}
	defer from.Close()
	to, err := os.OpenFile(p.Log+".1", os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	_, err = io.Copy(to, from)
	return errors.Join(err, to.Close(), os.Truncate(p.Log, 0))
}

// awaitLog waits until the log is there: after a rotation it comes with the
// next line, which on a busy machine may take a while.
func (p *Postfix) awaitLog() error {
	return within(20*time.Second, func() error {
		_, err := os.Stat(p.Log)
		return err
	})
}

// shift makes room for a new piece .1, where there is a log to rotate.
func (p *Postfix) shift() error {
	if err := p.awaitLog(); err != nil {
		return err
	}
	var numbers []int
	for _, name := range p.LogPieces() {
		if n, err := strconv.Atoi(strings.TrimPrefix(name, p.Log+".")); err == nil {
			numbers = append(numbers, n)
		}
	}
	sort.Sort(sort.Reverse(sort.IntSlice(numbers)))
	for _, n := range numbers {
		if err := os.Rename(fmt.Sprintf("%s.%d", p.Log, n), fmt.Sprintf("%s.%d", p.Log, n+1)); err != nil {
			return err
		}
	}
	return nil
}

// CountLines counts the lines in the files that hold every one of the
// texts. Files that end in .gz are read through gzip.
func CountLines(files []string, texts ...string) (int, error) {
	n := 0
	err := EachLine(files, func(line string) {
		for _, t := range texts {
			if !strings.Contains(line, t) {
				return
			}
		}
		n++
	})
	return n, err
}

// EachLine calls f for every line of the files, without its line end.
func EachLine(files []string, f func(line string)) error {
	for _, name := range files {
		if err := eachLine(name, f); err != nil {
			return fmt.Errorf("read %s: %w", filepath.Base(name), err)
		}
	}
	return nil
}

func eachLine(name string, f func(line string)) error {
	file, err := os.Open(name)
	if err != nil {
		return err
	}
	defer file.Close()
	var r io.Reader = file
	if strings.HasSuffix(name, ".gz") {
		z, err := gzip.NewReader(file)
		if err != nil {
			return err
		}
		r = z
	}
	s := bufio.NewScanner(r)
	s.Buffer(nil, 16<<20)
	for s.Scan() {
		f(s.Text())
	}
	return s.Err()
}
