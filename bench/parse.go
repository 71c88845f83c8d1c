//go:build linux

package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"github.com/mtawatch/mtawatch/bench/genlog"
	"github.com/mtawatch/mtawatch/test/live/world"
	"github.com/mtawatch/mtawatch/test/sim"
)

// record lets a real Postfix write a log of mail to every kind of remote
// host, retries included. It does so once a run.
func (r *bench) record() (*genlog.Log, error) {
	if r.log != nil {
		return r.log, nil
	}
	list := world.Behaviours()
	remote, err := r.box.Remote(list)
	if err != nil {
		return nil, err
	}
	defer remote.Stop()
	p, err := r.box.Postfix(world.PostfixConfig{FastRetry: true, Main: []string{"smtp_helo_timeout = 3s"}})
	if err != nil {
		return nil, err
	}
	defer func() { _ = p.Remove() }()
	ctx, cancel := context.WithTimeout(context.Background(), 25*time.Second)
	defer cancel()
	sent := r.box.Send(ctx, world.Load{Rate: 200, Sessions: 8, Message: func(i int) world.Letter {
		domain := "ok.example"
		if i%3 == 0 {
			domain = list[i/3%len(list)].Domain()
		}
		return world.Letter{From: fmt.Sprintf("user%d@ok.example", i%500), To: []string{fmt.Sprintf("bob%d@%s", i%5000, domain)}}
	}})
	if err := p.Stop(); err != nil {
		return nil, err
	}
	b, err := os.ReadFile(p.Log)
	if err != nil {
		return nil, err
	}
	fmt.Fprintf(os.Stderr, "recorded %d messages, %d bytes of log\n", sent.Accepted, len(b))
	r.log, err = genlog.Parse(string(b), time.Now().Year())
	return r.log, err
}

// makeLog writes a log of BENCH_BYTES from recorded lines and gives its size.
func (r *bench) makeLog(name string) (int64, error) {
	want, err := size("BENCH_BYTES", 1<<30)
	if err != nil {
		return 0, err
	}
	l, err := r.record()
	if err != nil {
		return 0, err
	}
	return generate(l, name, want)
}

// generate writes a long log file.
func generate(l *genlog.Log, name string, size int64) (int64, error) {
	f, err := os.Create(name)
	if err != nil {
		return 0, err
	}
	defer f.Close()
	w := bufio.NewWriterSize(f, 1<<20)
	n, err := l.Write(w, size, time.Now().Add(-10*24*time.Hour))
	if err == nil {
		err = w.Flush()
	}
	return n, err
}

func (r *bench) parse() error {
	name := filepath.Join(r.dir, "mail.log")
	defer os.Remove(name)
	n, err := r.makeLog(name)
	if err != nil {
		return err
	}
	ours, err := best(3, r.binary, "parse", "--mta", "postfix", "--count", name)
	if err != nil {
		return err
	}
	what := fmt.Sprintf("parse a Postfix log of %d MB", n/1e6)
	r.rows = append(r.rows, row{what, rate(n, ours.cpu), "-", "-", "1000 MB/s"})
	if err := r.parseGzip(name, n); err != nil {
		return err
	}
	peer, err := measure("pflogsumm", name)
	if err != nil {
		return err
	}
	r.rows = append(r.rows, row{what, rate(n, ours.cpu), "pflogsumm " + rate(n, peer.cpu), ratio(peer.cpu, ours.cpu), "40x"})
	cpu, err := r.exporter(name)
	if err != nil {
		return err
	}
	r.rows = append(r.rows, row{what, rate(n, ours.cpu), "prometheus-postfix-exporter " + rate(n, cpu), ratio(cpu, ours.cpu), "40x"})
	return nil
}

func (r *bench) parseGzip(name string, n int64) error {
	packed := name + ".gz"
	defer os.Remove(packed)
	if err := sim.Compress(name, packed); err != nil {
		return err
	}
	ours, err := best(2, r.binary, "parse", "--mta", "postfix", "--count", packed)
	if err != nil {
		return err
	}
	r.rows = append(r.rows, row{"the same, gzipped", rate(n, ours.cpu), "-", "-", "300 MB/s"})
	return nil
}

// exporter lets prometheus-postfix-exporter read the log. It only follows a
// file from its end, so the log is appended to an empty one; it is done
// when its CPU time stands still.
func (r *bench) exporter(log string) (time.Duration, error) {
	followed := filepath.Join(r.dir, "followed.log")
	defer os.Remove(followed)
	if err := os.WriteFile(followed, nil, 0o644); err != nil {
		return 0, err
	}
	cmd := exec.Command("prometheus-postfix-exporter", "--web.listen-address=127.0.0.1:9154",
		"--postfix.logfile_path="+followed, "--postfix.showq_path=/nonexistent")
	if err := cmd.Start(); err != nil {
		return 0, err
	}
	defer func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	}()
	time.Sleep(time.Second) // it gives no sign of having reached the end
	before, _, err := used(cmd.Process.Pid)
	if err != nil {
		return 0, err
	}
	if err := appendFile(log, followed); err != nil {
		return 0, err
	}
	last, still := before, 0
	for still < 10 {
		time.Sleep(200 * time.Millisecond)
		now, _, err := used(cmd.Process.Pid)
		if err != nil {
			return 0, fmt.Errorf("follow prometheus-postfix-exporter: %w", err)
		}
		if still++; now != last {
			last, still = now, 0
		}
	}
	fmt.Fprintf(os.Stderr, "prometheus-postfix-exporter: cpu %s\n", last-before)
	return last - before, nil
}

func appendFile(from, to string) error {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := os.OpenFile(to, os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	defer out.Close()
	_, err = io.Copy(out, in)
	return err
}
