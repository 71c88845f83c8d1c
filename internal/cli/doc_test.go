package cli_test

import (
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/mtawatch/mtawatch/internal/mta"
)

// TestCommandsDocumented holds docs/commands.md to the commands that the
// program itself lists, and to the causes.
func TestCommandsDocumented(t *testing.T) {
	b, err := os.ReadFile("../../docs/commands.md")
	if err != nil {
		t.Fatal(err)
	}
	page := string(b)
	want := map[string][]string{"": nil, "queue": nil}
	for parent := range want {
		_, help, _ := run(t, &source{}, append(strings.Fields(parent), "--help")...)
		_, list, found := strings.Cut(help, "Available Commands:\n")
		if !found {
			t.Fatalf("no commands in the help of %q", parent)
		}
		for _, m := range regexp.MustCompile(`(?m)^  ([a-z-]+) `).FindAllStringSubmatch(strings.SplitN(list, "\n\n", 2)[0], -1) {
			name := strings.TrimSpace(parent + " " + m[1])
			if name != "help" && !strings.Contains(page, "`"+name+"`") && !strings.Contains(page, "`"+name+" ") {
				t.Errorf("docs/commands.md does not name %q", name)
			}
		}
	}
	for _, c := range mta.Causes() {
		if !strings.Contains(page, "`"+c.String()+"`") {
			t.Errorf("docs/commands.md does not name the cause %q", c)
		}
	}
}
