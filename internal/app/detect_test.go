package app

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/mtawatch/mtawatch/internal/config"
	"github.com/mtawatch/mtawatch/internal/mta"
)

// A server that the configuration names and that is not where it says is a
// blind spot, also while another is watched.
func TestConfiguredInstanceIsMissing(t *testing.T) {
	dir := t.TempDir()
	base := filepath.Join(dir, "messaging")
	if err := os.MkdirAll(filepath.Join(base, "config"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(base, "config", "imta.cnf"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	cfg := config.Default()
	cfg.Detect, cfg.DataDir = false, dir
	cfg.Instances = []config.Instance{{MTA: "imta", Name: "one", BaseDir: base}, {MTA: "imta", Name: "two", BaseDir: filepath.Join(dir, "gone")}}
	src, end, err := Look(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer end()
	st, err := src.Status(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	told := func(text string) bool { return strings.Contains(text, `"two"`) && strings.Contains(text, "gone") }
	found := false
	for _, b := range st.Blind {
		found = found || b.Kind == mta.BlindFailing && told(b.Text)
	}
	if len(st.Instances) != 1 || !found {
		t.Errorf("%d instances, blind spots %+v", len(st.Instances), st.Blind)
	}
	d, err := src.Doctor(t.Context())

	if err != nil {
		t.Fatal(err)
	}
	found = false
	for _, c := range d.Checks {
		found = found || !c.OK && told(c.Text)
	}
	if !found {
		t.Errorf("doctor: %+v", d.Checks)
	}
}
