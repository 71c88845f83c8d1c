package qm

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/mtawatch/mtawatch/internal/lab/jobs"
	"github.com/mtawatch/mtawatch/internal/lab/maillog"
	"github.com/mtawatch/mtawatch/internal/lab/notice"
	"github.com/mtawatch/mtawatch/internal/lab/queue"
	"github.com/mtawatch/mtawatch/internal/lab/site"
)

// Main is the program imsimta: qm [VERB ...], counters, cache, process,
// version, and qtop and qclean, short for two of qm's verbs. Its own path
// tells the site.
func Main(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	return site.Main(ctx, "imsimta", stderr, func(ctx context.Context, s *site.Site) (int, error) {
		return Command(ctx, s, args, stdin, stdout, stderr), nil
	})
}

// Command runs one imsimta command line at a site and gives the exit status.
func Command(ctx context.Context, s *site.Site, args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	if len(args) == 0 {
		_, _ = fmt.Fprintln(stderr, "usage: imsimta qm [VERB ...] | counters -show | cache -view|-sync|-walk | process | version")
		return 2
	}
	t := newTool(s, stdout)
	var err error
	switch word, rest := args[0], args[1:]; word {
	case "qm":
		return t.qm(ctx, rest, stdin, stderr)
	case "qtop":
		err = t.run(ctx, append([]string{"top"}, rest...))
	case "qclean":
		err = t.run(ctx, append([]string{"clean"}, rest...))
	case "counters":
		err = t.counters(ctx, parse(rest))
	case "cache":
		err = t.cache(ctx, parse(rest))
	case "process":
		err = t.process()
	case "version":
		t.say("%s", s.Version)
	default:
		err = fmt.Errorf("unknown command %q", word)
	}
	return finish(err, t.out, stderr)
}

// QM runs one verb of qm, or, without any, a session of them from stdin.
func QM(ctx context.Context, s *site.Site, args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	return newTool(s, stdout).qm(ctx, args, stdin, stderr)
}

// tool is one run; a session keeps its last listing.
type tool struct {
	site    *site.Site
	queue   *queue.Queue
	log     *maillog.Log
	client  *jobs.Client
	notices *notice.Sender
	out     *bufio.Writer
	listed  []queue.Entry // by number, from 1
	serial  int
}

func newTool(s *site.Site, stdout io.Writer) *tool {
	log, client := maillog.Open(s), jobs.NewClient(s)
	return &tool{site: s, queue: queue.Open(s), log: log, client: client, notices: notice.New(s, log, client), out: bufio.NewWriter(stdout)}
}

func finish(err error, out *bufio.Writer, stderr io.Writer) int {
	if ferr := out.Flush(); err == nil {
		err = ferr
	}
	if err != nil {
		_, _ = fmt.Fprintln(stderr, err)
		return 1
	}
	return 0
}

func (t *tool) say(format string, args ...any) { fmt.Fprintf(t.out, format+"\n", args...) }

func (t *tool) qm(ctx context.Context, args []string, stdin io.Reader, stderr io.Writer) int {
	if len(args) > 0 && args[0] != "-maintenance" {
		return finish(t.run(ctx, args), t.out, stderr)
	}
	status := 0
	in := bufio.NewScanner(stdin)
	for {
		_, _ = t.out.WriteString("qm.maint> ")
		if err := t.out.Flush(); err != nil || !in.Scan() {
			break
		}
		words := strings.Fields(in.Text())
		if len(words) == 0 {
			continue
		}
		if words[0] == "exit" || words[0] == "quit" {
			return status
		}
		status = finish(t.run(ctx, words), t.out, stderr)
	}
	t.say("")
	return finish(in.Err(), t.out, stderr)
}

// options are the words of a command: -name, -name=value, and the rest.
type options struct {
	set  map[string]string
	rest []string
}

func parse(words []string) options {
	o := options{set: map[string]string{}}
	for _, w := range words {
		if name, ok := strings.CutPrefix(w, "-"); ok {
			name, value, _ := strings.Cut(name, "=")
			o.set[name] = strings.Trim(value, `"`)
		} else {
			o.rest = append(o.rest, w)
		}
	}
	return o
}

func (o options) has(name string) bool {
	_, ok := o.set[name]
	return ok
}

func (o options) number(name string, usual int) int {
	if n, err := strconv.Atoi(o.set[name]); err == nil && n > 0 {
		return n
	}
	return usual
}

// first is the first word that is no option, "" for none.
func (o options) first() string {
	if len(o.rest) == 0 {
		return ""
	}
	return o.rest[0]
}

// verb is one of qm's.
type verb struct {
	name, help string
	run        func(*tool, context.Context, options) error
}

func verbs() []verb {
	offline := func(f func(*tool, options) error) func(*tool, context.Context, options) error {
		return func(t *tool, _ context.Context, o options) error { return f(t, o) }
	}
	return []verb{
		{"clean", "hold, or -delete, what has -from, -to, -domain_to, -subject or -content", (*tool).clean},
		{"counters", "[show|clear|create|today]: what the channels did", func(t *tool, ctx context.Context, o options) error {
			o.set[o.first()] = ""
			return t.counters(ctx, o)
		}},
		{"date", "the time", offline(func(t *tool, _ options) error { t.say("%s", stamp(time.Now())); return nil })},
		{"delete", "ID ...: remove messages without telling their senders", (*tool).remove},
		{"directory", "[-held] [-envelope] [-from=A] [-to=A] [-match=and|or] [-nofile_info] [-nototal] [CHANNEL]: the messages", offline((*tool).directory)},
		{"held", "the messages that are .HELD", offline(func(t *tool, o options) error { o.set["held"] = ""; return t.directory(o) })},
		{"history", "ID ...: what was tried with messages", offline((*tool).history)},
		{"hold", "ID ...: mark messages .HELD", (*tool).hold},
		{"jobs", "who works on what", (*tool).jobs},
		{"messages", "CHANNEL: by destination, active and delayed", (*tool).messages},
		{"read", "ID ...: envelope and header of messages", offline((*tool).read)},
		{"release", "ID ...: let .HELD messages be delivered", (*tool).release},
		{"return", "ID ...: give messages back to their senders", (*tool).giveBack},
		{"start", "CHANNEL: deliver again", func(t *tool, _ context.Context, o options) error { return t.stop(o, false) }},
		{"stop", "CHANNEL: deliver no more until start, also after a restart", func(t *tool, _ context.Context, o options) error { return t.stop(o, true) }},
		{"summarize", "[-held] [-noheading] [-notrailing]: how much each channel has", offline((*tool).summarize)},
		{"top", "[-from|-to|-domain_to|-subject|-content] [-held] [-ignore_zz] [-top=N] [-min_count=N] [CHANNEL]: what is frequent", offline((*tool).top)},
	}
}

// run works out one verb; its name may be cut short.
func (t *tool) run(ctx context.Context, words []string) error {
	list := verbs()
	if words[0] == "help" {
		for _, v := range list {
			t.say("%-10s %s", v.name, v.help)
		}
		return nil
	}
	i := slices.IndexFunc(list, func(v verb) bool { return strings.HasPrefix(v.name, words[0]) })
	if i < 0 {
		return fmt.Errorf("%%QM-E-UNKCMD, unknown command %q; try help", words[0])
	}
	err := list[i].run(t, ctx, parse(words[1:]))
	if errors.Is(err, jobs.ErrNotRunning) {
		return fmt.Errorf("%%QM-E-NOJOBC, the job controller is not running: start it, or look at the disk with directory and summarize: %w", err)
	}
	return err
}

func stamp(t time.Time) string { return t.Format("Mon, 02 Jan 2006 15:04:05 -0700 (MST)") }

func since(t time.Time) string { return t.Local().Format("02-Jan-2006 15:04:05") }

// channelsOf gives the channels that a word names, * and ? as in a file name;
// "" is all.
func (t *tool) channelsOf(pattern string) ([]string, error) {
	all, err := t.queue.Channels()
	if err != nil || pattern == "" {
		return all, err
	}
	var list []string
	for _, c := range all {
		if match(pattern, c) {
			list = append(list, c)
		}
	}
	if _, known := t.site.Channel(pattern); len(list) == 0 && !known {
		return nil, fmt.Errorf("%%QM-E-NOCHANNEL, no channel %q", pattern)
	}
	return list, nil
}
