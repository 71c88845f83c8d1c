package imta

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/mtawatch/mtawatch/internal/adapter"
	"github.com/mtawatch/mtawatch/internal/mta"
)

const (
	ownTimeout    = 10 * time.Second // of one command
	allOwnTimeout = 20 * time.Second // of all commands of one question
	maxAsked      = 64               // channels that are asked one by one
)

// own asks imsimta: its counters, what waits for whom, its processes. Each of
// them only looks.
func own(ctx context.Context, h adapter.Host, in mta.Instance, q mta.OwnQuestion) (v mta.OwnView) {
	ctx, cancel := context.WithTimeout(ctx, allOwnTimeout)
	defer cancel()
	t := tool{h: h, base: in.BaseDir, program: (&layout{base: in.BaseDir}).command(h)}
	if q.Counters {
		t.counters(ctx, &v)
	}
	if q.Waiting {
		t.waiting(ctx, &v, in, q.Channel)
	}
	if q.Processes {
		t.processes(ctx, &v)
	}
	return v
}

// tool is the command of one installation.
type tool struct {
	h       adapter.Host
	base    string
	program string // its path, "" where there is none
}

// run gives what a command prints.
func (t *tool) run(ctx context.Context, args ...string) (string, error) {
	if t.program == "" {
		return "", fmt.Errorf("there is no imsimta program in sbin, bin or lib of %s; give the right base_dir of the instance, or run mtawatch where the MTA is installed", t.base)
	}
	within, cancel := context.WithTimeout(ctx, ownTimeout)
	defer cancel()
	out, err := t.h.Run(within, t.program, args...)
	said := complaint(string(out)) // some complain and end with status 0
	switch {
	case err == nil && said == "":
		return string(out), nil
	case err == nil:
		err = errors.New(said)
	case within.Err() != nil:
		return "", fmt.Errorf("%s: no answer in time; see whether the MTA is overloaded", t.named(args...))
	case !strings.Contains(err.Error(), said):
		err = fmt.Errorf("%w: %s", err, said)
	}
	text := strings.TrimPrefix(err.Error(), "run "+t.program+": ") // that is named already
	return "", fmt.Errorf("%s: %s; it needs an MTA that runs, and root or the MTA's own user", t.named(args...), text)
}

// named gives a command as an operator would type it.
func (t *tool) named(args ...string) string {
	return "`" + strings.Join(append([]string{t.program}, args...), " ") + "`"
}

// complaint gives the first line in which a command says why it did not do
// its work: "%QM-E-NOJOBC, ...".
func complaint(text string) string {
	for line := range strings.Lines(text) {
		if line = strings.TrimSpace(line); strings.HasPrefix(line, "%") && (strings.Contains(line, "-E-") || strings.Contains(line, "-F-")) {
			return line[:min(len(line), 200)]
		}
	}
	return ""
}

func (t *tool) counters(ctx context.Context, v *mta.OwnView) {
	args := []string{"qm", "counters", "show"}
	text, err := t.run(ctx, args...)
	if err == nil {
		v.CountersBy = t.named(args...)
		v.Counters, err = parseCounters(text)
	}
	switch {
	case errors.Is(err, errNoCounters):
		v.CountersMissing = true
	case err != nil:
		v.CountersUnknown = err.Error()
	}
}

// waiting asks channel by channel. One that fails does not end it, but two
// before any has answered do: the next would fail too. The channel hold has nothing
// that waits to be tried.
func (t *tool) waiting(ctx context.Context, v *mta.OwnView, in mta.Instance, channel string) {
	channels := []string{channel}
	if channel == "" {
		channels = slices.DeleteFunc(slices.Clone(in.Queues), func(name string) bool { return name == heldQueue || name == holdChannel })
	}
	var unknown []string
	refused := 0
	if over := len(channels) - maxAsked; over > 0 {
		unknown = append(unknown, fmt.Sprintf("%d more channels were not asked; name one", over))
		channels = channels[:maxAsked]
	}
	for _, c := range channels {
		if !isChannelName(c) {
			unknown = append(unknown, fmt.Sprintf("%q is no name of a channel", clip(c)))
			continue
		}
		text, err := t.run(ctx, "qm", "messages", c)
		if err != nil {
			if refused++; refused == 1 || v.WaitingBy != "" {
				unknown = append(unknown, err.Error())
			}
			if v.WaitingBy == "" && (refused == 2 || t.program == "") {
				break
			}
			continue
		}
		if v.WaitingBy = t.named("qm", "messages", c); channel == "" {
			v.WaitingBy = t.named("qm", "messages", "CHANNEL")
		}
		list, err := parseWaiting(c, text)
		if err != nil {
			unknown = append(unknown, c+": "+err.Error())
			continue
		}
		v.Waiting = append(v.Waiting, list...)
	}
	v.WaitingUnknown = strings.Join(unknown, "; ")
}

// isChannelName keeps what is no channel from becoming an option of a command.
func isChannelName(s string) bool {
	if s == "" || len(s) > 64 || s[0] == '-' {
		return false
	}
	for i := range len(s) {
		if c := s[i]; c >= 0x80 || !isAlnum(c) && c != '_' && c != '-' && c != '.' {
			return false
		}
	}
	return true
}

// parseWaiting reads what imsimta qm messages prints of one channel.
func parseWaiting(channel, text string) (list []mta.OwnWaiting, err error) {
	for m, err := range readList(strings.NewReader(text)) {
		if err != nil {
			return nil, err
		}
		w := mta.OwnWaiting{Channel: channel}
		if len(m.Recipients) > 0 {
			w.Destination = strings.TrimPrefix(m.Recipients[0].Address, "@")
		}
		if n := len(list); n == 0 || list[n-1].Destination != w.Destination {
			list = append(list, w)
		}
		switch row := &list[len(list)-1]; m.Queue {
		case "active":
			row.Active += m.Count
		case "delayed":
			row.Delayed += m.Count
		default:
			return nil, errNoList // another of the outputs that are lists
		}
	}
	return list, nil
}

func (t *tool) processes(ctx context.Context, v *mta.OwnView) {
	text, err := t.run(ctx, "process")
	if err == nil {
		v.ProcessesBy = t.named("process")
		v.Processes, err = parseProcesses(text)
	}
	if err != nil {
		v.ProcessesUnknown = err.Error()
	}
}
