package jobs

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"strconv"
	"strings"
	"time"
)

// serve takes connections until the listener is closed.
func (c *controller) serve(l net.Listener) {
	for {
		conn, err := l.Accept()
		switch {
		case err == nil:
			go c.converse(conn)
		case errors.Is(err, net.ErrClosed):
			return
		default:
			c.log.error("accept: %v", err)
			time.Sleep(100 * time.Millisecond) // out of descriptors, most likely
		}
	}
}

// converse reads the lines of one connection. What is no line of ours ends it.
func (c *controller) converse(conn net.Conn) {
	defer conn.Close()
	in := bufio.NewScanner(conn)
	in.Buffer(make([]byte, 0, maxLine), 8*maxLine)
	for in.Scan() {
		line := in.Text()
		switch word, rest, _ := strings.Cut(line, "\t"); word {
		case "T":
			t, err := parseTold(line)
			if err != nil {
				return
			}
			c.events <- func(now time.Time) { c.told(t, now) }
		case "J":
			channel, number, _ := strings.Cut(rest, "\t")
			n, err := strconv.Atoi(number)
			if err != nil || n < 0 {
				return
			}
			c.events <- func(time.Time) {
				if ch := c.channels[channel]; ch != nil {
					ch.counters.Rejected.add(1, n, 0)
				}
			}
		default:
			if !c.answer(conn, word, rest) {
				return
			}
		}
	}
}

// answer asks the loop and writes what it says.
func (c *controller) answer(w io.Writer, word, channel string) bool {
	reply := make(chan []string, 1)
	c.events <- func(now time.Time) { c.command(word, channel, now, func(lines ...string) { reply <- lines }) }
	lines := <-reply
	_, err := io.WriteString(w, strings.Join(append(lines, "."), "\n")+"\n")
	return err == nil
}

// command works one command out; done is called once, at the latest with the
// end of a synchronisation.
func (c *controller) command(word, channel string, now time.Time, done func(...string)) {
	list := c.order
	if channel != "" {
		if c.channels[channel] == nil {
			done("-ERR no channel " + strconv.Quote(channel))
			return
		}
		list = []string{channel}
	}
	var lines []string
	add := func(values ...any) {
		text := make([]string, len(values))
		for i, v := range values {
			text[i] = fmt.Sprint(v)
		}
		lines = append(lines, strings.Join(text, "\t"))
	}
	switch word {
	case "SYNC":
		c.syncNow(now, func() { done(c.String()) })
		return
	case "VIEW", "WALK":
		for _, name := range list {
			c.view(c.channels[name], now, add)
		}
	case "MESSAGES":
		for _, name := range list {
			for _, d := range c.channels[name].destinations() {
				add(name, d.name, d.active(), d.waiting)
			}
		}
	case "JOBS":
		for _, w := range c.workers {
			if channel == "" || w.channel == channel {
				add(w.channel, w.pid, w.done, w.failed, strings.Join(w.hosts(), ","), strings.Join(w.names(), ","))
			}
		}
	case "COUNTERS":
		for _, name := range list {
			add(name, c.channels[name].counters.text())
		}
	case "CLEAR":
		for _, name := range list {
			c.clearCounters(c.channels[name])
		}
	default:
		lines = []string{"-ERR no command " + strconv.Quote(word)}
	}
	done(lines...)
}

// view tells of each message of a channel: the state, the seconds until it is
// due, the program's process.
func (c *controller) view(ch *channelCache, now time.Time, add func(...any)) {
	list := make([]*message, 0, len(ch.messages))
	for _, m := range ch.messages {
		list = append(list, m)
	}
	slices.SortFunc(list, func(a, b *message) int { return strings.Compare(a.name, b.name) })
	for _, m := range list {
		add(m.name, m.dest.name, map[state]string{ready: "ready", waiting: "waiting", working: "working"}[m.state],
			max(0, int(m.due.Sub(now).Seconds())))
	}
}

func (c *controller) clearCounters(ch *channelCache) {
	ch.counters = Counters{}
	for _, m := range ch.messages {
		ch.counters.Stored.add(1, m.rcpts, m.blocks)
	}
}

func (w *worker) names() []string {
	list := make([]string, 0, len(w.hands))
	for name := range w.hands {
		list = append(list, name)
	}
	slices.Sort(list)
	return list
}

func (w *worker) hosts() []string {
	var list []string
	for _, m := range w.hands {
		if h := m.dest.name; h != "" && !slices.Contains(list, h) {
			list = append(list, h)
		}
	}
	slices.Sort(list)
	return list
}

// text gives the numbers of the counters, a blank between them.
func (k *Counters) text() string {
	var b []string
	for _, c := range []Count{k.Received, k.Stored, k.Delivered, k.Submitted, k.Attempted, k.Rejected, k.Failed} {
		b = append(b, fmt.Sprint(c.Messages), fmt.Sprint(c.Recipients), fmt.Sprint(c.Blocks))
	}
	b = append(b, fmt.Sprint(k.First), fmt.Sprintf("%.0f", k.QueueTime.Seconds()), fmt.Sprintf("%.0f", k.QueueFirst.Seconds()))
	return strings.Join(b, " ")
}

func parseCounters(text string) (k Counters, err error) {
	f := strings.Fields(text)
	if len(f) != 24 {
		return k, errLine
	}
	var n [24]int
	for i, v := range f {
		if n[i], err = strconv.Atoi(v); err != nil {
			return k, errLine
		}
	}
	for i, c := range []*Count{&k.Received, &k.Stored, &k.Delivered, &k.Submitted, &k.Attempted, &k.Rejected, &k.Failed} {
		*c = Count{n[3*i], n[3*i+1], n[3*i+2]}
	}
	k.First, k.QueueTime, k.QueueFirst = n[21], time.Duration(n[22])*time.Second, time.Duration(n[23])*time.Second
	return k, nil
}

// NamedCounters are a channel's.
type NamedCounters struct {
	Channel string
	Counters
}

// ParseCounters reads an answer to COUNTERS.
func ParseCounters(lines []string) ([]NamedCounters, error) {
	var list []NamedCounters
	for _, line := range lines {
		name, text, _ := strings.Cut(line, "\t")
		k, err := parseCounters(text)
		if err != nil {
			return nil, fmt.Errorf("read counters: %w", err)
		}
		list = append(list, NamedCounters{name, k})
	}
	return list, nil
}

// Serve is the other side, a channel program's: it takes names from in until
// that or ctx ends, works on some at once, and writes each result to out. What
// is in work is finished; f's context does not end with ctx. A result
// that nobody wants any more is no error: the controller is gone, and the next
// one asks the disk. f gives the result of one message; it must not panic.
func Serve(ctx context.Context, in io.Reader, out io.Writer, f func(ctx context.Context, thread int, name string) Result) error {
	names := make(chan string)
	results := make(chan Result)
	threads := make(chan struct{}, Threads)
	for i := range Threads {
		go func() {
			for name := range names {
				r := f(context.WithoutCancel(ctx), i+1, name)
				r.Name = name
				results <- r
			}
			threads <- struct{}{}
		}()
	}
	wrote := make(chan struct{})
	go func() {
		defer close(wrote)
		for r := range results {
			_, _ = io.WriteString(out, r.line())
		}
	}()
	lines, readErr := make(chan string), make(chan error, 1)
	go func() { // it may wait for a line longer than we want one
		scan := bufio.NewScanner(in)
		for scan.Scan() {
			select {
			case lines <- scan.Text():
			case <-ctx.Done():
				return
			}
		}
		readErr <- scan.Err()
	}()
	var err error
	for open := true; open; {
		select {
		case name := <-lines:
			if validName(name) {
				names <- name
			}
		case err = <-readErr:
			open = false
		case <-ctx.Done():
			open = false
		}
	}
	close(names)
	for range Threads {
		<-threads
	}
	close(results)
	<-wrote
	if err != nil {
		return fmt.Errorf("read names: %w", err)
	}
	return nil
}
