package cli_test

import (
	"bytes"
	"strings"
	"testing"

	"github.com/mtawatch/mtawatch/internal/cli"
	"github.com/mtawatch/mtawatch/internal/config"
	"github.com/mtawatch/mtawatch/internal/view"
)

// Samples are dropped for their time stamps, not for want of power.
func TestDroppedSamples(t *testing.T) {
	t.Setenv(config.EnvPath, emptyConfig(t))
	s := &source{status: wholeStatus()}
	s.status.Daemon.Dropped = 3
	var out bytes.Buffer
	status := cli.Run(t.Context(), cli.Deps{Client: func(string) view.Source { return s }}, []string{"mtawatch", "status"}, strings.NewReader(""), &out, &out)
	if status != 0 || !strings.Contains(out.String(), "3 samples not stored: they came too late, or twice") || strings.Contains(out.String(), "overloaded") {
		t.Errorf("status %d, output\n%s", status, out.String())
	}
}
