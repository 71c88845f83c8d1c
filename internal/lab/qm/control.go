package qm

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/mtawatch/mtawatch/internal/lab/jobs"
)

// messages shows how many messages each destination of a channel has.
func (t *tool) messages(ctx context.Context, o options) error {
	if o.first() == "" {
		return errors.New("%QM-E-NOCHANNEL, name a channel: messages CHANNEL")
	}
	lines, err := jobs.Ask(ctx, t.site, "MESSAGES", o.first())
	if err != nil {
		return err
	}
	t.say("%-40s %15s %16s", "host", "active messages", "delayed messages")
	for _, line := range lines {
		if f := strings.Split(line, "\t"); len(f) == 4 {
			if f[1] == "" {
				f[1] = f[0] // the channel has one destination, itself
			}
			t.say("%-40s %15s %16s", f[1], f[2], f[3])
		}
	}
	return nil
}

// jobs shows the channel programs and what they have in their hands.
func (t *tool) jobs(ctx context.Context, o options) error {
	lines, err := jobs.Ask(ctx, t.site, "JOBS", o.first())
	if err != nil {
		return err
	}
	byChannel := map[string][][]string{}
	var order []string
	for _, line := range lines {
		f := strings.Split(line, "\t")
		if len(f) != 6 {
			continue
		}
		if byChannel[f[0]] == nil {
			order = append(order, f[0])
		}
		byChannel[f[0]] = append(byChannel[f[0]], f)
	}
	slices.Sort(order)
	for _, channel := range order {
		t.say("channel %s", channel)
		for _, f := range byChannel[channel] {
			t.say("        job %s", f[1])
			hosts, names := split(f[4]), split(f[5])
			for _, h := range hosts {
				t.say("          host %s", h)
			}
			t.say("          %d HOST BEING PROCESSED BY JOB %s", len(hosts), f[1])
			for _, n := range names {
				_, n, _ = strings.Cut(n, "/")
				t.say("          message %s", n)
			}
			t.say("          processed messages: %s\n          failed processing attempts: %s\n          %d MESSAGES BEING PROCESSED BY JOB %s", f[2], f[3], len(names), f[1])
		}
		t.say("        %d JOBS ACTIVE FOR CHANNEL %s", len(byChannel[channel]), channel)
	}
	t.say("%d ACTIVE CHANNELS", len(order))
	return nil
}

func split(s string) []string {
	if s == "" {
		return nil
	}
	return strings.Split(s, ",")
}

// counters shows or clears the channel counters. The controller keeps them, so
// that they are there while it runs and need not be created.
func (t *tool) counters(ctx context.Context, o options) error {
	switch {
	case o.has("create"):
		return nil
	case o.has("clear"):
		_, err := jobs.Ask(ctx, t.site, "CLEAR")
		return err
	}
	lines, err := jobs.Ask(ctx, t.site, "COUNTERS")
	if err != nil {
		return err
	}
	list, err := jobs.ParseCounters(lines)
	if err != nil {
		return err
	}
	if !o.has("noheaders") {
		t.say("%-22s %-10s %-10s %s\n---------------------- ---------- ---------- ----------", "Channel", "Messages", "Recipients", "Blocks")
	}
	for _, k := range list {
		t.say("%s", k.Channel)
		for _, row := range []struct {
			name string
			jobs.Count
		}{{"Received", k.Received}, {"Stored", k.Stored}, {"Delivered", k.Delivered}, {"Submitted", k.Submitted},
			{"Attempted", k.Attempted}, {"Rejected", k.Rejected}, {"Failed", k.Failed}} {
			more := ""
			if row.name == "Delivered" {
				more = fmt.Sprintf(" (%d first time)", k.First)
			}
			t.say("   %-19s %10d %10d %10d%s", row.name, row.Messages, row.Recipients, row.Blocks, more)
		}
		t.say("")
		t.say("   Queue time/count    %s", mean(k.QueueTime, k.Delivered.Messages))
		t.say("   Queue first time/count %s", mean(k.QueueFirst, k.First))
		t.say("")
	}
	return nil
}

func mean(d time.Duration, n int) string {
	seconds := int64(d.Seconds())
	if n == 0 {
		return fmt.Sprintf("%d/%d = 0", seconds, n)
	}
	return fmt.Sprintf("%d/%d = %.4g", seconds, n, float64(seconds)/float64(n))
}

// cache asks the controller what it knows, or lets it look at the disk and try
// everything now.
func (t *tool) cache(ctx context.Context, o options) error {
	switch {
	case o.has("sync"):
		_, err := jobs.Ask(ctx, t.site, "SYNC")
		return err
	case o.has("view"), o.has("walk"):
		lines, err := jobs.Ask(ctx, t.site, "VIEW", o.first())
		if err != nil {
			return err
		}
		t.say("%-50s %-8s %8s %s", "Message file", "State", "Due in s", "Host")
		for _, line := range lines {
			if f := strings.Split(line, "\t"); len(f) == 4 {
				t.say("%-50s %-8s %8s %s", f[0], f[2], f[3], f[1])
			}
		}
		t.say("%d messages", len(lines))
		return nil
	}
	return errors.New("usage: imsimta cache -view [CHANNEL] | -sync | -walk")
}

// process lists the processes of the site, as ps would.
func (t *tool) process() error {
	pids, err := t.site.Processes("")
	if err != nil {
		return err
	}
	t.say("%-8s %7s S %8s %8s %8s %8s COMMAND", "USER", "PID", "VSZ", "RSS", "STIME", "TIME")
	for _, pid := range pids {
		dir := fmt.Sprintf("/proc/%d", pid)
		line, err := os.ReadFile(filepath.Join(dir, "cmdline"))
		command, _, _ := strings.Cut(string(line), "\x00")
		if err != nil || command == "" || filepath.Base(command) == "imsimta" {
			continue // it has ended, or is one that asks
		}
		if p, err := readProcess(dir); err == nil {
			t.say("%-8s %7d %s %8d %8d %8s %8s %s", p.user, pid, p.state, p.size>>10, p.resident>>10, p.started, p.used, command)
		}
	}
	return nil
}

type processLine struct {
	user, state, started, used string
	size, resident             int64
}

// ticks is how many of the kernel's units of process time make a second.
const ticks = 100

// readProcess reads /proc/PID/stat, proc_pid_stat(5).
func readProcess(dir string) (p processLine, err error) {
	text, err := os.ReadFile(filepath.Join(dir, "stat"))
	if err != nil {
		return p, err
	}
	_, rest, ok := strings.Cut(string(text), ") ")
	f := strings.Fields(rest)
	if !ok || len(f) < 22 {
		return p, fmt.Errorf("read %s/stat: too few fields", dir)
	}
	var n [5]int64
	for i, at := range []int{11, 12, 19, 20, 21} { // utime stime starttime vsize rss
		if n[i], err = strconv.ParseInt(f[at], 10, 64); err != nil {
			return p, fmt.Errorf("read %s/stat: %w", dir, err)
		}
	}
	st, err := os.Stat(dir)
	if err != nil {
		return p, err
	}
	if sys, ok := st.Sys().(*syscall.Stat_t); ok {
		p.user = strconv.Itoa(int(sys.Uid))
		if u, err := user.LookupId(p.user); err == nil {
			p.user = u.Username
		}
	}
	var info syscall.Sysinfo_t
	if err := syscall.Sysinfo(&info); err != nil {
		return p, err
	}
	start := time.Now().Add(-time.Duration(int64(info.Uptime)-n[2]/ticks) * time.Second)
	p.started = start.Format("15:04:05")
	if time.Since(start) > 24*time.Hour {
		p.started = start.Format("Jan_02")
	}
	used := (n[0] + n[1]) / ticks
	p.used = fmt.Sprintf("%d:%02d", used/60, used%60)
	p.state, p.size, p.resident = f[0], n[3], n[4]*int64(os.Getpagesize())
	return p, nil
}
