package cli

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/mtawatch/mtawatch/internal/config"
	"github.com/mtawatch/mtawatch/internal/notify"
	"github.com/mtawatch/mtawatch/internal/notify/all"
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
	send := false
	c := &cobra.Command{
		Use:   "check-config [FILE]",
		Short: "Check the configuration file: every error at once, with its line",
		Args:  cobra.MaximumNArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
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
			} else {
				t.out.line("ok: " + clean(cfg.File))
			}
			t.warnOfPaths(cfg)
			if send {
				return t.testChannels(c.Context(), cfg)
			}
			return nil
		},
	}
	c.Flags().BoolVar(&send, "notify", false, "send a test message on each channel under notify: as well")
	return c
}

// warnOfPaths tells of paths in the configuration that are not there: they may
// come to be, so that is no error.
func (t *tool) warnOfPaths(cfg config.Config) {
	for i, in := range cfg.Instances {
		if _, err := os.Stat(in.LogFile); in.LogFile != "" && errors.Is(err, fs.ErrNotExist) {
			t.err.line(fmt.Sprintf("warning: instances[%d].log_file: %s is not there; check the path, unless the mail server makes it with its first line", i, clean(in.LogFile)))
		}
	}
}

// testChannels sends one message on each configured channel and tells how it went.
func (t *tool) testChannels(ctx context.Context, cfg config.Config) error {
	channels, err := all.Channels(cfg.Notify)
	if err != nil {
		return err
	}
	if len(channels) == 0 {
		return view.Advise(errors.New("send test message: no channel is configured"), "docs/config.md tells what stands under notify:")
	}
	host, _ := os.Hostname() // a message without it says as much
	failed := 0
	for _, c := range channels {
		try, cancel := context.WithTimeout(ctx, c.Terms.Timeout)
		_, err := c.Send(try, notify.NewTest(host, "", time.Now()))
		cancel()
		if err != nil {
			failed++
			t.err.line(clean(c.Name + ": " + err.Error()))
			continue
		}
		t.out.line(clean(c.Name) + ": sent")
	}
	if failed > 0 {
		return fmt.Errorf("send test message: %d of %s failed", failed, plural(int64(len(channels)), "channel"))
	}
	return nil
}
