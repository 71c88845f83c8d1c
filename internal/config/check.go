package config

import (
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/mtawatch/mtawatch/internal/access"
	"github.com/mtawatch/mtawatch/internal/notify"
	"github.com/mtawatch/mtawatch/internal/notify/all"
	"github.com/mtawatch/mtawatch/internal/probe"
)

// check refuses values outside their limits.
func (r *reader) check(c Config) {
	r.checkAddresses(c)
	r.duration("interval", c.Interval, time.Second, time.Hour)
	r.duration("retention", c.Retention, 24*time.Hour, 3650*24*time.Hour)
	r.duration("queue_list_interval", c.ListInterval, time.Second, 24*time.Hour)
	if c.ListMaxCPU <= 0 || c.ListMaxCPU > 1 {
		r.at("queue_list_max_cpu", "must be more than 0 and at most 1 (one core), not %g", c.ListMaxCPU)
	}
	r.duration("silence.least", c.Silence.Least, time.Second, 30*24*time.Hour)
	r.duration("silence.most", c.Silence.Most, time.Second, 30*24*time.Hour)
	if c.Silence.Most < c.Silence.Least {
		r.at("silence", "most (%s) is shorter than least (%s)", c.Silence.Most, c.Silence.Least)
	}
	if _, err := c.Location(); err != nil {
		r.at("timezone", "is no time zone known here: %q; use a name such as Europe/Berlin or UTC", c.Timezone)
	}
	if _, err := readLevel(c.LogLevel); err != nil {
		r.at("log_level", "%s", err)
	}
	if err := CheckCompat(c.Compat); err != nil {
		r.at("compat", "%s", err)
	}
	r.absolute("data_dir", c.DataDir, true)
	if !c.Detect && len(c.Instances) == 0 {
		r.at("detect", "is false and no instance is given: nothing would be watched")
	}
	r.duration("probe.smtp_interval", c.Probe.SMTPInterval, 10*time.Second, time.Hour)
	if c.Probe.DNSName != "" {
		if text := probe.CheckName(c.Probe.DNSName); text != "" {
			r.at("probe.dns_name", "%s", text)
		}
	}
	if c.Probe.DNSServer != "" {
		if _, err := probe.ReadServer(c.Probe.DNSServer); err != nil {
			r.at("probe.dns_server", "%s", err)
		}
	}
	r.checkWeb(c.Web)
	r.checkNotify(c.Notify)
	r.checkInstances(c.Instances)
}

func (r *reader) checkNotify(list []notify.Settings) {
	names := make(map[string]int)
	for i, s := range list {
		key := fmt.Sprintf("notify[%d]", i)
		_, wrong := all.New(s)
		for _, p := range wrong {
			r.at(strings.TrimSuffix(key+"."+p.Key, "."), "%s", p.Text)
		}
		if first, twice := names[s.Name]; twice && s.Name != "" {
			r.at(key+".name", "is the name of notify[%d] too", first)
		} else {
			names[s.Name] = i
		}
	}
}

func (r *reader) checkAddresses(c Config) {
	if c.Socket != NoSocket && c.Socket != "" && !filepath.IsAbs(c.Socket) {
		r.at("socket", "must be an absolute path, or none, not %q", c.Socket)
	}
	if len(c.Socket) > maxSocket {
		r.at("socket", "has %d bytes; a unix socket's path may have %d", len(c.Socket), maxSocket)
	}
	if c.Listen == "" {
		if c.SocketPath() == "" {
			r.at("listen", "is empty and there is no socket: nothing could ask the daemon")
		}
		return
	}
	host, port, err := net.SplitHostPort(c.Listen)
	if err != nil {
		r.at("listen", "must be an address and a port such as 127.0.0.1:9725, not %q", c.Listen)
		return
	}
	if n, err := strconv.ParseUint(port, 10, 16); err != nil || n == 0 {
		r.at("listen", "must end in a port from 1 to 65535, not %q", port)
	}
	if _, err := netip.ParseAddr(host); err != nil && host != "localhost" && host != "" {
		r.at("listen", "must begin with an IP address or localhost, not %q", host)
		return
	}
	if !isLoopback(host) {
		r.checkExposed(c)
	}
}

// checkExposed refuses an address that other machines can reach where nobody
// is asked who they are, or their passwords can be read on the way.
func (r *reader) checkExposed(c Config) {
	if !c.Web.Asks() {
		r.at("listen", "%s can be reached from other machines, and nothing asks who they are; use 127.0.0.1, "+
			"or give users or a tokens_file under web:", c.Listen)
		return
	}
	if c.Web.TLSCert == "" && c.Web.ConfigFile == "" && !c.InsecureListen {
		r.at("listen", "%s can be reached from other machines, and nothing encrypts what they send; give tls_cert and tls_key under web:, "+
			"or set insecure_listen: true where a proxy or the network encrypts it", c.Listen)
	}
}

func (r *reader) checkWeb(w Web) {
	names := make(map[string]int)
	for i, u := range w.Users {
		key := fmt.Sprintf("web.users[%d]", i)
		if wrong := access.CheckUser(u); wrong != "" {
			r.at(key, "%s", wrong)
		}
		if first, twice := names[u.Name]; twice && u.Name != "" {
			r.at(key+".name", "is the name of users[%d] too", first)
		} else {
			names[u.Name] = i
		}
	}
	r.absolute("web.tokens_file", w.TokensFile, false)
	r.absolute("web.tls_cert", w.TLSCert, false)
	r.absolute("web.tls_key", w.TLSKey, false)
	r.absolute("web.config_file", w.ConfigFile, false)
	if (w.TLSCert == "") != (w.TLSKey == "") {
		r.at("web", "tls_cert and tls_key are needed both, or none")
	}
	if w.ConfigFile != "" && w.TLSCert != "" {
		r.at("web.config_file", "names the certificate itself; leave out tls_cert and tls_key")
	}
	if w.BehindProxy && !w.Asks() {
		r.at("web.behind_proxy", "lets others in through the proxy, and nothing asks who they are; give users or a tokens_file")
	}
}

func isLoopback(host string) bool {
	a, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && a.Unmap().IsLoopback()
}

func (r *reader) checkInstances(list []Instance) {
	seen := make(map[string]int)
	for i, in := range list {
		key := fmt.Sprintf("instances[%d]", i)
		if in.MTA == "" {
			r.at(key, "mta is missing: which mail server is it?")
		}
		if in.MTA != "" && len(r.mtas) > 0 && !slices.Contains(r.mtas, in.MTA) {
			r.at(key+".mta", "no mail server %q is known; known are %s", in.MTA, strings.Join(r.mtas, ", "))
		}
		if in.Name == "" {
			r.at(key, "name is missing: as its log calls it, for imta as you like")
		}
		if first, twice := seen[in.MTA+"\x00"+in.Name]; twice && in.Name != "" {
			r.at(key, "is the same as instances[%d]: %s %s", first, in.MTA, in.Name)
		} else {
			seen[in.MTA+"\x00"+in.Name] = i
		}
		r.absolute(key+".base_dir", in.BaseDir, false)
		r.absolute(key+".config_dir", in.ConfigDir, false)
		r.absolute(key+".queue_dir", in.QueueDir, false)
		r.absolute(key+".log_file", in.LogFile, false)
		if in.Journal != nil {
			r.absolute(key+".journal.directory", in.Journal.Directory, false)
		}
	}
}

// at refuses the value of a key, on the line where the key or the nearest
// one around it stands.
func (r *reader) at(key, format string, args ...any) {
	line, found := r.lines[key]
	for k := key; !found && k != ""; line, found = r.lines[k] {
		k = k[:max(strings.LastIndexByte(k, '.'), 0)]
	}
	r.refuse(line, key, format, args...)
}

func (r *reader) duration(key string, d, least, most time.Duration) {
	if d < least || d > most {
		r.at(key, "must be from %s to %s, not %s", words(least), words(most), words(d))
	}
}

// words gives a duration as a person writes it: "35d", "10s".
func words(d time.Duration) string {
	const day = 24 * time.Hour
	switch {
	case d >= day && d%day == 0:
		return strconv.FormatInt(int64(d/day), 10) + "d"
	case d >= time.Hour && d%time.Hour == 0:
		return strconv.FormatInt(int64(d/time.Hour), 10) + "h"
	case d >= time.Minute && d%time.Minute == 0:
		return strconv.FormatInt(int64(d/time.Minute), 10) + "m"
	}
	return d.String()
}

func (r *reader) absolute(key, path string, needed bool) {
	if path == "" && needed {
		r.at(key, "must not be empty")
	} else if path != "" && !filepath.IsAbs(path) {
		r.at(key, "must be an absolute path, not %q", path)
	}
}

// CheckCompat refuses a set of names for /metrics that there is not.
func CheckCompat(name string) error {
	if name == "" || name == "postfix_exporter" {
		return nil
	}
	return fmt.Errorf("must be postfix_exporter or left out, not %q", name)
}

func readLevel(s string) (slog.Level, error) {
	switch s {
	case "debug":
		return slog.LevelDebug, nil
	case "info":
		return slog.LevelInfo, nil
	case "warn":
		return slog.LevelWarn, nil
	case "error":
		return slog.LevelError, nil
	}
	return 0, fmt.Errorf("must be debug, info, warn or error, not %q", s)
}
