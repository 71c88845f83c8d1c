//go:build linux

// Command try shows mtawatch at work beside the machine's own mail: it makes
// a sealed world with a private Postfix, remote hosts that misbehave in
// every way, and a steady stream of mail; it starts mtawatch in it, shows
// what mtawatch says, and goes on until Ctrl-C (or for the time given with
// --for; then it fails unless every command showed the traffic). While it runs
// the API is on 127.0.0.1:9725 of the machine, and bin/try enters the world.
package main

import (
	"context"
	"flag"
	"fmt"
	"net"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/mtawatch/mtawatch/test/live/world"
)

const (
	before     = 15 * time.Second // of mail, so that the queue holds some when mtawatch first reads it
	warmUp     = 15 * time.Second // of watching, for more than one reading of each source
	outsideAPI = "127.0.0.1:9725"
)

func main() {
	limit := flag.Duration("for", 0, "end after this time; 0 goes on until Ctrl-C")
	flag.Parse()
	setup := world.Setup{Prepare: prepare, Beside: forwardAPI}
	code := world.Run(setup, func(b *world.Box) int {
		if err := show(b, *limit); err != nil {
			fmt.Fprintf(os.Stderr, "try: %v\n", err)
			return 1
		}
		return 0
	})
	os.Exit(code)
}

// prepare builds mtawatch outside, where the module cache is.
func prepare(shared string) error {
	fmt.Println("building mtawatch (some minutes the first time) ...")
	return world.Build(shared)
}

// show is the visit inside the world.
func show(b *world.Box, limit time.Duration) error {
	ctx, cancel := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer cancel()
	start := time.Now()
	fmt.Println("starting a private Postfix and remote hosts with 13 behaviours ...")
	list := visible(world.Behaviours())
	remote, err := b.Remote(list)
	if err != nil {
		return err
	}
	defer remote.Stop()
	postfix, err := b.Postfix(world.PostfixConfig{Ports: []string{"smtp", "submission"},
		Main: []string{"minimal_backoff_time = 30s", "maximal_backoff_time = 120s", "queue_run_delay = 15s"}})
	if err != nil {
		return err
	}
	defer func() { _ = postfix.Remove() }()
	w, err := b.Watcher()
	if err != nil {
		return err
	}
	stop, err := traffic(ctx, b, list)
	if err != nil {
		return err
	}
	defer stop()
	fmt.Printf("mail flows (5 messages/s); mtawatch joins in %s ...\n", before)
	if !sleep(ctx, before) {
		return nil
	}
	if err := w.Start(); err != nil {
		return err
	}
	defer w.Kill()
	if err := w.WaitReady(); err != nil {
		return err
	}
	api, err := net.Listen("unix", filepath.Join(b.Shared, "api"))
	if err != nil {
		return err
	}
	defer api.Close()
	go world.Forward(api, "tcp", strings.TrimPrefix(world.API, "http://"))
	fmt.Printf("mtawatch watches; this is what it tells after %s ...\n", warmUp)
	if !sleep(ctx, warmUp) {
		return nil
	}
	problem := visit(w)
	explain(b, w)
	if limit == 0 {
		<-ctx.Done()
		fmt.Println("\nstopping ...")
		return w.Stop()
	}
	if !sleep(ctx, limit-time.Since(start)) {
		return fmt.Errorf("interrupted")
	}
	if err := w.Stop(); problem == nil {
		problem = err
	}
	return problem
}

// visible leaves out the behaviour beyond the 13 and shortens nothing else.
func visible(list []world.Behaviour) []world.Behaviour {
	out := list[:0]
	for _, v := range list {
		if v.Name != "stall" {
			out = append(out, v)
		}
	}
	return out
}

// traffic sends five messages a second, most of which arrive, and keeps
// some idle connections open.
func traffic(ctx context.Context, b *world.Box, list []world.Behaviour) (stop func(), err error) {
	var idle []*world.Client
	stop = func() {
		for _, c := range idle {
			c.Close()
		}
	}
	for _, source := range []string{"10.77.1.107", "10.77.1.107", "10.77.1.108"} {
		c, err := b.Dial(source, world.MTAAddress+":25")
		if err != nil {
			stop()
			return nil, err
		}
		idle = append(idle, c)
	}
	go func() { // Postfix drops a client that is silent for five minutes
		for sleep(ctx, time.Minute) {
			for _, c := range idle {
				_ = c.Command("NOOP", "250")
			}
		}
	}()
	go b.Send(ctx, world.Load{Rate: 5, Sessions: 3, Message: func(i int) world.Letter {
		domain := "ok.example"
		if i%4 == 3 {
			domain = list[i/4%len(list)].Domain()
		}
		return world.Letter{From: fmt.Sprintf("user%d@ok.example", i%7), To: []string{fmt.Sprintf("bob%d@%s", i%20, domain)}, Size: 500 + i*37%4000}
	}})
	return stop, nil
}

// visit prints what the five commands say, and gives an error when one of
// them did not show the traffic.
func visit(w *world.Watcher) error {
	var problem error
	for _, c := range []struct {
		name  string
		codes int      // largest exit status that is right
		proof []string // what its --json must hold
	}{
		{"status", 2, nil},
		{"queue", 0, []string{`"deferred"`}},
		{"failures", 0, []string{"connect-refused", "unknown-user"}},
		{"connections", 0, []string{"10.77.1.107", "established"}},
		{"processes", 0, []string{"dispatcher", "job-controller"}},
	} {
		fmt.Printf("\n$ mtawatch %s\n", c.name)
		out, stderr, code, err := w.Run(c.name)
		fmt.Printf("%s%s", out, stderr)
		if err != nil || code > c.codes || len(out) == 0 {
			problem = fmt.Errorf("%s: exit status %d: %w", c.name, code, orEmpty(err))
			continue
		}
		out, _, _, err = w.Run(c.name, "--json")
		for _, p := range c.proof {
			if err != nil || !strings.Contains(string(out), p) {
				problem = fmt.Errorf("%s --json does not show %s: %s", c.name, p, out)
			}
		}
	}
	return problem
}

func orEmpty(err error) error {
	if err == nil {
		return fmt.Errorf("not what was expected")
	}
	return err
}

// explain says how to ask more, from another terminal.
func explain(b *world.Box, w *world.Watcher) {
	fmt.Printf(`
It goes on. From another terminal in this directory:
  bin/try status                     any command of mtawatch, inside the world
  bin/try failures --json
  bin/try trace bob3@refused.example
  bin/try --sh postqueue -p          any other command, inside the world
  curl -s http://%s/metrics          the daemon itself, from outside
What mtawatch run said so far:
%s
`, outsideAPI, w.Log())
}

// forwardAPI runs outside: it writes bin/try, and makes the API of the
// world reachable on this machine's loopback through a socket in the shared
// directory.
func forwardAPI(shared string, stop <-chan struct{}) {
	var pid int
	for pid == 0 {
		select {
		case <-stop:
			return
		case <-time.After(100 * time.Millisecond):
		}
		pid, _ = world.OuterPID(shared)
	}
	if err := writeWrapper(shared, pid); err != nil {
		fmt.Fprintf(os.Stderr, "write bin/try: %v\n", err)
	}
	l, err := net.Listen("tcp", outsideAPI)
	if err != nil {
		fmt.Fprintf(os.Stderr, "the API is not reachable from outside (bin/try works): %v\n", err)
		<-stop
	} else {
		go world.Forward(l, "unix", filepath.Join(shared, "api"))
		<-stop
		l.Close()
	}
	_ = os.Remove(filepath.Join("bin", "try"))
}

// enterArgs gives nsenter's arguments; an ordinary user enters the user
// namespace first.
func enterArgs(pid int, kinds ...string) []string {
	args := []string{"-t", fmt.Sprint(pid)}
	if os.Geteuid() != 0 {
		args = append(args, "-U", "--preserve-credentials")
	}
	return append(args, kinds...)
}

func writeWrapper(shared string, pid int) error {
	text := fmt.Sprintf(`#!/bin/sh
# try COMMAND...: run mtawatch inside the world that "make try-postfix" keeps up.
if [ "$1" = --sh ]; then shift; else set -- %s "$@"; fi
exec nsenter %s -- "$@"
`, world.Binary(shared), strings.Join(enterArgs(pid, "-m", "-n", "-p", "-u"), " "))
	if err := os.MkdirAll("bin", 0o755); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join("bin", "try"), []byte(text), 0o755)
}

// sleep waits and says whether it was not interrupted.
func sleep(ctx context.Context, d time.Duration) bool {
	select {
	case <-ctx.Done():
		return false
	case <-time.After(d):
		return true
	}
}
