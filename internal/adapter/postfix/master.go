package postfix

import (
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/mtawatch/mtawatch/internal/mta"
)

// service is one entry of master.cf, as master(5) describes it.
type service struct {
	name    string // "smtp", "127.0.0.1:2525"
	kind    string // inet, unix, fifo, pass, unix-dgram
	maxproc string // "-" is the default limit, "0" is none
	command string // "smtpd"
	options []option
}

// option is one -o name=value of a service.
type option struct{ name, value string }

// parseMasterCF reads the text of a master.cf. Entries with too few fields
// are left out and counted.
func parseMasterCF(text string) (list []service, bad int) {
	for line := range logicalLines(text) {
		f := masterFields(line)
		if len(f) < 8 {
			bad++
			continue
		}
		list = append(list, service{name: f[0], kind: f[1], maxproc: f[6], command: f[7], options: parseOptions(f[8:])})
	}
	return list, bad
}

// masterFields splits at white space, but not within { }.
func masterFields(line string) []string {
	var list []string
	for {
		line = strings.TrimLeft(line, " \t")
		if line == "" {
			return list
		}
		n := -1
		if line[0] == '{' {
			n = closing(line) + 1
		}
		if n <= 0 {
			if n = strings.IndexAny(line, " \t"); n < 0 {
				n = len(line)
			}
		}
		list = append(list, line[:n])
		line = line[n:]
	}
}

func parseOptions(args []string) []option {
	var list []option
	for i := 0; i < len(args); i++ {
		text, ok := strings.CutPrefix(args[i], "-o")
		if !ok {
			continue
		}
		if text == "" {
			if i++; i == len(args) {
				break
			}
			text = args[i]
		}
		if len(text) > 1 && text[0] == '{' && text[len(text)-1] == '}' {
			text = text[1 : len(text)-1]
		}
		name, value, ok := strings.Cut(text, "=")
		if ok {
			list = append(list, option{strings.TrimSpace(name), strings.TrimSpace(value)})
		}
	}
	return list
}

// enabled leaves out what master_service_disable names: "inet", or
// "smtp/inet".
func enabled(list []service, disabled []string) []service {
	return slices.DeleteFunc(list, func(s service) bool {
		return slices.Contains(disabled, s.kind) || slices.Contains(disabled, s.name+"/"+s.kind)
	})
}

// option gives the last value of an -o setting.
func (s service) option(name string) (string, bool) {
	for i := len(s.options) - 1; i >= 0; i-- {
		if s.options[i].name == name {
			return s.options[i].value, true
		}
	}
	return "", false
}

// listens gives the sockets on which smtpd or postscreen accept SMTP. Ports
// that are names and not well known are looked up with port; those that it
// does not know (0) are named in unknown.
func listens(c *settings, services []service, port func(string) uint16) (list []mta.Listen, unknown []string) {
	limit := processLimit(c)
	behind := limit // of the smtpd to which postscreen passes connections
	for _, s := range services {
		if s.kind == "pass" && s.command == "smtpd" {
			behind = s.limit(limit)
		}
	}
	for _, s := range services {
		if s.kind != "inet" || s.command != "smtpd" && s.command != "postscreen" {
			continue
		}
		hosts, name := s.endpoint(c)
		p := port(name)
		if p == 0 {
			unknown = append(unknown, s.name)
			continue
		}
		n := s.limit(limit)
		if s.command == "postscreen" {
			n = behind
		}
		for _, host := range hosts {
			list = append(list, mta.Listen{Service: name, Address: host, Port: p, MaxProc: n})
		}
	}
	return list, unknown
}

// endpoint gives the addresses and the port of an inet service. An address ""
// is every interface, or a host name: names are not resolved.
func (s service) endpoint(c *settings) (hosts []string, port string) {
	name, err := c.with(s.name).expand(s.name)
	if err != nil {
		name = s.name
	}
	at := strings.LastIndexByte(name, ':')
	if at >= 0 {
		return addresses([]string{name[:at]}, c), name[at+1:]
	}
	if v, ok := s.option("inet_interfaces"); ok {
		return addresses(strings.Fields(strings.ReplaceAll(v, ",", " ")), c), name
	}
	return addresses(c.list("inet_interfaces"), c), name
}

func addresses(names []string, c *settings) []string {
	var v4, v6 bool
	for _, p := range c.list("inet_protocols") {
		v4 = v4 || p == "all" || p == "ipv4"
		v6 = v6 || p == "all" || p == "ipv6"
	}
	var list []string
	add := func(a string) {
		for _, have := range list {
			if have == a {
				return
			}
		}
		list = append(list, a)
	}
	for _, n := range names {
		n = strings.Trim(n, "[]")
		switch n {
		case "localhost", "loopback-only":
			if v4 {
				add("127.0.0.1")
			}
			if v6 {
				add("::1")
			}
			continue
		}
		if a, err := netip.ParseAddr(n); err == nil {
			add(a.String())
		} else {
			add("")
		}
	}
	if len(list) == 0 {
		list = []string{""}
	}
	return list
}

// limit gives the process limit of a service; 0 is none.
func (s service) limit(byDefault int) int {
	if s.maxproc == "-" {
		return byDefault
	}
	n, err := strconv.Atoi(s.maxproc)
	if err != nil || n < 0 {
		return 0
	}
	return n
}

// processLimit gives default_process_limit; 0 when it cannot be read.
func processLimit(c *settings) int {
	v, err := c.get("default_process_limit")
	if err != nil {
		return 0
	}
	n, err := strconv.Atoi(v)
	if err != nil || n < 0 {
		return 0
	}
	return n
}

// wellKnownPort gives the port of a number or of a name of SMTP; 0 for
// others.
func wellKnownPort(name string) uint16 {
	switch name {
	case "smtp":
		return 25
	case "submission":
		return 587
	case "smtps", "submissions", "urd", "ssmtp":
		return 465
	}
	n, err := strconv.ParseUint(name, 10, 16)
	if err != nil {
		return 0
	}
	return uint16(n)
}

// servicesPort looks a TCP service up in the text of an /etc/services, as
// services(5) describes it; 0 when it is not there.
func servicesPort(text, name string) uint16 {
	for line := range strings.Lines(text) {
		line, _, _ = strings.Cut(line, "#")
		f := strings.Fields(line)
		if len(f) < 2 {
			continue
		}
		number, proto, _ := strings.Cut(f[1], "/")
		if proto != "tcp" {
			continue
		}
		for i, n := range f {
			if i != 1 && n == name {
				p, err := strconv.ParseUint(number, 10, 16)
				if err == nil {
					return uint16(p)
				}
			}
		}
	}
	return 0
}

// logNames gives the names under which services log whose part before the
// first slash differs from the instance's, with the service that uses each.
func logNames(c *settings, services []service, instance string) []option {
	var list []option
	for _, s := range services {
		v, ok := s.option("syslog_name")
		if !ok {
			continue
		}
		v, err := c.with(s.name).expand(v)
		if err != nil {
			continue
		}
		name, _, _ := strings.Cut(v, "/")
		known := name == "" || name == instance
		for _, have := range list {
			known = known || have.value == name
		}
		if !known {
			list = append(list, option{s.name + "/" + s.kind, name})
		}
	}
	return list
}

// queueLifetime gives maximal_queue_lifetime, as postconf(5) writes times: a
// number and s, m, h, d (the default here) or w; 0 when it cannot be read.
func queueLifetime(c *settings) time.Duration {
	v, err := c.get("maximal_queue_lifetime")
	if err != nil || v == "" {
		return 0
	}
	unit := 24 * time.Hour
	switch v[len(v)-1] {
	case 's':
		unit = time.Second
	case 'm':
		unit = time.Minute
	case 'h':
		unit = time.Hour
	case 'w':
		unit = 7 * 24 * time.Hour
	}
	n, err := strconv.Atoi(strings.TrimRight(v, "smhdw"))
	if err != nil || n < 0 || n > 3650 && unit > time.Second {
		return 0
	}
	return time.Duration(n) * unit
}
