package cli_test

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/mtawatch/mtawatch/internal/cli"
	"github.com/mtawatch/mtawatch/internal/config"
	"github.com/mtawatch/mtawatch/internal/view"
)

// watching is a daemon that says what it works with.
type watching struct {
	*source
	daemon *view.DoctorDaemon
}

func (w watching) Doctor(context.Context) (view.Doctor, error) {
	return view.Doctor{Time: noon, Daemon: w.daemon, Checks: []view.DoctorCheck{{Name: "daemon", OK: true, Text: "seen"}}}, nil
}

// TestDoctorOfWhom: a daemon that works with another configuration or data
// directory than is named is not taken for the answer.
func TestDoctorOfWhom(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"one.yaml", "other.yaml"} {
		if err := os.WriteFile(filepath.Join(dir, name), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Mkdir(filepath.Join(dir, "empty"), 0o700); err != nil {
		t.Fatal(err)
	}
	t.Chdir(dir)
	one := filepath.Join(dir, "one.yaml")
	daemon := &view.DoctorDaemon{PID: 4711, Config: one, DataDir: "/data"}
	const asked, looked = "OK  daemon: seen\n", "OK  queue: counted\n"
	tests := []struct{ name, env, args, head, want string }{
		{"nothing is named", "", "", "as the running daemon (pid 4711, configuration " + one + ", data /data) sees it:\n", asked},
		{"its own file", "", "--config one.yaml", "as the running daemon (pid 4711", asked},
		{"another file", "", "--config other.yaml", "a daemon runs (pid 4711, configuration " + one + ", data /data), not with what is named here; " +
			"this is the machine as this command sees it with configuration other.yaml, data ", looked},
		{"another file in the environment", "other.yaml", "", "a daemon runs (pid 4711", looked},
		{"another data directory", "", "--config one.yaml --data-dir empty", "a daemon runs (pid 4711", looked},
		{"a daemon that is named", "", "--config other.yaml --server x", "as the running daemon (pid 4711", asked},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Setenv(config.EnvPath, tt.env)
			deps := cli.Deps{
				Client: func(string) view.Source { return watching{&source{}, daemon} },
				Look: func(context.Context, config.Config) (view.Source, func() error, error) {
					return &source{}, func() error { return nil }, nil
				},
			}
			var out, errs bytes.Buffer
			cli.Run(t.Context(), deps, append([]string{"mtawatch", "doctor"}, strings.Fields(tt.args)...), strings.NewReader(""), &out, &errs)
			head, rest, _ := strings.Cut(out.String(), "\n")
			if !strings.HasPrefix(head+"\n", tt.head) || !strings.HasPrefix(rest, tt.want) || errs.Len() > 0 {
				t.Errorf("%s%s", out.String(), errs.String())
			}
		})
	}
}
