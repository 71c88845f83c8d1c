package prom

import (
	"os"
	"strings"
	"testing"
)

// TestMetricsDocumented holds docs/commands.md to the table of metrics: name,
// kind and help text of each.
func TestMetricsDocumented(t *testing.T) {
	b, err := os.ReadFile("../../docs/commands.md")
	if err != nil {
		t.Fatal(err)
	}
	page := string(b)
	for _, m := range metrics() {
		_, row, found := strings.Cut(page, "\n| `"+m.name+"` | ")
		row, _, _ = strings.Cut(row, "\n")
		if !found || !strings.HasSuffix(row, " | "+m.kind+" | "+Help(m.name)+" |") {
			t.Errorf("docs/commands.md has no row of %s, a %s, with the words %q; it has %q", m.name, m.kind, Help(m.name), row)
		}
	}
}
