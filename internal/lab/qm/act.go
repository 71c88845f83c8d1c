package qm

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"path"
	"strconv"
	"strings"

	"github.com/mtawatch/mtawatch/internal/lab/jobs"
	"github.com/mtawatch/mtawatch/internal/lab/maillog"
	"github.com/mtawatch/mtawatch/internal/lab/queue"
)

// chosen gives the messages that a command names: numbers of the last listing,
// ranges of them (3-7), names of files, all of a -channel=NAME -all, or those
// that are -held, of all channels or of one.
func (t *tool) chosen(o options) ([]queue.Entry, error) {
	if o.has("held") || o.has("channel") && o.has("all") {
		var all []queue.Entry
		channels, err := t.channelsOf(o.set["channel"])
		if err != nil {
			return nil, err
		}
		for _, c := range channels {
			err := t.queue.Walk(c, func(e queue.Entry) error {
				if e.Held || !o.has("held") {
					all = append(all, e)
				}
				return nil
			})
			if err != nil {
				return nil, err
			}
		}
		return all, nil
	}
	var list []queue.Entry
	for _, word := range o.rest {
		low, high, _ := strings.Cut(word, "-")
		from, err1 := strconv.Atoi(low)
		to, err2 := strconv.Atoi(high)
		if high == "" {
			to, err2 = from, nil
		}
		switch {
		case err1 == nil && err2 == nil && from >= 1 && to <= len(t.listed) && from <= to:
			list = append(list, t.listed[from-1:to]...)
		case err1 == nil:
			return nil, fmt.Errorf("%%QM-E-NOSUCHID, no message %s in the last listing; use directory first", word)
		default:
			e, err := t.find(word)
			if err != nil {
				return nil, err
			}
			list = append(list, e)
		}
	}
	if len(list) == 0 {
		return nil, errors.New("%QM-E-NOID, name messages: numbers of the last listing, names of files, or -channel=NAME -all")
	}
	return list, nil
}

// find looks a file up by its path or by its name alone.
func (t *tool) find(name string) (found queue.Entry, err error) {
	if strings.Contains(name, "/") {
		return t.queue.Stat(name)
	}
	channels, err := t.queue.Channels()
	if err != nil {
		return found, err
	}
	for _, c := range channels {
		err := t.queue.Walk(c, func(e queue.Entry) error {
			if path.Base(e.Path) == name {
				found = e
			}
			return nil
		})
		if err != nil {
			return found, err
		}
	}
	if found.Path == "" {
		return found, fmt.Errorf("%%QM-E-NOSUCHMSG, no message file %s", printable(name))
	}
	return found, nil
}

// each does something to the chosen messages, each under its lock, and tells
// which are busy or gone.
func (t *tool) each(o options, word, did string, f func(*queue.Message) error) error {
	list, err := t.chosen(o)
	if err != nil {
		return err
	}
	var errs []error
	for _, e := range list {
		m, err := t.queue.Lock(e)
		if err == nil {
			err = f(m)
			_ = m.Close()
		}
		if err != nil {
			errs = append(errs, fmt.Errorf("%%QM-E-NOT%s, %s: %w", word, path.Base(e.Path), err))
			continue
		}
		t.say("%%QM-I-%s, %s the message file %s", word, did, e.Path)
	}
	return errors.Join(errs...)
}

func (t *tool) transaction() string {
	t.serial++
	return maillog.Process(os.Getpid(), 1, t.serial)
}

func (t *tool) remove(_ context.Context, o options) error {
	return t.each(o, "DELETED", "deleted", func(m *queue.Message) error {
		return t.notices.Delete(t.transaction(), m, "Message deleted by the postmaster")
	})
}

func (t *tool) giveBack(_ context.Context, o options) error {
	return t.each(o, "RETURNED", "returned", func(m *queue.Message) error {
		return t.notices.Return(t.transaction(), m, "Message returned by the postmaster")
	})
}

func (t *tool) hold(_ context.Context, o options) error {
	return t.each(o, "HELD", "held", func(m *queue.Message) error {
		if m.Entry.Held {
			return nil
		}
		_, err := m.Hold()
		return err
	})
}

// release tells the controller of each message, so that it is tried now.
func (t *tool) release(_ context.Context, o options) error {
	return t.each(o, "RELEASED", "released", func(m *queue.Message) error {
		if !m.Entry.Held {
			return errors.New("it is not held")
		}
		e, err := m.Release()
		if err != nil {
			return err
		}
		env := m.Envelope
		env.Source = "" // it was there before
		_ = t.client.Tell(e, &env, m.Blocks())
		return nil
	})
}

func (t *tool) history(o options) error {
	return t.show(o, func(m *queue.Message) { t.lines(m.History) })
}

func (t *tool) read(o options) error {
	return t.show(o, func(m *queue.Message) {
		t.say("From: %s", printable(m.From))
		for _, r := range m.Recipients {
			t.say("To: %s", printable(r.Address))
		}
		t.say("")
		in := bufio.NewScanner(m.Content())
		for in.Scan() && (in.Text() != "" || o.has("content")) {
			t.say("%s", printable(in.Text()))
		}
	})
}

func (t *tool) lines(text string) {
	if text == "" {
		t.say("no delivery was tried")
	}
	for line := range strings.Lines(text) {
		t.say("%s", printable(strings.TrimRight(line, "\n")))
	}
}

func (t *tool) show(o options, f func(*queue.Message)) error {
	list, err := t.chosen(o)
	if err != nil {
		return err
	}
	for _, e := range list {
		m, err := t.queue.Read(e)
		if err != nil {
			return err
		}
		t.say("Filename: %s", e.Path)
		f(m)
		t.say("")
		_ = m.Close()
	}
	return nil
}

// stop writes the list of stopped channels, which outlives every process.
func (t *tool) stop(o options, stop bool) error {
	c, ok := t.site.Channel(o.first())
	if !ok {
		return fmt.Errorf("%%QM-E-NOCHANNEL, no channel %q", o.first())
	}
	if err := jobs.SetStopped(t.site, c.Name, stop); err != nil {
		word := map[bool]string{true: "NOTSTOPPED, unable to stop", false: "NOTSTARTED, unable to start"}[stop]
		return fmt.Errorf("%%QM-E-%s the channel; cannot update the hold list: %w", word, err)
	}
	t.say("%%QM-I-%s, channel %s", map[bool]string{true: "STOPPED", false: "STARTED"}[stop], c.Name)
	return nil
}

// clean holds, or deletes, what has all of the strings asked for (with
// -match=or one of them).
func (t *tool) clean(_ context.Context, o options) error {
	var fields []string
	for _, f := range []string{"from", "to", "domain_to", "subject", "content"} {
		if !o.has(f) {
			continue
		}
		if n := o.number("min_length", 24); len(o.set[f]) < n {
			return fmt.Errorf("%%QM-E-TOOSHORT, -%s=%s is shorter than %d bytes: more than is meant might match; -min_length=%d allows it", f, o.set[f], n, len(o.set[f]))
		}
		fields = append(fields, f)
	}
	if len(fields) == 0 {
		return errors.New("%QM-E-NOTHING, say what to look for: -from=, -to=, -domain_to=, -subject=, -content=")
	}
	channels, err := t.channelsOf(o.first())
	if err != nil {
		return err
	}
	n := 0
	for _, c := range channels {
		list, err := t.entries(c, false)
		if err != nil {
			return err
		}
		for _, e := range list {
			if o.has("ignore_zz") && e.Attempts == 0 {
				continue
			}
			did, err := t.cleanOne(e, fields, o)
			if err != nil {
				return err
			}
			if did {
				n++
			}
		}
	}
	t.say("%%QM-I-CLEANED, %s %d message files", map[bool]string{true: "deleted", false: "held"}[o.has("delete")], n)
	return nil
}

func (t *tool) cleanOne(e queue.Entry, fields []string, o options) (bool, error) {
	m, err := t.queue.Lock(e)
	if err != nil {
		return false, nil // gone, or being delivered
	}
	defer m.Close()
	hits := 0
	for _, f := range fields {
		for _, s := range what(m, f) {
			if strings.Contains(strings.ToLower(s), strings.ToLower(o.set[f])) {
				hits++
				break
			}
		}
	}
	if hits == 0 || hits < len(fields) && o.set["match"] != "or" {
		return false, nil
	}
	if o.has("delete") {
		return true, t.notices.Delete(t.transaction(), m, "Message deleted by the postmaster")
	}
	_, err = m.Hold()
	return err == nil, err
}
