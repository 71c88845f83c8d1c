package classify

import (
	"os"
	"strings"
	"testing"
)

// TestReplies runs whole texts as servers log them, written down apart from
// the rules: "cause<TAB>text" a line.
func TestReplies(t *testing.T) {
	data, err := os.ReadFile("testdata/replies.txt")
	if err != nil {
		t.Fatal(err)
	}
	c, rules := New(), Rules()
	lines := strings.Split(strings.TrimSuffix(string(data), "\n"), "\n")
	if len(lines) < 150 {
		t.Errorf("%d replies, want at least 150", len(lines))
	}
	for i, line := range lines {
		want, text, ok := strings.Cut(line, "\t")
		if !ok {
			t.Fatalf("line %d: no tab", i+1)
		}
		if got := c.Cause(text, "", 0).String(); got != want {
			by := "no rule"
			if n, _ := c.decide(text, "", 0); n >= 0 {
				by = rules[n].Source + " " + rules[n].Words
			}
			t.Errorf("line %d: %q is %s by %s, want %s", i+1, text, got, by, want)
		}
	}
}
