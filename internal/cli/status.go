package cli

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/mtawatch/mtawatch/internal/mta"
	"github.com/mtawatch/mtawatch/internal/say"
	"github.com/mtawatch/mtawatch/internal/view"
)

func (t *tool) statusCommand() *cobra.Command {
	f := statusFlags{}
	c := t.reading(&cobra.Command{
		Use:   "status",
		Short: "What is wrong, since when, why; and the four vital signs",
		Long: "The verdict, every open finding, and the four vital signs of every mail server here. Asks the daemon, or looks for itself\n" +
			"when none runs; only a daemon knows what is normal and finds what is wrong. The first line and the exit status fit Nagios:\n" +
			"0 ok, 1 warning, 2 critical, 3 unknown.",
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error { return t.status(c.Context(), f) },
	})
	c.Flags().BoolVar(&f.brief, "brief", false, "one line with performance data, for Nagios and its like")
	c.Flags().BoolVar(&f.watch, "watch", false, "go on, with a line at each change of the verdict or a finding; with --json an object a line")
	c.Flags().DurationVar(&f.interval, "interval", 5*time.Second, "of --watch: time between two questions")
	return c
}

// statusFlags are the flags of status.
type statusFlags struct {
	brief, watch bool
	interval     time.Duration
}

// status prints verdict, findings and signs. Whatever keeps it from knowing them gives exit
// status 3, for a monitor must not take a failed question for a failed mail
// server.
func (t *tool) status(ctx context.Context, f statusFlags) error {
	if f.watch {
		return t.watchStatus(ctx, f.interval)
	}
	s, err := ask(ctx, t, func(s view.Source) (view.Status, error) { return s.Status(ctx) })
	if err != nil {
		if !t.json {
			t.out.line(t.out.in(red, "UNKNOWN") + ": " + cut(firstLine(err.Error()), say.HeadlineWidth))
		}
		t.complain(err)
		return exit(exitUnknown)
	}
	s.Verdict = s.Judge()
	switch {
	case t.json:
		err = t.out.json(s)
	case f.brief:
		// The first bar ends the text for people.
		t.out.plain(strings.ReplaceAll(t.headline(&s), "|", "/") + " | " + perfData(&s))
	default:
		t.statusText(&s)
	}
	if status := exitOf(s.Verdict); status != exitOK {
		err = errors.Join(err, exit(status))
	}
	return err
}

// exitOf gives Nagios' exit status of a verdict.
func exitOf(v view.Verdict) int {
	switch v {
	case view.VerdictOK:
		return exitOK
	case view.VerdictWarning:
		return exitWarning
	case view.VerdictCritical:
		return exitCritical
	}
	return exitUnknown
}

// headline is the verdict in one line, in its colour.
func (t *tool) headline(s *view.Status) string {
	return t.out.in(verdictStyle(s.Verdict), say.Verdict(s.Verdict)) + ": " + say.Headline(s)
}

func verdictStyle(v view.Verdict) style {
	switch v {
	case view.VerdictOK:
		return green
	case view.VerdictWarning:
		return yellow
	}
	return red
}

// toldBelow reports whether a finding is only that of a blind spot, which
// stands at the end of a status by itself.
func toldBelow(s *view.Status, f *mta.Finding) bool {
	return f.Code == mta.FindingBlindSpot && f.Severity != mta.SeverityCritical &&
		slices.ContainsFunc(s.Blind, func(b mta.BlindSpot) bool { return b.Source == f.Subject })
}

func (t *tool) statusText(s *view.Status) {
	t.out.line(t.headline(s))
	for i := range s.Findings {
		if toldBelow(s, &s.Findings[i]) {
			continue
		}
		t.out.line("")
		t.findingShort(s.Time, &s.Findings[i])
	}
	for _, in := range s.Instances {
		t.out.line("")
		t.instanceText(s.Time, in)
	}
	if len(s.Instances) == 0 {
		t.out.line("")
		t.out.line("  to do: see 'mtawatch doctor', or name the mail server under 'instances' in the configuration")
	}
	t.sourcesText(s)
	t.importsText(s)
	t.daemonText(s)
	t.blindText(s)
}

func (t *tool) instanceText(now time.Time, in view.InstanceStatus) {
	head := t.out.in(bold, clean(in.Name)) + "  " + clean(in.MTA)
	if in.Version != "" {
		head += " " + clean(in.Version)
	}
	switch missing := in.Processes.Missing; {
	case !in.Running:
		head += ", " + t.out.in(yellow, "not running")
	case len(missing) > 0:
		head += ", " + t.out.in(yellow, clean(strings.Join(missing, " and "))+" not running")
	case len(in.Processes.Stopped) > 0:
		head += ", " + t.out.in(yellow, clean(strings.Join(in.Processes.Stopped, " and "))+" stopped by a signal")
	}
	t.out.line(head)
	t.sign("queue", in.Queue.Unknown, say.Queue(now, in.Queue))
	t.sign("failures", in.Failures.Unknown, say.Failures(now, in))
	t.sign("connections", in.Connections.Unknown, say.Connections(in.Connections))
	t.sign("processes", in.Processes.Unknown, say.Processes(in.Processes))
	for _, note := range in.Notes {
		t.out.hang(15, "  "+t.out.in(dim, "note         ")+clean(note))
	}
}

// sign prints one sign: what is unknown first, then what is known.
func (t *tool) sign(name, unknown string, lines []string) {
	if unknown != "" {
		lines = append([]string{t.out.in(red, "UNKNOWN") + ": " + clean(unknown)}, lines...)
	}
	for i, l := range lines {
		if i > 0 {
			name = ""
		}
		t.out.hang(15, fmt.Sprintf("  %-13s%s", name, l))
	}
}

func (t *tool) sourcesText(s *view.Status) {
	if len(s.Sources) == 0 {
		return
	}
	t.out.line("")
	t.out.line(t.out.in(bold, "sources"))
	for _, src := range s.Sources {
		l := fmt.Sprintf("  %s: %s", clean(src.Source), plural(src.Lines, "line"))
		if bad := src.Unknown + src.Malformed; bad > 0 {
			l += fmt.Sprintf(", %d not understood", bad)
		}
		if src.Behind > 0 {
			l += ", " + bytesText(src.Behind) + " behind"
		}
		if !src.LastLine.IsZero() {
			l += ", last line " + ageText(s.Time, src.LastLine) + " ago"
		}
		if !src.Up {
			l += ", " + t.out.in(red, "not readable")
		}
		t.out.line(l)
	}
}

func (t *tool) daemonText(s *view.Status) {
	t.out.line("")
	if s.Judged {
		t.out.line(t.out.in(dim, learnedText(s.Learned)))
	}
	if s.Practice != "" {
		t.out.line(t.out.in(yellow, "practice: "+clean(s.Practice)))
	}
	if d := s.Daemon; d != nil {
		t.out.line(t.out.in(dim, fmt.Sprintf("mtawatch %s, pid %d, up %s, %s of memory", clean(d.Version), d.PID, ageText(s.Time, d.Started), bytesText(d.Memory))))
		if d.Dropped > 0 {
			t.out.line(t.out.in(yellow, plural(d.Dropped, "sample")+" not stored: they came too late, or twice for one moment; was the clock changed?"))
		}
		return
	}
	t.out.line(t.out.in(dim, "no daemon runs: this is the machine at this moment; 'mtawatch run' keeps watching"))
}

// blindText tells what is not seen, last so that it stays on the screen.
func (t *tool) blindText(s *view.Status) {
	if len(s.Blind) == 0 {
		return
	}
	t.out.line("")
	t.out.line(t.out.in(red, plural(int64(len(s.Blind)), "blind spot")))
	list := slices.Clone(s.Blind)
	slices.SortStableFunc(list, func(a, b mta.BlindSpot) int { return a.Since.Compare(b.Since) })
	for _, b := range list {
		since := ""
		if !b.Since.IsZero() {
			since = ", since " + clockText(s.Time, b.Since)
		}
		t.out.line(fmt.Sprintf("  %s is %s%s: %s", clean(b.Source), clean(string(b.Kind)), since, clean(b.Text)))
		if b.Advice != "" {
			t.out.line("    to do: " + clean(b.Advice))
		}
	}
}
