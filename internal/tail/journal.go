package tail

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
	"unsafe"

	"github.com/mtawatch/mtawatch/internal/mta"
)

const (
	journalBack    = 24 * time.Hour   // where FromStart begins
	journalRetry   = time.Second      // the first wait before journalctl is started again
	journalRetries = 30 * time.Second // the longest
	journalSkips   = 4096             // entries of others after which the place is handed over by itself
	journalNear    = 2 * time.Second  // an entry as young as this is at the end: journalctl hands them on at once
)

// journal follows the systemd journal through journalctl: the one reader that
// knows every form of the journal's files, and that can be had without cgo.
type journal struct {
	cfg  Config
	src  mta.LogSource
	sink Sink

	since   time.Time // where to begin while there is no cursor
	began   time.Time // when the follower began: what is younger was not there before
	stamp   []byte    // __REALTIME_TIMESTAMP of the last entry taken or skipped
	told    time.Time // when the sink last heard of the source
	cursor  string    // of the last entry handed over or skipped
	skipped int       // entries skipped since the last batch
	expect  string    // the cursor that the first entry must have; "" once it was seen
	text    []byte    // the batch that grows
	cut     int
	heard   bool // the present journalctl has given an entry
	partial bool // the present journalctl says that it may not read all
	blind   mta.BlindSpot
}

// followJournal follows the journal until ctx ends.
func followJournal(ctx context.Context, cfg Config, src mta.LogSource, stored string, sink Sink) error {
	j := &journal{cfg: cfg, src: src, sink: sink, since: time.Now(), began: time.Now()}
	if cfg.From != FromEnd {
		j.since = j.since.Add(-journalBack)
	}
	if stored != "" {
		p, err := parsePlace(stored)
		if err == nil && p.Cursor != "" {
			j.cursor = p.Cursor
		} else {
			j.lost(fmt.Sprintf("the place kept for the journal cannot be read, so reading begins anew: %v", err))
		}
	}
	wait := journalRetry
	for {
		j.heard, j.partial = false, false
		cause, err := j.run(ctx)
		if err != nil {
			return err
		}
		if j.heard {
			wait = journalRetry
		}
		j.childEnded(cause)
		if err := pause(ctx, wait); err != nil {
			return err
		}
		wait = min(2*wait, journalRetries)
	}
}

// args gives journalctl's arguments. It starts at the last cursor, not after
// it: when the first entry is another one, entries are gone.
func (j *journal) args() []string {
	args := []string{"--output=export", "--output-fields=" + exportFields, "--follow", "--lines=all", "--no-pager"}
	if j.cursor != "" {
		args = append(args, "--cursor="+j.cursor)
	} else {
		args = append(args, fmt.Sprintf("--since=@%d", j.since.Unix()))
	}
	switch {
	case j.src.Directory != "":
		args = append(args, "--directory="+j.src.Directory)
	case j.src.Namespace != "":
		args = append(args, "--namespace="+j.src.Namespace)
	}
	for _, u := range j.src.Units {
		args = append(args, "--unit="+u)
	}
	for _, id := range j.src.Identifiers {
		if strings.HasSuffix(id, "/") {
			return args // journalctl knows no prefixes: all identifiers are sorted out here
		}
	}
	for _, id := range j.src.Identifiers {
		args = append(args, "--identifier="+id)
	}
	return args
}

// run runs one journalctl to its end. Cause is why it ended; err is the
// sink's or the context's and ends the follower.
func (j *journal) run(ctx context.Context) (cause, err error) {
	r, w, err := os.Pipe()
	if err != nil {
		return fmt.Errorf("make pipe: %w", err), ctx.Err()
	}
	defer r.Close()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var said stderr
	cmd := exec.CommandContext(ctx, j.cfg.Journalctl, j.args()...)
	cmd.Stdout, cmd.Stderr = w, &said
	cmd.Env = append(os.Environ(), "LC_ALL=C", "SYSTEMD_COLORS=0")
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	cmd.WaitDelay = time.Second
	j.expect = j.cursor
	err = cmd.Start()
	w.Close()
	if err != nil {
		return err, ctx.Err()
	}
	cause, err = j.read(ctx, r, &said)
	cancel() // a stream that cannot be read ends its writer too
	werr := cmd.Wait()
	if err == nil && cause == nil {
		if cause = werr; werr == nil {
			cause = errors.New("it exited")
		}
		if text := said.text(); text != "" {
			cause = fmt.Errorf("%w: %s", cause, text)
		}
	}
	return cause, err
}

// read reads what journalctl writes. A nil cause is the end of its output.
func (j *journal) read(ctx context.Context, r *os.File, said *stderr) (cause, err error) {
	parser := exportParser{max: j.cfg.MaxLine}
	buf := make([]byte, 128<<10)
	for {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		if err := r.SetReadDeadline(time.Now().Add(j.cfg.Poll)); err != nil {
			return fmt.Errorf("wait for journalctl: %w", err), nil
		}
		n, rerr := r.Read(buf)
		var serr *sinkError
		if n > 0 {
			cause = parser.feed(buf[:n], func(e *entry) error { return j.take(ctx, e) })
		}
		if errors.As(cause, &serr) {
			return nil, serr.err
		}
		if err := j.flush(ctx); err != nil {
			return nil, err
		}
		switch {
		case cause != nil:
			return cause, nil
		case errors.Is(rerr, os.ErrDeadlineExceeded):
			j.listen(said.text())
			if j.blind.Kind != "" {
				continue
			}
			if err := j.idle(ctx); err != nil {
				return nil, err
			}
		case rerr != nil:
			return nil, ctx.Err()
		case j.blind.Kind == "" && time.Since(j.told) >= j.cfg.Poll && j.atEnd():
			// A journal so busy with entries of others that it is never quiet.
			if err := j.idle(ctx); err != nil {
				return nil, err
			}
		}
	}
}

// idle tells the sink that there is nothing to read for it.
func (j *journal) idle(ctx context.Context) error {
	j.told = time.Now()
	return j.sink.Idle(ctx, j.src.Name())
}

// atEnd reports whether the last entry is one of the present, or younger
// than the follower. A busy journal is never quiet, so its end shows in the
// stamps only.
func (j *journal) atEnd() bool {
	us, err := strconv.ParseInt(string(j.stamp), 10, 64)
	if err != nil {
		return false
	}
	at := time.UnixMicro(us)
	return !at.Before(j.began) || time.Since(at) <= journalNear
}

// take takes one entry.
func (j *journal) take(ctx context.Context, e *entry) error {
	if len(e.cursor) == 0 {
		return fmt.Errorf("%w: entry without a cursor", errExport)
	}
	j.heard = true
	j.stamp = append(j.stamp[:0], e.received...)
	expect := j.expect
	j.expect = ""
	switch {
	case expect == string(e.cursor):
		return nil // the last one of the time before
	case expect != "":
		j.lost("the journal no longer has the entry read last: entries after it may have been removed unread")
	}
	if !wants(j.src.Identifiers, e.identity()) {
		j.skipped++
		j.cursor = string(e.cursor)
		return nil
	}
	text, err := e.appendSyslog(j.text)
	if err != nil {
		return err
	}
	j.text, j.cursor = text, string(e.cursor)
	if e.cut {
		j.cut++
	}
	if len(j.text) < j.cfg.BatchBytes {
		return nil
	}
	if err := j.flush(ctx); err != nil {
		return &sinkError{err}
	}
	return nil
}

// flush hands over what was read.
func (j *journal) flush(ctx context.Context) error {
	if j.heard {
		j.fine()
	}
	if len(j.text) == 0 && j.skipped < journalSkips {
		return nil
	}
	b := Batch{
		Source: j.src.Name(), Ref: time.Now(), Cut: j.cut,
		Place: place{Cursor: j.cursor}.String(), AtEnd: j.atEnd(),
		// The buffer is given up here and never written again.
		Text: unsafe.String(unsafe.SliceData(j.text), len(j.text)),
	}
	j.text, j.cut, j.skipped, j.told = nil, 0, 0, time.Now()
	return j.sink.Batch(ctx, b)
}

// listen tells what journalctl complains of while it goes on.
func (j *journal) listen(said string) {
	switch {
	case strings.Contains(said, "not seeing messages") || strings.Contains(said, "insufficient permissions"):
		j.partial = true
		j.setBlind(mta.BlindUnreadable, "the journal cannot be read, or not all of it: "+said,
			"let mtawatch read it: usermod -aG systemd-journal mtawatch, then restart mtawatch")
	case !j.heard && strings.Contains(said, "No journal files"):
		j.setBlind(mta.BlindMissing, "there is no journal: "+said,
			"check that systemd-journald runs and keeps its journal, or name the log file in the configuration")
	default:
		j.fine()
	}
}

// childEnded tells that journalctl could not be started or has ended.
func (j *journal) childEnded(cause error) {
	switch {
	case errors.Is(cause, exec.ErrNotFound) || errors.Is(cause, fs.ErrNotExist):
		j.setBlind(mta.BlindMissing, fmt.Sprintf("start %s: %v", j.cfg.Journalctl, cause),
			"install journalctl (it comes with systemd), or name the log file in the configuration")
	case strings.Contains(cause.Error(), "ermission"):
		j.setBlind(mta.BlindUnreadable, fmt.Sprintf("read journal: %v", cause),
			"let mtawatch read it: usermod -aG systemd-journal mtawatch, then restart mtawatch")
	default:
		j.setBlind(mta.BlindFailing, fmt.Sprintf("journalctl ended: %v", cause),
			"it is started again; try it by hand: journalctl "+strings.Join(j.args(), " "))
	}
}

// setBlind tells the sink of a blind spot when it is not told already.
func (j *journal) setBlind(kind mta.BlindKind, text, advice string) {
	if j.blind.Kind == kind && j.blind.Text == text {
		return
	}
	j.blind = mta.BlindSpot{Source: j.src.Name(), Kind: kind, Since: time.Now(), Text: text, Advice: advice}
	j.cfg.Logger.Warn("journal cannot be read", "source", j.src.Name(), "kind", string(kind), "reason", text, "advice", advice)
	spot := j.blind
	j.sink.Blind(j.src.Name(), &spot)
}

// fine takes back what setBlind told.
func (j *journal) fine() {
	if j.blind.Kind == "" || j.partial {
		return
	}
	j.blind = mta.BlindSpot{}
	j.sink.Blind(j.src.Name(), nil)
}

// lost tells that entries are gone that were never read.
func (j *journal) lost(text string) {
	j.cfg.Logger.Warn("journal entries are lost", "source", j.src.Name(), "reason", text)
	j.sink.Blind(j.src.Name(), &mta.BlindSpot{
		Source: j.src.Name(), Kind: mta.BlindLost, Since: time.Now(), Text: text,
		Advice: "let the journal keep more: SystemMaxUse= and MaxRetentionSec= in journald.conf",
	})
}

// stderr keeps the first of what a child says on standard error.
type stderr struct {
	mu   sync.Mutex
	said strings.Builder
}

// Write keeps up to 2 KiB and swallows the rest.
func (s *stderr) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.said.Write(p[:min(len(p), max(0, 2048-s.said.Len()))])
	return len(p), nil
}

// text gives what was said so far, on one line.
func (s *stderr) text() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return strings.Join(strings.Fields(s.said.String()), " ")
}
