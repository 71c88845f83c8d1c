package tail

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"time"

	"github.com/mtawatch/mtawatch/internal/mta"
)

// begin finds the file to read first. It reports whether there is one.
func (f *follower) begin() bool {
	if st, err := os.Stat(f.src.Path); err == nil && !st.Mode().IsRegular() {
		f.unreadable(notRegular(f.src.Path, st))
		return false
	} else if err != nil && !errors.Is(err, fs.ErrNotExist) {
		f.unreadable(err)
		return false
	}
	var ok bool
	switch {
	case f.started:
		ok = f.reopen()
	case f.resume != nil:
		ok = f.restore(*f.resume)
	default:
		ok = f.first()
	}
	if ok {
		f.started = true
		f.cur, f.chain = f.chain[0], f.chain[1:]
		f.fine()
		f.cfg.Logger.Info("follow log file", "source", f.src.Path, "file", f.cur.path, "offset", f.cur.lines.off, "then", len(f.chain))
	}
	return ok
}

// use takes over what find gave. It reports whether there is a file to read.
func (f *follower) use(fd found, err error) bool {
	if err == nil {
		err = fd.err
	}
	if err != nil {
		fd.closeAll()
		f.unreadableOrMissing(err)
		return false
	}
	if fd.self != nil {
		fd.newer = append([]*logFile{fd.self}, fd.newer...)
	}
	f.tellSkipped(fd)
	f.chain = fd.newer
	if len(f.chain) == 0 {
		f.missing()
	}
	return len(f.chain) > 0
}

// first begins where there is no place.
func (f *follower) first() bool {
	if f.cfg.StartRotated && f.cfg.From != FromEnd {
		return f.use(f.find(nil, false))
	}
	newest, err := f.newestMark()
	if err != nil {
		f.unreadableOrMissing(err)
		return false
	}
	f.after = newest
	lf, err := openFile(f.src.Path, f.cfg.MaxLine)
	if err != nil {
		// When it appears, it is new: all of it is read.
		f.started = errors.Is(err, fs.ErrNotExist)
		f.unreadableOrMissing(err)
		return false
	}
	if f.cfg.From == FromEnd {
		if err := lf.seekEnd(); err != nil {
			lf.close()
			f.unreadable(err)
			return false
		}
	}
	f.chain = []*logFile{lf}
	return true
}

// reopen begins at what is newer than the last file read.
func (f *follower) reopen() bool { return f.use(f.find(f.after, false)) }

// restore begins at a stored place.
func (f *follower) restore(p place) bool {
	f.after = p.After
	if p.At.Head == 0 {
		// Nothing was read of the file, so only the one before it tells.
		fd, err := f.find(p.After, false)
		lost := err == nil && p.After != nil && !fd.known && len(fd.newer) > 0 && fd.newer[len(fd.newer)-1].ino != p.At.Ino
		if !f.use(fd, err) {
			return false
		}
		if lost {
			f.lost(fmt.Sprintf("the file read last, %s (written until %s), is gone: lines between then and the oldest file that is still there may have been rotated away unread",
				p.After.Path, p.After.Mod.Format(time.RFC3339)))
		}
		f.restoreLate(p)
		return true
	}
	fd, err := f.find(p.At, true)
	if err == nil && fd.self == nil && !fd.exists {
		// Perhaps the file system is not there yet: the place stays good.
		fd.closeAll()
		f.missing()
		return false
	}
	if lost := err == nil && fd.err == nil && fd.self == nil; lost {
		f.lost(fmt.Sprintf("the file read last, at %s (byte %d, written until %s), is gone: lines between then and the oldest file that is still there were rotated away unread",
			p.At.Path, p.At.Off, p.At.Mod.Format(time.RFC3339)))
	}
	if !f.use(fd, err) {
		return false
	}
	f.restoreLate(p)
	return true
}

// restoreLate takes up the rotated files that were watched for late lines.
func (f *follower) restoreLate(p place) {
	for _, m := range p.Late {
		fd, err := f.find(&m, true)
		if err != nil || fd.self == nil || fd.self.bounded { // in a whole, other pieces follow it
			fd.closeAll()
			f.cfg.Logger.Info("rotated log is gone, late lines in it are not read", "file", m.Path)
			continue
		}
		self := fd.self
		fd.self = nil
		fd.closeAll()
		f.late = append(f.late, self)
	}
}

// tellSkipped tells of rotated files that hold unread lines and cannot be opened.
func (f *follower) tellSkipped(fd found) {
	for _, err := range fd.skipped {
		f.lost(fmt.Sprintf("a rotated log with unread lines was left out: %v", err))
	}
}

// unreadableOrMissing tells what is wrong with opening the log.
func (f *follower) unreadableOrMissing(err error) {
	if errors.Is(err, fs.ErrNotExist) {
		f.missing()
		return
	}
	f.unreadable(err)
}

// missing tells that nothing lies at the path: at once when nothing was ever
// read, else after a while, since a rotation leaves such a gap; never where
// the log comes only with something to tell.
func (f *follower) missing() {
	if f.src.Quiet || f.leftBehind() {
		return
	}
	now := time.Now()
	if f.gone.IsZero() {
		f.gone = now
	}
	if f.cur != nil && now.Sub(f.gone) < f.cfg.MissingAfter {
		return
	}
	f.setBlind(mta.BlindMissing, f.src.Path+" is not there",
		"check that the mail server or syslog writes it there (Postfix: postconf maillog_file); reading starts when it appears")
}

// unreadable tells that the log is there and cannot be read.
func (f *follower) unreadable(err error) {
	advice := "check the path in the configuration"
	switch {
	case errors.Is(err, fs.ErrPermission):
		advice = "let mtawatch read it: usermod -aG adm mtawatch, then restart mtawatch"
	case !errors.Is(err, errNotRegular):
		advice = "check the disk and file system below " + f.src.Path
	}
	f.setBlind(mta.BlindUnreadable, err.Error(), advice)
}

// setBlind tells the sink of a blind spot when it is not told already.
func (f *follower) setBlind(kind mta.BlindKind, text, advice string) {
	if f.blind.Kind == kind && f.blind.Text == text {
		return
	}
	f.blind = mta.BlindSpot{Source: f.src.Name(), Kind: kind, Since: time.Now(), Text: text, Advice: advice}
	if !f.gone.IsZero() && kind == mta.BlindMissing {
		f.blind.Since = f.gone
	}
	f.cfg.Logger.Warn("log file cannot be read", "source", f.src.Path, "kind", string(kind), "reason", text, "advice", advice)
	spot := f.blind
	f.sink.Blind(f.src.Name(), &spot)
}

// fine takes back what setBlind told.
func (f *follower) fine() {
	f.gone = time.Time{}
	if f.blind.Kind == "" {
		return
	}
	f.blind = mta.BlindSpot{}
	f.cfg.Logger.Info("log file can be read again", "source", f.src.Path)
	f.sink.Blind(f.src.Name(), nil)
}

// lost tells that lines are gone that were never read.
func (f *follower) lost(text string) {
	f.cfg.Logger.Warn("log lines are lost", "source", f.src.Path, "reason", text)
	f.sink.Blind(f.src.Name(), &mta.BlindSpot{
		Source: f.src.Name(), Kind: mta.BlindLost, Since: time.Now(), Text: text,
		Advice: "keep rotated logs for longer than mtawatch may be down (logrotate: rotate, delaycompress), and rotate by renaming, not copytruncate",
	})
}
