package queue

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"
)

// Enqueue stores a message for a channel. The content is the header, a blank
// line and the body; ends of lines are LF in the file, and the last line gets
// one. When Enqueue returns an entry, file and name are on the disk.
//
// An error of content is given back as it is, so that its reader can tell it
// from one of the disk.
func (q *Queue) Enqueue(channel string, e *Envelope, content io.Reader) (Entry, error) {
	d, err := q.Write(channel, e, content)
	if err != nil {
		return Entry{}, err
	}
	defer d.Close()
	return d.Commit(false)
}

// Draft is a message that is on the disk whole, and that nobody sees until it
// is committed: close it. Of a message with several files all are written
// before the first is committed, for what can fail is the writing.
type Draft struct {
	temp       *temp
	entry      Entry // path: of a file that is not held
	start, end int64 // of the content
}

// Write makes a draft; what it is told is as for Enqueue.
func (q *Queue) Write(channel string, e *Envelope, content io.Reader) (*Draft, error) {
	unique := newUnique()
	dir, err := q.place(channel, unique)
	if err != nil {
		return nil, fmt.Errorf("enqueue for %s: %w", channel, err)
	}
	boundary := boundaryStart + newUnique() + newUnique() + ")"
	head, err := appendEnvelope(nil, e, boundary)
	if err != nil {
		return nil, fmt.Errorf("enqueue for %s: %w", channel, err)
	}
	t, err := newTemp(dir, unique)
	if err != nil {
		return nil, fmt.Errorf("enqueue for %s: %w", channel, err)
	}
	d := &Draft{temp: t, entry: Entry{Channel: channel, Path: filepath.Join(dir, Name(0, unique, firstSuffix)), ID: unique}, start: int64(len(head))}
	if err := d.write(head, content, boundary+"\n"); err != nil {
		d.Close()
		return nil, err
	}
	return d, nil
}

func (d *Draft) write(head []byte, content io.Reader, boundary string) error {
	w := bufio.NewWriterSize(d.temp.file, 32<<10)
	_, _ = w.Write(head) // a bufio.Writer keeps its first error for Flush
	lines := lineWriter{w: w}
	if _, err := io.Copy(&lines, content); err != nil {
		return err
	}
	lines.close()
	_, _ = w.WriteString(boundary)
	err := w.Flush()
	if err == nil {
		err = d.temp.file.Sync()
	}
	if err == nil {
		d.entry.Size, err = d.temp.file.Seek(0, io.SeekCurrent)
		d.end = d.entry.Size - int64(len(boundary))
	}
	if cerr := d.temp.file.Close(); err == nil { // a message may have many
		err = cerr
	}
	if err != nil {
		return fmt.Errorf("enqueue for %s: %w", d.entry.Channel, err)
	}
	return nil
}

// Copy makes a draft of the same content, with an envelope of its own.
func (q *Queue) Copy(d *Draft, channel string, e *Envelope) (*Draft, error) {
	f, err := os.Open(d.temp.name)
	if err != nil {
		return nil, fmt.Errorf("enqueue for %s: %w", channel, err)
	}
	defer f.Close()
	return q.Write(channel, e, io.NewSectionReader(f, d.start, d.end-d.start))
}

// Commit puts the message into the queue; held: as a .HELD file, which nothing
// may deliver yet. An error leaves none.
func (d *Draft) Commit(held bool) (Entry, error) {
	e := d.entry
	if held {
		e.Path = filepath.Join(filepath.Dir(e.Path), Name(0, e.ID, heldSuffix))
	}
	e.Held, e.Modified, e.Changed = held, time.Now(), time.Now()
	if err := d.temp.rename(e.Path); err != nil {
		if d.temp.name == "" { // it has the name; whether for good is not known
			err = errors.Join(err, os.Remove(e.Path))
		}
		return Entry{}, fmt.Errorf("enqueue for %s: %w", e.Channel, err)
	}
	return e, nil
}

// Close removes a draft that was not committed.
func (d *Draft) Close() { d.temp.discard() }
