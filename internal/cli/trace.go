package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"runtime/debug"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/mtawatch/mtawatch/internal/adapter"
	"github.com/mtawatch/mtawatch/internal/adapter/all"
	"github.com/mtawatch/mtawatch/internal/classify"
	"github.com/mtawatch/mtawatch/internal/mta"
	"github.com/mtawatch/mtawatch/internal/tail"
	"github.com/mtawatch/mtawatch/internal/trace"
	"github.com/mtawatch/mtawatch/internal/track"
	"github.com/mtawatch/mtawatch/internal/view"
)

func (t *tool) traceCommand() *cobra.Command {
	q := view.TraceQuery{}
	var since string
	var logs []string
	f := parseFlags{}
	c := t.reading(&cobra.Command{
		Use:   "trace ID|ADDRESS [LOG...]",
		Short: "What happened to a message, from the logs, compressed ones too",
		Long: "What happened to a message, from the logs, compressed ones too: by its queue id, its Message-ID or an address.\n" +
			"Reads the logs itself where it may, else asks the daemon; with LOGs named it reads those, in the order of their rotation. With --json it prints one JSON object a step.",
		RunE: func(c *cobra.Command, args []string) error {
			if len(args) == 0 {
				args = []string{""}
			}
			q.Text = strings.Trim(args[0], "<>")
			var err error
			if q.Since, err = sinceTime(since, time.Now()); err != nil {
				return err
			}
			return t.trace(c.Context(), q, f, append(logs, args[1:]...))
		},
	})
	c.Flags().StringVar(&since, "since", "", "only logs written after this: 2h, 3d, or a time such as 2026-11-23T12:00:00Z")
	c.Flags().IntVar(&q.Limit, "limit", 100, "at most so many messages")
	c.Flags().StringArrayVar(&logs, "log", nil, "read this `FILE` instead of the mail servers' own logs; may be repeated")
	c.Flags().StringVar(&f.mta, "mta", "", "the mail server that wrote the files of --log: "+mtaNames()+" (default: by the look of each)")
	c.Flags().StringVar(&f.timezone, "timezone", "", "zone of time stamps without one in the files of --log (default: the machine's)")
	c.Flags().IntVar(&f.year, "year", 0, "year of the first time stamp without one in the files of --log")
	return c
}

func (t *tool) trace(ctx context.Context, q view.TraceQuery, f parseFlags, logs []string) error {
	if q.Text == "" || len(q.Text) > 1024 {
		return view.Advise(errors.New("trace needs a queue id, a Message-ID or an address"), "see 'mtawatch trace --help'")
	}
	if q.Limit < 1 || q.Limit > 10000 {
		return view.Advise(fmt.Errorf("--limit %d is out of range", q.Limit), "give a number from 1 to 10000")
	}
	progress := &bar{p: t.err}
	var steps []view.TraceStep
	yield := func(s view.TraceStep) bool {
		progress.clear()
		if !t.json {
			steps = append(steps, s)
			return true
		}
		return t.stepJSON(s) == nil
	}
	show := func(p view.Progress) { progress.show(p.What, p.Done, p.Total) }
	var sum view.TraceSummary
	var err error
	if len(logs) > 0 {
		sum, err = traceFiles(ctx, q, f, logs, yield, show)
	} else {
		sum, err = t.traceFrom(ctx, func(src view.Source) (view.TraceSummary, error) { return src.Trace(ctx, q, yield, show) })
	}
	progress.clear()
	if err != nil {
		return err
	}
	for _, u := range sum.Unread {
		t.err.line("mtawatch: not read: " + clean(u))
	}
	if !t.json {
		t.traceText(steps, sum)
	}
	switch {
	case len(sum.Unread) > 0:
		return exit(exitUnknown)
	case sum.Messages == 0:
		return exit(exitNotFound)
	}
	return nil
}

// traceFiles looks in files that the operator named; that needs neither a
// daemon nor a mail server on this machine.
func traceFiles(ctx context.Context, q view.TraceQuery, f parseFlags, logs []string, yield func(view.TraceStep) bool, progress func(view.Progress)) (view.TraceSummary, error) {
	if f.mta == "" {
		if _, _, err := f.of(all.Adapters()[0].Name).config(); err != nil { // the other flags
			return view.TraceSummary{}, err
		}
	} else if _, _, err := f.config(); err != nil {
		return view.TraceSummary{}, err
	}
	defer debug.SetGCPercent(debug.SetGCPercent(fewCollections / 3))
	files, _ := tail.InTimeOrder(logs) // what is missing is named below
	for _, l := range logs {
		if !slices.Contains(files, l) {
			files = append(files, l)
		}
	}
	c := classify.New()
	of, err := f.parsersOf(files)
	if err != nil {
		return view.TraceSummary{}, err
	}
	tracer := trace.Tracer{Files: files, NewParsers: of,
		Annotate: func(e *mta.Event) { e.Cause = track.Cause(c, e) }}
	return tracer.Run(ctx, q, yield, progress)
}

// of gives the flags with a mail server named.
func (f parseFlags) of(server string) parseFlags {
	f.mta = server
	return f
}

// parsersOf gives what makes the parsers of one pass, which read each file
// with that of the mail server that wrote it.
func (f parseFlags) parsersOf(files []string) (func() func(string) adapter.Parser, error) {
	wrote := make(map[string]string, len(files))
	for _, name := range files {
		wrote[name] = f.mta
		if f.mta != "" {
			continue
		}
		var err error
		if wrote[name], err = sniffLogs([]string{name}); err != nil {
			return nil, err
		}
	}
	return func() func(string) adapter.Parser {
		parsers := make(map[string]adapter.Parser)
		return func(name string) adapter.Parser {
			server := wrote[name]
			if parsers[server] == nil {
				if a, cfg, err := f.of(server).config(); err == nil { // checked before
					parsers[server] = a.Parser(cfg)
				}
			}
			return parsers[server]
		}
	}, nil
}

// traceFrom reads the logs itself, for that needs no daemon and does not
// burden one; when it may not read them, the daemon of this machine may.
func (t *tool) traceFrom(ctx context.Context, question func(view.Source) (view.TraceSummary, error)) (view.TraceSummary, error) {
	if t.explicitServer() != "" {
		return ask(ctx, t, question)
	}
	cfg, err := t.settings()
	if err != nil {
		return view.TraceSummary{}, err
	}
	var sum view.TraceSummary
	err = t.look(ctx, cfg, func(s view.Source) (err error) {
		sum, err = question(s)
		return err
	})
	if err != nil && (errors.Is(err, fs.ErrPermission) || t.deps.Look == nil) || err == nil && sum.Steps == 0 && noPermission(sum.Unread) {
		for _, addr := range localAddresses(cfg) {
			if asked, aerr := question(t.deps.Client(addr)); aerr == nil {
				return asked, nil
			}
		}
	}
	return sum, err
}

// noPermission reports whether a log was not read for want of permission.
func noPermission(unread []string) bool {
	return slices.ContainsFunc(unread, func(u string) bool { return strings.Contains(u, fs.ErrPermission.Error()) })
}

func sinceTime(s string, now time.Time) (time.Time, error) {
	if s == "" {
		return time.Time{}, nil
	}
	if at, err := time.Parse(time.RFC3339, s); err == nil {
		return at, nil
	}
	if at, err := time.ParseInLocation(time.DateOnly, s, time.Local); err == nil {
		return at, nil
	}
	var days int
	if n, err := fmt.Sscanf(s, "%dd", &days); err == nil && n == 1 && days > 0 && days < 100000 && s == fmt.Sprintf("%dd", days) {
		return now.AddDate(0, 0, -days), nil
	}
	if d, err := time.ParseDuration(s); err == nil && d > 0 {
		return now.Add(-d), nil
	}
	return time.Time{}, view.Advise(fmt.Errorf("--since %s cannot be read", clean(s)), "give 2h, 3d, 2026-11-23 or 2026-11-23T12:00:00Z")
}

// stepJSON prints a step at once: a trace may take minutes.
func (t *tool) stepJSON(s view.TraceStep) error {
	b, err := json.Marshal(s)
	if err != nil {
		return fmt.Errorf("write JSON: %w", err)
	}
	t.out.w.Write(safeJSON(b))
	t.out.w.WriteByte('\n')
	return t.out.flush()
}

// traceText prints each message with its steps in the order of time.
func (t *tool) traceText(steps []view.TraceStep, sum view.TraceSummary) {
	for i, group := range groupSteps(steps) {
		if i > 0 {
			t.out.line("")
		}
		e := group[0].Event
		t.out.line(t.out.in(bold, fmt.Sprintf("%s  %s", clean(e.QueueID), clean(e.Instance))))
		queued := false
		for _, s := range group {
			text := stepText(s)
			if s.Event.Kind == mta.KindQueued && s.Event.To == "" {
				if queued {
					text = "active again"
				}
				queued = true
			}
			mark := ""
			switch s.Event.Status {
			case mta.StatusDeferred:
				mark = string(yellow)
			case mta.StatusBounced, mta.StatusExpired:
				mark = string(red)
			}
			t.out.line(fmt.Sprintf("  %s  %-12s  %s", s.Event.Time.Local().Format("2006-01-02 15:04:05"),
				clean(s.Event.Program), t.out.in(style(mark), clean(text))))
		}
	}
	end := plural(int64(sum.Messages), "message") + ", " + plural(int64(sum.Steps), "step")
	if sum.Messages == 0 {
		end = "not found"
		if !sum.Begin.IsZero() {
			end += "; the logs reach back to " + sum.Begin.Local().Format("2006-01-02 15:04:05")
		}
	}
	end += fmt.Sprintf("; read %s in %s", bytesText(sum.Bytes), plural(int64(len(sum.Files)), "file"))
	if len(sum.Instances) > 0 {
		end += " of " + clean(strings.Join(sum.Instances, ", "))
	}
	if sum.Limited {
		end += "; there are more: see --limit"
	}
	t.out.line(t.out.in(dim, end))
}

// groupSteps puts the steps of each message together, messages in the order
// of their first step.
func groupSteps(steps []view.TraceStep) [][]view.TraceStep {
	index := make(map[string]int)
	var groups [][]view.TraceStep
	for _, s := range steps {
		key := s.Event.Instance + "\x00" + s.Event.QueueID
		i, ok := index[key]
		if !ok {
			i = len(groups)
			index[key] = i
			groups = append(groups, nil)
		}
		groups[i] = append(groups[i], s)
	}
	return groups
}

// stepText says in words what one step was.
func stepText(s view.TraceStep) string {
	e := &s.Event
	var b bytes.Buffer
	b.WriteString(e.Kind.String())
	put := func(label, v string) {
		if v != "" {
			fmt.Fprintf(&b, " %s%s", label, v)
		}
	}
	switch e.Kind {
	case mta.KindDelivery:
		b.Reset()
		fmt.Fprintf(&b, "%s to %s", e.Status, e.To)
		put("by ", peerText(e.Relay))
		put("after ", delayText(e))
		if e.Cause != mta.CauseNone {
			b.WriteString(", " + e.Cause.String())
		}
		if e.Reply != "" {
			b.WriteString(": " + e.Reply)
		}
	case mta.KindOrigin, mta.KindReceived, mta.KindConnect, mta.KindDisconnect, mta.KindAuth:
		if e.Kind == mta.KindReceived {
			put("for ", e.To)
			put("into ", e.Queue)
		}
		put("from ", peerText(e.Client))
		put("as ", e.SASLUser)
	case mta.KindMessage:
		put("<", e.MessageID+">")
	case mta.KindQueued:
		if e.To != "" { // a line for each recipient
			put("for ", e.To)
			put("into ", e.Queue)
			break
		}
		put("from ", "<"+e.From+">")
		fmt.Fprintf(&b, ", %s, %s", bytesText(e.Size), plural(int64(e.Recipients), "recipient"))
	case mta.KindNotification:
		put("", e.Reason)
		put("as ", e.RefID)
	case mta.KindReject:
		put("at ", e.Stage.String())
		put("of ", peerText(e.Client))
		if e.Reply != "" {
			b.WriteString(": " + e.Reply)
		}
	default:
		put("", e.Reason)
		put("", e.Text)
	}
	return b.String()
}

func delayText(e *mta.Event) string {
	if !e.HasDelay {
		return ""
	}
	if e.Delay < time.Minute {
		return e.Delay.String()
	}
	return spanText(e.Delay)
}

func peerText(p mta.Peer) string {
	switch {
	case p.Name != "" && p.IP != "":
		return p.Name + "[" + p.IP + "]"
	case p.Name != "":
		return p.Name
	case p.IP != "":
		return "[" + p.IP + "]"
	}
	return p.Path
}
