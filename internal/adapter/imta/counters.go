package imta

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/mtawatch/mtawatch/internal/mta"
)

// errNoCounters says that a command that did its work showed no counter.
var errNoCounters = errors.New("no channel counters")

// parseCounters reads what imsimta qm counters show prints (administration
// guide 6.3, "Channel counters"): a heading, and of each channel a line with its
// name and below it, set in, a line for each count, with messages, recipients
// and blocks. Counts may be below zero. Times and connections are left out.
// With no channel the error is errNoCounters: that is not the same as zero.
func parseCounters(text string) ([]mta.OwnChannel, error) {
	var list []mta.OwnChannel
	in := false
	for line := range strings.Lines(text) {
		line = strings.TrimRight(line, " \t\r\n")
		words := strings.Fields(line)
		switch {
		case len(words) == 0 || isRule(line):
		case words[0][0] == '%':
			return nil, fmt.Errorf("%w: it says %q", errNoList, clip(line))
		case (&listing{}).heading(words):
			in = len(words) == 4
		case !in && len(list) == 0:
			return nil, fmt.Errorf("read counters: no heading before %q", clip(line))
		case !in: // connections, or another table
		case line[0] != ' ' && line[0] != '\t':
			if len(words) > 1 {
				in = false
				continue
			}
			list = append(list, mta.OwnChannel{Channel: words[0]})
		default:
			if len(list) == 0 {
				return nil, fmt.Errorf("read counters: no channel before %q", clip(line))
			}
			if err := addCount(&list[len(list)-1], words); err != nil {
				return nil, err
			}
		}
	}
	if len(list) == 0 {
		return nil, errNoCounters
	}
	return list, nil
}

// addCount takes "Delivered 12985 13768 264978 (12000 first time)".
func addCount(c *mta.OwnChannel, words []string) error {
	var to **mta.OwnCount
	switch words[0] {
	case "Received":
		to = &c.Received
	case "Stored":
		to = &c.Stored
	case "Delivered":
		to = &c.Delivered
	case "Submitted":
		to = &c.Submitted
	case "Attempted":
		to = &c.Attempted
	case "Rejected":
		to = &c.Rejected
	case "Failed":
		to = &c.Failed
	default:
		return nil
	}
	var n [3]int64
	for i := range n {
		if len(words) < 2+i {
			return fmt.Errorf("read counters of %s: %s has %d figures, not 3", clip(c.Channel), words[0], i)
		}
		var err error
		if n[i], err = strconv.ParseInt(words[1+i], 10, 64); err != nil {
			return fmt.Errorf("read counters of %s: %s %q is no number", clip(c.Channel), words[0], clip(words[1+i]))
		}
	}
	*to = &mta.OwnCount{Messages: n[0], Recipients: n[1], Blocks: n[2]}
	if words[0] == "Delivered" && len(words) == 7 && words[5] == "first" {
		if first, err := strconv.ParseInt(strings.TrimPrefix(words[4], "("), 10, 64); err == nil {
			c.FirstTime = &first
		}
	}
	return nil
}
