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
	unseen, faults := int64(0), int64(0)
	for _, c := range d.Checks {
		switch {
		case c.Fault:
			faults++
		case !c.OK:
			unseen++
		}
	}
	status := error(nil)
	if unseen+faults > 0 || len(d.Checks) == 0 {
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
	if len(d.Checks) == 0 {
		t.out.line("nothing could be checked")
		return status
	}
	text := "everything can be seen"
	if unseen > 0 {
		text = plural(unseen, "thing") + " cannot be seen"
	}
	switch {
	case faults == 1:
		text = "1 thing is not as it should be; " + text
	case faults > 1:
		text = plural(faults, "thing") + " are not as they should be; " + text
	}
	t.out.line(text)
	return status
}
