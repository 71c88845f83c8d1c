package cli

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/mtawatch/mtawatch/docs/findings"
	"github.com/mtawatch/mtawatch/internal/mta"
	"github.com/mtawatch/mtawatch/internal/view"
)

func (t *tool) explainCommand() *cobra.Command {
	return &cobra.Command{
		Use:         "explain [CODE]",
		Annotations: listed("'mtawatch explain' lists the codes"),
		Short:       "What a finding means, how it is found, what to do; without CODE the list of codes",
		Args:        cobra.MaximumNArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			if len(args) == 0 {
				t.codes()
				return nil
			}
			return t.explain(strings.ToLower(strings.TrimSpace(args[0])))
		},
		ValidArgs: codeList(),
	}
}

func codeList() []string {
	var list []string
	for _, c := range mta.FindingCodes() {
		list = append(list, string(c))
	}
	return list
}

// codes lists the findings by the sign that they belong to.
func (t *tool) codes() {
	tab := newTable("SIGN", "CODE", "MEANING")
	last := mta.Sign("")
	for _, c := range mta.FindingCodes() {
		sign := string(c.Sign())
		if c.Sign() == last {
			sign = ""
		}
		last = c.Sign()
		tab.add(sign, string(c), pageTitle(string(c)))
	}
	t.out.print(tab)
}

// pageTitle gives the first sentence below the heading of a page.
func pageTitle(code string) string {
	page, _ := findings.Page(code)
	_, body, _ := strings.Cut(page, "\n")
	text, _, _ := strings.Cut(strings.TrimSpace(body), "\n\n")
	text = strings.Join(strings.Fields(clean(text)), " ")
	for _, end := range [...]string{". ", ": "} {
		if sentence, _, more := strings.Cut(text, end); more {
			text = sentence
		}
	}
	return strings.TrimSuffix(text, ".")
}

func (t *tool) explain(code string) error {
	page, ok := findings.Page(code)
	if !ok {
		advice := "'mtawatch explain' lists the codes"
		if near := nearCodes(code); len(near) > 0 {
			advice = "perhaps " + strings.Join(near, ", ") + "; " + advice
		}
		return view.Advise(fmt.Errorf("no finding %q", clean(code)), advice)
	}
	fenced := false
	for line := range strings.Lines(page) {
		line = clean(strings.TrimRight(line, "\r\n"))
		fence := strings.HasPrefix(line, "```")
		switch {
		case fence:
			fenced = !fenced
			t.out.plain(line)
		case fenced, strings.HasPrefix(line, "    "), strings.HasPrefix(line, "|"):
			t.out.plain(line)
		case strings.HasPrefix(line, "#"):
			t.out.plain(t.out.in(bold, line))
		default:
			indent := len(line) - len(strings.TrimLeft(line, " -*"))
			t.out.hang(indent, line)
		}
	}
	return nil
}

// nearCodes gives the codes that share a word, or a part of one, with what
// was asked for.
func nearCodes(code string) []string {
	var list []string
	words := strings.FieldsFunc(code, func(r rune) bool { return r == '-' || r == '_' || r == ' ' })
	for _, known := range codeList() {
		for _, w := range words {
			if len(w) >= 3 && strings.Contains(known, w) {
				list = append(list, known)
				break
			}
		}
	}
	return list
}
