package imta

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"strings"
	"time"

	"github.com/mtawatch/mtawatch/internal/adapter"
	"github.com/mtawatch/mtawatch/internal/mta"
)

const (
	// heldQueue is the queue of all that is held outside the channel hold: a
	// loop or a suspicion. What stands in the channel hold was put there.
	heldQueue   = "held"
	holdChannel = "hold"

	dirBatch    = 4096
	maxChannels = 512
	// maxStats is how many files of a channel are looked at for their age. In
	// a larger one the age is unknown to Count; List tells it.
	maxStats = 5000
)

const countAdvice = "give mtawatch CAP_DAC_READ_SEARCH, or run it as root or as the MTA's own user"

// count counts the queue files by channel: names, and of up to 5,000 files in
// a channel times and sizes. No file is opened. Queue.Time is left to the
// caller. A channel that cannot be read is absent from Queues and named in
// Unknown; when that is every channel, it is an error.
func count(ctx context.Context, h adapter.Host, inst mta.Instance) (mta.Queue, error) {
	q := mta.Queue{Instance: inst.Name}
	if inst.QueueDir == "" {
		return q, errors.New("the queue directory is unknown; name it in the configuration of mtawatch")
	}
	names, err := channelNames(h, inst)
	if err != nil {
		return q, queueError("count", inst, err)
	}
	held := tally{}
	var unread adapter.Unread
	for _, name := range names {
		t := tally{}
		err := t.channel(ctx, h, inst.QueueDir, name, &held)
		if ctx.Err() != nil {
			return mta.Queue{Instance: inst.Name}, fmt.Errorf("count channel %s: %w", name, ctx.Err())
		}
		if err != nil {
			unread.Add(name, err)
			continue
		}
		q.Queues = append(q.Queues, t.count(name))
	}
	first := unread.Err()
	if first != nil && len(q.Queues) == 0 {
		return q, queueError("count", inst, first)
	}
	q.Queues = append(q.Queues, held.count(heldQueue))
	q.Unknown = unread.Text(countAdvice)
	if first != nil {
		// Held mail in a channel that cannot be read is not known either.
		q.Queues = q.Queues[:len(q.Queues)-1]
		q.Unknown += "; how much is held is unknown too"
	}
	return q, nil
}

// queueError says why nothing of a queue is known and what to do.
func queueError(verb string, inst mta.Instance, err error) error {
	advice := "see that it is there and mounted"
	if errors.Is(err, fs.ErrPermission) {
		advice = countAdvice
	}
	return fmt.Errorf("%s queue in %s: %w; %s", verb, inst.QueueDir, err, advice)
}

// channelNames gives the channels of which there may be mail: those that are
// known from the configuration, and those that have a directory now. A queue
// directory that is missing is an error, not an empty queue.
func channelNames(h adapter.Host, inst mta.Instance) ([]string, error) {
	var names []string
	seen := map[string]bool{heldQueue: true}
	for _, n := range inst.Queues {
		if !seen[n] {
			seen[n] = true
			names = append(names, n)
		}
	}
	err := eachEntry(h, inst.QueueDir, func(e fs.DirEntry) {
		if n := e.Name(); isChannelDir(e) && !seen[n] && len(names) < maxChannels {
			seen[n] = true
			names = append(names, n)
		}
	})
	return names, err
}

// isChannelDir tells directories of channels from other files in the queue directory.
func isChannelDir(e fs.DirEntry) bool {
	n := e.Name()
	return n[0] != '.' && n[0] != '$' && n != heldQueue && mayBeDir(e)
}

func mayBeDir(e fs.DirEntry) bool { return e.IsDir() || e.Type()&fs.ModeSymlink != 0 }

// isSubdir tells the directories 000 to 999 by which a channel spreads its files.
func isSubdir(e fs.DirEntry) bool {
	n := e.Name()
	return len(n) <= 4 && strings.Trim(n, "0123456789") == "" && mayBeDir(e)
}

// eachEntry reads one directory in pieces.
func eachEntry(h adapter.Host, dir string, fn func(fs.DirEntry)) error {
	f, err := h.Open(adapter.Rooted(dir))
	if err != nil {
		return adapter.Absolute(err)
	}
	defer f.Close()
	d, ok := f.(fs.ReadDirFile)
	if !ok {
		return &fs.PathError{Op: "read", Path: dir, Err: errors.New("not a directory")}
	}
	for {
		entries, err := d.ReadDir(dirBatch)
		for _, e := range entries {
			fn(e)
		}
		if err == io.EOF || err == nil && len(entries) == 0 {
			return nil
		}
		if err != nil {
			return adapter.Absolute(err)
		}
	}
}

// eachFile walks the files of a channel: those in its directory, and those in
// the numbered ones below. What vanishes meanwhile is skipped, and so is
// what is no message. A channel without a directory holds nothing: it comes
// with the first message.
func eachFile(ctx context.Context, h adapter.Host, queueDir, channel string, fn func(dir, file string, name fileName) error) error {
	var below []string
	var failed error
	files := func(dir string, subdirs bool) error {
		err := eachEntry(h, dir, func(e fs.DirEntry) {
			if failed == nil {
				failed = ctx.Err()
			}
			switch n := e.Name(); {
			case failed != nil:
			case subdirs && isSubdir(e):
				below = append(below, n)
			case e.Type().IsRegular():
				if name, ok := parseName(n); ok {
					failed = fn(dir, n, name)
				}
			}
		})
		if failed != nil {
			return failed
		}
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		return err
	}
	top := queueDir + "/" + channel
	if err := files(top, true); err != nil {
		return err
	}
	for _, n := range below {
		if err := files(top+"/"+n, false); err != nil {
			return err
		}
	}
	return nil
}

// tally counts the messages of one queue.
type tally struct {
	messages, untried int64
	bytes             int64
	oldest            time.Time
	oldestUntried     time.Time
	stats             int
	undated           bool // not every message was looked at
}

// channel counts one channel. What is held in it counts in held instead,
// unless it is the channel hold itself.
func (t *tally) channel(ctx context.Context, h adapter.Host, queueDir, channel string, held *tally) error {
	return eachFile(ctx, h, queueDir, channel, func(dir, file string, name fileName) error {
		to := t
		if name.held && channel != holdChannel {
			to = held
		}
		if to.stats == maxStats {
			to.undated = true
			to.add(name, nil)
			return nil
		}
		to.stats++
		info, err := h.Lstat(adapter.Rooted(dir + "/" + file))
		if errors.Is(err, fs.ErrNotExist) {
			return nil // delivered or renamed since the directory was read
		}
		if err != nil {
			to.undated = true
			info = nil
		}
		to.add(name, info)
		return nil
	})
}

func (t *tally) add(name fileName, info fs.FileInfo) {
	t.messages++
	fresh := name.attempts == 0 && !name.held
	if fresh {
		t.untried++
	}
	if info == nil {
		return
	}
	t.bytes += info.Size()
	at := info.ModTime()
	if t.oldest.IsZero() || at.Before(t.oldest) {
		t.oldest = at
	}
	if fresh && (t.oldestUntried.IsZero() || at.Before(t.oldestUntried)) {
		t.oldestUntried = at
	}
}

// count gives the figures. In a queue of which not every file was looked at,
// size and age are unknown. Of held mail there is no saying whether it was tried: it is not to be.
func (t *tally) count(name string) mta.QueueCount {
	c := mta.QueueCount{Name: name, Messages: t.messages, Bytes: t.bytes, Oldest: t.oldest.UTC()}
	u := mta.Untried{Messages: t.untried, Oldest: t.oldestUntried.UTC()}
	if t.undated {
		c.Bytes, c.Oldest, u.Oldest = mta.UnknownBytes, time.Time{}, time.Time{}
	}
	if name != heldQueue && name != holdChannel {
		c.Untried = &u
	}
	return c
}

// list walks the queue files: names, times and sizes. No file is opened, so
// sender and recipients are not known. The queue of a held message is "held",
// or "hold" in the channel of that name.
func list(ctx context.Context, h adapter.Host, inst mta.Instance) iter.Seq2[mta.QueuedMessage, error] {
	return func(yield func(mta.QueuedMessage, error) bool) {
		names, err := channelNames(h, inst)
		if err != nil {
			yield(mta.QueuedMessage{}, queueError("list", inst, err))
			return
		}
		for _, channel := range names {
			err := eachFile(ctx, h, inst.QueueDir, channel, func(dir, file string, name fileName) error {
				info, err := h.Lstat(adapter.Rooted(dir + "/" + file))
				if errors.Is(err, fs.ErrNotExist) {
					return nil
				}
				if err != nil {
					return adapter.Absolute(err)
				}
				m := mta.QueuedMessage{QueueID: name.id, Queue: channel, Arrived: info.ModTime().UTC(), Size: info.Size(), Attempts: name.attempts}
				if name.held && channel != holdChannel {
					m.Queue = heldQueue
				}
				if !yield(m, nil) {
					return errStop
				}
				return nil
			})
			if errors.Is(err, errStop) {
				return
			}
			if err != nil {
				yield(mta.QueuedMessage{}, queueError("list", inst, fmt.Errorf("channel %s: %w", channel, err)))
				return
			}
		}
	}
}

// errStop ends a walk because the caller wants no more.
var errStop = errors.New("stop")
