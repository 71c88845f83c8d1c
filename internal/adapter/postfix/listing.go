package postfix

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"time"

	"github.com/mtawatch/mtawatch/internal/mta"
)

const (
	maxListLine = 1 << 20  // bytes of one line of postqueue -p
	maxJSONLine = 64 << 20 // bytes of one line of postqueue -j: a whole message
)

// errNoList says that a text is no queue listing.
var errNoList = errors.New("not a Postfix queue listing (postqueue -p, mailq or postqueue -j)")

// readList reads a saved listing: the text of postqueue -p and mailq (several
// after each other too, as postmulti gives them), or the JSON lines of
// postqueue -j. An empty text is an error: postqueue -j prints nothing for an
// empty queue, but so does a command that failed.
//
// The text's dates have neither year nor zone; listTime says how they are
// read. When r has a method Stat, as a file has, its modification time is the
// moment of the listing.
func readList(r io.Reader) iter.Seq2[mta.QueuedMessage, error] {
	return func(yield func(mta.QueuedMessage, error) bool) {
		var ref time.Time
		if f, ok := r.(interface{ Stat() (fs.FileInfo, error) }); ok {
			if info, err := f.Stat(); err == nil && info.Mode().IsRegular() {
				ref = info.ModTime()
			}
		}
		b := bufio.NewReaderSize(r, 64<<10)
		first, err := firstByte(b)
		if err != nil {
			yield(mta.QueuedMessage{}, fmt.Errorf("read queue listing: %w", err))
			return
		}
		seq := readMailq(b, ref)
		if first == '{' {
			seq = readJSONList(b)
		}
		for m, err := range seq {
			if err != nil {
				err = fmt.Errorf("read queue listing: %w", err)
			}
			if !yield(m, err) || err != nil {
				return
			}
		}
	}
}

// firstByte skips white space and gives the byte after it, unread.
func firstByte(b *bufio.Reader) (byte, error) {
	for {
		c, err := b.ReadByte()
		if err == io.EOF {
			return 0, fmt.Errorf("%w: the text is empty", errNoList)
		}
		if err != nil {
			return 0, err
		}
		if c != ' ' && c != '\t' && c != '\n' && c != '\r' {
			return c, b.UnreadByte()
		}
	}
}

// jsonMessage is one line of postqueue -j, as postqueue(1) describes it.
type jsonMessage struct {
	QueueName  string `json:"queue_name"`
	QueueID    string `json:"queue_id"`
	Arrival    *int64 `json:"arrival_time"`
	Size       *int64 `json:"message_size"`
	Sender     string `json:"sender"`
	Recipients []struct {
		Address string `json:"address"`
		Reason  string `json:"delay_reason"`
	} `json:"recipients"`
}

// readJSONList reads one object a line. No line at all is an empty queue.
func readJSONList(b *bufio.Reader) iter.Seq2[mta.QueuedMessage, error] {
	return func(yield func(mta.QueuedMessage, error) bool) {
		sc := bufio.NewScanner(b)
		sc.Buffer(nil, maxJSONLine)
		for n := 1; sc.Scan(); n++ {
			line := bytes.TrimSpace(sc.Bytes())
			if len(line) == 0 {
				continue
			}
			m, err := parseJSONMessage(line)
			if err != nil {
				err = fmt.Errorf("line %d: %w", n, err)
			}
			if !yield(m, err) || err != nil {
				return
			}
		}
		if err := sc.Err(); err != nil {
			yield(mta.QueuedMessage{}, err)
		}
	}
}

func parseJSONMessage(line []byte) (mta.QueuedMessage, error) {
	var j jsonMessage
	if err := json.Unmarshal(line, &j); err != nil {
		return mta.QueuedMessage{}, fmt.Errorf("%w: %w", errNoList, err)
	}
	if j.QueueName == "" || !isQueueID(j.QueueID) || j.Arrival == nil || *j.Arrival < 0 || *j.Arrival > maxSecond {
		return mta.QueuedMessage{}, fmt.Errorf("%w: no queue_name, queue_id or arrival_time in %q", errNoList, clip(string(line)))
	}
	m := mta.QueuedMessage{QueueID: j.QueueID, Queue: queueName([]byte(j.QueueName)), Arrived: time.Unix(*j.Arrival, 0).UTC(), Size: -1,
		Sender: senderName(j.Sender)}
	if j.Size != nil && *j.Size >= 0 {
		m.Size = *j.Size
	}
	if len(j.Recipients) > 0 {
		m.Recipients = make([]mta.QueuedRecipient, len(j.Recipients))
	}
	for i, r := range j.Recipients {
		m.Recipients[i] = mta.QueuedRecipient{Address: r.Address, Reason: r.Reason}
	}
	return m, nil
}
