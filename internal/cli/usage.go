package cli

import (
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/mtawatch/mtawatch/internal/view"
)

// whereListed is the annotation of a command that says where what it wants to
// have named is listed.
const whereListed = "where-listed"

// listed is that annotation.
func listed(where string) map[string]string { return map[string]string{whereListed: where} }

// sayArguments has every command below c say in our words what is wrong with
// its arguments, and what to write.
func sayArguments(c *cobra.Command) {
	if check := c.Args; check != nil {
		c.Args = func(c *cobra.Command, args []string) error {
			err := check(c, args)
			if err == nil || view.AdviceOf(err) != "" {
				return err
			}
			return wrongArguments(c, args, check)
		}
	}
	for _, sub := range c.Commands() {
		sayArguments(sub)
	}
}

// wrongArguments says what is wrong with arguments that check refuses.
func wrongArguments(c *cobra.Command, args []string, check cobra.PositionalArgs) error {
	path := c.CommandPath()
	if len(args) > 0 && c.HasAvailableSubCommands() && check(c, args[:1]) != nil {
		c.SuggestionsMinimumDistance = 2
		advice := "'" + path + " --help' lists the commands"
		if near := c.SuggestionsFor(args[0]); len(near) > 0 {
			advice = "did you mean '" + path + " " + near[0] + "'? " + advice
		}
		return view.Advise(fmt.Errorf("unknown command %q for %q", args[0], path), advice)
	}
	name := strings.TrimPrefix(path, c.Root().Name()+" ")
	write := "write '" + strings.TrimSuffix(c.UseLine(), " [flags]") + "'"
	if where := c.Annotations[whereListed]; where != "" {
		write += "; " + where
	}
	// Too many where fewer are taken, else too few.
	for n := len(args) - 1; n >= 0; n-- {
		if check(c, args[:n]) == nil {
			return view.Advise(fmt.Errorf("%s: %q is one argument too many", name, args[n]), write)
		}
	}
	_, wanted, _ := strings.Cut(c.Use, " ")
	return view.Advise(fmt.Errorf("%s: %s is missing", name, wanted), write)
}

// wrongFlag says in our words what is wrong with a flag.
func wrongFlag(c *cobra.Command, err error) error {
	advice := "see '" + c.CommandPath() + " --help'"
	invalid := interface {
		error
		GetValue() string
	}(nil)
	if !errors.As(err, &invalid) {
		return view.Advise(err, advice)
	}
	// invalid argument "x" for "--limit" flag: strconv.ParseInt: ...
	text, _, _ := strings.Cut(err.Error(), " flag: ")
	_, name, _ := strings.Cut(text, "--")
	name = strings.Trim(name, `"`)
	f := c.Flags().Lookup(name)
	if f == nil {
		return view.Advise(err, advice)
	}
	var wants string
	switch f.Value.Type() {
	case "int", "int64", "uint16", "uint":
		wants = "a whole number"
	case "float64":
		wants = "a number"
	case "duration":
		wants = "a time such as 30s, 5m or 2h"
	case "bool":
		wants = "true or false, or nothing"
	default:
		return view.Advise(err, advice)
	}
	return view.Advise(fmt.Errorf("--%s %s cannot be read", name, clean(invalid.GetValue())), "give "+wants+"; "+advice)
}
