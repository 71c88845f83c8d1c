package tail

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
)

// maxChain is how many files are held open at once to be read in turn. When
// more are unread, the rest is found again from the last of these.
const maxChain = 64

// found is where a mark lies among the files of a log now.
type found struct {
	self    *logFile   // the file of the mark, at the mark; nil: not found or not asked for
	known   bool       // the file of the mark is there
	newer   []*logFile // what was written after it, oldest first, each at its start; the log itself last
	exists  bool       // the log itself is there
	err     error      // why the log itself, being there, could not be opened
	skipped []error    // siblings that could not be opened
}

// closeAll closes every file found.
func (fd *found) closeAll() {
	if fd.self != nil {
		fd.self.close()
	}
	for _, lf := range fd.newer {
		lf.close()
	}
}

// find looks for the file of a mark among the files of the log at path and
// opens what is newer. With open the file itself is opened at the mark too. A nil
// mark stands before everything. Rotation may go on meanwhile: the directory
// is read again afterwards, and all is done anew when it has changed.
func (f *follower) find(m *mark, open bool) (found, error) {
	for try := 0; ; try++ {
		before, err := listSiblings(f.src)
		if err != nil {
			return found{}, err
		}
		fd := f.search(before, m, open)
		after, err := listSiblings(f.src)
		if err != nil {
			fd.closeAll()
			return found{}, err
		}
		if sameFiles(before, after) || try == 20 {
			return fd, nil
		}
		fd.closeAll()
	}
}

// sameFiles reports whether two listings have the same names for the same files.
func sameFiles(a, b []sibling) bool {
	return slices.EqualFunc(a, b, func(x, y sibling) bool {
		return x.path == y.path && os.SameFile(x.info, y.info)
	})
}

// search is one round of find over a listing.
func (f *follower) search(all []sibling, m *mark, open bool) found {
	fd := found{exists: len(all) > 0 && all[len(all)-1].key == ""}
	from := 0
	if m != nil {
		from, fd.self = f.locate(all, *m, open)
		from++
		fd.known = from > 0 || fd.self != nil
		// Rotation deletes the oldest first, so what is left of an unknown
		// file's log was written later, except what its time proves older. Of a
		// whole nothing can be said: it holds old and new.
		for !fd.known && from < len(all) && all[from].key != "" && (all[from].whole || !all[from].info.ModTime().After(m.Mod)) {
			from++
		}
		if !open && fd.self != nil { // in a whole, which goes on
			fd.newer, fd.self = append(fd.newer, fd.self), nil
		}
	}
	for i := from; i < len(all) && len(fd.newer) < maxChain; i++ {
		s := all[i]
		if s.key != "" && i == len(all)-2 && all[i+1].key == "" && f.copying(s, all[i+1]) {
			continue
		}
		lf, err := openFile(s.path, f.cfg.MaxLine)
		switch {
		case err == nil:
			lf.copied = lf.copied || s.whole
			fd.newer = append(fd.newer, lf)
		case s.key == "":
			fd.err = err
		default:
			fd.skipped = append(fd.skipped, err)
		}
	}
	fd.bound(all)
	return fd
}

// bound ends the whole where the piece that will be appended next begins, and
// leaves it out where it was read up to there.
func (fd *found) bound(all []sibling) {
	last := -1
	for i, s := range all {
		if s.whole {
			last = i
		}
	}
	if last < 0 {
		return
	}
	is := func(lf *logFile, i int) bool { return lf != nil && i < len(all) && lf.path == all[i].path }
	var whole, next *logFile
	for _, lf := range append([]*logFile{fd.self}, fd.newer...) {
		switch {
		case is(lf, last):
			whole = lf
		case is(lf, last+1) && all[last+1].key != "":
			next = lf
		}
	}
	if whole == nil {
		return
	}
	whole.bound(next)
	if whole != fd.self && whole.behind() == 0 {
		whole.close()
		fd.newer = slices.DeleteFunc(fd.newer, func(lf *logFile) bool { return lf == whole })
	}
}

// locate gives the index of the file of a mark, -1 where it is not listed,
// and with open the file at the mark; that too where it is a whole, which goes
// on after the mark. The file that has its inode comes
// first, then copies and wholes, the newest first.
func (f *follower) locate(all []sibling, m mark, open bool) (int, *logFile) {
	same := func(s sibling) bool {
		dev, ino := inode(s.info)
		return dev == m.Dev && ino == m.Ino
	}
	for _, own := range []bool{true, false} {
		if m.Head == 0 && !own {
			break
		}
		for i, s := range slices.Backward(all) {
			if s.whole && own {
				continue // below, with what lies inside
			}
			if s.whole {
				if lf := f.openWhole(s, m); lf != nil {
					return i, lf
				}
				continue
			}
			if same(s) != own {
				continue
			}
			if lf := f.openMark(s.path, m, open); lf != nil {
				return i, f.keepOrClose(lf, open)
			}
		}
	}
	// A log behind a link that points elsewhere now leaves no sibling.
	if st, err := os.Stat(m.Path); err == nil && filepath.IsAbs(m.Path) && same(sibling{info: st}) {
		if lf := f.openMark(m.Path, m, open); lf != nil {
			return -1, f.keepOrClose(lf, open)
		}
	}
	return -1, nil
}

// keepOrClose closes a file that was only to be recognised.
func (f *follower) keepOrClose(lf *logFile, open bool) *logFile {
	if open {
		return lf
	}
	lf.close()
	return nil
}

// openMark opens a file if it is that of the mark, and with open goes to the
// mark in it. It gives nil where it is another file.
func (f *follower) openMark(path string, m mark, open bool) *logFile {
	lf, err := openFile(path, f.cfg.MaxLine)
	if err != nil {
		return nil
	}
	if !lf.startsLike(m) || (open && !lf.seek(m)) {
		lf.close()
		return nil
	}
	lf.copied = lf.copied || lf.dev != m.Dev || lf.ino != m.Ino
	return lf
}

// copying reports whether a sibling is a copy of the log as it is now: a
// copytruncate that has not truncated yet. What it holds is read from the log.
func (f *follower) copying(s, log sibling) bool {
	a, err := openFile(s.path, f.cfg.MaxLine)
	if err != nil {
		return false
	}
	defer a.close()
	b, err := openFile(log.path, f.cfg.MaxLine)
	if err != nil {
		return false
	}
	defer b.close()
	if a.z != nil || b.z != nil || os.SameFile(s.info, log.info) {
		return false
	}
	copied, begins := a.first(), b.first()
	n := min(len(copied), len(begins))
	// All of the copy so far is enough to tell, too.
	return (tells(copied[:n]) || n > 0 && n == len(copied)) && bytes.Equal(copied[:n], begins[:n])
}

// newestMark gives the mark of the newest rotated sibling that is not empty,
// nil where there is none: what is read already when a follower starts at the
// current file.
func (f *follower) newestMark() (*mark, error) {
	all, err := listSiblings(f.src)
	if err != nil {
		return nil, err
	}
	for _, s := range slices.Backward(all) {
		if s.key == "" || s.info.Size() == 0 {
			continue
		}
		lf, err := openFile(s.path, f.cfg.MaxLine)
		if err != nil {
			continue
		}
		if len(f.src.Older) > 0 && lf.z == nil {
			// It will lie inside another, where only its end tells what comes after.
			err = lf.seekEnd()
		} else {
			_, _, err = lf.next(headLen)
			_, _ = lf.leave() // also by half a line it is known again
		}
		m := lf.mark()
		lf.close()
		if err == nil {
			return &m, nil
		}
	}
	return nil, nil
}
