// Package script_test runs mtawatch as its user runs it: each *.txt file here
// is a testscript (see the package of that name) with the real commands.
package script_test

import (
	"context"
	"errors"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/mtawatch/mtawatch/internal/cli"
	"github.com/mtawatch/mtawatch/internal/lab/site"
)

func TestMain(m *testing.M) {
	run := func() {
		// The path by which a program of the practice MTA was started tells it
		// whose it is; testscript leaves only the name.
		if b, err := os.ReadFile("/proc/self/cmdline"); err == nil {
			os.Args[0], _, _ = strings.Cut(string(b), "\x00")
		}
		os.Exit(cli.Main(context.Background(), os.Args, os.Stdin, os.Stdout, os.Stderr))
	}
	commands := map[string]func(){"mtawatch": run}
	for _, program := range site.Programs() { // the practice MTA runs the one binary under these names
		commands[program] = run
	}
	testscript.Main(m, commands)
}

func TestScript(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:           ".",
		UpdateScripts: os.Getenv("UPDATE") != "",
		Setup:         setup,
		Cmds:          map[string]func(*testscript.TestScript, bool, []string){"exits": exits},
	})
}

// setup gives each script a configuration of its own, of a daemon that does
// not run: no script asks a daemon of the machine that it happens to run on.
func setup(env *testscript.Env) error {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	address := l.Addr().String()
	if err := l.Close(); err != nil {
		return err
	}
	config := filepath.Join(env.WorkDir, "mtawatch.yaml")
	text := "listen: " + address + "\ndata_dir: " + env.WorkDir + "/data\ndetect: false\ninstances:\n" +
		"  - {mta: postfix, name: none, config_dir: " + env.WorkDir + "/none, queue_dir: " + env.WorkDir + "/none, log_file: " + env.WorkDir + "/none.log}\n"
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		return err
	}
	env.Setenv("MTAWATCH_CONFIG", config)
	env.Setenv("NOBODY", address)
	env.Setenv("TZ", "UTC")
	return nil
}

// exits runs a command and checks its exit status: exits 2 mtawatch parse.
func exits(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: exits STATUS COMMAND...")
	}
	want, err := strconv.Atoi(args[0])
	if err != nil {
		ts.Fatalf("exits: %v", err)
	}
	got := 0
	var status *exec.ExitError
	switch err := ts.Exec(args[1], args[2:]...); {
	case errors.As(err, &status):
		got = status.ExitCode()
	case err != nil:
		ts.Fatalf("exits: %v", err)
	}
	if got != want {
		ts.Fatalf("exit status %d, want %d", got, want)
	}
}
