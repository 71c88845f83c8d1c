package tail

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"
	"time"

	"github.com/mtawatch/mtawatch/internal/mta"
)

// follower follows one log file.
type follower struct {
	cfg  Config
	src  mta.LogSource
	sink Sink

	started bool       // where to begin has been found
	resume  *place     // where to begin; nil: see Config.From
	cur     *logFile   // what is being read; nil: the log has not been there yet
	chain   []*logFile // what is to be read after it, opened already
	late    []*logFile // rotated away and read; still watched for late lines, oldest first
	after   *mark      // the last file that was read to its end and held something
	empty   []fileID   // those after it that held nothing

	blind   mta.BlindSpot // what was last told; no Kind: nothing is wrong
	rotated time.Time     // when cur was first seen to be rotated away
	gone    time.Time     // since when nothing lies at the path
}

// followFile follows a file until ctx ends.
func followFile(ctx context.Context, cfg Config, src mta.LogSource, stored string, sink Sink) error {
	f := &follower{cfg: cfg, src: src, sink: sink}
	defer f.closeAll()
	if stored != "" {
		p, err := parsePlace(stored)
		if err == nil && p.At != nil {
			f.resume = &p
		} else {
			f.lost(fmt.Sprintf("the place kept for %s cannot be read, so reading begins anew: %v", src.Path, err))
		}
	}
	for {
		busy, err := f.step(ctx)
		if err != nil {
			return err
		}
		if busy {
			continue
		}
		if err := pause(ctx, cfg.Poll); err != nil {
			return err
		}
	}
}

// closeAll closes every open file.
func (f *follower) closeAll() {
	if f.cur != nil {
		f.cur.close()
	}
	for _, lf := range f.chain {
		lf.close()
	}
	for _, lf := range f.late {
		lf.close()
	}
}

// step does one piece of work. It reports whether there may be more at once.
// An error is the sink's or the context's.
func (f *follower) step(ctx context.Context) (bool, error) {
	if err := ctx.Err(); err != nil {
		return false, err
	}
	if err := f.readLate(ctx); err != nil {
		return false, err
	}
	if f.cur == nil && !f.begin() {
		if f.blind.Kind == "" && (f.src.Quiet || f.leftBehind()) {
			return false, f.sink.Idle(ctx, f.src.Name())
		}
		return false, nil
	}
	fresh := len(f.cur.head) == 0 && f.cur.z == nil && len(f.chain) == 0
	first := f.cur.lines.off == 0 && f.cur.z == nil && len(f.chain) == 1
	text, cut, err := f.cur.next(f.cfg.BatchBytes)
	switch {
	case errors.Is(err, io.EOF):
		return f.atEnd(ctx)
	case errors.Is(err, errTruncated):
		return true, f.truncated(ctx)
	case err != nil && f.cur.z != nil:
		f.lost(fmt.Sprintf("the rest of %s cannot be decompressed: %v", f.cur.path, err))
		return true, f.advance(ctx)
	case err != nil:
		f.setBlind(mta.BlindFailing, err.Error(), "check the disk and file system below "+f.src.Path)
		return false, nil
	case fresh && !f.cur.unsure() && f.overtaken():
		return true, nil
	case first && text != "" && f.chain[0].z == nil && f.chain[0].holds(f.cur.head, 0):
		// It was empty when it was found, and is a copy of the log that is being
		// made: what it holds is read from the log, as long as that is there.
		f.cur.close()
		f.cur, f.chain = f.chain[0], nil
		f.cfg.Logger.Debug("leave copy in the making", "source", f.src.Path)
		return true, nil
	case text == "":
		return true, nil
	}
	return true, f.deliver(ctx, f.cur, text, cut)
}

// deliver hands a batch over, with the place after it.
func (f *follower) deliver(ctx context.Context, lf *logFile, text string, cut int) error {
	b := Batch{Source: f.src.Name(), Text: text, Ref: lf.mod, Place: f.place().String(), Cut: cut}
	if f.cur != nil {
		b.Behind = f.cur.behind()
	}
	for _, c := range f.chain {
		b.Behind += c.behind()
	}
	b.AtEnd = b.Behind == 0 && len(f.chain) == 0 && f.cur != nil && f.cur.z == nil
	return f.sink.Batch(ctx, b)
}

// place gives where to go on now.
func (f *follower) place() place {
	p := place{Path: f.src.Path, After: f.after}
	if f.cur != nil {
		m := f.cur.mark()
		p.At = &m
	}
	for _, lf := range f.late {
		// An empty file has nothing but its inode, which another may have by
		// the time the place is used.
		if len(lf.head) > 0 {
			p.Late = append(p.Late, lf.mark())
		}
	}
	return p
}

// atEnd looks what to do when the current file has nothing more to read.
func (f *follower) atEnd(ctx context.Context) (bool, error) {
	if len(f.chain) > 0 {
		hurried := f.hurried()
		switch {
		case len(f.chain) > 1 || f.cur.copied:
		case f.nextIsEmpty() && time.Since(f.rotated) < f.cfg.LateFor:
			f.fine()
			return false, f.sink.Idle(ctx, f.src.Name())
		case !f.settled() && !hurried:
			f.cur.quiet++
			return false, nil
		case f.half():
			// Read the log; the copy is watched, should it become something else.
			f.cur.forget()
			f.late, f.empty = append(f.late, f.cur), append(f.empty, f.cur.id())
			f.cur, f.chain = f.chain[0], nil
			f.rotated = time.Time{}
			return true, nil
		}
		return true, f.advance(ctx)
	}
	st, err := os.Stat(f.src.Path)
	switch {
	case errors.Is(err, fs.ErrNotExist) && f.leftBehind():
		f.fine()
	case errors.Is(err, fs.ErrNotExist):
		f.missing()
	case err != nil:
		f.unreadable(err)
	case !st.Mode().IsRegular():
		f.unreadable(notRegular(f.src.Path, st))
	case f.cur.is(st):
		f.rotated = time.Time{}
		f.fine()
	default:
		return f.rotatedAway(ctx, st)
	}
	if f.blind.Kind != "" {
		return false, nil
	}
	return false, f.sink.Idle(ctx, f.src.Name())
}

// rotatedAway goes on to the newer files once the current one is quiet: its
// writers keep it open until they are told to reopen, and what they write
// until then comes first.
func (f *follower) rotatedAway(ctx context.Context, st fs.FileInfo) (bool, error) {
	hurried := f.hurried()
	f.cur.quiet++
	switch {
	case st.Size() == 0 && time.Since(f.rotated) < f.cfg.LateFor:
		// Nothing to read there yet, and perhaps nobody has reopened.
		f.fine()
		return false, f.sink.Idle(ctx, f.src.Name())
	case !f.settled() && !hurried:
		return false, nil
	}
	m := f.cur.mark()
	from := &m
	if len(f.cur.head) == 0 {
		// Nothing was read of it, perhaps because a copy was made and it was
		// truncated before: what there is comes after the file before it.
		from = f.after
	}
	fd, err := f.find(from, false)
	if err != nil {
		f.unreadable(err)
		return false, nil
	}
	if fd.err != nil || len(fd.newer) == 0 {
		fd.closeAll()
		if fd.err != nil {
			f.unreadable(fd.err)
		}
		return false, nil
	}
	f.tellSkipped(fd)
	f.chain = fd.newer
	if held := f.cur.lines.pos() - m.Off; held > 0 && f.chain[0].bounded && f.chain[0].lines.off > 0 {
		// The unfinished line that the current file ends with is given when it is
		// left: it is not read again where that lies now.
		f.chain[0].skip(held)
	}
	for _, lf := range f.chain {
		if lf.sameFile(f.cur) {
			// It is read again from the chain, not watched beside it.
			f.cur.close()
			f.cur = nil
			break
		}
	}
	return true, f.advance(ctx)
}

// half reports whether the current file is less than a line, with which the
// next begins: the beginning of a copy that is being made of the log.
func (f *follower) half() bool {
	c := f.cur
	return c.unsure() && len(c.start) > 0 && len(f.chain) == 1 && f.chain[0].z == nil && f.chain[0].holds(c.start, 0)
}

// nextIsEmpty reports whether the next file is the log itself and still empty:
// its writers may not have reopened it yet.
func (f *follower) nextIsEmpty() bool {
	st, err := os.Stat(f.src.Path)
	return err == nil && st.Size() == 0 && f.chain[0].is(st)
}

// settled reports whether nobody is likely to write into the current file.
func (f *follower) settled() bool {
	c := f.cur
	return c.copied || c.quiet > 2 || time.Since(c.mod) > f.cfg.LateFor
}

// hurried reports whether a writer that goes on writing into a rotated file
// has been waited for long enough: the file is then watched beside the next.
func (f *follower) hurried() bool {
	if f.rotated.IsZero() {
		f.rotated = time.Now()
	}
	return time.Since(f.rotated) > 8*f.cfg.Poll
}

// advance goes from the current file, which has been read to its end, to the
// next of the chain.
func (f *follower) advance(ctx context.Context) error {
	if old := f.cur; old != nil {
		text, cut := old.leave()
		if text != "" {
			if err := f.deliver(ctx, old, text, cut); err != nil {
				return err
			}
		}
		if len(old.head) > 0 {
			m := old.mark()
			f.after, f.empty = &m, nil
		} else {
			f.empty = append(f.empty, old.id())
		}
		if old.copied {
			old.close()
		} else {
			f.late = append(f.late, old)
		}
		f.cur = nil
	}
	f.rotated = time.Time{}
	if len(f.chain) > 0 {
		f.cur, f.chain = f.chain[0], f.chain[1:]
		f.cfg.Logger.Debug("go on in log file", "source", f.src.Path, "file", f.cur.path, "offset", f.cur.lines.off)
	}
	return nil
}

// truncated goes on after the current file was truncated: with the rest of
// the copy that was made before, then what came later, then the file anew.
func (f *follower) truncated(ctx context.Context) error {
	m := f.cur.mark()
	fd, err := f.find(&m, true)
	if err != nil {
		f.unreadable(err)
		return pause(ctx, f.cfg.Poll)
	}
	if fd.err != nil {
		fd.closeAll()
		f.unreadable(fd.err)
		return pause(ctx, f.cfg.Poll)
	}
	f.tellSkipped(fd)
	if fd.self != nil {
		fd.self.copied = true
		fd.newer = append([]*logFile{fd.self}, fd.newer...)
	} else {
		f.lost(fmt.Sprintf("%s was truncated at byte %d or later and no rotated copy of it is there: lines written after %s may be lost",
			f.src.Path, m.Off, m.Mod.Format(time.RFC3339)))
	}
	f.cur.close()
	for _, lf := range f.chain {
		lf.close()
	}
	f.cur, f.chain = nil, fd.newer
	return f.advance(ctx)
}

// overtaken reports whether, before the first bytes of the current file were
// read, files came between it and the one read before: the log was truncated
// after a copy was made, while it was thought to be empty. It then goes on there.
func (f *follower) overtaken() bool {
	fd, err := f.find(f.after, false)
	if err != nil || fd.err != nil {
		fd.closeAll()
		return false // the bytes read are good; what lies between cannot be seen
	}
	between, here := false, false
	for _, lf := range fd.newer {
		other := !f.isCurrent(lf)
		here = here || !other
		between = between || !here && lf.size > 0 && !f.watchedLate(lf) && !slices.Contains(f.empty, lf.id())
	}
	if !between || !here {
		fd.closeAll()
		return false
	}
	f.cur.close()
	f.cur, f.chain = fd.newer[0], fd.newer[1:]
	f.cfg.Logger.Debug("go back to log file", "source", f.src.Path, "file", f.cur.path, "then", len(f.chain))
	return true
}

// isCurrent reports whether a file just opened is the current one, which may
// have been rotated and even compressed meanwhile.
func (f *follower) isCurrent(lf *logFile) bool {
	if lf.z == nil {
		return lf.sameFile(f.cur)
	}
	begins := make([]byte, len(f.cur.head))
	n, _ := io.ReadFull(lf.z, begins)
	lf.unread(begins[:n])
	return bytes.Equal(begins, f.cur.head)
}

// watchedLate reports whether a file is among those read and still watched.
func (f *follower) watchedLate(lf *logFile) bool {
	for _, l := range f.late {
		if l.sameFile(lf) && len(l.head) > 0 {
			return true
		}
	}
	return false
}

// readElsewhere reports whether a file that was empty when it was left was a
// copy in the making: what it begins with now was read from the log since, or
// is about to be.
func (f *follower) readElsewhere(lf *logFile) bool {
	first := lf.first()
	if !tells(first) {
		return false // not yet
	}
	others := slices.Clone(f.chain)
	if f.cur != nil {
		others = append(others, f.cur)
	}
	for _, other := range append(others, f.late...) {
		if other != lf && other.beginsLike(first) {
			return true
		}
	}
	return f.after != nil && 0 < f.after.Head && f.after.Head <= len(first) && sum(first[:f.after.Head]) == f.after.HeadSum
}

// noLongerEmpty notes that something was read of a file that was empty when it
// was left: what comes after it is new, itself is not.
func (f *follower) noLongerEmpty(lf *logFile) {
	if len(lf.head) == 0 {
		return
	}
	i := slices.IndexFunc(f.empty, func(id fileID) bool { return id.dev == lf.dev && id.ino == lf.ino })
	if i >= 0 {
		m := lf.mark()
		f.after, f.empty = &m, f.empty[i+1:]
	}
}

// maxLateBatches is how much is read from one late file before the others
// have their turn.
const maxLateBatches = 16

// readLate reads what was written into rotated files after they were left.
func (f *follower) readLate(ctx context.Context) error {
	kept := f.late[:0:0]
	for i, lf := range f.late {
		if len(lf.head) == 0 && f.readElsewhere(lf) {
			lf.close()
			continue
		}
		expired := time.Since(lf.last) > f.cfg.LateFor || len(f.late)-i > maxLate
		for range maxLateBatches {
			text, cut, err := lf.next(f.cfg.BatchBytes)
			done := errors.Is(err, io.EOF)
			if err != nil && !done {
				expired = true // emptied or gone: its lines were read
			}
			if err != nil && expired {
				text, cut = lf.leave()
			}
			f.noLongerEmpty(lf)
			if text != "" {
				if err := f.deliver(ctx, lf, text, cut); err != nil {
					return err
				}
			}
			if err != nil {
				break
			}
		}
		if expired {
			lf.close()
		} else {
			kept = append(kept, lf)
		}
	}
	f.late = kept
	return nil
}
