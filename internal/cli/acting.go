package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/user"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/mtawatch/mtawatch/internal/access"
	"github.com/mtawatch/mtawatch/internal/api"
	"github.com/mtawatch/mtawatch/internal/mta"
	"github.com/mtawatch/mtawatch/internal/view"
)

// EnvToken is the environment variable with the token for a daemon that asks
// who one is.
const EnvToken = "MTAWATCH_TOKEN"

func client(addr string) *api.Client { return api.NewClient(addr, 0).WithToken(os.Getenv(EnvToken)) }

// act has the daemon do something; there is nobody else who could.
func act(t *tool, do func(view.Actor) error) error {
	if addr := t.explicitServer(); addr != "" {
		return do(t.deps.Actor(addr))
	}
	cfg, err := t.settings()
	if err != nil {
		return err
	}
	for _, addr := range localAddresses(cfg) {
		err = do(t.deps.Actor(addr))
		if !errors.Is(err, api.ErrNoDaemon) && !errors.Is(err, fs.ErrPermission) {
			return err
		}
	}
	return err
}

// saying is who says something, and what.
type saying struct{ by, note string }

func (s *saying) flags(c *cobra.Command) {
	c.Flags().StringVar(&s.note, "note", "", "what others should know of it")
	c.Flags().StringVar(&s.by, "by", "", "who says so (default: the user who runs this)")
}

// who gives the name that is told with it.
func (s *saying) who() string {
	if s.by != "" {
		return s.by
	}
	if name := os.Getenv("SUDO_USER"); name != "" {
		return name
	}
	if u, err := user.Current(); err == nil {
		return u.Username
	}
	return ""
}

func (t *tool) ackCommand() *cobra.Command {
	var s saying
	c := t.reading(&cobra.Command{
		Use:         "ack ID",
		Annotations: listed("'mtawatch findings' lists the ids of those that are open"),
		Short:       "Say that somebody knows of a finding: nobody is called again unless it becomes worse",
		Args:        cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			return act(t, func(a view.Actor) error {
				f, err := a.Acknowledge(c.Context(), view.Acknowledge{ID: args[0], By: s.who(), Note: s.note})
				if errors.Is(err, view.ErrNone) {
					return view.Advise(err, "'mtawatch findings' lists those that are open, with their ids")
				}
				if err != nil || t.json {
					return errors.Join(err, t.jsonOf(err, f))
				}
				t.out.line(ackText(time.Now(), &f, s.note != "") + ": " + clean(f.Title))
				return nil
			})
		},
	})
	s.flags(c)
	return c
}

// ackText says that a finding is acknowledged, and what was said of it before.
func ackText(now time.Time, f *view.Acknowledged, newNote bool) string {
	b := f.Before
	if b == nil {
		return "acknowledged"
	}
	said := clockText(now, b.At)
	if b.By != "" {
		said = "by " + clean(b.By) + " at " + said
	}
	if b.Note != "" {
		said += ": " + clean(b.Note)
	}
	text := "acknowledged already (" + said + ")"
	if b.Severity < f.Severity {
		text = "acknowledged anew, for it has become worse (before " + said + ")"
	}
	switch {
	case newNote && b.Note != "":
		text += "; the note is replaced"
	case !newNote && b.Note != "":
		text += "; the note stays"
	}
	return text
}

// jsonOf prints an answer where there is one: err is told by another.
func (t *tool) jsonOf(err error, v any) error {
	if err == nil {
		return t.out.json(v)
	}
	return nil
}

func (t *tool) unackCommand() *cobra.Command {
	return &cobra.Command{
		Use:         "unack ID",
		Annotations: listed("'mtawatch findings' lists the ids of those that are open"),
		Short:       "Take an acknowledgement back",
		Args:        cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			return act(t, func(a view.Actor) error {
				err := a.Unacknowledge(c.Context(), args[0])
				if errors.Is(err, view.ErrNone) {
					return view.Advise(err, "'mtawatch findings' lists those that are open, and 'mtawatch findings ID' what was said of one")
				}
				if err == nil {
					t.out.line("taken back: " + clean(args[0]) + " is not acknowledged any more")
				}
				return err
			})
		},
	}
}

func (t *tool) silenceCommand() *cobra.Command {
	var s saying
	var span, instance, subject string
	c := t.reading(&cobra.Command{
		Use:         "silence [CODE]",
		Annotations: listed("'mtawatch explain' lists the codes"),
		Short:       "Call nobody for findings of a code, an instance or a subject, for a time",
		Long: "Findings are shown as before, apart from the others, and nobody is called because of them: up to the severity of the\n" +
			"worst that is open and meant, or at all when none is open yet.",
		Args: cobra.MaximumNArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			d, err := forTime(span)
			if err != nil {
				return err
			}
			q := mta.Silence{Instance: instance, Subject: subject, Until: time.Now().Add(d).Truncate(time.Second), By: s.who(), Note: s.note}
			if len(args) > 0 {
				if q.Code = mta.FindingCode(args[0]); q.Code.Sign() == "" {
					return view.Advise(fmt.Errorf("no finding has the code %q", clean(args[0])), "'mtawatch explain' lists the codes")
				}
			}
			if q.Code == "" && instance == "" && subject == "" {
				return view.Advise(errors.New("silence needs a code, --instance or --subject: everything cannot be silenced"),
					"'mtawatch findings' lists the findings that are open with their codes, 'mtawatch explain' all codes")
			}
			return act(t, func(a view.Actor) error {
				q, err := a.Silence(c.Context(), q)
				if err != nil || t.json {
					return errors.Join(err, t.jsonOf(err, q))
				}
				t.out.line("silenced until " + clockText(time.Now(), q.Until) + ": " + silenceText(&q))
				t.out.line(t.out.in(dim, "'mtawatch unsilence "+clean(q.ID)+"' ends it"))
				return nil
			})
		},
	})
	c.Flags().StringVar(&span, "for", "2h", "for how long: 30m, 2h, 3d")
	c.Flags().StringVar(&instance, "instance", "", "only of this mail server")
	c.Flags().StringVar(&subject, "subject", "", "only of this destination, queue, port, address or role")
	s.flags(c)
	return c
}

// forTime reads "2h" or "3d".
func forTime(text string) (time.Duration, error) {
	since, err := sinceTime(text, time.Unix(0, 0))
	d := time.Unix(0, 0).Sub(since)
	if err != nil || d <= 0 {
		return 0, view.Advise(fmt.Errorf("--for %s cannot be read", clean(text)), "write a time such as 30m, 2h or 3d")
	}
	return d, nil
}

// silenceText says what a silence is of.
func silenceText(s *mta.Silence) string {
	var parts []string
	for _, p := range [...]string{string(s.Code), s.Instance, s.Subject} {
		if p != "" {
			parts = append(parts, clean(p))
		}
	}
	return strings.Join(parts, ", ") + " up to " + severityText(s.Severity)
}

func (t *tool) unsilenceCommand() *cobra.Command {
	return &cobra.Command{
		Use:         "unsilence ID",
		Annotations: listed("'mtawatch silences' lists the ids"),
		Short:       "End a silence",
		Args:        cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			return act(t, func(a view.Actor) error {
				err := a.Unsilence(c.Context(), args[0])
				if errors.Is(err, view.ErrNone) {
					return view.Advise(err, "'mtawatch silences' lists them with their ids")
				}
				if err == nil {
					t.out.line("silence " + clean(args[0]) + " has ended")
				}
				return err
			})
		},
	}
}

func (t *tool) silencesCommand() *cobra.Command {
	return t.reading(&cobra.Command{
		Use:   "silences",
		Short: "What is silenced, until when and by whom",
		Args:  cobra.NoArgs,
		RunE:  func(c *cobra.Command, _ []string) error { return t.silences(c.Context()) },
	})
}

func (t *tool) silences(ctx context.Context) error {
	return act(t, func(a view.Actor) error {
		v, err := a.Silences(ctx)
		if err != nil || t.json {
			return errors.Join(err, t.jsonOf(err, v))
		}
		if len(v.Silences) == 0 {
			t.out.line("nothing is silenced")
			return nil
		}
		tab := newTable("UNTIL", "OF", "BY", "NOTE", "ID")
		for i := range v.Silences {
			s := &v.Silences[i]
			tab.add(clockText(v.Time, s.Until), silenceText(s), clean(s.By), clean(s.Note), clean(s.ID))
		}
		t.out.print(tab)
		return nil
	})
}

func (t *tool) hashPasswordCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "hash-password",
		Short: "Make the hash of a password for web.users in the configuration",
		Long:  "Asks for the password on the terminal, or reads it from standard input: one line.",
		Args:  cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			text, err := t.password()
			if err != nil {
				return err
			}
			hash, err := access.Hash(text)
			if err != nil {
				return view.Advise(err, "choose one of 8 to 72 bytes")
			}
			t.out.line(hash)
			return nil
		},
	}
}

// password reads one without showing it.
func (t *tool) password() (string, error) {
	if f, ok := t.in.(*os.File); ok && term.IsTerminal(int(f.Fd())) {
		_, _ = fmt.Fprint(os.Stderr, "Password: ") // a prompt that is lost is no harm
		text, err := term.ReadPassword(int(f.Fd()))
		_, _ = fmt.Fprintln(os.Stderr)
		if err != nil {
			return "", fmt.Errorf("read password: %w", err)
		}
		return string(text), nil
	}
	text, err := io.ReadAll(io.LimitReader(t.in, 4096))
	if err != nil {
		return "", fmt.Errorf("read password: %w", err)
	}
	return strings.TrimRight(string(text), "\r\n"), nil
}
