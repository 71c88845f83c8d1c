package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/mtawatch/mtawatch/internal/api"
	"github.com/mtawatch/mtawatch/internal/config"
	"github.com/mtawatch/mtawatch/internal/lab"
	"github.com/mtawatch/mtawatch/internal/view"
)

// EnvServer is the environment variable that names the daemon to ask.
const EnvServer = "MTAWATCH_SERVER"

// The exit statuses.
const (
	exitOK       = 0
	exitNotFound = 1 // of trace
	exitWarning  = 1 // of status: Nagios's word for it
	exitError    = 2
	exitCritical = 2 // of status: Nagios's word for it
	exitUnknown  = 3
)

// Deps is what the commands work with. Main fills it from package app.
type Deps struct {
	// Daemon runs the daemon until ctx ends.
	Daemon func(ctx context.Context, cfg config.Config, log *slog.Logger) error
	// Look looks at the machine as it is, without a daemon; the second value
	// ends the look.
	Look func(ctx context.Context, cfg config.Config) (view.Source, func() error, error)
	// Client asks the daemon at an address; nil is api.NewClient.
	Client func(addr string) view.Source
	// Actor has the daemon at an address do something; nil is api.NewClient.
	Actor func(addr string) view.Actor
}

// Main runs one command and gives its exit status. args begins with the name
// of the program.
func Main(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	if len(args) > 0 {
		if program, ok := lab.ProgramOf(filepath.Base(args[0])); ok {
			return program(ctx, args[1:], stdin, stdout, stderr)
		}
	}
	return Run(ctx, appDeps(), args, stdin, stdout, stderr)
}

// Run is Main with other dependencies.
func Run(ctx context.Context, deps Deps, args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	if deps.Client == nil {
		deps.Client = func(addr string) view.Source { return client(addr) }
	}
	if deps.Actor == nil {
		deps.Actor = func(addr string) view.Actor { return client(addr) }
	}
	t := &tool{deps: deps, in: stdin, out: newPrinter(stdout), err: newPrinter(stderr)}
	root := t.root()
	root.SetIn(stdin)
	root.SetOut(stdout)
	root.SetErr(stderr)
	if len(args) > 0 {
		args = args[1:]
	}
	root.SetArgs(append([]string{}, args...)) // never nil: cobra would read os.Args
	err := root.ExecuteContext(ctx)
	if werr := t.out.flush(); err == nil && werr != nil {
		err = fmt.Errorf("write output: %w", werr)
	}
	return t.finish(err)
}

// tool is what the commands of one run share.
type tool struct {
	deps Deps
	in   io.Reader
	out  *printer
	err  *printer

	configPath string
	server     string
	dataDir    string
	json       bool
}

// exit is an error that only sets the exit status: what there was to say has
// been said.
type exit int

// Error gives the status; nobody prints it.
func (e exit) Error() string { return fmt.Sprintf("exit status %d", int(e)) }

// finish prints the error, if any, and gives the exit status.
func (t *tool) finish(err error) int {
	defer func() { _ = t.err.flush() }() // there is nowhere left to say that it failed
	var status exit
	switch {
	case err == nil:
		return exitOK
	case errors.As(err, &status):
		return int(status)
	}
	t.complain(err)
	return exitError
}

// complain prints an error and what to do about it.
func (t *tool) complain(err error) {
	said := strings.ReplaceAll(err.Error(), view.ErrQuestion.Error()+": ", "") // what is wrong with it follows
	for i, line := range strings.Split(said, "\n") {
		if i == 0 {
			line = "mtawatch: " + line
		}
		t.err.line(clean(line))
	}
	if advice := view.AdviceOf(err); advice != "" {
		t.err.line("  to do: " + clean(advice))
	}
}

func (t *tool) root() *cobra.Command {
	root := &cobra.Command{
		Use:           "mtawatch",
		Short:         "Watches a mail server's queues, delivery failures, connections and daemons",
		SilenceErrors: true,
		SilenceUsage:  true,
		Args:          cobra.NoArgs,
		RunE:          func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	flags := root.PersistentFlags()
	flags.StringVar(&t.configPath, "config", "", "configuration file (default "+config.DefaultPath+" if it exists)")
	flags.StringVar(&t.server, "server", "", "ask the daemon at `ADDR`: 127.0.0.1:9725 or unix:/path (default: of the configuration)")
	flags.StringVar(&t.dataDir, "data-dir", "", "directory of the stores (default: of the configuration)")
	root.SetFlagErrorFunc(wrongFlag)
	root.AddCommand(t.runCommand(), t.statusCommand(), t.queueCommand(), t.failuresCommand(), t.connectionsCommand(),
		t.processesCommand(), t.traceCommand(), t.replayCommand(), t.doctorCommand(), t.parseCommand(), t.classifyCommand(), t.judgeCommand(),
		t.findingsCommand(), t.explainCommand(), t.silenceCommand(), t.unsilenceCommand(), t.silencesCommand(), t.hashPasswordCommand(),
		t.topCommand(), t.checkConfigCommand(), t.labCommand(), t.versionCommand())
	sayArguments(root)
	return root
}

// reading adds the flag that every reading command has.
func (t *tool) reading(c *cobra.Command) *cobra.Command {
	c.Flags().BoolVar(&t.json, "json", false, "print JSON")
	return c
}

// settings loads the configuration, with the flags over it.
func (t *tool) settings() (config.Config, error) {
	cfg, err := config.Load(t.configPath, mtaList()...)
	if err != nil {
		return config.Config{}, err
	}
	if t.dataDir != "" {
		cfg.DataDir = t.dataDir
	}
	return cfg, nil
}

// ask asks the daemon that --server or MTAWATCH_SERVER names; without either
// the daemon of this machine; and where none runs, it looks for itself.
func ask[T any](ctx context.Context, t *tool, question func(view.Source) (T, error)) (v T, err error) {
	r, err := t.reader(t.complain)
	if err != nil {
		return v, err
	}
	err = r.ask(ctx, func(s view.Source) (err error) {
		v, err = question(s)
		return err
	})
	return v, err
}

// reader finds who answers, each time it is asked.
type reader struct {
	t         *tool
	cfg       config.Config
	addresses []string // to be tried in this order
	clients   map[string]view.Source
	look      bool        // look at the machine where none answers
	note      func(error) // takes what is no reason to stop
}

func (t *tool) reader(note func(error)) (*reader, error) {
	r := &reader{t: t, clients: make(map[string]view.Source), note: note}
	if addr := t.explicitServer(); addr != "" {
		r.addresses = []string{addr}
		return r, nil
	}
	cfg, err := t.settings()
	if err != nil {
		return nil, err
	}
	r.cfg, r.look, r.addresses = cfg, true, localAddresses(cfg)
	return r, nil
}

// client gives the same one each time, for it keeps its connection.
func (r *reader) client(addr string) view.Source {
	if r.clients[addr] == nil {
		r.clients[addr] = r.t.deps.Client(addr)
	}
	return r.clients[addr]
}

// ask puts a question to the first that answers.
func (r *reader) ask(ctx context.Context, question func(view.Source) error) error {
	for _, addr := range r.addresses {
		err := question(r.client(addr))
		switch {
		case !r.look:
			return err
		case errors.Is(err, api.ErrNoDaemon), errors.Is(err, fs.ErrPermission):
			continue
		case errors.Is(err, api.ErrNotMtawatch):
			r.note(fmt.Errorf("%w; looking for myself", err))
			continue
		}
		return err
	}
	return r.t.look(ctx, r.cfg, question)
}

func (t *tool) explicitServer() string {
	if t.server != "" {
		return t.server
	}
	return os.Getenv(EnvServer)
}

// localAddresses are where the daemon of this machine would answer, the
// socket first: it shows more.
func localAddresses(cfg config.Config) []string {
	var list []string
	if path := cfg.SocketPath(); path != "" {
		list = append(list, "unix:"+path)
	}
	if host, port, err := net.SplitHostPort(cfg.Listen); err == nil {
		switch host {
		case "", "0.0.0.0":
			host = "127.0.0.1"
		case "::":
			host = "::1"
		}
		list = append(list, net.JoinHostPort(host, port))
	}
	return list
}

// look asks the machine itself.
func (t *tool) look(ctx context.Context, cfg config.Config, question func(view.Source) error) (err error) {
	if t.deps.Look == nil {
		return view.Advise(errors.New("look at this machine: not possible in this build"), "start the daemon with 'mtawatch run' or name one with --server")
	}
	src, end, err := t.deps.Look(ctx, cfg)
	if err != nil {
		return fmt.Errorf("look at this machine: %w", err)
	}
	defer func() {
		if cerr := end(); err == nil && cerr != nil {
			err = fmt.Errorf("end look: %w", cerr)
		}
	}()
	return question(src)
}
