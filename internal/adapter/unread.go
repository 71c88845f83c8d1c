package adapter

import (
	"errors"
	"fmt"
	"io/fs"
	"strings"
)

// Unread collects the parts of a queue that could not be read, and why. The
// zero value is none.
type Unread struct {
	parts []string
	err   error
}

// Add notes a part, by the name that the mail server has for it.
func (u *Unread) Add(part string, err error) {
	u.parts = append(u.parts, fmt.Sprintf("%s: %v", part, err))
	if u.err == nil || errors.Is(err, fs.ErrPermission) && !errors.Is(u.err, fs.ErrPermission) {
		u.err = err
	}
}

// Err gives the first error that rights can mend, else the first; nil when all
// was read.
func (u *Unread) Err() error { return u.err }

// Text names the parts for Queue.Unknown, with the advice where rights can
// mend it; "" when all was read.
func (u *Unread) Text(advice string) string {
	text := strings.Join(u.parts, "; ")
	if errors.Is(u.err, fs.ErrPermission) {
		text += "; " + advice
	}
	return text
}
