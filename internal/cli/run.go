package cli

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/mtawatch/mtawatch/internal/config"
	"github.com/mtawatch/mtawatch/internal/view"
)

func (t *tool) runCommand() *cobra.Command {
	listen := ""
	compat := ""
	c := &cobra.Command{
		Use:   "run",
		Short: "The daemon: watch the mail servers of this host",
		Long:  "The daemon: watches the mail servers of this host until it is told to stop (SIGTERM, SIGINT). Logs go to standard error.",
		Args:  cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			cfg, err := t.settings()
			if err != nil {
				return err
			}
			if c.Flags().Changed("listen") {
				cfg.Listen = listen
			}
			if c.Flags().Changed("compat") {
				cfg.Compat = compat
			}
			if err := config.CheckCompat(cfg.Compat); err != nil {
				return view.Advise(fmt.Errorf("read --compat: %w", err), "docs/compat.md tells what it serves")
			}
			if t.deps.Daemon == nil {
				return errors.New("run daemon: not possible in this build")
			}
			log := slog.New(slog.NewTextHandler(c.ErrOrStderr(), &slog.HandlerOptions{Level: cfg.Level()}))
			// Only the daemon has something to put in order before it ends;
			// the other commands end at once.
			ctx, stop := signal.NotifyContext(c.Context(), os.Interrupt, syscall.SIGTERM)
			defer stop()
			return t.deps.Daemon(ctx, cfg, log)
		},
	}
	c.Flags().StringVar(&listen, "listen", "", "address and port of the API, such as 127.0.0.1:9726 (default: of the configuration)")
	c.Flags().StringVar(&compat, "compat", "", "serve the names of another exporter on /metrics as well: `postfix_exporter`")
	return c
}

func (t *tool) checkConfigCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "check-config [FILE]",
		Short: "Check the configuration file: every error at once, with its line",
		Args:  cobra.MaximumNArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			path := t.configPath
			if len(args) > 0 {
				path = args[0]
			}
			cfg, err := config.Load(path, mtaList()...)
			if list := (config.Errors)(nil); errors.As(err, &list) {
				for _, e := range list {
					t.err.line(clean(e.Error()))
				}
				return view.Advise(errors.New(plural(int64(len(list)), "error")+" in the configuration"), "docs/config.md describes every key")
			}
			if err != nil {
				return err
			}
			if cfg.File == "" {
				t.out.line("ok: no configuration file; the defaults hold")
				return nil
			}
			t.out.line("ok: " + clean(cfg.File))
			return nil
		},
	}
}
