package findings_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/mtawatch/mtawatch/docs/findings"
	"github.com/mtawatch/mtawatch/internal/mta"
)

// headings are what each page must tell, in this order.
var headings = []string{"## How mtawatch knows", "## What usually causes it", "## What to do", "## What not to do", "## What clears it", "## What folds into it"}

func TestEveryCodeHasAPage(t *testing.T) {
	for _, code := range mta.FindingCodes() {
		page, ok := findings.Page(string(code))
		if !ok {
			t.Errorf("%s has no page", code)
			continue
		}
		if first, _, _ := strings.Cut(page, "\n"); first != "# "+string(code) {
			t.Errorf("the page of %s begins with %q, want %q", code, first, "# "+string(code))
		}
		rest := page
		for _, h := range headings {
			_, after, found := strings.Cut(rest, "\n"+h+"\n")
			if !found {
				t.Errorf("the page of %s has no %q in its place", code, h)
				break
			}
			rest = after
		}
		for n, line := range strings.Split(page, "\n") {
			if utf8.RuneCountInString(line) > 120 && !strings.Contains(line, "`") {
				t.Errorf("%s line %d has %d bytes: too wide for a terminal", code, n+1, len(line))
			}
		}
	}
}

func TestNoPageForOtherNames(t *testing.T) {
	for _, name := range []string{"", "README", "no-such-finding", "../ARCHITECTURE", "blind-spot.md", "findings.go"} {
		if page, ok := findings.Page(name); ok || page != "" {
			t.Errorf("Page(%q) = %d bytes, %t; want none", name, len(page), ok)
		}
	}
}

// A page that names another finding must name one that exists, and the
// index must list every page once.
func TestPagesNameOnlyCodes(t *testing.T) {
	known := map[string]bool{}
	for _, code := range mta.FindingCodes() {
		known[string(code)] = true
	}
	files, err := filepath.Glob("*.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		if name := strings.TrimSuffix(f, ".md"); name != "README" && !known[name] {
			t.Errorf("%s is the page of no finding", f)
		}
	}
	index, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	for code := range known {
		if n := strings.Count(string(index), "]("+code+".md)"); n != 1 {
			t.Errorf("README.md lists %s %d times, want once", code, n)
		}
	}
}
