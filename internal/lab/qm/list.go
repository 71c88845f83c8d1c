package qm

import (
	"bufio"
	"cmp"
	"fmt"
	"io"
	"path"
	"slices"
	"strings"
	"time"
	"unicode"

	"github.com/mtawatch/mtawatch/internal/lab/maillog"
	"github.com/mtawatch/mtawatch/internal/lab/queue"
)

const rule = "--------------------------------------------------------------"

func match(pattern, name string) bool {
	ok, err := path.Match(pattern, name)
	return ok && err == nil
}

// entries gives the messages of a channel, the oldest first.
func (t *tool) entries(channel string, held bool) ([]queue.Entry, error) {
	var list []queue.Entry
	err := t.queue.Walk(channel, func(e queue.Entry) error {
		if e.Held == held {
			list = append(list, e)
		}
		return nil
	})
	slices.SortFunc(list, func(a, b queue.Entry) int {
		return cmp.Or(a.Modified.Compare(b.Modified), cmp.Compare(a.Path, b.Path))
	})
	return list, err
}

// directory lists messages; the numbers are for the verbs that act on them.
func (t *tool) directory(o options) error {
	channels, err := t.channelsOf(o.first())
	if err != nil {
		return err
	}
	t.listed = nil
	t.say("%s\nData gathered from the queue directory tree\n", stamp(time.Now()))
	grand := 0
	for _, name := range channels {
		list, err := t.entries(name, o.has("held"))
		if err != nil {
			return err
		}
		if list = t.selected(list, o); len(list) == 0 {
			continue
		}
		total := 0
		t.say("Channel: %-24s Size Queued since\n%s", name, rule)
		for _, e := range list {
			t.listed = append(t.listed, e)
			blocks := maillog.Blocks(e.Size)
			total += blocks
			size := fmt.Sprint(blocks)
			if o.has("nofile_info") {
				size = ""
			}
			t.say("%4d %-26s %6s %s", len(t.listed), path.Base(e.Path), size, since(e.Modified))
			if o.has("envelope") || o.has("from") || o.has("to") {
				t.envelope(e)
			}
		}
		t.say("%s", rule)
		if !o.has("nototal") && !o.has("nofile_info") {
			t.say("Total size: %26d\n", total)
		}
		grand += total
	}
	if !o.has("nototal") && !o.has("nofile_info") {
		t.say("Grand total size: %20d", grand)
	}
	return nil
}

// selected keeps what -from and -to ask for: one of them, or with -match=and both.
func (t *tool) selected(list []queue.Entry, o options) []queue.Entry {
	if !o.has("from") && !o.has("to") {
		return list
	}
	return slices.DeleteFunc(list, func(e queue.Entry) bool {
		m, err := t.queue.Read(e)
		if err != nil {
			return true
		}
		defer m.Close()
		from := o.has("from") && strings.EqualFold(m.From, o.set["from"])
		to := o.has("to") && slices.ContainsFunc(m.Recipients, func(r queue.Recipient) bool { return strings.EqualFold(r.Address, o.set["to"]) })
		if o.set["match"] == "and" && o.has("from") && o.has("to") {
			return !from || !to
		}
		return !from && !to
	})
}

func (t *tool) envelope(e queue.Entry) {
	m, err := t.queue.Read(e)
	if err != nil {
		return // it was delivered meanwhile
	}
	defer m.Close()
	t.say("       From: %s", printable(m.From))
	for _, r := range m.Recipients {
		t.say("       To:   %s", printable(r.Address))
	}
}

// printable keeps what is written by strangers from controlling the terminal,
// also by the second set of control characters.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return '?'
		}
		return r
	}, s)
}

// summarize counts each channel's messages on the disk.
func (t *tool) summarize(o options) error {
	channels, err := t.channelsOf(o.first())
	if err != nil {
		return err
	}
	t.say("%s\nData gathered from the queue directory tree\n", stamp(time.Now()))
	held := func(n int) string {
		if !o.has("held") {
			return ""
		}
		return fmt.Sprintf(" %10d", n)
	}
	line := "---------------------- ---------- ----------"
	if !o.has("noheading") {
		title := "Channel                  Messages     Blocks"
		if o.has("held") {
			title, line = title+"       Held", line+" ----------"
		}
		t.say("%s Oldest\n%s --------------------", title, line)
	}
	var messages, blocks, heldAll int
	for _, name := range channels {
		n, b, h, oldest := 0, 0, 0, time.Time{}
		err := t.queue.Walk(name, func(e queue.Entry) error {
			if e.Held {
				h++
				return nil
			}
			n++
			b += maillog.Blocks(e.Size)
			if oldest.IsZero() || e.Modified.Before(oldest) {
				oldest = e.Modified
			}
			return nil
		})
		if err != nil {
			return err
		}
		when := ""
		if n > 0 {
			when = " " + since(oldest)
		}
		t.say("%-22s %10d %10d%s%s", name, n, b, held(h), when)
		messages, blocks, heldAll = messages+n, blocks+b, heldAll+h
	}
	if !o.has("notrailing") {
		t.say("%s\n%-22s %10d %10d%s", line, "Totals", messages, blocks, held(heldAll))
	}
	return nil
}

// what gives of a message the strings that top counts and clean looks in.
func what(m *queue.Message, field string) []string {
	switch field {
	case "from":
		return []string{m.From}
	case "to", "domain_to":
		var list []string
		for _, r := range m.Recipients {
			a := r.Address
			if field == "domain_to" {
				a = strings.ToLower(a[strings.LastIndexByte(a, '@')+1:])
			}
			if !slices.Contains(list, a) {
				list = append(list, a)
			}
		}
		return list
	case "subject":
		return []string{subject(m.Content())}
	}
	in := bufio.NewScanner(io.LimitReader(m.Content(), 1<<20))
	body := false
	for in.Scan() { // the first line of the body stands for the content
		if body && strings.TrimSpace(in.Text()) != "" {
			return []string{in.Text()}
		}
		body = body || in.Text() == ""
	}
	return nil
}

func subject(r io.Reader) string {
	in := bufio.NewScanner(io.LimitReader(r, 64<<10))
	for in.Scan() && in.Text() != "" {
		if name, value, ok := strings.Cut(in.Text(), ":"); ok && strings.EqualFold(name, "subject") {
			return strings.TrimSpace(value)
		}
	}
	return ""
}

// top shows what is frequent, the subject unless told otherwise.
func (t *tool) top(o options) error {
	channels, err := t.channelsOf(o.first())
	if err != nil {
		return err
	}
	field := "subject"
	for _, f := range []string{"from", "to", "domain_to", "content"} {
		if o.has(f) {
			field = f
		}
	}
	for _, name := range channels {
		counts := map[string]int{}
		err := t.queue.Walk(name, func(e queue.Entry) error {
			if e.Held && !o.has("held") || e.Attempts == 0 && o.has("ignore_zz") {
				return nil
			}
			if m, err := t.queue.Read(e); err == nil {
				for _, s := range what(m, field) {
					counts[s]++
				}
				_ = m.Close()
			}
			return nil
		})
		if err != nil {
			return err
		}
		t.ranking(name, field, counts, o)
	}
	return nil
}

func (t *tool) ranking(channel, field string, counts map[string]int, o options) {
	var list []string
	for s, n := range counts {
		if n >= o.number("min_count", 2) {
			list = append(list, s)
		}
	}
	if len(list) == 0 {
		return
	}
	slices.SortFunc(list, func(a, b string) int { return cmp.Or(counts[b]-counts[a], cmp.Compare(a, b)) })
	t.say("Channel: %s\nCount      %s\n%s", channel, field, rule)
	for _, s := range list[:min(len(list), o.number("top", 20))] {
		t.say("%10d %s", counts[s], printable(s))
	}
	t.say("%s\n", rule)
}
