package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/mtawatch/mtawatch/internal/lab/drill"
	"github.com/mtawatch/mtawatch/internal/view"
)

func (t *tool) labDrillCommand() *cobra.Command {
	b := drill.Board{}
	all, list, quick, apart := false, false, false, false
	c := t.reading(&cobra.Command{
		Use:   "drill [NAME...]",
		Short: "Break a practice MTA on purpose, and see what mtawatch says and how fast",
		Long: "Break a practice MTA on purpose, and see what mtawatch says and how fast. Each drill has an MTA and an mtawatch of its own, with two weeks\n" +
			"of history learned. With --json it prints one object a drill; the exit status is 1 when one did not pass.",
		ValidArgs: drillNames(),
		RunE: func(c *cobra.Command, args []string) error {
			if list {
				return t.listDrills()
			}
			if apart {
				return t.drillApart(c.Context())
			}
			var err error
			if b.Drills, err = chooseDrills(args, all, quick); err != nil {
				return err
			}
			return t.drills(c.Context(), b)
		},
	})
	c.Flags().BoolVar(&all, "all", false, "all of them")
	c.Flags().BoolVar(&quick, "quick", false, "a telling few, cut short")
	c.Flags().BoolVar(&list, "list", false, "list them")
	c.Flags().IntVar(&b.Parallel, "parallel", 1, "so many at once")
	c.Flags().DurationVar(&b.WarmUp, "warm-up", 0, "of watching before a drill begins (default 1m)")
	c.Flags().DurationVar(&b.Settle, "settle", 0, "of watching on after the finding, for false ones (default 20s)")
	c.Flags().DurationVar(&b.Most, "most", 0, "no harmless drill longer than this")
	c.Flags().Float64Var(&b.Patience, "patience", 1, "multiply the limits, on a slow machine")
	c.Flags().IntVar(&b.Days, "days", 14, "of history that mtawatch has learned from")
	c.Flags().StringVar(&b.Keep, "keep-logs", "", "keep the logs of drills that did not pass in this `directory`")
	c.Flags().BoolVar(&apart, "apart", false, "do the drill that standard input names, in the namespaces found (used by itself)")
	_ = c.Flags().MarkHidden("apart") // it is there
	return c
}

// drillApart does one drill in a process that has namespaces of its own.
func (t *tool) drillApart(ctx context.Context) error {
	ctx, stop := signal.NotifyContext(ctx, os.Interrupt, syscall.SIGTERM)
	defer stop()
	return drill.Apart(ctx, t.in, t.out.w, func(text string) {
		t.err.line(text)
		_ = t.err.flush()
	})
}

func drillNames() []string {
	var names []string
	for _, d := range drill.All() {
		names = append(names, d.Name)
	}
	return names
}

func chooseDrills(names []string, all, quick bool) ([]drill.Drill, error) {
	if all == (len(names) > 0) && !quick || quick && (all || len(names) > 0) {
		return nil, view.Advise(errors.New("which drill?"), "name some, or give --all or --quick; --list lists them")
	}
	var chosen []drill.Drill
	for _, d := range drill.All() {
		if all || quick && d.Quick {
			chosen = append(chosen, d)
		}
	}
	for _, n := range names {
		d, ok := drill.Find(n)
		if !ok {
			return nil, view.Advise(fmt.Errorf("there is no drill %q", n), "see 'mtawatch lab drill --list'")
		}
		chosen = append(chosen, d)
	}
	return chosen, nil
}

func (t *tool) listDrills() error {
	if t.json {
		for _, d := range drill.All() {
			t.line(struct {
				Drill string   `json:"drill"`
				Text  string   `json:"text"`
				Codes []string `json:"expected"`
				Limit float64  `json:"limit"`
			}{d.Name, d.Text, codeTexts(&d.Expect), d.Limit.Seconds()})
		}
		return nil
	}
	table := newTable("DRILL", "EXPECTED", "WITHIN", "WHAT HAPPENS")
	for _, d := range drill.All() {
		expected, within := strings.Join(codeTexts(&d.Expect), ", "), d.Limit.String()
		if d.Harmless() {
			expected, within = "nothing", ""
		}
		table.add(d.Name, expected, within, d.Text)
	}
	t.out.print(table)
	return nil
}

func codeTexts(e *drill.Expect) []string {
	list := []string{}
	for _, c := range e.Codes {
		list = append(list, string(c))
	}
	return list
}

// line prints one JSON object.
func (t *tool) line(v any) {
	b, err := json.Marshal(v)
	if err != nil {
		t.complain(err)
		return
	}
	t.out.line(string(b))
}

func (t *tool) drills(ctx context.Context, b drill.Board) error {
	exe, err := os.Executable()
	if err != nil {
		return fmt.Errorf("find the own program: %w", err)
	}
	ctx, stop := signal.NotifyContext(ctx, os.Interrupt, syscall.SIGTERM)
	defer stop()
	b.Binary = exe
	b.Say = func(text string) {
		t.err.line(time.Now().Format("15:04:05 ") + clean(text))
		_ = t.err.flush()
	}
	b.Done = func(r drill.Row) {
		if t.json {
			t.line(r.Score())
			_ = t.out.flush()
		}
	}
	rows, err := b.Run(ctx)
	stopped := errors.Is(err, context.Canceled)
	if err != nil && !stopped {
		return err
	}
	rows = slices.DeleteFunc(rows, func(r drill.Row) bool { return r.Drill == "" }) // never begun
	passed, notRun := 0, 0
	for i := range rows {
		switch {
		case rows[i].NotRun != "":
			notRun++
		case rows[i].Passed:
			passed++
		}
	}
	if !t.json {
		t.drillTable(rows)
		t.out.line("")
		t.out.line(fmt.Sprintf("%d of %d passed, %d not run", passed, len(rows), notRun))
	}
	if stopped {
		return errors.New("stopped before all drills were done")
	}
	if passed+notRun < len(rows) {
		return exit(1)
	}
	return nil
}

func (t *tool) drillTable(rows []drill.Row) {
	table := newTable("DRILL", "", "FOUND", "SEVERITY", ">SECONDS", ">LIMIT", "FALSE", "WHAT WAS SAID")
	for i := range rows {
		r := &rows[i]
		verdict, found, severity, seconds, said := "ok", string(r.Found), "", "", clean(r.Title)
		if !r.Passed {
			verdict = "FAIL"
		}
		switch {
		case r.NotRun != "":
			verdict, said = "-", "not run: "+r.NotRun
		case r.Error != "":
			said = clean(r.Error)
		case r.Found != "":
			severity, seconds = r.Severity.String(), fmt.Sprintf("%.1f", r.Seconds)
		case len(r.Expected) == 0:
			found = "nothing"
		default:
			found = "MISSED " + string(r.Expected[0])
		}
		var wrong []string
		for _, f := range r.False {
			wrong = append(wrong, string(f.Code))
		}
		table.add(r.Drill, verdict, found, severity, seconds, fmt.Sprintf("%.0f", r.Limit), strings.Join(wrong, ", "), said)
	}
	t.out.print(table)
}
