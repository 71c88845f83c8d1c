package drill

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"
	"time"
)

// Course is how one drill goes, whichever mail server it breaks.
type Course struct {
	Expect   Expect
	Text     string               // what happens, in one line
	Begin    func() error         // breaks something
	Evidence func() (bool, error) // as Drill has it; nil: from the beginning
	Mend     func() error         // puts it right
	WarmUp   time.Duration        // of watching before
	Settle   time.Duration        // of watching on after the finding
	Say      func(format string, args ...any)
}

// Go takes the course and gives what the watcher told of it. What was broken
// is mended when it returns; an error says that the drill itself could not be
// done.
func (c *Course) Go(ctx context.Context, a Asked) (row Row, err error) {
	name := c.Expect.Name
	c.Say("%s: warming up for %s", name, c.WarmUp)
	w := NewWatch(a)
	if err := w.Follow(ctx, c.WarmUp, Never); err != nil {
		return Row{}, err
	}
	c.Say("%s: begins: %s", name, c.Text)
	w.Begin()
	if err := c.Begin(); err != nil {
		return Row{}, fmt.Errorf("begin %s: %w", name, errors.Join(err, c.Mend()))
	}
	if err := w.Drill(ctx, &c.Expect, c.Evidence, c.Settle); err != nil {
		return Row{}, errors.Join(err, c.Mend())
	}
	row = w.Row(&c.Expect)
	c.Say("%s: %s", name, row.Line())
	err = c.Mend()
	c.Say("%s: put right", name)
	return row, err
}

// Bound shortens a harmless drill to most, 0 is no bound, and multiplies the
// limit of a harmful one by patience; 0 is 1.
func (e *Expect) Bound(most time.Duration, patience float64) {
	switch {
	case e.Harmless() && most > 0:
		e.Limit = min(e.Limit, most)
	case !e.Harmless() && patience > 0:
		e.Limit = time.Duration(patience * float64(e.Limit))
	}
}

// Trouble is what went wrong beside a drill. The zero value is none.
type Trouble struct {
	mu  sync.Mutex
	err error
}

// Fail tells that something went wrong beside the drill, which ends it.
func (t *Trouble) Fail(err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.err = errors.Join(t.err, err)
}

// Failure gives what went wrong beside the drill.
func (t *Trouble) Failure() error {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.err
}

// Log is a log of which only what comes after Mark counts.
type Log struct {
	File string
	mark int64
}

// Mark remembers how long the log is.
func (l *Log) Mark() {
	if fi, err := os.Stat(l.File); err == nil {
		l.mark = fi.Size()
	}
}

// Has reports whether a text is in the log since Mark.
func (l *Log) Has(text string) (bool, error) {
	f, err := os.Open(l.File)
	if err != nil {
		return false, err
	}
	defer f.Close()
	fi, err := f.Stat()
	if err != nil || fi.Size() <= l.mark {
		return false, err
	}
	b := make([]byte, fi.Size()-l.mark)
	n, err := f.ReadAt(b, l.mark)
	if n < len(b) && err != nil {
		return false, err
	}
	return bytes.Contains(b, []byte(text)), nil
}

// Sockets counts the sockets of a local port that are in a state, as the kernel
// numbers it (include/net/tcp_states.h), from a table as /proc/net/tcp is.
func Sockets(table string, port int, state string) (int, error) {
	b, err := os.ReadFile(table)
	if err != nil {
		return 0, err
	}
	suffix := fmt.Sprintf(":%04X", port)
	n := 0
	for line := range strings.Lines(string(b)) {
		_, rest, _ := strings.Cut(line, ": ")
		if f := strings.Fields(rest); len(f) > 2 && strings.HasSuffix(f[0], suffix) && f[2] == state {
			n++
		}
	}
	return n, nil
}
