package postfix

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"path"
	"strconv"
	"strings"
	"time"

	"github.com/mtawatch/mtawatch/internal/adapter"
	"github.com/mtawatch/mtawatch/internal/mta"
)

const (
	maxAttribute  = 64 << 10 // bytes of one attribute, name or value
	maxRecipients = 1 << 18  // recipients of one message
	maxRecord     = 64 << 20 // bytes of one message
)

// list asks showq(8) through its socket; where that is not permitted,
// postqueue -j, which is set-gid. A Postfix that is down is an error.
func list(ctx context.Context, h adapter.Host, inst mta.Instance) iter.Seq2[mta.QueuedMessage, error] {
	return func(yield func(mta.QueuedMessage, error) bool) {
		if inst.QueueDir == "" {
			yield(mta.QueuedMessage{}, errors.New("the queue directory is unknown; name it in the configuration of mtawatch"))
			return
		}
		socket := path.Join(inst.QueueDir, "public/showq")
		conn, err := h.Dial(ctx, "unix", socket)
		if errors.Is(err, fs.ErrPermission) {
			listByCommand(ctx, h, inst, err, yield)
			return
		}
		if err != nil {
			yield(mta.QueuedMessage{}, down(ctx, h, inst, socket, err))
			return
		}
		defer conn.Close()
		for m, err := range readShowq(conn) {
			if err != nil {
				err = fmt.Errorf("list queue from %s: %w", socket, err)
				if ctx.Err() != nil {
					err = fmt.Errorf("list queue from %s: showq gave no whole answer in time: %w", socket, ctx.Err())
				}
			}
			if !yield(m, err) || err != nil {
				return
			}
		}
	}
}

// down words a failed connection: is it the master that is gone?
func down(ctx context.Context, h adapter.Host, inst mta.Instance, socket string, err error) error {
	if ctx.Err() != nil {
		return fmt.Errorf("list queue: connect to %s: %w", socket, ctx.Err())
	}
	procs, perr := h.Processes(ctx)
	if masters, known := ownMasters(inst, procs); perr == nil && known && len(masters) == 0 {
		return fmt.Errorf("list queue: Postfix is down (no master runs in %s), so its queue is unknown; start it with `%s`; until then `%s` as root reads the queue itself: %w",
			inst.QueueDir, command(inst, "postfix", "start"), command(inst, "postqueue", "-p"), err)
	}
	return fmt.Errorf("list queue: connect to %s: %w; see the showq line of master.cf and `%s`", socket, err, command(inst, "postfix", "status"))
}

// command gives a command line for an instance, to be shown.
func command(inst mta.Instance, name, arg string) string {
	if inst.ConfigDir == "" {
		return name + " " + arg
	}
	return name + " -c " + inst.ConfigDir + " " + arg
}

// listByCommand runs postqueue -j; denied is why the socket was of no use.
func listByCommand(ctx context.Context, h adapter.Host, inst mta.Instance, denied error, yield func(mta.QueuedMessage, error) bool) {
	args := []string{"-c", inst.ConfigDir, "-j"}
	if inst.ConfigDir == "" {
		args = args[2:]
	}
	out, err := h.Run(ctx, "postqueue", args...)
	if err != nil && strings.Contains(err.Error(), "mail system is down") {
		yield(mta.QueuedMessage{}, fmt.Errorf("list queue: Postfix is down, so its queue is unknown; start it with `%s`: %w", command(inst, "postfix", "start"), err))
		return
	}
	if err != nil {
		yield(mta.QueuedMessage{}, fmt.Errorf("list queue: %w; nor by `postqueue %s`: %w; add the user of mtawatch to the group postdrop", denied, strings.Join(args, " "), err))
		return
	}
	for m, err := range readJSONList(bufio.NewReader(bytes.NewReader(out))) {
		if err != nil {
			err = fmt.Errorf("list queue by postqueue -j: %w", err)
		}
		if !yield(m, err) || err != nil {
			return
		}
	}
}

// readShowq reads the answer of showq: attributes as name NUL value NUL, an
// empty name ends a message, a message without attributes ends the list.
// Showq before Postfix 3.1 answers with the text of mailq instead. An answer
// that ends early is an error.
func readShowq(r io.Reader) iter.Seq2[mta.QueuedMessage, error] {
	return func(yield func(mta.QueuedMessage, error) bool) {
		b := bufio.NewReaderSize(r, maxAttribute)
		start, err := b.Peek(1)
		if err != nil {
			yield(mta.QueuedMessage{}, fmt.Errorf("read showq: no answer: %w", early(err)))
			return
		}
		if start[0] == '-' || start[0] == 'M' {
			forwardMailq(b, yield)
			return
		}
		for {
			rec, err := readRecord(b)
			switch {
			case err != nil:
				yield(mta.QueuedMessage{}, fmt.Errorf("read showq: %w", err))
				return
			case rec.attributes == 0:
				return
			case rec.protocol:
				continue
			}
			m, err := rec.message()
			if err != nil {
				yield(mta.QueuedMessage{}, fmt.Errorf("read showq: %w", err))
				return
			}
			if !yield(m, nil) {
				return
			}
		}
	}
}

func forwardMailq(b *bufio.Reader, yield func(mta.QueuedMessage, error) bool) {
	for m, err := range readMailq(b, time.Time{}) {
		if !yield(m, err) || err != nil {
			return
		}
	}
}

// errGarbage says that the other end does not speak showq's protocol.
var errGarbage = errors.New("showq answered garbage")

func early(err error) error {
	if err == io.EOF {
		return io.ErrUnexpectedEOF
	}
	return err
}

// record is one message as showq tells it.
type record struct {
	attributes int
	protocol   bool // the greeting, not a message
	m          mta.QueuedMessage
	dated      bool
	sized      bool
	bytes      int
}

// readRecord reads up to and with the empty name. Unknown attributes are
// skipped: later versions add some.
func readRecord(b *bufio.Reader) (record, error) {
	var rec record
	for {
		name, err := readAttribute(b)
		if err != nil {
			return rec, err
		}
		if len(name) == 0 {
			return rec, nil
		}
		rec.attributes++
		key := attributeKey(name)
		value, err := readAttribute(b)
		if err != nil {
			return rec, err
		}
		if rec.bytes += len(value); rec.bytes > maxRecord {
			return rec, fmt.Errorf("%w: a message of more than %d bytes", errGarbage, maxRecord)
		}
		if err := rec.set(key, value); err != nil {
			return rec, err
		}
	}
}

// readAttribute reads up to a NUL. The bytes are valid until the next read.
func readAttribute(b *bufio.Reader) ([]byte, error) {
	v, err := b.ReadSlice(0)
	switch {
	case err == bufio.ErrBufferFull:
		return nil, fmt.Errorf("%w: an attribute of more than %d bytes", errGarbage, maxAttribute)
	case err != nil:
		return nil, fmt.Errorf("the answer ends early: %w", early(err))
	}
	return v[:len(v)-1], nil
}

// attributeKey gives a constant for the names that are read, "" for others.
func attributeKey(name []byte) string {
	for _, k := range [...]string{"queue_name", "queue_id", "time", "size", "sender", "recipient", "reason", "protocol"} {
		if string(name) == k {
			return k
		}
	}
	return ""
}

func (rec *record) set(key string, value []byte) error {
	switch key {
	case "protocol":
		if string(value) != "mail_queue_list_protocol" {
			return fmt.Errorf("%w: protocol %q", errGarbage, clip(string(value)))
		}
		rec.protocol = true
	case "queue_name":
		rec.m.Queue = queueName(value)
	case "queue_id":
		rec.m.QueueID = string(value)
	case "time":
		n, err := strconv.ParseInt(string(value), 10, 64)
		if err != nil || n < 0 || n > maxSecond {
			return fmt.Errorf("%w: time %q", errGarbage, clip(string(value)))
		}
		rec.m.Arrived, rec.dated = time.Unix(n, 0).UTC(), true
	case "size":
		n, err := strconv.ParseInt(string(value), 10, 64)
		if err != nil || n < 0 {
			return fmt.Errorf("%w: size %q", errGarbage, clip(string(value)))
		}
		rec.m.Size, rec.sized = n, true
	case "sender":
		rec.m.Sender = senderName(string(value))
	case "recipient":
		if len(rec.m.Recipients) == maxRecipients {
			return fmt.Errorf("%w: a message with more than %d recipients", errGarbage, maxRecipients)
		}
		rec.m.Recipients = append(rec.m.Recipients, mta.QueuedRecipient{Address: string(value)})
	case "reason":
		n := len(rec.m.Recipients)
		if n == 0 {
			return fmt.Errorf("%w: a reason without a recipient", errGarbage)
		}
		if n > 1 && rec.m.Recipients[n-2].Reason == string(value) {
			rec.m.Recipients[n-1].Reason = rec.m.Recipients[n-2].Reason
		} else {
			rec.m.Recipients[n-1].Reason = string(value)
		}
	}
	return nil
}

// maxSecond is the end of the year 9999, the last that JSON can tell.
const maxSecond = 253402300799

func (rec *record) message() (mta.QueuedMessage, error) {
	m := rec.m
	if m.Queue == "" || !isQueueID(m.QueueID) || !rec.dated {
		return m, fmt.Errorf("%w: a message without queue, queue id or time (queue id %q)", errGarbage, clip(m.QueueID))
	}
	if !rec.sized {
		m.Size = -1
	}
	return m, nil
}

// queueName gives the constant where there is one, so that a long listing
// does not hold the same word a million times.
func queueName(b []byte) string {
	for _, q := range [...]string{"deferred", "active", "hold", "incoming", "maildrop", "corrupt"} {
		if string(b) == q {
			return q
		}
	}
	return string(b)
}

// senderName turns the name that listings give the null sender into "".
func senderName(s string) string {
	if s == "MAILER-DAEMON" {
		return ""
	}
	return s
}
