package jobs

import (
	"bufio"
	"fmt"
	"io"
	"os/exec"
	"time"

	"github.com/mtawatch/mtawatch/internal/lab/site"
)

const (
	// Threads is how many messages a channel program works on at once.
	Threads = 10
	// A program ends after so long, so many messages, or so long without any.
	maxLifeAge      = 4 * time.Hour
	maxLifeMessages = 50_000
	maxIdle         = time.Minute
	// spawnPause is between two new programs of a channel, for each that runs.
	spawnPause = 25 * time.Millisecond
)

// worker is a channel program that runs.
type worker struct {
	channel  string
	pool     string
	pid      int
	stdin    io.WriteCloser
	hands    map[string]*message // what it has, by the name it got it under
	started  time.Time
	active   time.Time // when it last had something in its hands
	handed   int
	done     int // messages that it took out of the queue
	failed   int // and that must be tried again
	retiring bool
}

// spawn starts a program of a channel if pool and channel have room for it;
// else it gives nil.
func (c *controller) spawn(conf *site.Channel, now time.Time) *worker {
	own, pool := 0, 0
	for _, w := range c.workers {
		if w.channel == conf.Name {
			own++
		}
		if w.pool == conf.Pool {
			pool++
		}
	}
	if own >= conf.MaxJobs || pool >= c.site.Jobs.Pools[conf.Pool] || now.Before(c.spawnAt[conf.Name]) {
		return nil
	}
	w, err := c.start(conf, now)
	if err != nil {
		c.log.error("start a program for channel %s: %v", conf.Name, err)
		c.spawnAt[conf.Name] = now.Add(10 * time.Second)
		return nil
	}
	c.spawnAt[conf.Name] = now.Add(spawnPause * time.Duration(own+1))
	c.workers = append(c.workers, w)
	return w
}

func (c *controller) start(conf *site.Channel, now time.Time) (*worker, error) {
	program := c.site.Program(conf.Program)
	cmd := exec.Command(program, "-channel", conf.Name)
	cmd.Stderr = c.log.file
	stdin, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	w := &worker{channel: conf.Name, pool: conf.Pool, pid: cmd.Process.Pid, stdin: stdin, hands: map[string]*message{}, started: now, active: now}
	go func() {
		in := bufio.NewScanner(stdout)
		for in.Scan() {
			r, err := parseResult(in.Text())
			c.events <- func(now time.Time) {
				if err != nil {
					c.log.error("%s process %d: %v", w.channel, w.pid, err)
					return
				}
				c.result(w, r, now)
			}
		}
		err := cmd.Wait()
		c.events <- func(now time.Time) { c.died(w, err, now) }
	}()
	return w, nil
}

// free gives the first program of a channel that has room: the later ones are
// only for when the first are busy.
func (c *controller) free(channel string) *worker {
	for _, w := range c.workers {
		if w.channel == channel && !w.retiring && len(w.hands) < Threads {
			return w
		}
	}
	return nil
}

// hand gives it a message. The pipe has room for many times what a program has
// in its hands; if it is broken, the program's end gives the message back.
func (w *worker) hand(m *message) {
	w.hands[m.name] = m
	w.handed++
	_, _ = io.WriteString(w.stdin, m.name+"\n")
	if w.handed >= maxLifeMessages {
		w.retire()
	}
}

func (w *worker) note(r Result, now time.Time) {
	w.active = now
	switch r.State {
	case Done:
		w.done++
	case Later:
		w.failed++
	}
}

func (w *worker) due(now time.Time) bool {
	return now.Sub(w.started) >= maxLifeAge || len(w.hands) == 0 && now.Sub(w.active) >= maxIdle
}

// retire lets it end after what it has.
func (w *worker) retire() {
	if !w.retiring {
		w.retiring = true
		_ = w.stdin.Close()
	}
}

func (w *worker) String() string { return fmt.Sprintf("%s process %d", w.channel, w.pid) }
