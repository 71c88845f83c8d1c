package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/mtawatch/mtawatch/internal/adapter/all"
	"github.com/mtawatch/mtawatch/internal/mta"
	"github.com/mtawatch/mtawatch/internal/qshape"
	"github.com/mtawatch/mtawatch/internal/view"
)

// queueFlags are the flags of queue and its sub-commands.
type queueFlags struct {
	from, mta, instance string
	queues              []string
	top                 int
	fresh               bool
	counters, summary   bool
	own                 bool // ask the mail server's own tools
	message             view.MessageQuery
}

func (t *tool) queueCommand() *cobra.Command {
	f := &queueFlags{}
	c := &cobra.Command{
		Use:   "queue",
		Short: "The queue by destination and age",
		Long: "The queue by destination and age, as qshape shows it: columns are upper limits in minutes, counts are of\n" +
			"recipients. With --from it reads a saved listing (postqueue -p, mailq, postqueue -j, imsimta qm) instead of a live queue.",
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error { return t.queueTable(c.Context(), f) },
	}
	t.reading(c)
	p := c.PersistentFlags()
	p.StringVar(&f.from, "from", "", "read a saved queue listing from `FILE`, - for standard input")
	p.StringVar(&f.mta, "mta", "", "the mail server that made the listing of --from: "+mtaNames()+" (default: by the look of it)")
	p.StringVar(&f.instance, "instance", "", "only this instance")
	c.Flags().StringSliceVar(&f.queues, "queue", nil, "only these queues")
	c.Flags().IntVar(&f.top, "top", 20, "how many destinations to show")
	c.Flags().BoolVar(&f.fresh, "fresh", false, "list the queue now instead of giving the daemon's last listing")
	counters := t.queueSub(f, "counters", "What each queue holds, and what each channel or program has done", t.queueCounters, false)
	counters.Flags().BoolVar(&f.own, "own", false, "the mail server's own counters, beside the exact ones")
	messages := t.queueMessagesSub(f, "messages", "The messages in the queue, with every recipient and reason", t.messagesWhole)
	messages.Flags().BoolVar(&f.own, "own", false, "what waits for each destination, as the mail server's own tools tell")
	c.AddCommand(
		t.queueSub(f, "summarize", "What each channel holds, where there are such, and the queue by destination and age", t.queueSummary, true),
		counters,
		t.queueMessagesSub(f, "list", "The messages in the queue, one line each", t.messageList),
		messages)
	return c
}

func (t *tool) queueSub(f *queueFlags, name, short string, do func(context.Context, *queueFlags) error, wide bool) *cobra.Command {
	c := t.reading(&cobra.Command{Use: name, Short: short, Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error { return do(c.Context(), f) }})
	c.Flags().BoolVar(&f.fresh, "fresh", false, "ask the mail server now instead of giving the daemon's last figures")
	if wide {
		c.Flags().StringSliceVar(&f.queues, "queue", nil, "only these queues")
		c.Flags().IntVar(&f.top, "top", 20, "how many destinations to show")
	}
	return c
}

func (t *tool) queueMessagesSub(f *queueFlags, name, short string, do func(view.Messages) error) *cobra.Command {
	c := t.reading(&cobra.Command{Use: name + " [QUEUE]", Short: short, Args: cobra.MaximumNArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			if len(args) == 1 {
				f.message.Queue = args[0]
			}
			if f.own {
				return t.ownWaiting(c.Context(), f)
			}
			m, err := t.queueMessages(c.Context(), f)
			if err != nil {
				return err
			}
			if t.json {
				return errors.Join(t.out.json(m), unknown(m.Unknown))
			}
			return do(m)
		}})
	p := c.Flags()
	p.StringVar(&f.message.Queue, "queue", "", "only this queue")
	p.StringVar(&f.message.Destination, "destination", "", "only with a recipient in this domain")
	p.StringVar(&f.message.Sender, "sender", "", "only from this sender, <> for the null sender")
	p.StringVar(&f.message.ID, "id", "", "only this queue id")
	p.IntVar(&f.message.Limit, "limit", 100, "at most so many messages")
	return c
}

// queueSummary is queueTable with the channels before it.
func (t *tool) queueSummary(ctx context.Context, f *queueFlags) error {
	f.summary = true
	return t.queueTable(ctx, f)
}

// unknownLine says what is unknown, and why, where something is.
func (t *tool) unknownLine(why string) {
	if why != "" {
		t.out.line(t.out.in(red, "UNKNOWN") + ": " + clean(why))
	}
}

// unknown is the exit status for an answer that is not known.
func unknown(why string) error {
	if why == "" {
		return nil
	}
	return exit(exitUnknown)
}

func mtaNames() string { return strings.Join(mtaList(), ", ") }

func mtaList() []string {
	var names []string
	for _, a := range all.Adapters() {
		names = append(names, a.Name)
	}
	return names
}

func (t *tool) getQueue(ctx context.Context, f *queueFlags) (view.Queue, error) {
	if f.top < 0 || f.top > 1000 {
		return view.Queue{}, view.Advise(fmt.Errorf("--top %d is out of range", f.top), "give a number from 1 to 1000")
	}
	if f.from != "" {
		l, err := t.readListing(f, func(mta.QueuedMessage) bool { return false })
		if err != nil {
			return view.Queue{}, err
		}
		return queueOf(f.mta, l.shape.Table(l.at)), nil
	}
	q := view.QueueQuery{Instance: f.instance, Queues: f.queues, Top: f.top, Fresh: f.fresh, Counters: f.counters}
	return ask(ctx, t, func(s view.Source) (view.Queue, error) {
		v, err := s.Queue(ctx, q)
		if err == nil && !q.Fresh && tableMissing(v) {
			q.Fresh = true
			v, err = s.Queue(ctx, q)
		}
		if err == nil {
			err = onlyQueues(&v, f.queues)
		}
		return v, err
	})
}

// onlyQueues leaves the named queues in the details, and refuses a name that
// no mail server here has.
func onlyQueues(q *view.Queue, names []string) error {
	if len(names) == 0 {
		return nil
	}
	if err := knownQueues(*q, names); err != nil {
		return err
	}
	for i := range q.Detail {
		q.Detail[i].Queues = slices.DeleteFunc(slices.Clone(q.Detail[i].Queues), func(c mta.QueueCount) bool { return !slices.Contains(names, c.Name) })
	}
	return nil
}

// knownQueues refuses names of queues that are not there. Where a queue
// could not be read, nobody knows.
func knownQueues(q view.Queue, names []string) error {
	var known []string
	for _, d := range q.Detail {
		for _, c := range d.Queues {
			if !slices.Contains(known, c.Name) {
				known = append(known, c.Name)
			}
		}
	}
	for _, name := range names {
		if len(known) > 0 && q.Unknown == "" && !slices.Contains(known, name) {
			return view.Advise(fmt.Errorf("no queue %q", clean(name)), "the queues here are "+clean(strings.Join(known, ", ")))
		}
	}
	return nil
}

// tableMissing reports whether the last listing is from a time when the
// queue was empty, and no longer is.
func tableMissing(q view.Queue) bool {
	for _, d := range q.Detail {
		held := int64(0)
		for _, c := range d.Queues {
			held += c.Messages
		}
		if held > 0 && len(d.Rows) == 0 && d.ListFailed == "" {
			return true
		}
	}
	return false
}

func (t *tool) queueMessages(ctx context.Context, f *queueFlags) (view.Messages, error) {
	q := f.message
	q.Instance = f.instance
	if q.Limit < 1 || q.Limit > 10000 {
		return view.Messages{}, view.Advise(fmt.Errorf("--limit %d is out of range", q.Limit), "give a number from 1 to 10000")
	}
	if f.from != "" {
		l, err := t.readListing(f, qshape.Filter{Queue: q.Queue, ID: q.ID, Sender: q.Sender, Destination: q.Destination}.Takes)
		if err != nil {
			return view.Messages{}, err
		}
		return view.Messages{Time: l.at, Messages: l.messages, More: l.more}, nil
	}
	return ask(ctx, t, func(s view.Source) (view.Messages, error) {
		m, err := s.Messages(ctx, q)
		if err != nil || len(m.Messages) > 0 || m.Unknown != "" || q.Queue == "" {
			return m, err
		}
		counts, err := s.Queue(ctx, view.QueueQuery{Instance: q.Instance})
		if err != nil {
			return m, err
		}
		return m, knownQueues(counts, []string{q.Queue})
	})
}

// readListing reads the listing that --from names. Only whole listings
// count: half of one would look like a smaller queue.
func (t *tool) readListing(f *queueFlags, keep func(mta.QueuedMessage) bool) (*listing, error) {
	in, at, err := t.open(f.from)
	if err != nil {
		return nil, err
	}
	defer in.Close()
	text := io.Reader(in)
	if f.mta == "" {
		if f.mta, text, err = sniffListing(f.from, in); err != nil {
			return nil, err
		}
	}
	a, ok := all.ByName(f.mta)
	if !ok || a.ReadList == nil {
		return nil, view.Advise(fmt.Errorf("no mail server %q whose listings can be read", f.mta), "give --mta one of "+mtaNames())
	}
	l := &listing{at: at, shape: qshape.New(f.top), messages: []view.MessageItem{}}
	only := make(map[string]bool)
	for _, name := range f.queues {
		only[name] = true
	}
	limit := max(f.message.Limit, 1)
	for m, err := range a.ReadList(text) {
		if err != nil {
			return nil, noListing(f.from, err)
		}
		if len(only) > 0 && !only[m.Queue] {
			continue
		}
		l.shape.Add(m)
		if !keep(m) {
			continue
		}
		if len(l.messages) == limit {
			l.more = true
			continue
		}
		l.messages = append(l.messages, view.MessageItem{Instance: f.mta, QueuedMessage: m})
	}
	return l, nil
}

// open opens a file, compressed or not, or standard input for "-", with the
// moment when it was written.
func (t *tool) open(name string) (io.ReadCloser, time.Time, error) {
	if name == "-" {
		return io.NopCloser(t.in), time.Now(), nil
	}
	f, err := openLog(name)
	if err != nil {
		return nil, time.Time{}, err
	}
	at, err := modTime(name)
	if err != nil {
		f.Close()
		return nil, time.Time{}, err
	}
	return f, at, nil
}

// advise adds what to do about a file that cannot be read.
func advise(err error) error {
	switch {
	case errors.Is(err, fs.ErrPermission):
		return view.Advise(err, "run it as root, or as a user who may read the file (group adm for logs on Debian)")
	case errors.Is(err, fs.ErrNotExist):
		return view.Advise(err, "check the path")
	}
	return err
}
