package cli

import (
	"context"
	"errors"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/mtawatch/mtawatch/internal/mta"
	"github.com/mtawatch/mtawatch/internal/view"
)

func (t *tool) processesCommand() *cobra.Command {
	q := view.ProcessQuery{}
	c := t.reading(&cobra.Command{
		Use:   "processes",
		Short: "The mail server's processes, with role, age and restarts",
		Args:  cobra.NoArgs,
		RunE:  func(c *cobra.Command, _ []string) error { return t.processes(c.Context(), q) },
	})
	c.Flags().StringVar(&q.Instance, "instance", "", "only this instance")
	return c
}

func (t *tool) processes(ctx context.Context, q view.ProcessQuery) error {
	p, err := ask(ctx, t, func(s view.Source) (view.Processes, error) { return s.Processes(ctx, q) })
	if err != nil {
		return err
	}
	if t.json {
		return errors.Join(t.out.json(p), unknown(p.Unknown))
	}
	t.unknownLine(p.Unknown)
	roles := newTable("INSTANCE", "ROLE", ">COUNT", ">OLDEST", ">RESTARTS")
	for _, r := range p.Roles {
		restarts := "not watched"
		if r.Restarts != nil {
			restarts = countText(*r.Restarts)
		}
		roles.add(clean(r.Instance), r.Role.String(), strconv.Itoa(r.Count), ageText(p.Time, r.Oldest), restarts)
	}
	if len(roles.rows) > 0 {
		t.out.print(roles)
		t.out.line("")
	}
	tab := newTable(">PID", "INSTANCE", "ROLE", "STATE", "STARTED", ">AGE", ">CPU", ">MEMORY", "COMMAND")
	tab.optional = []string{"CPU", "STATE", "STARTED", "MEMORY"}
	for _, r := range p.Processes {
		command := r.Name
		if len(r.Args) > 0 {
			command = strings.Join(r.Args, " ")
		}
		tab.add(strconv.Itoa(r.PID), clean(r.Instance), r.Role.String(), clean(r.State), clockText(p.Time, r.Start),
			ageText(p.Time, r.Start), strconv.FormatFloat(r.CPU, 'f', 1, 64)+"s", bytesText(r.Memory), clean(command))
		if r.Start.IsZero() { // /proc hides it
			row := tab.rows[len(tab.rows)-1]
			row[3], row[6], row[7] = "?", "?", "?"
		}
	}
	switch {
	case len(tab.rows) > 0:
		t.out.print(tab)
		t.leftOver(p.Processes)
		t.toldBy(p.Processes)
	case p.Unknown == "":
		t.out.line("no process of a mail server")
	}
	return unknown(p.Unknown)
}

// leftOver tells which processes no dispatcher is above.
func (t *tool) leftOver(list []mta.RoleProcess) {
	var pids []string
	for _, p := range list {
		if p.Orphan {
			pids = append(pids, strconv.Itoa(p.PID))
		}
	}
	if len(pids) > 0 {
		t.out.line("")
		t.out.line(leftOverText(len(pids)) + ": " + strings.Join(pids, " "))
	}
}
