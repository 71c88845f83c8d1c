//go:build linux

// Command bench measures mtawatch side by side with peers from Debian, in
// one run on one machine, and prints one table. Arguments name what to
// measure: parse, belt, queue, daemon, sockets, trace, replay, judging, lab; none measures all. BENCH_BYTES,
// BENCH_MESSAGES and BENCH_SECONDS change the sizes (1 GB, 100000, 60).
//
// "judge" stands alone: it runs simulated hosts through judgement and prints
// what was missed, misnamed and made up; "judge -h" tells its flags.
//
// CPU time is user and system time of the measured process as the kernel
// counts it; wall time on a shared machine says little.
package main

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/mtawatch/mtawatch/bench/genlog"
	"github.com/mtawatch/mtawatch/test/live/world"
)

// bench is one run.
type bench struct {
	box    *world.Box
	binary string // mtawatch
	dir    string // for large files, on disk
	rows   []row
	log    *genlog.Log // what record made
}

// row is one line of the table.
type row struct{ what, ours, peer, ratio, wanted string }

// socketsDir holds a benchmark that is a program of its own.
const socketsDir = "bench/sockets"

func main() {
	if len(os.Args) > 1 && os.Args[1] == "judge" {
		if err := board(os.Args[2:]); err != nil && !errors.Is(err, flag.ErrHelp) {
			fmt.Fprintf(os.Stderr, "bench: %v\n", err)
			os.Exit(2)
		}
		return
	}
	flag.Parse()
	if dir := os.Getenv(countVar); dir != "" {
		if err := count(dir); err != nil {
			fmt.Fprintf(os.Stderr, "bench: %v\n", err)
			os.Exit(1)
		}
		return
	}
	setup := world.Setup{
		Tools:   []world.Tool{{Command: "pflogsumm", Package: "pflogsumm"}, {Command: "prometheus-postfix-exporter", Package: "prometheus-postfix-exporter"}},
		Prepare: prepare,
	}
	os.Exit(world.Run(setup, func(b *world.Box) int {
		r := &bench{box: b, binary: world.Binary(b.Shared), dir: filepath.Join(b.Shared, "large")}
		if err := r.run(flag.Args()); err != nil {
			fmt.Fprintf(os.Stderr, "bench: %v\n", err)
			return 1
		}
		return 0
	}))
}

func prepare(shared string) error {
	if err := os.Mkdir(filepath.Join(shared, "large"), 0o755); err != nil {
		return err
	}
	if _, err := os.Stat(socketsDir); err == nil {
		cmd := exec.Command("go", "build", "-o", filepath.Join(shared, "sockets"), "./"+socketsDir)
		if out, err := cmd.CombinedOutput(); err != nil {
			return fmt.Errorf("build %s: %w: %s", socketsDir, err, out)
		}
	}
	return world.Build(shared)
}

func (r *bench) run(names []string) error {
	var failed error
	for _, m := range []struct {
		name string
		f    func() error
	}{{"parse", r.parse}, {"belt", r.belt}, {"queue", r.queue}, {"daemon", r.daemon}, {"sockets", r.sockets}, {"trace", r.trace},
		{"replay", r.replay}, {"judging", r.judging}, {"lab", r.lab}} {
		if len(names) > 0 && !slices.Contains(names, m.name) {
			continue
		}
		fmt.Fprintf(os.Stderr, "== %s\n", m.name)
		if err := m.f(); err != nil {
			failed = errors.Join(failed, fmt.Errorf("%s: %w", m.name, err))
		}
	}
	if len(r.rows) > 0 {
		fmt.Printf("\n| what | mtawatch | peer | ratio | wanted |\n|---|---|---|---|---|\n")
	}
	for _, row := range r.rows {
		fmt.Printf("| %s | %s | %s | %s | %s |\n", row.what, row.ours, row.peer, row.ratio, row.wanted)
	}
	return failed
}

// sockets runs the program of its own, when it is there.
func (r *bench) sockets() error {
	program := filepath.Join(r.box.Shared, "sockets")
	if _, err := os.Stat(program); errors.Is(err, os.ErrNotExist) {
		fmt.Fprintf(os.Stderr, "no %s here\n", socketsDir)
		return nil
	}
	cmd := exec.Command(program)
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	return cmd.Run()
}

// cost is what a process used.
type cost struct{ cpu, wall time.Duration }

// measure runs a command to its end. Its output is thrown away, but for
// the last of an error's.
func measure(name string, args ...string) (cost, error) {
	return measureInto(nil, name, args...)
}

// measureInto is measure with an output that is kept.
func measureInto(out io.Writer, name string, args ...string) (cost, error) {
	var stderr bytes.Buffer
	cmd := exec.Command(name, args...)
	cmd.Stdout, cmd.Stderr = out, &stderr
	start := time.Now()
	err := cmd.Run()
	c := cost{wall: time.Since(start)}
	if cmd.ProcessState != nil {
		c.cpu = cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()
	}
	if err != nil {
		text := stderr.String()
		err = fmt.Errorf("run %s: %w: %s", name, err, text[max(0, len(text)-500):])
	}
	fmt.Fprintf(os.Stderr, "%s: cpu %s, wall %s\n", filepath.Base(name), c.cpu.Round(time.Millisecond), c.wall.Round(time.Millisecond))
	return c, err
}

// best is the cheapest of some runs.
func best(runs int, name string, args ...string) (cost, error) {
	var least cost
	for i := range runs {
		c, err := measure(name, args...)
		if err != nil {
			return c, err
		}
		if i == 0 || c.cpu < least.cpu {
			least = c
		}
	}
	return least, nil
}

// used gives the CPU time of a living process, in the kernel's ticks of
// 10 ms, and its largest resident size in bytes.
func used(pid int) (time.Duration, int64, error) {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0, 0, err
	}
	f := strings.Fields(string(b[bytes.LastIndexByte(b, ')')+1:]))
	user, err1 := strconv.Atoi(f[11])
	system, err2 := strconv.Atoi(f[12])
	status, err3 := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err := errors.Join(err1, err2, err3); err != nil {
		return 0, 0, err
	}
	_, peak, _ := strings.Cut(string(status), "VmHWM:")
	kilobytes, err := strconv.ParseInt(strings.Fields(peak + " x")[0], 10, 64)
	return time.Duration(user+system) * 10 * time.Millisecond, kilobytes << 10, err
}

// rate tells bytes per CPU second.
func rate(size int64, c time.Duration) string {
	return fmt.Sprintf("%.0f MB/s (%.2f s cpu)", float64(size)/1e6/c.Seconds(), c.Seconds())
}

func ratio(a, b time.Duration) string {
	return fmt.Sprintf("%.1fx", a.Seconds()/b.Seconds())
}

// size gives a number from the environment.
func size(name string, usual int64) (int64, error) {
	v := os.Getenv(name)
	if v == "" {
		return usual, nil
	}
	n, err := strconv.ParseInt(v, 10, 64)
	if err != nil || n <= 0 {
		return 0, fmt.Errorf("read %s: %q is no positive number", name, v)
	}
	return n, nil
}
