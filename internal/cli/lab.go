package cli

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/mtawatch/mtawatch/internal/lab/qm"
	"github.com/mtawatch/mtawatch/internal/lab/site"
	"github.com/mtawatch/mtawatch/internal/lab/stage"
	"github.com/mtawatch/mtawatch/internal/lab/watched"
	"github.com/mtawatch/mtawatch/internal/view"
)

// labFlags are those of lab and its verbs.
type labFlags struct {
	base   string
	period time.Duration
	rate   float64
	format int
	watch  bool
	days   int
	keep   bool
}

// dir gives the directory of the practice MTA.
func (f *labFlags) dir() (string, error) {
	if f.base == "" {
		return watched.DefaultBase()
	}
	return filepath.Abs(f.base)
}

func (t *tool) labCommand() *cobra.Command {
	f := &labFlags{}
	c := &cobra.Command{
		Use:   "lab",
		Short: "A practice MTA with traffic, alone or watched, and drills on it",
		Long: "A practice MTA in the shape of the Messaging Server: dispatcher, job_controller and channel programs as processes of their own,\n" +
			"with mail in and out, a name server and remote sites that behave in every way. All of it on loopback, for practice on this machine only.\n" +
			"Ctrl-C ends it all.",
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error { return t.lab(c.Context(), f) },
	}
	c.PersistentFlags().StringVar(&f.base, "base", "", "`directory` of the practice MTA (default: one under the user's cache)")
	c.Flags().DurationVar(&f.period, "for", 0, "end after this time; with --watch it fails unless every command showed the traffic")
	c.Flags().Float64Var(&f.rate, "rate", 2, "letters a `second`, in the mean of a week; 0 sends none")
	c.Flags().IntVar(&f.format, "format", 1, "LOG_FORMAT of mail.log_current: 1 text, 4 XML")
	c.Flags().BoolVar(&f.watch, "watch", false, "with mtawatch watching, two weeks of history already learned")
	c.Flags().IntVar(&f.days, "days", 14, "of history for --watch")
	c.Flags().BoolVar(&f.keep, "keep", false, "go on with the mail and logs that an earlier lab left")
	c.AddCommand(t.labDrillCommand(), t.labQMCommand(f), t.labDaemonCommand(f, "start", "Start a daemon of the running lab that has ended: dispatcher or job_controller"),
		t.labDaemonCommand(f, "stop", "Stop a daemon of the running lab: dispatcher or job_controller"))
	return c
}

func (t *tool) lab(ctx context.Context, f *labFlags) error {
	base, err := f.dir()
	if err != nil {
		return err
	}
	if f.format != 1 && f.format != 4 {
		return view.Advise(fmt.Errorf("--format %d is not written", f.format), "give 1 or 4")
	}
	if f.rate < 0 || f.rate > 100 || f.days < 1 || f.days > 60 || f.period < 0 {
		return view.Advise(errors.New("--rate, --days or --for is out of range"), "give a rate from 0 to 100 and 1 to 60 days")
	}
	exe, err := os.Executable()
	if err != nil {
		return fmt.Errorf("find the own program: %w", err)
	}
	ctx, stop := signal.NotifyContext(ctx, os.Interrupt, syscall.SIGTERM)
	defer stop()
	progress := &bar{p: t.err}
	p := watched.Practice{
		Stage: stage.Config{Base: base, Binary: exe, Rate: f.rate, Format: f.format, Fresh: !f.keep},
		Watch: f.watch, Days: f.days, For: f.period, Command: calledAs(os.Args[0]),
		Say: func(text string) {
			progress.clear()
			t.out.line(text)
			_ = t.out.flush() // an error is told at the end
		},
		Progress: progress.show,
	}
	return p.Run(ctx)
}

// calledAs is how the program was called, for who may not have it on the PATH.
func calledAs(name string) string {
	if filepath.Base(name) == "mtawatch" {
		return name
	}
	return "mtawatch"
}

func (t *tool) labDaemonCommand(f *labFlags, verb, short string) *cobra.Command {
	return &cobra.Command{
		Use: verb + " dispatcher|job_controller", Short: short, Args: cobra.ExactArgs(1), ValidArgs: stage.Daemons(),
		RunE: func(c *cobra.Command, args []string) error {
			base, err := f.dir()
			if err != nil {
				return err
			}
			return stage.Order(c.Context(), base, verb, args[0])
		},
	}
}

// labQMCommand runs the MTA's own command.
func (t *tool) labQMCommand(f *labFlags) *cobra.Command {
	c := &cobra.Command{
		Use: "qm VERB...", Short: "The MTA's own view of its queues: counters, summarize, directory, messages, held, hold, release, delete, return, start, stop, clean, top, jobs",
		RunE: func(c *cobra.Command, args []string) error {
			base, err := f.dir()
			if err != nil {
				return err
			}
			if err := stage.Runs(c.Context(), base); err != nil {
				return err
			}
			s, err := site.Open(base)
			if err != nil {
				return err
			}
			if status := qm.Command(c.Context(), s, append([]string{"qm"}, args...), t.in, t.out.w, t.err.w); status != 0 {
				return exit(status)
			}
			return nil
		},
	}
	c.Flags().SetInterspersed(false) // what follows the verb is the verb's
	return c
}
