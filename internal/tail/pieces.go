package tail

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/mtawatch/mtawatch/internal/mta"
)

// nameBytes is how much of a piece's beginning its name is made of.
const nameBytes = 4 << 10

// Piece is one rotated piece of a log, as it lies on the disk now.
type Piece struct {
	// Name knows it again by its content, whatever rotation does with it: it
	// renames and compresses files, and appends them to others. "" is an empty one.
	Name string
	Path string
	Mod  time.Time
	Size int64 // bytes on the disk

	part     bool  // it is what stands from off on, Size bytes, in a file that grows
	off      int64 //
	appendAt int64 // where it will stand in the whole
}

// Pieces gives the rotated pieces of a log, oldest first, without the log
// itself. Each line stands in one of them, also while one is being appended to
// another. A piece that cannot be read is left out; its error stands in the result.
func Pieces(src mta.LogSource) ([]Piece, error) {
	all, err := listSiblings(src)
	if err != nil {
		return nil, err
	}
	var list []Piece
	errs := []error{}
	for i, s := range all {
		if s.key == "" {
			continue
		}
		p := Piece{Path: s.path, Mod: s.info.ModTime(), Size: s.info.Size()}
		grows := s.whole && (i+1 == len(all) || !all[i+1].whole)
		if grows || i > 0 && all[i-1].whole { // the whole, and what is appended to it next
			p.part = true
		}
		switch {
		case grows && i+1 < len(all) && all[i+1].key != "":
			p.Size, err = wholeEnd(s, all[i+1])
		case p.part && !grows && len(list) > 0 && list[len(list)-1].Path == all[i-1].path:
			p.appendAt = list[len(list)-1].Size
		}
		if err == nil {
			p.Name, err = p.name()
		}
		if err != nil {
			errs = append(errs, fmt.Errorf("read rotated log %s: %w", s.path, err))
			err = nil
			continue
		}
		list = append(list, p)
	}
	return list, errors.Join(errs...)
}

// wholeEnd gives up to where the whole holds what the piece after it does not.
func wholeEnd(whole, next sibling) (int64, error) {
	a, st, err := OpenPlain(whole.path)
	if err != nil {
		return 0, err
	}
	defer a.Close()
	b, nst, err := OpenPlain(next.path)
	if err != nil {
		return 0, err
	}
	defer b.Close()
	return boundary(a, st.Size(), b, nst.Size()), nil
}

// name names a piece by its beginning; one that is part of a file that grows
// by how long it is, and where it will stand, too.
func (p *Piece) name() (string, error) {
	if !p.part {
		in, err := OpenLog(p.Path)
		if err != nil {
			return "", err
		}
		defer in.Close()
		return headName(in, nameBytes)
	}
	f, _, err := OpenPlain(p.Path)
	if err != nil {
		return "", err
	}
	defer f.Close()
	head, err := headName(io.NewSectionReader(f, p.off, p.Size), nameBytes)
	if head == "" || err != nil {
		return "", err
	}
	return fmt.Sprintf("%s+%d@%d", head, p.Size, p.appendAt), nil
}

// headName names what a reader begins with.
func headName(in io.Reader, n int64) (string, error) {
	head := make([]byte, n)
	got, err := io.ReadFull(in, head)
	if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
		return "", err
	}
	if got == 0 {
		return "", nil
	}
	sum := sha256.Sum256(head[:got])
	return hex.EncodeToString(sum[:16]), nil
}

// FindPiece gives where a piece lies now. ok is false when it is gone.
func FindPiece(src mta.LogSource, name string) (p Piece, ok bool, err error) {
	head, rest, part := strings.Cut(name, "+")
	var size, at int64
	if part {
		if n, _ := fmt.Sscanf(rest, "%d@%d", &size, &at); n != 2 || size <= 0 || at < 0 {
			return p, false, nil
		}
	}
	all, err := listSiblings(src)
	if err != nil {
		return p, false, err
	}
	for _, s := range all {
		if s.key == "" {
			continue
		}
		p := Piece{Name: name, Path: s.path, Mod: s.info.ModTime(), Size: s.info.Size()}
		if !part {
			if got, err := p.name(); err == nil && got == head {
				return p, true, nil
			}
			continue
		}
		p.part, p.Size = true, size
		for _, off := range []int64{0, at} {
			if p.off = off; off+size <= s.info.Size() && p.begins(head) {
				return p, true, nil
			}
		}
	}
	return Piece{}, false, nil
}

// begins reports whether what stands at the piece's offset has a name.
func (p *Piece) begins(head string) bool {
	f, _, err := OpenPlain(p.Path)
	if err != nil {
		return false
	}
	defer f.Close()
	got, err := headName(io.NewSectionReader(f, p.off, p.Size), nameBytes)
	return err == nil && got == head
}

// probe is how much of a piece Young reads to find a line that tells its time.
const probe = 64 << 10

// Young gives a piece without what is too old, where it is part of a file that
// grows over years, and how many bytes that leaves out. old reports whether a line is
// too old, and whether it tells: lines without a time do not. They are taken
// to stand in the order of time; a little more than asked for may be left in.
func (p Piece) Young(old func(line string) (older, tells bool)) (Piece, int64, error) {
	if !p.part {
		return p, 0, nil
	}
	f, _, err := OpenPlain(p.Path)
	if err != nil {
		return p, 0, err
	}
	defer f.Close()
	begin, end := int64(0), p.Size // all before begin is too old
	buf := make([]byte, probe)
	for end-begin > probe {
		middle := begin + (end-begin)/2
		n, err := f.ReadAt(buf[:min(probe, p.Size-middle)], p.off+middle)
		if err != nil && !errors.Is(err, io.EOF) {
			return p, 0, err
		}
		at, older, tells := telling(buf[:n], old)
		switch {
		case tells && older:
			begin = middle + int64(at)
		default: // where nothing tells it is read
			end = middle
		}
	}
	p.off, p.Size = p.off+begin, p.Size-begin
	return p, begin, nil
}

// telling looks for the first whole line that tells if it is too old, after
// one that may be cut, and gives its offset.
func telling(text []byte, old func(line string) (older, tells bool)) (at int, older, tells bool) {
	for {
		i := bytes.IndexByte(text[at:], '\n')
		if i < 0 {
			return at, false, false
		}
		at += i + 1
		if i = bytes.IndexByte(text[at:], '\n'); i < 0 {
			return at, false, false
		}
		if older, tells = old(string(text[at : at+i])); tells {
			return at, older, true
		}
	}
}

// ReadPiece reads a piece once, as ReadAll does.
func ReadPiece(ctx context.Context, cfg Config, p Piece, sink Sink) error {
	cfg = cfg.withDefaults()
	var err error
	if p.part {
		err = readPart(ctx, cfg, p, sink)
	} else {
		err = readOne(ctx, cfg, p.Path, sink)
	}
	if se := (*sinkError)(nil); errors.As(err, &se) {
		return se.err
	}
	return err
}

// readPart reads a piece that is a part of a file.
func readPart(ctx context.Context, cfg Config, p Piece, sink Sink) error {
	f, st, err := OpenPlain(p.Path)
	if err != nil {
		return err
	}
	defer f.Close()
	if st.Size() < p.off+p.Size {
		return fmt.Errorf("read log %s: %w", p.Path, os.ErrNotExist)
	}
	return readLines(ctx, cfg, io.NewSectionReader(f, p.off, p.Size), Batch{Source: p.Path, Ref: p.Mod}, p.Size, sink)
}
