//go:build linux

package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"time"

	"github.com/mtawatch/mtawatch/internal/lab/jobs"
	"github.com/mtawatch/mtawatch/internal/lab/site"
	"github.com/mtawatch/mtawatch/test/live/world"
)

const (
	labSMTP, labJobs, labSink, labPostfix = 2525, 27442, 2526, 2527

	labSize     = 2000 // bytes of a message
	labSessions = 10
	labLife     = "100" // connections of a server process: default_process_limit's use count in Postfix, MAX_LIFE_CONNS
)

// lab lets the practice MTA relay mail beside Postfix: the same client,
// smtp-source, and the same other site. Both write each message to the disk
// before they answer; Postfix does not slow its clients down. BENCH_RELAYED changes how many messages (3000).
func (r *bench) lab() error {
	n, err := size("BENCH_RELAYED", 3000)
	if err != nil {
		return err
	}
	l, err := net.Listen("tcp4", fmt.Sprintf("127.0.0.1:%d", labSink))
	if err != nil {
		return err
	}
	defer l.Close()
	var taken atomic.Int64
	go swallow(l, &taken)

	p, err := r.box.Postfix(world.PostfixConfig{Ports: []string{fmt.Sprint(labPostfix)},
		Main: []string{fmt.Sprintf("relayhost = [127.0.0.1]:%d", labSink), "max_use = " + labLife, "in_flow_delay = 0"}})
	if err != nil {
		return err
	}
	defer func() { _ = p.Remove() }()
	end, err := r.startLab()
	if err != nil {
		return err
	}
	defer end()
	for _, each := range []struct {
		name string
		args []string
	}{{"a connection each", nil}, {"one connection for all", []string{"-d"}}} {
		var rates [2]float64
		for i, port := range []int{labSMTP, labPostfix} {
			if rates[i], err = relay(port, n, &taken, each.args); err != nil {
				return fmt.Errorf("%s on port %d: %w", each.name, port, err)
			}
			fmt.Fprintf(os.Stderr, "%s, port %d: %.0f messages/s\n", each.name, port, rates[i])
		}
		r.rows = append(r.rows, row{fmt.Sprintf("practice MTA relays %d messages of %d bytes, %d clients, %s", n, labSize, labSessions, each.name),
			fmt.Sprintf("%.0f messages/s", rates[0]), fmt.Sprintf("postfix %.0f messages/s", rates[1]), fmt.Sprintf("%.2fx", rates[0]/rates[1]), "none"})
	}
	return nil
}

// startLab makes a practice MTA and starts its two daemons.
func (r *bench) startLab() (end func(), err error) {
	for _, port := range []int{labSMTP, labJobs} { // else another's MTA would be measured
		l, err := net.Listen("tcp4", fmt.Sprintf("127.0.0.1:%d", port))
		if err != nil {
			return nil, fmt.Errorf("start the practice MTA: %w: end the lab that runs on this machine", err)
		}
		_ = l.Close()
	}
	base, err := r.box.TempDir("lab")
	if err != nil {
		return nil, err
	}
	s, err := site.Create(filepath.Join(base, "base"), site.Settings{Binary: r.binary, SMTPPort: labSMTP, JobPort: labJobs, RemotePort: labSink})
	if err != nil {
		return nil, err
	}
	var started []*exec.Cmd
	end = func() {
		for _, cmd := range started {
			_ = cmd.Process.Signal(os.Interrupt)
			_ = cmd.Wait()
		}
	}
	for _, name := range []string{"job_controller", "dispatcher"} {
		cmd := exec.Command(s.Program(name))
		cmd.Stderr = os.Stderr
		if err := cmd.Start(); err != nil {
			end()
			return nil, fmt.Errorf("start %s: %w", name, err)
		}
		started = append(started, cmd)
	}
	for limit := time.Now().Add(10 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		_, err := jobs.Ask(context.Background(), s, "JOBS")
		conn, derr := net.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", labSMTP))
		if derr == nil {
			_ = conn.Close()
		}
		if err = errors.Join(err, derr); err == nil {
			return end, nil
		}
		if time.Now().After(limit) {
			end()
			return nil, fmt.Errorf("start the practice MTA: %w", err)
		}
	}
}

// relay sends messages through an MTA and gives how many a second came out at
// the other end, from the first word to the last message.
func relay(port int, n int64, taken *atomic.Int64, args []string) (float64, error) {
	before, start := taken.Load(), time.Now()
	args = append(args, "-s", fmt.Sprint(labSessions), "-l", fmt.Sprint(labSize), "-m", fmt.Sprint(n), "-f", "a@example.com", "-t", "x@[127.0.0.1]", fmt.Sprintf("127.0.0.1:%d", port))
	var text bytes.Buffer
	cmd := exec.Command("smtp-source", args...)
	cmd.Stderr = &text
	if err := cmd.Run(); err != nil {
		return 0, fmt.Errorf("run smtp-source: %w: %s", err, bytes.TrimSpace(text.Bytes()))
	}
	for limit := time.Now().Add(2 * time.Minute); taken.Load()-before < n; time.Sleep(5 * time.Millisecond) {
		if time.Now().After(limit) {
			return 0, fmt.Errorf("%d of %d messages came out", taken.Load()-before, n)
		}
	}
	return float64(n) / time.Since(start).Seconds(), nil
}

// swallow is the other site: it takes every message and counts it.
func swallow(l net.Listener, taken *atomic.Int64) {
	for {
		conn, err := l.Accept()
		if err != nil {
			return
		}
		go func() {
			defer conn.Close()
			in := bufio.NewReader(conn)
			fmt.Fprint(conn, "220 mx.example.net ESMTP\r\n")
			for data := false; ; {
				line, err := in.ReadSlice('\n')
				if err != nil {
					return
				}
				reply := "250 2.0.0 Ok\r\n"
				switch {
				case data && string(line) != ".\r\n":
					continue
				case data:
					data = false
					taken.Add(1)
				case strings.HasPrefix(string(line), "DATA"):
					data, reply = true, "354 Go on\r\n"
				case strings.HasPrefix(string(line), "QUIT"):
					reply = "221 2.0.0 Bye\r\n"
				}
				if _, err := fmt.Fprint(conn, reply); err != nil {
					return
				}
			}
		}()
	}
}
