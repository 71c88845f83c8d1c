//go:build linux

package main

import (
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/mtawatch/mtawatch/test/live/world"
)

// belt measures the real daemon while it takes a whole log at its start:
// read, parse, track, classify, count, ticks of past time into the series
// store, places and counters into the state store. The figure is all CPU time
// of the process, from its start until every line is counted.
func (r *bench) belt() error {
	name := filepath.Join(r.dir, "belt.log")
	defer os.Remove(name)
	n, err := r.makeLog(name)
	if err != nil {
		return err
	}
	lines, err := world.CountLines([]string{name})
	if err != nil {
		return err
	}
	config := filepath.Join(r.dir, "belt.yaml")
	text := fmt.Sprintf("detect: false\ninterval: 10s\ninstances:\n  - mta: postfix\n    name: postfix\n    log_file: %s\n", name)
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		return err
	}
	w, err := r.box.Watcher("--config", config)
	if err != nil {
		return err
	}
	start := time.Now()
	if err := w.Start(); err != nil {
		return err
	}
	defer w.Kill()
	if err := w.WaitReady(); err != nil {
		return err
	}
	for {
		m, err := w.Metrics()
		if err != nil {
			return err
		}
		if got, _ := m.Sum("mtawatch_log_lines_total"); int(got) == lines {
			break
		} else if int(got) > lines || time.Since(start) > 5*time.Minute {
			return fmt.Errorf("the daemon counts %.0f lines of %d", got, lines)
		}
		time.Sleep(100 * time.Millisecond)
	}
	cpu, peak, err := used(w.PID())
	if err != nil {
		return err
	}
	fmt.Fprintf(os.Stderr, "belt: cpu %s, wall %s, peak %d MB\n", cpu, time.Since(start).Round(time.Millisecond), peak>>20)
	r.rows = append(r.rows, row{fmt.Sprintf("the whole daemon over a log of %d MB (%d MB of memory)", n/1e6, peak>>20), rate(n, cpu), "-", "-", "250 MB/s"})
	return nil
}
