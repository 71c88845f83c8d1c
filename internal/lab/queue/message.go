package queue

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// maxHistory bounds what a file keeps of its delivery history, in bytes; the
// oldest entries go first, at the next rewrite.
const maxHistory = 32 << 10

// Message is an open queue file: close it.
type Message struct {
	Envelope
	Entry   Entry
	History string // of its deliveries, one line each, oldest first
	file    *os.File
	start   int64 // of the content
	size    int64 // of the content
	end     int64 // of the whole
	line    string
}

// Read opens a message. Its content stays as it is even when the file goes.
func (q *Queue) Read(e Entry) (*Message, error) {
	f, err := os.Open(e.Path)
	if err != nil {
		return nil, fmt.Errorf("read queue file: %w", err)
	}
	return readMessage(e, f)
}

func readMessage(e Entry, f *os.File) (*Message, error) {
	st, err := f.Stat()
	if err != nil {
		_ = f.Close()
		return nil, fmt.Errorf("read queue file: %w", err)
	}
	m := &Message{Entry: e, file: f}
	if err := m.parse(f, st.Size()); err != nil {
		_ = f.Close()
		return nil, fmt.Errorf("read %s: %w", e.Path, err)
	}
	if m.Arrived.IsZero() {
		m.Arrived = st.ModTime()
	}
	return m, nil
}

// parse finds the parts of a file.
func (m *Message) parse(r io.ReaderAt, size int64) error {
	var text []byte
	for want := int64(4 << 10); ; want *= 4 {
		if want > maxEnvelope*4 {
			return fmt.Errorf("an envelope of more than %d bytes: %w", maxEnvelope, errFormat)
		}
		text = make([]byte, min(want, size))
		if _, err := r.ReadAt(text, 0); err != nil && err != io.EOF {
			return err
		}
		e, boundary, n, more, err := parseEnvelope(text)
		if err != nil {
			return err
		}
		if !more {
			m.Envelope, m.line = *e, boundary
			m.start = int64(n + len(boundary) + 1)
			break
		}
		if want >= size {
			return fmt.Errorf("no end of the envelope: %w", errFormat)
		}
	}
	// The boundary that begins the content ends it as well.
	at, err := find(r, m.start-1, size, []byte("\n"+m.line+"\n"))
	if err != nil {
		return err
	}
	m.size = at + 1 - m.start
	history := make([]byte, min(size-(at+2+int64(len(m.line))), 2*maxHistory))
	if _, err := r.ReadAt(history, size-int64(len(history))); err != nil && err != io.EOF {
		return err
	}
	// A line that a crash cut short is none.
	whole := bytes.LastIndexByte(history, '\n') + 1
	m.History, m.end = string(history[:whole]), size-int64(len(history)-whole)
	return nil
}

// find gives the place of the first what in r from one offset up to another.
func find(r io.ReaderAt, from, to int64, what []byte) (int64, error) {
	buf := make([]byte, min(64<<10+len(what), int(to-from)))
	for from < to {
		n, err := r.ReadAt(buf[:min(int64(len(buf)), to-from)], from)
		if i := bytes.Index(buf[:n], what); i >= 0 {
			return from + int64(i), nil
		}
		if err != nil && err != io.EOF {
			return 0, err
		}
		if n < len(buf) || err == io.EOF || n <= len(what) {
			break
		}
		from += int64(n - len(what))
	}
	return 0, fmt.Errorf("no end of the content: %w", errFormat)
}

// Content reads the message from its start, lines ended by LF; each call gives
// a reader of its own.
func (m *Message) Content() io.Reader { return io.NewSectionReader(m.file, m.start, m.size) }

// Size is the length of the content in bytes.
func (m *Message) Size() int64 { return m.size }

// Blocks is the size in blocks of 1024 bytes, rounded up.
func (m *Message) Blocks() int { return int((m.size + 1023) / 1024) }

// Close gives the file back, and its lock.
func (m *Message) Close() error { return m.file.Close() }

// Lock opens a message for the one who delivers it, returns it or changes it:
// nobody else can have it until Close, or until the process is gone. It gives
// ErrBusy when somebody has it, fs.ErrNotExist when it is gone.
func (q *Queue) Lock(e Entry) (*Message, error) {
	f, err := openLocked(e.Path)
	if err != nil {
		return nil, err
	}
	return readMessage(e, f)
}

// Attempted notes an attempt that did not finish a message: the name counts
// one more, the history has one more line. With still shorter than the
// recipients so far, a new file with those takes the old one's place, at one
// instant and under the same lock: no crash leaves both or none. The time of a
// file that was not rewritten stays its time of arrival.
func (m *Message) Attempted(still []Recipient, history string) (Entry, error) {
	attempts, unique, suffix, _, ok := ParseName(filepath.Base(m.Entry.Path))
	if !ok {
		return m.Entry, fmt.Errorf("note an attempt at %s: no queue file", m.Entry.Path)
	}
	e := m.Entry
	var err error
	if len(still) < len(m.Recipients) {
		suffix = nextSuffix(suffix)
		if err = m.rewrite(still, history); err != nil {
			err = m.mark(still)
		}
	} else if len(m.History)+len(history) < maxHistory {
		m.Note(history)
	}
	if err != nil {
		return m.Entry, fmt.Errorf("note an attempt at %s: %w", m.Entry.Path, err)
	}
	e.Attempts = attempts + 1
	e.Path = filepath.Join(filepath.Dir(e.Path), Name(e.Attempts, unique, suffix))
	if err := os.Rename(m.Entry.Path, e.Path); err != nil {
		return m.Entry, fmt.Errorf("note an attempt: %w", err)
	}
	m.Entry = e
	return e, nil
}

// Note adds a line to the history. That is worth no failed delivery: a full
// disk costs the line.
func (m *Message) Note(line string) {
	if line == "" || len(m.History)+len(line) > 2*maxHistory {
		return
	}
	line = oneLine(line)
	if _, err := m.file.WriteAt([]byte(line), m.end); err != nil {
		_ = m.file.Truncate(m.end)
		return
	}
	m.end += int64(len(line))
	m.History += line
	if !m.Arrived.IsZero() {
		_ = os.Chtimes(m.Entry.Path, time.Time{}, m.Arrived)
	}
}

func oneLine(s string) string {
	b := []byte(s)
	for i, c := range b {
		if c < ' ' || c == 0x7f {
			b[i] = ' '
		}
	}
	return string(b) + "\n"
}

// rewrite puts a file with fewer recipients in the old one's place.
func (m *Message) rewrite(still []Recipient, history string) error {
	env := m.Envelope
	env.Recipients = still
	head, err := appendEnvelope(nil, &env, m.line)
	if err != nil {
		return err
	}
	t, err := newTemp(filepath.Dir(m.Entry.Path), newUnique())
	if err != nil {
		return err
	}
	if err := lockFile(t.file); err != nil {
		t.discard()
		return err
	}
	past := m.History
	if history != "" {
		past += oneLine(history)
	}
	for len(past) > maxHistory {
		_, past, _ = strings.Cut(past, "\n")
	}
	parts := io.MultiReader(bytes.NewReader(head), m.Content(), bytes.NewReader([]byte(m.line+"\n"+past)))
	if _, err := io.Copy(t.file, parts); err != nil {
		t.discard()
		return err
	}
	size, err := t.commit(m.Entry.Path)
	if err != nil {
		t.discard()
		return err
	}
	_ = m.file.Close() // its name is gone; the lock of the new file holds
	m.file = t.file
	m.Entry.Size, m.Entry.Modified = size, time.Now()
	m.History = past
	m.start, m.end = int64(len(head)), size
	written, _, _, _, err := parseEnvelope(head) // the places are new
	if err != nil {
		return err
	}
	m.Envelope = *written
	return nil
}

// mark notes in the file itself which recipients are done: what can be done on
// a full disk too, or without one more descriptor.
func (m *Message) mark(still []Recipient) error {
	for _, r := range m.Recipients {
		if slices.ContainsFunc(still, func(s Recipient) bool { return s.place == r.place }) {
			continue
		}
		if _, err := m.file.WriteAt([]byte{doneLetter}, r.place); err != nil {
			return err
		}
	}
	m.Recipients = still
	return m.file.Sync()
}

// Remove takes a message that is done out of the queue. The name's end need
// not reach the disk: after a crash of the machine the message is delivered
// again.
func (m *Message) Remove() error {
	if err := os.Remove(m.Entry.Path); err != nil {
		return fmt.Errorf("remove from queue: %w", err)
	}
	return nil
}

// Hold keeps a message from delivery until Release: .HELD.
func (m *Message) Hold() (Entry, error) { return m.rename(heldSuffix) }

// Release makes a held message eligible again.
func (m *Message) Release() (Entry, error) { return m.rename(nextSuffix(heldSuffix)) }

func (m *Message) rename(suffix string) (Entry, error) {
	attempts, unique, _, _, ok := ParseName(filepath.Base(m.Entry.Path))
	if !ok {
		return m.Entry, fmt.Errorf("rename %s: no queue file", m.Entry.Path)
	}
	e := m.Entry
	e.Path, e.Held = filepath.Join(filepath.Dir(e.Path), Name(attempts, unique, suffix)), suffix == heldSuffix
	if err := os.Rename(m.Entry.Path, e.Path); err != nil {
		return m.Entry, fmt.Errorf("rename queue file: %w", err)
	}
	m.Entry = e
	return e, nil
}
