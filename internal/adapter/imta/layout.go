package imta

import (
	"errors"
	"fmt"
	"io/fs"
	"path"
	"strings"

	"github.com/mtawatch/mtawatch/internal/adapter"
)

// layout is where the parts of one installation are.
type layout struct {
	base   string
	config string // imta.cnf, dispatcher.cnf, option.dat
	queue  string // a directory for each channel
	log    string // mail.log_current
	tailor pairs  // imta_tailor: where a site has put things
}

// wellKnown gives the bases at which the server is installed, the present
// releases first, then the directories that iPlanet 5 made for each instance.
func wellKnown(h adapter.Host) []string {
	list := []string{
		"/opt/sun/comms/messaging64", // 7 and 8
		"/opt/sun/comms/messaging",
		"/opt/SUNWmsgsr", // 6
	}
	for _, root := range []string{"/usr/iplanet/server5", "/opt/iplanet/server5"} {
		list = append(list, serverInstances(h, root)...)
	}
	return append(list, "/imta", "/opt/SUNWmail/imta", "/pmdf")
}

// serverInstances gives the MTAs of an iPlanet 5 server root.
func serverInstances(h adapter.Host, root string) []string {
	found, _ := fs.Glob(h, adapter.Rooted(root)+"/msg-*/imta") // the pattern is good
	for i := range found {
		found[i] = "/" + found[i]
	}
	return found
}

// errNoBase says that a directory is no installation.
var errNoBase = errors.New("no imta.cnf, dispatcher.cnf, config.xml or pmdf.cnf in its config (PMDF: table), and no queue or log directory with mail.log_current")

// findLayout looks at a base directory. One that is none of this MTA's is an
// error; one that may not be looked into is fs.ErrPermission.
func findLayout(h adapter.Host, base string) (layout, error) {
	l := layout{base: base, tailor: pairs{}}
	dirs := []string{base + "/config", base + "/table", base + "/imta/config"}
	if rest, ok := strings.CutPrefix(base, "/opt/"); ok {
		dirs = append(dirs, "/etc/opt/"+rest, "/etc/opt/"+rest+"/config") // SIMS
	}
	var denied error
	for _, dir := range dirs {
		for _, name := range []string{"imta.cnf", "dispatcher.cnf", "config.xml", "pmdf.cnf"} {
			_, err := fs.Stat(h, adapter.Rooted(dir+"/"+name))
			switch {
			case err == nil && l.config == "":
				l.config = dir
			case errors.Is(err, fs.ErrPermission):
				denied = err
			}
		}
	}
	l.readTailor(h)
	l.places(h)
	switch {
	case l.config != "":
		return l, nil
	case adapter.Exists(h, l.log+"/mail.log_current") && adapter.Exists(h, l.queue):
		l.config = dirs[0]
		return l, nil
	case denied != nil:
		return l, fmt.Errorf("look for an MTA in %s: %w", base, adapter.Absolute(denied))
	}
	return l, fmt.Errorf("look for an MTA in %s: %w", base, errNoBase)
}

// readTailor reads the file in which a site says where it has put things.
func (l *layout) readTailor(h adapter.Host) {
	for _, file := range []string{l.config + "/imta_tailor", l.config + "/pmdf_tailor"} {
		if text, err := adapter.ReadText(h, file); err == nil && l.config != "" {
			l.tailor = parsePairs(text)
			return
		}
	}
}

// places finds the directories of queue and log: those that the tailor file
// names, else the usual ones that exist. Where only one of the two exists, the other
// is taken to be beside it.
func (l *layout) places(h adapter.Host) {
	roots := []string{l.base + "/data", l.base, l.base + "/imta"}
	if strings.HasPrefix(l.base, "/opt/") { // SIMS, and 6.x on Solaris
		roots = append(roots, "/var"+l.base+"/data", "/var"+l.base)
	}
	for _, root := range roots {
		if l.queue == "" && adapter.Exists(h, root+"/queue") {
			l.queue = root + "/queue"
		}
		if l.log == "" && adapter.Exists(h, root+"/log") {
			l.log = root + "/log"
		}
	}
	switch {
	case l.queue == "" && l.log == "":
		l.queue, l.log = roots[0]+"/queue", roots[0]+"/log"
	case l.queue == "":
		l.queue = path.Dir(l.log) + "/queue"
	case l.log == "":
		l.log = path.Dir(l.queue) + "/log"
	}
	for _, prefix := range []string{"PMDF_", "IMTA_"} {
		if v := l.resolve(l.tailor[prefix+"QUEUE"]); v != "" {
			l.queue = v
		}
		if v := l.resolve(l.tailor[prefix+"LOG"]); v != "" {
			l.log = v
		}
	}
}

// resolve turns a name of the configuration into a path: NAME:rest is rest
// below what NAME stands for. What stays relative is "".
func (l *layout) resolve(v string) string {
	if logical, rest, ok := strings.Cut(v, ":"); ok {
		return l.under(strings.ToUpper(logical), rest)
	}
	if !path.IsAbs(v) {
		return ""
	}
	return path.Clean(v)
}

func (l *layout) under(logical, rest string) string {
	dir := l.tailor[logical]
	if !path.IsAbs(dir) {
		dir = ""
	}
	if dir == "" {
		switch strings.TrimPrefix(strings.TrimPrefix(logical, "IMTA_"), "PMDF_") {
		case "TABLE":
			dir = l.config
		case "ROOT":
			dir = l.base
		default:
			return ""
		}
	}
	return path.Join(dir, rest)
}

// file gives the path of a configuration file, which the tailor file may name.
func (l *layout) file(key, name string) string {
	if v := l.resolve(l.tailor[key]); v != "" {
		return v
	}
	return l.config + "/" + name
}

// read reads a configuration file with all that it draws in.
func (l *layout) read(h adapter.Host, file string) (string, error) {
	text, err := adapter.ReadText(h, file)
	if err != nil {
		return "", err
	}
	in := includes{read: func(name string) string {
		p := l.resolve(name)
		if p == "" {
			p = path.Join(path.Dir(file), name)
		}
		more, _ := adapter.ReadText(h, p) // what is missing draws in nothing
		return more
	}}
	return in.expand(text, 0), nil
}

// programs of the MTA by which a process shows its base.
func isProgram(name string) bool {
	return name == "dispatcher" || name == "job_controller" || name == "tcp_smtp_server"
}

// baseOf gives the base directory of a program's path: what stands before
// lib, bin or sbin; "" where there is none.
func baseOf(program string) string {
	if !path.IsAbs(program) {
		return ""
	}
	at := -1
	for _, dir := range []string{"/lib/", "/bin/", "/sbin/", "/lib64/"} {
		at = max(at, strings.LastIndex(program, dir))
	}
	if at <= 0 {
		return ""
	}
	return path.Clean(program[:at])
}
