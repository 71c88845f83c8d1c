package adapter

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"strings"
	"time"
)

// maxText bounds what ReadText reads of one file, in bytes.
const maxText = 4 << 20

// Rooted turns an absolute path into a name of the host's file system.
func Rooted(p string) string {
	p = strings.TrimPrefix(path.Clean("/"+p), "/")
	if p == "" {
		return "."
	}
	return p
}

// Absolute gives a file error with the path as an operator knows it.
func Absolute(err error) error {
	if pe, ok := err.(*fs.PathError); ok && !path.IsAbs(pe.Path) {
		return &fs.PathError{Op: pe.Op, Path: "/" + pe.Path, Err: pe.Err}
	}
	return err
}

// Exists tells whether there is such a file, readable or not. One behind a
// directory that may not be searched is not seen.
func Exists(h Host, p string) bool {
	info, err := h.Lstat(Rooted(p))
	if err != nil || info.Mode()&fs.ModeSymlink == 0 {
		return err == nil
	}
	_, err = fs.Stat(h, Rooted(p))
	return err == nil || errors.Is(err, fs.ErrPermission)
}

// ReadText reads a small file whole; one longer than 4 MiB is an error.
func ReadText(h Host, p string) (string, error) {
	f, err := h.Open(Rooted(p))
	if err != nil {
		return "", err
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, maxText+1))
	if err != nil {
		return "", err
	}
	if len(b) > maxText {
		return "", fmt.Errorf("longer than %d bytes", maxText)
	}
	return string(b), nil
}

// Reason gives the cause of a file error without the path.
func Reason(err error) error {
	var pe *fs.PathError
	if errors.As(err, &pe) {
		return pe.Err
	}
	return err
}

// Mend says what to do about a file that could not be read.
func Mend(err error, file string) string {
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return fmt.Sprintf("if the instance is in use, restore %s", file)
	case errors.Is(err, fs.ErrPermission):
		return fmt.Sprintf("`chmod o+r %s`, or run mtawatch as root; if it is root, see what confines it (its unit, SELinux, AppArmor)", file)
	}
	return fmt.Sprintf("see what `ls -lL %s` and the kernel's log say of it", file)
}

// abandoned is how much older than the newest a log file must be to count as
// left over from an earlier syslog configuration.
const abandoned = 7 * 24 * time.Hour

// SyslogFile gives the file that syslog daemons write mail to: the first of
// the usual ones that is not abandoned; "" when there is none.
func SyslogFile(h Host) string {
	type file struct {
		name string
		mod  time.Time
	}
	var files []file
	var newest time.Time
	for _, f := range []string{"/var/log/mail.log", "/var/log/maillog", "/var/log/mail/mail.log", "/var/log/mail/info.log",
		"/var/log/mail/mail.info", "/var/log/mail.info", "/var/log/syslog"} {
		info, err := fs.Stat(h, Rooted(f))
		if err != nil {
			continue
		}
		files = append(files, file{f, info.ModTime()})
		if info.ModTime().After(newest) {
			newest = info.ModTime()
		}
	}
	for _, f := range files {
		if newest.Sub(f.mod) < abandoned {
			return f.name
		}
	}
	return ""
}
