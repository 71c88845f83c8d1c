package cli

import (
	"runtime"

	"github.com/spf13/cobra"

	"github.com/mtawatch/mtawatch/internal/api"
)

func (t *tool) versionCommand() *cobra.Command {
	return t.reading(&cobra.Command{
		Use:   "version",
		Short: "Which mtawatch this is",
		Args:  cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			v := api.BuildVersion()
			if t.json {
				return t.out.json(v)
			}
			line := "mtawatch " + v.Version + ", " + v.Go + " " + runtime.GOOS + "/" + runtime.GOARCH
			if v.Commit != "" {
				line += ", commit " + v.Commit
			}
			t.out.line(line)
			return nil
		},
	})
}
