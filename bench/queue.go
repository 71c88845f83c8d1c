//go:build linux

package main

import (
	"fmt"
	"time"

	"github.com/mtawatch/mtawatch/bench/genqueue"
	"github.com/mtawatch/mtawatch/test/live/world"
)

// queue compares counting the messages of a full queue with find, which
// does the least that can be done: it reads the directories.
func (r *bench) queue() error {
	n, err := size("BENCH_MESSAGES", 100_000)
	if err != nil {
		return err
	}
	p, err := r.box.Postfix(world.PostfixConfig{})
	if err != nil {
		return err
	}
	defer func() { _ = p.Remove() }()
	start := time.Now()
	if err := genqueue.Fill(genqueue.Config{QueueDir: p.QueueDir, Messages: int(n), Now: start}); err != nil {
		return err
	}
	find, err := best(5, "sh", "-c", fmt.Sprintf("find %s/deferred -type f | wc -l", p.QueueDir))
	if err != nil {
		return err
	}
	what := fmt.Sprintf("count %d queued messages", n)
	counters, err := best(5, r.binary, "queue", "counters", "--json")
	if err != nil {
		return err
	}
	r.rows = append(r.rows, row{what, fmt.Sprintf("%.3f s cpu", counters.cpu.Seconds()),
		fmt.Sprintf("find, wc %.3f s cpu", find.cpu.Seconds()), ratio(counters.cpu, find.cpu), "at most 2x"})
	list, err := measure("postqueue", "-c", p.ConfigDir, "-j")
	if err != nil {
		return err
	}
	r.rows = append(r.rows, row{what, fmt.Sprintf("%.3f s wall", counters.wall.Seconds()),
		fmt.Sprintf("postqueue -j %.3f s wall", list.wall.Seconds()), ratio(list.wall, counters.wall), "-"})
	return nil
}
