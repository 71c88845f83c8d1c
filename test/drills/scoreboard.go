//go:build linux

package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"sync"
	"syscall"
	"time"

	"github.com/mtawatch/mtawatch/test/live/drill"
	"github.com/mtawatch/mtawatch/test/live/world"
)

// job is one run of one drill.
type job struct {
	drill drill.Drill
	row   drill.Row
	done  bool
}

// scoreboard runs the drills asked for, each in a process with a world of its
// own, and prints the table. ok says that all passed.
func scoreboard(ctx context.Context, o options) (ok bool, err error) {
	jobs := choose(o)
	if len(jobs) == 0 {
		return false, fmt.Errorf("no drill matches -run %s; -list lists them", o.run)
	}
	dir, err := os.MkdirTemp("", "mtawatch-drills-")
	if err != nil {
		return false, err
	}
	defer os.RemoveAll(dir)
	if err := world.Build(dir); err != nil {
		return false, err
	}
	history := ""
	if o.days > 0 {
		began := time.Now()
		history = filepath.Join(dir, "history.db")
		if err := drill.History(ctx, history, o.days, began); err != nil {
			return false, err
		}
		fmt.Printf("learned %d days of ordinary mail in %s\n", o.days, time.Since(began).Round(time.Second))
	}
	began := time.Now()
	work := make(chan *job)
	var wg sync.WaitGroup
	for range o.parallel {
		wg.Go(func() {
			for j := range work {
				j.row = one(ctx, o, j, dir, history)
				j.done = true
			}
		})
	}
	for _, j := range jobs {
		select {
		case work <- j:
		case <-ctx.Done():
		}
	}
	close(work)
	wg.Wait()
	return report(o, jobs, time.Since(began))
}

// choose gives the runs in order. The healthy drill is long, and runs only
// when it is named.
func choose(o options) []*job {
	var jobs []*job
	for range max(o.runs, 1) {
		for _, d := range drill.All() {
			if o.run == nil && d.Name != "healthy" || o.run != nil && o.run.MatchString(d.Name) {
				jobs = append(jobs, &job{drill: d})
			}
		}
	}
	return jobs
}

// one runs a drill in a process of its own and reads the row that it leaves.
func one(ctx context.Context, o options, j *job, dir, history string) drill.Row {
	lost := func(err error) drill.Row {
		return drill.Row{Drill: j.drill.Name, Expected: j.drill.Codes, Limit: j.drill.Limit.Seconds(), Seconds: -1, Error: err.Error()}
	}
	self, err := os.Executable()
	if err != nil {
		return lost(err)
	}
	f, err := os.CreateTemp(dir, j.drill.Name+"-*.json")
	if err != nil {
		return lost(err)
	}
	f.Close()
	cmd := exec.CommandContext(ctx, self, "-one", j.drill.Name, "-out", f.Name(), "-history", history, "-keep", o.keep,
		"-warm-up", o.warmUp.String(), "-settle", o.settle.String(), "-most", o.most.String(),
		"-patience", strconv.FormatFloat(o.patience, 'g', -1, 64))
	cmd.Env = append(os.Environ(), "MTAWATCH_BINARY="+world.Binary(dir))
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.WaitDelay = time.Minute
	if err := cmd.Run(); err != nil {
		return lost(fmt.Errorf("run %s: %w", j.drill.Name, err))
	}
	b, err := os.ReadFile(f.Name())
	if err != nil {
		return lost(err)
	}
	var row drill.Row
	if err := json.Unmarshal(b, &row); err != nil {
		return lost(fmt.Errorf("read row: %w", err))
	}
	return row
}

// report prints the table and writes the rows.
func report(o options, jobs []*job, took time.Duration) (bool, error) {
	var rows []drill.Row
	passed := 0
	var lines bytes.Buffer
	out := json.NewEncoder(&lines)
	for _, j := range jobs {
		if !j.done {
			continue
		}
		rows = append(rows, j.row)
		if j.row.Passed {
			passed++
		}
		if err := out.Encode(j.row); err != nil {
			return false, err
		}
	}
	fmt.Println()
	table(rows)
	fmt.Printf("\n%d of %d passed, in %s\n", passed, len(jobs), took.Round(time.Second))
	if o.json != "" {
		if err := os.WriteFile(o.json, lines.Bytes(), 0o644); err != nil {
			return false, err
		}
	}
	return passed == len(jobs), nil
}
