//go:build linux

package main

import (
	"context"
	"fmt"
	"os"
	"time"

	"github.com/mtawatch/mtawatch/bench/genqueue"
	"github.com/mtawatch/mtawatch/internal/adapter/postfix"
	"github.com/mtawatch/mtawatch/internal/host"
	"github.com/mtawatch/mtawatch/internal/mta"
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
	self, err := os.Executable()
	if err != nil {
		return err
	}
	ours, err := best(5, "env", countVar+"="+p.QueueDir, self)
	if err != nil {
		return err
	}
	r.rows = append(r.rows, row{what, fmt.Sprintf("%.3f s cpu", ours.cpu.Seconds()),
		fmt.Sprintf("find, wc %.3f s cpu", find.cpu.Seconds()), ratio(ours.cpu, find.cpu), "at most 2x"})
	list, err := measure("postqueue", "-c", p.ConfigDir, "-j")
	if err != nil {
		return err
	}
	r.rows = append(r.rows, row{what, fmt.Sprintf("%.3f s wall", ours.wall.Seconds()),
		fmt.Sprintf("postqueue -j %.3f s wall", list.wall.Seconds()), ratio(list.wall, ours.wall), "-"})
	return nil
}

// countVar names a queue directory: with it in its environment this program
// does nothing but what the daemon does at each tick, so that the kernel
// measures it like any other.
const countVar = "BENCH_COUNT"

// count counts once and prints the sum.
func count(dir string) error {
	in := mta.Instance{MTA: "postfix", Name: "postfix", QueueDir: dir}
	q, err := postfix.Adapter.Count(context.Background(), host.New(host.Config{}), in)
	if err != nil {
		return err
	}
	if q.Unknown != "" {
		return fmt.Errorf("count queue: %s", q.Unknown)
	}
	var sum int64
	for _, c := range q.Queues {
		sum += c.Messages
	}
	fmt.Println(sum)
	return nil
}
