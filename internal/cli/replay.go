package cli

import (
	"context"
	"errors"
	"fmt"
	"os"
	"runtime/debug"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/mtawatch/mtawatch/internal/mta"
	logs "github.com/mtawatch/mtawatch/internal/replay"
	"github.com/mtawatch/mtawatch/internal/tail"
	"github.com/mtawatch/mtawatch/internal/view"
)

// replayFlags are the flags of replay.
type replayFlags struct {
	parseFlags
	from, to, html string
	step           time.Duration
}

func (t *tool) replayCommand() *cobra.Command {
	f := replayFlags{}
	c := t.reading(&cobra.Command{
		Use:   "replay LOG...",
		Short: "Old logs judged: every incident that would have been reported",
		Long: "Reads old logs, compressed ones too, in the order of their rotation, learns from them what is normal, and prints every\n" +
			"incident that a watch at the time would have reported. --html writes it as one page with the course of the four signs.",
		RunE: func(c *cobra.Command, args []string) error { return t.replay(c.Context(), f, args) },
	})
	c.Flags().StringVar(&f.mta, "mta", "", "the mail server that wrote the logs: "+mtaNames()+" (default: by the look of them)")
	c.Flags().StringVar(&f.timezone, "timezone", "", "zone of time stamps without one, and of the calendar (default: the machine's)")
	c.Flags().IntVar(&f.year, "year", 0, "year of the first time stamp that carries none (default: from the file's modification time)")
	c.Flags().StringVar(&f.from, "from", "", "report from this time on: 2026-11-23 or 2026-11-23T12:00:00Z; what is before is learned from")
	c.Flags().StringVar(&f.to, "to", "", "read up to this time")
	c.Flags().DurationVar(&f.step, "step", 10*time.Second, "time between two judgements, of the logs' time")
	c.Flags().StringVar(&f.html, "html", "", "write the report as one page to `FILE` (- for standard output)")
	return c
}

func (t *tool) replay(ctx context.Context, f replayFlags, files []string) error {
	if len(files) == 0 {
		return view.Advise(errors.New("replay needs logs"), "name them: mtawatch replay /var/log/mail.log*")
	}
	if f.mta == "" {
		sorted, _ := tail.InTimeOrder(files) // what is missing is named by the reading
		var err error
		if f.mta, err = sniffLogs(sorted); err != nil {
			return err
		}
	}
	cfg, err := f.settings()
	if err != nil {
		return err
	}
	// Little is kept from line to line: collecting it rarely saves half of the time.
	defer debug.SetGCPercent(debug.SetGCPercent(fewCollections / 3))
	progress := &bar{p: t.err}
	cfg.Progress = func(p view.Progress) { progress.show(p.What, p.Done, p.Total) }
	r, err := logs.Run(ctx, cfg, files)
	progress.clear()
	if err != nil {
		return err
	}
	for _, u := range r.Unread {
		t.err.line("mtawatch: not read: " + clean(u))
	}
	if err := t.replayOut(f, r, cfg.Location); err != nil {
		return err
	}
	if len(r.Unread) > 0 {
		return exit(exitError)
	}
	return nil
}

func (t *tool) replayOut(f replayFlags, r *logs.Report, zone *time.Location) error {
	switch {
	case f.html == "-":
		return r.Page(t.out.w, clean)
	case f.html != "":
		if err := writePage(f.html, r); err != nil {
			return err
		}
	}
	if t.json {
		return t.out.json(r)
	}
	t.replayText(r, zone)
	return nil
}

func writePage(path string, r *logs.Report) error {
	out, err := os.Create(path)
	if err != nil {
		return fmt.Errorf("write page: %w", err)
	}
	if err := errors.Join(r.Page(out, clean), out.Close()); err != nil {
		return fmt.Errorf("write page: %w", err)
	}
	return nil
}

// settings checks the flags.
func (f replayFlags) settings() (logs.Config, error) {
	a, p, err := f.config()
	if err != nil {
		return logs.Config{}, err
	}
	cfg := logs.Config{Adapter: a, Location: p.Location, Year: f.year, Step: f.step}
	if f.step < time.Second || f.step > time.Hour {
		return cfg, view.Advise(fmt.Errorf("--step %s is out of range", f.step), "give 1s to 1h")
	}
	if cfg.From, err = momentFlag("--from", f.from, p.Location); err != nil {
		return cfg, err
	}
	if cfg.To, err = momentFlag("--to", f.to, p.Location); err != nil {
		return cfg, err
	}
	if !cfg.To.IsZero() && cfg.To.Before(cfg.From) {
		return cfg, view.Advise(errors.New("--to is before --from"), "give them in order")
	}
	return cfg, nil
}

// momentFlag reads a day or a moment.
func momentFlag(name, s string, zone *time.Location) (time.Time, error) {
	if s == "" {
		return time.Time{}, nil
	}
	for _, form := range []string{time.RFC3339, "2006-01-02T15:04:05", "2006-01-02 15:04:05", "2006-01-02T15:04", "2006-01-02 15:04", time.DateOnly} {
		if at, err := time.ParseInLocation(form, s, zone); err == nil {
			return at, nil
		}
	}
	return time.Time{}, view.Advise(fmt.Errorf("%s %s cannot be read", name, clean(s)), "give 2026-11-23 or 2026-11-23T12:00:00Z")
}

// replayText prints the incidents for people.
func (t *tool) replayText(r *logs.Report, zone *time.Location) {
	at := func(m time.Time) string { return m.In(zone).Format("2006-01-02 15:04:05") }
	for _, f := range r.Incidents {
		t.incidentText(&f, at)
		t.out.line("")
	}
	if r.End.IsZero() {
		t.out.line("no event of a mail server was found in these logs")
	} else {
		t.out.line(fmt.Sprintf("%s from %s to %s, judged every %s; normal ranges learned from %s",
			plural(int64(len(r.Incidents)), "incident"), at(r.Begin), at(r.End), r.Step, spanText(r.Learned)))
	}
	for _, u := range r.Unknown {
		t.out.line(t.out.in(dim, fmt.Sprintf("nothing is known of %s to %s", at(u.Begin), at(u.End))))
	}
	for _, n := range r.Notes {
		t.out.line(t.out.in(dim, clean(n)))
	}
	var lines, bad int64
	for _, s := range r.Sources {
		lines += s.Lines
		bad += s.Unknown + s.Malformed
	}
	t.out.line(t.out.in(dim, fmt.Sprintf("read %s in %s: %s, %d not understood", bytesText(r.Bytes), plural(int64(len(r.Files)), "file"), plural(lines, "line"), bad)))
}

// incidentText prints one incident.
func (t *tool) incidentText(f *mta.Finding, at func(time.Time) string) {
	end := "the end of the logs"
	if !f.End.IsZero() {
		end = at(f.End)
	}
	mark := map[mta.Severity]style{mta.SeverityCritical: red, mta.SeverityWarning: yellow}[f.Severity]
	t.out.line(fmt.Sprintf("%s - %s  %s  %s", at(f.Since), end, t.out.in(mark, strings.ToUpper(f.Severity.String())), t.out.in(bold, string(f.Code))))
	t.out.hang(2, "  "+clean(f.Title))
	if f.Cause != "" {
		t.out.hang(12, "  cause     "+clean(f.Cause))
	}
	for i, e := range f.Evidence {
		t.out.hang(12, "  "+label(i, "evidence")+evidenceText(f.Since, &e))
		for _, l := range e.Lines {
			t.out.hang(14, "            "+t.out.in(dim, clean(l)))
		}
	}
	for _, part := range []struct {
		name  string
		lines []string
	}{{"ruled out", f.RuledOut}, {"to do", f.Advice}, {"do not", f.Avoid}} {
		lines := cleanAll(part.lines)
		if part.name == "do not" {
			lines = withoutDoNot(part.lines)
		}
		for i, l := range lines {
			t.out.hang(12, "  "+label(i, part.name)+l)
		}
	}
	for i, c := range f.Folded {
		t.out.hang(12, "  "+label(i, "follows")+clean(string(c.Code)+": "+c.Title))
	}
}

// label names the first of several lines.
func label(i int, name string) string {
	if i > 0 {
		name = ""
	}
	return fmt.Sprintf("%-10s", name)
}
