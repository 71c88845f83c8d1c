package site

import (
	"fmt"
	"net/netip"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// reader fills a site from its files and gathers what is wrong with them.
type reader struct {
	site *Site
	file string
	line int
	errs []error

	masters  map[string]string // pattern of channel names -> program
	defaults []string          // keywords of the defaults block
}

type configFile struct {
	name string
	read func(*reader, []byte)
}

// configFiles are the files of a site, in the order in which they are read:
// practice.cnf first, for it says how long a day is.
func configFiles() []configFile {
	return []configFile{
		{"practice.cnf", (*reader).practice},
		{"option.dat", (*reader).options},
		{"dispatcher.cnf", (*reader).dispatcher},
		{"job_controller.cnf", (*reader).jobs},
		{"mappings", (*reader).mappings},
		{"imta.cnf", (*reader).channels},
	}
}

func (r *reader) fail(format string, a ...any) {
	r.errs = append(r.errs, fmt.Errorf("%s:%d: %s", r.file, r.line, fmt.Sprintf(format, a...)))
}

// lines calls f for each line that is no comment, without the blanks around it.
func (r *reader) lines(text []byte, f func(line string)) {
	r.line = 0
	for line := range strings.Lines(string(text)) {
		r.line++
		line = strings.TrimSpace(line)
		if strings.HasPrefix(line, "!") || strings.HasPrefix(line, "#") {
			continue
		}
		f(line)
	}
}

// settings calls f for each KEY=VALUE, with the section that it stands in
// ("SERVICE=SMTP", "" before the first).
func (r *reader) settings(text []byte, f func(section, key, value string)) {
	section := ""
	r.lines(text, func(line string) {
		if line == "" {
			return
		}
		if line[0] == '[' {
			if line[len(line)-1] != ']' {
				r.fail("section %q has no ']'", line)
				return
			}
			kind, name, _ := strings.Cut(line[1:len(line)-1], "=")
			section = strings.ToUpper(strings.TrimSpace(kind)) + "=" + strings.TrimSpace(name)
			f(section, "", "")
			return
		}
		key, value, ok := strings.Cut(line, "=")
		if !ok {
			r.fail("%q is no KEY=VALUE", line)
			return
		}
		f(section, strings.ToUpper(strings.TrimSpace(key)), strings.Trim(strings.TrimSpace(value), `"`))
	})
}

func (r *reader) number(key, value string, low, high int) int {
	n, err := strconv.Atoi(value)
	if err != nil || n < low || n > high {
		r.fail("%s=%s: want a number from %d to %d", key, value, low, high)
		return low
	}
	return n
}

func (r *reader) port(key, value string) int { return r.number(key, value, 1, 65535) }

// seconds reads a time in seconds, with decimals for those in a hurry.
func (r *reader) seconds(key, value string) time.Duration {
	n, err := strconv.ParseFloat(value, 64)
	if err != nil || !(n > 0) || n > 1e9 {
		r.fail("%s=%s: want a number of seconds above 0", key, value)
		return time.Second
	}
	return time.Duration(n * float64(time.Second))
}

func (r *reader) flag(key, value string) bool { return r.number(key, value, 0, 1) == 1 }

func (r *reader) practice(text []byte) {
	p := &r.site.Practice
	*p = Practice{Address: "127.0.0.1", RemotePort: 25, Day: 24 * time.Hour, CommandTimeout: 5 * time.Minute,
		DataTimeout: 10 * time.Minute, ConnectTimeout: 30 * time.Second, ReplyTimeout: 5 * time.Minute, MaxRecipients: 1000, Passwords: map[string]string{}}
	r.settings(text, func(_, key, value string) {
		switch key {
		case "":
		case "HOST":
			p.Host = strings.ToLower(value)
		case "ADDRESS":
			if _, err := netip.ParseAddr(value); err != nil {
				r.fail("ADDRESS=%s: want an IP address", value)
			}
			p.Address = value
		case "NAMESERVER":
			if _, err := netip.ParseAddrPort(value); err != nil && value != "" {
				r.fail("NAMESERVER=%s: want ADDRESS:PORT", value)
			}
			p.NameServer = value
		case "REMOTE_PORT":
			p.RemotePort = r.port(key, value)
		case "DAY":
			p.Day = r.seconds(key, value)
		case "COMMAND_TIMEOUT":
			p.CommandTimeout = r.seconds(key, value)
		case "DATA_TIMEOUT":
			p.DataTimeout = r.seconds(key, value)
		case "CONNECT_TIMEOUT":
			p.ConnectTimeout = r.seconds(key, value)
		case "REPLY_TIMEOUT":
			p.ReplyTimeout = r.seconds(key, value)
		case "MAX_RECIPIENTS":
			p.MaxRecipients = r.number(key, value, 1, 100_000)
		case "QUOTA":
			p.Quota = int64(r.number(key, value, 0, 1<<31-1))
		case "CERTIFICATE":
			p.Certificate = value
		case "KEY":
			p.Key = value
		case "AUTH":
			user, password, ok := strings.Cut(value, ":")
			if !ok || user == "" || password == "" {
				r.fail("AUTH=%s: want USER:PASSWORD", value)
				return
			}
			p.Passwords[user] = password
		default:
			r.fail("unknown setting %s", key)
		}
	})
}

func (r *reader) options(text []byte) {
	o := DefaultOptions()
	r.settings(text, func(_, key, value string) {
		switch key {
		case "":
		case "LOG_FORMAT":
			if o.LogFormat = r.number(key, value, 1, 6); o.LogFormat != 1 && o.LogFormat != 4 {
				r.fail("LOG_FORMAT=%s: the practice MTA writes 1 and 4", value)
			}
		case "LOG_PROCESS":
			o.LogProcess = r.flag(key, value)
		case "LOG_MESSAGE_ID":
			o.LogMessageID = r.flag(key, value)
		case "LOG_FILENAME":
			o.LogFilename = r.flag(key, value)
		case "LOG_ENVELOPE_ID":
			o.LogEnvelopeID = r.flag(key, value)
		case "LOG_USERNAME":
			o.LogUsername = r.flag(key, value)
		case "LOG_NODE":
			o.LogNode = r.flag(key, value)
		case "LOG_NOTARY":
			o.LogNotary = r.flag(key, value)
		case "LOG_REASON":
			o.LogReason = r.flag(key, value)
		case "LOG_QUEUE_TIME":
			o.LogQueueTime = r.flag(key, value)
		case "LOG_CONNECTION":
			o.LogConnection = r.number(key, value, 0, 255)
		case "SEPARATE_CONNECTION_LOG":
			o.SeparateConnectionLog = r.flag(key, value)
		case "MAX_B_ENTRIES":
			o.MaxBadCommands = r.number(key, value, 0, 1000)
		case "MAX_RECEIVED_LINES":
			o.MaxReceived = r.number(key, value, 1, 1000)
		case "BLOCK_LIMIT":
			o.MaxMessageSize = int64(r.number(key, value, 0, 1<<30)) * 1024
		default:
			r.fail("unknown option %s", key)
		}
	})
	r.site.Options = o
}

func (r *reader) dispatcher(text []byte) {
	var list []Service
	r.settings(text, func(section, key, value string) {
		name, ok := strings.CutPrefix(section, "SERVICE=")
		switch {
		case key == "" && (!ok || name == ""):
			r.fail("section [%s]: want [SERVICE=NAME]", section)
			return
		case key == "":
			list = append(list, Service{Name: name, Address: r.site.Practice.Address})
			return
		case len(list) == 0:
			r.fail("%s stands before the first [SERVICE=NAME]", key)
			return
		}
		r.service(&list[len(list)-1], key, value)
	})
	for i := range list {
		if list[i] = list[i].withDefaults(); len(list[i].Ports) == 0 {
			r.fail("service %s has no PORT", list[i].Name)
		}
		if v := list[i]; v.MinProcs > v.MaxProcs {
			r.fail("service %s: MIN_PROCS=%d is above MAX_PROCS=%d", v.Name, v.MinProcs, v.MaxProcs)
		}
	}
	r.site.Services = list
}

func (r *reader) service(v *Service, key, value string) {
	switch key {
	case "PORT":
		for p := range strings.SplitSeq(value, ",") {
			v.Ports = append(v.Ports, r.port(key, strings.TrimSpace(p)))
		}
	case "INTERFACE_ADDRESS":
		if _, err := netip.ParseAddr(value); err != nil {
			r.fail("INTERFACE_ADDRESS=%s: want an IP address", value)
		}
		v.Address = value
	case "IMAGE":
		v.Image = program(value)
	case "MIN_PROCS":
		v.MinProcs = r.number(key, value, 0, 100)
	case "MAX_PROCS":
		v.MaxProcs = r.number(key, value, 1, 100)
	case "MIN_CONNS":
		v.MinConns = r.number(key, value, 1, 10_000)
	case "MAX_CONNS":
		v.MaxConns = r.number(key, value, 1, 10_000)
	case "MAX_LIFE_TIME":
		v.MaxLifeTime = r.seconds(key, value)
	case "MAX_LIFE_CONNS":
		v.MaxLifeConns = r.number(key, value, 1, 1<<30)
	case "MAX_SHUTDOWN":
		v.MaxShutdown = r.number(key, value, 1, 100)
	case "MAX_IDLE_TIME":
		v.MaxIdleTime = r.seconds(key, value)
	case "BACKLOG":
		v.Backlog = r.number(key, value, 1, 65535)
	default:
		r.fail("unknown setting %s", key)
	}
}

// program gives the name from a path in any of the forms of the files:
// "IMTA_BIN:tcp_smtp_server", "/path/tcp_smtp_server".
func program(path string) string {
	if i := strings.LastIndexByte(path, ':'); i >= 0 {
		path = path[i+1:]
	}
	return filepath.Base(path)
}

func (r *reader) jobs(text []byte) {
	j := Jobs{Address: r.site.Practice.Address, TCPPort: 27442, Pools: map[string]int{}, SynchTime: 4 * time.Hour, MaxMessages: 100_000}
	r.masters = map[string]string{}
	r.settings(text, func(section, key, value string) {
		kind, name, _ := strings.Cut(section, "=")
		switch {
		case key == "" && kind == "POOL":
			j.Pools[name] = 10
		case key == "" && kind == "CHANNEL":
		case key == "":
			r.fail("section [%s]: want [POOL=NAME] or [CHANNEL=NAME]", section)
		case kind == "POOL" && key == "JOB_LIMIT":
			j.Pools[name] = r.number(key, value, 0, 1000)
		case kind == "CHANNEL" && key == "MASTER_COMMAND":
			r.masters[name] = program(value)
		case kind == "" && key == "TCP_PORT":
			j.TCPPort = r.port(key, value)
		case kind == "" && (key == "SYNCH_TIME" || key == "SYNC_TIME"):
			j.SynchTime = r.seconds(key, value)
		case kind == "" && key == "MAX_MESSAGES":
			j.MaxMessages = r.number(key, value, 1, 10_000_000)
		default:
			r.fail("unknown setting %s", key)
		}
	})
	r.site.Jobs = j
}

// mappings reads INTERNAL_IP, a line "$(NET/BITS) $Y" or "ADDRESS $Y" for each
// network that may relay, and of PORT_ACCESS the lines
// "TCP|*|*|$(NET/BITS)|* $N..." for those that may not connect.
func (r *reader) mappings(text []byte) {
	table := ""
	r.lines(text, func(line string) {
		f := strings.Fields(line)
		switch {
		case len(f) == 0:
		case len(f) == 1:
			table = f[0]
		case table == "INTERNAL_IP" && strings.EqualFold(f[1], "$Y"):
			r.network(&r.site.Practice.Internal, f[0])
		case table == "PORT_ACCESS" && len(f[1]) > 1 && strings.EqualFold(f[1][:2], "$N"):
			parts := strings.Split(f[0], "|")
			if len(parts) != 5 {
				r.fail("%s: want TCP|*|*|NETWORK|*", f[0])
				return
			}
			r.network(&r.site.Practice.Denied, parts[3])
		}
	})
}

// network adds a network written as an address or as $(NETWORK/BITS).
func (r *reader) network(list *[]netip.Prefix, s string) {
	net := strings.TrimSuffix(strings.TrimPrefix(s, "$("), ")")
	if a, err := netip.ParseAddr(net); err == nil {
		net = netip.PrefixFrom(a, a.BitLen()).String()
	}
	p, err := netip.ParsePrefix(net)
	if err != nil {
		r.fail("%s: want an address or $(NETWORK/BITS)", s)
		return
	}
	*list = append(*list, p.Masked())
}
