//go:build linux

package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/mtawatch/mtawatch/test/live/world"
)

var errEnough = errors.New("enough")

// daemon measures a running mtawatch while a log grows as it would at 500
// messages a second. The lines are those of a real Postfix; it writes them no
// longer, so that its own work does not disturb the measurement.
func (r *bench) daemon() error {
	seconds, err := size("BENCH_SECONDS", 60)
	if err != nil {
		return err
	}
	const perSecond = 500
	l, err := r.record()
	if err != nil {
		return err
	}
	p, err := r.box.Postfix(world.PostfixConfig{})
	if err != nil {
		return err
	}
	defer func() { _ = p.Remove() }()
	w, err := r.box.Watcher()
	if err != nil {
		return err
	}
	if err := w.Start(); err != nil {
		return err
	}
	defer w.Kill()
	if err := w.WaitReady(); err != nil {
		return err
	}
	log, err := os.OpenFile(p.Log, os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	defer log.Close()
	before, _, err := used(w.PID())
	if err != nil {
		return err
	}
	start := time.Now()
	length := time.Duration(seconds) * time.Second
	messages, lines := 0, 0
	err = l.Each(time.Now, func(line []byte) error {
		if bytes.Contains(line, []byte("(queue active)")) {
			if messages++; messages%(perSecond/50) == 0 { // in steps of 20 ms
				time.Sleep(time.Until(start.Add(time.Duration(messages) * time.Second / perSecond)))
			}
		}
		if time.Since(start) > length {
			return errEnough
		}
		lines++
		_, err := log.Write(line)
		return err
	})
	if !errors.Is(err, errEnough) {
		return err
	}
	after, peak, err := used(w.PID())
	if err != nil {
		return err
	}
	took := time.Since(start)
	what := fmt.Sprintf("run at %.0f messages/s (%.0f lines/s), %d s", float64(messages)/took.Seconds(), float64(lines)/took.Seconds(), seconds)
	r.rows = append(r.rows,
		row{what, fmt.Sprintf("%.2f %% of a core", 100*(after-before).Seconds()/took.Seconds()), "-", "-", "under 2 %"},
		row{what, fmt.Sprintf("%.0f MB resident at most", float64(peak)/1e6), "-", "-", "under 60 MB"})
	return r.keptUp(w, lines)
}

// keptUp gives an error when the watcher did not count the lines: its
// figures would mean nothing.
func (r *bench) keptUp(w *world.Watcher, lines int) error {
	var got float64
	for range 50 {
		m, err := w.Metrics()
		if err != nil {
			return err
		}
		if got, _ = m.Sum("mtawatch_log_lines_total"); int(got) >= lines {
			return nil
		}
		time.Sleep(200 * time.Millisecond)
	}
	return fmt.Errorf("mtawatch counted %v of %d lines", got, lines)
}
