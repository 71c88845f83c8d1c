package cli

import (
	"fmt"
	"strconv"

	"github.com/spf13/cobra"

	"github.com/mtawatch/mtawatch/internal/classify"
	"github.com/mtawatch/mtawatch/internal/mta"
)

func (t *tool) classifyCommand() *cobra.Command {
	asText := false
	c := &cobra.Command{
		Use:   "classify [TEXT...]",
		Short: "Reply texts to causes",
		Long:  "Names the cause that a mail server's reply tells of: of each TEXT, or of each line of standard input. Prints one JSON object for each.",
		RunE:  func(_ *cobra.Command, args []string) error { return t.classify(args, asText) },
	}
	c.Flags().BoolVar(&asText, "text", false, "print a table instead of JSON")
	return c
}

func (t *tool) classify(args []string, asText bool) error {
	c := classify.New()
	tab := newTable("CAUSE", "AT FAULT", "DSN", ">CODE", "REPLY")
	var b []byte
	one := func(reply string) error {
		cause := c.Cause(reply, "", 0)
		code, dsn := classify.Parse(reply)
		if asText {
			tab.add(cause.String(), scopeText(cause.Scope()), clean(dsn), strconv.Itoa(code), clean(reply))
			return nil
		}
		b = append(b[:0], `{"cause":"`...)
		b = append(b, cause.String()...)
		b = append(b, `","scope":"`...)
		b = append(b, cause.Scope().String()...)
		b = append(b, `","dsn":`...)
		b = mta.AppendJSONString(b, dsn)
		b = append(b, `,"code":`...)
		b = strconv.AppendInt(b, int64(code), 10)
		b = append(b, "}\n"...)
		_, err := t.out.w.Write(b)
		return err
	}
	for _, reply := range args {
		if err := one(reply); err != nil {
			return fmt.Errorf("write output: %w", err)
		}
	}
	if len(args) == 0 {
		err := eachRun(t.in, func(run string) error {
			var line string
			for run != "" {
				line, run = nextLine(run)
				if err := one(line); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return fmt.Errorf("classify standard input: %w", err)
		}
	}
	if asText {
		t.out.print(tab)
	}
	return nil
}
