package imta

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/mtawatch/mtawatch/internal/adapter"
	"github.com/mtawatch/mtawatch/internal/mta"
)

const (
	headBytes = 16 << 10 // read at the start of a log
	endBytes  = 8 << 10  // read at its end
	maxLines  = 5        // quoted of a daemon's log
	// maxDay is how long the log of a day may reach back: the return job runs
	// every night, and one night a year has an hour more.
	maxDay = 25 * time.Hour
)

// conditions gives what the MTA's own files tell of its state. What could be
// read is given, with an error that tells of the rest.
func conditions(_ context.Context, h adapter.Host, inst mta.Instance) ([]mta.Condition, error) {
	var list []mta.Condition
	var errs []error
	add := func(c []mta.Condition, err error) {
		list = append(list, c...)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			errs = append(errs, adapter.Absolute(err))
		}
	}
	logs := ""
	for _, src := range inst.Logs {
		if path.Base(src.Path) == "mail.log_current" {
			logs = path.Dir(src.Path)
			add(returnJob(h, src.Path))
		}
	}
	if l, err := findLayout(h, inst.BaseDir); logs == "" && err == nil {
		logs = l.log
	}
	if logs != "" {
		add(complaints(h, logs, "job_controller", func(string) bool { return true }))
		add(complaints(h, logs, "dispatcher", isFailure))
	}
	if inst.QueueDir != "" {
		add(stopped(h, path.Join(path.Dir(inst.QueueDir), "stopped_channels")))
	}
	if err := errors.Join(errs...); err != nil {
		return list, fmt.Errorf("read the state of %s: %w", inst.Name, err)
	}
	return list, nil
}

// returnJob finds a log of a day that reaches back further than a day: the job
// that begins a new one each night has not run. Its first and last entries are
// compared, so that neither zone nor clock matters, and a site without mail is
// not accused. Since is when the job was due.
func returnJob(h adapter.Host, file string) ([]mta.Condition, error) {
	head, end, info, err := ends(h, file, headBytes, endBytes)
	if err != nil {
		return nil, err
	}
	first, last := stampOf(slices.Values(head)), stampOf(reversed(end))
	age := last.Sub(first)
	if first.IsZero() || last.IsZero() || age <= maxDay {
		return nil, nil
	}
	begin := info.ModTime().Add(-age).UTC() // it was written when its last entry was
	return []mta.Condition{{Kind: mta.ConditionReturnJobMissed, Subject: path.Base(file), Since: begin.Add(24 * time.Hour),
		Text:  fmt.Sprintf("%s begins %.0f h before its last entry: the return job, which begins a new one every night and gives undeliverable mail back, has not run", path.Base(file), age.Hours()),
		Lines: []string{clip(head[0])}}}, nil
}

// stampOf gives the time of the first of some lines that has one.
func stampOf(lines iter.Seq[string]) (t time.Time) {
	p := newParser(adapter.ParserConfig{})
	for line := range lines {
		events, err := p.Parse(nil, adapter.Line{Text: line})
		if err == nil && len(events) > 0 {
			return events[0].Time
		}
	}
	return t
}

func reversed(lines []string) iter.Seq[string] {
	return func(yield func(string) bool) {
		for _, line := range slices.Backward(lines) {
			if !yield(line) {
				return
			}
		}
	}
}

// ends gives the whole lines in the first and in the last bytes of a file.
func ends(h adapter.Host, file string, first, last int64) (head, end []string, info fs.FileInfo, err error) {
	f, err := h.Open(adapter.Rooted(file))
	if err != nil {
		return nil, nil, nil, err
	}
	defer f.Close()
	if info, err = f.Stat(); err != nil {
		return nil, nil, nil, err
	}
	at, ok := f.(io.ReaderAt)
	if !ok || !info.Mode().IsRegular() {
		return nil, nil, nil, &fs.PathError{Op: "read", Path: file, Err: errors.New("not a regular file")}
	}
	size := info.Size()
	if head, err = linesAt(at, 0, min(first, size)); err != nil {
		return nil, nil, nil, err
	}
	end, err = linesAt(at, max(0, size-last), size)
	return head, end, info, err
}

// linesAt gives the whole lines between two offsets.
func linesAt(r io.ReaderAt, from, to int64) ([]string, error) {
	buf := make([]byte, to-from)
	n, err := r.ReadAt(buf, from)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	text := string(buf[:n])
	if from > 0 {
		_, text, _ = strings.Cut(text, "\n")
	}
	var lines []string
	for line := range strings.Lines(text) {
		if whole, ok := strings.CutSuffix(line, "\n"); ok && strings.TrimSpace(whole) != "" {
			lines = append(lines, whole)
		}
	}
	return lines, nil
}

// complaints looks at the newest log of a daemon and gives its last lines that
// tell of trouble. Since is when it was last written.
func complaints(h adapter.Host, dir, daemon string, trouble func(string) bool) ([]mta.Condition, error) {
	name, err := newest(h, dir, daemon+".log-")
	if name == "" || err != nil {
		return nil, err
	}
	_, end, info, err := ends(h, dir+"/"+name, 0, endBytes)
	if err != nil {
		return nil, err
	}
	end = slices.DeleteFunc(end, func(line string) bool { return !trouble(line) })
	if len(end) == 0 {
		return nil, nil
	}
	c := mta.Condition{Kind: mta.ConditionDaemonComplains, Subject: name, Since: info.ModTime().UTC()}
	c.Text = fmt.Sprintf("what %s says of trouble; it was last written at %s", name, c.Since.Format(time.RFC3339))
	for _, line := range end[max(0, len(end)-maxLines):] {
		c.Lines = append(c.Lines, line[:min(len(line), 500)])
	}
	return []mta.Condition{c}, nil
}

// newest gives the file of a daemon's that was written last: each start makes one.
func newest(h adapter.Host, dir, prefix string) (name string, err error) {
	var at time.Time
	err = eachEntry(h, dir, func(e fs.DirEntry) {
		if !strings.HasPrefix(e.Name(), prefix) {
			return
		}
		info, err := e.Info()
		if err != nil || !info.Mode().IsRegular() {
			return // gone meanwhile
		}
		if name == "" || info.ModTime().After(at) || info.ModTime().Equal(at) && e.Name() > name {
			name, at = e.Name(), info.ModTime()
		}
	})
	return name, err
}

// isFailure tells the lines of a service's log that are worse than a warning.
func isFailure(line string) bool {
	for _, level := range []string{" Error: ", " Critical: ", " Alert: ", " Emergency: "} {
		if strings.Contains(line, level) {
			return true
		}
	}
	return false
}

// stopped reads the file in which the practice MTA keeps the channels that an
// operator has stopped. Where the original keeps that is not known: nothing is
// said of it.
func stopped(h adapter.Host, file string) ([]mta.Condition, error) {
	text, err := adapter.ReadText(h, file)
	if err != nil {
		return nil, err
	}
	info, err := fs.Stat(h, adapter.Rooted(file))
	if err != nil {
		return nil, err
	}
	var list []mta.Condition
	for name := range strings.FieldsSeq(text) {
		if len(list) < maxChannels {
			list = append(list, mta.Condition{Kind: mta.ConditionQueueStopped, Subject: clip(name), Since: info.ModTime().UTC(),
				Text: fmt.Sprintf("the channel %s is stopped: nothing in it is delivered until it is started again", clip(name))})
		}
	}
	return list, nil
}
