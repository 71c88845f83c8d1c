// Package adapter says what a mail server must be able to tell us: where its
// instances are, how its log lines read, what waits in its queues and which
// process does what. One folder below holds one mail server each; package
// all lists them. Everything here is pure: an adapter touches the machine
// only through Host, and never changes it.
package adapter

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"time"

	"github.com/mtawatch/mtawatch/internal/mta"
)

// An Adapter describes one mail server. A nil function says that this server
// has no such source; Name, Detect and Parser are required.
type Adapter struct {
	Name string // as in the configuration: "postfix"

	// Detect finds the instances on this machine, with version, paths, log
	// sources and listening ports. No instance is no error. What it could not
	// find out stands in Instance.Notes.
	Detect func(context.Context, Host) ([]mta.Instance, error)

	// Parser gives a new parser: log lines in, events out.
	Parser func(ParserConfig) Parser

	// Count gives the messages in each queue the cheap way (no message is
	// opened), to be asked at every tick. Where that is not permitted the
	// error matches fs.ErrPermission and the caller falls back to List.
	Count func(context.Context, Host, mta.Instance) (mta.Queue, error)

	// List streams the queue listing, message by message, in the server's
	// order. It may cost the server work: ask rarely. An error ends it; a
	// listing that ends without one is complete.
	List func(context.Context, Host, mta.Instance) iter.Seq2[mta.QueuedMessage, error]

	// ReadList reads a saved queue listing (the server's own tools' output,
	// in any of their forms). Text that is no listing is an error, not an
	// empty queue.
	ReadList func(io.Reader) iter.Seq2[mta.QueuedMessage, error]

	// Roles says what each process does for the instance, in the same order;
	// RoleNone for the processes of others. nil: that cannot be told here.
	Roles func(mta.Instance, []mta.Process) []mta.Role

	// Heads are the roles of which a process stands on its own. What descends
	// from none of them was left behind by an earlier start. nil: the
	// dispatcher alone, which starts all others.
	Heads []mta.Role

	// At describes the instance whose base directory an operator has named,
	// whether it runs or not. A directory that is none of this server is an
	// error that says what was looked for. nil: such are found by Detect alone.
	At func(ctx context.Context, h Host, base string) (mta.Instance, error)

	// Conditions gives what the server's own files tell of its state beyond
	// queue, log and processes; cheap enough for every half minute. nil: nothing.
	Conditions func(context.Context, Host, mta.Instance) ([]mta.Condition, error)

	// Own asks the server's own tools for the parts that the question names, with
	// a deadline for each command. It costs the server work: only when somebody asks. nil:
	// it has none that tell more than the functions above.
	Own func(context.Context, Host, mta.Instance, mta.OwnQuestion) mta.OwnView
}

// ParserConfig is how a parser reads. The zero value reads every line that
// has this MTA's shape, in UTC, with years taken from Line.Ref.
type ParserConfig struct {
	Instances []mta.Instance // the instances whose lines to read; none: all that look like this MTA
	Location  *time.Location // zone of stamps that carry none; nil is UTC
	Year      int            // year of the first stamp that carries none; 0: from Line.Ref
}

// Line is one log line, without its line end.
type Line struct {
	Text string
	// Ref is a moment at or shortly after which the line was written: the
	// modification time of its file, or now. A stamp without a year gets the
	// latest year that does not put it more than a day after Ref.
	Ref time.Time
}

// A Parser turns log lines into events, in order. One goroutine uses it.
type Parser interface {
	// Parse appends to dst the events that the line tells of. A line of
	// another program, or known to say nothing of interest, gives none and no
	// error. A line of this MTA that it does not know gives ErrUnknownLine; one
	// that it knows but cannot read gives a *LineError. With any error it
	// appends nothing. Strings in the events share the memory of line.Text.
	Parse(dst []mta.Event, line Line) ([]mta.Event, error)
}

// ErrUnknownLine says that a line comes from this MTA but is of a kind that
// the parser does not know.
var ErrUnknownLine = errors.New("unknown line")

// LineError says that a line of a known kind could not be read.
type LineError struct {
	Field string // which part: "time", "queue id", "delay"
	Text  string // what stood there, cut to 80 bytes
}

// Error gives "read FIELD: TEXT" with the text quoted.
func (e *LineError) Error() string { return fmt.Sprintf("read %s: %q", e.Field, e.Text) }

// Malformed gives a *LineError for a field, with text cut to 80 bytes.
func Malformed(field, text string) error {
	return &LineError{Field: field, Text: text[:min(len(text), 80)]}
}

// Host is the machine as an adapter sees it: all that an adapter may touch.
type Host interface {
	fs.ReadLinkFS // rooted at /; names have no leading slash

	// Run runs a command to its end and gives its standard output. An exit
	// status other than 0 is an error that carries the standard error output.
	Run(ctx context.Context, name string, args ...string) ([]byte, error)

	// Dial opens a stream connection: network "unix" with an absolute path,
	// or "tcp". Reads and writes end when ctx does.
	Dial(ctx context.Context, network, address string) (io.ReadWriteCloser, error)

	// Processes lists the processes of this machine.
	Processes(ctx context.Context) ([]mta.Process, error)
}
