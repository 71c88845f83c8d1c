package classify

import (
	"strings"
	"testing"

	"github.com/mtawatch/mtawatch/internal/mta"
)

func allEntries() []entry {
	var list []entry
	for _, t := range tables {
		list = append(list, t.entries...)
	}
	return list
}

// TestExamples runs each rule's example: the rule itself must decide it, so
// that no rule stands behind another that takes all its texts.
func TestExamples(t *testing.T) {
	c := New()
	rules := Rules()
	for i, r := range rules {
		got, _ := c.decide(r.Example, "", 0)
		switch {
		case got < 0:
			t.Errorf("%s %q: no rule fits its example %q", r.Source, r.Words, r.Example)
		case got != i:
			t.Errorf("%s %q (%v): example %q is decided by %s %q (%v)", r.Source, r.Words, r.Cause, r.Example,
				rules[got].Source, rules[got].Words, rules[got].Cause)
		}
		if cause := c.Cause(r.Example, "", 0); got == i && cause != r.Cause {
			t.Errorf("Cause(%q) = %v, want %v", r.Example, cause, r.Cause)
		}
	}
}

// TestTables checks what compile relies on.
func TestTables(t *testing.T) {
	seen := map[string]bool{}
	distinct := map[term]bool{}
	causes := map[mta.Cause]bool{}
	for _, r := range Rules() {
		if seen[r.Words] {
			t.Errorf("%q: two rules", r.Words)
		}
		seen[r.Words] = true
		causes[r.Cause] = true
		all, none := terms(r.Words)
		if len(all) == 0 {
			t.Errorf("%q: asks for nothing", r.Words)
		}
		for _, term := range append(all, none...) {
			if !term.code && strings.Contains(term.text, "  ") {
				t.Errorf("%q: not in normal form", r.Words)
			}
			term.names = false
			distinct[term] = true
		}
	}
	if len(distinct) > maxTerms {
		t.Errorf("%d terms, maxTerms is %d", len(distinct), maxTerms)
	}
	for _, cause := range mta.Causes() {
		if !causes[cause] && cause != mta.CauseOther {
			t.Errorf("no rule for %v", cause)
		}
	}
	t.Logf("%d rules, %d terms", len(seen), len(distinct))
}
