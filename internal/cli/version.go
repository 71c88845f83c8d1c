package cli

import (
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"

	"github.com/mtawatch/mtawatch/internal/api"
)

// BuildVersion says which program this is, from what the Go tool put into it.
func BuildVersion() api.Version {
	v := api.Version{Version: "devel", Go: runtime.Version()}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return v
	}
	if info.Main.Version != "" && info.Main.Version != "(devel)" {
		v.Version = info.Main.Version
	}
	changed := ""
	for _, s := range info.Settings {
		switch {
		case s.Key == "vcs.revision":
			v.Commit = s.Value
		case s.Key == "vcs.modified" && s.Value == "true":
			changed = "+changes"
		}
	}
	if v.Commit != "" {
		v.Commit += changed
	}
	return v
}

func (t *tool) versionCommand() *cobra.Command {
	return t.reading(&cobra.Command{
		Use:   "version",
		Short: "Which mtawatch this is",
		Args:  cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			v := BuildVersion()
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
