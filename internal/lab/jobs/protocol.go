package jobs

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/mtawatch/mtawatch/internal/lab/queue"
)

// The words of the protocol are lines of fields with a tab between them. An
// enqueuer tells and gets no answer:
//
//	T  NAME  SOURCE  HOST  RECIPIENTS  BLOCKS  ATTEMPTS    a message was enqueued
//	J  CHANNEL  RECIPIENTS                                 a message was refused
//
// A command (SYNC, VIEW, MESSAGES, JOBS, COUNTERS, CLEAR, WALK; each may name
// a channel) is answered by lines, the last of them a single dot. Between
// controller and channel program go names of messages one way and results the
// other:
//
//	STATE  NAME  NEW-NAME  DELIVERED  DELAYED  FAILED  BLOCKS  SECONDS-IN-QUEUE
const maxLine = 1024

// Told is what an enqueuer tells of a message.
type Told struct {
	Name       string // below the queue directory
	Source     string // the channel that enqueued it; "" for one that was already there
	Host       string // where it goes, for channels where that matters
	Recipients int
	Blocks     int
	Attempts   int
}

// Result is what became of a message in the hands of a channel program.
type Result struct {
	State byte
	Name  string // by which it was handed over
	Now   string // its name after the attempt
	// Recipients by what became of them.
	Delivered, Delayed, Failed int
	Blocks                     int
	InQueue                    time.Duration
}

// The states of a Result.
const (
	Done  = 'D' // it is out of the queue
	Later = 'Q' // some of it must be tried again
	Busy  = 'B' // someone else has it, or it could not be tried at all
	Held  = 'H' // it is .HELD
)

var errLine = errors.New("no line of the protocol")

func (t Told) line() string {
	return fields("T", t.Name, t.Source, t.Host, strconv.Itoa(t.Recipients), strconv.Itoa(t.Blocks), strconv.Itoa(t.Attempts))
}

// fields joins fields to a line. A value that would break it up is cut there.
func fields(values ...string) string {
	for i, v := range values {
		if j := strings.IndexAny(v, "\t\r\n"); j >= 0 {
			v = v[:j]
		}
		values[i] = v[:min(len(v), 255)]
	}
	return strings.Join(values, "\t") + "\n"
}

func parseTold(line string) (Told, error) {
	f := strings.Split(line, "\t")
	if len(f) != 7 || f[0] != "T" {
		return Told{}, errLine
	}
	t := Told{Name: f[1], Source: f[2], Host: f[3]}
	if !numbers(f[4:], &t.Recipients, &t.Blocks, &t.Attempts) || !validName(t.Name) {
		return Told{}, fmt.Errorf("read %q: %w", line[:min(len(line), 80)], errLine)
	}
	return t, nil
}

// validName says whether a name can be one of the queue: CHANNEL/[NNN/]FILE.
func validName(name string) bool {
	parts := strings.Split(name, "/")
	if len(parts) < 2 || len(parts) > 3 {
		return false
	}
	for _, p := range parts[:len(parts)-1] {
		if p == "" || p[0] == '.' {
			return false
		}
	}
	_, _, _, _, ok := queue.ParseName(parts[len(parts)-1])
	return ok
}

func numbers(text []string, to ...*int) bool {
	for i, p := range to {
		n, err := strconv.Atoi(text[i])
		if err != nil || n < 0 || n > 1<<31-1 {
			return false
		}
		*p = n
	}
	return true
}

func (r Result) line() string {
	return fields(string(rune(r.State)), r.Name, r.Now, strconv.Itoa(r.Delivered), strconv.Itoa(r.Delayed), strconv.Itoa(r.Failed),
		strconv.Itoa(r.Blocks), strconv.Itoa(int(min(r.InQueue, 1<<30*time.Second).Seconds())))
}

func parseResult(line string) (Result, error) {
	f := strings.Split(line, "\t")
	if len(f) != 8 || len(f[0]) != 1 || strings.IndexByte("DQBH", f[0][0]) < 0 || !validName(f[1]) || f[2] != "" && !validName(f[2]) {
		return Result{}, errLine
	}
	r := Result{State: f[0][0], Name: f[1], Now: f[2]}
	seconds := 0
	if !numbers(f[3:], &r.Delivered, &r.Delayed, &r.Failed, &r.Blocks, &seconds) {
		return Result{}, errLine
	}
	r.InQueue = time.Duration(seconds) * time.Second
	return r, nil
}

// channelOf is the first part of a name.
func channelOf(name string) string {
	channel, _, _ := strings.Cut(name, "/")
	return channel
}

// hostMatters says whether a channel's messages are told apart by where they go.
func hostMatters(channel string) bool { return strings.HasPrefix(channel, "tcp_") }

// HostOf is where a message of a channel goes: the domain of its first
// recipient, or "" for a channel where that does not matter.
func HostOf(channel string, e *queue.Envelope) string {
	if !hostMatters(channel) || len(e.Recipients) == 0 {
		return ""
	}
	a := e.Recipients[0].Address
	return strings.ToLower(a[strings.LastIndexByte(a, '@')+1:])
}
