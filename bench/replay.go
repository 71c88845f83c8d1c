//go:build linux

package main

import (
	"bufio"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/mtawatch/mtawatch/internal/judge"
	"github.com/mtawatch/mtawatch/test/sim"
)

// replay measures old logs to findings, beside a program that only counts.
func (r *bench) replay() error {
	name := filepath.Join(r.dir, "replay.log")
	defer os.Remove(name)
	n, err := r.makeLog(name)
	if err != nil {
		return err
	}
	ours, err := best(2, r.binary, "replay", name)
	if err != nil {
		return err
	}
	peer, err := measure("pflogsumm", name)
	if err != nil {
		return err
	}
	r.rows = append(r.rows, row{fmt.Sprintf("replay of a Postfix log of %d MB to findings", n/1e6), rate(n, ours.cpu),
		"pflogsumm " + rate(n, peer.cpu), ratio(peer.cpu, ours.cpu), "150 MB/s, 10x"})
	return nil
}

// judging measures a host of 30 days from a file of its series, and the
// step of a wide host within the engine.
func (r *bench) judging() error {
	days, err := size("BENCH_DAYS", 30)
	if err != nil {
		return err
	}
	name := filepath.Join(r.dir, "host.csv")
	defer os.Remove(name)
	f, err := os.Create(name)
	if err != nil {
		return err
	}
	w := bufio.NewWriterSize(f, 1<<20)
	start := time.Date(2026, 9, 7, 0, 0, 0, 0, time.UTC)
	cfg := sim.Config{Seed: 1, Rate: 1, Start: start, End: start.AddDate(0, 0, int(days)), Location: time.UTC}
	if err := sim.WriteCSV(w, sim.New(cfg)); err != nil {
		return err
	}
	if err := w.Flush(); err != nil {
		return err
	}
	if err := f.Close(); err != nil {
		return err
	}
	c, err := measure(r.binary, "judge", name)
	if err != nil {
		return err
	}
	r.rows = append(r.rows, row{fmt.Sprintf("judge the series of %d days at 10 s, CSV read", days), fmt.Sprintf("%.1f s cpu", c.cpu.Seconds()), "-", "-", "60 s"})
	return r.wideStep()
}

// wideStep measures one step of a host with about 500 series in all.
func (r *bench) wideStep() error {
	start := time.Date(2026, 9, 7, 0, 0, 0, 0, time.UTC)
	h := sim.New(sim.Config{Seed: 1, Rate: 50, Start: start, End: start.AddDate(0, 0, 3), Location: time.UTC, Buckets: true})
	e := judge.New(judge.Config{Location: time.UTC})
	var spent, worst time.Duration
	steps, series := 0, 0
	for reading := range h.Readings() {
		began := time.Now()
		e.Step(reading)
		if d := time.Since(began); reading.Time.Sub(start) > 48*time.Hour {
			spent += d
			worst = max(worst, d)
			steps++
			series = max(series, len(reading.Samples))
		}
	}
	r.rows = append(r.rows, row{fmt.Sprintf("one step of judgement, %d series, two days learned", series),
		fmt.Sprintf("%.2f ms mean, %.1f ms worst of %d", spent.Seconds()*1e3/float64(steps), worst.Seconds()*1e3, steps), "-", "-", "20 ms for 500 series"})
	return nil
}
