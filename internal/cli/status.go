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
	return c
}

// statusFlags are the flags of status.
type statusFlags struct{ brief bool }

// status prints verdict, findings and signs. Whatever keeps it from knowing them gives exit
// status 3, for a monitor must not take a failed question for a failed mail
// server.
func (t *tool) status(ctx context.Context, f statusFlags) error {
	s, err := ask(ctx, t, func(s view.Source) (view.Status, error) { return s.Status(ctx) })
	if err != nil {
		if !t.json {
			t.out.line(t.out.in(red, "UNKNOWN") + ": " + cut(firstLine(err.Error()), headlineWidth))
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

// headlineWidth bounds what the first line of a status quotes of errors: pagers and
// Nagios cut long lines.
const headlineWidth = 120

// shortUnseen gives it for the headline. Errors tell their whole way; the last two
// parts say what failed, and the whole stands below.
func shortUnseen(u view.Unseen) string {
	parts := strings.Split(firstLine(u.Why), ": ")
	text := strings.Join(parts[max(0, len(parts)-2):], ": ")
	if u.What != "" {
		text = clean(u.What) + ": " + text
	}
	return cut(text, headlineWidth)
}

// headline is the verdict in one line: the worst that is known, and how much
// more there is.
func (t *tool) headline(s *view.Status) string {
	gone, unseen := s.Gone(), s.Unseen()
	var told string
	more := 0
	for i := range s.Findings {
		if f := &s.Findings[i]; f.Severity == mta.SeverityCritical || f.Severity == mta.SeverityWarning {
			if told == "" {
				told = clean(f.Title) + ", since " + clockText(s.Time, f.Since) + " (" + ageText(s.Time, f.Since) + ")"
			} else {
				more++
			}
		}
	}
	switch s.Verdict {
	case view.VerdictOK:
		return t.out.in(green, "OK") + ": " + summaryText(s)
	case view.VerdictUnknown:
		return t.out.in(red, "UNKNOWN") + ": " + shortUnseen(unseen[0]) + andMore(len(unseen)-1+len(gone))
	case view.VerdictWarning:
		return t.out.in(yellow, "WARNING") + ": " + told + andMore(more)
	}
	if len(gone) > 0 && (len(s.Findings) == 0 || s.Findings[0].Severity != mta.SeverityCritical) {
		var parts []string
		for _, g := range gone {
			parts = append(parts, fmt.Sprintf("the %s of %s is not running", clean(g.Role), clean(g.Instance)))
		}
		if told != "" {
			more++
		}
		told = strings.Join(parts, "; ")
	}
	return t.out.in(red, "CRITICAL") + ": " + told + andMore(more)
}

// toldBelow reports whether a finding is only that of a blind spot, which
// stands at the end of a status by itself.
func toldBelow(s *view.Status, f *mta.Finding) bool {
	return f.Code == mta.FindingBlindSpot && f.Severity != mta.SeverityCritical &&
		slices.ContainsFunc(s.Blind, func(b mta.BlindSpot) bool { return b.Source == f.Subject })
}

func andMore(n int) string {
	if n <= 0 {
		return ""
	}
	return fmt.Sprintf(" (and %d more)", n)
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

// summaryText is the four signs of all instances in one line.
func summaryText(s *view.Status) string {
	var queued, sent, failed, procs int64
	open := 0
	names := make([]string, 0, len(s.Instances))
	for _, in := range s.Instances {
		names = append(names, clean(in.Name))
		if in.Queue.Messages != nil {
			queued += *in.Queue.Messages
		}
		for status, n := range in.Failures.Attempts {
			if status == mta.StatusSent.String() {
				sent += n
			} else {
				failed += n
			}
		}
		for _, p := range in.Connections.Ports {
			open += liveSockets(p)
		}
		for _, n := range in.Processes.Roles {
			procs += int64(n)
		}
	}
	return fmt.Sprintf("%s: %s queued, %d sent and %s, %s, %s", strings.Join(names, ", "), countText(queued), sent,
		plural(failed, "failed attempt"), plural(int64(open), "connection"), plural(procs, "process"))
}

// liveSockets counts sockets that are neither listening nor long over.
func liveSockets(p view.PortRow) int {
	n := 0
	for state, count := range p.States {
		if state != mta.TCPListen.String() && state != mta.TCPTimeWait.String() && state != mta.TCPClose.String() {
			n += count
		}
	}
	return n
}

func (t *tool) instanceText(now time.Time, in view.InstanceStatus) {
	head := t.out.in(bold, clean(in.Name)) + "  " + clean(in.MTA)
	if in.Version != "" {
		head += " " + clean(in.Version)
	}
	if !in.Running {
		head += ", " + t.out.in(yellow, "not running")
	}
	t.out.line(head)
	t.sign("queue", in.Queue.Unknown, queueLines(now, in.Queue))
	t.sign("failures", in.Failures.Unknown, failureLines(now, in))
	t.sign("connections", in.Connections.Unknown, connectionLines(in.Connections))
	t.sign("processes", in.Processes.Unknown, processLines(in.Processes))
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

func queueLines(now time.Time, q view.QueueStatus) []string {
	var lines []string
	if q.Messages != nil {
		l := plural(*q.Messages, "message")
		if q.Bytes != nil && *q.Messages > 0 {
			l += ", " + bytesText(*q.Bytes)
		}
		counts := make(map[string]int64)
		for _, c := range q.Queues {
			counts[c.Name] += c.Messages
		}
		if text := topText(counts, 6); text != "" {
			l += ": " + text
		}
		if oldest, name := oldestOf(q.Queues); !oldest.IsZero() {
			l += fmt.Sprintf("; oldest %s, in %s", ageText(now, oldest), clean(name))
		}
		if n, oldest, name := untriedOf(q.Queues); n > 0 {
			l += fmt.Sprintf("; %d never tried", n)
			if !oldest.IsZero() {
				l += fmt.Sprintf(", the oldest for %s, in %s", ageText(now, oldest), clean(name))
			}
		}
		lines = append(lines, l)
		if q.Normal != nil {
			lines = append(lines, "normal for "+hourText(now, q.Normal)+": "+rangeText(*q.Normal)+" messages, those on hold apart")
		}
	} else if q.Unknown == "" {
		lines = append(lines, "not counted yet")
	}
	if f := q.FromLog; f != nil && (f.Messages > 0 || !f.Since.IsZero()) { // else the log has told nothing
		l := "by the log: " + plural(f.Messages, "message")
		if !f.Oldest.IsZero() {
			l += ", oldest " + ageText(now, f.Oldest)
		}
		if !f.Since.IsZero() {
			l += ", known since " + clockText(now, f.Since)
		}
		lines = append(lines, l)
	}
	return lines
}

// untriedOf adds up the messages that no delivery was tried for.
func untriedOf(list []mta.QueueCount) (n int64, oldest time.Time, queue string) {
	for _, q := range list {
		if u := q.Untried; u != nil {
			n += u.Messages
			if !u.Oldest.IsZero() && (oldest.IsZero() || u.Oldest.Before(oldest)) {
				oldest, queue = u.Oldest, q.Name
			}
		}
	}
	return n, oldest, queue
}

func failureLines(now time.Time, in view.InstanceStatus) []string {
	f := in.Failures
	if f.Attempts == nil || f.Unknown != "" && nothing(f) {
		return nil
	}
	parts := []string{fmt.Sprintf("%d sent", f.Attempts[mta.StatusSent.String()])}
	for _, s := range []mta.Status{mta.StatusDeferred, mta.StatusBounced, mta.StatusExpired} {
		if n := f.Attempts[s.String()]; n > 0 || s != mta.StatusExpired {
			parts = append(parts, fmt.Sprintf("%d %s", n, s))
		}
	}
	since := f.Since
	if log := in.Queue.FromLog; log != nil && log.Since.After(since) && !since.IsZero() {
		since = log.Since // the log is known from here on
	}
	l := coverText(now, since, f.Window) + ": "
	if f.Received != nil {
		l += fmt.Sprintf("%d received, ", *f.Received)
	}
	l += strings.Join(parts, ", ")
	if f.Rejects != nil {
		l += "; " + plural(*f.Rejects, "client request") + " rejected"
	}
	lines := []string{l}
	if text := topText(f.Causes, 5); text != "" {
		lines = append(lines, "why: "+text)
	}
	if text := normalFailuresText(f.Normal); text != "" {
		lines = append(lines, "normal a minute: "+text)
	}
	return lines
}

// nothing reports figures that are all zero: beside an unknown they measure
// nothing.
func nothing(f view.FailureStatus) bool {
	return zero(f.Attempts) && (f.Rejects == nil || *f.Rejects == 0) && (f.Received == nil || *f.Received == 0)
}

func connectionLines(c view.ConnectionStatus) []string {
	var lines []string
	for _, p := range c.Ports {
		lines = append(lines, portText(p))
	}
	if len(lines) == 0 && c.Unknown == "" {
		lines = append(lines, "no port to watch")
	}
	return lines
}

// portText is one port in words.
func portText(p view.PortRow) string {
	name := fmt.Sprintf("port %d", p.Port)
	if p.Service != "" {
		name += " " + clean(p.Service)
	}
	if !p.Listening {
		name += ", nobody listens"
	}
	l := name + ": " + plural(int64(liveSockets(p)), "connection")
	var states []string // always in the same order
	for st := mta.TCPEstablished; st <= mta.TCPClosing; st++ {
		if n := p.States[st.String()]; n > 0 && st != mta.TCPListen {
			states = append(states, fmt.Sprintf("%s %d", st, n))
		}
	}
	if len(states) > 0 {
		l += " (" + strings.Join(states, ", ") + ")"
	}
	if p.Sources > 0 {
		l += " from " + plural(int64(p.Sources), "address")
	}
	if p.Capacity > 0 {
		l += fmt.Sprintf(", %d %% of the %d sessions that there may be", 100*liveSockets(p)/p.Capacity, p.Capacity)
	}
	if p.Normal != nil {
		l += ", normal is " + rangeText(*p.Normal)
	}
	if p.AcceptQueue != nil && p.AcceptLimit != nil {
		l += fmt.Sprintf("; %d of %d wait to be accepted", *p.AcceptQueue, *p.AcceptLimit)
	}
	return l
}

func processLines(p view.ProcessStatus) []string {
	if p.Roles == nil {
		return nil
	}
	var parts []string
	for r := mta.RoleDispatcher; r < mta.NumRoles; r++ {
		if n := p.Roles[r.String()]; n > 0 || r == mta.RoleDispatcher || r == mta.RoleJobController {
			parts = append(parts, fmt.Sprintf("%s %d", r, n))
		}
	}
	lines := []string{strings.Join(parts, ", ")}
	if p.Orphans > 0 {
		lines = append(lines, leftOverText(p.Orphans))
	}
	return lines
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
