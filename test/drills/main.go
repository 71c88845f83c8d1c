//go:build linux

// Command drills runs the fault drills on live Postfix and prints the
// scoreboard. Each drill has a sealed world of its own; several run at once.
// It fails when a drill did not pass.
package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"syscall"
	"time"

	"github.com/mtawatch/mtawatch/test/live/drill"
	"github.com/mtawatch/mtawatch/test/live/world"
)

// options are what the command line says.
type options struct {
	run      *regexp.Regexp
	runs     int
	parallel int
	days     int
	warmUp   time.Duration
	settle   time.Duration
	most     time.Duration
	quick    bool
	patience float64
	json     string
	keep     string
	list     bool

	// Of the part that runs in one world.
	one, out, history string
}

func main() {
	o, err := parse()
	if err != nil {
		fmt.Fprintf(os.Stderr, "drills: %v\n", err)
		os.Exit(2)
	}
	switch {
	case o.list:
		for _, d := range drill.All() {
			fmt.Printf("%-22s %s\n", d.Name, d.Text)
		}
	case o.one != "":
		os.Exit(world.Run(world.Setup{Tools: world.SyslogTools(), Prepare: world.Build}, func(b *world.Box) int { return inside(b, o) }))
	default:
		ctx, cancel := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
		ok, err := scoreboard(ctx, o)
		cancel()
		if err != nil {
			fmt.Fprintf(os.Stderr, "drills: %v\n", err)
		}
		if err != nil || !ok {
			os.Exit(1)
		}
	}
}

func parse() (options, error) {
	var o options
	name := flag.String("run", "", "run the drills whose names match this regular expression; \"\" is all but healthy")
	flag.IntVar(&o.runs, "runs", 1, "run each this many times")
	flag.IntVar(&o.parallel, "parallel", max(2, min(6, 2*runtime.NumCPU())), "worlds at once")
	flag.IntVar(&o.days, "days", 14, "days of history that mtawatch has learned from; 0 is none")
	flag.DurationVar(&o.warmUp, "warm-up", 0, "of watching before a drill begins; 0 is the usual")
	flag.DurationVar(&o.settle, "settle", 0, "of watching on after the finding, for false ones; 0 is the usual")
	flag.DurationVar(&o.most, "most", 0, "no harmless drill longer than this; 0 is no bound")
	flag.Float64Var(&o.patience, "patience", 1, "multiply the limits, on a slow machine")
	flag.BoolVar(&o.quick, "quick", false, "a telling few, all at once and cut short: two minutes; limits are tripled")
	flag.StringVar(&o.json, "json", "", "write the rows to this file, one JSON object a line")
	flag.StringVar(&o.keep, "keep", "", "keep the logs of drills that did not pass in this directory")
	flag.BoolVar(&o.list, "list", false, "list the drills")
	flag.StringVar(&o.one, "one", "", "run one drill in a world of its own (used by itself)")
	flag.StringVar(&o.out, "out", "", "write the row of -one here")
	flag.StringVar(&o.history, "history", "", "a store of learned history for -one")
	flag.Parse()
	if o.quick {
		*name = "^(dispatcher-killed|qmgr-killed|dns-dead|flood-one-source|newsletter)$"
		o.patience = 3
		o.parallel, o.warmUp, o.settle, o.most = 5, 30*time.Second, 10*time.Second, 75*time.Second
	}
	if *name != "" {
		re, err := regexp.Compile(*name)
		if err != nil {
			return o, fmt.Errorf("read -run: %w", err)
		}
		o.run = re
	}
	if o.keep != "" {
		dir, err := filepath.Abs(o.keep)
		if err != nil {
			return o, err
		}
		o.keep = dir
		return o, os.MkdirAll(dir, 0o755)
	}
	return o, nil
}

// inside runs one drill in the world that has been made for it.
func inside(b *world.Box, o options) int {
	ctx, cancel := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer cancel()
	d, ok := drill.Find(o.one)
	if !ok {
		fmt.Fprintf(os.Stderr, "drills: no drill %q\n", o.one)
		return 2
	}
	say := func(format string, args ...any) {
		fmt.Printf(time.Now().Format("15:04:05 ")+format+"\n", args...)
	}
	row, err := drill.Run(ctx, b, d, drill.Options{History: o.history, WarmUp: o.warmUp, Settle: o.settle, Most: o.most, Patience: o.patience, Keep: o.keep, Say: say})
	if err != nil {
		say("%s: ERROR: %v", d.Name, err)
		if row.Drill == "" {
			row = drill.Row{Drill: d.Name, Expected: d.Codes}
		}
		row.Error, row.Passed = err.Error(), false
	}
	text, err := json.Marshal(row)
	if err == nil && o.out != "" {
		err = os.WriteFile(o.out, append(text, '\n'), 0o644)
	}
	if err != nil {
		fmt.Fprintf(os.Stderr, "drills: %v\n", err)
		return 1
	}
	return 0
}

// table prints the scoreboard.
func table(rows []drill.Row) {
	const form = "%-22s %-4s %-24s %-18s %-9s %8s %6s  %s\n"
	fmt.Printf(form, "DRILL", "", "FOUND", "REASON", "SEVERITY", "SECONDS", "LIMIT", "FALSE FINDINGS")
	for i := range rows {
		r := &rows[i]
		verdict, found, reason, severity, seconds := "ok", string(r.Found), "", "", ""
		if !r.Passed {
			verdict = "FAIL"
		}
		if r.Found != "" {
			severity, seconds = r.Severity.String(), fmt.Sprintf("%.1f", r.Seconds)
			if r.Reason != 0 {
				reason = r.Reason.String()
			}
		} else if len(r.Expected) == 0 {
			found = "- (harmless)"
		} else {
			found = "MISSED " + string(r.Expected[0])
		}
		var wrong []string
		for _, f := range r.False {
			wrong = append(wrong, string(f.Code)+"/"+f.Severity.String())
		}
		if r.Error != "" {
			found, wrong = "ERROR", append(wrong, strings.ReplaceAll(r.Error, "\n", " "))
		}
		fmt.Printf(form, r.Drill, verdict, found, reason, severity, seconds, fmt.Sprintf("%.0f", r.Limit), strings.Join(wrong, ", "))
	}
}
