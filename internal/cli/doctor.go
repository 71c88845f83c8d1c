package cli

import (
	"context"
	"errors"

	"github.com/spf13/cobra"

	"github.com/mtawatch/mtawatch/internal/view"
)

func (t *tool) doctorCommand() *cobra.Command {
	return t.reading(&cobra.Command{
		Use:   "doctor",
		Short: "What mtawatch can and cannot see here, and the command that mends it",
		Args:  cobra.NoArgs,
		RunE:  func(c *cobra.Command, _ []string) error { return t.doctor(c.Context()) },
	})
}

func (t *tool) doctor(ctx context.Context) error {
	d, err := ask(ctx, t, func(s view.Source) (view.Doctor, error) { return s.Doctor(ctx) })
	if err != nil {
		return err
	}
	failed := int64(0)
	for _, c := range d.Checks {
		if !c.OK {
			failed++
		}
	}
	status := error(nil)
	if failed > 0 || len(d.Checks) == 0 {
		status = exit(exitUnknown)
	}
	if t.json {
		return errors.Join(t.out.json(d), status)
	}
	for _, c := range d.Checks {
		if c.OK {
			t.out.hang(4, t.out.in(green, "OK  ")+clean(c.Name)+": "+clean(c.Text))
			continue
		}
		t.out.hang(4, t.out.in(red, "NO  ")+clean(c.Name)+": "+clean(c.Text))
		if c.Advice != "" {
			t.out.hang(8, "      to do: "+clean(c.Advice))
		}
	}
	switch {
	case len(d.Checks) == 0:
		t.out.line("nothing could be checked")
	case failed == 0:
		t.out.line("everything can be seen")
	default:
		t.out.line(plural(failed, "thing") + " cannot be seen")
	}
	return status
}
