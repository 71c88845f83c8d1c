package tail

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"time"
)

// placeVersion is the form of a place. Another one is not read.
const placeVersion = 1

// headLen is how many bytes of a file's start are compared to know it again.
const headLen = 1 << 10

// maxLate is how many rotated files are watched for late lines at once.
const maxLate = 8

// place is where to go on, as stored. A file's place fills At, the journal's
// Cursor.
type place struct {
	V      int    `json:"v"`
	Path   string `json:"path,omitempty"` // the log that is followed
	At     *mark  `json:"at,omitempty"`
	Late   []mark `json:"late,omitempty"`  // rotated files that may still get lines, oldest first
	After  *mark  `json:"after,omitempty"` // the file read to its end before At
	Cursor string `json:"cursor,omitempty"`
}

// mark is a spot in one file, and how to know the file again.
type mark struct {
	Path    string    `json:"path"` // where it lay
	Dev     uint64    `json:"dev"`
	Ino     uint64    `json:"ino"`
	Head    int       `json:"head"` // bytes of its start behind HeadSum; 0: it was empty
	HeadSum string    `json:"head_sum,omitempty"`
	Tail    int       `json:"tail"` // bytes before Off behind TailSum
	TailSum string    `json:"tail_sum,omitempty"`
	Off     int64     `json:"off"` // in the file's decompressed bytes, after a whole line
	Mod     time.Time `json:"mod"` // modification time when last seen
}

// sum names bytes: the first half of their SHA-256 in hexadecimal.
func sum(b []byte) string {
	s := sha256.Sum256(b)
	return hex.EncodeToString(s[:16])
}

// parsePlace reads a stored place.
func parsePlace(text string) (place, error) {
	var p place
	if err := json.Unmarshal([]byte(text), &p); err != nil {
		return place{}, fmt.Errorf("read place: %w", err)
	}
	if p.V != placeVersion {
		return place{}, fmt.Errorf("read place: form %d, not %d", p.V, placeVersion)
	}
	if len(p.Late) > maxLate {
		return place{}, errors.New("read place: too many late files")
	}
	for _, m := range p.Late {
		if err := m.check(); err != nil {
			return place{}, err
		}
	}
	for _, m := range []*mark{p.At, p.After} {
		if m == nil {
			continue
		}
		if err := m.check(); err != nil {
			return place{}, err
		}
	}
	return p, nil
}

// check says whether a mark can be used.
func (m *mark) check() error {
	switch {
	case m.Off < 0, m.Head < 0, m.Head > headLen, m.Tail < 0, m.Tail > tailLen,
		int64(m.Tail) > m.Off, int64(m.Head) < min(m.Off, headLen):
		return fmt.Errorf("read place: no spot in a file: offset %d, head %d, tail %d", m.Off, m.Head, m.Tail)
	}
	return nil
}

// String gives the stored form.
func (p place) String() string {
	p.V = placeVersion
	b, err := json.Marshal(p)
	if err != nil {
		// Only a time outside the years 0 to 9999 can do this: an absurd
		// modification time, without which the place is as good.
		for _, m := range []*mark{p.At, p.After} {
			if m != nil {
				m.Mod = time.Time{}
			}
		}
		for i := range p.Late {
			p.Late[i].Mod = time.Time{}
		}
		b, _ = json.Marshal(p)
	}
	return string(b)
}
