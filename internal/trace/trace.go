// Package trace finds what happened to a message in the logs themselves:
// rotated and compressed ones too, so that no second copy of people's mail
// data is kept. A queue id, a Message-ID or an address goes in; every event of
// the messages concerned comes out, in the order of the logs.
//
// The logs are read once for a queue id. For anything else they are read
// twice: first to learn the queue ids of the lines that name what is looked
// for, then for all lines under those ids. Queue ids are reused, so a message
// counts only when one of its own events names what is looked for. Where a
// server logs mail without any id, each event is found by itself.
package trace

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/mtawatch/mtawatch/internal/adapter"
	"github.com/mtawatch/mtawatch/internal/mta"
	"github.com/mtawatch/mtawatch/internal/tail"
	"github.com/mtawatch/mtawatch/internal/view"
)

// Tracer looks in a list of logs.
type Tracer struct {
	Files []string // oldest first
	// NewParsers makes the parsers of one pass over the files: each file gets
	// that of the mail server that wrote it, files of one server the same.
	NewParsers func() func(file string) adapter.Parser
	Annotate   func(*mta.Event) // names the cause; nil leaves it out
}

// defaultLimit is how many messages are looked up unless the query says.
const defaultLimit = 100

// key is one queue id of one instance.
type key struct{ instance, id string }

// run is the state of one Run.
type run struct {
	*Tracer
	q        view.TraceQuery
	want     matcher
	ids      map[key]*segment
	sum      view.TraceSummary
	yield    func(view.TraceStep) bool
	progress func(view.Progress)
	state    view.Progress
	sizes    map[string]int64 // of the logs, as they were at the beginning
	waiting  int              // bytes of the steps that wait in all segments
	single   int              // events without a queue id that were found: each is all that is known
	ended    bool
}

// errEnough ends the reading: the asker wants no more.
var errEnough = errors.New("enough")

// Run looks for q.Text. A log that cannot be read is named in the summary
// and the rest goes on; an error means that the question cannot be answered.
func (t *Tracer) Run(ctx context.Context, q view.TraceQuery, yield func(view.TraceStep) bool, progress func(view.Progress)) (view.TraceSummary, error) {
	if strings.TrimSpace(q.Text) == "" {
		return view.TraceSummary{}, fmt.Errorf("%w: nothing to look for; give a queue id, a Message-ID or an address", view.ErrQuestion)
	}
	if q.Limit <= 0 {
		q.Limit = defaultLimit
	}
	if progress == nil {
		progress = func(view.Progress) {}
	}
	r := &run{Tracer: t, q: q, want: newMatcher(q.Text), ids: make(map[key]*segment), sizes: make(map[string]int64), yield: yield, progress: progress}
	files := r.files()
	r.sum.Files = files
	if r.want.queueID {
		if err := r.pass(ctx, files, r.lookupID); err != nil || r.sum.Steps > 0 || r.ended {
			return r.finish(err)
		}
	}
	r.sum.Lines, r.sum.Bytes = 0, 0 // what is read twice counts once
	size := r.size(files)
	r.state.Total = r.state.Done + 2*size
	if err := r.pass(ctx, files, r.learn); err != nil {
		return r.finish(err)
	}
	if len(r.ids) > 0 {
		read := r.sum.Bytes
		err := r.pass(ctx, files, r.collector())
		r.sum.Bytes = max(read, r.sum.Bytes-read)
		return r.finish(err)
	}
	r.state.Done = r.state.Total // there is nothing to read again
	r.progress(r.state)
	return r.finish(nil)
}

func (r *run) finish(err error) (view.TraceSummary, error) {
	if errors.Is(err, errEnough) {
		err = nil
	}
	r.sum.Messages += r.single
	for _, s := range r.ids {
		r.sum.Messages += s.messages
	}
	if r.sum.Messages == 0 && len(r.sum.Files) > 0 && err == nil {
		r.sum.Begin = begin(r.sum.Files[0], r.NewParsers()(r.sum.Files[0]))
	}
	return r.sum, err
}

// beginSize is how much of a log is searched for its first time stamp.
const beginSize = 64 << 10

// begin finds the first time stamp of a log: how far back a search that found
// nothing has looked. It is zero where the log's beginning tells none, or may
// not be read.
func begin(name string, parser adapter.Parser) time.Time {
	info, err := os.Stat(name)
	if err != nil || parser == nil {
		return time.Time{}
	}
	in, err := tail.OpenLog(name)
	if err != nil {
		return time.Time{}
	}
	defer in.Close()
	text, err := io.ReadAll(io.LimitReader(in, beginSize))
	if err != nil {
		return time.Time{}
	}
	for line := range strings.Lines(string(text)) {
		events, _ := parser.Parse(nil, adapter.Line{Text: strings.TrimRight(line, "\r\n"), Ref: info.ModTime()}) // other lines tell no time
		if len(events) > 0 && !events[0].Time.IsZero() {
			return events[0].Time
		}
	}
	return time.Time{}
}

// files gives the logs to read: those written after q.Since.
func (r *run) files() []string {
	var list []string
	for _, f := range r.Files {
		info, err := os.Stat(f)
		if err != nil {
			r.sum.Unread = append(r.sum.Unread, err.Error())
			continue
		}
		if info.ModTime().Before(r.q.Since) {
			continue
		}
		r.sizes[f] = info.Size()
		list = append(list, f)
	}
	r.state.Total = r.size(list)
	return list
}

// size gives the bytes of the logs as they lie on disk.
func (r *run) size(files []string) int64 {
	var n int64
	for _, f := range files {
		n += r.sizes[f]
	}
	return n
}

// chunkFunc takes whole lines of one log.
type chunkFunc func(f *file, chunk string) error

// file is the log being read.
type file struct {
	path   string
	ref    time.Time
	parser adapter.Parser
	events []mta.Event
}

// pass reads every log once.
func (r *run) pass(ctx context.Context, files []string, f chunkFunc) error {
	parserOf := r.NewParsers()
	done := r.state.Done
	for _, path := range files {
		err := r.read(ctx, path, parserOf(path), f)
		if err != nil && (errors.Is(err, errEnough) || ctx.Err() != nil) {
			return err
		}
		if err != nil {
			r.unread(err)
		}
		done += r.sizes[path]
		r.state.Done = done
		r.progress(r.state)
	}
	return nil
}

func (r *run) unread(err error) {
	for _, old := range r.sum.Unread {
		if old == err.Error() {
			return
		}
	}
	r.sum.Unread = append(r.sum.Unread, err.Error())
}

// chunkSize is how much is read and searched at once.
const chunkSize = 1 << 20

// read gives one log to f, in chunks of whole lines. Each chunk is memory of
// its own, since the steps keep parts of it.
func (r *run) read(ctx context.Context, path string, parser adapter.Parser, f chunkFunc) error {
	info, err := os.Stat(path)
	if err != nil {
		return fmt.Errorf("read log: %w", err)
	}
	in, err := tail.OpenLog(path)
	if err != nil {
		return err
	}
	defer func() { _ = in.Close() }() // only read from
	lf := &file{path: path, ref: info.ModTime(), parser: parser}
	r.state.What = path
	begin := r.state.Done
	rest := ""
	buf := make([]byte, chunkSize)
	for {
		n, err := io.ReadFull(in, buf)
		chunk := rest + string(buf[:n])
		last := err != nil
		if cut := strings.LastIndexByte(chunk, '\n'); !last && cut >= 0 {
			rest = chunk[cut+1:]
			chunk = chunk[:cut+1]
		} else if !last && len(chunk) < 16*chunkSize {
			rest, chunk = chunk, "" // a line longer than the chunk: go on until it ends
		} else {
			rest = ""
		}
		r.sum.Bytes += int64(n)
		if chunk != "" {
			if err := f(lf, chunk); err != nil {
				return err
			}
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		r.state.Done = min(r.state.Done+int64(n), begin+r.sizes[path])
		r.progress(r.state)
		if err == io.EOF || err == io.ErrUnexpectedEOF {
			return nil
		}
		if err != nil {
			return fmt.Errorf("read log %s: %w", path, err)
		}
	}
}

// parse gives the events of one line; lines that give none are passed over.
func (f *file) parse(line string) []mta.Event {
	events, err := f.parser.Parse(f.events[:0], adapter.Line{Text: strings.TrimSuffix(line, "\r"), Ref: f.ref})
	f.events = events[:0]
	if err != nil {
		return nil
	}
	return events
}

// lines calls f for each line of a chunk.
func lines(chunk string, f func(string) error) error {
	for chunk != "" {
		line := chunk
		if i := strings.IndexByte(chunk, '\n'); i >= 0 {
			line, chunk = chunk[:i], chunk[i+1:]
		} else {
			chunk = ""
		}
		if err := f(line); err != nil {
			return err
		}
	}
	return nil
}
