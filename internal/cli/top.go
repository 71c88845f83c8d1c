package cli

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/mtawatch/mtawatch/internal/tui"
	"github.com/mtawatch/mtawatch/internal/view"
)

// leastInterval is the shortest time between two questions.
const leastInterval = 500 * time.Millisecond

func (t *tool) topCommand() *cobra.Command {
	interval := 2 * time.Second
	c := &cobra.Command{
		Use:   "top",
		Short: "The four vital signs live on the terminal",
		Long: "The open findings and the four vital signs, live: each with what is normal and its last minutes as a graph; and tables of the\n" +
			"queue, the failures, the connections, the daemons and the findings to look into. ? helps, q quits. Where no daemon runs it\n" +
			"shows the machine as it is, every 10 s, and asks for the daemon again each time. NO_COLOR is followed.",
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error { return t.top(c.Context(), interval) },
	}
	c.Flags().DurationVar(&interval, "interval", interval, "time between two questions; longer sends less over a slow line")
	return c
}

func (t *tool) top(ctx context.Context, interval time.Duration) error {
	if err := checkInterval(interval); err != nil {
		return err
	}
	out, err := t.screen()
	if err != nil {
		return err
	}
	r, err := t.reader(func(error) {}) // a note would stand in the middle of the screen
	if err != nil {
		return err
	}
	return tui.Run(ctx, tui.Config{Ask: r.ask, Interval: interval, UTF8: speaksUTF8(os.Getenv), In: t.in, Out: out, Environ: os.Environ()})
}

func checkInterval(d time.Duration) error {
	if d < leastInterval || d > time.Hour {
		return view.Advise(fmt.Errorf("--interval %s is out of range", d), "give a duration from 500ms to 1h")
	}
	return nil
}

// screen gives the terminal that a view can be drawn on.
func (t *tool) screen() (*os.File, error) {
	const instead = "'mtawatch status --watch' prints a line at each change and needs no terminal"
	f, ok := t.in.(*os.File)
	if !ok || !t.out.terminal || !isTerminal(f) {
		return nil, view.Advise(errors.New("top: standard input and output are no terminal"), instead)
	}
	if term := os.Getenv("TERM"); term == "" || term == "dumb" {
		return nil, view.Advise(fmt.Errorf("top: this terminal cannot move its cursor (TERM is %q)", term), instead+"; or set TERM to what the terminal is, such as xterm or vt100")
	}
	return t.out.file, nil
}

// speaksUTF8 reports whether the terminal's text is UTF-8, by the locale.
func speaksUTF8(env func(string) string) bool {
	for _, name := range [...]string{"LC_ALL", "LC_CTYPE", "LANG"} {
		if v := strings.ToLower(env(name)); v != "" {
			return strings.Contains(v, "utf-8") || strings.Contains(v, "utf8")
		}
	}
	return false
}

// untilStopped gives a context that ends at SIGINT and SIGTERM too.
func untilStopped(ctx context.Context) (context.Context, context.CancelFunc) {
	return signal.NotifyContext(ctx, os.Interrupt, syscall.SIGTERM)
}
