//go:build linux

package main

import (
	"flag"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/mtawatch/mtawatch/test/sim"
	"github.com/mtawatch/mtawatch/test/sim/scoreboard"
)

// board runs simulated hosts through judgement and prints what it missed,
// misnamed and made up.
func board(args []string) error {
	fs := flag.NewFlagSet("judge", flag.ContinueOnError)
	quick := fs.Bool("quick", false, "one host: 1 mail a second, 3 days of history")
	seeds := fs.String("seeds", "1", "seeds, by commas: a host each for each rate and history")
	rates := fs.String("rates", "0.000555556,1,500", "messages a second, by commas")
	history := fs.String("history", "1,3,14", "days of history, by commas")
	kinds := fs.String("incidents", "", "kinds of incident, by commas; all of them without it")
	jobs := fs.Int("jobs", 1, "hosts at a time")
	details := fs.Bool("v", false, "also each incident and each false finding")
	if err := fs.Parse(args); err != nil {
		return err
	}
	cfg := scoreboard.Config{Jobs: *jobs, Progress: os.Stderr}
	if *quick {
		*rates, *history = "1", "3"
	}
	for s := range strings.SplitSeq(*seeds, ",") {
		n, err := strconv.ParseUint(s, 10, 64)
		if err != nil {
			return fmt.Errorf("read -seeds: %w", err)
		}
		cfg.Seeds = append(cfg.Seeds, n)
	}
	for s := range strings.SplitSeq(*rates, ",") {
		v, err := strconv.ParseFloat(s, 64)
		if err != nil || v <= 0 {
			return fmt.Errorf("read -rates: %q is no positive number", s)
		}
		cfg.Rates = append(cfg.Rates, v)
	}
	for s := range strings.SplitSeq(*history, ",") {
		n, err := strconv.Atoi(s)
		if err != nil || n < 0 {
			return fmt.Errorf("read -history: %q is no number of days", s)
		}
		cfg.Histories = append(cfg.Histories, n)
	}
	var err error
	if cfg.Kinds, err = sim.ParseKinds(*kinds); err != nil {
		return err
	}
	began := time.Now()
	board := scoreboard.Run(cfg)
	board.Print(os.Stdout, *details)
	fmt.Fprintf(os.Stderr, "wall %s\n", time.Since(began).Round(time.Second))
	return nil
}
