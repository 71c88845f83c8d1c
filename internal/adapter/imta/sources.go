package imta

import (
	"errors"
	"fmt"
	"io/fs"
	"strings"

	"github.com/mtawatch/mtawatch/internal/adapter"
	"github.com/mtawatch/mtawatch/internal/mta"
)

// options gives option.dat. There need not be one: all options have defaults.
func (d *describer) options() pairs {
	if d.opts != nil {
		return d.opts
	}
	d.opts = pairs{}
	file := d.l.file("IMTA_OPTION_FILE", "option.dat")
	text, err := d.l.read(d.h, file)
	switch {
	case err == nil:
		d.opts = parsePairs(text)
	case !errors.Is(err, fs.ErrNotExist):
		d.blindOptions = true
		d.note("%s cannot be read (%v): what the log holds is unknown; %s", file, adapter.Reason(err), adapter.Mend(err, file))
	}
	return d.opts
}

// logs finds where the instance writes what it does. Each line stands in one source.
func (d *describer) logs() {
	p := d.options()
	if !d.unified && !d.blindOptions {
		if n := optionNote(p); n != "" {
			d.note("%s in %s, then %s", n, d.l.file("IMTA_OPTION_FILE", "option.dat"), d.restart())
		}
	}
	if n, ok := p.number("LOG_MESSAGES_SYSLOG"); ok && n < 0 {
		d.syslog()
	} else {
		d.Logs = append(d.Logs, d.rotated("mail"))
		if !adapter.Exists(d.h, d.Logs[0].Path) {
			d.note("%s does not exist or cannot be seen; it comes with the first message of a channel that has the keyword logging", d.Logs[0].Path)
		}
		// Bit 0 of LOG_CONNECTION makes no record: a log that never comes would be a blind spot.
		records, _ := p.number("LOG_CONNECTION")
		if n, ok := p.number("SEPARATE_CONNECTION_LOG"); ok && n != 0 && records&^1 != 0 {
			d.Logs = append(d.Logs, d.rotated("connection"))
		}
	}
	for _, daemon := range []string{"dispatcher", "job_controller"} { // each start begins a log of another name
		if name, err := newest(d.h, d.l.log, daemon+".log-"); err == nil && name != "" {
			d.Logs = append(d.Logs, mta.LogSource{Kind: mta.LogFile, Path: d.l.log + "/" + name, Quiet: true})
		}
	}
	for _, name := range []string{"imta", "watcher"} {
		if f := d.l.log + "/" + name; adapter.Exists(d.h, f) {
			d.Logs = append(d.Logs, mta.LogSource{Kind: mta.LogFile, Path: f, Quiet: true})
		}
	}
}

// rotated gives a log that the return job rotates every night.
func (d *describer) rotated(stem string) mta.LogSource {
	return mta.LogSource{Kind: mta.LogFile, Path: d.l.log + "/" + stem + ".log_current", Older: []string{stem + ".log_yesterday", stem + ".log"}}
}

// syslog is where the log goes when LOG_MESSAGES_SYSLOG is negative.
func (d *describer) syslog() {
	f := adapter.SyslogFile(d.h)
	if f == "" {
		d.note("LOG_MESSAGES_SYSLOG is negative, so the log goes to syslog alone, and no syslog file of mail was found: name it in the configuration of mtawatch, or make the option positive, which writes files too")
		return
	}
	d.Logs = append(d.Logs, mta.LogSource{Kind: mta.LogFile, Path: f})
	d.note("LOG_MESSAGES_SYSLOG is negative: the log is read from %s; if the return job ran cannot be told from it", f)
}

// optionNote says what the log does not tell for want of an option, and what
// to set; "" when nothing is missing.
func optionNote(p pairs) string {
	format, ok := p.number("LOG_FORMAT")
	structured := ok && format >= 4 // these turn the others on by themselves
	var off, lost, set []string
	for _, o := range []struct{ name, lost string }{
		{"LOG_FILENAME", "deliveries cannot be joined to their messages"},
		{"LOG_MESSAGE_ID", "a message cannot be found by its id"},
		{"LOG_PROCESS", "what one session did cannot be joined"},
	} {
		if n, ok := p.number(o.name); ok && n == 0 || !ok && !structured {
			off, lost, set = append(off, o.name), append(lost, o.lost), append(set, o.name+"=1")
		}
	}
	// Bit 0: who a message came from. Bit 1: each connection.
	if n, _ := p.number("LOG_CONNECTION"); n&3 != 3 {
		off, set = append(off, "LOG_CONNECTION"), append(set, fmt.Sprintf("LOG_CONNECTION=%d", n|3))
		switch n & 3 {
		case 1:
			lost = append(lost, "connections are not in the log")
		case 2:
			lost = append(lost, "the log does not say from which address a message came")
		default:
			lost = append(lost, "neither connections nor the addresses that messages came from are in the log")
		}
	}
	if len(off) == 0 {
		return ""
	}
	are := "is"
	if len(off) > 1 {
		are = "are"
	}
	return fmt.Sprintf("%s %s off: %s; set %s", strings.Join(off, ", "), are, strings.Join(lost, "; "), strings.Join(set, ", "))
}
