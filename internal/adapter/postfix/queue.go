package postfix

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"time"

	"github.com/mtawatch/mtawatch/internal/adapter"
	"github.com/mtawatch/mtawatch/internal/mta"
)

const (
	dirBatch     = 4096 // directory entries held at once
	maxHashDepth = 16   // hash_queue_depth is 1 or 2 in practice
)

const countAdvice = "give mtawatch CAP_DAC_READ_SEARCH or run it as root or postfix; the group postdrop is enough for the slower listing"

// count counts the queue files by directory. No file is opened. Queue.Time is
// left to the caller. A queue that cannot be read is absent from Queues and
// named in Unknown; when that is every queue, it is an error.
func count(ctx context.Context, h adapter.Host, inst mta.Instance) (mta.Queue, error) {
	q := mta.Queue{Instance: inst.Name}
	if inst.QueueDir == "" {
		return q, errors.New("the queue directory is unknown; name it in the configuration of mtawatch")
	}
	var unread adapter.Unread
	for _, name := range queueNames() {
		c := counter{ctx: ctx, h: h}
		err := c.dir(adapter.Rooted(path.Join(inst.QueueDir, name)), 0)
		if ctx.Err() != nil {
			return mta.Queue{Instance: inst.Name}, fmt.Errorf("count queue %s: %w", name, ctx.Err())
		}
		if err != nil {
			unread.Add(name, err)
			continue
		}
		qc := mta.QueueCount{Name: name, Messages: c.messages, Bytes: mta.UnknownBytes}
		if c.messages == 0 {
			qc.Bytes = 0
		} else if !c.undated {
			qc.Oldest = time.Unix(c.oldest, 0).UTC()
		}
		q.Queues = append(q.Queues, qc)
	}
	first := unread.Err()
	if len(q.Queues) == 0 && errors.Is(first, fs.ErrPermission) {
		return q, fmt.Errorf("count queue in %s: %w; %s", inst.QueueDir, first, countAdvice)
	}
	if len(q.Queues) == 0 {
		return q, fmt.Errorf("count queue in %s: %w; see `%s`", inst.QueueDir, first, command(inst, "postfix", "check"))
	}
	q.Unknown = unread.Text(countAdvice)
	return q, nil
}

// counter walks one queue.
type counter struct {
	ctx      context.Context
	h        adapter.Host
	messages int64
	oldest   int64 // the smallest second of the ids
	undated  bool  // a message has no second in its id
}

// dir counts one directory and the hash directories in it: those with a name
// of one byte. A hash directory that goes away meanwhile is empty.
func (c *counter) dir(name string, depth int) error {
	f, err := c.h.Open(name)
	if err != nil {
		if depth > 0 && errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		return adapter.Absolute(err)
	}
	defer f.Close()
	d, ok := f.(fs.ReadDirFile)
	if !ok {
		return &fs.PathError{Op: "read", Path: "/" + name, Err: errors.New("not a directory")}
	}
	var below []string
	for {
		entries, err := d.ReadDir(dirBatch)
		for _, e := range entries {
			switch n := e.Name(); {
			case len(n) == 1 && (e.IsDir() || e.Type()&fs.ModeSymlink != 0):
				below = append(below, n)
			case len(n) > 1 && n[0] != '.' && !e.IsDir():
				c.add(n)
			}
		}
		if err == io.EOF || err == nil && len(entries) == 0 {
			break
		}
		if err != nil {
			if depth > 0 && errors.Is(err, fs.ErrNotExist) {
				return nil
			}
			return adapter.Absolute(err)
		}
		if err := c.ctx.Err(); err != nil {
			return err
		}
	}
	if len(below) > 0 && depth == maxHashDepth {
		return fmt.Errorf("read /%s: more than %d levels of hash directories", name, maxHashDepth)
	}
	for _, n := range below {
		if err := c.dir(name+"/"+n, depth+1); err != nil {
			return err
		}
	}
	return nil
}

func (c *counter) add(id string) {
	c.messages++
	if c.undated {
		return
	}
	second, ok := longIDSecond(id)
	if !ok {
		c.undated = true
		return
	}
	if c.messages == 1 || second < c.oldest {
		c.oldest = second
	}
}
